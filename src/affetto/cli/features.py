"""`affetto features`: what the feature stores hold, how fresh it is, and the removal of what is not used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from affetto.cli.guard import one_sentence

if TYPE_CHECKING:
    from affetto.cli.stores import Entry
    from affetto.features.status import StoreStatus

_NUMBERS = ("clips", "extracted", "set aside", "unused", "shards", "size")
_SIDE = click.option("--side", type=click.Choice(["music", "voice"]), help="Only this side.")
_ENV = click.option("--env", "-e", help="Kedro environment.")


@click.group()
def features() -> None:
    """Show and tidy the feature stores."""


@features.command()
@_SIDE
@_ENV
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(side: str | None, env: str | None, as_json: bool) -> None:
    """Show what each feature store holds, and whether a run would change it."""
    from affetto.cli.output import echo_json
    from affetto.cli.stores import feature_stores
    from affetto.features.status import store_status

    with one_sentence(), feature_stores(env, side) as entries:
        found = [(entry, store_status(entry.store, *entry.wanted)) for entry in entries]
    if as_json:
        echo_json([_json(entry, status) for entry, status in found])
    else:
        _echo_status(found)


@features.command()
@_SIDE
@_ENV
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
def collect(side: str | None, env: str | None, dry_run: bool) -> None:
    """Remove the features that the last run did not ask for.

    Those are features of vanished clips, of old parameters, and of every other corpus in the same store.
    """
    from affetto.cli.stores import feature_stores

    with one_sentence(), feature_stores(env, side) as entries:
        for entry in entries:
            _collect(entry, dry_run)


def _collect(entry: Entry, dry_run: bool) -> None:
    rows, n_bytes = entry.store.collect(dry_run=True)
    if not rows and not n_bytes:
        click.echo(f"{entry.name}: nothing to remove")
        return
    click.echo(f"{entry.name}: {rows} rows that the last run did not ask for, about {_size(n_bytes)}")
    if not dry_run:
        rows, n_bytes = entry.store.collect()
        click.echo(f"{entry.name}: removed {rows} rows, {_size(n_bytes)}")


def _echo_status(found: list[tuple[Entry, StoreStatus]]) -> None:
    from affetto.cli.output import echo_table

    rows = [
        (
            entry.feature,
            entry.side,
            status.planned,
            status.extracted,
            sum(status.set_aside.values()),
            status.usage.rows_unused,
            status.usage.shards,
            _size(status.usage.bytes_total),
            status.planned_at and f"{status.planned_at.astimezone():%Y-%m-%d %H:%M}",
            status.state,
        )
        for entry, status in found
    ]
    echo_table(("feature", "side", *_NUMBERS, "planned", "state"), rows, numbers=_NUMBERS)
    for entry, status in found:
        for reason, count in status.set_aside.items():
            click.echo(f"{entry.name}: {count} set aside: {reason}")


def _json(entry: Entry, status: StoreStatus) -> dict[str, Any]:
    from dataclasses import asdict

    planned_at = status.planned_at and status.planned_at.isoformat()
    return {
        "feature": entry.feature,
        "side": entry.side,
        "folder": str(entry.store.root),
        **asdict(status),
        "planned_at": planned_at,
    }


def _size(n_bytes: int) -> str:
    from tqdm import tqdm

    return str(tqdm.format_sizeof(n_bytes, suffix="B"))
