"""The directory of a saved model and its signature."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from affetto.errors import AffettoError
from affetto.whole_files import new_directory

SIGNATURE_FILE = "signature.json"
_FORMAT = 1
_PACKAGES = ("affetto", "numpy", "scipy", "scikit-learn", "skops", "keras", "tensorflow")


def holds_model(directory: Path) -> bool:
    """Tell whether there is a model."""
    return (directory / SIGNATURE_FILE).is_file()


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


def copy_calibrated(
    source: Path, directory: Path, temperature: float, learnt_from: Mapping[str, Any]
) -> None:
    """Copy a saved model, with another temperature of its probabilities and what it has learnt from.

    Raises
    ------
    AffettoError
        As `read_signature`.
    """
    signature = read_signature(source)
    with new_directory(directory) as partial:
        shutil.copytree(source, partial, dirs_exist_ok=True)
        write_signature(partial, {**signature, "temperature": temperature, "learnt_from": learnt_from})


def model_digest(directory: Path) -> str:
    """Hash all files of a saved model, wherever it lies."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        digest.update(path.relative_to(directory).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def installed_versions() -> dict[str, str]:
    """Return the versions of the packages a saved model depends on."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # run from a source tree that is not installed
            found[package] = "unknown"
    return found
