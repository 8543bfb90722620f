"""`affetto cache`: how much the caches hold, and the removal of all of it, or of what is old."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from affetto.cli.output import ENV, JSON, echo_json, echo_table, examples, size_text
from affetto.cli.project import project_catalog
from affetto.io.cache import CacheParameters
from affetto.io.paths import Entry, absolute, is_remote, list_entries

_DAY_S = 86_400.0
_STORE = re.compile(r"[^/]+/[^/]+/(.+/)?[^/]+\.(arrow|parquet|json|run|collect|partial)")
_KINDS = {
    "features": (2, _STORE),
    "degraded": (2, _STORE),
    "results": (2, re.compile(r"[0-9a-f]{2}/[0-9a-f]{32}\.(npz|partial)")),
    "models": (1, re.compile(r"\.?[0-9a-f]{32}(\.[^/]+)?/.+")),
}
"""Cache → depth of its entries (stores of a side and feature, results, models), and the files of ours."""
_NO_ENTRIES = (".gitkeep", "music.json", "voice.json", "library.json")  # of the repository and the catalog
_FIRST = ("signature.json", "plan.parquet")  # without these the rest of an entry counts for nothing


@dataclass(frozen=True)
class _Cache:
    """What a cache holds: entries of ours with their files, and files of others, which are never touched."""

    kind: str
    root: Path
    entries: dict[Path, list[Entry]]
    others: list[Path]


@click.group(
    invoke_without_command=True,
    epilog=examples(
        "affetto cache", "affetto cache clear --older-than 30     # what was last written 30 days ago"
    ),
)
@ENV
@JSON
@click.pass_context
def cache(context: click.Context, env: str | None, as_json: bool) -> None:
    """Show how much the caches hold: features, fits, probes and fitted models of the folds."""
    if context.invoked_subcommand is not None:
        return
    caches, rows, described = _read(env), [], []
    for each in caches:
        written = [max(file.modified_s for file in files) for files in each.entries.values()]
        days = (time.time() - min(written)) / _DAY_S if written else None
        oldest = None if days is None else f"{days:.0f} days"
        rows.append((each.kind, len(written), size_text(_size(each.entries)), oldest, each.root))
        size = {"entries": len(written), "bytes": _size(each.entries), "oldest_days": days}
        described.append({"cache": each.kind, **size, "folder": str(each.root)})
    if as_json:
        echo_json(described)
        return
    echo_table(("cache", "entries", "size", "oldest", "folder"), rows, numbers=("entries", "size", "oldest"))
    for each in caches:
        _echo_others(each)


@cache.command()
@ENV
@click.option(
    "--older-than", type=click.FloatRange(min=0), help="Only what was last written so many days ago."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
def clear(env: str | None, older_than: float | None, dry_run: bool) -> None:
    """Remove what the caches hold; the next run computes again what it needs."""
    latest = time.time() - (older_than or 0.0) * _DAY_S
    for each in _read(env):
        chosen = {
            path: files
            for path, files in each.entries.items()
            if older_than is None or max(file.modified_s for file in files) < latest
        }
        if not dry_run:
            for path, files in chosen.items():
                _remove(path, files)
        verb = "would remove" if dry_run else "removed"
        click.echo(
            f"{each.kind}: {verb} {len(chosen)} of {len(each.entries)} entries, {size_text(_size(chosen))}"
        )
        _echo_others(each)


def _read(env: str | None) -> list[_Cache]:
    with project_catalog(env) as catalog:
        parameters = CacheParameters.model_validate(catalog.load("params:cache"))
        roots = {kind: absolute(getattr(parameters, kind)) for kind in _KINDS}
        return [_read_one(kind, roots) for kind in _KINDS]


def _read_one(kind: str, roots: dict[str, Path]) -> _Cache:
    root, (depth, ours) = roots[kind], _KINDS[kind]
    entries: dict[Path, list[Entry]] = {}
    others: list[Path] = []
    foreign: set[Path] = set()
    for file in _walk(root, {path for name, path in roots.items() if name != kind}):
        parts = file.path.parts[len(root.parts) :]
        place = root.joinpath(*parts[:depth])
        if not file.is_link and ours.fullmatch("/".join(parts)):
            entries.setdefault(place, []).append(file)
        elif len(parts) > 1 or parts[0] not in _NO_ENTRIES:
            others.append(file.path)
            foreign.add(place)
    whole = {place: files for place, files in entries.items() if place not in foreign}
    return _Cache(kind, root, whole, others)


def _walk(folder: Path, outside: set[Path]) -> Iterator[Entry]:
    """Yield files and links below a folder; a cache in the folder of another is not part of that."""
    try:
        found = list_entries(folder)
    except FileNotFoundError:
        return
    for entry in found:
        if not entry.is_folder or entry.is_link:
            yield entry
        elif entry.path not in outside:
            yield from _walk(entry.path, outside)


def _echo_others(cache: _Cache) -> None:
    if cache.others:
        click.echo(
            f"{cache.kind}: {len(cache.others)} files are not Affetto's and stay as they are, with the "
            f"folders that they are in; the first is {cache.others[0]}"
        )


def _remove(path: Path, files: list[Entry]) -> None:
    for file in sorted(files, key=lambda file: file.path.name not in _FIRST):
        file.path.unlink(missing_ok=True)
    if not is_remote(path) and path.is_dir():
        shutil.rmtree(path)


def _size(entries: dict[Path, list[Entry]]) -> int:
    return sum(file.size for files in entries.values() for file in files)
