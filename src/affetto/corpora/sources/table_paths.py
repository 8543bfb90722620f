"""Paths as tables write them, perhaps on another machine, made relative to the root of a corpus."""

from __future__ import annotations

import logging
import os
import posixpath
import re
import unicodedata
from collections.abc import Iterable, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pandas as pd

from affetto.corpora.sources.files import relative, walk_files
from affetto.errors import AffettoError, name_some
from affetto.io.paths import as_text, is_remote

logger = logging.getLogger(__name__)

_FOREIGN = re.compile(r"/|[A-Za-z]:/|[A-Za-z][A-Za-z0-9+.-]+:/|\.\.(/|$)")
"""How a path begins that does not lie below the folder that it is relative to."""


def locate_files(
    files: Iterable[Any],
    root: Path,
    *,
    table: Path,
    prefix: str | None = None,
    parameter: str = "path_prefix",
) -> list[str]:
    """Make the paths of a table relative to the root, in one spelling.

    A path that leads elsewhere, or none of which is there, was perhaps written on another machine: where a
    file below the root ends as it does, what goes before is cut off, the same from all paths that begin
    so. Files below the root are then found whatever the case of their letters and the encoding of accents
    (as Windows and macOS find them), and with `%20` for a blank.

    Parameters
    ----------
    files
        Path of each clip: relative, absolute, of Windows, with `~`, or as `file://…`.
    root
        Folder of the corpus.
    table
        Where the paths stand, for messages.
    prefix
        Beginning of the paths that is cut off first; None: nothing.
    parameter
        How `prefix` is called, for messages.

    Raises
    ------
    AffettoError
        When paths lead elsewhere and nothing below the root ends as they do, or none begins with `prefix`.
    """
    written = [str(file) for file in files]
    paths = list(map(plain_path, written))
    slash = "\\" if any("\\" in path for path in written) else "/"
    if prefix is not None:
        paths = _without_prefix(paths, plain_path(prefix), f"{parameter} is {prefix!r}")
    beginnings = _beginnings(root)
    paths = [_below(path, beginnings) for path in paths]
    lost = {path for path in paths if _FOREIGN.match(path) and not _is_elsewhere(path, root)}
    own = [path for path in paths if not _FOREIGN.match(path)]
    if own and not (root / own[0]).is_file():
        lost.update(own)
    found = _tails(lost, root) if lost else {}
    paths = [found.get(path, path) for path in paths]
    elsewhere = [path for path in paths if _FOREIGN.match(path)]
    if elsewhere:
        first, common = (text.replace("/", slash) for text in (elsewhere[0], _common_beginning(elsewhere)))
        raise AffettoError(
            f"The table {table} names {first}, which is not below {root}: set the corpus's root around it, "
            f"or {parameter} to the beginning of the paths that is to be cut off ({len(elsewhere)} begin "
            f"with {common})."
        )
    cut = sorted({path[: len(path) - len(tail)] for path, tail in found.items()} - {""})
    if cut:
        logger.warning(
            "The table %s names files of another machine or folder: %s is cut off their paths (%s cuts off "
            "another beginning)",
            *(table, name_some([beginning.replace("/", slash) for beginning in cut]), parameter),
        )
    return paths


def below_root(file: Any, root: Path, table: Path) -> str:
    """Make a path relative to the root, in one spelling; backslashes are those of Windows.

    Raises
    ------
    AffettoError
        When the path is missing, or leads elsewhere.
    """
    if pd.isna(file):
        raise AffettoError(f"The table {table} has a row without a path: give it one, or delete it.")
    path = _below(plain_path(str(file)), _beginnings(root))
    if _FOREIGN.match(path):
        raise AffettoError(
            f"The table {table} names {path}, which is not below {root}: set the corpus's root around it."
        )
    return path


def plain_path(text: str) -> str:
    """Write a path with forward slashes, without `file://`, `~` and detours."""
    text = text.strip().replace("\\", "/")
    if text.lower().startswith("file:"):
        # file:///data/a.wav, file://localhost/data/a.wav, file:///C:/a.wav
        text = re.sub(r"^file:(//localhost(?=/))?/*", "/", unquote(text), flags=re.IGNORECASE)
        text = re.sub(r"^/(?=[A-Za-z]:/)", "", text)
    return posixpath.normpath(os.path.expanduser(text) if text.startswith("~") else text)  # noqa: PTH111


def _without_prefix(paths: list[str], prefix: str, said: str) -> list[str]:
    cut = [re.sub(rf"^{re.escape(prefix.rstrip('/'))}/+", "", path, flags=re.IGNORECASE) for path in paths]
    if cut == paths:
        raise AffettoError(f"{said}, but no path of the table begins so; the first is {paths[0]}.")
    return cut


def _beginnings(root: Path) -> list[str]:
    """Return how paths begin that lie below the root."""
    roots = [root] if is_remote(root) else [root, root.absolute(), root.resolve()]
    return [posixpath.normpath(as_text(each)).rstrip("/") + "/" for each in roots]


def _below(path: str, beginnings: Iterable[str]) -> str:
    if not _FOREIGN.match(path):
        return path
    return next((path.removeprefix(each) for each in beginnings if path.startswith(each)), path)


def _is_elsewhere(path: str, root: Path) -> bool:
    """Tell whether a file of this machine lies there: another one below the root is not meant by it."""
    try:
        return not path.startswith("..") and not is_remote(root) and Path(path).exists()
    except OSError:
        return False


def _tails(paths: set[str], root: Path) -> dict[str, str]:
    """Return for each path, as far as there is one, the file below the root that ends as it does.

    Where some relative paths lead to files, the others are of files that are missing.
    """
    files = [relative(path, root) for path in walk_files(root)]
    if not paths.isdisjoint(files):
        paths = {path for path in paths if _FOREIGN.match(path)}
    here = {_spelling(path): path for path in reversed(files)} | {path: path for path in files}
    longest = {path: _longest_tail(path, here) for path in sorted(paths)}
    beginnings = {path.removesuffix(tail) for path, tail in longest.items() if tail is not None}
    found: dict[str, str] = {}
    for path in longest:
        # A file of the same name that lies higher is no match where others show how far to cut.
        fits = [each for each in beginnings if path.startswith(each) and (each or not _FOREIGN.match(path))]
        if fits:
            tail = path.removeprefix(min(fits, key=len))
            found[path] = _look_up(tail, here) or tail
    return found


def _longest_tail(path: str, here: Mapping[str, str]) -> str | None:
    parts = path.split("/")
    tails = ("/".join(parts[number:]) for number in range(len(parts)))
    return next((tail for tail in tails if tail and _look_up(tail, here)), None)


def _look_up(tail: str, here: Mapping[str, str]) -> str | None:
    decoded = unquote(tail)
    spellings = (tail, decoded, _spelling(tail), _spelling(decoded))
    return next((here[each] for each in spellings if each in here), None)


def _spelling(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _common_beginning(paths: list[str]) -> str:
    """Return the folders that paths have in common."""
    folders = zip(*(path.split("/")[:-1] for path in paths), strict=False)
    return "/".join(names[0] for names in takewhile(lambda names: len(set(names)) == 1, folders)) + "/"
