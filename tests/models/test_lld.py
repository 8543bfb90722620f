import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from affetto.errors import AffettoError
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.models.calibration import softmax
from affetto.models.lld import fit_logistic, span
from affetto.models.registry import build_estimator, load_estimator
from affetto.models.standardiser import Standardiser


def toy(n=40, names=("anger", "joy", "sad"), n_dimensions=60, seed=0, **parameters):
    rng = np.random.default_rng(seed)
    y = [names[i % len(names)] for i in range(n)]
    vectors = rng.normal(size=(n, n_dimensions)) * 10 ** rng.uniform(-3, 3, n_dimensions)
    for i, label in enumerate(y):
        vectors[i, names.index(label)] += 3 * np.abs(vectors[:, names.index(label)]).mean()
    ids = [f"toy/{i}" for i in range(n)]
    clips = ClipFeatures.from_arrays(
        "functionals", ids, list(vectors), parameters={"set": "toy", **parameters}
    )
    return FeatureSet({"functionals": clips}), y, [f"g{i // 4}" for i in range(n)]


@pytest.mark.parametrize("shape", [(20, 90), (50, 8)])
def test_span_keeps_lengths_and_angles(shape):
    vectors = np.random.default_rng(0).normal(size=shape)
    coordinates, basis = span(vectors)
    np.testing.assert_allclose(coordinates @ basis.T, vectors, atol=1e-8)
    np.testing.assert_allclose(coordinates @ coordinates.T, vectors @ vectors.T, atol=1e-8)


def test_repeated_clips_do_not_upset_the_span():
    vectors = np.tile(np.random.default_rng(0).normal(size=(3, 50)), (4, 1))
    coordinates, basis = span(vectors)
    assert coordinates.shape[1] == 3
    np.testing.assert_allclose(coordinates @ basis.T, vectors, atol=1e-8)


@pytest.mark.parametrize("balanced", [True, False])
def test_logistic_regression_equals_scikit_learn(balanced):
    rng = np.random.default_rng(1)
    vectors, labels = rng.normal(size=(60, 90)), np.repeat([0, 1, 2], [30, 20, 10])
    vectors[np.arange(60), labels] += 1
    weights, bias = fit_logistic(vectors, labels, 3, penalty=2.0, class_weights=balanced)
    reference = LogisticRegression(
        C=0.5, class_weight="balanced" if balanced else None, tol=1e-9, max_iter=5000
    )
    expected = reference.fit(vectors, labels).predict_proba(vectors)
    np.testing.assert_allclose(softmax(vectors @ weights + bias), expected, atol=2e-4)


def test_standardiser_clips_and_silences_constant_and_broken_dimensions(tmp_path):
    vectors = np.array([[0.0, 5, np.nan], [2, 5, np.nan]])
    standardiser = Standardiser.learn(vectors, limit=4)
    np.testing.assert_allclose(standardiser(vectors), [[-1, 0, 0], [1, 0, 0]])
    np.testing.assert_allclose(standardiser(np.array([[1e9, 7, np.inf]])), [[4, 0, 0]])
    standardiser.save(tmp_path / "s.npz")
    np.testing.assert_array_equal(Standardiser.load(tmp_path / "s.npz")(vectors), standardiser(vectors))


def test_separable_classes_are_learnt_and_survive_saving(tmp_path):
    x, y, groups = toy()
    model = build_estimator("lld").fit(x, y, groups)
    other, truth, _ = toy(30, seed=5)
    assert np.mean(np.array(model.classes_)[model.predict_proba(x).argmax(axis=1)] == np.array(y)) == 1
    model.save(tmp_path / "lld")
    found = load_estimator(tmp_path / "lld")
    np.testing.assert_array_equal(found.predict_proba(other), model.predict_proba(other))
    assert found.n_parameters == 60 * 3 + 3
    assert model.attention(x) is None
    assert len(truth) == 30


@pytest.mark.parametrize("names", [("anger", "sad"), ("a", "b", "c", "d")])
def test_few_clips_and_any_number_of_classes(names):
    x, y, groups = toy(12, names)
    probabilities = build_estimator("lld").fit(x, y, groups).predict_proba(x)
    assert probabilities.shape == (12, len(names))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_other_functionals_are_refused():
    x, y, groups = toy(12)
    model = build_estimator("lld").fit(x, y, groups)
    with pytest.raises(AffettoError, match="functionals"):
        model.predict_proba(toy(12, set="other")[0])
