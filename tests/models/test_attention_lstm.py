import numpy as np
import pytest

from affetto.features.clip_features import FeatureSet
from affetto.models.estimator import build_estimator

SMALL = {"epochs": 1, "units": 8, "batch_size": 16, "learning_rate": 0.02}
HOP_S = 512 / 22_050


def noise(n, shortest=60, longest=160, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(int(rng.integers(shortest, longest)), 4)) for _ in range(n)]


@pytest.fixture(scope="module")
def fitted(features):
    x = features(mfcc=noise(12))
    model = build_estimator("attention_lstm", {**SMALL, "n_members": 2})
    return model.fit(x, ["calm", "sad"] * 6, list("abcdef") * 2), x


def test_padding_changes_nothing_and_single_clips_are_answered_as_all_are(fitted, features):
    """Clips as short as a frame, beside one of 37 s; a network that is asked often is traced."""
    model, _ = fitted
    clips = noise(7, shortest=1)
    x = features(mfcc=[*clips, *noise(1, 1600, 1601)])
    together, (_, weights) = model.predict_proba(x), model.attention(x)
    assert not model._traced  # batches are not
    for i in range(8):
        alone = x.take([i])
        np.testing.assert_allclose(model.predict_proba(alone)[0], together[i], atol=1e-5)
        np.testing.assert_allclose(model.attention(alone)[1][0], weights[i], atol=1e-5)
    assert len(model._traced) == 2


def test_a_traced_model_that_is_fitted_again_answers_as_a_new_one(fitted, features):
    _, x = fitted
    other, y, groups = features(mfcc=noise(16, seed=5)), ["calm", "sad"] * 8, list("abcdefgh") * 2
    again = build_estimator("attention_lstm", {**SMALL, "n_members": 2}).fit(x, ["calm", "sad"] * 6, "ab" * 6)
    for _ in range(5):
        again.predict_proba(x.take([0]))
    again.fit(other, y, groups)
    expected = again.predict_proba(x)[0]
    for _ in range(5):
        np.testing.assert_allclose(again.predict_proba(x.take([0]))[0], expected, atol=1e-6)


def test_windows_begin_every_06_s(fitted):
    model, x = fitted
    for times in model.attention(x)[0]:
        np.testing.assert_allclose(np.diff(times), 26 * HOP_S)


@pytest.mark.parametrize("name", ["midterm", "encoder"])
def test_slower_features_reach_the_windows_around_their_middle(name, features):
    """The class stands in the second half of a slow feature alone; MFCC are noise, clips short or long."""
    y = ["calm", "happy"] * 24
    slow = [np.repeat([[0.0], [2.0 * (label == "happy")]], 2, axis=0) for label in y]
    x = features(mfcc=noise(48, 3), midterm=slow)
    x = FeatureSet({"mfcc": x["mfcc"], name: x["midterm"]})
    chosen = {**SMALL, "epochs": 15, "ema_momentum": 0, name: True}
    model = build_estimator("attention_lstm", chosen).fit(x, y, [f"g{i // 2}" for i in range(48)])
    assert model.features == ("mfcc", name)
    long = x["mfcc"].n_frames > 110
    predicted = np.array(model.classes_)[model.predict_proba(x).argmax(axis=1)]
    assert (predicted == np.array(y))[long].mean() > 0.9
