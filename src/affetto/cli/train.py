"""`affetto train`: models of a corpus of one's own, in an environment of their own."""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
from omegaconf import OmegaConf

from affetto.cli.corpora import (
    corpus_parameters,
    every_clip_its_own_group,
    lone_sentence,
    warn_of_groups,
    why_untrainable,
)
from affetto.cli.output import JSON, echo_json, examples
from affetto.cli.project import project, read_configuration, read_taxonomy, run_pipeline
from affetto.cli.trained import check_same_corpus, model_name, write_environment
from affetto.corpora.describe import CorpusCheck, check_corpus, choose_side
from affetto.corpora.index import find_source
from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.own import describes_clips, find_own_tables
from affetto.corpora.sources.tables import TABLE_EXTENSIONS, read_header
from affetto.errors import AffettoError
from affetto.features.encoder.catalogue import DEFAULT_ENCODER
from affetto.features.encoder.weights import is_fetched
from affetto.io.configuration import TRAINED
from affetto.io.paths import as_path, as_text, is_remote

LARGE = 400
"""Labelled clips from which on a corpus gets the models of `conf/benchmark`."""
_MOST_LEFT_OUT, _FOLDS, _LEAKAGE_FROM = 12, 5, 100
_SMALL_SETTINGS = ["train/small.yml"]
_LARGE_SETTINGS = ["benchmark/parameters/emotion.yml", "train/large.yml"]
_ENCODER_SETTINGS = "train/encoder.yml"
"""Files below `conf`, the later going before the earlier, of the models and their evaluation."""


@click.command(
    epilog=examples(
        "affetto train recordings/ --group '^[0-9]{2}' --name mine",
        "affetto train clips.csv --group speaker",
        "affetto train ravdess/ --source ravdess",
        "affetto train music/ --side music --group '^[^-]+'",
    )
)
@click.argument("folder")
@JSON
@click.option(
    "--group",
    metavar="REGEX",
    help="What tells the speaker (artist, song): a regular expression searched in the clips' paths, else in "
    "their names; of a table, a column.",
)
@click.option("--name", help="Name of the model, for --model [default: that of the folder].")
@click.option("--side", type=click.Choice(["music", "voice"]), default="voice", show_default=True)
@click.option(
    "--source", help="Layout of a published corpus, such as ravdess [default: class folders or a table]."
)
@click.option("--param", "parameters", multiple=True, metavar="KEY=VALUE",
              help='Parameter under corpus, such as "label_map={fury: anger}".')  # fmt: skip
def train(folder: str, name: str | None, side: str, as_json: bool, **words: Any) -> None:
    """Train models on FOLDER: class folders (anger/…, sadness/…), or a table of clips.

    The model gets settings and results of its own, and nothing that was trained before is touched. Run again,
    it goes on where it was stopped and takes in new clips.
    """
    corpus = find_corpus(folder, side, **words)
    told = contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext()
    with project() as root:
        with told:
            model = prepare(root, corpus, side, name)
            run_pipeline("voice" if side == "voice" else "theme", f"{TRAINED}/{model}")
        if as_json:
            settings, results = f"conf/{TRAINED}/{model}", f"data/{TRAINED}/{model}"
            echo_json({"name": model, "side": side, "settings": settings, "results": results})


def find_corpus(
    folder: str, side: str, source: str | None, group: str | None, parameters: Iterable[str]
) -> CorpusParameters:
    """Make the parameters of the corpus from the words of the command line, as seen from where it was called.

    Raises
    ------
    AffettoError
        When the words contradict each other, or name nothing that can be read.
    """
    root, words = as_path(folder), list(parameters)
    if root.is_file():
        if root.suffix.lower() not in TABLE_EXTENSIONS or source not in (None, "table"):
            raise AffettoError(
                f"{folder} is a file: give a folder with one folder a class, or a table (CSV, TSV, Excel or "
                "Parquet) with the columns path and emotion."
            )
        words.append(f"table={root.name}")
        root, source = root.parent, "table"
    elif source in (None, "table") and not any(word.startswith("table=") for word in words):
        table = _single_table(root, words)
        words += [] if table is None else [f"table={table.relative_to(root).as_posix()}"]
        source = "folders" if table is None and source is None else "table"
    source = source or "folders"
    choose_side(find_source(source), side)
    if group is not None:
        if source not in ("folders", "table"):
            raise AffettoError(
                f"--group {group}: {source} knows the groups of its clips itself; leave --group out."
            )
        words.append(f"{'group_pattern' if source == 'folders' else 'group_column'}={group}")
    if not is_remote(root):
        root = Path(os.path.normpath(root.absolute()))  # a link stays the name that it has
    return corpus_parameters(source, str(root), words)


def _single_table(root: Path, words: Iterable[str]) -> Path | None:
    """Return the only table below a folder, if it has a column that names the clips' paths."""
    if not root.is_dir():
        return None
    tables = find_own_tables(root)
    if len(tables) != 1:
        return None
    named = dict(word.split("=", 1) for word in words if "=" in word).get("path_column")
    try:
        return tables[0] if describes_clips(read_header(tables[0]), named) else None
    except AffettoError:  # something else beside the class folders
        return None


def prepare(root: Path, corpus: CorpusParameters, side: str, name: str | None) -> str:
    """Look at a corpus, choose settings by its size and write its environment.

    Parameters
    ----------
    root
        Folder of the project.
    corpus
        The corpus.
    side
        `music` or `voice`.
    name
        Name of the model; None: that of the folder.

    Returns
    -------
    str
        Name of the model.

    Raises
    ------
    AffettoError
        When the corpus cannot be trained on, or the name belongs to a model of another corpus.
    """
    model = model_name(name, corpus.root)
    folder = root / "conf" / TRAINED / model
    check_same_corpus(folder, corpus, side, model)
    try:
        taxonomy = read_taxonomy(f"{TRAINED}/{model}" if folder.exists() else None)
        found = check_corpus(corpus, taxonomy, side=side)
    except AffettoError as error:
        raise AffettoError(_in_options(str(error), side)) from error
    untrainable = why_untrainable(found, corpus)
    if untrainable is not None:
        raise AffettoError(untrainable)
    emotions = Counter({name: count for name, count in found.emotions.items() if name not in found.lone})
    edited = write_environment(folder, _files(root, corpus, side, model, found, emotions))
    counts = ", ".join(f"{count} {emotion}" for emotion, count in sorted(emotions.items()))
    click.echo(f"{emotions.total()} labelled clips of {found.labelled_groups} groups: {counts}.")
    if found.lone:
        click.echo(lone_sentence(found))
    for path in edited:
        click.echo(f"{path.relative_to(root)} was edited and is used as it is.")
    if (warning := warn_of_groups(found, corpus.source)) is not None:
        click.echo(warning)
    if side == "voice" and not is_fetched(DEFAULT_ENCODER):
        click.echo(
            f"The encoder {DEFAULT_ENCODER} is not here, and the model that reads it is left out: run "
            "`affetto encoders fetch` and train again to have it."
        )
    click.echo(f"Settings, yours to change: {folder.relative_to(root)}; results: data/{TRAINED}/{model}.")
    return model


def _in_options(message: str, side: str) -> str:
    """Say what an error of the parameters asks for as options of this command."""
    return (
        message.replace(f"{side}.corpus.group_pattern", "--group")
        .replace(f"set {side}.corpus.label_map", 'give --param "label_map={LABEL: EMOTION}"')
        .replace(f"{side}.corpus.", "--param ")
        .replace("ROOT is", "FOLDER is")
        .replace("set ROOT to", "give")
    )


def _files(
    root: Path, corpus: CorpusParameters, side: str, model: str, found: CorpusCheck, emotions: Counter[str]
) -> dict[str, tuple[str, dict[str, Any]]]:
    """Choose the settings for a corpus: only what differs from `conf/base`."""
    n_clips, n_groups = emotions.total(), found.labelled_groups
    small, grouped = n_clips < LARGE, not every_clip_its_own_group(found)
    # Each of few groups of few clips is left out once; others are dealt into folds.
    split: dict[str, Any] = {"protocol": "leave_one_group_out"}
    if not (small and grouped and n_groups <= _MOST_LEFT_OUT):
        n_folds = max(2, min(_FOLDS, n_groups, max(emotions.values())))
        split = {"protocol": "kfold", "n_folds": n_folds}
    where, lie = {"data": f"data/{TRAINED}/{model}"}, "Where results lie."
    if side == "voice":
        # The music of the project answers where no environment is named.
        where["music"] = str(read_configuration(None)["globals"]["data"])
        lie = "Where results lie, and the music that answers (remove it to train music here as well)."
    place = {"source": corpus.source, "root": as_text(corpus.root), "name": model}
    given = corpus.model_dump(mode="json", exclude_defaults=True)
    corpora = {"corpus": {**place, **{key: given[key] for key in given if key not in place}}, "split": split}
    sources = list(_SMALL_SETTINGS if small else _LARGE_SETTINGS)
    if side == "voice" and is_fetched(DEFAULT_ENCODER):
        sources.append(_ENCODER_SETTINGS)
    settings = _settings(root / "conf", sources, side)
    # Random folds are compared with where there are groups to ignore, and clips enough to tell.
    leakage = {"leakage_gap": grouped and n_clips >= _LEAKAGE_FROM}
    settings[side]["emotion"].setdefault("experiment", {}).update(leakage)
    clips = f"{n_clips} labelled clips of {n_groups} groups"
    return {
        "globals.yml": (lie, where),
        "parameters/corpora.yml": (f"Which clips, and how they are split: {clips}.", {side: corpora}),
        "parameters/emotion.yml": (
            f"Models and their evaluation, where not those of conf/base (from {', '.join(sources)} in conf).",
            settings,
        ),
    }


def _settings(conf: Path, sources: Iterable[str], side: str) -> dict[str, Any]:
    """Merge files of `conf`, and keep what concerns a side."""
    merged: Any = OmegaConf.to_container(OmegaConf.merge(*(OmegaConf.load(conf / file) for file in sources)))
    chosen: Mapping[str, Any] = {side: merged.get(side) or {"emotion": {}}}
    return {**chosen, **({"evaluation": merged["evaluation"]} if "evaluation" in merged else {})}
