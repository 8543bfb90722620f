"""How sure a score and a difference of models are; the units are groups (speakers, songs), never clips.

How would the score change with other groups? An interval from the jackknife, which leaves out one group at a
time: clips of a group are not independent (Field & Welsh 2007). Could the difference of two models come from
chance? A paired permutation test ("approximate randomisation", Noreen 1989) that swaps their answers to whole
groups. Swapping clips takes them for independent: where a model suits one speaker and not another it finds a
difference that is not there in a quarter of the comparisons over four to seven groups, at a level of 0.05.

`benchmarks/interval_coverage.py` simulates how often intervals of 95 % hold the truth: least and greatest
share over five worlds of 4 to 7 classes with groups of unequal size and difficulty, %, and mean width of the
interval of the UAR. docs/experiments.md has the other methods that were tried.

    groups   these intervals   percentile bootstrap
         2   100; 0.94         40-52; 0.11
         3   98-100; 0.47      64-76; 0.17
         4   96-100; 0.33      73-80; 0.14
         6   95-99; 0.22       78-83; 0.13
         8   93-99; 0.18       82-87; 0.12
        10   94-98; 0.15       84-89; 0.11
        20   94-96; 0.10       89-92; 0.08
        30   93-96; 0.08       88-93; 0.07
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from affetto.errors import AffettoError
from affetto.evaluation.metrics import (
    METRICS,
    Array,
    MetricName,
    binned_error,
    bins_by_group,
    check_predictions,
    class_names,
    count_by_group,
)

EXACT_LIMIT = 2**17
_CHUNK = 2_000
_TIE = 1e-12
_LEAST_TO_COMPARE = 2


class Interval(NamedTuple):
    """Ends of a confidence interval; NaN where it cannot be known."""

    low: float
    high: float


def score_interval(
    predictions: pd.DataFrame, *, metric: MetricName = "uar", confidence: float = 0.95
) -> Interval:
    """Interval of a score over groups, as `share_interval` makes it.

    Parameters
    ----------
    predictions
        Out-of-fold predictions. The score is the mean over seeds of that of the pooled confusion matrix; a
        class that only the group left out has is left out of the UAR.
    metric
        `uar`, `wa` or `macro_f1`.
    confidence
        Coverage.

    Returns
    -------
    Interval
        NaN at both ends when there is only one group: nothing is known of other groups then.
    """
    counts = count_by_group(check_predictions(predictions), class_names(predictions))
    scores = scores_without_groups(counts, METRICS[metric])
    return share_interval(scores, n_clips=_effective_clips(counts), confidence=confidence)


def ece_interval(predictions: pd.DataFrame, *, n_bins: int = 15, confidence: float = 0.95) -> Interval:
    """Interval of the expected calibration error over groups; see `score_interval`.

    The error of few clips is overestimated (Kumar, Liang & Ma, NeurIPS 2019), and so is its interval.
    """
    bins = bins_by_group(check_predictions(predictions), n_bins=n_bins)
    n_clips = float(bins[..., 1].sum(axis=(0, 2)).mean())
    return share_interval(scores_without_groups(bins, binned_error), n_clips=n_clips, confidence=confidence)


def difference_interval(
    first: pd.DataFrame, second: pd.DataFrame, *, metric: MetricName = "uar", confidence: float = 0.95
) -> Interval:
    """Interval of score(first) - score(second) over groups, as `signed_interval` makes it.

    Only clips and seeds that both models have are compared; a group is left out for both. Parameters and NaN
    as for `score_interval`.
    """
    score = METRICS[metric]
    ours, theirs = _paired_counts(first, second)
    differences = scores_without_groups(ours, score) - scores_without_groups(theirs, score)
    return signed_interval(differences, n_clips=_effective_clips(ours), confidence=confidence)


def share_interval(*samples: Array, n_clips: float, confidence: float) -> Interval:
    """Interval of a value in [0, 1] by Korn & Graubard (Survey Methodology 24, 1998, pp. 193-201).

    The exact binomial interval (Clopper & Pearson 1934) of as many independent clips as would vary as much as
    the groups do, n = p (1 - p) / V, with V the variance of the jackknife over groups (Efron & Tibshirani
    1993, eq. 11.5), reduced by (z / t)^2 because V is known from few groups. n is no more than the number of
    clips: where no group errs, V is 0 and the clips alone say how sure that is.

    Parameters
    ----------
    samples
        For each sample of groups: the value from all groups, then without each of them, [1 + n_groups].
        Variances of independent samples add up; the smallest gives the degrees of freedom.
    n_clips
        Number of independent clips that would tell as much as all of them, were they independent.
    confidence
        Coverage.

    Returns
    -------
    Interval
        Inside [0, 1] and never of zero width; NaN where a sample has one group.
    """
    from scipy.stats import beta

    value, variance, shrinkage = _jackknife(samples, confidence)
    if np.isnan(variance):
        return Interval(np.nan, np.nan)
    spread = value * (1 - value)
    n = min(spread / variance, n_clips) if min(spread, variance) > _TIE else n_clips
    n *= shrinkage**2
    right, tail = min(max(value, 0.0), 1.0) * n, (1 - confidence) / 2
    low = float(beta.ppf(tail, right, n - right + 1)) if right > _TIE else 0.0
    high = float(beta.ppf(1 - tail, right + 1, n - right)) if n - right > _TIE else 1.0
    return Interval(low, high)


def signed_interval(*samples: Array, n_clips: float, confidence: float) -> Interval:
    """Interval of a value in [-1, 1], such as a difference: Student's t of the jackknife over groups.

    Where hardly any clip tells two models apart it is as wide as "none of n clips did" allows, which is what
    `share_interval` says of a model that is never wrong. Parameters and NaN as there.
    """
    from scipy.stats import norm

    value, variance, shrinkage = _jackknife(samples, confidence)
    if np.isnan(variance):
        return Interval(np.nan, np.nan)
    tail = (1 - confidence) / 2
    least = 1 - tail ** (1 / (n_clips * shrinkage**2))
    reach = max(float(norm.ppf(1 - tail)) / shrinkage * np.sqrt(variance), least)
    return Interval(max(-1.0, value - reach), min(1.0, value + reach))


def student_interval(*samples: Array, confidence: float) -> Interval:
    """Interval of any value: Student's t of the jackknife over groups.

    Parameters and NaN as of `share_interval`; a value without bounds needs no number of clips.
    """
    from scipy.stats import norm

    value, variance, shrinkage = _jackknife(samples, confidence)
    reach = float(norm.ppf((1 + confidence) / 2)) / shrinkage * np.sqrt(variance)
    return Interval(value - reach, value + reach)


def permutation_test(
    first: pd.DataFrame,
    second: pd.DataFrame,
    *,
    metric: MetricName = "uar",
    n_tests: int = 1,
    alpha: float = 0.05,
    n_permutations: int = 10_000,
    seed: int = 0,
) -> float:
    """Two-sided p of score(first) - score(second) when the two models' answers to groups are swapped.

    Under the null hypothesis the answers to a group could have come from either model.

    Parameters
    ----------
    first, second
        Out-of-fold predictions; only clips and seeds that both have are compared.
    metric
        `uar`, `wa` or `macro_f1`.
    n_tests, alpha
        What the groups must be `enough_groups` for.
    n_permutations, seed
        As for `swap_test`.

    Returns
    -------
    float
        NaN where there are too few groups for any difference to be shown.
    """
    ours, theirs = _paired_counts(first, second)
    drawn = {"n_permutations": n_permutations, "seed": seed}
    return swap_counts(ours, theirs, METRICS[metric], n_tests=n_tests, alpha=alpha, **drawn)


def swap_counts(
    ours: Array,
    theirs: Array,
    score: Callable[[Array], Array],
    *,
    n_tests: int,
    alpha: float,
    n_permutations: int,
    seed: int,
) -> float:
    """Test a difference as `permutation_test` does, of any score of what groups add up to.

    Parameters
    ----------
    ours, theirs
        What each group and seed adds, [n_groups, n_seeds, …], in the same order.
    score
        Sums [..., n_seeds, …] → scores [..., n_seeds].
    n_tests, alpha, n_permutations, seed
        As for `permutation_test`.
    """
    if not enough_groups(len(ours), n_tests=n_tests, alpha=alpha):
        return np.nan
    our_total, their_total, moved = ours.sum(axis=0), theirs.sum(axis=0), theirs - ours

    def difference(swapped: npt.NDArray[np.bool_]) -> Array:
        shift = np.tensordot(swapped.astype(np.float64), moved, axes=1)
        return _mean_over_seeds(score(our_total + shift) - score(their_total - shift))

    return swap_test(difference, len(moved), n_permutations=n_permutations, seed=seed)


def enough_groups(n_groups: int, *, n_tests: int, alpha: float) -> bool:
    """Tell whether a test that swaps groups can show anything among `n_tests` that Holm corrects for.

    Of 2^n_groups swaps at least two, none and all, differ as much as what was observed.
    """
    return n_tests * 2.0 ** (1 - n_groups) < alpha


def swap_test(
    difference: Callable[[npt.NDArray[np.bool_]], Array], n_groups: int, *, n_permutations: int, seed: int
) -> float:
    """Two-sided p of a difference under swaps of groups between two models.

    All swaps are counted where there are no more than 2^17, else `n_permutations` are drawn and p is
    (k + 1) / (n + 1) (Phipson & Smyth 2010).

    Parameters
    ----------
    difference
        Which groups are swapped, bool [n_swaps, n_groups] → differences, [n_swaps].
    n_groups
        Number of groups.
    n_permutations, seed
        Number and seed of the draws.
    """
    observed = abs(float(difference(np.zeros((1, n_groups), dtype=bool))[0])) - _TIE
    exact = 2**n_groups <= EXACT_LIMIT
    total = 2**n_groups if exact else n_permutations
    rng, extreme = np.random.default_rng(seed), 0
    for start in range(0, total, _CHUNK):
        numbers = np.arange(start, min(start + _CHUNK, total))
        if exact:
            swapped = (numbers[:, np.newaxis] >> np.arange(n_groups)) % 2 == 1
        else:
            swapped = rng.random((len(numbers), n_groups)) < 0.5  # noqa: PLR2004
        extreme += int((np.abs(difference(swapped)) >= observed).sum())
    return extreme / total if exact else (extreme + 1) / (total + 1)


def holm(p_values: Array) -> Array:
    """Holm's step-down correction for several tests (Holm 1979); NaN stays NaN and does not count.

    statsmodels has the same, but collects garbage in each call: a quarter of a second beside Kedro and
    MLflow.
    """
    corrected = np.full(len(p_values), np.nan)
    order = np.argsort(p_values)[: np.count_nonzero(~np.isnan(p_values))]  # NaN is sorted to the end
    steps = p_values[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
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


def _paired_counts(first: pd.DataFrame, second: pd.DataFrame) -> tuple[Array, Array]:
    """Count the confusions of two models on the clips that both have; see `count_by_group`."""
    ours, theirs = paired(first, second)
    classes = class_names(ours, theirs)
    return count_by_group(ours, classes), count_by_group(theirs, classes)


def scores_without_groups(counts: Array, score: Callable[[Array], Array]) -> Array:
    """Score all groups, then all but each of them, mean over seeds, [1 + n_groups].

    `counts` are what each group and seed adds, [n_groups, n_seeds, …].
    """
    total = counts.sum(axis=0, keepdims=True)
    return _mean_over_seeds(score(np.concatenate([total, total - counts])))


def _mean_over_seeds(scores: Array) -> Array:
    """Leave out seeds that have no clip once a group is left out; [..., n_seeds] → [...]."""
    known = ~np.isnan(scores)
    sums, sizes = np.where(known, scores, 0.0).sum(axis=-1), known.sum(axis=-1)
    return np.asarray(np.divide(sums, sizes, out=np.full(sums.shape, np.nan), where=sizes > 0))


def _effective_clips(counts: Array) -> float:
    """Independent clips, one class as frequent as another, whose recalls tell as much as these clips'.

    `counts` [n_groups, n_seeds, n_classes, n_classes]. The variance of a mean of K recalls of n_k clips is
    p (1 - p) sum(1 / n_k) / K^2.
    """
    by_class = counts.sum(axis=(0, 3)).mean(axis=0)
    present = by_class[by_class > 0]
    return float(len(present) ** 2 / (1 / present).sum())


def _jackknife(samples: tuple[Array, ...], confidence: float) -> tuple[float, float, float]:
    """Return the value, its variance over groups (NaN: unknown) and z / t, how little few groups tell."""
    from scipy.stats import norm, t

    n_groups = [len(sample) - 1 for sample in samples]
    value = float(samples[0][0])
    if min(n_groups) < _LEAST_TO_COMPARE:
        return value, np.nan, np.nan
    variance = sum(float((n - 1) * each[1:].var()) for n, each in zip(n_groups, samples, strict=True))
    upper = (1 + confidence) / 2
    return value, variance, float(norm.ppf(upper) / t.ppf(upper, min(n_groups) - 1))
