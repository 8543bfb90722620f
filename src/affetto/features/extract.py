"""Features of many clips: only what the stores lack is computed, and clips that fail are set aside."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from affetto.audio.conditions import AnyCondition
from affetto.audio.decode import UnreachableError, read_audio
from affetto.audio.encode import write_copy
from affetto.audio.formats import MIDI_EXTENSIONS
from affetto.audio.midi import RENDERING_VERSION
from affetto.errors import AffettoError
from affetto.features.clip_features import KEY_DTYPE, ClipFeatures
from affetto.features.parameters import FeatureParameters
from affetto.features.recording import decode, extract_together, rates_of
from affetto.features.store import Description, FeatureStore, Plan
from affetto.io.paths import absolute
from affetto.io.workers import ExecutorParameters, Lost, map_items

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

MAX_SHARD_CLIPS = 64
MIN_SHARD_CLIPS = 8
MAX_SHARD_S = 1_800.0  # 19 MB of MFCC with deltas, 47 MB of ComParE descriptors
MAX_SHARD_BYTES = 64 << 20
_SHARDS_A_WORKER = 4
_CLUSTER_WORKERS = 64  # a cluster's size is not known before it is asked
_TYPICAL_CLIP_S = 10.0
_CLIPS_AT_ONCE = 16_384
_REASONS_LOGGED = 5
_CLIP_ERRORS = (AffettoError, OSError, ValueError, RuntimeError, ArithmeticError, MemoryError)
_TIMES = ("start_s", "end_s", "duration_s")


@dataclass(frozen=True)
class Extracted:
    """A feature of many clips.

    Attributes
    ----------
    features
        Memory-mapped, without the clips that failed.
    computed, reused
        How many clips were computed, and how many were there.
    failures
        Clip → why it failed.
    """

    features: ClipFeatures
    computed: int
    reused: int
    failures: dict[str, str]


@dataclass(frozen=True)
class ClipJob:
    """A clip to extract: where it is, and under which key each feature that is missing will be found."""

    clip_id: str
    path: Path
    start_s: float
    end_s: float | None
    keys: Mapping[str, str]


@dataclass(frozen=True)
class Target:
    """A feature, and where it goes."""

    store: FeatureStore
    description: Description
    parameters: FeatureParameters


@dataclass(frozen=True)
class ShardJob:
    """Clips that one worker extracts and writes, as they are or as they sound in a condition."""

    clips: tuple[ClipJob, ...]
    targets: Mapping[str, Target]
    condition: AnyCondition | None = None


def extract(
    clips: pd.DataFrame,
    root: Path,
    parameters: Mapping[str, FeatureParameters],
    stores: Path,
    executor: ExecutorParameters,
    *,
    other_roots: Mapping[str, Path] = MappingProxyType({}),
) -> dict[str, Extracted]:
    """Compute what the stores lack of the features of clips, and make the clips the plans of the stores.

    Workers write their own shards as they go: what is done when a run is interrupted is not computed again.
    Clips with the same content are computed once. Failed clips are tried again by the next run.

    Parameters
    ----------
    clips
        Clip table: `clip_id, path`, and where known `corpus, start_s, end_s, content_hash, duration_s`.
    root
        Folder that `path` is relative to.
    parameters
        Name of each feature → its parameters.
    stores
        Folder of the feature stores, one a feature.
    executor
        Where to compute.
    other_roots
        Folder of each corpus that does not lie below `root`, by the `corpus` of its clips.

    Returns
    -------
    dict
        Name → the feature, as its store now has it.

    Raises
    ------
    AffettoError
        When there are no clips, or all of them failed.
    """
    if clips.empty:
        raise AffettoError(
            f"There are no clips to extract {', '.join(parameters)} from; check the corpus in the parameters."
        )
    targets = {name: _target(name, values, absolute(stores) / name) for name, values in parameters.items()}
    keys = {name: clip_keys(clips, root, values, other_roots) for name, values in parameters.items()}
    reasons, there = fill(clips, root, other_roots, targets, keys, executor, what=f"{stores.name} features")
    ids = clips["clip_id"].astype("str").tolist()
    return {name: _finish(target, ids, keys[name], reasons, there[name]) for name, target in targets.items()}


def fill(
    clips: pd.DataFrame,
    root: Path,
    other_roots: Mapping[str, Path],
    targets: Mapping[str, Target],
    keys: Mapping[str, np.ndarray],
    executor: ExecutorParameters,
    *,
    what: str,
    condition: AnyCondition | None = None,
) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Compute the rows that stores lack.

    Parameters
    ----------
    clips, root, other_roots, executor
        As for `extract`.
    targets
        Name of each feature → the feature.
    keys
        Name of each feature → bytes [n_clips], what its rows are found by.
    what
        Words before the progress bar.
    condition
        What is done to each clip before; then a fault that is not the clip's own is an error.

    Returns
    -------
    tuple
        Key → why it could not be computed, and name of each feature → which clips were there, bool [n_clips].
    """
    there, missing = {}, {}
    for name, target in targets.items():
        target.store.remove_partial_files()
        there[name] = target.store.rows().find(keys[name]) >= 0
        lacking = np.flatnonzero(~there[name])
        lacking = lacking[np.unique(keys[name][lacking], return_index=True)[1]]
        missing[name] = np.zeros_like(keys[name])
        missing[name][lacking] = keys[name][lacking]
        if len(lacking):
            target.parameters.check_available()
    jobs = _Jobs(clips, root, other_roots, missing, ShardJob((), targets, condition), executor)
    done = map_items(
        extract_shard, jobs, executor, divide=single_clips, description=what, total_units=jobs.sizes
    )
    reasons: dict[str, str] = {}
    for number, results in done:
        for i, result in enumerate(results):
            if not isinstance(result, Lost):
                reasons |= result
                continue
            clip = jobs[number].clips[i]  # what is lost is a clip that was repeated alone
            if condition is not None:
                raise AffettoError(f"The process that copied {clip.clip_id} {result.reason}.")
            reasons |= dict.fromkeys(clip.keys.values(), f"The process that extracted it {result.reason}.")
    return reasons, there


def extract_shard(job: ShardJob) -> dict[str, str]:
    """Extract the clips of a shard and write them; runs in a worker. Return key → why it has no row."""
    rows: dict[str, list[tuple[str, str, np.ndarray]]] = {name: [] for name in job.targets}
    reasons: dict[str, str] = {}
    for clip in job.clips:
        wanted = {name: job.targets[name].parameters for name in clip.keys}
        for name, found in _extract_clip(clip, wanted, job.condition):
            if isinstance(found, str):
                reasons[clip.keys[name]] = found
                continue
            if sum(held.nbytes for *_, held in rows[name]) + found.nbytes > MAX_SHARD_BYTES:
                _write(job.targets[name], rows[name])  # a clip larger than the bound has a shard of its own
            rows[name].append((clip.clip_id, clip.keys[name], found))
    for name, target in job.targets.items():
        _write(target, rows[name])
    return reasons


def single_clips(job: ShardJob) -> list[ShardJob]:
    """Return a job of each clip of a job."""
    return [replace(job, clips=(clip,)) for clip in job.clips]


def clip_keys(
    clips: pd.DataFrame,
    root: Path,
    parameters: FeatureParameters,
    other_roots: Mapping[str, Path] = MappingProxyType({}),
) -> np.ndarray:
    """Return what the rows of clips are found by, bytes [n_clips]: a hash of all that their values depend on.

    Parameters
    ----------
    clips, root, parameters, other_roots
        As for `extract`.
    """
    described = json.dumps([parameters.describe(), parameters.library_versions()], sort_keys=True)
    keys = np.empty(len(clips), dtype=KEY_DTYPE)
    for start in range(0, len(clips), _CLIPS_AT_ONCE):  # strings of all clips at once would fill memory
        part = clips.iloc[start : start + _CLIPS_AT_ONCE]
        columns = part.reindex(columns=["content_hash", "start_s", "end_s"])
        times = columns[["start_s", "end_s"]].to_numpy(dtype=np.float64, na_value=np.nan).tolist()
        rows = zip(columns["content_hash"], clip_paths(part, root, other_roots), times, strict=True)
        for i, (content, path, (start_s, end_s)) in enumerate(rows, start=start):
            # Without an audit the file's name, size and date say what the audio is.
            audio = content if isinstance(content, str) else _file_identity(path)
            keys[i] = key_of(json.dumps([audio, *_part(start_s, end_s), described]).encode())
    return keys


def clip_paths(clips: pd.DataFrame, root: Path, other_roots: Mapping[str, Path]) -> Iterator[Path]:
    """Yield where each clip of a table is; relative are its `path`s to the root of its `corpus`."""
    own, others = absolute(root), {corpus: absolute(folder) for corpus, folder in other_roots.items()}
    columns = clips.reindex(columns=["corpus", "path"])
    for corpus, path in zip(columns["corpus"], columns["path"], strict=True):
        yield others.get(corpus, own) / str(path)


def key_of(identity: bytes) -> bytes:
    """Return the key of what values depend on: a hash in hexadecimal digits."""
    return hashlib.blake2b(identity, digest_size=KEY_DTYPE.itemsize // 2).hexdigest().encode()


class _Jobs(Sequence[Any]):
    """Jobs of bounded length, several a worker, each made when it is asked for.

    `missing` says under which key the rows that are to be computed will be found, bytes [n_clips] a feature,
    empty where there is nothing to do; the other parameters are those of `fill`.
    """

    def __init__(
        self,
        clips: pd.DataFrame,
        root: Path,
        other_roots: Mapping[str, Path],
        missing: Mapping[str, np.ndarray],
        template: ShardJob,
        executor: ExecutorParameters,
    ) -> None:
        self._clips = clips.reindex(columns=["clip_id", "path", "corpus", *_TIMES])
        self._roots, self._missing, self._template = (root, other_roots), missing, template
        self._positions = np.flatnonzero(np.any([keys != b"" for keys in missing.values()], axis=0))
        most = len(self._positions) // (_SHARDS_A_WORKER * _n_workers(executor))
        most = min(max(most, MIN_SHARD_CLIPS), MAX_SHARD_CLIPS)
        durations_s = self._clips["duration_s"].to_numpy(dtype=np.float64, na_value=np.nan)[self._positions]
        bounds, n_clips, length_s = [], most, 0.0
        for place, duration_s in enumerate(np.nan_to_num(durations_s, nan=_TYPICAL_CLIP_S).tolist()):
            if n_clips == most or length_s + duration_s > MAX_SHARD_S:
                bounds.append(place)
                n_clips, length_s = 0, 0.0
            n_clips, length_s = n_clips + 1, length_s + duration_s
        self._bounds = [*bounds, len(self._positions)]

    @property
    def sizes(self) -> list[int]:
        """Number of clips of each job."""
        sizes: list[int] = np.diff(self._bounds).tolist()
        return sizes

    def __len__(self) -> int:
        return len(self._bounds) - 1

    def __getitem__(self, index: Any) -> Any:
        where = range(len(self))[index]
        part = self._positions[self._bounds[where] : self._bounds[where + 1]]
        table = self._clips.iloc[part]
        times = table[list(_TIMES)].to_numpy(dtype=np.float64, na_value=np.nan).tolist()
        paths = clip_paths(table, *self._roots)
        clips = []
        for i, clip_id, path, (start_s, end_s, _) in zip(part, table["clip_id"], paths, times, strict=True):
            keys = {name: keys[i].decode() for name, keys in self._missing.items() if keys[i]}
            clips.append(ClipJob(str(clip_id), path, *_part(start_s, end_s), keys))
        return replace(self._template, clips=tuple(clips))


def _write(target: Target, rows: list[tuple[str, str, np.ndarray]]) -> None:
    """Write rows, if any, as a shard, and forget them."""
    if rows:
        ids, keys, arrays = zip(*rows, strict=True)
        target.store.add(ids, keys, arrays, target.description)
        rows.clear()


def _extract_clip(
    clip: ClipJob, wanted: Mapping[str, FeatureParameters], condition: AnyCondition | None
) -> Iterator[tuple[str, np.ndarray | str]]:
    """Yield the name of each feature, and its values or why there are none."""
    try:
        yield from extract_together(_decode_clip(clip, rates_of(wanted), condition), wanted).items()
    except _CLIP_ERRORS as error:
        reason = str(error) or type(error).__name__
        if condition is not None and not _fails_always(error):
            raise AffettoError(
                f"{clip.clip_id} cannot be copied ({reason}): mend that and run again, what was finished is "
                "kept."
            ) from error
        if len(wanted) == 1:
            yield next(iter(wanted)), reason
        else:  # what one feature does not take may be fit for the others
            for name, parameters in wanted.items():
                yield from _extract_clip(clip, {name: parameters}, condition)


def _decode_clip(
    clip: ClipJob, rates: Sequence[int], condition: AnyCondition | None
) -> dict[int, np.ndarray]:
    if condition is None:
        return decode(clip.path, rates, clip.start_s, clip.end_s)
    samples, rate = read_audio(clip.path, start_s=clip.start_s, end_s=clip.end_s)
    with TemporaryDirectory(prefix="affetto_") as folder:
        return decode(write_copy(condition.degrade(samples, rate), Path(folder)), rates)


def _fails_always(error: BaseException) -> bool:
    """Tell whether a copy is missing for the clip's own reason.

    Fits are kept under the names of clips and conditions: one without a copy that the disk was too full for
    would be found again when there is space.
    """
    if isinstance(error, UnreachableError):
        return isinstance(error.__cause__, FileNotFoundError)
    return isinstance(error, (AffettoError, ValueError, ArithmeticError))


def _target(name: str, parameters: FeatureParameters, root: Path) -> Target:
    """Describe a feature, with the columns of the last plan where they fit: asking openSMILE costs 2 s."""
    store, described = FeatureStore(root), parameters.describe()
    last = store.description()
    known = last is not None and last.parameters == described
    dimensions = last.dimensions if last and known else parameters.dimensions()
    description = Description(
        name=name, dimensions=dimensions, hop_s=parameters.frame_s, parameters=described
    )
    return Target(store, description, parameters)


def _finish(
    target: Target, ids: Sequence[str], keys: np.ndarray, reason_of: Mapping[str, str], there: np.ndarray
) -> Extracted:
    """Make clips the plan of a store, and say what became of them."""
    missing = [(ids[i], keys[i].decode()) for i in np.flatnonzero(~there).tolist()]
    failures = {clip_id: reason_of[key] for clip_id, key in missing if key in reason_of}
    computed, reused, name = len(missing) - len(failures), int(there.sum()), target.description.name
    logger.info("%s: computed %d, reused %d, failed %d", name, computed, reused, len(failures))
    for clip_id, reason in list(failures.items())[:_REASONS_LOGGED]:
        logger.warning("%s of %s is set aside: %s", name, clip_id, reason)
    if len(failures) == len(ids):
        clip_id, reason = next(iter(failures.items()))
        raise AffettoError(f"{name} failed for all {len(ids)} clips, first for {clip_id}: {reason}")
    plan = Plan(ids, keys, failures, target.description)
    features = target.store.features(plan)
    target.store.write_plan(plan)
    return Extracted(features, computed, reused, failures)


def _file_identity(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:  # extracting it will say so
        return f"{path}"
    rendering = f":{RENDERING_VERSION}" if path.suffix.lower() in MIDI_EXTENSIONS else ""
    return f"{path}:{status.st_size}:{status.st_mtime_ns}{rendering}"


def _part(start_s: float, end_s: float) -> tuple[float, float | None]:
    """Return where a clip begins and ends in its file, s; NaN: at its beginning and end."""
    return 0.0 if np.isnan(start_s) else start_s, None if np.isnan(end_s) else end_s


def _n_workers(executor: ExecutorParameters) -> int:
    if executor.scheduler is not None:
        return _CLUSTER_WORKERS
    return executor.n_jobs if executor.n_jobs > 0 else os.cpu_count() or 1
