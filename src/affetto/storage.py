"""Paths of this machine and of any file system that fsspec reaches, behind pathlib's interface."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

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
