"""Products of probabilities, and the models that are joined by them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.models.calibration import softmax
from affetto.models.estimator import build_estimator
from affetto.models.fusion import fit_exponents, fuse

ROWS = arrays(np.float64, (4, 3), elements=st.floats(0.01, 1)).map(lambda p: p / p.sum(axis=1, keepdims=True))


def test_two_experts_multiply():
    left, right = np.array([[0.8, 0.2]]), np.array([[0.5, 0.5]])
    np.testing.assert_allclose(fuse([left, left], [1, 1]), [[0.64 / 0.68, 0.04 / 0.68]])
    np.testing.assert_allclose(fuse([left, right], [1, 1]), left)
    left, right = np.array([[0.6, 0.3, 0.1]]), np.array([[0.2, 0.3, 0.5]])
    product = np.sqrt(left * right)
    np.testing.assert_allclose(fuse([left, right], [0.5, 0.5]), product / product.sum())


@settings(max_examples=40, deadline=None)
@given(ROWS, ROWS, st.floats(0, 3))
def test_rows_sum_to_one_and_order_does_not_matter(left, right, weight):
    found = fuse([left, right], [1, weight])
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_allclose(found, fuse([right, left], [weight, 1]))
    np.testing.assert_allclose(fuse([left, right], [1, 0]), left)


def test_an_impossible_class_stays_improbable():
    assert fuse([np.array([[0.0, 0.5, 0.5]]), np.array([[0.9, 0.05, 0.05]])], [1, 1])[0, 0] < 1e-9


def simulated(exponents, n=20_000, n_classes=4, seed=0):
    """Opinions of branches, and labels drawn from their product with these exponents."""
    rng = np.random.default_rng(seed)
    opinions = [softmax(rng.normal(size=(n, n_classes))) for _ in exponents]
    truth = fuse(opinions, exponents)
    labels = (rng.uniform(size=(n, 1)) > np.cumsum(truth, axis=1)).sum(axis=1)
    return opinions, np.minimum(labels, n_classes - 1)


@pytest.mark.parametrize("exponents", [(0.5, 1.0), (2.0, 0.3), (1.0,), (0.7, 0.2, 1.5)])
def test_exponents_that_labels_were_drawn_with_are_found(exponents):
    opinions, labels = simulated(exponents)
    found = fit_exponents(opinions, labels)
    np.testing.assert_allclose(found, exponents, atol=0.08)


LATE_CLASSES = ("anger", "neutral", "sadness")
LATE_BRANCHES = {
    "good": {"estimator": "linear", "parameters": {"features": ["functionals"], "penalty": 1.0}},
    "useless": {"estimator": "linear", "parameters": {"features": ["egemaps"], "penalty": 1.0}},
}


def late_toy(seed=0, n_groups=8, n_each=9):
    """Clips whose functionals tell the emotion and whose eGeMAPS are noise."""
    rng = np.random.default_rng(seed)
    labels = np.tile(np.arange(3), n_groups * n_each // 3)
    groups = np.repeat([f"s{i}" for i in range(n_groups)], n_each)
    ids = [f"late_toy/{i}" for i in range(len(labels))]
    vectors = {
        "functionals": rng.normal(size=(len(labels), 10)),
        "egemaps": rng.normal(size=(len(labels), 10)),
    }
    vectors["functionals"][np.arange(len(labels)), labels] += 2.0
    x = FeatureSet({name: ClipFeatures.from_arrays(name, ids, list(each)) for name, each in vectors.items()})
    return x, [LATE_CLASSES[label] for label in labels], list(groups)


@pytest.fixture(scope="module")
def late_fitted():
    return build_estimator("late_fusion", {"branches": LATE_BRANCHES}).fit(*late_toy())


def test_late_a_model_that_knows_nothing_weighs_nothing(late_fitted):
    good, useless = late_fitted.exponents_
    assert good > 0.3
    assert useless < 0.2 * good


def test_late_a_single_speaker_leaves_all_weights_equal():
    x, y, _ = late_toy()
    fused = build_estimator("late_fusion", {"branches": LATE_BRANCHES}).fit(x, y, ["one"] * len(y))
    assert fused.exponents_.tolist() == [0.5, 0.5]
