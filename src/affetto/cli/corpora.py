"""`affetto corpora`: the corpora that Affetto can read, what a folder holds of one, and how to get it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from affetto.cli.guard import one_sentence, project

if TYPE_CHECKING:
    from affetto.corpora.describe import CorpusCheck, Count
    from affetto.corpora.parameters import CorpusParameters

_RAW = Path("data/01_raw")
_SIDE = click.option("--side", type=click.Choice(["music", "voice"]), help="Side of the project.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_ENV = click.option("--env", "-e", help="Kedro environment whose taxonomy is used.")


@click.group()
def corpora() -> None:
    """Show, check and fetch corpora."""


@corpora.command("list")
@_SIDE
@_JSON
def list_command(side: str | None, as_json: bool) -> None:
    """List the corpora that Affetto can read."""
    from affetto.cli.output import echo_json, echo_table
    from affetto.corpora.describe import list_sources

    entries = list_sources(side)
    if as_json:
        echo_json(entries)
        return
    rows = [
        (entry["name"], " ".join(entry["sides"]), entry["title"], entry["licence"], entry["clips"])
        for entry in entries
    ]
    echo_table(("name", "side", "title", "licence", "clips"), rows, numbers=("clips",))


@corpora.command()
@click.argument("name")
@_ENV
@_JSON
def describe(name: str, env: str | None, as_json: bool) -> None:
    """Say what the corpus NAME is, how it lies on disk and what its labels mean."""
    from affetto.cli.output import echo_json
    from affetto.cli.taxonomy import in_project, read_taxonomy
    from affetto.corpora.describe import describe_source, find_source

    with one_sentence():
        source = find_source(name)
        described = describe_source(source, read_taxonomy(env) if in_project() else None)
    if as_json:
        echo_json(described)
    else:
        _echo_description(described)


@corpora.command()
@click.argument("name")
@click.argument("root")
@_SIDE
@click.option(
    "--param",
    "parameters",
    multiple=True,
    metavar="KEY=VALUE",
    help="Parameter under corpus, such as table=x.csv.",
)
@_ENV
@_JSON
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
    from affetto.cli.output import echo_json
    from affetto.cli.taxonomy import read_taxonomy
    from affetto.corpora.describe import check_corpus, choose_side, find_source

    with one_sentence():
        chosen = choose_side(find_source(name), side)
        corpus = corpus_parameters(name, root, parameters)
        found = check_corpus(corpus, read_taxonomy(env), side=chosen)
    if as_json:
        echo_json(_json(found, corpus, chosen))
    else:
        _echo_check(found)
        _echo_training(found, corpus, chosen)
    context.exit(0 if found.agrees else 1)


@corpora.command()
@click.argument("name")
@click.option("--into", help="Folder to fetch into [default: data/01_raw/NAME of the project].")
@click.option(
    "--attempts", type=click.IntRange(min=1), default=5, show_default=True, help="Tries without progress."
)
def fetch(name: str, into: str | None, attempts: int) -> None:
    """Download the corpus NAME, where its licence allows it, and unpack it.

    Run again, it goes on where it was cut off; what is there is neither changed nor removed.
    """
    from affetto.corpora.describe import find_source
    from affetto.corpora.fetch import check_fetchable, fetch_source

    with one_sentence():
        source = find_source(name)
        check_fetchable(source)
        folder = _raw_folder(name) if into is None else _local_folder(into)
        click.echo(f"{source.title}\nLicence: {source.licence}\nPlease cite:\n{source.citation}\n")
        fetched = fetch_source(source, folder, attempts=attempts)
    for path in fetched.different:
        click.echo(f"{path} differs from the archive's and was left as it is.", err=True)
    click.echo(
        f"{fetched.written} new files in {folder}; look at them: affetto corpora check {name} {folder}"
    )


def _raw_folder(name: str) -> Path:
    """Return the folder of a corpus among the raw data of the project."""
    with project() as root:
        return root / _RAW / name


def _local_folder(into: str) -> Path:
    from affetto.errors import AffettoError
    from affetto.io.paths import as_path, is_remote

    folder = as_path(into)
    if is_remote(folder):
        raise AffettoError(
            f"--into {into} is not on this machine: fetch into a folder and copy it from there."
        )
    return folder.absolute()


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
    from pydantic import ValidationError

    from affetto.corpora.parameters import CorpusParameters
    from affetto.errors import AffettoError, no_such_field, validation_sentence
    from affetto.io.paths import absolute, as_path

    pairs = [word.partition("=") for word in given]
    wrong = next((key for key, equals, _ in pairs if not equals), None)
    if wrong is not None:
        raise AffettoError(f"--param {wrong}: write it as KEY=VALUE.")
    fields = {key: _mapping(value) if key == "label_map" else value for key, _, value in pairs}
    unknown = next((key for key in fields if key not in CorpusParameters.model_fields), None)
    if unknown is not None:
        raise AffettoError(f"--param {unknown}: {no_such_field('CorpusParameters', [unknown])}")
    try:
        return CorpusParameters.model_validate({**fields, "source": name, "root": absolute(as_path(root))})
    except ValidationError as error:
        raise AffettoError(f"--param: {validation_sentence(error)}.") from error


def _mapping(text: str) -> Any:
    """Read `{label: emotion, …}`; what is no such text is left for the validation to name."""
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _echo_description(described: dict[str, Any]) -> None:
    from affetto.cli.output import echo_table

    expected = described["expected"] or {}
    counts = [f"{expected[what]} {what}" for what in ("clips", "groups") if expected.get(what)]
    fetch = f"affetto corpora fetch {described['name']}" if described["downloads"] else "by hand"
    rows = [
        ("name", described["name"]),
        ("title", described["title"]),
        ("side", ", ".join(described["sides"])),
        ("licence", described["licence"]),
        ("home page", described["home_page"] or None),
        ("layout", described["layout"]),
        ("group", described["group_rule"]),
        ("second group", described["second_group_rule"]),
        ("official split", described["official_split"]),
        ("expected", ", ".join(counts) or None),
        ("download", fetch if described["home_page"] else None),
    ]
    echo_table(("", ""), [row for row in rows if row[1] is not None])
    for side, labels in (described["labels"] or {}).items():
        click.echo(f"\nLabels and their emotions ({side}):")
        clips = expected.get("labels", {})
        table = [(label, emotion or "unlabelled", clips.get(label)) for label, emotion in labels.items()]
        echo_table(("label", "emotion", "clips"), table, numbers=("clips",))
    if described["citation"]:
        click.echo(f"\n{described['citation']}")


def _json(found: CorpusCheck, corpus: CorpusParameters, side: str) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "source": corpus.source,
        "side": side,
        "root": str(corpus.root),
        "agrees": found.agrees,
        **asdict(found),
    }


def _echo_check(found: CorpusCheck) -> None:
    from affetto.cli.output import echo_table
    from affetto.errors import name_some

    labels = [
        (f"label {count.label or 'none'} ({count.emotion or 'unlabelled'})", count) for count in found.labels
    ]
    rows = [_row(what, count) for what, count in (("clips", found.clips), ("groups", found.groups), *labels)]
    split = [
        (f"official split: {part}", count, None, None) for part, count in (found.official_split or {}).items()
    ]
    if found.without_split:
        split.append(("official split: in no part", found.without_split, None, None))
    echo_table(("", "found", "expected", ""), [*rows, *split], numbers=("found", "expected"))
    if found.missing:
        click.echo(f"{len(found.missing)} recordings of clips are not there: {name_some(found.missing)}")
    if found.unmatched:
        click.echo(f"{len(found.unmatched)} recordings belong to no clip: {name_some(found.unmatched)}")


def _echo_training(found: CorpusCheck, corpus: CorpusParameters, side: str) -> None:
    """Print the command that trains on what was checked, and whether its figures would mean anything."""
    from affetto.cli.train import every_clip_its_own_group, own_groups_warning, train_command

    if sum(label.found > 0 and label.emotion is not None for label in found.labels) == 0:
        return
    if every_clip_its_own_group(found):
        click.echo(own_groups_warning(corpus.source))
    click.echo(f"Train on it: {train_command(corpus, side)}")


def _row(what: str, count: Count) -> tuple[str, int, int | None, str | None]:
    return what, count.found, count.expected, None if count.agrees else "differs"
