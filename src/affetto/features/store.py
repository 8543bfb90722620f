"""A content-addressed store of a feature: Arrow files that many processes may write, rows found by key."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from affetto.errors import AffettoError, DamagedFileError
from affetto.features.clip_features import KEY_DTYPE, ClipFeatures, as_keys
from affetto.io.files import PARTIAL_SUFFIX, local_copy, reading, write_whole
from affetto.io.paths import Entry, absolute, as_path, is_remote, list_files

logger = logging.getLogger(__name__)

SHARD_FOLDER = "shards"
SHARD_SUFFIX = ".arrow"
PLAN_FILE = "plan.parquet"
_METADATA_KEY = "affetto"
_OPEN_SHARDS = 128
_KNOWN_SHARDS = 4_096  # whose keys take 10 MB
_REMOTE_THREADS = 16
_PARTIAL_LIFE_S = 3_600.0


class Description(BaseModel):
    """What the columns of a feature are, and what made them."""

    model_config = ConfigDict(frozen=True)

    name: str
    dimensions: tuple[str, ...]
    hop_s: float | None
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """The clips that the last run asked for.

    Parameters
    ----------
    clip_ids
        The clips in order; any sequence of strings.
    keys
        bytes [n_clips], what their rows are found by.
    reasons
        Clip → why it has no row.
    description
        Of the feature.
    """

    clip_ids: Sequence[str]
    keys: np.ndarray
    reasons: Mapping[str, str]
    description: Description


@dataclass(frozen=True)
class Rows:
    """The rows of all shards of a store, sorted by key.

    Parameters
    ----------
    names
        The shards that can be read.
    keys
        bytes [n_rows], ascending; a key that two runs computed at the same time is there twice.
    shards, rows
        int32 [n_rows], index in `names`, and row in that shard.
    n_frames
        int64 [n_rows].
    """

    names: tuple[str, ...]
    keys: np.ndarray
    shards: np.ndarray
    rows: np.ndarray
    n_frames: np.ndarray

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, keys: np.ndarray) -> np.ndarray:
        """Return where keys, bytes [n], are among the rows, int64 [n]; -1: nowhere."""
        if not len(self):
            return np.full(len(keys), -1)
        where = np.minimum(np.searchsorted(self.keys, keys), len(self) - 1)
        return np.where(self.keys[where] == keys, where, -1)


@dataclass(frozen=True)
class ShardSource:
    """Values in shards, memory-mapped when first read in a process.

    Parameters
    ----------
    folder
        Where the shards are.
    names
        The shards.
    shards, rows
        int32 [n_clips], index of each clip's shard in `names`, and its row there.
    """

    folder: str
    names: tuple[str, ...]
    shards: np.ndarray
    rows: np.ndarray

    def read(self, index: int) -> np.ndarray:
        """Return the values of a clip, float32 [n_frames * n_dimensions], a view of the file."""
        offsets, values = _open_shard(self.folder, self.names[self.shards[index]])
        row = self.rows[index]
        return values[offsets[row] : offsets[row + 1]]

    def take(self, indices: np.ndarray) -> ShardSource:
        """Return the source of these clips."""
        # Only the names they need: what is sent to a worker must not grow with the corpus.
        used, shards = np.unique(self.shards[indices], return_inverse=True)
        names = tuple(self.names[shard] for shard in used)
        return ShardSource(self.folder, names, shards.astype(np.int32), self.rows[indices])


@dataclass(frozen=True)
class StoreUsage:
    """What a feature store holds.

    Attributes
    ----------
    rows_used, rows_unused
        Rows that the last plan uses, and those it does not: vanished clips, other parameters, clips of a run
        that has not saved its plan.
    shards
        Number of shard files.
    bytes_total, bytes_unused
        Size of the shards, and the part of it that holds unused rows, in proportion to their frames.
    partial_files
        What writers at work, or killed, have not finished.
    """

    rows_used: int
    rows_unused: int
    shards: int
    bytes_total: int
    bytes_unused: int
    partial_files: int


@dataclass(frozen=True)
class FeatureStore:
    """The feature store of a folder.

    `shards/*.arrow` are Arrow IPC files with the columns `clip_id, key, n_frames, values` (the values of a
    clip in one list, frame after frame) and the `Description` in the metadata of their schema. A shard has
    a name of its own, appears as a whole, and never changes again: killed writers leave nothing that counts,
    and several may write at once. Rows are found by `key`, so features with other parameters live beside each
    other. `plan.parquet` lists the clips of the last run in order, with their keys or the reason why they
    have no row; it is replaced as a whole, and says what `collect` keeps.

    Parameters
    ----------
    root
        The folder, here or on a file system of fsspec that uploads objects whole; made when first written.
    """

    root: Path

    def rows(self) -> Rows:
        """Return the rows of all shards; damaged shards are passed over."""
        folder, files = absolute(self.root) / SHARD_FOLDER, sorted(self._shard_files().items())
        with ThreadPoolExecutor(_REMOTE_THREADS if is_remote(folder) else 1) as threads:
            read = list(threads.map(lambda file: _read_keys(str(folder), *file), files))
        found = {name: part for (name, _), part in zip(files, read, strict=True) if part is not None}
        lengths = [len(keys) for keys, _ in found.values()]
        keys = np.concatenate([np.zeros(0, KEY_DTYPE), *(keys for keys, _ in found.values())])
        order = np.argsort(keys, kind="stable")
        return Rows(
            tuple(found),
            keys[order],
            np.repeat(np.arange(len(found), dtype=np.int32), lengths)[order],
            np.concatenate([np.zeros(0, np.int32), *(np.arange(n, dtype=np.int32) for n in lengths)])[order],
            np.concatenate([np.zeros(0, np.int64), *(n_frames for _, n_frames in found.values())])[order],
        )

    def add(
        self,
        clip_ids: Sequence[str],
        keys: Sequence[str],
        arrays: Sequence[np.ndarray],
        description: Description,
    ) -> None:
        """Write clips as a new shard, one row each.

        Parameters
        ----------
        clip_ids, keys
            The clips and what they are found by.
        arrays
            float32 [n_frames, n_dimensions], one a clip, at least one.
        description
            Of the feature.
        """
        import pyarrow as pa

        offsets = np.cumsum([0, *(array.size for array in arrays)], dtype=np.int64)
        flat = [np.ravel(array) for array in arrays]
        values = flat[0] if len(flat) == 1 else np.concatenate(flat)  # one giant clip is not copied
        columns = {
            "clip_id": pa.array(clip_ids, pa.string()),
            "key": pa.array(keys, pa.string()),
            "n_frames": pa.array([len(array) for array in arrays], pa.int64()),
            "values": pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(values, pa.float32())),
        }
        metadata = {_METADATA_KEY: description.model_dump_json()}
        _write_shard(self.root / SHARD_FOLDER, pa.RecordBatch.from_pydict(columns, metadata=metadata))

    def write_plan(self, plan: Plan) -> None:
        """Replace the plan."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = {
            "clip_id": pa.array(plan.clip_ids, pa.string()),
            "key": pa.array(plan.keys).cast(pa.string()),
            "reason": pa.array((plan.reasons.get(clip_id) for clip_id in plan.clip_ids), pa.string()),
        }
        table = pa.table(columns, metadata={_METADATA_KEY: plan.description.model_dump_json()})
        write_whole(self.root / PLAN_FILE, lambda file: pq.write_table(table, file))

    def plan(self) -> Plan | None:
        """Return the plan of the last run; None when there was none."""
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        try:
            with reading(self.root / PLAN_FILE), (self.root / PLAN_FILE).open("rb") as file:
                table = pq.read_table(file, columns=["clip_id", "key", "reason"])
        except FileNotFoundError:
            return None
        failed = table.filter(pc.is_valid(table["reason"]))
        return Plan(
            table["clip_id"].to_pylist(),
            _as_bytes(table["key"].combine_chunks()) if len(table) else as_keys([]),
            dict(zip(failed["clip_id"].to_pylist(), failed["reason"].to_pylist(), strict=True)),
            Description.model_validate_json(table.schema.metadata[_METADATA_KEY.encode()]),
        )

    def description(self) -> Description | None:
        """Return the description of the last plan without its clips; None when there was none."""
        import pyarrow.parquet as pq

        try:
            with reading(self.root / PLAN_FILE), (self.root / PLAN_FILE).open("rb") as file:
                return Description.model_validate_json(pq.read_schema(file).metadata[_METADATA_KEY.encode()])
        except (FileNotFoundError, DamagedFileError):  # the next run replaces it
            return None

    def features(self, plan: Plan | None = None) -> ClipFeatures:
        """Return the features of the clips of a plan, in its order, memory-mapped, without those that failed.

        Parameters
        ----------
        plan
            Default: that of the last run.

        Raises
        ------
        AffettoError
            When nothing was extracted yet, or a row is gone: the store was collected, or someone deleted it.
        """
        plan = plan or self.plan()
        if plan is None:
            raise AffettoError(
                f"{self.root} holds no features yet; run the pipeline that extracts them first."
            )
        rows = self.rows()
        where = rows.find(plan.keys)
        known, missing = np.flatnonzero(where >= 0), np.flatnonzero(where < 0)
        gone = [plan.clip_ids[i] for i in missing.tolist() if plan.clip_ids[i] not in plan.reasons]
        if gone:
            raise AffettoError(
                f"Features of {len(gone)} clips are gone from {self.root}, first of {gone[0]}; run the "
                "pipeline again to compute them."
            )
        where, description = where[known], plan.description
        folder = str(absolute(self.root) / SHARD_FOLDER)
        return ClipFeatures(
            name=description.name,
            clip_ids=tuple(plan.clip_ids[i] for i in known.tolist()),
            dimensions=description.dimensions,
            hop_s=description.hop_s,
            parameters=description.parameters,
            n_frames=rows.n_frames[where],
            keys=plan.keys[known],
            source=ShardSource(folder, rows.names, rows.shards[where], rows.rows[where]),
        )

    def usage(self) -> StoreUsage:
        """Count rows and bytes, and how many of them the last plan does not use."""
        shards = self._count()
        return StoreUsage(
            rows_used=sum(int(shard.used.sum()) for shard in shards),
            rows_unused=sum(shard.rows_unused for shard in shards),
            shards=len(shards),
            bytes_total=sum(shard.status.size for shard in shards),
            bytes_unused=sum(shard.bytes_unused for shard in shards),
            partial_files=len(self._partial_files()),
        )

    def collect(self, *, dry_run: bool = False) -> tuple[int, int]:
        """Remove the rows that the last plan does not use.

        Of shards with used rows these are copied to a new shard, and only then the old one is deleted: killed
        at any moment, each row of the plan is somewhere. Shards younger than the plan stay: they are of
        a run that is at work, or was interrupted and will be resumed. Readers keep the shards that they have
        open; a run that has looked up a row which is then removed says so at its end.

        Parameters
        ----------
        dry_run
            Only tell what would be removed; bytes are then estimated from numbers of frames.

        Returns
        -------
        tuple
            Number of rows removed, and of bytes freed.
        """
        import pyarrow as pa

        if not (self.root / PLAN_FILE).is_file():
            return 0, 0
        planned_s = list_files(self.root)[PLAN_FILE].modified_s
        found = [
            shard
            for shard in self._count()
            if (shard.rows_unused or not len(shard.used)) and shard.status.modified_s <= planned_s
        ]
        n_rows, before = sum(shard.rows_unused for shard in found), self._size()
        if dry_run:
            return n_rows, sum(shard.bytes_unused for shard in found)
        for shard in found:
            path = self.root / SHARD_FOLDER / shard.name
            if shard.used.any():
                kept = _read_shard(local_copy(path)).take(pa.array(np.flatnonzero(shard.used)))
                _write_shard(path.parent, kept)
            path.unlink(missing_ok=True)
        return n_rows, before - self._size()

    def remove_partial_files(self) -> None:
        """Delete what writers that were killed an hour ago or longer left behind."""
        for partial, status in self._partial_files().items():
            if time.time() - status.modified_s > _PARTIAL_LIFE_S:
                partial.unlink(missing_ok=True)  # another process may have done so

    def _count(self) -> list[_Shard]:
        """Return every shard and which of its rows the plan uses; a damaged one has no rows."""
        files = self._shard_files()  # before the rows: a shard that appears meanwhile is not looked at
        plan, rows = self.plan(), self.rows()
        used = np.zeros(len(rows), dtype=bool)
        if plan is not None:
            where = rows.find(plan.keys)
            used[where[where >= 0]] = True
        by_shard = np.lexsort((rows.rows, rows.shards))
        bounds = np.searchsorted(rows.shards[by_shard], np.arange(1, len(rows.names)))
        parts = dict(zip(rows.names, np.split(by_shard, bounds), strict=False))
        nothing = np.zeros(0, np.int64)
        return [
            _Shard(name, status, used[part], rows.n_frames[part])
            for name, status in files.items()
            for part in [parts.get(name, nothing)]
        ]

    def _shard_files(self) -> dict[str, Entry]:
        files = list_files(self.root / SHARD_FOLDER)
        return {name: status for name, status in files.items() if name.endswith(SHARD_SUFFIX)}

    def _size(self) -> int:
        return sum(status.size for status in self._shard_files().values())

    def _partial_files(self) -> dict[Path, Entry]:
        return {
            folder / name: status
            for folder in (self.root, self.root / SHARD_FOLDER)
            for name, status in list_files(folder).items()
            if name.endswith(PARTIAL_SUFFIX)
        }


@dataclass(frozen=True)
class _Shard:
    """A shard, which of its rows the plan uses, bool [n_rows], and their numbers of frames."""

    name: str
    status: Entry
    used: np.ndarray
    n_frames: np.ndarray

    @property
    def rows_unused(self) -> int:
        return int((~self.used).sum())

    @property
    def bytes_unused(self) -> int:
        if not self.used.any():
            return self.status.size
        return int(self.status.size * self.n_frames[~self.used].sum() / max(1, self.n_frames.sum()))


@lru_cache(maxsize=_OPEN_SHARDS)
def _open_shard(folder: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (offsets int64 [n_clips + 1], values float32) of a shard, views of the mapped file."""
    path = as_path(folder) / name
    try:
        values = _read_shard(local_copy(path)).column("values")
    except FileNotFoundError as error:
        raise AffettoError(f"{path} is gone; run the pipeline again to compute its clips.") from error
    return values.offsets.to_numpy(), values.values.to_numpy()


@lru_cache(maxsize=_KNOWN_SHARDS)
def _read_keys(folder: str, name: str, status: Entry) -> tuple[np.ndarray, np.ndarray] | None:
    """Return keys (bytes [n]) and numbers of frames (int64 [n]) of a shard; None when it cannot be read.

    They are remembered as long as the file is as its `status` says: every node of a pipeline asks for them.
    """
    import pyarrow as pa

    path = as_path(folder) / name
    try:
        with reading(path, otherwise="its clips are computed again"):
            if is_remote(path):  # which need not send the values
                options = pa.ipc.IpcReadOptions(included_fields=[1, 2])
                with path.open("rb") as file, pa.ipc.open_file(file, options=options) as reader:
                    batch = reader.get_batch(0)
            else:
                batch = _read_shard(path)
            # Copies: views would keep all files of the store open.
            return _as_bytes(batch.column("key")), batch.column("n_frames").to_numpy().copy()
    except FileNotFoundError:  # collected since it was listed
        return None
    except DamagedFileError as error:
        logger.warning("%s", error)
        return None


def _as_bytes(column: Any) -> np.ndarray:
    """Return an Arrow column of keys as bytes [n], copied."""
    import pyarrow as pa

    return np.frombuffer(column.cast(pa.binary(KEY_DTYPE.itemsize)).buffers()[1], KEY_DTYPE).copy()


def _read_shard(path: Path) -> Any:
    import pyarrow as pa

    with pa.memory_map(str(path)) as mapped, pa.ipc.open_file(mapped) as reader:
        return reader.get_batch(0)


def _write_shard(folder: Path, batch: Any) -> None:
    import pyarrow as pa

    def write(file: Any) -> None:
        with pa.ipc.new_file(file, batch.schema) as writer:
            writer.write_batch(batch)

    write_whole(folder / f"{uuid.uuid4().hex}{SHARD_SUFFIX}", write)
