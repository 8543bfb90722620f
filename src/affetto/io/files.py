"""Files and folders that are there as a whole or not at all; files also where fsspec reaches."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import struct
import tempfile
import tokenize
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from operator import methodcaller
from pathlib import Path
from typing import Any, BinaryIO, TypeGuard

from affetto.errors import AffettoError, DamagedFileError, first_line
from affetto.io.paths import is_remote

PARTIAL_SUFFIX = ".partial"
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DAMAGE = (  # what NumPy's, Arrow's and JSON's readers raise
    *(zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError),
    *(EOFError, LookupError, RuntimeError, TypeError, ValueError),
)
_NO_PLACE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST}


def write_whole(path: Path, content: bytes | Callable[[BinaryIO], Any]) -> None:
    """Write a file so that no reader ever sees a part of it, whatever happens to the writer.

    Here it is written under a temporary name (`*.partial`), synchronised and renamed; an object elsewhere is
    uploaded in one request, after which it is there.

    Parameters
    ----------
    path
        The file; folders above it are made.
    content
        Its bytes, or what is called with the open binary file.

    Raises
    ------
    AffettoError
        When there is no space left, no such place, or a file system elsewhere does not take it.
    """
    try:
        write = methodcaller("write", content) if isinstance(content, bytes) else content
        (_upload if is_remote(path) else _write_and_rename)(path, write)
    except OSError as error:
        if error.errno in _NO_SPACE:
            remedy = "free space and run again, what was finished is kept"
        elif is_remote(path):
            remedy = "make the bucket, or get the right to write there, and run again"
        elif error.errno in _NO_PLACE:
            remedy = "choose another place for it"
        else:
            raise
        reason = error.strerror or error
        raise AffettoError(f"{path} cannot be written ({reason}): {remedy}.") from error


@contextmanager
def reading(path: Path, *, otherwise: str = "run its pipeline again") -> Iterator[None]:
    """Tell apart why a file of our own cannot be read: it is not there, it is damaged, or the storage fails.

    Parameters
    ----------
    path
        The file, or the folder it is in.
    otherwise
        What happens, or is to be done, when it is damaged; the end of the sentence.

    Raises
    ------
    FileNotFoundError
        When it is not there.
    DamagedFileError
        When what was read is not what was written.
    AffettoError
        When it cannot be read: the rights, the disk or the network forbid it.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, *_DAMAGE) as error:
        if storage_fails(error):
            raise AffettoError(
                f"{path} cannot be read ({error.strerror or error}): mend the disk, the network or the "
                "rights there, and run again."
            ) from error
        raise DamagedFileError(
            f"{path} is damaged, or of another version of Affetto ({first_line(error)}): {otherwise}."
        ) from error


def storage_fails(error: BaseException | None) -> TypeGuard[OSError]:
    """Tell an error of the disk, the network or the rights from one of what was read."""
    contents = (None, errno.ENOENT, errno.EINVAL)  # readers raise these, too, about what they have read
    return isinstance(error, OSError) and (type(error) is not OSError or error.errno not in contents)


@contextmanager
def new_directory(directory: Path) -> Iterator[Path]:
    """Fill a directory under a temporary name and rename it: none is seen half.

    What is there is moved away first. Of two that write at once one wins.

    Yields
    ------
    Path
        Where to write; it is taken away when writing fails.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=directory.parent, prefix=f".{directory.name}."))
    aside = Path(tempfile.mkdtemp(dir=directory.parent, prefix=f".{directory.name}.old."))
    try:
        yield partial
        partial.chmod(0o755)
        for attempt in range(20):
            try:
                partial.rename(directory)
                return
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            with suppress(FileNotFoundError):  # another writer was faster
                directory.rename(aside / str(attempt))
        raise AffettoError(
            f"{directory} cannot be written: something else keeps writing it; run again alone."
        )
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)


def local_copy(path: Path) -> Path:
    """Return where an immutable file can be memory-mapped: itself, or a copy that is downloaded once.

    Copies lie in the folder that the environment variable `AFFETTO_CACHE` names, by default the user's cache;
    they may be deleted at any time.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    """
    if not is_remote(path):
        return path
    import pooch

    store = hashlib.blake2b(str(path.parent).encode(), digest_size=8).hexdigest()
    cache = Path(os.environ.get("AFFETTO_CACHE") or pooch.os_cache("affetto"))
    copy = cache / "shards" / store / path.name
    if not copy.is_file():
        with path.open("rb") as remote:
            write_whole(copy, lambda file: shutil.copyfileobj(remote, file))
    return copy


def _write_and_rename(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{uuid.uuid4().hex}{PARTIAL_SUFFIX}")
    try:
        with partial.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _upload(path: Any, write: Callable[[BinaryIO], Any]) -> None:
    # An fsspec file that is closed by an exception uploads what it has: so the content is completed first.
    content = io.BytesIO()
    write(content)
    path.fs.pipe_file(path.path, content.getvalue())
