"""A content-addressed memo of costly results, so that a run repeats only what is missing or stale."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import PlainValidator

from affetto.errors import DamagedFileError
from affetto.io.arrays import read_arrays, write_arrays
from affetto.io.configuration import Parameters
from affetto.io.files import reading, write_whole
from affetto.io.paths import StoragePath, local_path

Result = dict[str, Any]
_REST = "__json__"
_LOGGER = logging.getLogger(__name__)


def fingerprint(key: Mapping[str, Any]) -> str:
    """Hash a JSON-serialisable key.

    Parameters
    ----------
    key
        Everything the result depends on: parameters, fingerprints of the input, versions of the method.

    Returns
    -------
    str
        32 hexadecimal digits (BLAKE2b, 128 bits).
    """
    text = json.dumps(key, sort_keys=True, ensure_ascii=False, allow_nan=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class ResultStore:
    """Results on disk, found again by the key they were computed from.

    A result is a mapping of names to NumPy arrays or JSON values. It is written as a whole, so that an
    interrupted run leaves only whole results; nothing is pickled. Large arrays come back memory-mapped.

    Parameters
    ----------
    root
        Folder of the results, here or where fsspec reaches; created when the first one is written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def compute(self, key: Mapping[str, Any], function: Callable[[], Mapping[str, Any]]) -> Result:
        """Return the result of `key`, calling `function` only when it is not stored yet."""
        found = self.get(key)
        return found if found is not None else self.put(key, function())

    def get(self, key: Mapping[str, Any]) -> Result | None:
        """Return the stored result of `key`; None when there is none, or a damaged one, which is logged.

        Raises
        ------
        AffettoError
            When the storage fails: nothing is computed again because a disk was away.
        """
        path = self._path(key)
        try:
            with reading(path, otherwise="what it held is computed again"):
                return read_arrays(path, text=_REST)
        except FileNotFoundError:
            return None
        except DamagedFileError as error:
            _LOGGER.warning("%s", error)
            return None

    def put(self, key: Mapping[str, Any], result: Mapping[str, Any]) -> Result:
        """Store `result` under `key` and return it as a later `get` would."""
        path = self._path(key)
        write_whole(path, lambda file: write_arrays(file, result, text=_REST))
        return read_arrays(path, text=_REST)

    def _path(self, key: Mapping[str, Any]) -> Path:
        name = fingerprint(key)
        return self.root / name[:2] / f"{name}.npz"


_LocalPath = Annotated[Path, PlainValidator(partial(local_path, what="what workers write"))]


class CacheParameters(Parameters):
    """Folders of what is computed once and found again; any of them may be deleted at any time."""

    features: StoragePath
    """Feature stores, one a side and feature: a folder or an address."""
    results: StoragePath
    """Results of fits, audits and probes: a folder or an address."""
    models: _LocalPath
    """Fitted models; a folder of this machine."""
    degraded: _LocalPath
    """Feature stores of degraded copies of clips, a folder a side; on this machine."""

    @property
    def store(self) -> ResultStore:
        """The results."""
        return ResultStore(self.results)
