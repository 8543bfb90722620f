import numpy as np
import pytest

from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.models.estimator import build_estimator, load_estimator

HOP_S = 512 / 22050
SMALL = {"epochs": 6, "units": 8, "batch_size": 16, "learning_rate": 0.02}


def toy(n, labels, *, seed=0, shortest=60, longest=160, **parameters):
    """Noise whose dimension `i` is raised for class `i`."""
    rng = np.random.default_rng(seed)
    names = sorted(set(labels))
    y = [labels[i % len(labels)] for i in range(n)]
    frames = []
    for label in y:
        clip = rng.normal(size=(int(rng.integers(shortest, longest)), 4)).astype(np.float32)
        clip[:, names.index(label)] += 1
        frames.append(clip)
    ids = [f"toy/{i}" for i in range(n)]
    clips = ClipFeatures.from_arrays("mfcc", ids, frames, hop_s=HOP_S, parameters={"hop": 512, **parameters})
    return FeatureSet({"mfcc": clips}), y, [f"g{i // 2}" for i in range(n)]


@pytest.fixture(scope="module")
def fitted():
    x, y, groups = toy(48, ["calm", "happy", "sad"])
    return build_estimator("attention_lstm", {**SMALL, "n_members": 2}, seed=1).fit(x, y, groups), x, y


@pytest.mark.parametrize("name", ["attention_lstm", "lstm"])
def test_separable_classes_are_learnt(name):
    x, y, groups = toy(60, ["calm", "happy", "sad"])
    model = build_estimator(name, {**SMALL, "epochs": 12}).fit(x, y, groups)
    other, truth, _ = toy(30, ["calm", "happy", "sad"], seed=9)
    predicted = np.array(model.classes_)[model.predict_proba(other).argmax(axis=1)]
    assert (predicted == np.array(truth)).mean() > 0.9
    assert [entry["epoch"] for entry in model.history_] == list(range(1, 13))
    assert model.history_[-1]["loss"] < model.history_[0]["loss"]
    assert (model.attention(x) is None) == (model.attention_times(x) is None) == (name == "lstm")


def test_saved_model_predicts_the_same(fitted, tmp_path):
    model, x, _ = fitted
    model.save(tmp_path / "model")
    found = load_estimator(tmp_path / "model")
    np.testing.assert_array_equal(found.predict_proba(x), model.predict_proba(x))
    assert found.history_ == model.history_
    assert found.n_parameters == model.n_parameters > 0
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert names == {"signature.json", "statistics.npz", "member_0.keras", "member_1.keras"}


def test_padding_changes_nothing(fitted):
    """A clip alone, and beside one that is ten times as long."""
    model, x, _ = fitted
    long = np.random.default_rng(5).normal(size=(1600, 4)).astype(np.float32)
    clips = ClipFeatures.from_arrays(
        "mfcc", ["a", "b"], [x["mfcc"][0], long], hop_s=HOP_S, parameters={"hop": 512}
    )
    beside = FeatureSet({"mfcc": clips})
    alone = beside.take(np.array([0]))
    np.testing.assert_allclose(model.predict_proba(beside)[:1], model.predict_proba(alone), atol=1e-5)
    np.testing.assert_allclose(model.attention(beside)[0], model.attention(alone)[0], atol=1e-5)


def test_attention_sums_to_1_over_the_windows(fitted):
    model, x, _ = fitted
    weights, times = model.attention(x), model.attention_times(x)
    assert len(weights) == len(times) == len(x.clip_ids)
    for i, (row, start) in enumerate(zip(weights, times, strict=True)):
        assert row.shape == start.shape
        assert row.sum() == pytest.approx(1)
        assert start[0] == 0
        assert start[-1] < len(x["mfcc"][i]) * HOP_S
        np.testing.assert_allclose(np.diff(start), 26 * HOP_S)  # 0.6 s


def test_clips_shorter_than_a_window_and_no_average(tmp_path):
    x, y, groups = toy(12, ["anger", "calm"], shortest=3, longest=30)
    model = build_estimator("attention_lstm", {**SMALL, "epochs": 1, "ema_momentum": 0}).fit(x, y, groups)
    model.save(tmp_path / "model")
    found = load_estimator(tmp_path / "model")
    probabilities = found.predict_proba(x)
    assert probabilities.shape == (12, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    for row, start in zip(found.attention(x), found.attention_times(x), strict=True):
        assert row.shape == start.shape


def test_midterm_rows_reach_the_steps_around_their_middle():
    """Classes that only the rows of the slower feature tell apart are learnt, and kept by saving."""
    x, y, groups = toy(48, ["calm", "happy", "sad"])
    rng = np.random.default_rng(3)
    noise = [rng.normal(size=clip.shape) for clip in x["mfcc"]]
    rows = [rng.normal(size=(5, 3)) + 2 * np.eye(3)[["calm", "happy", "sad"].index(label)] for label in y]
    both = FeatureSet(
        {
            "mfcc": ClipFeatures.from_arrays("mfcc", x.clip_ids, noise, hop_s=HOP_S),
            "midterm": ClipFeatures.from_arrays("midterm", x.clip_ids, rows, hop_s=0.8),
        }
    )
    model = build_estimator("attention_lstm", {**SMALL, "epochs": 12, "midterm": True})
    assert model.features == ("mfcc", "midterm")
    model.fit(both, y, groups)
    predicted = np.array(model.classes_)[model.predict_proba(both).argmax(axis=1)]
    assert (predicted == np.array(y)).mean() > 0.9


def test_windows_may_hold_the_frame_of_an_encoder_around_their_middle():
    """The class stands in the second half of a slow feature alone; the MFCC are noise."""
    x, y, groups = toy(48, ["calm", "happy"])
    noise = [np.zeros_like(clip) for clip in x["mfcc"]]
    slow = [np.repeat([[0.0], [float(label == "happy")]], 2, axis=0) for label in y]
    x = FeatureSet(
        {
            "mfcc": ClipFeatures.from_arrays("mfcc", x.clip_ids, noise, hop_s=HOP_S, parameters={"hop": 512}),
            "encoder": ClipFeatures.from_arrays("encoder", x.clip_ids, slow, hop_s=0.5),
        }
    )
    model = build_estimator("attention_lstm", {**SMALL, "epochs": 12, "encoder": True}).fit(x, y, groups)
    assert model.features == ("mfcc", "encoder")
    assert (np.array(model.classes_)[model.predict_proba(x).argmax(axis=1)] == np.array(y)).mean() > 0.9
