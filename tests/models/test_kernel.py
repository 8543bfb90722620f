from itertools import combinations

import numpy as np
import pytest
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from affetto.models import kernel
from affetto.models.calibration import softmax
from affetto.models.estimator import build_estimator
from affetto.models.vectors import clip_vectors

PLAIN = {"relevance": 0.0, "limit": 100.0}


@pytest.fixture
def opposite(features):
    """Return what makes clips of two emotions on opposite sides of a third: no line tells them apart."""

    def make(n=60, *, seed=0):
        rng = np.random.default_rng(seed)
        centre = [(0.0, 2.0, -2.0, 0.5)[i % 4] for i in range(n)]
        rows = [rng.normal([c, 0, 0, abs(c)], 0.5, (int(rng.integers(2, 9)), 4)) for c in centre]
        frames = [rng.normal([c, 0, 0], 1.0, (int(rng.integers(60, 90)), 3)) for c in centre]
        y = [("calm", "happy", "happy", "sad")[i % 4] for i in range(n)]
        return features(midterm=rows, mfcc=frames), y, [f"g{i // 4}" for i in range(n)]

    return make


def reference(train, y, test, *, penalty):
    """Return what scikit-learn says, pair by pair."""
    y, names = np.array(y), sorted(set(y))
    logits = np.zeros((len(test), len(names)))
    for first, second in combinations(range(len(names)), 2):
        pair = np.isin(y, [names[first], names[second]])
        # Where a pair shares its weight between two classes, its square counts half.
        regression = LogisticRegression(C=2 / penalty, class_weight="balanced", tol=1e-8, max_iter=5_000)
        odds = regression.fit(train[pair], y[pair]).decision_function(test)
        logits[:, second] += odds / len(names)
        logits[:, first] -= odds / len(names)
    return softmax(logits)


def test_probabilities_equal_logistic_regressions_on_the_kernel(opposite):
    x, y, groups = opposite()
    unseen, _, _ = opposite(24, seed=1)
    parameters = {**PLAIN, "features": ["midterm"], "penalty": 0.3, "width": 0.7}
    model = build_estimator("kernel_logistic", parameters).fit(x, y, groups)

    vectors = [clip_vectors(s, ["midterm"]) for s in (x, unseen)]
    scaler = StandardScaler().fit(vectors[0])
    train, test = (scaler.transform(v) for v in vectors)
    nystroem = Nystroem(gamma=0.7 / train.shape[1], n_components=len(y), random_state=0).fit(train)
    expected = reference(nystroem.transform(train), y, nystroem.transform(test), penalty=0.3)
    np.testing.assert_allclose(model.predict_proba(unseen), expected, atol=2e-3)


def test_it_learns_what_no_line_separates(opposite):
    model = build_estimator("kernel_logistic").fit(*opposite(120))
    unseen, labels, _ = opposite(80, seed=2)
    predicted = np.array(model.classes_)[model.predict_proba(unseen).argmax(axis=1)]
    assert np.mean(predicted == np.array(labels)) > 0.85


def test_few_landmarks_stand_for_many_clips(opposite, monkeypatch):
    monkeypatch.setattr(kernel, "_BLOCK_CLIPS", 150)
    x, y, groups = opposite(400)
    unseen, _, _ = opposite(50, seed=4)
    every = build_estimator("kernel_logistic", seed=1).fit(x, y, groups)
    monkeypatch.setattr(kernel, "_MOST_LANDMARKS", 80)
    few = build_estimator("kernel_logistic", seed=1).fit(x, y, groups)
    assert len(every.landmarks_) == 400
    assert len(few.landmarks_) == 80
    assert few.n_parameters < every.n_parameters / 4
    assert np.abs(few.predict_proba(unseen) - every.predict_proba(unseen)).mean() < 0.03


@pytest.mark.parametrize("relevance", [0.0, 0.5])
def test_features_that_never_change_say_nothing(features, relevance):
    x = features(midterm=[np.ones((3, 2))] * 8)
    model = build_estimator("kernel_logistic", {"features": ["midterm"], "relevance": relevance})
    model.fit(x, ["a", "b"] * 4, list("abcdefgh"))
    np.testing.assert_allclose(model.predict_proba(x), 0.5, atol=1e-6)
