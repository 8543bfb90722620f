"""Products of probabilities, and the models that are joined by them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

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


@pytest.fixture(scope="module")
def joined(toy):
    x, y, groups = toy(24)
    network = {"epochs": 2, "channels": (4,), "lstm_units": 4, "crop_s": 0.3, "lld_windows": {"units": 4}}
    parameters = {"crnn": network, "lld": {}}
    model = build_estimator("crnn_lld", {**parameters, "crnn_weight": 0.4, "lld_weight": 1.2}, seed=2)
    branches = {}
    for branch, name in (("crnn", "crnn"), ("lld", "linear")):
        branches[branch] = build_estimator(name, parameters[branch], seed=2).fit(x, y, groups)
    return model.fit(x, y, groups), branches, x


def test_a_joined_model_is_the_product_of_its_branches_and_one_is_enrolled(joined):
    model, branches, x = joined
    crnn, lld = branches.values()
    own = x.take([0, 1, 2, 3])
    for further in ((), (own,)):
        expected = fuse([crnn.predict_proba(x), lld.predict_proba(x, *further)], [0.4, 1.2])
        np.testing.assert_allclose(model.predict_proba(x, *further), expected, atol=1e-6)
    np.testing.assert_allclose(model.attention(x)[1][0], crnn.attention(x)[1][0], atol=1e-6)
    assert model.n_parameters == crnn.n_parameters + lld.n_parameters
    assert model.history_ == crnn.history_


def test_features_of_all_branches_are_needed_once():
    every = ("log_mel", "lld", "functionals", "correlations")
    assert build_estimator("crnn_lld").features == every
    plain = build_estimator("crnn_lld", {"crnn": {"lld_windows": None}, "lld": {"features": ["functionals"]}})
    assert plain.features == ("log_mel", "functionals")


def test_a_model_that_knows_nothing_weighs_nothing_and_a_single_speaker_leaves_weights_equal(features):
    rng = np.random.default_rng(0)
    labels, groups = np.tile(np.arange(3), 24), [f"s{i // 9}" for i in range(72)]
    told = rng.normal(size=(72, 10)) + 2 * np.eye(3, 10)[labels]
    x = features(functionals=told, egemaps=rng.normal(size=(72, 10)))
    branches = {
        name: {"estimator": "linear", "parameters": {"features": [name], "penalty": 1.0}} for name in x
    }
    good, useless = build_estimator("late_fusion", {"branches": branches}).fit(x, labels, groups).exponents_
    assert good > 0.3
    assert useless < 0.2 * good
    alone = build_estimator("late_fusion", {"branches": branches}).fit(x, labels, ["one"] * 72)
    assert alone.exponents_.tolist() == [0.5, 0.5]
