import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from affetto.errors import AffettoError
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.models.calibration import softmax
from affetto.models.estimator import build_estimator, load_estimator
from affetto.models.linear import Linear, LinearParameters
from affetto.models.logistic import fit_logistic, span
from affetto.models.speakers import relevance
from affetto.models.vectors import Standardiser

N_PAIRS = 10


def toy(n=40, names=("anger", "joy", "sad"), n_dimensions=60, seed=0, **parameters):
    rng = np.random.default_rng(seed)
    y = [names[i % len(names)] for i in range(n)]
    vectors = rng.normal(size=(n, n_dimensions)) * 10 ** rng.uniform(-3, 3, n_dimensions)
    for i, label in enumerate(y):
        vectors[i, names.index(label)] += 3 * np.abs(vectors[:, names.index(label)]).mean()
    ids = [f"toy/{i}" for i in range(n)]
    pairs = np.tanh(rng.normal(size=(n, N_PAIRS)))
    features = {
        name: ClipFeatures.from_arrays(name, ids, list(values), parameters={"set": "toy", **parameters})
        for name, values in (("functionals", vectors), ("correlations", pairs))
    }
    return FeatureSet(features), y, [f"g{i // 4}" for i in range(n)]


def speakers(offset, n_speakers=6, n_each=24, *, names=("functionals",), seed=0, first=0):
    """Clips whose numbers lie around an offset of their speaker, of three classes in turn."""
    rng = np.random.default_rng(seed)
    labels = np.tile([0, 1, 2], n_speakers * n_each // 3)
    groups = np.repeat([f"s{first + i}" for i in range(n_speakers)], n_each)
    clean = {name: rng.normal(size=(len(labels), 12)) + 2 * np.eye(3, 12)[labels] for name in names}
    own = {name: offset * rng.normal(size=(n_speakers, 12)) for name in names}

    def features(shifted):
        shifts = {name: shifted * np.repeat(own[name], n_each, axis=0) for name in names}
        ids = [f"s/{i}" for i in range(len(labels))]
        arrays = {name: list(clean[name] + shifts[name]) for name in names}
        return FeatureSet({name: ClipFeatures.from_arrays(name, ids, arrays[name]) for name in names})

    return features, labels, groups


def branch(offset=1.0, **parameters):
    features, labels, groups = speakers(offset)
    values = {"features": ("functionals",), "penalty": 0.5, "limit": 50.0, **parameters}
    return Linear(LinearParameters(**values)).fit(features(1.0), labels, groups)


@pytest.mark.parametrize("shape", [(20, 90), (50, 8)])
def test_span_keeps_lengths_and_angles(shape):
    vectors = np.random.default_rng(0).normal(size=shape)
    coordinates, lift = span(vectors)
    basis = lift(np.eye(coordinates.shape[1]))
    np.testing.assert_allclose(coordinates @ basis.T, vectors, atol=1e-8)
    np.testing.assert_allclose(coordinates @ coordinates.T, vectors @ vectors.T, atol=1e-8)


def test_logistic_regression_equals_scikit_learn_outside_the_span():
    rng = np.random.default_rng(1)
    vectors, labels = rng.normal(size=(60, 90)), np.repeat([0, 1, 2], [30, 20, 10])
    vectors[np.arange(60), labels] += 1
    weights, bias = fit_logistic(vectors, labels, penalty=2.0)
    reference = LogisticRegression(C=0.5, class_weight="balanced", tol=1e-9, max_iter=5000)
    expected = reference.fit(vectors, labels).predict_proba(vectors)
    np.testing.assert_allclose(softmax(vectors @ weights + bias), expected, atol=2e-4)


def test_standardiser_clips_and_silences_constant_and_broken_dimensions(tmp_path):
    vectors = np.array([[0.0, 5, np.nan], [2, 5, np.nan]])
    standardiser = Standardiser.learn(vectors, limit=4)
    np.testing.assert_allclose(standardiser(vectors), [[-1, 0, 0], [1, 0, 0]])
    np.testing.assert_allclose(standardiser(np.array([[1e9, 7, np.inf]])), [[4, 0, 0]])
    standardiser.save(tmp_path)
    np.testing.assert_array_equal(Standardiser.load(tmp_path)(vectors), standardiser(vectors))


def test_separable_classes_are_learnt_and_survive_saving(tmp_path):
    x, y, groups = toy()
    model = build_estimator("linear").fit(x, y, groups)
    other, _, _ = toy(30, seed=5)
    assert np.mean(np.array(model.classes_)[model.predict_proba(x).argmax(axis=1)] == np.array(y)) == 1
    model.save(tmp_path / "lld")
    found = load_estimator(tmp_path / "lld")
    np.testing.assert_array_equal(found.predict_proba(other), model.predict_proba(other))
    own = x.take([0, 1, 2, 3])
    np.testing.assert_array_equal(found.predict_proba(x, own), model.predict_proba(x, own))
    assert np.abs(model.predict_proba(x, own) - model.predict_proba(x)).max() > 1e-3
    assert model.features == ("functionals", "correlations")
    assert found.n_parameters == (60 + N_PAIRS) * 3 + 3 + 2 * 2 * (60 + N_PAIRS) + 2  # two kinds of voices


def test_each_feature_counts_alike_however_many_numbers_it_has():
    x, y, groups = toy()
    both = build_estimator("linear").fit(x, y, groups)
    turned = build_estimator("linear", {"features": ["correlations", "functionals"]}).fit(x, y, groups)
    np.testing.assert_allclose(turned.predict_proba(x), both.predict_proba(x), atol=2e-3)
    doubled = np.concatenate([x["correlations"].stack()] * 2, axis=1)
    twice = FeatureSet({**x, "correlations": ClipFeatures.from_arrays(
        "correlations", x.clip_ids, list(doubled), parameters=x["correlations"].parameters)})  # fmt: skip
    again = build_estimator("linear").fit(twice, y, groups)  # 1 / sqrt(2 n) for twice as many equal numbers
    np.testing.assert_allclose(again.predict_proba(twice), both.predict_proba(x), atol=2e-3)


@pytest.mark.parametrize("features", [(), ("mel",), ("functionals", "functionals")])
def test_features_that_are_no_statistics_of_a_clip_are_refused(features):
    with pytest.raises(ValueError, match="features"):
        LinearParameters(features=features)


def test_enrolment_with_many_clips_removes_what_is_the_speakers_own():
    fitted = branch(enrolment_prior=0.0)
    features, labels, _ = speakers(5.0, n_speakers=1, n_each=240, seed=7, first=90)
    plain, shifted = features(0.0), features(1.0)
    enrolled = fitted.predict_proba(shifted, shifted)
    np.testing.assert_allclose(enrolled, fitted.predict_proba(plain, plain), atol=1e-6)
    assert np.mean(enrolled.argmax(axis=1) == labels) > 0.85
    assert np.mean(fitted.predict_proba(shifted).argmax(axis=1) == labels) < 0.7  # an unknown one is misheard


def test_what_a_kind_of_voice_always_has_is_taken_off():
    rng = np.random.default_rng(3)
    low = np.repeat([-1.0, 1, -1, 1, -1, 1], 40)[:, None]  # a man, a woman, ...
    labels, groups = rng.integers(0, 3, 240), np.repeat([f"s{i}" for i in range(6)], 40)
    pitch = 3.0 * low + labels[:, None] + 0.3 * rng.normal(size=(240, 1))
    vectors = np.hstack([pitch, 3.0 * low + 0.3 * rng.normal(size=(240, 1)), rng.normal(size=(240, 10))])
    ids = [f"s/{i}" for i in range(240)]
    x = FeatureSet({"functionals": ClipFeatures.from_arrays("functionals", ids, list(vectors))})
    known, unknown = np.flatnonzero(groups < "s4"), np.flatnonzero(groups >= "s4")
    surprise = {}
    for n_types in (1, 2):
        model = Linear(LinearParameters(features=("functionals",), voice_types=n_types, limit=50.0))
        model.fit(x.take(known), labels[known], groups[known])
        told = model.predict_proba(x.take(unknown))[np.arange(80), labels[unknown]]
        surprise[n_types] = -np.log(told).mean()
    assert surprise[2] < 0.8 * surprise[1]


def test_relevance_has_a_known_value():
    # Emotions' means are 2.5 / 3 and -1; speakers' 1.5 and 0.5 (variance 0.25), -2.5 and 0.5 (2.25).
    vectors = np.array([[1.5], [0.5], [0.5], [-2.5], [0.5]])
    labels, speakers = np.array([0, 0, 0, 1, 1]), np.array(["a", "b", "b", "a", "b"])
    expected = np.var([2.5 / 3, -1.0]) / (np.mean([0.25, 2.25]) + 0.02)
    np.testing.assert_allclose(relevance(vectors, labels, speakers), [expected])


def test_who_has_no_speakers_enrols_nobody(tmp_path):
    x, y, _ = toy()
    model = build_estimator("linear").fit(x, y, [f"clip {i}" for i in range(len(y))])
    model.save(tmp_path / "lld")
    for found in (model, load_estimator(tmp_path / "lld")):
        with pytest.raises(AffettoError, match="Nobody can be enrolled"):
            found.predict_proba(x, x.take([0, 1]))
        np.testing.assert_array_equal(found.predict_proba(x), model.predict_proba(x))


def test_novelty_is_told_where_it_was_asked_for(tmp_path):
    features, _, _ = speakers(1.0)
    x = features(1.0)
    assert branch().novelty(x) is None
    model = branch(novelty=True)
    model.save(tmp_path / "linear")
    found = load_estimator(tmp_path / "linear").novelty(x)
    np.testing.assert_allclose(found, model.novelty(x), atol=1e-5)
    assert 0 <= found.min() <= found.max() <= 2
