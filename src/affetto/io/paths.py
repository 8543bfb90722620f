"""Paths and folders of this machine and of any file system that fsspec reaches, behind pathlib's interface.

Folders are listed as a whole, never asked file by file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
from pydantic import PlainSerializer, PlainValidator

from affetto.errors import AffettoError

_SCHEME = "://"


def as_path(path: str | Path) -> Path:
    """Return a local path, or a `upath.UPath` for an address such as `s3://bucket/corpus`.

    A `UPath` has the interface of `pathlib.Path` without being one; the type says `Path` so that whoever
    walks, stats, opens and joins needs no second branch. Only what has to be a name on this machine
    (memory-mapping, C libraries that open files themselves) asks `is_remote` first.

    Parameters
    ----------
    path
        A path, or an address with a scheme that fsspec knows.

    Raises
    ------
    AffettoError
        When fsspec does not know the scheme, or the package that serves it is not installed.
    """
    if not isinstance(path, str) or _SCHEME not in path:
        return cast(Path, path) if is_remote(path) else Path(path)
    from fsspec import get_filesystem_class
    from upath import UPath

    try:
        remote = UPath(path)
        get_filesystem_class(remote.protocol)  # imports the package that serves it
        return cast(Path, remote)
    except (ImportError, ValueError) as error:
        raise AffettoError(f"Cannot reach {path!r}: {str(error).rstrip('.')}.") from error


def local_path(path: str | Path, *, what: str) -> Path:
    """Return the path of what only a file system of this machine can hold.

    Raises
    ------
    AffettoError
        When it is an address.
    """
    if _SCHEME in str(path):
        raise AffettoError(
            f"{path!r} cannot hold {what}: give a folder of this machine, which its workers see too."
        )
    return Path(path)


def is_remote(path: Any) -> bool:
    """Tell whether a path is outside this machine's file system."""
    return not isinstance(path, str | Path)


def absolute(path: Path) -> Path:
    """Return a path of this machine as an absolute one; an address is one already."""
    return path if is_remote(path) else path.absolute()


def as_text(path: str | Path) -> str:
    """Write a path so that `as_path` reads it again: with forward slashes, an address with its scheme."""
    path = as_path(path)
    return str(path) if is_remote(path) else path.as_posix()


def _validated(path: Any) -> Path:
    if not isinstance(path, str | Path) and not hasattr(path, "protocol"):
        raise ValueError("must be a path or an address such as s3://bucket/folder")
    return as_path(path)


StoragePath = Annotated[Path, PlainValidator(_validated), PlainSerializer(str)]
"""A parameter that names a folder or file, here or on another file system."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder in a folder; a link to a folder is a folder too.

    Attributes
    ----------
    size
        Bytes; -1 of what cannot be looked at, such as a link that leads nowhere.
    modified_s
        When it was last written, s since 1970 by the clock of its file system.
    """

    path: Path
    is_folder: bool
    is_link: bool
    size: int
    modified_s: float


def list_files(folder: Path) -> dict[str, Entry]:
    """Return the files of a folder by name; none when there is no such folder, as `list_entries`."""
    try:
        entries = list_entries(folder)
    except FileNotFoundError:
        return {}
    return {entry.path.name: entry for entry in entries if not entry.is_folder and entry.size >= 0}


def list_entries(folder: Path) -> list[Entry]:
    """Return what a folder holds, sorted by name and read afresh.

    Raises
    ------
    OSError
        When it cannot be looked into.
    """
    entries = _remote_entries(folder) if is_remote(folder) else _local_entries(folder)
    return sorted(entries, key=lambda entry: entry.path.name)


def stat_files(root: Path, paths: Sequence[str]) -> np.ndarray:
    """Look at files without opening them.

    Parameters
    ----------
    root
        Folder that the paths are relative to.
    paths
        Files [n], with forward slashes.

    Returns
    -------
    numpy.ndarray
        int64 [n, 2], size in bytes and time of change in ns; -1 of a file that cannot be looked at.
    """
    pairs = _listed_pairs(root, paths) if is_remote(root) else (_stat(root / path) for path in paths)
    return np.fromiter(pairs, dtype=np.dtype((np.int64, 2)), count=len(paths))


def _listed_pairs(root: Path, paths: Sequence[str]) -> Iterator[tuple[int, int]]:
    folders = {path.rpartition("/")[0] for path in paths}
    listed = {folder: list_files(root / folder if folder else root) for folder in folders}
    for path in paths:
        folder, _, name = path.rpartition("/")
        found = listed[folder].get(name)
        yield (found.size, round(found.modified_s * 1e9)) if found else (-1, -1)


def _stat(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except (OSError, ValueError):  # not there, not ours to read, or no name at all: decoding will say so
        return (-1, -1)
    return status.st_size, status.st_mtime_ns


def _local_entries(folder: Path) -> Iterator[Entry]:
    with os.scandir(folder) as found:
        for entry in found:
            try:
                status = entry.stat()
                is_folder, size, modified_s = entry.is_dir(), status.st_size, status.st_mtime
            except OSError:  # it went while the folder was listed, or is a link that leads nowhere
                is_folder, size, modified_s = False, -1, 0.0
            yield Entry(folder / entry.name, is_folder, entry.is_symlink(), size, modified_s)


def _remote_entries(folder: Any) -> Iterator[Entry]:
    # Other processes write there too, so no listing may be remembered: not an earlier one, nor this one.
    folder.fs.invalidate_cache(folder.path)
    infos = folder.fs.ls(folder.path, detail=True)
    folder.fs.invalidate_cache(folder.path)
    for info in infos:
        name = info["name"].rstrip("/").rpartition("/")[2]
        if info["name"].strip("/") != folder.path.strip("/"):  # an object that marks the folder itself
            is_folder = info["type"] == "directory"
            yield Entry(folder / name, is_folder, False, info.get("size") or 0, _modified_s(info))


def _modified_s(info: Mapping[str, Any]) -> float:
    names = ("LastModified", "last_modified", "mtime", "modified", "updated", "created")
    value = next((info[name] for name in names if info.get(name) is not None), 0.0)
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.timestamp() if isinstance(value, datetime) else float(value)
