from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affetto.evaluation import metrics
from affetto.evaluation.bins import binned_error, bins_by_group
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.scores import intervals, score_predictions
from affetto.evaluation.significance import bootstrap_ece


@given(st.integers(0, 50), st.integers(2, 20))
@settings(max_examples=20)
def test_bins_of_all_groups_give_the_error(simulate, seed, n_bins):
    table = simulate(1.0, seed, n_groups=4)

    error = binned_error(bins_by_group(table, n_bins=n_bins).sum(axis=0))

    assert error == pytest.approx([metrics.expected_calibration_error(table, n_bins=n_bins)])


def test_every_resample_is_scored_as_a_table_of_its_own(simulate):
    table = simulate(1.0, n_groups=5, n_seeds=2)
    drawn = np.random.default_rng(3).multinomial(5, np.full(5, 1 / 5), size=200)
    parts = [rows for _, rows in table.groupby("group", sort=True)]
    scores = []
    for counts in drawn:
        resample = pd.concat([part for part, n in zip(parts, counts, strict=True) for _ in range(n)])
        scores.append(metrics.per_seed(resample, metrics.expected_calibration_error).mean())

    interval = bootstrap_ece(table, n_resamples=200, confidence=0.9, seed=3)

    np.testing.assert_allclose(interval, np.quantile(scores, [0.05, 0.95]))


def test_groups_that_err_alike_leave_no_doubt(make_predictions):
    # 4 clips told with 0.8, 2 of them right, in every group.
    table = make_predictions(list("abab") * 5, list("aabb") * 5, group=np.repeat(list("vwxyz"), 4))

    assert bootstrap_ece(table, n_resamples=100) == (pytest.approx(0.3), pytest.approx(0.3))


def test_a_single_group_says_nothing_of_others(make_predictions):
    table = make_predictions(list("aabb"), list("abab"), group=["x"] * 4)
    quick = EvaluationParameters(n_resamples=100)

    assert np.isnan(list(intervals(table, quick).values())).all()
    assert "ece_ci_low" not in score_predictions(table, quick)


def test_scores_carry_both_intervals(simulate):
    scores = score_predictions(simulate(1.0), EvaluationParameters(n_resamples=100))

    assert scores["ece_ci_low"] < scores["ece_ci_high"]
    assert scores["uar_ci_low"] < scores["uar"] < scores["uar_ci_high"]
