"""A content-addressed store of a feature: shards that many processes may fill, and a plan to order them."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from affetto.errors import AffettoError
from affetto.features.clip_features import ClipFeatures, as_keys
from affetto.features.shards import (
    METADATA_KEY,
    PARTIAL_SUFFIX,
    SHARD_SUFFIX,
    ShardSource,
    read_keys,
    write_shard,
)

logger = logging.getLogger(__name__)

PLAN_FILE = "plan.parquet"
SHARD_FOLDER = "shards"
_PARTIAL_LIFE_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Row:
    """Where the values of a key are: file, row and number of frames."""

    shard: str
    row: int
    n_frames: int


@dataclass(frozen=True)
class Description:
    """What the columns of a feature are, and what made them."""

    name: str
    dimensions: tuple[str, ...]
    hop_s: float | None
    parameters: dict[str, Any]

    def to_json(self) -> str:
        """Return the description as JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Description:
        """Read what `to_json` wrote."""
        fields = json.loads(text)
        return cls(**{**fields, "dimensions": tuple(fields["dimensions"])})


@dataclass(frozen=True)
class FeatureStore:
    """The feature store of a folder.

    `shards/*.arrow` are Arrow IPC files with the columns `clip_id, key, n_frames, values` (the values of a
    clip in one list, frame after frame) and the `Description` in the metadata of their schema. A shard has
    a name of its own, is written under a temporary name and renamed when whole, and never changes again:
    killed writers leave nothing that counts, and several may write at once. Rows are found by `key`, so
    features with other parameters live beside each other. `plan.parquet` lists the clips of the last plan
    that was saved, in order, with their place, or the reason why they have none; it is replaced as a whole.

    Parameters
    ----------
    root
        The folder; made when first written.
    """

    root: Path

    def index(self) -> dict[str, Row]:
        """Return the place of every key, from the key columns of all shards; damaged ones are passed over."""
        found: dict[str, Row] = {}
        for path in sorted((self.root / SHARD_FOLDER).glob(f"*{SHARD_SUFFIX}")):
            try:
                keys, n_frames = read_keys(path)
            except (OSError, ValueError) as error:  # pyarrow's errors derive from these
                logger.warning("%s is damaged, its clips are computed again: %s", path, error)
                continue
            shard = path.name
            for row, (key, n) in enumerate(zip(keys, n_frames, strict=True)):
                found.setdefault(key, Row(shard, row, n))
        return found

    def add(
        self,
        clip_ids: Sequence[str],
        keys: Sequence[str],
        arrays: Sequence[np.ndarray],
        description: Description,
    ) -> dict[str, Row]:
        """Write clips as a new shard and return the places of their keys.

        Parameters
        ----------
        clip_ids, keys
            The clips and what they are found by.
        arrays
            float32 [n_frames, n_dimensions], one a clip, at least one.
        description
            Of the feature.
        """
        shard = write_shard(
            self.root / SHARD_FOLDER,
            clip_ids=clip_ids,
            keys=keys,
            arrays=arrays,
            metadata=description.to_json(),
        )
        return {
            key: Row(shard, i, len(array)) for i, (key, array) in enumerate(zip(keys, arrays, strict=True))
        }

    def write_plan(
        self,
        clip_ids: Sequence[str],
        keys: Sequence[str],
        *,
        rows: Mapping[str, Row],
        reasons: Mapping[str, str],
        description: Description,
    ) -> None:
        """Replace the plan.

        Parameters
        ----------
        clip_ids, keys
            The clips in order, and what they are found by.
        rows
            Key to place.
        reasons
            Key to reason, of the keys without a place.
        description
            Of the feature.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        places = [rows.get(key) for key in keys]
        columns = {
            "clip_id": pa.array(clip_ids, pa.string()),
            "key": pa.array(keys, pa.string()),
            "shard": pa.array([place and place.shard for place in places], pa.string()),
            "row": pa.array([place and place.row for place in places], pa.int32()),
            "n_frames": pa.array([place and place.n_frames for place in places], pa.int64()),
            "reason": pa.array([None if key in rows else reasons[key] for key in keys], pa.string()),
        }
        self.root.mkdir(parents=True, exist_ok=True)
        partial = self.root / f"{uuid.uuid4().hex}{PARTIAL_SUFFIX}"
        pq.write_table(pa.table(columns, metadata={METADATA_KEY: description.to_json()}), partial)
        partial.replace(self.root / PLAN_FILE)

    def has_plan(self) -> bool:
        """Whether a plan was saved."""
        return (self.root / PLAN_FILE).is_file()

    def features(self) -> ClipFeatures:
        """Return the features of the last plan's clips, in its order, without those that failed.

        Raises
        ------
        AffettoError
            When no plan was saved, or a shard it needs is gone.
        """
        table, description = self._read_plan()
        kept = table.filter(table["shard"].is_valid())
        names, codes = np.unique(np.asarray(kept["shard"].to_pylist(), dtype=np.str_), return_inverse=True)
        return ClipFeatures(
            name=description.name,
            clip_ids=tuple(kept["clip_id"].to_pylist()),
            dimensions=description.dimensions,
            hop_s=description.hop_s,
            parameters=description.parameters,
            n_frames=kept["n_frames"].to_numpy().astype(np.int64),
            keys=as_keys(kept["key"].to_pylist()),
            source=ShardSource(self._paths(names.tolist()), codes.astype(np.int32), kept["row"].to_numpy()),
        )

    @property
    def failures(self) -> dict[str, str]:
        """Clip to reason, of the last plan's clips that have no features."""
        table, _ = self._read_plan()
        pairs = zip(table["clip_id"].to_pylist(), table["reason"].to_pylist(), strict=True)
        return {clip_id: reason for clip_id, reason in pairs if reason is not None}

    def description(self) -> Description | None:
        """Return the description of the last plan, None when there is no plan."""
        return self._read_plan()[1] if self.has_plan() else None

    def sweep(self) -> None:
        """Delete what writers that were killed an hour ago or longer left behind."""
        for partial in self.root.rglob(f"*{PARTIAL_SUFFIX}"):
            try:
                if time.time() - partial.stat().st_mtime > _PARTIAL_LIFE_S:
                    partial.unlink()
            except FileNotFoundError:  # its writer has just renamed it, or another process swept it
                continue

    def _paths(self, shards: Sequence[str]) -> tuple[str, ...]:
        paths = [(self.root / SHARD_FOLDER / shard).absolute() for shard in shards]
        missing = [path for path in paths if not path.is_file()]
        if missing:
            raise AffettoError(f"{missing[0]} is gone; run the pipeline again to compute its clips.")
        return tuple(str(path) for path in paths)

    def _read_plan(self) -> tuple[Any, Description]:
        import pyarrow.parquet as pq

        if not self.has_plan():
            raise AffettoError(
                f"{self.root} holds no features yet; run the pipeline that extracts them first."
            )
        table = pq.read_table(self.root / PLAN_FILE)
        return table, Description.from_json(table.schema.metadata[METADATA_KEY.encode()])
