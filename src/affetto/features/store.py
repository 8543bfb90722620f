"""A content-addressed store of a feature: Arrow files that many processes may write, rows found by key."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from affetto.errors import AffettoError, DamagedFileError
from affetto.features.clip_features import KEY_DTYPE, ClipFeatures
from affetto.io.files import PARTIAL_SUFFIX, local_copy, reading, write_whole
from affetto.io.paths import Entry, absolute, as_path, is_remote, list_files

logger = logging.getLogger(__name__)

SHARD_FOLDER = "shards"
SHARD_SUFFIX = ".arrow"
PLAN_FILE = "plan.parquet"
_METADATA_KEY = "affetto"
_ROW = np.dtype([("key", KEY_DTYPE), ("shard", np.int32), ("row", np.int32), ("n_frames", np.int64)])


class Description(BaseModel):
    """What the columns of a feature are, and what made them."""

    model_config = ConfigDict(frozen=True)

    name: str
    dimensions: tuple[str, ...]
    hop_s: float | None
    parameters: dict[str, Any]


class Plan(NamedTuple):
    """The clips that the last run asked for, in order.

    Attributes
    ----------
    clip_ids, keys
        The clips, and bytes [n_clips], what their rows are found by.
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
class Shard:
    """The values of the clips of a shard, by row; the file is memory-mapped when first read in a process."""

    folder: str
    name: str

    def __getitem__(self, row: int) -> np.ndarray:
        """Return the values of a clip, float32 [n_frames * n_dimensions], a view of the file."""
        offsets, values = _open_shard(self)
        return values[offsets[row] : offsets[row + 1]]


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
    """

    rows_used: int
    rows_unused: int
    shards: int
    bytes_total: int
    bytes_unused: int


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

    def rows(self) -> tuple[tuple[Shard, ...], np.ndarray]:
        """Return the shards, and the rows of those that are not damaged, ascending by key.

        The rows are a structured array `key, shard` (index in the shards), `row, n_frames`. A key that two
        runs computed at the same time is there twice.
        """
        folder = str(absolute(self.root) / SHARD_FOLDER)
        found = self._read_shards()
        table = np.concatenate([np.zeros(0, _ROW), *(rows for _, _, rows in found)])
        table["shard"] = np.repeat(np.arange(len(found)), [len(rows) for _, _, rows in found])
        shards = tuple(Shard(folder, name) for name, _, _ in found)
        return shards, table[np.argsort(table["key"], kind="stable")]

    def holds(self, keys: np.ndarray) -> np.ndarray:
        """Tell which keys, bytes [n], have a row: bool [n]."""
        return _find(self.rows()[1]["key"], keys) >= 0

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
            The clips, at least one, and what they are found by.
        arrays
            float32 [n_frames, n_dimensions], one a clip.
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
        self._write_shard(pa.RecordBatch.from_pydict(columns, metadata=metadata))

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
        try:
            table = self._read_plan(["clip_id", "key", "reason"])
        except FileNotFoundError:
            return None
        clip_ids, reasons = table["clip_id"].to_pylist(), table["reason"].to_pylist()
        return Plan(
            clip_ids,
            np.array(table["key"].to_pylist(), KEY_DTYPE),
            {clip_id: why for clip_id, why in zip(clip_ids, reasons, strict=True) if why is not None},
            _description_of(table),
        )

    def description(self) -> Description | None:
        """Return the description of the last plan without its clips; None when there was none."""
        try:
            return _description_of(self._read_plan([]))
        except (FileNotFoundError, DamagedFileError):  # the next run replaces it
            return None

    def features(self, plan: Plan | None = None) -> ClipFeatures:
        """Return the features of the clips of a plan, in its order, memory-mapped, without those that failed.

        The plan is by default that of the last run.

        Raises
        ------
        AffettoError
            When nothing was extracted yet, or a row is gone: the store was collected, or someone deleted it.
        """
        plan = plan or self.plan()
        if plan is None:
            raise AffettoError(f"{self.root} holds no features; run the pipeline that extracts them first.")
        shards, rows = self.rows()
        where = _find(rows["key"], plan.keys)
        ids = plan.clip_ids
        gone = [ids[i] for i in np.flatnonzero(where < 0).tolist() if ids[i] not in plan.reasons]
        if gone:
            raise AffettoError(
                f"Features of {len(gone)} clips are gone from {self.root}, first of {gone[0]}; run the "
                "pipeline again to compute them."
            )
        known = np.flatnonzero(where >= 0)
        found = rows[where[known]]
        return ClipFeatures(
            **dict(plan.description),
            clip_ids=tuple(ids[i] for i in known.tolist()),
            n_frames=found["n_frames"].copy(),  # a view would keep the whole table
            keys=plan.keys[known],
            containers=shards,
            container=found["shard"].copy(),
            place=found["row"].copy(),
        )

    def usage(self) -> StoreUsage:
        """Count rows and bytes, and how many of them the last plan does not use."""
        shares = list(self._shares())
        return StoreUsage(
            rows_used=sum(len(share.used) for share in shares),
            rows_unused=sum(share.rows_unused for share in shares),
            shards=len(shares),
            bytes_total=sum(share.status.size for share in shares),
            bytes_unused=sum(share.bytes_unused for share in shares),
        )

    def collect(self, *, dry_run: bool = False) -> tuple[int, int]:
        """Remove the rows that the last plan does not use.

        Of shards with used rows these are copied to a new shard, and only then the old one is deleted: killed
        at any moment, each row of the plan is somewhere. Shards younger than the plan stay: they are of
        a run that is at work, or was interrupted and will be resumed. Readers keep the shards that they have
        open; a run that has looked up a row which is then removed says so at its end.

        Returns the number of rows removed, and of bytes freed. A dry run only tells what would be removed;
        bytes are then estimated from numbers of frames.
        """
        import pyarrow as pa

        if not (self.root / PLAN_FILE).is_file():
            return 0, 0
        planned_s = list_files(self.root)[PLAN_FILE].modified_s
        found = [
            share
            for share in self._shares()
            if share.status.modified_s <= planned_s and (share.rows_unused or not len(share.used))
        ]
        n_rows, before = sum(share.rows_unused for share in found), self.usage().bytes_total
        if dry_run:
            return n_rows, sum(share.bytes_unused for share in found)
        for share in found:
            path = self.root / SHARD_FOLDER / share.name
            if len(share.used):
                self._write_shard(_read_shard(local_copy(path)).take(pa.array(share.used)))
            path.unlink(missing_ok=True)
        return n_rows, before - self.usage().bytes_total

    def remove_partial_files(self) -> None:
        """Delete what writers that were killed an hour ago or longer left behind."""
        for folder in (self.root, self.root / SHARD_FOLDER):
            for name, status in list_files(folder).items():
                old = time.time() - status.modified_s > 3_600.0  # noqa: PLR2004
                if old and name.endswith(PARTIAL_SUFFIX):
                    (folder / name).unlink(missing_ok=True)  # another process may have done so

    def _read_shards(self) -> list[tuple[str, Entry, np.ndarray]]:
        """Return name, status and rows of every shard."""
        folder = absolute(self.root) / SHARD_FOLDER
        files = [file for file in sorted(list_files(folder).items()) if file[0].endswith(SHARD_SUFFIX)]
        with ThreadPoolExecutor(16 if is_remote(folder) else 1) as threads:
            read = threads.map(lambda file: _read_rows(str(folder), *file), files)
            return [(name, status, rows) for (name, status), rows in zip(files, read, strict=True)]

    def _shares(self) -> Iterator[_Share]:
        """Yield what the plan uses of every shard."""
        plan = self.plan()
        wanted = np.zeros(0, KEY_DTYPE) if plan is None else np.sort(plan.keys)
        found = np.zeros(len(wanted) + 1, dtype=bool)  # a row is used once; the last stands for nowhere
        found[-1] = True
        for name, status, rows in self._read_shards():
            where, n_frames = _find(wanted, rows["key"]), rows["n_frames"]
            used = ~found[where]
            found[where] = True
            unused = n_frames[~used].sum() / max(1, n_frames.sum()) if used.any() else 1.0
            yield _Share(name, status, np.flatnonzero(used), int((~used).sum()), int(status.size * unused))

    def _read_plan(self, columns: list[str]) -> Any:
        import pyarrow.parquet as pq

        with reading(self.root / PLAN_FILE), (self.root / PLAN_FILE).open("rb") as file:
            return pq.read_table(file, columns=columns)

    def _write_shard(self, batch: Any) -> None:
        import pyarrow as pa

        def write(file: Any) -> None:
            with pa.ipc.new_file(file, batch.schema) as writer:
                writer.write_batch(batch)

        write_whole(self.root / SHARD_FOLDER / f"{uuid.uuid4().hex}{SHARD_SUFFIX}", write)


class _Share(NamedTuple):
    """The rows of a shard that the plan uses, int64, and how many rows and bytes it does not use."""

    name: str
    status: Entry
    used: np.ndarray
    rows_unused: int
    bytes_unused: int


def _find(ascending: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Return where keys are among ascending ones, int64 [n_keys]; -1: nowhere."""
    if not len(ascending):
        return np.full(len(keys), -1)
    where = np.minimum(np.searchsorted(ascending, keys), len(ascending) - 1)
    return np.where(ascending[where] == keys, where, -1)


def _description_of(plan: Any) -> Description:
    return Description.model_validate_json(plan.schema.metadata[_METADATA_KEY.encode()])


@lru_cache(maxsize=128)
def _open_shard(shard: Shard) -> tuple[np.ndarray, np.ndarray]:
    """Return (offsets int64 [n_clips + 1], values float32) of a shard, views of the mapped file."""
    path = as_path(shard.folder) / shard.name
    try:
        values = _read_shard(local_copy(path)).column("values")
    except FileNotFoundError as error:
        raise AffettoError(f"{path} is gone; run the pipeline again to compute its clips.") from error
    return values.offsets.to_numpy(), values.values.to_numpy()


@lru_cache(maxsize=4_096)
def _read_rows(folder: str, name: str, status: Entry) -> np.ndarray:
    """Return the rows of a shard without their values, which need not be read; none of a damaged one.

    They are remembered as long as the file is as its `status` says, of so many shards in 13 MB: every node of
    a pipeline asks for them.
    """
    import pyarrow as pa

    path = as_path(folder) / name
    options = pa.ipc.IpcReadOptions(included_fields=[1, 2], use_threads=False)
    try:
        with (
            reading(path, otherwise="its clips are computed again"),
            path.open("rb") if is_remote(path) else pa.memory_map(str(path)) as file,
            pa.ipc.open_file(file, options=options) as reader,
        ):
            batch = reader.get_batch(0)
            rows = np.zeros(len(batch), _ROW)
            rows["key"] = batch["key"].to_pylist()
            rows["row"] = np.arange(len(batch))
            rows["n_frames"] = batch["n_frames"].to_numpy()
            return rows
    except FileNotFoundError:  # collected since it was listed
        pass
    except DamagedFileError as error:
        logger.warning("%s", error)
    return np.zeros(0, _ROW)


def _read_shard(path: Path) -> Any:
    import pyarrow as pa

    with pa.memory_map(str(path)) as mapped, pa.ipc.open_file(mapped) as reader:
        return reader.get_batch(0)
