"""`affetto cache`: how much the caches hold, and the removal of all of it, or of what is old."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from affetto.cli.guard import one_sentence

if TYPE_CHECKING:
    from affetto.io.paths import FileStatus

_ENV = click.option("--env", "-e", help="Kedro environment whose caches are meant.")
_DAY_S = 86_400.0
_KINDS = ("features", "degraded", "results", "models")
_OURS = {
    "features": re.compile(r"[^/]+/[^/]+/(.+/)?[^/]+\.(arrow|parquet|json|run|collect|partial)"),
    "degraded": re.compile(r"[^/]+/[^/]+/(.+/)?[^/]+\.(arrow|parquet|json|run|collect|partial)"),
    "results": re.compile(r"[0-9a-f]{2}/([0-9a-f]{32}\.npz|[0-9a-f]{32}\.partial)"),
    "models": re.compile(r"\.?[0-9a-f]{32}(\.[^/]+)?/.+"),
}
"""Cache → the files that Affetto writes into it: stores of a side and feature, results, models."""
_CATALOGUED = ("music.json", "voice.json", "library.json")
"""What the catalog keeps beside the feature stores: which features a run has found in them."""
_FIRST = ("signature.json", "plan.parquet")  # without these the rest of an entry counts for nothing


@dataclass(frozen=True)
class Entry:
    """What is removed together: a feature store, a result or a model.

    Attributes
    ----------
    path
        Its folder, or its only file.
    files
        All its files.
    """

    path: Path
    files: dict[Path, FileStatus]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(status.size for status in self.files.values())

    @property
    def modified_s(self) -> float:
        """When the youngest file was written, s since 1970."""
        return max(status.modified_s for status in self.files.values())


@dataclass(frozen=True)
class Contents:
    """What a cache holds: entries of ours, and files of others, which are never touched."""

    kind: str
    root: Path
    entries: list[Entry]
    others: list[Path]


@click.group(invoke_without_command=True)
@_ENV
@click.pass_context
def cache(context: click.Context, env: str | None) -> None:
    """Show how much the caches hold: features, fits, probes and fitted models of the folds."""
    if context.invoked_subcommand is None:
        with one_sentence():
            _echo(_read(env))


@cache.command()
@_ENV
@click.option(
    "--older-than", type=click.FloatRange(min=0), help="Only what was last written so many days ago."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
def clear(env: str | None, older_than: float | None, dry_run: bool) -> None:
    """Remove what the caches hold; the next run computes again what it needs."""
    with one_sentence():
        for contents in _read(env):
            _clear(contents, older_than, dry_run=dry_run)


def _read(env: str | None) -> list[Contents]:
    from affetto.cli.stores import project_catalog
    from affetto.io.cache import CacheParameters
    from affetto.io.paths import absolute

    with project_catalog(env) as catalog:
        parameters = CacheParameters.model_validate(catalog.load("params:cache"))
        roots = {kind: absolute(getattr(parameters, kind)) for kind in _KINDS}
        return [_contents(kind, roots) for kind in _KINDS]


def _contents(kind: str, roots: dict[str, Path]) -> Contents:
    """Read what a cache holds; one that lies in the folder of another is not part of that."""
    root, inside = roots[kind], {path for name, path in roots.items() if name != kind}
    files: dict[Path, dict[Path, FileStatus]] = {}
    others: list[Path] = []
    depth = {"features": 2, "degraded": 2, "results": 2, "models": 1}[kind]
    for parts, status in _walk(root, (), inside):
        if len(parts) == 1 and (parts[0] == ".gitkeep" or parts[0] in _CATALOGUED):
            continue
        path = root.joinpath(*parts)
        if status is None or not _OURS[kind].fullmatch("/".join(parts)):
            others.append(path)
        else:
            files.setdefault(root.joinpath(*parts[:depth]), {})[path] = status
    foreign = {root.joinpath(*path.parts[len(root.parts) :][:depth]) for path in others}
    entries = [Entry(path, found) for path, found in files.items() if path not in foreign]
    return Contents(kind, root, entries, others)


def _walk(
    folder: Path, parts: tuple[str, ...], outside: set[Path]
) -> Iterator[tuple[tuple[str, ...], FileStatus | None]]:
    """Yield the path of every file below a folder and its status; None for a link, which is not followed."""
    from affetto.io.paths import list_entries, list_files

    try:
        found = list_entries(folder)
    except FileNotFoundError:
        return
    files = list_files(folder)
    for entry in found:
        name = entry.path.name
        if entry.is_link:
            yield (*parts, name), None
        elif not entry.is_folder:
            yield (*parts, name), files.get(name)
        elif entry.path not in outside:
            yield from _walk(entry.path, (*parts, name), outside)


def _echo(caches: Sequence[Contents]) -> None:
    from affetto.cli.output import echo_table

    rows = []
    for each in caches:
        days = [(time.time() - entry.modified_s) / _DAY_S for entry in each.entries]
        size = _size(sum(entry.size for entry in each.entries))
        oldest = f"{max(days):.0f} days" if days else None
        rows.append((each.kind, len(each.entries), size, oldest, each.root))
    echo_table(("cache", "entries", "size", "oldest", "folder"), rows, numbers=("entries", "size", "oldest"))
    for each in caches:
        _echo_others(each)


def _echo_others(contents: Contents) -> None:
    if contents.others:
        click.echo(
            f"{contents.kind}: {len(contents.others)} files are not Affetto's and stay as they are, with the "
            f"folders that they are in; the first is {contents.others[0]}"
        )


def _clear(contents: Contents, older_than: float | None, *, dry_run: bool) -> None:
    latest = time.time() - (older_than or 0.0) * _DAY_S
    chosen = [entry for entry in contents.entries if older_than is None or entry.modified_s < latest]
    for entry in [] if dry_run else chosen:
        _remove(entry)
    verb = "would remove" if dry_run else "removed"
    size = _size(sum(entry.size for entry in chosen))
    click.echo(f"{contents.kind}: {verb} {len(chosen)} of {len(contents.entries)} entries, {size}")
    _echo_others(contents)


def _remove(entry: Entry) -> None:
    from affetto.io.paths import is_remote

    for path in sorted(entry.files, key=lambda path: path.name not in _FIRST):
        path.unlink(missing_ok=True)
    if not is_remote(entry.path) and entry.path.is_dir():
        shutil.rmtree(entry.path)


def _size(n_bytes: int) -> str:
    from tqdm import tqdm

    return str(tqdm.format_sizeof(n_bytes, suffix="B"))
