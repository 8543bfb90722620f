"""Regressors of valence and arousal: what they learn, what they are tuned by, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from affetto.errors import AffettoError
from affetto.models import kernel
from affetto.models.dimensions import concordance
from affetto.models.estimator import build_estimator, load_estimator

PLAIN = {"features": ["functionals"], "penalty": 0.1, "width": 0.5, "limit": 100.0}


@pytest.fixture
def rated(features):
    """Return what makes clips whose first numbers tell valence and arousal, but for some noise."""

    def make(n=80, *, seed=0, noise=0.1):
        rng = np.random.default_rng(seed)
        ratings = rng.uniform(-0.7, 0.7, (n, 2))
        vectors = np.hstack([ratings + noise * rng.normal(size=(n, 2)), rng.normal(size=(n, 3))])
        frames = [row[:2] + rng.normal(0, 0.3, (int(rng.integers(20, 40)), 2)) for row in vectors]
        return features(functionals=vectors, mfcc=frames), ratings, [f"g{i // 8}" for i in range(n)]

    return make


@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.5, 0.0), (1.0, 0.3), (-1.0, 0.0), (0.0, 0.2)])
def test_concordance_is_reduced_by_another_mean_and_another_spread(slope, shift):
    truth = np.random.default_rng(0).normal(0.1, 0.4, (200, 2))
    variance = truth.var(axis=0)

    found = concordance(truth, truth.mean(axis=0) + slope * (truth - truth.mean(axis=0)) + shift)

    np.testing.assert_allclose(
        found, 2 * slope * variance / (variance * (1 + slope**2) + shift**2), atol=1e-12
    )
    assert concordance(np.full((3, 1), 0.5), np.full((3, 1), 0.5)).tolist() == [0.0]


def test_predictions_are_those_of_ridge_regression_on_the_kernel(rated):
    x, ratings, groups = rated()
    unseen, _, _ = rated(20, seed=1)
    model = build_estimator("kernel_ridge", PLAIN).fit(x, ratings, groups)

    scaler = StandardScaler().fit(x["functionals"].stack())
    train, test = (scaler.transform(each["functionals"].stack()) for each in (x, unseen))
    space = Nystroem(gamma=0.5 / train.shape[1], n_components=len(train), random_state=0).fit(train)
    ridge = Ridge(alpha=0.1).fit(space.transform(train), ratings)
    np.testing.assert_allclose(model.predict(unseen), ridge.predict(space.transform(test)), atol=1e-3)


def test_ratings_of_unseen_clips_are_found_from_vectors_and_from_frames(rated):
    x, ratings, groups = rated(200)
    unseen, truth, _ = rated(100, seed=1)

    for features in (["functionals"], ["mfcc"], ["functionals", "mfcc"]):
        model = build_estimator("kernel_ridge", {"features": features}).fit(x, ratings, groups)
        assert concordance(truth, model.predict(unseen)).min() > 0.85
        assert [row["chosen"] for row in model.history_].count(True) == 1
        chosen = next(row for row in model.history_ if row["chosen"])
        assert chosen["inner_ccc"] == max(row["inner_ccc"] for row in model.history_)


@pytest.mark.parametrize("name", ["kernel_ridge", "mean_rating"])
def test_a_saved_regressor_predicts_the_same(rated, tmp_path, name, monkeypatch):
    monkeypatch.setattr(kernel, "_MOST_LANDMARKS", 40)
    x, ratings, groups = rated()
    model = build_estimator(name, {"features": ["functionals"]}, seed=3).fit(x, ratings, groups)
    model.save(tmp_path / "model")

    loaded = load_estimator(tmp_path / "model")

    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    assert loaded.classes_ == ("valence", "arousal")
    assert loaded.n_parameters == model.n_parameters > 0
    assert loaded.predict(x.take([])).shape == (0, 2)
    assert np.abs(loaded.predict(x)).max() <= 1
    if name == "mean_rating":
        np.testing.assert_allclose(loaded.predict(x), np.tile(ratings.mean(axis=0), (len(ratings), 1)))


def test_what_a_regressor_refuses(rated):
    x, ratings, groups = rated()
    model = build_estimator("kernel_ridge", PLAIN)
    with pytest.raises(AffettoError, match="kernel_ridge is not fitted yet"):
        model.predict(x)
    with pytest.raises(AffettoError, match="needs two or more clips, each with valence and arousal"):
        model.fit(x, np.where(ratings > 0.6, np.nan, ratings), groups)
    with pytest.raises(AffettoError, match="tells valence and arousal, no emotion"):
        model.fit(x, ratings, groups).predict_proba(x)
