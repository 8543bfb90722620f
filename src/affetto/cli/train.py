"""`affetto train`: models of a corpus of one's own, in an environment of their own."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from affetto.cli.guard import one_sentence, project
from affetto.io.configuration import TRAINED

if TYPE_CHECKING:
    from affetto.corpora.describe import CorpusCheck
    from affetto.corpora.parameters import CorpusParameters

LARGE = 400
"""Labelled clips from which on a corpus gets the models of `conf/benchmark`."""
_MOST_LEFT_OUT, _FOLDS, _LEAKAGE_FROM = 12, 5, 100
_PIPELINES = {"voice": "voice", "music": "theme"}
_ENCODER = "train/encoder.yml"
_SETTINGS = {"small": ("train/small.yml",), "large": ("benchmark/parameters/emotion.yml", "train/large.yml")}
"""Size of a corpus → files below `conf`, the later going before the earlier, of its models and evaluation."""


@click.command()
@click.argument("folder")
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
def train(
    folder: str,
    group: str | None,
    name: str | None,
    side: str,
    source: str | None,
    parameters: tuple[str, ...],
) -> None:
    """Train models on FOLDER: class folders (anger/…, sadness/…), or a table of clips.

    The model gets settings and results of its own, and nothing that was trained before is touched. Run again,
    it goes on where it was stopped and takes in new clips.
    """
    with one_sentence():
        corpus = find_corpus(folder, source, group, parameters, side)
        with project() as root:
            model = prepare(root, corpus, side, name)
            _run(f"{TRAINED}/{model}", _PIPELINES[side])


def find_corpus(
    folder: str, source: str | None, group: str | None, parameters: Iterable[str], side: str
) -> CorpusParameters:
    """Make the parameters of the corpus from the words of the command line, as seen from where it was called.

    Raises
    ------
    AffettoError
        When the words contradict each other, or name nothing that can be read.
    """
    from affetto.cli.corpora import corpus_parameters
    from affetto.corpora.describe import choose_side, find_source
    from affetto.corpora.sources.tables import TABLE_EXTENSIONS
    from affetto.errors import AffettoError
    from affetto.io.paths import as_path, is_remote

    root, words = as_path(folder), list(parameters)
    if root.is_file():
        if root.suffix.lower() not in TABLE_EXTENSIONS or source not in (None, "table"):
            raise AffettoError(
                f"{folder} is a file: give a folder with one folder a class, or a table (CSV, TSV or "
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
        words.append(_group_word(source, group))
    if not is_remote(root):
        root = Path(os.path.normpath(root.absolute()))  # a link stays the name that it has
    return corpus_parameters(source, str(root), words)


def _group_word(source: str, group: str) -> str:
    from affetto.errors import AffettoError

    if source in ("folders", "table"):
        return f"{'group_pattern' if source == 'folders' else 'group_column'}={group}"
    raise AffettoError(f"--group {group}: {source} knows the groups of its clips itself; leave --group out.")


def _single_table(root: Path, words: Iterable[str]) -> Path | None:
    """Return the only table below a folder, if it has the column that names the clips' paths."""
    from affetto.corpora.sources.files import walk_files
    from affetto.corpora.sources.tables import TABLE_EXTENSIONS, read_table
    from affetto.errors import AffettoError

    tables = (
        [path for path in walk_files(root) if path.suffix.lower() in TABLE_EXTENSIONS]
        if root.is_dir()
        else []
    )
    if len(tables) != 1:
        return None
    try:
        columns = {str(column).strip().lower() for column in read_table(tables[0]).columns}
    except AffettoError:  # something else beside the class folders
        return None
    named = dict(word.split("=", 1) for word in words if "=" in word).get("path_column", "path")
    return tables[0] if named.strip().lower() in columns else None


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
    from affetto.cli.taxonomy import read_taxonomy
    from affetto.cli.trained import model_name, write_environment
    from affetto.corpora.describe import check_corpus
    from affetto.errors import AffettoError
    from affetto.features.encoder.catalogue import DEFAULT_ENCODER
    from affetto.features.encoder.weights import is_fetched

    model = model_name(name, corpus.root)
    folder = root / "conf" / TRAINED / model
    _check_same_corpus(folder, corpus, side, model)
    try:
        taxonomy = read_taxonomy(f"{TRAINED}/{model}" if folder.exists() else None)
        found = check_corpus(corpus, taxonomy, side=side)
    except AffettoError as error:
        raise AffettoError(_in_options(str(error), side)) from error
    emotions = _emotions(found)
    _check_trainable(found, emotions, corpus, side)
    edited = write_environment(folder, _files(root, corpus, side, model, found, emotions))
    counts = ", ".join(f"{count} {emotion}" for emotion, count in sorted(emotions.items()))
    click.echo(f"{sum(emotions.values())} labelled clips of {found.groups.found} groups: {counts}.")
    for path in edited:
        click.echo(f"{path.relative_to(root)} was edited and is used as it is.")
    if every_clip_its_own_group(found):
        click.echo(own_groups_warning(corpus.source))
    if side == "voice" and not is_fetched(DEFAULT_ENCODER):
        click.echo(
            f"The encoder {DEFAULT_ENCODER} is not here, and the model that reads it is left out: run "
            "`affetto encoders fetch` and train again to have it."
        )
    click.echo(f"Settings, yours to change: {folder.relative_to(root)}; results: data/{TRAINED}/{model}.")
    return model


def every_clip_its_own_group(found: CorpusCheck) -> bool:
    """Tell whether nothing is known of who speaks in which clip."""
    return found.groups.found == found.clips.found > 1


def own_groups_warning(source: str) -> str:
    """Say what it means that every clip is its own group, and what to do about it."""
    column = source == "table"
    how = "the column that names the speaker" if column else "a pattern that finds the speaker in the paths"
    return (
        "Every clip is its own group: no speaker is known, so figures would be those of voices that the "
        f"model has trained on. Add --group: {how}."
    )


def train_command(corpus: CorpusParameters, side: str) -> str:
    """Write the command that trains on a corpus, quoted for a shell."""
    from affetto.io.paths import as_text

    table = corpus.source == "table" and corpus.table is not None
    words = ["affetto", "train", as_text(corpus.root / str(corpus.table) if table else corpus.root)]
    group = corpus.group_column if corpus.source == "table" else corpus.group_pattern
    if group is not None:
        words += ["--group", group]
    if side != "voice":
        words += ["--side", side]
    if corpus.source not in ("folders", "table"):
        words += ["--source", corpus.source]
    said = {"source", "root", "table", "group_column" if corpus.source == "table" else "group_pattern"}
    for key, value in corpus.model_dump(mode="json", exclude_defaults=True, exclude=said).items():
        words += ["--param", f"{key}={_flow(value)}"]
    return shlex.join(words)


def _flow(value: Any) -> str:
    """Write the value of a parameter as `--param` reads it."""
    import yaml

    if not isinstance(value, dict):
        return str(value)
    return yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False).strip()


def _check_same_corpus(folder: Path, corpus: CorpusParameters, side: str, model: str) -> None:
    """Refuse to train another corpus under a name that is taken: the model there goes on answering."""
    import yaml

    from affetto.errors import AffettoError
    from affetto.io.paths import as_text

    path = folder / "parameters" / "corpora.yml"
    if not path.is_file():
        if folder.exists():
            raise AffettoError(
                f"{folder} is there without its parameters/corpora.yml: give another --name, or remove it."
            )
        return
    try:
        known = yaml.safe_load(path.read_text("utf-8"))[side]["corpus"]
        place = (str(known["source"]), str(known["root"]).replace(r"\${", "${"), known.get("table"))
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise AffettoError(
            f"{path} names no {side}.corpus with source and root: mend it, or give another --name."
        ) from error
    if place != (corpus.source, as_text(corpus.root), corpus.table):
        raise AffettoError(
            f"The model {model} was trained on {place[1]} ({place[0]}): give this corpus another --name."
        )


def _emotions(found: CorpusCheck) -> dict[str, int]:
    """Count the clips of each emotion; those that are there alone."""
    emotions: dict[str, int] = {}
    for label in found.labels:
        if label.emotion is not None and label.found:
            emotions[label.emotion] = emotions.get(label.emotion, 0) + label.found
    return emotions


def _check_trainable(
    found: CorpusCheck, emotions: Mapping[str, int], corpus: CorpusParameters, side: str
) -> None:
    """Refuse what every model would refuse, before anything is written or decoded."""
    from affetto.corpora.clips import FEWEST_EMOTIONS
    from affetto.errors import AffettoError

    if len(emotions) < FEWEST_EMOTIONS:
        have = f"only {next(iter(emotions))}" if emotions else "no emotion"
        raise AffettoError(
            f"{found.clips.found} clips lie below {corpus.root}, and their labels tell {have}: a model needs "
            "two emotions, as folders such as anger/ and sadness/, or in the column emotion of a table."
        )
    lonely = sorted(emotion for emotion, count in emotions.items() if count == 1)
    if lonely:
        raise AffettoError(
            f"There is one clip only of {', '.join(lonely)}, which cannot be both in training and in test: "
            f'add clips, or leave it out with --param "label_map={{{lonely[0]}: null}}".'
        )
    if found.groups.found == 1:
        raise AffettoError(
            f"All {found.clips.found} clips are of one group, so none can be tested without having trained "
            f"on it: add {'speakers' if side == 'voice' else 'artists'}, or a --group that tells them apart."
        )


def _files(
    root: Path,
    corpus: CorpusParameters,
    side: str,
    model: str,
    found: CorpusCheck,
    emotions: Mapping[str, int],
) -> dict[str, tuple[str, dict[str, Any]]]:
    """Choose the settings for a corpus: only what differs from `conf/base`."""
    from affetto.io.paths import as_text

    n_labelled = sum(emotions.values())
    size = "small" if n_labelled < LARGE else "large"
    split = _split(found, emotions, size)
    given = corpus.model_dump(mode="json", exclude_defaults=True) | {"source": corpus.source}
    place = {"source": corpus.source, "root": as_text(corpus.root), "name": model}
    sources = _sources(size, side)
    settings = _settings(root / "conf", sources, side)
    settings[side]["emotion"].setdefault("experiment", {}).update(_experiment(found, n_labelled))
    where = {"data": f"data/{TRAINED}/{model}"}
    lie = "Where results lie."
    if side == "voice":
        where["music"] = _music(root)
        lie = "Where results lie, and the music that answers (remove it to train music here as well)."
    corpora = {
        "corpus": place | {key: value for key, value in given.items() if key not in place},
        "split": split,
    }
    size_told = f"{n_labelled} labelled clips of {found.groups.found} groups"
    return {
        "globals.yml": (lie, where),
        "parameters/corpora.yml": (f"Which clips, and how they are split: {size_told}.", {side: corpora}),
        "parameters/emotion.yml": (
            f"Models and their evaluation, where not those of conf/base (from {', '.join(sources)} in conf).",
            settings,
        ),
    }


def _sources(size: str, side: str) -> tuple[str, ...]:
    """Return the files of `conf` that the settings are made of; an encoder is read only where it is here."""
    from affetto.features.encoder.catalogue import DEFAULT_ENCODER
    from affetto.features.encoder.weights import is_fetched

    reads_encoder = side == "voice" and is_fetched(DEFAULT_ENCODER)
    return (*_SETTINGS[size], _ENCODER) if reads_encoder else _SETTINGS[size]


def _split(found: CorpusCheck, emotions: Mapping[str, int], size: str) -> dict[str, Any]:
    """Leave out each of few groups of few clips; deal others into folds."""
    groups = found.groups.found
    if size == "small" and groups <= _MOST_LEFT_OUT and not every_clip_its_own_group(found):
        return {"protocol": "leave_one_group_out"}
    return {"protocol": "kfold", "n_folds": max(2, min(_FOLDS, groups, max(emotions.values())))}


def _experiment(found: CorpusCheck, n_labelled: int) -> dict[str, Any]:
    """Compare with random folds where there are groups to ignore, and clips enough to tell."""
    return {"leakage_gap": not every_clip_its_own_group(found) and n_labelled >= _LEAKAGE_FROM}


def _settings(conf: Path, sources: Iterable[str], side: str) -> dict[str, Any]:
    """Merge files of `conf`, and keep what concerns a side."""
    from omegaconf import OmegaConf

    files = (OmegaConf.load(conf / file) for file in sources)
    merged: Any = OmegaConf.to_container(OmegaConf.merge(*files))
    chosen: dict[str, Any] = {side: merged.get(side) or {"emotion": {}}}
    return chosen | ({"evaluation": merged["evaluation"]} if "evaluation" in merged else {})


def _music(root: Path) -> str:
    """Return the data tree whose music answers where no environment is named."""
    from kedro.framework.project import settings

    loader = settings.CONFIG_LOADER_CLASS(
        conf_source=str(root / settings.CONF_SOURCE),
        env=os.environ.get("KEDRO_ENV"),
        **settings.CONFIG_LOADER_ARGS,
    )
    return str(loader["globals"]["data"])


def _in_options(message: str, side: str) -> str:
    """Say what an error of the parameters asks for as options of this command."""
    return (
        message.replace(f"{side}.corpus.group_pattern", "--group")
        .replace(f"set {side}.corpus.label_map", 'give --param "label_map={LABEL: EMOTION}"')
        .replace(f"{side}.corpus.", "--param ")
        .replace("ROOT is", "FOLDER is")
        .replace("set ROOT to", "give")
    )


def _run(env: str, pipeline: str) -> None:
    """Run a pipeline; its summary is printed by the hook that ends every training."""
    from kedro.framework.session import KedroSession
    from kedro.runner import SequentialRunner

    logging.getLogger("kedro").setLevel(logging.WARNING)
    session: KedroSession = KedroSession.create(env=env)
    with session:
        session.run(pipeline_names=[pipeline], runner=SequentialRunner())
