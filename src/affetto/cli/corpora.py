"""`affetto corpora`: the corpora that Affetto can read, what a folder holds of one, and how to get it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import yaml
from kedro.utils import find_kedro_project
from pydantic import ValidationError

from affetto.cli.output import ENV, JSON, SIDE, echo_json, echo_table, examples
from affetto.cli.project import project, read_taxonomy
from affetto.cli.trained import free_name
from affetto.corpora.clips import FEWEST_EMOTIONS
from affetto.corpora.describe import (
    CorpusCheck,
    check_corpus,
    choose_side,
    describe_source,
    list_sources,
)
from affetto.corpora.fetch import check_fetchable, fetch_source
from affetto.corpora.index import find_source
from affetto.corpora.parameters import CorpusParameters
from affetto.errors import AffettoError, name_some, validation_sentence
from affetto.io.paths import absolute, as_path, as_text, is_remote

_TOLD = (
    *("name", "title", "licence", "home_page", "layout"),
    *("group_rule", "second_group_rule", "official_split"),
)


@click.group(
    epilog=examples(
        "affetto corpora list --side voice",
        "affetto corpora check folders recordings/",
        "affetto corpora fetch ravdess",
    )
)
def corpora() -> None:
    """Show, check and fetch corpora."""


@corpora.command("list")
@SIDE
@JSON
def list_command(side: str | None, as_json: bool) -> None:
    """List the corpora that Affetto can read."""
    entries = list_sources(side)
    if as_json:
        echo_json(entries)
        return
    header = ("name", "side", "title", "licence", "clips")
    rows = [(entry["name"], " ".join(entry["sides"]), *map(entry.get, header[2:])) for entry in entries]
    echo_table(header, rows, numbers=("clips",))


@corpora.command()
@click.argument("name")
@ENV
@JSON
def describe(name: str, env: str | None, as_json: bool) -> None:
    """Say what the corpus NAME is, how it lies on disk and what its labels mean."""
    taxonomy = None if find_kedro_project(Path.cwd()) is None else read_taxonomy(env)
    described = describe_source(find_source(name), taxonomy)
    if as_json:
        echo_json(described)
    else:
        _echo_description(described)


@corpora.command()
@click.argument("name")
@click.argument("root")
@SIDE
@click.option(
    "--param",
    "parameters",
    multiple=True,
    metavar="KEY=VALUE",
    help="Parameter under corpus, such as table=x.csv.",
)
@ENV
@JSON
@click.pass_context
def check(
    context: click.Context,
    name: str,
    root: str,
    side: str | None,
    parameters: tuple[str, ...],
    env: str | None,
    as_json: bool,
) -> None:
    """Say what the folder ROOT holds of the corpus NAME.

    Ends with 0 when the counts are those of a complete copy or none are known, with 1 when they differ.
    """
    source = find_source(name)
    # The labels of one's own recordings tell what they are of.
    chosen = None if side is None and source.name in ("folders", "table") else choose_side(source, side)
    corpus = corpus_parameters(name, root, parameters)
    found = check_corpus(corpus, read_taxonomy(env), side=chosen)
    if as_json:
        place = {"source": corpus.source, "root": str(corpus.root)}
        echo_json({**place, "agrees": found.agrees, **asdict(found)})
    else:
        if chosen is None:
            click.echo(f"Checked as {found.side}; --side says otherwise.")
        _echo_check(found)
        _echo_training(found, corpus)
    context.exit(0 if found.agrees else 1)


@corpora.command()
@click.argument("name")
@click.option("--into", help="Folder to fetch into [default: data/01_raw/NAME of the project].")
@JSON
def fetch(name: str, into: str | None, as_json: bool) -> None:
    """Download the corpus NAME, where its licence allows it, and unpack it.

    Run again, it goes on where it was cut off; what is there is neither changed nor removed.
    """
    source = find_source(name)
    check_fetchable(source)
    if into is None:
        with project() as root:
            folder = root / "data/01_raw" / name
    elif is_remote(as_path(into)):
        raise AffettoError(
            f"--into {into} is not on this machine: fetch into a folder and copy it from there."
        )
    else:
        folder = Path(into).absolute()
    terms = f"{source.title}\nLicence: {source.licence}\nPlease cite:\n{source.citation}\n"
    click.echo(terms, err=as_json)
    fetched = fetch_source(source, folder)
    if as_json:
        echo_json({"name": name, "root": str(folder), **fetched._asdict()})
        return
    for path in fetched.different:
        click.echo(f"{path} differs from the archive's and was left as it is.", err=True)
    click.echo(
        f"{fetched.written} new files in {folder}; look at them: affetto corpora check {name} {folder}"
    )


def corpus_parameters(name: str, root: str, given: Iterable[str]) -> CorpusParameters:
    """Make the parameters of a corpus from words of the command line.

    Parameters
    ----------
    name
        Name of the source.
    root
        Folder or address of the corpus.
    given
        Further parameters, each as `KEY=VALUE`.

    Raises
    ------
    AffettoError
        When a word is not of that form, or no parameter of a corpus.
    """
    fields: dict[str, Any] = {}
    for word in given:
        key, equals, value = word.partition("=")
        if not equals:
            raise AffettoError(f"--param {word}: write it as KEY=VALUE.")
        fields[key] = value
        if key == "label_map":
            try:
                fields[key] = yaml.safe_load(value)
            except yaml.YAMLError as error:
                raise AffettoError(f"--param {word}: write it as {{LABEL: EMOTION, …}}.") from error
    try:
        return CorpusParameters.model_validate({**fields, "source": name, "root": absolute(as_path(root))})
    except ValidationError as error:
        raise AffettoError(f"--param {validation_sentence(error)}.") from error


def _echo_description(described: dict[str, Any]) -> None:
    expected = described["expected"] or {}
    counts = [f"{expected[what]} {what}" for what in ("clips", "groups") if expected.get(what)]
    fetch = f"affetto corpora fetch {described['name']}" if described["downloads"] else "by hand"
    told = {key.replace("_rule", "").replace("_", " "): described[key] for key in _TOLD}
    told["side"] = ", ".join(described["sides"])
    told["expected"] = ", ".join(counts)
    told["download"] = fetch if described["home_page"] else None
    echo_table(("", ""), [row for row in told.items() if row[1]])
    for side, labels in (described["labels"] or {}).items():
        click.echo(f"\nLabels and their emotions ({side}):")
        clips = expected.get("labels", {})
        table = [(label, emotion or "unlabelled", clips.get(label)) for label, emotion in labels.items()]
        echo_table(("label", "emotion", "clips"), table, numbers=("clips",))
    if described["citation"]:
        click.echo(f"\n{described['citation']}")


def _echo_check(found: CorpusCheck) -> None:
    labels = [
        (f"label {count.label or 'none'} ({count.emotion or 'unlabelled'})", count) for count in found.labels
    ]
    counts = [("clips", found.clips), ("groups", found.groups), *labels]
    rows: list[tuple[object, ...]] = [
        (what, count.found, count.expected, None if count.agrees else "differs") for what, count in counts
    ]
    parts = {**(found.official_split or {}), "in no part": found.without_split or None}
    rows += [(f"official split: {part}", count, None, None) for part, count in parts.items() if count]
    echo_table(("", "found", "expected", ""), rows, numbers=("found", "expected"))
    if found.missing:
        click.echo(f"{len(found.missing)} recordings of clips are not there: {name_some(found.missing)}")
    if found.unmatched:
        click.echo(f"{len(found.unmatched)} recordings belong to no clip: {name_some(found.unmatched)}")


def _echo_training(found: CorpusCheck, corpus: CorpusParameters) -> None:
    """Print the command that trains on what was checked, and whether its figures would mean anything."""
    if not any(label.found and label.emotion is not None for label in found.labels):
        return
    untrainable = why_untrainable(found, corpus)
    if found.lone:
        click.echo(lone_sentence(found))
    if untrainable is not None:
        click.echo(f"No model can be trained on it yet. {untrainable}")
        return
    if (warning := warn_of_groups(found, corpus.source)) is not None:
        click.echo(warning)
    with project() as folder:
        name = free_name(folder, corpus, found.side)
    click.echo(f"Train on it: {train_command(corpus, found.side, name=name)}")


def lone_sentence(found: CorpusCheck) -> str:
    """Say which emotions a run leaves out because they have one clip."""
    return (
        f"There is one clip only of {', '.join(found.lone)}, which cannot be both in training and in test "
        "and is set aside."
    )


def why_untrainable(found: CorpusCheck, corpus: CorpusParameters) -> str | None:
    """Say why every model would refuse a corpus; None: they would not.

    Parameters
    ----------
    found
        What is there.
    corpus
        The corpus.
    """
    clips, emotions = found.clips.found, [emotion for emotion in found.emotions if emotion not in found.lone]
    if found.missing and not found.emotions:
        return f"None of the labelled clips has its recording below {corpus.root}: put them there."
    if len(emotions) < FEWEST_EMOTIONS:
        have = f"only {emotions[0]}" if emotions else "no emotion"
        more = f" (besides one clip only of {', '.join(found.lone)})" if found.lone else ""
        return (
            f"{clips} clips lie below {corpus.root}, and their labels tell {have}{more}: a model needs two "
            "emotions, as folders such as anger/ and sadness/, or in the column emotion of a table."
        )
    who = "speakers" if found.side == "voice" else "artists"
    if found.labelled_groups == 1:
        return (
            f"All {clips} clips are of one group, so none can be tested without having trained "
            f"on it: add {who}, or a --group that tells them apart."
        )
    if found.fewest_emotions < FEWEST_EMOTIONS:
        return (
            "Emotions and groups go together, so that without one of the groups fewer than two emotions are "
            f"left to train on: add {who} of several emotions."
        )
    return None


def every_clip_its_own_group(found: CorpusCheck) -> bool:
    """Tell whether nothing is known of who speaks in which clip."""
    return found.groups.found == found.clips.found > 1


def warn_of_groups(found: CorpusCheck, source: str) -> str | None:
    """Say that groups are unlikely to be speakers, and what to do about it; None: nothing is odd."""
    if every_clip_its_own_group(found):
        column = source == "table"
        how = (
            "the column that names the speaker" if column else "a pattern that finds the speaker in the paths"
        )
        return (
            "Every clip is its own group: no speaker is known, so figures would be those of voices that the "
            f"model has trained on. Add --group: {how}."
        )
    if source == "folders" and found.labelled_groups > len(found.emotions) and not found.mixed_groups:
        return (
            f"None of the {found.labelled_groups} groups has clips of two emotions: if a speaker has some in "
            "several folders, the pattern of --group catches the folder, too; let it catch the name alone, "
            "as '([a-z]+)-' does."
        )
    return None


def train_command(corpus: CorpusParameters, side: str, *, name: str | None = None) -> str:
    """Write the command that trains on a corpus, perhaps under a name, quoted for a shell."""
    table = corpus.source == "table" and corpus.table is not None
    words = ["affetto", "train", as_text(corpus.root / str(corpus.table) if table else corpus.root)]
    grouped_by = "group_column" if corpus.source == "table" else "group_pattern"
    group = getattr(corpus, grouped_by)
    if group is not None:
        words += ["--group", group]
    if side != "voice":
        words += ["--side", side]
    if name is not None:
        words += ["--name", name]
    if corpus.source not in ("folders", "table"):
        words += ["--source", corpus.source]
    said = {"source", "root", "table", grouped_by}
    for key, value in corpus.model_dump(mode="json", exclude_defaults=True, exclude=said).items():
        mapping = isinstance(value, dict)
        text = yaml.safe_dump(value, default_flow_style=True, width=10_000) if mapping else str(value)
        words += ["--param", f"{key}={text.strip()}"]
    return shlex.join(words)
