"""Shards of a feature store: Arrow files written as a whole and read memory-mapped."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from affetto.errors import AffettoError

SHARD_SUFFIX = ".arrow"
PARTIAL_SUFFIX = ".partial"
METADATA_KEY = "affetto"
_OPEN_SHARDS = 128


def write_shard(
    folder: Path,
    *,
    clip_ids: Sequence[str],
    keys: Sequence[str],
    arrays: Sequence[np.ndarray],
    metadata: str,
) -> str:
    """Write a shard under a name of its own and return that name.

    Parameters
    ----------
    folder
        Where; made when it is not there.
    clip_ids
        The clips, for whoever reads the file without a plan.
    keys
        What the rows are found by.
    arrays
        float32 [n_frames, n_dimensions], one a clip, at least one.
    metadata
        JSON that goes into the metadata of the schema.
    """
    import pyarrow as pa

    offsets = np.cumsum([0, *(array.size for array in arrays)], dtype=np.int64)
    values = np.concatenate([np.ravel(array) for array in arrays])
    columns = {
        "clip_id": pa.array(clip_ids, pa.string()),
        "key": pa.array(keys, pa.string()),
        "n_frames": pa.array([len(array) for array in arrays], pa.int64()),
        "values": pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(values, pa.float32())),
    }
    batch = pa.RecordBatch.from_pydict(columns, metadata={METADATA_KEY: metadata})
    name = f"{uuid.uuid4().hex}{SHARD_SUFFIX}"
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{name}{PARTIAL_SUFFIX}"
    try:
        with partial.open("wb") as file:
            with pa.ipc.new_file(file, batch.schema) as writer:
                writer.write_batch(batch)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(folder / name)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return name


def read_keys(path: Path) -> tuple[list[str], list[int]]:
    """Return the keys and the numbers of frames of a shard's rows; the values are not read.

    Raises
    ------
    OSError, ValueError
        When the file is damaged.
    """
    batch = _read_batch(str(path))
    return batch.column("key").to_pylist(), batch.column("n_frames").to_pylist()


@dataclass(frozen=True)
class ShardSource:
    """Values in shards, memory-mapped when first read in a process.

    Parameters
    ----------
    paths
        The shards.
    shards
        int32 [n_clips], index of each clip's shard in `paths`.
    rows
        int32 [n_clips], row of each clip in its shard.
    """

    paths: tuple[str, ...]
    shards: np.ndarray
    rows: np.ndarray

    def read(self, index: int) -> np.ndarray:
        """Return the values of a clip, float32 [n_frames * n_dimensions], a view of the file."""
        offsets, values = _open_shard(self.paths[self.shards[index]])
        row = self.rows[index]
        return values[offsets[row] : offsets[row + 1]]

    def take(self, indices: np.ndarray) -> ShardSource:
        """Return the source of these clips."""
        return ShardSource(self.paths, self.shards[indices], self.rows[indices])


@lru_cache(maxsize=_OPEN_SHARDS)
def _open_shard(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (offsets int64 [n_clips + 1], values float32) of a shard, views of the mapped file."""
    try:
        values = _read_batch(path).column("values")
    except FileNotFoundError as error:
        raise AffettoError(f"{path} is gone; run the pipeline again to compute its clips.") from error
    return values.offsets.to_numpy(), values.values.to_numpy()


def _read_batch(path: str) -> Any:
    import pyarrow as pa

    with pa.memory_map(path) as mapped, pa.ipc.open_file(mapped) as reader:
        return reader.get_batch(0)
