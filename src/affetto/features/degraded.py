"""Features of degraded copies of clips: a copy becomes a file, is decoded like any other, and forgotten."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from affetto.audio.conditions import AnyCondition
from affetto.audio.decode import UnreachableError, read_audio
from affetto.audio.encode import write_copy
from affetto.errors import AffettoError
from affetto.features.clip_features import KEY_DTYPE, ClipFeatures, FeatureSet
from affetto.features.extractors import check_available, parse_description
from affetto.features.plan_file import Description
from affetto.features.recording import decode_at_rates, extract_together, rates_of
from affetto.features.shard_jobs import clip_folders
from affetto.features.shards import SHARD_FOLDER, ShardSource
from affetto.features.store import FeatureStore
from affetto.features.workers import CLIP_ERRORS
from affetto.parallel import ExecutorParameters, map_shards
from affetto.storage import absolute

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

_MAX_JOB_CLIPS = 32
_MAX_JOB_S = 1_800.0
_TYPICAL_CLIP_S = 10.0
_TIMES = ("start_s", "end_s", "duration_s")


@dataclass(frozen=True)
class _Clip:
    """A clip to degrade, and under which key each feature that is missing is kept."""

    clip_id: str
    path: Path
    start_s: float
    end_s: float | None
    duration_s: float
    keys: Mapping[str, str]


@dataclass(frozen=True)
class _Job:
    """Clips that one worker degrades and extracts."""

    condition: AnyCondition
    clips: tuple[_Clip, ...]
    root: Path
    descriptions: Mapping[str, Description]


def extract_degraded(
    features: FeatureSet,
    clips: pd.DataFrame,
    condition: AnyCondition,
    *,
    root: Path,
    other_roots: Mapping[str, Path],
    stores: Path,
    executor: ExecutorParameters,
    name: str,
) -> FeatureSet:
    """Extract the features of clips as they sound in a condition; only what the stores lack is computed.

    Parameters
    ----------
    features
        The features of the clips as they are: which ones, with which parameters, of which clips.
    clips
        Clip table: `clip_id, path`, and where known `corpus, start_s, end_s, duration_s`.
    condition
        What is done to each clip.
    root, other_roots
        Folders that `path` is relative to, as `ExtractionPlan` has them.
    stores
        Folder of the feature stores of degraded copies, one a feature.
    executor
        Where to compute.
    name
        Of the condition, for the progress bar.

    Returns
    -------
    FeatureSet
        The same features, of the clips that could be degraded, memory-mapped.

    Raises
    ------
    AffettoError
        When the condition cannot be made on this machine, or space or memory ran out.
    """
    if reason := condition.unavailable():
        raise AffettoError(f"The condition {name} is {reason}; leave it out of the parameters.")
    keys = {each: _keys(feature, condition) for each, feature in features.items()}
    held = {each: FeatureStore(absolute(stores) / each) for each in features}
    with ExitStack() as stack:
        for store in held.values():
            stack.enter_context(store.filling())
        missing = {each: ~store.index().find(keys[each]).known for each, store in held.items()}
        table = _missing_clips(features.clip_ids, keys, missing, clips, root, other_roots)
        jobs = _jobs(table, condition, stores, features, executor)
        if jobs:
            for feature in features.values():
                check_available(parse_description(feature.parameters))
        found = (
            map_shards(
                _extract, jobs, executor, description=name, total_units=[len(job.clips) for job in jobs]
            )
            if jobs
            else []
        )
        _log(name, {clip: reason for reasons in found for clip, reason in reasons.items()})
        stored = {each: _stored(feature, keys[each], held[each], jobs) for each, feature in features.items()}
    return FeatureSet.align(stored, features.clip_ids)


def _keys(feature: ClipFeatures, condition: AnyCondition) -> np.ndarray:
    """Return what the values of each copy are found by, bytes [n_clips]: the clip's key and the condition."""
    described = json.dumps(condition.description(), sort_keys=True).encode()
    size = KEY_DTYPE.itemsize // 2
    digests = [hashlib.blake2b(bytes(key) + described, digest_size=size).hexdigest() for key in feature.keys]
    return np.array([digest.encode() for digest in digests], dtype=KEY_DTYPE)


def _missing_clips(
    clip_ids: Sequence[str],
    keys: Mapping[str, np.ndarray],
    missing: Mapping[str, np.ndarray],
    clips: pd.DataFrame,
    root: Path,
    other_roots: Mapping[str, Path],
) -> list[_Clip]:
    wanted = np.flatnonzero(np.any(list(missing.values()), axis=0)).tolist()
    ids = [clip_ids[i] for i in wanted]
    table = clips.set_index("clip_id").reindex(columns=["path", "corpus", *_TIMES]).loc[ids]
    folders, folder_of = clip_folders(table, root, other_roots)
    times = table[list(_TIMES)].to_numpy(dtype=np.float64, na_value=np.nan).tolist()
    return [
        _Clip(
            clip_id,
            folders[folder] / str(path),
            0.0 if np.isnan(start_s) else start_s,
            None if np.isnan(end_s) else end_s,
            _TYPICAL_CLIP_S if np.isnan(duration_s) else duration_s,
            {name: keys[name][i].decode() for name in keys if missing[name][i]},
        )
        for i, clip_id, path, folder, (start_s, end_s, duration_s) in zip(
            wanted, ids, table["path"], folder_of, times, strict=True
        )
    ]


def _jobs(
    clips: Sequence[_Clip],
    condition: AnyCondition,
    stores: Path,
    features: FeatureSet,
    executor: ExecutorParameters,
) -> list[_Job]:
    """Cut the clips into jobs of bounded length; few clips are dealt to two workers a time."""
    descriptions = {
        name: Description(name, feature.dimensions, feature.hop_s, feature.parameters)
        for name, feature in features.items()
    }
    job = _Job(condition, (), absolute(stores), descriptions)
    most = min(max(-(-len(clips) // (2 * max(executor.n_jobs, 2))), 1), _MAX_JOB_CLIPS)
    jobs, part, length_s = list[_Job](), list[_Clip](), 0.0
    for clip in clips:
        if part and (len(part) == most or length_s + clip.duration_s > _MAX_JOB_S):
            jobs.append(replace(job, clips=tuple(part)))
            part, length_s = [], 0.0
        part.append(clip)
        length_s += clip.duration_s
    return [*jobs, replace(job, clips=tuple(part))] if part else jobs


def _extract(job: _Job) -> dict[str, str]:
    """Degrade clips, extract and store their features; returns the reasons of those that failed."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    made: dict[str, list[tuple[str, str, np.ndarray]]] = {name: [] for name in job.descriptions}
    reasons = {}
    with threadpool_limits(1, user_api="blas"):
        for clip in job.clips:
            try:
                arrays = _extract_clip(clip, job)
            except CLIP_ERRORS as error:
                reason = str(error) or type(error).__name__
                if not _fails_always(error):
                    raise AffettoError(
                        f"{clip.clip_id} cannot be copied ({reason}): mend that and run again, what was "
                        "finished is kept."
                    ) from error
                reasons[clip.clip_id] = reason
                continue
            for name, array in arrays.items():
                made[name].append((clip.clip_id, clip.keys[name], array))
    for name, rows in made.items():
        if rows:
            ids, keys, values = zip(*rows, strict=True)
            FeatureStore(job.root / name).add(ids, keys, values, job.descriptions[name])
    return reasons


def _fails_always(error: BaseException) -> bool:
    """Tell whether a copy is missing for the clip's own reason.

    Fits are kept under the names of clips and conditions: one without a copy that the disk was too full for
    would be found again when there is space.
    """
    if isinstance(error, UnreachableError):
        return isinstance(error.__cause__, FileNotFoundError)
    return isinstance(error, (AffettoError, ValueError, ArithmeticError))


def _extract_clip(clip: _Clip, job: _Job) -> dict[str, np.ndarray]:
    samples, rate = read_audio(clip.path, start_s=clip.start_s, end_s=clip.end_s)
    wanted = {name: parse_description(job.descriptions[name].parameters) for name in clip.keys}
    with TemporaryDirectory(prefix="affetto_") as folder:
        path = write_copy(job.condition.degrade(samples, rate), Path(folder))
        return extract_together(decode_at_rates(path, rates_of(wanted)), wanted)


def _stored(
    feature: ClipFeatures, keys: np.ndarray, store: FeatureStore, jobs: Sequence[_Job]
) -> ClipFeatures:
    """Return the feature of the copies that the store has."""
    index = store.index()
    if jobs:
        store.write_index(index)
    places = index.find(keys)
    positions = np.flatnonzero(places.known)
    places = places.take(positions)
    source = ShardSource(str(store.root / SHARD_FOLDER), places.names, places.shards, places.rows)
    return replace(
        feature,
        clip_ids=tuple(feature.clip_ids[i] for i in positions),
        n_frames=places.n_frames,
        keys=keys[positions],
        source=source,
    )


def _log(name: str, reasons: Mapping[str, str]) -> None:
    for clip_id, reason in list(reasons.items())[:1]:
        logger.warning("%s: %d clips are left out, first %s: %s", name, len(reasons), clip_id, reason)
