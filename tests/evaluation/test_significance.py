from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import balanced_accuracy_score
from statsmodels.stats.contingency_tables import mcnemar

from affetto.errors import AffettoError
from affetto.evaluation import counts
from affetto.evaluation.significance import (
    FEWEST_GROUPS,
    bootstrap_difference,
    bootstrap_interval,
    holm,
    mcnemar_test,
    paired,
    permutation_test,
)

letters = st.lists(st.tuples(*[st.sampled_from("abc")] * 3), min_size=1, max_size=40)


def enumerated_p(label, first, second, units):
    """The permutation test by brute force over all swaps of units."""
    label, first, second = map(np.array, (label, first, second))
    names, unit_of = np.unique(units, return_inverse=True)

    def difference(swap):
        ours, theirs = np.where(swap, second, first), np.where(swap, first, second)
        present = sorted(set(label))
        return np.mean(
            [
                (ours == label)[label == name].mean() - (theirs == label)[label == name].mean()
                for name in present
            ]
        )

    observed = abs(difference(np.zeros(len(label), dtype=bool))) - 1e-12
    swaps = itertools.product([False, True], repeat=len(names))
    return np.mean([abs(difference(np.array(swap)[unit_of])) >= observed for swap in swaps])


def test_count_scores_agree_with_the_table_scores(simulate):
    table = simulate(1.0)
    matrices = counts.count_by_group(table, counts.class_names(table)).matrices.sum(axis=(0, 1))

    assert counts.uar(matrices) == pytest.approx(balanced_accuracy_score(table["label"], table["predicted"]))
    assert counts.wa(matrices) == pytest.approx((table["label"] == table["predicted"]).mean())


def test_interval_agrees_with_scipys_bootstrap(simulate):
    table = simulate(1.0, n_groups=20, per_group=8)
    groups = counts.count_by_group(table, counts.class_names(table)).matrices[:, 0]

    def score(indices, axis):
        return counts.uar(groups[indices].sum(axis=indices.ndim + axis))

    reference = stats.bootstrap(
        (np.arange(20),), score, n_resamples=9_999, method="percentile", rng=np.random.default_rng(3)
    ).confidence_interval
    ours = bootstrap_interval(table, seed=5)

    assert ours == pytest.approx((reference.low, reference.high), abs=0.006)


def test_the_interval_covers_the_truth_as_often_as_it_says(make_predictions):
    # Groups of one clip, right with chance 0.7: the interval of the accuracy is that of a binomial.
    rng, covered = np.random.default_rng(0), 0
    for repeat in range(120):
        right = rng.random(80) < 0.7
        table = make_predictions(["a"] * 80, np.where(right, "a", "b"))
        low, high = bootstrap_interval(table, metric="wa", n_resamples=400, seed=repeat)
        covered += low <= 0.7 <= high
    assert 0.88 <= covered / 120 <= 0.99


def test_clips_that_move_together_widen_the_interval(make_predictions):
    right = np.repeat(np.arange(40) % 2 == 0, 10)
    label, predicted = ["a"] * 400, np.where(right, "a", "b")
    apart = bootstrap_interval(make_predictions(label, predicted), metric="wa", n_resamples=2_000)
    together = bootstrap_interval(
        make_predictions(label, predicted, group=np.repeat(np.arange(40), 10).astype(str)),
        metric="wa",
        n_resamples=2_000,
    )

    assert (together.high - together.low) / (apart.high - apart.low) == pytest.approx(np.sqrt(10), rel=0.1)


def test_one_group_has_no_interval(make_predictions):
    interval = bootstrap_interval(make_predictions(list("ab"), list("ab"), group=["g", "g"]))

    assert np.isnan(interval).all()


def test_seeds_may_have_tested_different_groups(make_predictions):
    table = make_predictions(list("ababab"), list("abbbab"), group=list("xxyyzz"))
    table = pd.concat([table, table[table["group"] == "x"].assign(seed=1)], ignore_index=True)
    low, high = bootstrap_interval(table, n_resamples=300)
    assert 0 <= low <= high <= 1


def test_intervals_repeat_with_the_seed(simulate):
    table = simulate(1.0)

    assert bootstrap_interval(table, seed=1) == bootstrap_interval(table, seed=1)
    assert bootstrap_interval(table, seed=1) != bootstrap_interval(table, seed=2)


def test_a_model_differs_from_itself_by_nothing(simulate):
    table = simulate(1.0)

    assert bootstrap_difference(table, table, n_resamples=200) == (0, 0)


def test_the_difference_is_paired(simulate):
    first, second = simulate(2.5, 1), simulate(1.0, 2)
    low, high = bootstrap_difference(first, second)
    back = bootstrap_difference(second, first)

    assert 0 < low < high
    assert (-back.high, -back.low) == pytest.approx((low, high))


def test_mcnemar_agrees_with_statsmodels(simulate):
    first, second = simulate(2.0, 1), simulate(1.0, 2)
    ours, theirs = (table["label"] == table["predicted"] for table in (first, second))

    expected = mcnemar(pd.crosstab(ours, theirs).to_numpy(), exact=True).pvalue

    assert mcnemar_test(first, second) == pytest.approx(expected)


def test_mcnemar_of_known_counts(make_predictions):
    # Six clips only the first has right, one only the second: 2 (1 + 7) / 2^7.
    first = make_predictions(["a"] * 9, list("aaaaaabab"))
    second = make_predictions(["a"] * 9, list("bbbbbbaab"))

    assert mcnemar_test(first, second) == pytest.approx(2 * 8 / 128)


def test_mcnemar_counts_a_clip_once_however_many_seeds(make_predictions):
    seeds = [
        make_predictions(["a"] * 6, told, seed=i) for i, told in enumerate(["aaaaaa", "aaaaaa", "bbbbbb"])
    ]
    first = pd.concat(seeds)
    second = pd.concat([make_predictions(["a"] * 6, "bbbbbb", seed=i) for i in range(3)])

    assert mcnemar_test(first, second) == pytest.approx(2 / 2**6)


@given(letters)
@settings(max_examples=40, deadline=None)
def test_exact_permutation_equals_enumeration(make_predictions, rows):
    label, first, second = zip(*rows[:9], strict=True)
    ours, theirs = make_predictions(label, first), make_predictions(label, second)

    expected = enumerated_p(label, first, second, np.arange(len(label)))

    assert permutation_test(ours, theirs) == pytest.approx(expected)


@given(letters)
@settings(max_examples=20, deadline=None)
def test_exact_permutation_by_group_equals_enumeration(make_predictions, rows):
    label, first, second = zip(*rows, strict=True)
    group = [f"g{index % 6}" for index in range(len(label))]
    ours, theirs = (make_predictions(label, told, group=group) for told in (first, second))

    expected = enumerated_p(label, first, second, group)

    assert permutation_test(ours, theirs, unit="group") == pytest.approx(expected)


@pytest.mark.parametrize("metric", ["uar", "wa", "macro_f1"])
def test_drawn_permutations_come_close_to_the_exact_ones(simulate, metric, monkeypatch):
    first, second = simulate(1.6, 1, n_groups=4), simulate(1.2, 2, n_groups=4)
    drawn = permutation_test(first, second, metric=metric)
    monkeypatch.setattr("affetto.evaluation.significance.EXACT_LIMIT", np.inf)
    first, second = first.iloc[:30], second.iloc[:30]

    exact = permutation_test(first, second, metric=metric)
    monkeypatch.setattr("affetto.evaluation.significance.EXACT_LIMIT", 0)

    assert permutation_test(first, second, metric=metric, n_permutations=20_000) == pytest.approx(
        exact, abs=0.02
    )
    assert 0 < drawn <= 1


@given(letters)
@settings(max_examples=30, deadline=None)
def test_identical_models_have_p_one(make_predictions, rows):
    table = make_predictions(*list(zip(*rows, strict=True))[:2])

    assert permutation_test(table, table) == pytest.approx(1)
    assert permutation_test(table, table, unit="group") == pytest.approx(1)
    assert mcnemar_test(table, table) == pytest.approx(1)


@given(letters, st.randoms(use_true_random=False))
@settings(max_examples=12, deadline=None)
def test_tests_are_symmetric_and_blind_to_the_order_of_clips(make_predictions, rows, random):
    label, first, second = zip(*rows, strict=True)
    ours, theirs = make_predictions(label, first), make_predictions(label, second)
    order = list(range(len(label)))
    random.shuffle(order)

    p = permutation_test(ours, theirs, n_permutations=200)

    assert 0 < p <= 1
    assert permutation_test(ours.iloc[order], theirs, n_permutations=200) == p
    assert permutation_test(theirs, ours, n_permutations=200) == pytest.approx(p, abs=0.15)
    assert mcnemar_test(ours.iloc[order], theirs) == mcnemar_test(theirs, ours)


def test_p_is_uniform_when_nothing_differs(simulate):
    pairs = ((simulate(1.0, 2 * i, n_groups=5), simulate(1.0, 2 * i + 1, n_groups=5)) for i in range(60))
    p_values = [permutation_test(*pair, n_permutations=300) for pair in pairs]

    assert np.mean(np.array(p_values) < 0.1) <= 0.25
    assert stats.kstest(p_values, "uniform", alternative="greater").pvalue > 0.001


def test_seeds_of_a_clip_are_swapped_together(simulate):
    # Two seeds that agree say no more than one.
    one = [simulate(1.6, seed, n_groups=3) for seed in (1, 2)]
    two = [pd.concat([table, table.assign(seed=1)]) for table in one]

    assert permutation_test(*two, seed=4) == pytest.approx(permutation_test(*one, seed=4), abs=0.02)


def test_groups_are_swapped_where_there_are_enough(simulate):
    few, many = (
        [simulate(sharpness, seed, n_groups=n) for seed, sharpness in enumerate((1.0, 2.0))]
        for n in (FEWEST_GROUPS - 1, FEWEST_GROUPS)
    )
    assert permutation_test(*few) == permutation_test(*few, unit="clip")
    assert permutation_test(*many) == permutation_test(*many, unit="group")
    assert permutation_test(*many) != permutation_test(*many, unit="clip")


def test_holm_of_known_values():
    corrected = holm(np.array([0.01, np.nan, 0.04, 0.03]))

    np.testing.assert_allclose(corrected, [0.03, np.nan, 0.06, 0.06])
    assert np.isnan(holm(np.array([np.nan]))).all()


def test_only_common_clips_are_compared(simulate):
    first, second = simulate(2.0, 1), simulate(2.0, 2)

    ours, theirs = paired(first.sample(frac=1, random_state=0), second.iloc[5:])

    assert list(ours["clip_id"]) == list(theirs["clip_id"]) == sorted(second["clip_id"].iloc[5:])


def test_what_cannot_be_paired_is_said(make_predictions):
    table = make_predictions(list("ab"), list("ab"))

    with pytest.raises(AffettoError, match="no predicted clip in common"):
        paired(table, table.assign(seed=1))
    with pytest.raises(AffettoError, match="demo/0001"):
        paired(table, table.assign(label=["a", "a"]))
