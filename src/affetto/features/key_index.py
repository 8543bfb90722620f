"""Where the rows of a feature store are, found by key: columns in memory, so that a million cost little."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from affetto.errors import AffettoError, DamagedFileError
from affetto.features.clip_features import KEY_DTYPE
from affetto.features.shards import METADATA_KEY, SHARD_FOLDER, SHARD_SUFFIX, read_keys
from affetto.file_listing import FileStatus, list_files
from affetto.storage import is_remote
from affetto.whole_files import reading, write_whole

logger = logging.getLogger(__name__)

KEYS_FILE = "keys.parquet"
_REMOTE_THREADS = 16


@dataclass(frozen=True)
class Places:
    """Places of n rows.

    Parameters
    ----------
    names
        Names of shards.
    shards
        int32 [n], index in `names`; -1: no place.
    rows
        int32 [n], row in the shard.
    n_frames
        int64 [n].
    """

    names: tuple[str, ...]
    shards: np.ndarray
    rows: np.ndarray
    n_frames: np.ndarray

    @classmethod
    def nowhere(cls, n: int) -> Self:
        """Return n rows without a place."""
        return cls((), np.full(n, -1, np.int32), np.zeros(n, np.int32), np.zeros(n, np.int64))

    @property
    def known(self) -> np.ndarray:
        """Which rows have a place, bool [n]."""
        known: np.ndarray = self.shards >= 0
        return known

    def take(self, indices: np.ndarray) -> Places:
        """Return the places at `indices`."""
        return Places(self.names, self.shards[indices], self.rows[indices], self.n_frames[indices])


@dataclass(frozen=True)
class KeyIndex:
    """The rows of all shards, sorted by key.

    Parameters
    ----------
    keys
        bytes [n_rows], ascending; a key that two runs computed at the same time is there twice.
    places
        Of the keys.
    """

    keys: np.ndarray
    places: Places

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, keys: np.ndarray) -> Places:
        """Return the places of keys, bytes [n]."""
        if not len(self):
            return Places.nowhere(len(keys))
        where = np.minimum(np.searchsorted(self.keys, keys), len(self) - 1)
        found = self.places.take(where)
        found.shards[self.keys[where] != keys] = -1
        return found

    def joined(self, keys: np.ndarray, places: Places) -> KeyIndex:
        """Return an index with further rows; `places.names` begin with the names of the shards here."""
        if not len(keys):
            return self
        together = np.concatenate([self.keys, keys])
        order = np.argsort(together, kind="stable")
        mine = self.places
        joined = Places(
            places.names,
            np.concatenate([mine.shards, places.shards]),
            np.concatenate([mine.rows, places.rows]),
            np.concatenate([mine.n_frames, places.n_frames]),
        )
        return KeyIndex(together[order], joined.take(order))


def read_index(root: Path) -> KeyIndex:
    """Read the rows of all shards of a store; damaged shards are passed over.

    What `write_index` saved answers for the shards that still have the size they had then; only the others
    are opened.
    """
    files = shard_files(root)
    index, sizes = _read_saved(root / KEYS_FILE)
    same = [name in files and files[name].size == sizes[name] for name in index.places.names]
    index = _keep_shards(index, np.array(same, dtype=bool))
    unread = sorted(files.keys() - set(index.places.names))
    return _with_shards(index, _read_keys(root / SHARD_FOLDER, unread))


def write_index(root: Path, index: KeyIndex) -> None:
    """Save an index, so that the next `read_index` need not open its shards; whoever is last wins."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffers = [None, pa.py_buffer(np.ascontiguousarray(index.keys))]
    columns = {
        "key": pa.FixedSizeBinaryArray.from_buffers(pa.binary(index.keys.itemsize), len(index), buffers),
        "shard": pa.array(index.places.shards),
        "row": pa.array(index.places.rows),
        "n_frames": pa.array(index.places.n_frames),
    }
    files = shard_files(root)
    sizes = {name: files[name].size if name in files else -1 for name in index.places.names}
    table = pa.table(columns, metadata={METADATA_KEY: json.dumps(sizes)})
    write_whole(root / KEYS_FILE, lambda file: pq.write_table(table, file))


def shard_files(root: Path) -> dict[str, FileStatus]:
    """Return the shards of a store by name, listed afresh."""
    files = list_files(root / SHARD_FOLDER)
    return {name: status for name, status in files.items() if name.endswith(SHARD_SUFFIX)}


def check_shards(root: Path, places: Places) -> None:
    """See that a store still has the shards of places.

    Raises
    ------
    AffettoError
        When one is gone: the store was collected, or someone deleted it.
    """
    used = np.unique(places.shards[places.known])
    gone = {places.names[code] for code in used} - shard_files(root).keys()
    if gone:
        path = root / SHARD_FOLDER / min(gone)
        raise AffettoError(f"{path} is gone; run the pipeline again to compute its clips.")


def _read_saved(path: Path) -> tuple[KeyIndex, dict[str, int]]:
    """Return what was saved, and the sizes that the shards had then."""
    import pyarrow.parquet as pq

    empty = KeyIndex(np.zeros(0, dtype=KEY_DTYPE), Places.nowhere(0))
    try:
        with reading(path, otherwise="the shards are read instead"), path.open("rb") as file:
            table = pq.read_table(file).combine_chunks()
    except FileNotFoundError:
        return empty, {}
    except DamagedFileError as error:
        logger.warning("%s", error)
        return empty, {}
    if not len(table):
        return empty, {}
    sizes = json.loads(table.schema.metadata[METADATA_KEY.encode()])
    keys = np.frombuffer(table["key"].chunk(0).buffers()[1], dtype=KEY_DTYPE)
    columns = (table[name].to_numpy() for name in ("shard", "row", "n_frames"))
    return KeyIndex(keys, Places(tuple(sizes), *columns)), sizes


def _keep_shards(index: KeyIndex, kept: np.ndarray) -> KeyIndex:
    """Return the rows of some shards; `kept` is bool [n_shards]."""
    if kept.all():
        return index
    codes = np.where(kept, np.cumsum(kept) - 1, -1).astype(np.int32)[index.places.shards]
    names = tuple(name for name, keep in zip(index.places.names, kept, strict=True) if keep)
    rows = np.flatnonzero(codes >= 0)
    places = Places(names, codes, index.places.rows, index.places.n_frames).take(rows)
    return KeyIndex(index.keys[rows], places)


def _with_shards(index: KeyIndex, shards: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> KeyIndex:
    """Return an index with the rows of further shards: name to keys and numbers of frames."""
    if not shards:
        return index
    lengths = [len(keys) for keys, _ in shards.values()]
    codes = np.arange(len(shards), dtype=np.int32) + np.int32(len(index.places.names))
    places = Places(
        (*index.places.names, *shards),
        np.repeat(codes, lengths),
        np.concatenate([np.arange(n, dtype=np.int32) for n in lengths]),
        np.concatenate([n_frames for _, n_frames in shards.values()]),
    )
    return index.joined(np.concatenate([keys for keys, _ in shards.values()]), places)


def _read_keys(folder: Path, names: Sequence[str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return keys and numbers of frames of the shards that can be read."""
    with ThreadPoolExecutor(_REMOTE_THREADS if is_remote(folder) else 1) as threads:
        read = threads.map(lambda name: _try_read(folder / name), names)
        return {name: found for name, found in zip(names, read, strict=True) if found is not None}


def _try_read(path: Path) -> tuple[np.ndarray, np.ndarray] | None:
    try:
        with reading(path, otherwise="its clips are computed again"):
            return read_keys(path)
    except FileNotFoundError:  # collected since it was listed
        return None
    except DamagedFileError as error:
        logger.warning("%s", error)
        return None
