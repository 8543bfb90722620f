"""How sure a score and a difference between two models are.

Three questions, three answers. How would the score change with other groups (speakers, songs)? A bootstrap
that resamples whole groups (Field & Welsh 2007: clips of one group are not independent). Is one model right
on more clips than the other? McNemar's exact test. Could the difference of their scores come from chance? A
paired permutation test ("approximate randomisation", Noreen 1989) that swaps the two models' answers.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from affetto.errors import AffettoError
from affetto.evaluation.bins import binned_error, bins_by_group
from affetto.evaluation.counts import (
    COUNT_METRICS,
    Array,
    Codes,
    CountMetric,
    MetricName,
    check_predictions,
    class_names,
    codes,
    count_by_group,
)

EXACT_LIMIT = 2**17
FEWEST_GROUPS = 8
"""Fewest groups whose swaps can show anything after a correction: 2^8 of them, a smallest p of 2/256."""
_CHUNK = 2_000
Unit = Literal["clip", "group"]
_TIE = 1e-12
_HALF = 0.5


class Interval(NamedTuple):
    """Ends of a confidence interval; NaN where it cannot be known."""

    low: float
    high: float


def bootstrap_interval(
    predictions: pd.DataFrame,
    *,
    metric: MetricName = "uar",
    n_resamples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Interval of a score over groups, by the percentile bootstrap (Efron & Tibshirani 1993, ch. 13).

    Groups are drawn with replacement; the score of a resample is the mean over seeds of the score of its
    pooled confusion matrix. A class that a resample lacks is left out of its UAR.

    Parameters
    ----------
    predictions
        Out-of-fold predictions.
    metric
        `uar`, `wa` or `macro_f1`.
    n_resamples, confidence, seed
        Number of resamples, coverage, and seed of the draws.

    Returns
    -------
    Interval
        NaN at both ends when there is only one group: nothing is known of other groups then.
    """
    counts = count_by_group(check_predictions(predictions), class_names(predictions)).matrices
    scores = _resampled(counts, COUNT_METRICS[metric], n_resamples, seed)
    return _percentiles(scores, confidence)


def bootstrap_ece(
    predictions: pd.DataFrame,
    *,
    n_bins: int = 15,
    n_resamples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Interval of the expected calibration error over groups, by the percentile bootstrap.

    Parameters as for `bootstrap_interval`; `n_bins` as for the error itself. The error of few clips is
    overestimated (Kumar, Liang & Ma, NeurIPS 2019), and a resample has fewer different ones: the interval of
    a well calibrated model lies rather above its error than around it.
    """
    bins = bins_by_group(check_predictions(predictions), n_bins=n_bins)
    return _percentiles(_resampled(bins, binned_error, n_resamples, seed), confidence)


def bootstrap_difference(
    first: pd.DataFrame,
    second: pd.DataFrame,
    *,
    metric: MetricName = "uar",
    n_resamples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Interval of score(first) - score(second) over groups; both models see the same resamples.

    Parameters as for `bootstrap_interval`. Only clips and seeds that both models have are compared.
    """
    ours, theirs = paired(first, second)
    classes = class_names(ours, theirs)
    counts = [count_by_group(table, classes).matrices for table in (ours, theirs)]
    scores = [_resampled(matrices, COUNT_METRICS[metric], n_resamples, seed) for matrices in counts]
    return _percentiles(scores[0] - scores[1], confidence)


def mcnemar_test(first: pd.DataFrame, second: pd.DataFrame) -> float:
    """McNemar's exact test of whether two models are right on the same share of clips (two-sided p).

    With several seeds a clip counts as right when more than half of the seeds have it right, so that every
    clip counts once.
    """
    from statsmodels.stats.contingency_tables import mcnemar

    ours, theirs = (_right_by_clip(table) for table in paired(first, second))
    table = [
        [(ours & theirs).sum(), (ours & ~theirs).sum()],
        [(~ours & theirs).sum(), (~ours & ~theirs).sum()],
    ]
    return float(mcnemar(table, exact=True).pvalue)


def permutation_test(
    first: pd.DataFrame,
    second: pd.DataFrame,
    *,
    metric: MetricName = "uar",
    unit: Unit | None = None,
    n_permutations: int = 10_000,
    seed: int = 0,
) -> float:
    """Two-sided p of score(first) - score(second) when the two models' answers are swapped at random.

    Under the null hypothesis the answers to a unit could have come from either model. A unit is a clip with
    the answers of all its seeds, or a whole group. Swapping clips takes them for independent and finds too
    much where a model suits one speaker and not another; swapping groups does not, but cannot reach p < 0.05
    with fewer than six of them. Units that change the confusion matrices in the same way are counted
    together; their swaps are then binomial. All swaps are counted exactly when these counts have at most 2^17
    combinations, else `n_permutations` are drawn and p is (k + 1) / (n + 1) (Phipson & Smyth 2010).

    Parameters
    ----------
    first, second
        Out-of-fold predictions; only clips and seeds that both have are compared.
    metric
        `uar`, `wa` or `macro_f1`.
    unit
        What is swapped; None: what `swap_unit` says.
    n_permutations, seed
        Number and seed of the draws.
    """
    ours, theirs = paired(first, second)
    by_clip = (unit or swap_unit(ours["group"].nunique())) == "clip"
    swap = _by_clip(ours, theirs) if by_clip else _by_group(ours, theirs)
    score = COUNT_METRICS[metric]
    observed = abs(float(_differences(swap, np.zeros((1, len(swap.sizes))), score)[0])) - _TIE
    if np.prod(swap.sizes + 1.0) <= EXACT_LIMIT:
        return _exact(swap, score, observed)
    return _drawn(swap, score, observed, n_permutations, seed)


def swap_unit(n_groups: int) -> Unit:
    """Return what the permutation test swaps: groups, or clips where there are fewer than `FEWEST_GROUPS`."""
    return "group" if n_groups >= FEWEST_GROUPS else "clip"


def holm(p_values: Array) -> Array:
    """Holm's step-down correction for several tests (Holm 1979); NaN stays NaN and does not count."""
    from statsmodels.stats.multitest import multipletests

    corrected = np.full(len(p_values), np.nan)
    known = ~np.isnan(p_values)
    if known.any():
        corrected[known] = multipletests(p_values[known], method="holm")[1]
    return corrected


def paired(first: pd.DataFrame, second: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of both tables for the clips and seeds that both have, in the same order.

    Raises
    ------
    AffettoError
        When nothing is common to both, or they give a clip different labels.
    """
    key = ["clip_id", "seed"]
    ours = check_predictions(first).set_index(key).sort_index()
    theirs = check_predictions(second).set_index(key).sort_index()
    common = ours.index.intersection(theirs.index).sort_values()
    if common.empty:
        raise AffettoError("The two models have no predicted clip in common: score both on the same folds.")
    ours, theirs = ours.loc[common], theirs.loc[common]
    differ = ours["label"].to_numpy(dtype=object) != theirs["label"].to_numpy(dtype=object)
    if differ.any():
        clip = common[differ][0][0]
        raise AffettoError(f"The two models were given different labels for {clip}: score both again.")
    return ours.reset_index(), theirs.assign(group=ours["group"]).reset_index()


class _Swap(NamedTuple):
    """Swapping: each of `sizes[k]` units adds `delta[k]` to `ours` and takes it from `theirs`."""

    ours: Array  # [n_seeds, n_classes, n_classes]
    theirs: Array
    delta: Array  # [n_patterns, n_seeds, n_classes, n_classes]
    sizes: Codes  # [n_patterns]


def _by_group(ours: pd.DataFrame, theirs: pd.DataFrame) -> _Swap:
    classes = class_names(ours, theirs)
    first, second = (count_by_group(table, classes).matrices for table in (ours, theirs))
    return _swap(first.sum(axis=0), second.sum(axis=0), second - first, np.ones(len(first), dtype=np.int64))


def _by_clip(ours: pd.DataFrame, theirs: pd.DataFrame) -> _Swap:
    """Count clips that have the same label and answers: there are few such patterns, however many clips."""
    classes = class_names(ours, theirs)
    clips, seeds = sorted(set(ours["clip_id"])), sorted(set(ours["seed"]))
    where = (codes(ours["clip_id"], clips), codes(ours["seed"], seeds))
    answers = np.full((3, len(clips), len(seeds)), -1, dtype=np.int64)
    for layer, values in zip(answers, (ours["label"], ours["predicted"], theirs["predicted"]), strict=True):
        layer[where] = codes(values, classes)
    patterns, sizes = np.unique(answers.transpose(1, 0, 2), axis=0, return_counts=True)
    first, second = (_pattern_counts(patterns[:, [0, model]], len(classes)) for model in (1, 2))
    totals = [np.tensordot(sizes, counts, axes=1) for counts in (first, second)]
    return _swap(totals[0], totals[1], second - first, sizes)


def _pattern_counts(pairs: Codes, n_classes: int) -> Array:
    """Confusion counts of single clips; `pairs` [n_patterns, (label, predicted)", n_seeds], -1: no seed."""
    n_patterns, _, n_seeds = pairs.shape
    counts = np.zeros((n_patterns, n_seeds, n_classes, n_classes))
    pattern, seed = np.nonzero(pairs[:, 0] >= 0)
    counts[pattern, seed, pairs[pattern, 0, seed], pairs[pattern, 1, seed]] = 1.0
    return counts


def _swap(ours: Array, theirs: Array, delta: Array, sizes: Codes) -> _Swap:
    """Leave out units on which both models agree and merge those that act alike."""
    moved = delta.any(axis=(1, 2, 3))
    merged, alike = np.unique(
        delta[moved].reshape(int(moved.sum()), delta[0].size), axis=0, return_inverse=True
    )
    totals = np.bincount(alike.ravel(), weights=sizes[moved], minlength=len(merged)).astype(np.int64)
    return _Swap(ours, theirs, merged.reshape(-1, *delta.shape[1:]), totals)


def _differences(swap: _Swap, swapped: Array, score: CountMetric) -> Array:
    """Score difference when `swapped[i, k]` units of pattern k are swapped; shape [n_permutations]."""
    shift = np.tensordot(swapped, swap.delta, axes=1)
    return np.asarray((score(swap.ours + shift) - score(swap.theirs - shift)).mean(axis=-1))


def _exact(swap: _Swap, score: CountMetric, observed: float) -> float:
    from scipy.stats import binom

    shape = tuple(int(size) + 1 for size in swap.sizes)
    total, p = int(np.prod(shape, dtype=np.int64)), 0.0
    for start in range(0, total, _CHUNK):
        flat = np.arange(start, min(start + _CHUNK, total))
        swapped = np.stack(np.unravel_index(flat, shape), axis=1) if shape else np.zeros((1, 0))
        chances = binom.pmf(swapped, swap.sizes, 0.5).prod(axis=1)
        extreme = np.abs(_differences(swap, swapped.astype(np.float64), score)) >= observed
        p += float(chances[extreme].sum())
    return min(p, 1.0)


def _drawn(swap: _Swap, score: CountMetric, observed: float, n_permutations: int, seed: int) -> float:
    rng, extreme = np.random.default_rng(seed), 0
    for start in range(0, n_permutations, _CHUNK):
        size = min(_CHUNK, n_permutations - start)
        swapped = rng.binomial(swap.sizes, 0.5, size=(size, len(swap.sizes))).astype(np.float64)
        extreme += int((np.abs(_differences(swap, swapped, score)) >= observed).sum())
    return (extreme + 1) / (n_permutations + 1)


def _resampled(counts: Array, score: CountMetric, n_resamples: int, seed: int) -> Array:
    n_groups = len(counts)
    if n_groups == 1:
        return np.full(n_resamples, np.nan)
    rng, chances, scores = np.random.default_rng(seed), np.full(n_groups, 1 / n_groups), []
    for start in range(0, n_resamples, _CHUNK):
        size = min(_CHUNK, n_resamples - start)
        drawn = rng.multinomial(n_groups, chances, size=size).astype(np.float64)
        scores.append(_mean_over_seeds(score(np.tensordot(drawn, counts, axes=1))))
    return np.concatenate(scores)


def _mean_over_seeds(scores: Array) -> Array:
    """Leave out seeds of which a resample has no clip."""
    known = ~np.isnan(scores)
    mean: Array = np.where(known, scores, 0.0).sum(axis=-1) / known.sum(axis=-1)
    return mean


def _percentiles(scores: Array, confidence: float) -> Interval:
    low, high = np.quantile(scores, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))


def _right_by_clip(table: pd.DataFrame) -> pd.Series[bool]:
    right = (table["label"] == table["predicted"]).groupby(table["clip_id"]).mean()
    return right > _HALF
