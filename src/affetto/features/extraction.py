"""Features of many clips: only what a store lacks is computed, and clips that fail are set aside."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from affetto.errors import AffettoError
from affetto.features.clip_features import ClipFeatures
from affetto.features.extractors import (
    default_name,
    describe,
    dimensions_of,
    extract_one,
    hop_of,
)
from affetto.features.parameters import FeatureParameters
from affetto.features.store import Description, FeatureStore
from affetto.features.workers import ClipJob, ShardJob, decode_for, extract_shard
from affetto.parallel import ExecutorParameters, map_shards

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

MAX_SHARD_CLIPS = 64
MIN_SHARD_CLIPS = 8
MAX_SHARD_S = 1_800.0  # 19 MB of MFCC with deltas, 47 MB of ComParE descriptors
_SHARDS_A_WORKER = 4
_CLUSTER_WORKERS = 64  # a cluster's size is not known before it is asked
_TYPICAL_CLIP_S = 10.0
_REASONS_LOGGED = 5


@dataclass(frozen=True, eq=False)
class ExtractionPlan:
    """A feature to extract of a table of clips; saving it to a `FeatureStoreDataset` does the work.

    Parameters
    ----------
    name
        Name of the feature.
    clips
        Clip table: `clip_id, path`, and where known `start_s, end_s, content_hash, duration_s`.
    root
        Folder that `path` is relative to.
    parameters
        Of the feature.
    executor
        Where to compute.
    """

    name: str
    clips: pd.DataFrame
    root: Path
    parameters: FeatureParameters
    executor: ExecutorParameters


@dataclass(frozen=True)
class ExtractionReport:
    """How many clips were computed, were there already, or failed (clip to reason)."""

    computed: int
    reused: int
    failures: dict[str, str]


def run_plan(plan: ExtractionPlan, store: FeatureStore) -> ExtractionReport:
    """Compute what `store` lacks of a plan and make the plan the store's current one.

    Workers write their own shards as they go: what is done when a run is interrupted is not computed again.
    Clips with the same content are computed once. Failed clips are tried again by the next run.

    Parameters
    ----------
    plan
        What to extract.
    store
        Where.

    Returns
    -------
    ExtractionReport
        Counts and failures.

    Raises
    ------
    AffettoError
        When there are no clips, or all of them failed.
    """
    if plan.clips.empty:
        raise AffettoError(
            f"There are no clips to extract {plan.name} from; check the corpus in the parameters."
        )
    store.sweep()
    description = _describe_plan(plan, store.description())
    jobs = list(_clip_jobs(plan))
    rows = store.index()
    known = set(rows)
    missing = {job.key: job for job in jobs if job.key not in rows}
    shards = _make_shards(list(missing.values()), plan, description, store)
    results = map_shards(
        extract_shard,
        shards,
        plan.executor,
        description=plan.name,
        total_units=[len(shard.clips) for shard in shards],
    )
    reasons: dict[str, str] = {}
    for result in results:
        rows.update(result.rows)
        reasons.update(result.reasons)
    failures = {job.clip_id: reasons[job.key] for job in jobs if job.key not in rows}
    reused = sum(job.key in known for job in jobs)
    report = ExtractionReport(len(jobs) - reused - len(failures), reused, failures)
    _log(plan.name, report)
    if len(failures) == len(jobs):
        clip_id, reason = next(iter(failures.items()))
        raise AffettoError(f"{plan.name} failed for all {len(jobs)} clips, first for {clip_id}: {reason}")
    store.write_plan(
        [job.clip_id for job in jobs],
        [job.key for job in jobs],
        rows=rows,
        reasons=reasons,
        description=description,
    )
    return report


def extract_in_memory(
    recordings: Sequence[Path | tuple[np.ndarray, int]],
    clip_ids: Sequence[str],
    parameters: FeatureParameters,
    *,
    name: str | None = None,
) -> ClipFeatures:
    """Extract a feature of a few new recordings, in this process and without a store.

    Parameters
    ----------
    recordings
        Audio files, or mono samples [n_samples] with their sample rate in Hz.
    clip_ids
        Their names.
    parameters
        Of the feature; see `extractors.parse_description` for those that a model was fitted with.
    name
        Name of the feature; by default the catalog's.

    Raises
    ------
    AffettoError
        When a recording cannot be decoded or is not fit for the feature.
    """
    arrays = []
    for recording in recordings:
        samples, rate = decode_for(recording, parameters) if isinstance(recording, Path) else recording
        arrays.append(extract_one(samples, rate, parameters))
    return ClipFeatures.from_arrays(
        name or default_name(parameters),
        clip_ids,
        arrays,
        dimensions=dimensions_of(parameters),
        hop_s=hop_of(parameters),
        parameters=describe(parameters),
    )


def _describe_plan(plan: ExtractionPlan, last: Description | None) -> Description:
    """Describe the feature, with the columns of the last plan where they fit: asking openSMILE costs 2 s."""
    parameters = describe(plan.parameters)
    if last is not None and last.parameters == parameters:
        return replace(last, name=plan.name)
    return Description(plan.name, dimensions_of(plan.parameters), hop_of(plan.parameters), parameters)


def _clip_jobs(plan: ExtractionPlan) -> Iterator[ClipJob]:
    parameters = json.dumps(describe(plan.parameters), sort_keys=True)
    root = plan.root.absolute()
    for clip in plan.clips.to_dict("records"):
        start_s, end_s = _number(clip, "start_s") or 0.0, _number(clip, "end_s")
        path = root / str(clip["path"])
        identity = json.dumps([_content(clip, path), start_s, end_s, parameters])
        yield ClipJob(
            clip_id=str(clip["clip_id"]),
            key=hashlib.blake2b(identity.encode(), digest_size=16).hexdigest(),
            path=path,
            start_s=start_s,
            end_s=end_s,
            duration_s=_number(clip, "duration_s") or _TYPICAL_CLIP_S,
        )


def _content(clip: Mapping[Any, Any], path: Path) -> str:
    """Return what identifies the audio: its hash, or without an audit the file's name, size and date."""
    content = clip.get("content_hash")
    if isinstance(content, str):
        return content
    status = path.stat() if path.is_file() else None
    return f"{path}:{status.st_size}:{status.st_mtime_ns}" if status else f"{path}"


def _number(clip: Mapping[Any, Any], column: str) -> float | None:
    value = clip.get(column)
    return None if value is None or np.isnan(float(value)) else float(value)


def _make_shards(
    jobs: Sequence[ClipJob], plan: ExtractionPlan, description: Description, store: FeatureStore
) -> list[ShardJob]:
    """Cut the clips into shards of bounded length that give every worker several."""
    most = int(
        np.clip(len(jobs) // (_SHARDS_A_WORKER * _n_workers(plan.executor)), MIN_SHARD_CLIPS, MAX_SHARD_CLIPS)
    )
    groups: list[list[ClipJob]] = []
    length_s = 0.0
    for job in jobs:
        if not groups or len(groups[-1]) == most or length_s + job.duration_s > MAX_SHARD_S:
            groups.append([])
            length_s = 0.0
        groups[-1].append(job)
        length_s += job.duration_s
    target = FeatureStore(store.root.absolute())
    return [ShardJob(target, description, plan.parameters, tuple(group)) for group in groups]


def _n_workers(executor: ExecutorParameters) -> int:
    if executor.scheduler is not None:
        return _CLUSTER_WORKERS
    return executor.n_jobs if executor.n_jobs > 0 else os.cpu_count() or 1


def _log(name: str, report: ExtractionReport) -> None:
    logger.info(
        "%s: computed %d, reused %d, failed %d", name, report.computed, report.reused, len(report.failures)
    )
    for clip_id, reason in list(report.failures.items())[:_REASONS_LOGGED]:
        logger.warning("%s of %s is set aside: %s", name, clip_id, reason)
