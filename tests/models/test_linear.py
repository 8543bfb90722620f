import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from affetto.errors import AffettoError
from affetto.models.calibration import softmax
from affetto.models.estimator import build_estimator, load_estimator
from affetto.models.linear import Linear, LinearParameters
from affetto.models.logistic import fit_logistic, span
from affetto.models.speakers import relevance
from affetto.models.vectors import Standardiser


def scattered(features, n=40):
    """Clips of three classes whose numbers have scales of six orders of magnitude."""
    rng = np.random.default_rng(0)
    kinds = np.arange(n) % 3
    vectors = rng.normal(size=(n, 60)) * 10 ** rng.uniform(-3, 3, 60)
    vectors += 3 * np.eye(3, 60)[kinds] * np.abs(vectors).mean(axis=0)
    x = features(functionals=vectors, correlations=np.tanh(rng.normal(size=(n, 10))))
    return x, [str(kind) for kind in kinds], [f"g{i // 4}" for i in range(n)]


def speakers(features, offset, n_speakers=6, n_each=24, *, seed=0, first=0):
    """Return clips of three classes in turn, as they are and around an offset of their speaker."""
    rng = np.random.default_rng(seed)
    labels = np.tile([0, 1, 2], n_speakers * n_each // 3)
    groups = np.repeat([f"s{first + i}" for i in range(n_speakers)], n_each)
    clean = rng.normal(size=(len(labels), 12)) + 2 * np.eye(3, 12)[labels]
    shifted = clean + np.repeat(offset * rng.normal(size=(n_speakers, 12)), n_each, axis=0)
    return features(functionals=clean), features(functionals=shifted), labels, groups


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


def test_each_feature_counts_alike_however_many_numbers_it_has(features):
    x, y, groups = scattered(features)
    both = build_estimator("linear").fit(x, y, groups)
    turned = build_estimator("linear", {"features": ["correlations", "functionals"]}).fit(x, y, groups)
    np.testing.assert_allclose(turned.predict_proba(x), both.predict_proba(x), atol=2e-3)
    doubled = np.concatenate([x["correlations"].stack()] * 2, axis=1)
    twice = features(functionals=x["functionals"].stack(), correlations=doubled)
    again = build_estimator("linear").fit(twice, y, groups)  # 1 / sqrt(2 n) for twice as many equal numbers
    np.testing.assert_allclose(again.predict_proba(twice), both.predict_proba(x), atol=2e-3)


@pytest.mark.parametrize("names", [(), ("mel",), ("functionals", "functionals")])
def test_features_that_do_not_exist_or_are_named_twice_are_refused(names):
    with pytest.raises(ValueError, match="features"):
        LinearParameters(features=names)


def test_enrolment_with_many_clips_removes_what_is_the_speakers_own(features):
    chosen = {"features": ("functionals",), "penalty": 0.5, "limit": 50.0, "enrolment_prior": 0.0}
    fitted = Linear(LinearParameters(**chosen)).fit(*speakers(features, 1.0)[1:])
    plain, shifted, labels, _ = speakers(features, 5.0, n_speakers=1, n_each=240, seed=7, first=90)
    enrolled = fitted.predict_proba(shifted, shifted)
    np.testing.assert_allclose(enrolled, fitted.predict_proba(plain, plain), atol=1e-6)
    assert np.mean(enrolled.argmax(axis=1) == labels) > 0.85
    assert np.mean(fitted.predict_proba(shifted).argmax(axis=1) == labels) < 0.7  # an unknown one is misheard


def test_what_a_kind_of_voice_always_has_is_taken_off(features):
    rng = np.random.default_rng(3)
    low = np.repeat([-1.0, 1, -1, 1, -1, 1], 40)[:, None]  # a man, a woman, ...
    labels, groups = rng.integers(0, 3, 240), np.repeat([f"s{i}" for i in range(6)], 40)
    pitch = 3.0 * low + labels[:, None] + 0.3 * rng.normal(size=(240, 1))
    vectors = np.hstack([pitch, 3.0 * low + 0.3 * rng.normal(size=(240, 1)), rng.normal(size=(240, 10))])
    x = features(functionals=vectors)
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


def test_who_has_no_speakers_enrols_nobody(features, tmp_path):
    x, y, _ = scattered(features)
    model = build_estimator("linear").fit(x, y, [f"clip {i}" for i in range(len(y))])
    model.save(tmp_path / "lld")
    for found in (model, load_estimator(tmp_path / "lld")):
        with pytest.raises(AffettoError, match="Nobody can be enrolled"):
            found.predict_proba(x, x.take([0, 1]))
        np.testing.assert_array_equal(found.predict_proba(x), model.predict_proba(x))
