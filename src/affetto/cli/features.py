"""`affetto features`: what the feature stores hold, how fresh it is, and the removal of what is not used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import click

from affetto.cli.output import ENV, JSON, SIDE, echo_json, echo_table, examples, size_text
from affetto.cli.project import project_catalog
from affetto.features.status import StoreStatus, store_status
from affetto.features.store import FeatureStore
from affetto.features.table import FeatureTable
from affetto.io.cache import CacheParameters
from affetto.pipelines.model_table import SIDES

_NUMBERS = ("clips", "extracted", "set aside", "unused", "shards", "size")
_Stores = dict[tuple[str, str], tuple[FeatureStore, tuple[Any, ...]]]
"""Side and feature → the store, and what a run of today would extract into it, as `store_status` takes it."""


@click.group(epilog=examples("affetto features status", "affetto features collect --dry-run"))
def features() -> None:
    """Show and tidy the feature stores."""


@features.command()
@SIDE
@ENV
@JSON
def status(side: str | None, env: str | None, as_json: bool) -> None:
    """Show what each feature store holds, and whether a run would change it."""
    with _stores(env, side) as stores:
        found = [
            _description(*name, store, store_status(store, *wanted))
            for name, (store, wanted) in stores.items()
        ]
    if as_json:
        echo_json(found)
        return
    rows = [
        (
            each["feature"],
            each["side"],
            each["planned"],
            each["extracted"],
            sum(each["set_aside"].values()),
            each["usage"]["rows_unused"],
            each["usage"]["shards"],
            size_text(each["usage"]["bytes_total"]),
            each["planned_at"] and each["planned_at"][:16].replace("T", " "),
            each["state"],
        )
        for each in found
    ]
    echo_table(("feature", "side", *_NUMBERS, "planned", "state"), rows, numbers=_NUMBERS)
    for each in found:
        for reason, count in each["set_aside"].items():
            click.echo(f"{each['side']}.{each['feature']}: {count} set aside: {reason}")


@features.command()
@SIDE
@ENV
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
def collect(side: str | None, env: str | None, dry_run: bool) -> None:
    """Remove the features that the last run did not ask for.

    Those are features of vanished clips, of old parameters, and of every other corpus in the same store.
    """
    with _stores(env, side) as stores:
        for (of_side, feature), (store, _) in stores.items():
            rows, n_bytes = store.collect(dry_run=True)
            if not rows and not n_bytes:
                click.echo(f"{of_side}.{feature}: nothing to remove")
                continue
            size = size_text(n_bytes)
            click.echo(f"{of_side}.{feature}: {rows} rows that the last run did not ask for, about {size}")
            if not dry_run:
                rows, n_bytes = store.collect()
                click.echo(f"{of_side}.{feature}: removed {rows} rows, {size_text(n_bytes)}")


@contextmanager
def _stores(env: str | None, only: str | None) -> Iterator[_Stores]:
    """Yield the feature stores, of one side or of both, that are on disk or that the parameters plan."""
    with project_catalog(env) as catalog:
        cache = CacheParameters.model_validate(catalog.load("params:cache"))
        stores: _Stores = {}
        for side in SIDES if only is None else (only,):
            clips = catalog[f"{side}.clips"]
            table = clips.load() if clips.exists() else None
            corpus = catalog.load(f"params:{side}.corpus")
            parameters = FeatureTable.model_validate(catalog.load(f"params:{side}.features")).named
            folder = cache.features / side
            there = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
            for feature in sorted({*parameters, *there}):
                wanted = (parameters.get(feature), table, corpus.root, corpus.other_roots)
                stores[side, feature] = FeatureStore(folder / feature), wanted
        yield stores


def _description(side: str, feature: str, store: FeatureStore, status: StoreStatus) -> dict[str, Any]:
    """Return what is known of a store, as JSON values."""
    return {
        "feature": feature,
        "side": side,
        "folder": str(store.root),
        **asdict(status),
        "planned_at": status.planned_at and status.planned_at.astimezone().isoformat(),
    }
