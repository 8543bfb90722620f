from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from affetto.errors import AffettoError
from affetto.evaluation import metrics
from affetto.evaluation.uncertainty import (
    difference_interval,
    ece_interval,
    holm,
    paired,
    permutation_test,
    score_interval,
    share_interval,
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


def test_groups_of_one_clip_have_the_exact_interval_of_a_share(make_predictions):
    """Korn & Graubard: 28 of 40 right, variance p (1 - p) / 39 of the jackknife, reduced by (z / t)^2."""
    right = np.arange(40) < 28
    table = make_predictions(["a"] * 40, np.where(right, "a", "b"))
    n = 39 * (stats.norm.ppf(0.975) / stats.t.ppf(0.975, 39)) ** 2

    expected = proportion_confint(0.7 * n, n, method="beta")

    assert score_interval(table, metric="wa") == pytest.approx(expected)


@pytest.mark.parametrize("n_groups", [2, 4, 10])
def test_groups_that_are_all_right_leave_a_doubt(make_predictions, n_groups):
    label = list("ab") * 5 * n_groups
    table = make_predictions(label, label, group=np.repeat(np.arange(n_groups).astype(str), 10))
    n = len(label) * (stats.norm.ppf(0.975) / stats.t.ppf(0.975, n_groups - 1)) ** 2

    low, high = score_interval(table)

    assert (low, high) == (pytest.approx(0.025 ** (1 / n)), 1.0)
    assert difference_interval(table, table) == (pytest.approx(low - 1), pytest.approx(1 - low))


def suited(rng, n_groups, per_group=20):
    """Labels, groups, and answers of two models that are as good, each with groups that suit it."""
    label = np.tile(list("abcd"), n_groups * per_group // 4)
    group = np.repeat(np.arange(n_groups).astype(str), per_group)
    told = []
    for _ in range(2):
        right = rng.random(len(label)) < np.repeat(rng.beta(4, 2, n_groups), per_group)
        wrong = np.roll(list("abcd"), 1)[np.searchsorted(list("abcd"), label)]
        told.append(np.where(right, label, wrong))
    return label, group, told


def test_intervals_over_ten_groups_hold_the_truth_as_often_as_they_say(make_predictions):
    """The percentile bootstrap held it in 89 of 100 such draws."""
    rng, held = np.random.default_rng(0), []
    for _ in range(150):
        label, group, (told, _) = suited(rng, 10)
        low, high = score_interval(make_predictions(label, told, group=group))
        held.append(low <= 4 / 6 <= high)
    assert 0.93 <= np.mean(held) <= 0.99


@pytest.mark.parametrize("n_groups", [5, 8])
def test_models_that_suit_different_groups_are_not_told_apart(make_predictions, n_groups):
    """Swapped clip by clip, every other pair seemed to differ at a level of 0.05."""
    rng, p_values = np.random.default_rng(1), []
    for _ in range(50):
        label, group, told = suited(rng, n_groups)
        p_values.append(permutation_test(*(make_predictions(label, each, group=group) for each in told)))
    assert np.isnan(p_values).all() if n_groups == 5 else np.mean(np.array(p_values) < 0.05) <= 0.12


@pytest.mark.parametrize(("n_groups", "n_tests", "enough"), [(5, 1, 0), (6, 1, 1), (7, 4, 0), (8, 4, 1)])
def test_what_no_swap_could_show_is_not_tested(simulate, n_groups, n_tests, enough):
    """2 of 2^N swaps differ as much, at the least: 0.031 for six groups, times four models for eight."""
    models = simulate(9.0, 1, n_groups=n_groups), simulate(0.0, 2, n_groups=n_groups)

    p = permutation_test(*models, n_tests=n_tests)

    assert p == pytest.approx(2 / 2**n_groups) if enough else np.isnan(p)


def test_clips_that_move_together_widen_the_interval(make_predictions):
    right = np.repeat(np.arange(40) % 2 == 0, 10)
    label, predicted = ["a"] * 400, np.where(right, "a", "b")
    apart, together = (
        score_interval(make_predictions(label, predicted, group=group), metric="wa")
        for group in (None, np.repeat(np.arange(40), 10).astype(str))
    )

    assert (together.high - together.low) / (apart.high - apart.low) == pytest.approx(np.sqrt(10), rel=0.1)


def test_seeds_may_have_tested_different_groups(make_predictions):
    table = make_predictions(list("ababab"), list("abbbab"), group=list("xxyyzz"))
    table = pd.concat([table, table[table["group"] == "x"].assign(seed=1)], ignore_index=True)
    low, high = score_interval(table)
    one_group = table.assign(group="x")

    assert 0 <= low <= high <= 1
    assert np.isnan([*score_interval(one_group), *difference_interval(one_group, one_group)]).all()


def test_the_calibration_error_without_a_group_is_that_of_a_table_without_it(simulate):
    table = simulate(1.0, n_groups=5, n_seeds=2)
    parts = [table, *(table[table["group"] != name] for name in sorted(set(table["group"])))]
    errors = np.array([metrics.expected_calibration_error(rows) for rows in parts])

    expected = share_interval(errors, n_clips=50, confidence=0.9)

    np.testing.assert_allclose(ece_interval(table, confidence=0.9), expected)


def test_the_difference_is_paired(simulate):
    first, second = simulate(2.5, 1), simulate(1.0, 2)
    low, high = difference_interval(first, second)
    back = difference_interval(second, first)

    assert 0 < low < high
    assert (-back.high, -back.low) == pytest.approx((low, high))


@given(letters)
@settings(max_examples=20, deadline=None)
def test_exact_permutation_by_group_equals_enumeration(make_predictions, rows):
    label, first, second = zip(*rows, strict=True)
    group = [f"g{index % 6}" for index in range(len(label))]
    ours, theirs = (make_predictions(label, told, group=group) for told in (first, second))

    expected = enumerated_p(label, first, second, group)

    assert permutation_test(ours, theirs, alpha=2) == pytest.approx(expected)


@pytest.mark.parametrize("metric", ["uar", "wa", "macro_f1"])
def test_drawn_permutations_come_close_to_the_exact_ones(simulate, metric, monkeypatch):
    models = simulate(1.6, 1, n_groups=9), simulate(1.2, 2, n_groups=9)
    exact = permutation_test(*models, metric=metric)
    monkeypatch.setattr("affetto.evaluation.uncertainty.EXACT_LIMIT", 0)

    assert permutation_test(*models, metric=metric, n_permutations=20_000) == pytest.approx(exact, abs=0.02)


@given(letters, st.randoms(use_true_random=False))
@settings(max_examples=12, deadline=None)
def test_tests_are_symmetric_and_blind_to_the_order_of_clips(make_predictions, rows, random):
    label, first, second = zip(*rows, strict=True)
    group = [f"g{index % 7}" for index in range(len(label))]
    ours, theirs = (make_predictions(label, told, group=group) for told in (first, second))
    order = list(range(len(label)))
    random.shuffle(order)

    p = permutation_test(ours, theirs, alpha=2)

    assert 0 < p <= 1
    assert permutation_test(ours.iloc[order], theirs, alpha=2) == p
    assert permutation_test(theirs, ours, alpha=2) == pytest.approx(p)
    assert score_interval(ours.iloc[order]) == score_interval(ours) or len(set(group)) == 1


def test_seeds_of_a_group_are_swapped_together(simulate):
    # Two seeds that agree say no more than one.
    one = [simulate(1.6, seed, n_groups=8) for seed in (1, 2)]
    two = [pd.concat([table, table.assign(seed=1)]) for table in one]

    assert permutation_test(*two) == pytest.approx(permutation_test(*one))


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
