import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affetto.models.calibration import apply_temperature, fit_temperature, softmax


@pytest.mark.parametrize(("confidence", "right"), [(0.9, 70), (0.99, 80), (0.6, 90)])
def test_temperature_of_a_constant_confidence_has_a_closed_form(confidence, right):
    """With one confidence p and accuracy a, sigmoid(logit(p) / T) must be a."""
    probabilities = np.tile([confidence, 1 - confidence], (100, 1))
    labels = np.r_[np.zeros(right, int), np.ones(100 - right, int)]
    expected = np.log(confidence / (1 - confidence)) / np.log(right / (100 - right))
    found = fit_temperature(probabilities, labels)
    assert found == pytest.approx(expected, rel=1e-3)
    assert apply_temperature(probabilities, found)[0, 0] == pytest.approx(right / 100, abs=1e-3)


def test_limits_and_no_clips():
    sure = np.tile([0.6, 0.4], (5, 1))
    assert fit_temperature(sure, np.zeros(5, int)) == pytest.approx(0.05, rel=1e-2)
    assert fit_temperature(sure, np.ones(5, int)) == pytest.approx(20, rel=1e-2)
    assert fit_temperature(np.zeros((0, 2)), np.zeros(0, int)) == 1


@given(st.lists(st.floats(-30, 30), min_size=2, max_size=6), st.floats(0.1, 10))
def test_scaling_divides_the_scores_and_keeps_their_order(scores, temperature):
    probabilities = softmax(np.array([scores]))
    scaled = apply_temperature(probabilities, temperature)
    assert scaled.sum() == pytest.approx(1)
    assert scaled[0, probabilities.argmax()] == pytest.approx(scaled.max())
    if np.ptp(scores) < 20:
        np.testing.assert_allclose(scaled, softmax(np.array([scores]) / temperature), atol=1e-6)


def test_true_temperature_is_recovered():
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 2, (20_000, 4))
    labels = (softmax(scores).cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1)
    assert fit_temperature(softmax(scores * 3), labels) == pytest.approx(3, rel=0.05)
