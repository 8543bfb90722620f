"""Features of many clips: only what the stores lack is computed, and clips that fail are set aside."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from affetto.audio.conditions import AnyCondition, write_copy
from affetto.audio.decode import MIDI_EXTENSIONS, read_audio
from affetto.audio.midi import RENDERING_VERSION
from affetto.audio.recording import UnreachableError
from affetto.errors import AffettoError
from affetto.features.clip_features import KEY_DTYPE, ClipFeatures, FeatureSet
from affetto.features.parameters import FeatureParameters
from affetto.features.store import Description, FeatureStore, Plan
from affetto.features.table import extract_together, parse_description, rates_of
from affetto.io.paths import absolute
from affetto.io.workers import ExecutorParameters, Lost, map_items

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

MAX_SHARD_CLIPS = 64
MAX_SHARD_S = 1_800.0  # 19 MB of MFCC with deltas, 47 MB of ComParE descriptors
MAX_SHARD_BYTES = 64 << 20
_CLUSTER_WORKERS = 64  # a cluster's size is not known before it is asked
_TYPICAL_CLIP_S = 10.0
_COLUMNS = ["clip_id", "path", "corpus", "start_s", "end_s", "duration_s"]
_CLIP_ERRORS = (AffettoError, OSError, ValueError, RuntimeError, ArithmeticError, MemoryError)


class Extracted(NamedTuple):
    """A feature of the clips that did not fail, how many were computed or reused, and why others failed."""

    features: ClipFeatures
    computed: int
    reused: int
    failures: dict[str, str]


class _Target(NamedTuple):
    """A feature, and where it goes."""

    store: FeatureStore
    description: Description
    parameters: FeatureParameters


class ShardJob(NamedTuple):
    """Clips that one worker extracts and writes, as they are or as they sound in a condition.

    `keys` says under which key the row of each clip will be found, bytes [n_clips] a feature; it is empty
    where there is nothing to do.
    """

    clips: pd.DataFrame
    roots: tuple[Path, Mapping[str, Path]]
    targets: Mapping[str, _Target]
    keys: Mapping[str, np.ndarray]
    condition: AnyCondition | None

    def take(self, positions: np.ndarray) -> ShardJob:
        """Return the job of some of the clips."""
        keys = {name: keys[positions] for name, keys in self.keys.items()}
        return self._replace(clips=self.clips.iloc[positions], keys=keys)


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
        what = ", ".join(parameters)
        raise AffettoError(f"There are no clips to extract {what} from; check the corpus.")
    targets, keys = {}, {}
    for name, wanted in parameters.items():
        store, described = FeatureStore(absolute(stores) / name), wanted.describe()
        last = store.description()
        # The last plan knows the columns, too: asking openSMILE costs 2 s.
        known = last is not None and last.parameters == described
        dimensions = last.dimensions if last and known else wanted.dimensions()
        description = Description(
            name=name, dimensions=dimensions, hop_s=wanted.frame_s, parameters=described
        )
        targets[name] = _Target(store, description, wanted)
        keys[name] = clip_keys(clips, root, wanted, other_roots)
    job = ShardJob(clips.reindex(columns=_COLUMNS), (root, dict(other_roots)), targets, keys, None)
    reasons, there = _fill(job, executor, f"{stores.name} features")
    ids, found = clips["clip_id"].astype("str").tolist(), {}
    for name, target in targets.items():
        found[name] = _finish(target, ids, keys[name], reasons, there[name])
    return found


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

    A degraded copy becomes a file, is decoded like any other, and forgotten.

    Parameters
    ----------
    features
        The features of the clips as they are, which say what is extracted, and of which clips.
    clips, root, other_roots, stores, executor
        As for `extract`; the stores are those of degraded copies.
    condition
        What is done to each clip.
    name
        Of the condition, for the progress bar.

    Returns
    -------
    FeatureSet
        The same features, of the clips that could be degraded, memory-mapped.

    Raises
    ------
    AffettoError
        When the condition cannot be made, or space or memory ran out.
    """
    table = clips.set_index("clip_id").loc[list(features.clip_ids)].reset_index()
    degradation = json.dumps(condition.description(), sort_keys=True).encode()
    targets, keys = {}, {}
    for each, feature in features.items():
        store = FeatureStore(absolute(stores) / each)
        description = Description.model_validate(feature, from_attributes=True)
        targets[each] = _Target(store, description, parse_description(feature.parameters))
        degraded = [_key_of(bytes(key) + degradation) for key in feature.keys]
        keys[each] = np.array(degraded, KEY_DTYPE)
    roots = root, dict(other_roots)
    job = ShardJob(table.reindex(columns=_COLUMNS), roots, targets, keys, condition)
    reasons, _ = _fill(job, executor, name)
    left_out: dict[str, str] = {}
    for own in keys.values():
        for clip_id, key in zip(features.clip_ids, own, strict=True):
            if key.decode() in reasons:
                left_out[clip_id] = reasons[key.decode()]
    if left_out:
        first, told = next(iter(left_out.items())), "%s: %d clips are left out, first %s: %s"
        logger.warning(told, name, len(left_out), *first)
    stored = {}
    for each, target in targets.items():
        plan = Plan(features.clip_ids, keys[each], left_out, target.description)
        stored[each] = target.store.features(plan)
    return FeatureSet.align(stored, features.clip_ids)


def clip_keys(
    clips: pd.DataFrame,
    root: Path,
    parameters: FeatureParameters,
    other_roots: Mapping[str, Path] = MappingProxyType({}),
) -> np.ndarray:
    """Return what rows of clips are found by, bytes [n_clips]: a hash of all that the values depend on."""
    described = json.dumps([parameters.describe(), parameters.library_versions()], sort_keys=True)
    contents = clips.reindex(columns=["content_hash"])["content_hash"]
    paths = clip_paths(clips, root, other_roots)
    keys = np.empty(len(clips), dtype=KEY_DTYPE)
    # Row by row: strings of all clips at once would fill memory.
    for i, (content, path, part) in enumerate(zip(contents, paths, _parts(clips), strict=True)):
        # Without an audit the file's name, size and date say what the audio is.
        audio = content if isinstance(content, str) else _file_identity(path)
        keys[i] = _key_of(json.dumps([audio, *part, described]).encode())
    return keys


def clip_paths(clips: pd.DataFrame, root: Path, other_roots: Mapping[str, Path]) -> Iterator[Path]:
    """Yield where each clip of a table is; relative are its `path`s to the root of its `corpus`."""
    own = absolute(root)
    others = {corpus: absolute(folder) for corpus, folder in other_roots.items()}
    columns = clips.reindex(columns=["corpus", "path"])
    for corpus, path in zip(columns["corpus"], columns["path"], strict=True):
        yield others.get(corpus, own) / str(path)


def _parts(clips: pd.DataFrame) -> Iterator[tuple[float, float | None]]:
    """Yield where each clip begins and ends in its file, s; None: with the file."""
    times = clips.reindex(columns=["start_s", "end_s"])
    for start_s, end_s in times.to_numpy(dtype=np.float64, na_value=np.nan):
        start = 0.0 if np.isnan(start_s) else float(start_s)
        yield start, None if np.isnan(end_s) else float(end_s)


def _file_identity(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:  # extracting it will say so
        return f"{path}"
    rendering = f":{RENDERING_VERSION}" if path.suffix.lower() in MIDI_EXTENSIONS else ""
    return f"{path}:{status.st_size}:{status.st_mtime_ns}{rendering}"


def _key_of(identity: bytes) -> bytes:
    return hashlib.blake2b(identity, digest_size=KEY_DTYPE.itemsize // 2).hexdigest().encode()


def _fill(
    job: ShardJob, executor: ExecutorParameters, what: str
) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Compute the rows of a job that the stores lack, each key once.

    With a condition, a fault that is not the clip's own is an error. Returns key → why it could not be
    computed, and name of each feature → which clips were there, bool [n_clips].
    """
    there, missing = {}, {}
    for name, keys in job.keys.items():
        target = job.targets[name]
        target.store.remove_partial_files()
        there[name] = target.store.holds(keys)
        lacking = np.flatnonzero(~there[name])
        lacking = lacking[np.unique(keys[lacking], return_index=True)[1]]
        missing[name] = np.zeros_like(keys)
        missing[name][lacking] = keys[lacking]
        if len(lacking):
            target.parameters.check_available()
    jobs = _divide(job._replace(keys=missing), executor)
    sizes = [len(each.clips) for each in jobs]
    done = map_items(extract_shard, jobs, executor, divide=_single_clips, description=what, total_units=sizes)
    reasons: dict[str, str] = {}
    for number, results in done:
        for i, result in enumerate(results):
            if not isinstance(result, Lost):
                reasons |= result
                continue
            lost = _single_clips(jobs[number])[i]  # what is lost is a clip that was repeated alone
            if job.condition is not None:
                clip_id = lost.clips["clip_id"].iloc[0]
                raise AffettoError(f"The process that copied {clip_id} {result.reason}.")
            for key in lost.keys.values():
                reasons[key[0].decode()] = f"The process that extracted it {result.reason}."
    return reasons, there


def _divide(job: ShardJob, executor: ExecutorParameters) -> list[ShardJob]:
    """Cut what is to be done of a job into parts of bounded length, several a worker."""
    chosen = np.flatnonzero(np.any([keys != b"" for keys in job.keys.values()], axis=0))
    n_workers = executor.n_jobs if executor.n_jobs > 0 else os.cpu_count() or 1
    if executor.scheduler is not None:
        n_workers = _CLUSTER_WORKERS
    most = min(max(len(chosen) // (4 * n_workers), 8), MAX_SHARD_CLIPS)
    durations_s = job.clips["duration_s"].to_numpy(dtype=np.float64, na_value=np.nan)[chosen]
    bounds, length_s = [0], 0.0
    for place, duration_s in enumerate(np.nan_to_num(durations_s, nan=_TYPICAL_CLIP_S)):
        n_clips = place - bounds[-1]
        if n_clips == most or (n_clips and length_s + duration_s > MAX_SHARD_S):
            bounds.append(place)
            length_s = 0.0
        length_s += duration_s
    return [job.take(part) for part in np.split(chosen, bounds[1:]) if len(part)]


def _single_clips(job: ShardJob) -> list[ShardJob]:
    return [job.take(np.array([i])) for i in range(len(job.clips))]


def extract_shard(job: ShardJob) -> dict[str, str]:
    """Extract the clips of a shard and write them; runs in a worker. Return key → why it has no row."""
    rows: dict[str, list[tuple[str, str, np.ndarray]]] = {name: [] for name in job.targets}
    reasons: dict[str, str] = {}
    paths = clip_paths(job.clips, *job.roots)
    clips = zip(job.clips["clip_id"].astype("str"), paths, _parts(job.clips), strict=True)
    for i, clip in enumerate(clips):
        keys = {name: keys[i].decode() for name, keys in job.keys.items() if keys[i]}
        wanted = {name: job.targets[name].parameters for name in keys}
        for name, found in _extract_clip(*clip, wanted, job.condition).items():
            if isinstance(found, str):
                reasons[keys[name]] = found
                continue
            if sum(held.nbytes for *_, held in rows[name]) + found.nbytes > MAX_SHARD_BYTES:
                _write(job.targets[name], rows[name])  # a clip larger than the bound has a shard of its own
            rows[name].append((clip[0], keys[name], found))
    for name, target in job.targets.items():
        _write(target, rows[name])
    return reasons


def _write(target: _Target, rows: list[tuple[str, str, np.ndarray]]) -> None:
    """Write rows, if any, as a shard, and forget them."""
    if rows:
        ids, keys, arrays = zip(*rows, strict=True)
        target.store.add(ids, keys, arrays, target.description)
        rows.clear()


def _extract_clip(
    clip_id: str,
    path: Path,
    part: tuple[float, float | None],
    wanted: Mapping[str, FeatureParameters],
    condition: AnyCondition | None,
) -> Mapping[str, np.ndarray | str]:
    """Return name of each feature → its values, or why there are none."""
    rates = rates_of(wanted)
    try:
        if condition is None:
            samples = {rate: _read(path, part, rate)[0] for rate in rates}
        else:
            degraded = condition.degrade(*_read(path, part))
            with TemporaryDirectory(prefix="affetto_") as folder:
                copy = write_copy(degraded, Path(folder))
                samples = {rate: _read(copy, (0.0, None), rate)[0] for rate in rates}
        return extract_together(samples, wanted)
    except _CLIP_ERRORS as error:
        reason = str(error) or type(error).__name__
        if condition is not None and not _fails_always(error):
            raise AffettoError(
                f"{clip_id} cannot be copied ({reason}): mend that and run again, what was finished is kept."
            ) from error
        if len(wanted) == 1:
            return dict.fromkeys(wanted, reason)
    found: dict[str, np.ndarray | str] = {}
    for name, parameters in wanted.items():  # what one feature does not take may be fit for the others
        found |= _extract_clip(clip_id, path, part, {name: parameters}, condition)
    return found


def _read(path: Path, part: tuple[float, float | None], rate_hz: int | None = None) -> tuple[np.ndarray, int]:
    return read_audio(path, sample_rate_hz=rate_hz, start_s=part[0], end_s=part[1])


def _fails_always(error: BaseException) -> bool:
    """Tell whether a copy is missing for the clip's own reason.

    Fits are kept under the names of clips and conditions: one without a copy that the disk was too full for
    would be found again when there is space.
    """
    if isinstance(error, UnreachableError):
        return isinstance(error.__cause__, FileNotFoundError)
    return isinstance(error, (AffettoError, ValueError, ArithmeticError))


def _finish(
    target: _Target, ids: Sequence[str], keys: np.ndarray, reasons: Mapping[str, str], there: np.ndarray
) -> Extracted:
    """Make clips the plan of a store, and say what became of them."""
    missing = [(ids[i], keys[i].decode()) for i in np.flatnonzero(~there).tolist()]
    failures = {clip_id: reasons[key] for clip_id, key in missing if key in reasons}
    computed, reused, name = len(missing) - len(failures), int(there.sum()), target.description.name
    logger.info("%s: computed %d, reused %d, failed %d", name, computed, reused, len(failures))
    for clip_id, reason in list(failures.items())[:5]:
        logger.warning("%s of %s is set aside: %s", name, clip_id, reason)
    if len(failures) == len(ids):
        clip_id, reason = next(iter(failures.items()))
        raise AffettoError(f"{name} failed for all {len(ids)} clips, first for {clip_id}: {reason}")
    plan = Plan(ids, keys, failures, target.description)
    features = target.store.features(plan)
    target.store.write_plan(plan)
    return Extracted(features, computed, reused, failures)
