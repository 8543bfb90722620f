"""Late fusion weighs models by what they are worth on clips that neither was fitted on."""

import numpy as np
import pytest

from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.models.estimator import build_estimator, load_estimator

CLASSES = ("anger", "neutral", "sadness")
BRANCHES = {
    "good": {"estimator": "linear", "parameters": {"features": ["functionals"], "penalty": 1.0}},
    "useless": {"estimator": "linear", "parameters": {"features": ["egemaps"], "penalty": 1.0}},
}


def toy(seed=0, n_groups=8, n_each=9):
    """Clips whose functionals tell the emotion and whose eGeMAPS are noise."""
    rng = np.random.default_rng(seed)
    labels = np.tile(np.arange(3), n_groups * n_each // 3)
    groups = np.repeat([f"s{i}" for i in range(n_groups)], n_each)
    ids = [f"toy/{i}" for i in range(len(labels))]
    vectors = {
        "functionals": rng.normal(size=(len(labels), 10)),
        "egemaps": rng.normal(size=(len(labels), 10)),
    }
    vectors["functionals"][np.arange(len(labels)), labels] += 2.0
    x = FeatureSet({name: ClipFeatures.from_arrays(name, ids, list(each)) for name, each in vectors.items()})
    return x, [CLASSES[label] for label in labels], list(groups)


@pytest.fixture(scope="module")
def fitted():
    return build_estimator("late_fusion", {"branches": BRANCHES}).fit(*toy())


def test_a_model_that_knows_nothing_weighs_nothing(fitted):
    good, useless = fitted.exponents_
    assert good > 0.3
    assert useless < 0.2 * good


def test_it_is_the_weighted_product_of_its_branches(fitted):
    x, *_ = toy(seed=1)
    opinions = [branch.predict_proba(x) for branch in fitted.branches.values()]
    product = np.prod([p**w for p, w in zip(opinions, fitted.exponents_, strict=True)], axis=0)
    np.testing.assert_allclose(
        fitted.predict_proba(x), product / product.sum(axis=1, keepdims=True), atol=1e-9
    )


def test_a_saved_fusion_answers_the_same(fitted, tmp_path):
    x, *_ = toy(seed=1)
    fitted.save(tmp_path / "fusion")
    np.testing.assert_allclose(load_estimator(tmp_path / "fusion").predict_proba(x), fitted.predict_proba(x))


def test_a_single_speaker_leaves_all_weights_equal():
    x, y, _ = toy()
    fused = build_estimator("late_fusion", {"branches": BRANCHES}).fit(x, y, ["one"] * len(y))
    assert fused.exponents_.tolist() == [0.5, 0.5]
