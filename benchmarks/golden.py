"""Record what a checkout of Affetto computes, and compare two such records.

Before code is moved or merged, record the commit; afterwards record again and compare. What was only moved
gives the same to the last digit on one machine; where a library or a schedule changed, pass a tolerance.

    python benchmarks/golden.py record before                     # the demo corpora
    python benchmarks/golden.py record before --corpora PATH      # EmoDB and 4Q below PATH as well, one seed
    python benchmarks/golden.py compare before after --tolerance 0.01
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd

DEMO = (
    ("kedro", "run", "--params", "tracking.enabled=false"),
    ("affetto", "hear", "data/01_raw/demo/voice/held_out", "--env", "base"),
    ("affetto", "library", "data/01_raw/demo/music"),
    ("affetto", "recommend", "data/01_raw/demo/voice/held_out", "--env", "base", "--library"),
)
CORPORA = {
    "voice/emodb": "kedro run --env benchmark --pipeline=voice --params tracking.enabled=false,"
    "voice.corpus.root={},voice.emotion.experiment.n_seeds=1,voice.emotion.models.crnn=null,voice.emotion.models.encoder_crnn=null",
    "music/4q": "kedro run --env benchmark --pipeline=theme --params tracking.enabled=false,"
    "music.corpus.root={},music.emotion.experiment.n_seeds=1",
}
KEPT = ("07_model_output/**/predictions.parquet", "08_reporting/**/comparison.csv", "08_reporting/**/*.json")
SCORES = ("uar", "wa", "macro_f1", "ami")
VOLATILE = ("seconds", "ms_per_clip", "created", "path", "recording", "generated")
"""Parts of names of what differs from run to run: times, and where things lie."""


def main() -> None:
    """Read the command line and record or compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="run a checkout and keep its answers")
    recording.add_argument("folder", type=Path)
    recording.add_argument("--project", type=Path, default=Path.cwd(), help="the checkout; here by default")
    recording.add_argument("--corpora", type=Path, help="folder of voice/emodb and music/4q")
    comparing = commands.add_parser("compare", help="compare two records; exit status 1 where they differ")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    comparing.add_argument("--tolerance", type=float, default=0.0, help="largest difference of a score")
    given = parser.parse_args()
    if given.command == "record":
        record(given.folder, given.project, given.corpora)
    else:
        sys.exit(1 if differences(given.before, given.after, given.tolerance) else 0)


def record(folder: Path, project: Path, corpora: Path | None) -> None:
    """Run the demo, and the benchmark where there are corpora, and copy predictions, tables and answers."""
    for command in DEMO:
        _run(command, project)
    for name, command in CORPORA.items() if corpora else ():
        _run(command.format((corpora / name).resolve()).split(), project)
    for pattern in KEPT:
        for file in sorted((project / "data").glob(pattern)) + sorted(
            (project / "data/benchmark").glob(pattern)
        ):
            if "runs" in file.relative_to(project / "data").parts:  # copies in folders named after the time
                continue
            target = folder / file.relative_to(project / "data")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)


def differences(before: Path, after: Path, tolerance: float) -> list[str]:
    """Print and return what differs between two records: files, rows, scores and answers."""
    names = sorted(
        {file.relative_to(root).as_posix() for root in (before, after) for file in root.rglob("*.*")}
    )
    found = []
    for name in names:
        there = [(root / name).exists() for root in (before, after)]
        if not all(there):
            found.append(f"{name}: only in {(before, after)[there.index(True)]}")
            continue
        reader = {".json": _answers, ".csv": _scores, ".parquet": _predictions}[Path(name).suffix]
        found += [f"{name}: {what}" for what in reader(before / name, after / name, tolerance)]
    alone = [what for what in found if ": only in " in what]
    print("\n".join(found))
    print(f"{len(names) - len(alone)} files are in both, {len(found) - len(alone)} of them differ.")
    return found


def _run(command: tuple[str, ...] | list[str], project: Path) -> None:
    program = Path(sys.executable).with_name(command[0])
    environment = {**os.environ, "PYTHONPATH": str(project.resolve() / "src")}
    subprocess.run([program, *command[1:]], cwd=project, env=environment, check=True)


def _predictions(before: Path, after: Path, tolerance: float) -> list[str]:
    key = ["clip_id", "seed"]
    one, two = (pd.read_parquet(path) for path in (before, after))
    if one.empty and two.empty:
        return []
    one, two = (table.sort_values(key).reset_index(drop=True) for table in (one, two))
    if list(one[key].itertuples(index=False)) != list(two[key].itertuples(index=False)):
        return ["other clips or seeds"]
    if tolerance:
        return []  # the scores tell
    columns = [
        name for name in one.columns if name.startswith("p_") or name in {"label", "predicted", "fold"}
    ]
    changed = [name for name in columns if name not in two or not (one[name] == two[name]).all()]
    return [f"columns differ: {', '.join(changed)}"] if changed else []


def _scores(before: Path, after: Path, tolerance: float) -> list[str]:
    one, two = (pd.read_csv(path).set_index("model") for path in (before, after))
    if set(one.index) != set(two.index):
        return [f"models {sorted(set(one.index) ^ set(two.index))} are in one only"]
    found = []
    for name in SCORES:
        if name in one and name in two:
            change = (two[name].reindex(one.index) - one[name]).abs().max()
            if change > tolerance:
                found.append(f"{name} differs by up to {change:.4g}")
    return found


def _answers(before: Path, after: Path, tolerance: float) -> list[str]:
    one, two = (_steady(json.loads(path.read_text("utf-8"))) for path in (before, after))
    return ["answers differ"] if one != two and not tolerance else []


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _steady(each) for name, each in value.items() if not any(part in name for part in VOLATILE)
        }
    return [_steady(each) for each in value] if isinstance(value, list) else value


if __name__ == "__main__":
    main()
