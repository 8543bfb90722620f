"""Features of many clips: only what a store lacks is computed, and clips that fail are set aside."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from affetto.errors import AffettoError
from affetto.features.clip_features import ClipFeatures
from affetto.features.extractors import (
    check_available,
    default_name,
    describe,
    dimensions_of,
    extract_one,
    hop_of,
)
from affetto.features.key_index import KeyIndex, Places
from affetto.features.parameters import FeatureParameters
from affetto.features.plan_file import Description, StoredPlan
from affetto.features.shard_jobs import ClipColumns, clip_columns, make_shards
from affetto.features.store import FeatureStore
from affetto.features.workers import ShardJob, ShardResult, decode_for, extract_shard, single_clips
from affetto.parallel import ExecutorParameters, Lost, map_divisible
from affetto.storage import absolute

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

_REASONS_LOGGED = 5


@dataclass(frozen=True, eq=False)
class ExtractionPlan:
    """A feature to extract of a table of clips.

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
    other_roots
        Folder of each corpus that does not lie below `root`, by the `corpus` of its clips.
    """

    name: str
    clips: pd.DataFrame
    root: Path
    parameters: FeatureParameters
    executor: ExecutorParameters
    other_roots: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class ExtractionReport:
    """How many clips were computed, were there already, or failed (clip to reason), and the plan's hash."""

    computed: int
    reused: int
    failures: dict[str, str]
    fingerprint: str


@dataclass(frozen=True)
class _Filled:
    """Places of a plan's clips, reasons of those without one, and the index of what is there now."""

    places: Places
    reasons: dict[int, str]
    n_reused: int
    index: KeyIndex


def extract(plan: ExtractionPlan, store: Path) -> ClipFeatures:
    """Return the features of a plan's clips, memory-mapped, without those that failed; see `run_plan`."""
    found = FeatureStore(store)
    return found.features(run_plan(plan, found).fingerprint)


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
    with store.filling():
        columns = clip_columns(plan.clips, plan.root, plan.parameters, plan.other_roots)
        description = _describe_plan(plan, store.description())
        target = FeatureStore(absolute(store.root))
        filled = _fill(columns, ShardJob(target, description, plan.parameters, ()), plan.executor)
        ids = cast(Sequence[str], columns.ids.array)  # no list: it would be the largest thing in memory
        stored = StoredPlan(ids, columns.keys, filled.places, filled.reasons, description)
        report = _report(stored, filled.n_reused)
        _log(plan.name, report)
        if len(report.failures) == len(columns):
            clip_id, reason = next(iter(report.failures.items()))
            raise AffettoError(
                f"{plan.name} failed for all {len(columns)} clips, first for {clip_id}: {reason}"
            )
        store.write_plan(stored)
        store.write_index(filled.index)
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
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    arrays = []
    with threadpool_limits(1, user_api="blas"):  # as workers do: the last digits depend on it
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


def _fill(columns: ClipColumns, template: ShardJob, executor: ExecutorParameters) -> _Filled:
    """Compute what the store lacks."""
    index = template.store.index()
    keys, first, key_of = np.unique(columns.keys, return_index=True, return_inverse=True)
    places = index.find(keys)
    there = places.known
    missing = np.flatnonzero(~there)
    missing = missing[np.argsort(first[missing])]  # neighbours in the table are neighbours on the disk
    if len(missing):
        check_available(template.parameters)
    shards = make_shards(columns, first[missing], template, executor)
    names, reason_of = list(places.names), dict[int, str]()
    done = map_divisible(
        extract_shard,
        shards,
        executor,
        divide=single_clips,
        description=template.description.name,
        total_units=shards.sizes,
    )
    for part, result in _by_part(missing, shards.bounds, done):
        if isinstance(result, Lost):
            reason_of[int(part[0])] = f"The process that extracted it {result.reason}."
            continue
        codes = result.places.shards
        places.shards[part] = np.where(codes < 0, codes, codes + len(names))
        places.rows[part], places.n_frames[part] = result.places.rows, result.places.n_frames
        names += result.places.names
        reason_of.update({int(part[position]): reason for position, reason in result.reasons.items()})
    places = replace(places, names=tuple(names))
    computed = np.flatnonzero(places.known & ~there)
    every = places.take(key_of)
    return _Filled(
        places=every,
        reasons={int(i): reason_of[int(key_of[i])] for i in np.flatnonzero(~every.known)},
        n_reused=int(there[key_of].sum()),
        index=index.joined(keys[computed], places.take(computed)),
    )


def _by_part(
    missing: np.ndarray, bounds: np.ndarray, done: Iterable[tuple[int, list[ShardResult | Lost]]]
) -> Iterator[tuple[np.ndarray, ShardResult | Lost]]:
    """Yield which of the missing clips a result is of: those of a shard, or one of a shard that crashed."""
    for number, results in done:
        shard = missing[bounds[number] : bounds[number + 1]]
        yield from zip(np.array_split(shard, len(results)), results, strict=True)


def _report(plan: StoredPlan, n_reused: int) -> ExtractionReport:
    failures = {str(plan.clip_ids[position]): reason for position, reason in plan.reasons.items()}
    n_computed = len(plan.clip_ids) - n_reused - len(failures)
    return ExtractionReport(n_computed, n_reused, failures, plan.fingerprint)


def _log(name: str, report: ExtractionReport) -> None:
    logger.info(
        "%s: computed %d, reused %d, failed %d", name, report.computed, report.reused, len(report.failures)
    )
    for clip_id, reason in list(report.failures.items())[:_REASONS_LOGGED]:
        logger.warning("%s of %s is set aside: %s", name, clip_id, reason)
