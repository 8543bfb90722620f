"""Make every table of README and docs from the real corpora, each from one commit: `make tables`.

A table is a `kedro run` on a corpus. Its output files are copied to docs/results/TABLE, with a manifest
(run.json) of the commit, the corpus, the protocol, the seeds and the digests of these files; the blocks
between the marks `table: NAME` and `end` of README.md and docs/*.md are written from them. Nothing is lost
when it is stopped: started again, it passes over tables whose code has not changed since, and a run goes on
where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from affetto.evaluation.tables import PROBE_TABLES
from affetto.evaluation.wording import MISSING, p_value, score

PROJECT = Path(__file__).resolve().parents[1]
CODE = (".", ":!docs", ":!*.md", ":!tests")
"""What computes; the rest may change while tables are made."""
BLOCK = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
NOT_YET = "*Not made by `make tables` yet.*\n"
COMPARED = {
    "model": "model",
    "role": "role",
    "uar": "UAR",
    "wa": "accuracy",
    "macro_f1": "macro F1",
    "log_loss": "log loss",
    "ece": "ECE",
    "leakage_gap": "leakage gap",
    "difference": "proposed − this, UAR",
    "p_permutation_holm": "p (Holm)",
    "verdict": "verdict",
}
DISCOVERED = {
    "model": "model",
    "role": "role",
    "theme_ami": "AMI",
    "theme_precision_at_10": "precision at 10",
    "theme_ami_difference": "proposed − this, AMI",
    "theme_ami_p_holm": "p (Holm)",
}


@dataclass(frozen=True)
class Run:
    """The run that a table comes from.

    Attributes
    ----------
    title
        Heading of the table.
    environment, pipeline, side
        What is run, and the side whose corpus it reads.
    corpus
        Folder below that of all corpora, and its source.
    parameters
        Further parameters; `{corpora}` stands for the folder of all corpora.
    outputs
        Files below the data folder of the environment: name of the copy → path.
    summary
        Rows of the summary: file → the measure it is about and its name.
    """

    title: str
    environment: str
    pipeline: str
    side: str
    corpus: tuple[str, str]
    outputs: dict[str, str]
    summary: dict[str, tuple[str, str]]
    parameters: dict[str, str] = field(default_factory=dict)

    def arguments(self, corpora: str, extra: str) -> list[str]:
        """Write what `kedro run` is given; `extra` are parameters of a trial."""
        folder, source = self.corpus
        given = {
            f"{self.side}.corpus.source": source,
            f"{self.side}.corpus.root": f"{corpora}/{folder}",
            **{name: value.format(corpora=corpora) for name, value in self.parameters.items()},
        }
        settings = ",".join(
            [*(f"{name}={value}" for name, value in given.items()), *([extra] if extra else [])]
        )
        return ["--env", self.environment, f"--pipeline={self.pipeline}", "--params", settings]

    def command(self, extra: str) -> str:
        """Write the run as a reader would start it, with CORPORA for the folder of all corpora."""
        return f"kedro run {' '.join(self.arguments('CORPORA', extra))}"


def _files(task: str, *names: str, prefix: str = "") -> dict[str, str]:
    return {f"{prefix}{name}.csv": f"08_reporting/{task}/{name}.csv" for name in names}


_VOICE = _files("voice_emotion", "comparison", "robustness", "enrolment", "strangers", "importance")
_MUSIC = _files("music_emotion", "comparison", "highlights")
RUNS = {
    "voice": Run(
        title="Voice, 7 emotions: EmoDB",
        environment="benchmark",
        pipeline="voice",
        side="voice",
        corpus=("voice/emodb", "emodb"),
        outputs=_VOICE,
        summary={"comparison.csv": ("uar", "UAR")},
        parameters={
            "voice.emotion.models.crnn": "null",
            "evaluation.strangers.songs.folder": "{corpora}/music/4q",
        },
    ),
    "ready": Run(
        title="The ready voice model: EmoDB, with a pre-trained encoder",
        environment="ready",
        pipeline="voice",
        side="voice",
        corpus=("voice/emodb", "emodb"),
        outputs=_VOICE,
        summary={"comparison.csv": ("uar", "UAR")},
    ),
    "music-4q": Run(
        title="Music, 4 quadrants, and themes: 4Q",
        environment="benchmark",
        pipeline="theme",
        side="music",
        corpus=("music/4q", "panda_4q"),
        outputs=_MUSIC | _files("theme", "discovery", "comparison", prefix="themes_"),
        summary={
            "comparison.csv": ("macro_f1", "macro F1"),
            "themes_discovery.csv": ("theme_ami", "theme discovery, AMI"),
            "themes_comparison.csv": ("wa", "theme classification, accuracy"),
        },
    ),
    "music-emopia": Run(
        title="Music, 4 quadrants: EMOPIA, rendered",
        environment="benchmark",
        pipeline="emotion",
        side="music",
        corpus=("music/emopia", "emopia"),
        outputs=_MUSIC,
        summary={"comparison.csv": ("wa", "accuracy")},
        parameters={"music.emotion.models.attention_lstm_mfcc": "null"},
    ),
}


class TableError(Exception):
    """A table cannot be made; the message is for the user."""


def git(*arguments: str) -> str:
    """Return what git answers about the project."""
    done = subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise TableError(f"git does not know the commit of the project ({done.stderr.strip()})")
    return done.stdout.strip()


def clean_commit() -> str:
    """Return the commit of the code; a changed file that computes makes it none."""
    changed = git("status", "--porcelain", "--", *CODE)
    if changed:
        first = changed.splitlines()[0].split()[-1]
        raise TableError(f"a table comes from one commit, but {first} is not committed: commit or undo it")
    return git("rev-parse", "HEAD")


def is_code_of(commit: str) -> bool:
    """Tell whether the code of a commit is still that of the newest one."""
    try:
        return not git("diff", "--name-only", commit, "HEAD", "--", *CODE)
    except TableError:  # a commit that is not here
        return False


def made_by(folder: Path, command: str) -> str | None:
    """Return the commit that a table was made by, where its code is still the same; else None."""
    if not (folder / "run.json").is_file() or manifest(folder)["command"] != command:
        return None
    commit = str(manifest(folder)["commit"])
    return commit if is_code_of(commit) else None


def make(run: Run, corpora: Path, into: Path, extra: str) -> None:
    """Do the run that a table comes from, and keep its figures in `into`.

    Raises
    ------
    TableError
        When the corpus is missing, the run fails, or the code changes while it runs.
    """
    corpus = corpora / run.corpus[0]
    if not (PROJECT / corpus).is_dir():
        raise TableError(f"there is no corpus in {corpus}: say where corpora are (make tables CORPORA=PATH)")
    commit = clean_commit()
    if run.side == "voice" and not (PROJECT / "data/01_raw/demo/music").is_dir():
        kedro("--pipeline=corpora")  # strangers of the voices are the demo's
    kedro(*run.arguments(str(corpora), extra))
    clean_commit()
    if not is_code_of(commit):
        raise TableError("the code changed while it ran: start it again, finished fits are found")
    data = PROJECT / yaml.safe_load((PROJECT / f"conf/{run.environment}/globals.yml").read_text())["data"]
    missing = [path for path in run.outputs.values() if not (data / path).is_file()]
    if missing:
        raise TableError(f"its run left no {missing[0]}")
    files = {copy: (data / path).read_bytes() for copy, path in run.outputs.items()}
    files["chosen.csv"] = _csv(chosen(run, data))
    first = pd.read_csv(data / run.outputs["comparison.csv"])
    described = {
        "commit": commit,
        "command": run.command(extra),
        **{key: str(first[key].iloc[0]) for key in ("corpus", "protocol")},
        **{key: int(first[f"n_{key}"].max()) for key in ("clips", "groups", "seeds")},
        "corpus_digest": corpus_digest(data / f"03_primary/{run.side}/clips.parquet"),
        "files": {copy: sha256(content) for copy, content in files.items()},
    }
    into.mkdir(parents=True, exist_ok=True)
    for copy, content in files.items():
        (into / copy).write_bytes(content)
    text = json.dumps(described, indent=2, ensure_ascii=False)
    (into / "run.json").write_text(f"{text}\n", encoding="utf-8")


def kedro(*arguments: str) -> None:
    """Run a pipeline; what it says goes to the terminal."""
    done = subprocess.run([sys.executable, "-m", "kedro", "run", *arguments], cwd=PROJECT, check=False)
    if done.returncode:
        raise TableError("its run failed, as said above; started again, it goes on where it was")


def sha256(content: bytes) -> str:
    """Hash what a file holds."""
    return hashlib.sha256(content).hexdigest()


def _csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False, lineterminator="\n").encode()


def corpus_digest(clips: Path) -> str:
    """Hash which clips a corpus has, what is heard in them, and their labels and groups."""
    table = pd.read_parquet(clips)[["clip_id", "emotion", "theme", "group", "content_hash"]]
    return sha256(_csv(table.sort_values("clip_id")))


def chosen(run: Run, data: Path) -> pd.DataFrame:
    """Count what inner folds chose: `model, parameter, value, fits`."""
    found, output = {}, data / f"07_model_output/{run.side}"
    for model in pd.read_csv(data / run.outputs["comparison.csv"])["model"]:
        search = pd.read_parquet(output / f"emotion/{model}/histories.parquet")
        if "chosen" in search:
            chosen_ = search[search["chosen"].astype(bool)]
            found[model] = chosen_.drop(columns=["fold", "seed", "chosen", "inner_uar", "inner_log_loss"])
    if "themes_comparison.csv" in run.outputs:
        for model in pd.read_csv(data / run.outputs["themes_comparison.csv"])["model"]:
            told = pd.read_parquet(output / f"theme/discrimination/{model}.parquet")
            fits = told.drop_duplicates(["fold", "emotion"])
            found[f"themes: {model}"] = fits.filter(["C", "gamma", "n_neighbors"])
    rows = [
        (model, parameter, f"{value:.3g}".replace("nan", "no limit"), fits)
        for model, values in found.items()
        for parameter in values
        for value, fits in values[parameter].value_counts(dropna=False).items()
    ]
    return pd.DataFrame(rows, columns=["model", "parameter", "value", "fits"])


def manifest(folder: Path) -> dict[str, Any]:
    """Read what a table was made from."""
    read: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return read


def figures(folder: Path, file: str) -> pd.DataFrame:
    """Read a file of a table; one that is not what the manifest says is refused."""
    if sha256((folder / file).read_bytes()) != manifest(folder)["files"][file]:
        raise TableError(
            f"{folder.name}/{file} is not the file that the run left (make tables ONLY={folder.name} AGAIN=1)"
        )
    return pd.read_csv(folder / file, dtype={"value": str})


def blocks(results: Path) -> dict[str, str]:
    """Write the text of every block: one a table, and the summary of all."""
    made = {name: results / name for name in RUNS if (results / name / "run.json").is_file()}
    texts = {name: "\n".join(_table(RUNS[name], made[name])) if name in made else NOT_YET for name in RUNS}
    rows = [row for name, folder in made.items() for row in _summary(RUNS[name], folder)]
    head = ("task", "model", "role", "score", "proposed − this", "p (Holm)", "commit")
    return {**texts, "summary": markdown(head, rows) if rows else NOT_YET}


def fill(text: str, texts: dict[str, str]) -> str:
    """Write the blocks between the marks of a page."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{texts[found[2]]}\n{found[3]}", text)


def pages(docs: Path) -> list[Path]:
    """Return the pages that may have blocks."""
    return [page for page in (docs.parent / "README.md", *sorted(docs.glob("*.md"))) if page.is_file()]


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell or MISSING for cell in line)} |\n" for line in lines)


def _table(run: Run, folder: Path) -> Iterator[str]:
    told = manifest(folder)
    files = {file: figures(folder, file) for file in told["files"]}
    size = f"{told['clips']} clips of {told['groups']} groups ({told['corpus']}, {told['protocol']})"
    seeds = f"{told['seeds']} {'seed' if told['seeds'] == 1 else 'seeds'}"
    origin = f"commit `{told['commit'][:10]}`, corpus `{told['corpus_digest'][:16]}`"
    yield f"{size}, {seeds}; {origin}:\n\n```bash\n{told['command']}\n```\n"
    yield _columns(files["comparison.csv"], COMPARED)
    if "themes_discovery.csv" in files:
        yield "**Theme discovery**\n\n" + _columns(files["themes_discovery.csv"], DISCOVERED)
        yield "**Theme classification**\n\n" + _columns(files["themes_comparison.csv"], COMPARED)
    for probe in _PROBES:
        file = files.get(f"{probe}.csv", pd.DataFrame())
        if set(file) - {"model", "note"}:  # else it only says why nothing was measured
            table = PROBE_TABLES[probe](file)
            head, about = table.header, f"**{table.title}**. {table.note}"
            if probe == "robustness":
                head, about = (
                    ("condition", "allowed", *head[2:]),
                    "**Robustness**: change of the UAR, points",
                )
            yield f"{about}\n\n{markdown(head, list(table.rows))}"
    if len(files["chosen.csv"]):
        rows = [
            (str(model), str(parameter), ", ".join(f"{row.value} ({row.fits})" for row in of.itertuples()))
            for (model, parameter), of in files["chosen.csv"].groupby(["model", "parameter"], sort=False)
        ]
        head = ("model", "parameter", "values")
        yield f"**Chosen by inner folds**, and in how many fits\n\n{markdown(head, rows)}"


_PROBES = ("robustness", "enrolment", "strangers", "importance", "highlights")


def _columns(table: pd.DataFrame, shown: dict[str, str]) -> str:
    known = {name: head for name, head in shown.items() if name in table and table[name].notna().any()}
    rows = [tuple(_cell(row, name) for name in known) for _, row in table.iterrows()]
    return markdown(tuple(known.values()), rows)


def _cell(row: pd.Series[Any], name: str) -> str:
    if isinstance(row[name], str):
        return f"**{row[name]}**" if name == "model" and row["role"] == "proposed" else str(row[name])
    if name.endswith("_holm"):
        return p_value(row[name])
    return score(row, name, signed=name.endswith(("difference", "gap")))


def _summary(run: Run, folder: Path) -> Iterator[tuple[str, ...]]:
    for file, (measure, title) in run.summary.items():
        table = figures(folder, file)
        prefix = "" if measure == "uar" else f"{measure}_"
        p = next(name for name in (f"{prefix}p_permutation_holm", f"{prefix}p_holm") if name in table)
        for _, row in table[table["role"] != "ablation"].iterrows():
            yield (
                f"{run.title}; {title}",
                _cell(row, "model"),
                row["role"],
                score(row, measure),
                score(row, f"{prefix}difference", signed=True),
                p_value(row[p]),
                f"`{manifest(folder)['commit'][:10]}`",
            )


def main() -> int:
    """Make the tables that are asked for, and write the pages."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add(
        "--corpora", type=Path, default="../shared/data", help="folder of voice/emodb, music/4q, music/emopia"
    )
    add("--only", nargs="+", choices=RUNS, default=list(RUNS), help="tables to make")
    add("--again", action="store_true", help="make tables anew whose code has not changed")
    add("--render", action="store_true", help="run nothing, write the pages from the figures that are here")
    add("--params", default="", help="further parameters of every run, for a trial")
    add("--docs", type=Path, default=PROJECT / "docs", help="folder of the pages and of results/")
    given = parser.parse_args()
    docs, failed = given.docs.resolve(), False
    corpora = Path(os.path.relpath(given.corpora, PROJECT))  # no note names a folder of this machine
    for place, name in enumerate([] if given.render else given.only, start=1):
        run, folder = RUNS[name], docs / "results" / name
        head, started = f"[{place}/{len(given.only)}] {name}:", time.monotonic()
        commit = None if given.again else made_by(folder, run.command(given.params))
        if commit is not None:
            print(head, f"made by commit {commit[:10]}, and the code has not changed since.", flush=True)
            continue
        print(head, f"{run.title}; {run.command(given.params)}", flush=True)
        try:
            make(run, corpora, folder, given.params)
            write(docs)
            print(head, f"made in {(time.monotonic() - started) / 60:.0f} min.", flush=True)
        except TableError as error:
            failed = True
            print(head, f"not made, because {error}.", file=sys.stderr, flush=True)
    write(docs)
    return int(failed)


def write(docs: Path) -> None:
    """Bring the blocks of all pages up to the figures in `docs`/results."""
    texts = blocks(docs / "results")
    for page in pages(docs):
        before = page.read_text(encoding="utf-8")
        after = fill(before, texts)
        if after != before:
            page.write_text(after, encoding="utf-8")
            print("Written:", page.name)


if __name__ == "__main__":
    sys.exit(main())
