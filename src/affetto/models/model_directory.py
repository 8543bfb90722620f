"""The directory of a saved model: its signature, and how it comes to be there as a whole or not at all."""

from __future__ import annotations

import errno
import json
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from affetto.errors import AffettoError

SIGNATURE_FILE = "signature.json"
_FORMAT = 1
_ATTEMPTS = 20
_PACKAGES = ("affetto", "numpy", "scipy", "scikit-learn", "skops", "keras", "tensorflow")


def holds_model(directory: Path) -> bool:
    """Tell whether there is a model."""
    return (directory / SIGNATURE_FILE).is_file()


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
    try:
        yield partial
        partial.chmod(0o755)
        _install(partial, directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _install(partial: Path, directory: Path) -> None:
    for _ in range(_ATTEMPTS):
        try:
            partial.rename(directory)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:
            return
        aside = Path(tempfile.mkdtemp(dir=directory.parent, prefix=f".{directory.name}.old."))
        try:
            with suppress(FileNotFoundError):  # another writer was faster
                directory.rename(aside / directory.name)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    raise AffettoError(f"{directory} cannot be written: something else keeps writing it; run again alone.")


def write_signature(directory: Path, signature: Mapping[str, Any]) -> None:
    """Write the signature of a model, with the versions of the packages that fitted it."""
    versions = {"python": platform.python_version(), **installed_versions()}
    text = json.dumps({"format": _FORMAT, **signature, "versions": versions}, indent=2)
    (directory / SIGNATURE_FILE).write_text(text, encoding="utf-8")


def read_signature(directory: Path) -> dict[str, Any]:
    """Read the signature of a saved model: its kind, parameters, classes, feature parameters and versions.

    Raises
    ------
    AffettoError
        When the directory holds no model or one of an unknown format.
    """
    if not holds_model(directory):
        raise AffettoError(
            f"{directory} holds no model ({SIGNATURE_FILE} is missing); train the model first."
        )
    path = directory / SIGNATURE_FILE
    signature: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if signature.get("format") != _FORMAT:
        raise AffettoError(
            f"{path} has format {signature.get('format')}, this version reads {_FORMAT}; train again."
        )
    return signature


def copy_calibrated(source: Path, directory: Path, temperature: float) -> None:
    """Copy a saved model, with another temperature of its probabilities.

    Raises
    ------
    AffettoError
        As `read_signature`.
    """
    signature = read_signature(source)
    with new_directory(directory) as partial:
        shutil.copytree(source, partial, dirs_exist_ok=True)
        write_signature(partial, {**signature, "temperature": temperature})


def installed_versions() -> dict[str, str]:
    """Return the versions of the packages a saved model depends on."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # run from a source tree that is not installed
            found[package] = "unknown"
    return found
