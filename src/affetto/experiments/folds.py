"""What every experiment shares, with emotions or with themes: folds of clips, and a pool of cached work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

import numpy as np
import pandas as pd

from affetto.corpora.splits import ALWAYS_TRAINING, trained_on
from affetto.errors import AffettoError
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.io.workers import ExecutorParameters, map_shards


def read_features(
    features: Mapping[str, ClipFeatures], names: Sequence[str], clip_ids: Sequence[str] | None = None
) -> FeatureSet:
    """Return the features of these names, of those clips that have them all.

    `clip_ids` are the clips wanted, in this order; None: those of the first feature.
    """
    return FeatureSet.align({name: features[name] for name in names}, clip_ids)


def join_folds(
    features: FeatureSet, clips: pd.DataFrame, folds: pd.DataFrame, columns: Sequence[str] = ()
) -> tuple[FeatureSet, pd.DataFrame]:
    """Join folds with what is known of their clips, of those that have features and an emotion.

    Parameters
    ----------
    features, clips, folds
        Features of clips, clip table, and the columns of `make_folds`.
    columns
        Of the clip table, besides `emotion` and `group`.

    Returns
    -------
    tuple
        Features and table in the order of `clip_id`: the order of a table must change no shuffle and no sum.
    """
    known = clips[["clip_id", "emotion", "group", *columns]]
    table = folds.merge(known, on="clip_id", validate="one_to_one")
    table = table[table["emotion"].notna() & table["clip_id"].isin(features.clip_ids)]
    table = table.sort_values("clip_id", ignore_index=True)
    return features.select(list(table["clip_id"])), table


def fold_parts(table: pd.DataFrame) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Return the rows that each fold is fitted on and tests, of the folds that have both."""
    fold_of = table["fold"].to_numpy()
    parts = {
        int(fold): (np.flatnonzero(trained_on(table, fold)), np.flatnonzero(fold_of == fold))
        for fold in sorted(set(fold_of) - {ALWAYS_TRAINING})
    }
    return {fold: (train, test) for fold, (train, test) in parts.items() if len(train) and len(test)}


T_co = TypeVar("T_co", covariant=True)


class Cached(Protocol[T_co]):
    """Work whose result is cached."""

    def result(self) -> T_co | None:
        """Return what an earlier run found, or None."""
        ...

    def run(self) -> None:
        """Do the work, and cache its result."""
        ...


def run_missing(
    work: Sequence[Cached[T_co]],
    executor: ExecutorParameters,
    description: str,
    *,
    units: Sequence[int],
    unit: str = "clip",
) -> list[T_co]:
    """Run in one pool what has no result yet, and return the results of all in order.

    Parameters
    ----------
    work
        What to run; it is sent to workers.
    executor
        Where to run.
    description, units, unit
        Of the progress bar: its label, how many units each piece of work counts, and their name.

    Raises
    ------
    AffettoError
        When a result vanishes from the cache meanwhile.
    """
    missing = [place for place, each in enumerate(work) if each.result() is None]
    if missing:
        chosen, sizes = [work[place] for place in missing], [units[place] for place in missing]
        map_shards(_run, chosen, executor, description=description, total_units=sizes, unit=unit)
    results = [result for each in work if (result := each.result()) is not None]
    if len(results) < len(work):
        raise AffettoError(f"{description}: results vanished from the cache meanwhile; run again.")
    return results


def _run(work: Cached[object]) -> None:
    work.run()
