"""From a clip table to the jobs of workers: columns in memory, each job made when it is asked for."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from affetto.audio.formats import MIDI_EXTENSIONS
from affetto.audio.midi import RENDERING_VERSION
from affetto.features.clip_features import KEY_DTYPE
from affetto.features.extractors import describe, library_versions
from affetto.features.parameters import FeatureParameters
from affetto.features.workers import ClipJob, ShardJob
from affetto.parallel import ExecutorParameters
from affetto.storage import absolute

if TYPE_CHECKING:
    import pandas as pd

MAX_SHARD_CLIPS = 64
MIN_SHARD_CLIPS = 8
MAX_SHARD_S = 1_800.0  # 19 MB of MFCC with deltas, 47 MB of ComParE descriptors
_SHARDS_A_WORKER = 4
_CLUSTER_WORKERS = 64  # a cluster's size is not known before it is asked
_TYPICAL_CLIP_S = 10.0
_CLIPS_AT_ONCE = 16_384


@dataclass(frozen=True)
class ClipColumns:
    """The clips of a plan by column.

    Parameters
    ----------
    folders
        Folders that the paths are relative to, absolute.
    folder_of
        int16 [n_clips], which of them.
    ids, paths
        Series of strings [n_clips].
    start_s, end_s
        float64 [n_clips]; NaN: the beginning and the end of the file.
    duration_s
        float64 [n_clips]; guessed where unknown.
    keys
        bytes [n_clips]: hash of what the values depend on.
    """

    folders: Sequence[Path]
    folder_of: np.ndarray
    ids: pd.Series[str]
    paths: pd.Series[str]
    start_s: np.ndarray
    end_s: np.ndarray
    duration_s: np.ndarray
    keys: np.ndarray

    def __len__(self) -> int:
        return len(self.keys)

    def jobs(self, positions: np.ndarray) -> tuple[ClipJob, ...]:
        """Return the jobs of the clips at `positions`."""
        ids, paths = self.ids.iloc[positions].tolist(), self.paths.iloc[positions].tolist()
        return tuple(
            ClipJob(
                clip_id,
                self.keys[i].decode(),
                self.folders[self.folder_of[i]] / path,
                _start(self.start_s[i]),
                _end(self.end_s[i]),
            )
            for i, clip_id, path in zip(positions, ids, paths, strict=True)
        )


@dataclass(frozen=True)
class ShardJobs(Sequence[ShardJob]):
    """The jobs of a plan; each is made when it is asked for.

    Parameters
    ----------
    columns
        The clips.
    order
        int64 [n_missing], positions of the clips to extract.
    bounds
        int64 [n_shards + 1], where in `order` each shard begins and the last one ends.
    template
        A job without clips.
    """

    columns: ClipColumns
    order: np.ndarray
    bounds: np.ndarray
    template: ShardJob

    @property
    def sizes(self) -> list[int]:
        """Number of clips of each shard."""
        sizes: list[int] = np.diff(self.bounds).tolist()
        return sizes

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @overload
    def __getitem__(self, index: int) -> ShardJob: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ShardJob]: ...
    def __getitem__(self, index: int | slice) -> ShardJob | Sequence[ShardJob]:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        where = range(len(self))[index]
        part = self.order[self.bounds[where] : self.bounds[where + 1]]
        return replace(self.template, clips=self.columns.jobs(part))


def clip_columns(
    clips: pd.DataFrame,
    root: Path,
    parameters: FeatureParameters,
    other_roots: Mapping[str, Path] = MappingProxyType({}),
) -> ClipColumns:
    """Return the columns of a clip table that an extraction needs, and the keys of its clips.

    Parameters
    ----------
    clips, root, parameters, other_roots
        As `ExtractionPlan` has them.
    """
    folders, folder_of = clip_folders(clips, root, other_roots)
    ids, paths = clips["clip_id"].astype("str"), clips["path"].astype("str")
    start_s, end_s = _numbers(clips, "start_s"), _numbers(clips, "end_s")
    duration_s = np.nan_to_num(_numbers(clips, "duration_s"), nan=_TYPICAL_CLIP_S)
    keys = _keys(_contents(clips, folders, folder_of), start_s, end_s, parameters)
    return ClipColumns(folders, folder_of, ids, paths, start_s, end_s, duration_s, keys)


def clip_folders(
    clips: pd.DataFrame, root: Path, other_roots: Mapping[str, Path]
) -> tuple[Sequence[Path], np.ndarray]:
    """Return the folders of the corpora, absolute, and which of them holds each clip, int16 [n_clips]."""
    folders = [absolute(folder) for folder in (root, *other_roots.values())]
    if not other_roots:
        return folders, np.zeros(len(clips), dtype=np.int16)
    names = clips["corpus"].astype("category").cat.set_categories(list(other_roots))
    return folders, names.cat.codes.to_numpy(dtype=np.int16) + np.int16(1)  # a corpus of no other root is -1


def make_shards(
    columns: ClipColumns, positions: np.ndarray, template: ShardJob, executor: ExecutorParameters
) -> ShardJobs:
    """Cut the clips at `positions` into shards of bounded length that give every worker several."""
    most = len(positions) // (_SHARDS_A_WORKER * _n_workers(executor))
    most = min(max(most, MIN_SHARD_CLIPS), MAX_SHARD_CLIPS)
    bounds, n_clips, length_s = [], most, 0.0
    for place, duration_s in enumerate(columns.duration_s[positions]):
        if n_clips == most or length_s + duration_s > MAX_SHARD_S:
            bounds.append(place)
            n_clips, length_s = 0, 0.0
        n_clips, length_s = n_clips + 1, length_s + duration_s
    return ShardJobs(columns, positions, np.array([*bounds, len(positions)]), template)


def _keys(
    contents: Iterable[str], start_s: np.ndarray, end_s: np.ndarray, parameters: FeatureParameters
) -> np.ndarray:
    described = json.dumps([describe(parameters), library_versions(parameters)], sort_keys=True)
    keys = np.empty(len(start_s), dtype=KEY_DTYPE)
    for i, content in enumerate(contents):
        identity = json.dumps([content, _start(start_s[i]), _end(end_s[i]), described])
        keys[i] = hashlib.blake2b(identity.encode(), digest_size=KEY_DTYPE.itemsize // 2).hexdigest().encode()
    return keys


def _contents(clips: pd.DataFrame, folders: Sequence[Path], folder_of: np.ndarray) -> Iterator[str]:
    """Yield what identifies the audio: its hash, or without an audit the file's name, size and date."""
    columns = clips.reindex(columns=["path", "content_hash"])
    for start in range(0, len(clips), _CLIPS_AT_ONCE):  # strings of all clips at once would fill memory
        part = columns.iloc[start : start + _CLIPS_AT_ONCE]
        rows = zip(part["path"].tolist(), part["content_hash"].tolist(), strict=True)
        for i, (path, content) in enumerate(rows, start=start):
            yield content if isinstance(content, str) else _file_identity(folders[folder_of[i]] / path)


def _file_identity(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:  # extracting it will say so
        return f"{path}"
    rendering = f":{RENDERING_VERSION}" if path.suffix.lower() in MIDI_EXTENSIONS else ""
    return f"{path}:{status.st_size}:{status.st_mtime_ns}{rendering}"


def _numbers(clips: pd.DataFrame, column: str) -> np.ndarray:
    if column not in clips:
        return np.full(len(clips), np.nan)
    return clips[column].to_numpy(dtype=np.float64, na_value=np.nan)


def _start(start_s: Any) -> float:
    return 0.0 if np.isnan(start_s) else float(start_s)


def _end(end_s: Any) -> float | None:
    return None if np.isnan(end_s) else float(end_s)


def _n_workers(executor: ExecutorParameters) -> int:
    if executor.scheduler is not None:
        return _CLUSTER_WORKERS
    return executor.n_jobs if executor.n_jobs > 0 else os.cpu_count() or 1
