import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from affetto.recommendation.pooling import pool_posteriors, smooth_posteriors

NAN = [np.nan, np.nan]
TWO = np.array([[0.8, 0.2], [0.4, 0.6]])


def test_the_pool_is_the_mean_weighted_by_speech():
    pooled = pool_posteriors(np.array([[0.9, 0.1], NAN, [0.3, 0.7]]), np.array([1.0, 5.0, 0.5]))
    np.testing.assert_allclose(pooled, [(0.9 + 0.15) / 1.5, (0.1 + 0.35) / 1.5])
    assert np.isnan(pool_posteriors(np.array([NAN]), np.array([1.0]))).all()


def test_smoothing_of_two_steps_in_closed_form():
    weight = np.exp(-1.0)
    smoothed = smooth_posteriors(TWO, np.array([1.0, 0.5]), steps=1.0)
    first = TWO[0] ** (1 / (1 + 0.5 * weight)) * TWO[1] ** (0.5 * weight / (1 + 0.5 * weight))
    second = TWO[0] ** (weight / (0.5 + weight)) * TWO[1] ** (0.5 / (0.5 + weight))
    np.testing.assert_allclose(smoothed, [first / first.sum(), second / second.sum()])


def test_a_gap_weighs_nothing_but_keeps_its_distance():
    smoothed = smooth_posteriors(np.array([TWO[0], NAN, TWO[1]]), np.array([1.0, 0.9, 1.0]), steps=2.0)
    np.testing.assert_allclose(smoothed[[0, 2]], smooth_posteriors(TWO, np.ones(2), steps=1.0))
    assert np.isnan(smoothed[1]).all()


def test_no_smoothing_and_nothing_to_smooth():
    np.testing.assert_array_equal(smooth_posteriors(TWO, np.ones(2), steps=0), TWO)
    assert np.isnan(smooth_posteriors(np.array([NAN]), np.ones(1), steps=1)).all()


def test_one_overconfident_step_does_not_veto():
    smoothed = smooth_posteriors(np.array([[0.9, 0.1]] * 3 + [[0.0, 1.0]]), np.ones(4), steps=1.0)
    assert smoothed[0, 0] > 0.7


@given(
    arrays.arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(2, 5)), elements=st.floats(0.0, 1.0)),
    st.floats(0.0, 5.0),
    st.randoms(use_true_random=False),
)
def test_posteriors_stay_posteriors(values, steps, chance):
    posteriors = (values + 1e-3) / (values + 1e-3).sum(axis=1, keepdims=True)
    gaps = np.array([chance.random() < 0.3 for _ in posteriors])
    speech = np.array([chance.uniform(0.1, 1.0) for _ in posteriors])
    posteriors[gaps] = np.nan
    smoothed = smooth_posteriors(posteriors, speech, steps=steps)
    np.testing.assert_array_equal(np.isnan(smoothed).all(axis=1), gaps)
    np.testing.assert_allclose(smoothed[~gaps].sum(axis=1), 1.0)
    if not gaps.all():
        assert pool_posteriors(smoothed, speech).sum() == pytest.approx(1.0)


@given(st.lists(st.floats(0.1, 1.0), min_size=1, max_size=20), st.floats(0.1, 10.0))
def test_what_all_steps_say_is_not_changed(speech, steps):
    same = np.tile([0.7, 0.2, 0.1], (len(speech), 1))
    np.testing.assert_allclose(smooth_posteriors(same, np.array(speech), steps=steps), same)
