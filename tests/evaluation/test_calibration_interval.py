from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affetto.evaluation import metrics
from affetto.evaluation.comparison import score_model
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.uncertainty import ece_interval, share_interval


@given(st.integers(0, 50), st.integers(2, 20))
@settings(max_examples=20)
def test_bins_of_all_groups_give_the_error(simulate, seed, n_bins):
    table = simulate(1.0, seed, n_groups=4)

    error = metrics.binned_error(metrics.bins_by_group(table, n_bins=n_bins).sum(axis=0))

    assert error == pytest.approx([metrics.expected_calibration_error(table, n_bins=n_bins)])


def test_the_error_without_a_group_is_that_of_a_table_without_it(simulate):
    table = simulate(1.0, n_groups=5, n_seeds=2)
    scores = [
        metrics.expected_calibration_error(rows)
        for rows in (table, *(table[table["group"] != name] for name in sorted(set(table["group"]))))
    ]

    expected = share_interval(np.array(scores), n_clips=50, confidence=0.9)

    np.testing.assert_allclose(ece_interval(table, confidence=0.9), expected)


def test_a_single_group_says_nothing_of_others(make_predictions):
    table = make_predictions(list("aabb"), list("abab"), group=["x"] * 4)

    scores = score_model(table, EvaluationParameters())

    assert np.isnan([value for name, value in scores.items() if "_ci_" in name]).all()


def test_scores_carry_both_intervals(simulate):
    scores = score_model(simulate(1.0), EvaluationParameters())

    assert scores["ece_ci_low"] < scores["ece_ci_high"]
    assert scores["uar_ci_low"] < scores["uar"] < scores["uar_ci_high"]
