import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest

from affetto.errors import AffettoError
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.models.estimator import build_estimator, load_estimator

N_BANDS, HOP_S = 16, 0.016
SMALL = {
    "epochs": 8,
    "channels": (6, 8),
    "n_time_strides": 2,
    "lstm_units": 6,
    "crop_s": 0.5,
    "batch_size": 8,
}
SMALL |= {"learning_rate": 0.02, "n_members": 2, "mixup_alpha": 0.1}
LABELS = ("anger", "joy", "sad")


def toy(n=36, labels=LABELS, *, seed=0, shortest=20, longest=60, **parameters):
    """Noise with a loud stripe of bands, another one for each class, that comes and goes."""
    rng = np.random.default_rng(seed)
    y = [labels[i % len(labels)] for i in range(n)]
    clips = []
    for label in y:
        clip = rng.normal(-50, 3, (int(rng.integers(shortest, longest)), N_BANDS)).astype(np.float32)
        first = 1 + 5 * sorted(labels).index(label)
        clip[::2, first : first + 4] += 20
        clips.append(clip + rng.uniform(-10, 10))
    ids = [f"toy/{i}" for i in range(n)]
    feature = ClipFeatures.from_arrays(
        "log_mel", ids, clips, hop_s=HOP_S, parameters={"hop": 256, **parameters}
    )
    return FeatureSet({"log_mel": feature}), y, [f"g{i // 6}" for i in range(n)]


def single(*clips):
    ids = [f"one/{i}" for i in range(len(clips))]
    feature = ClipFeatures.from_arrays("log_mel", ids, clips, hop_s=HOP_S, parameters={"hop": 256})
    return FeatureSet({"log_mel": feature})


@pytest.fixture(scope="module")
def fitted():
    x, y, groups = toy()
    return build_estimator("crnn", SMALL, seed=1).fit(x, y, groups), x


def test_a_model_is_loaded_without_a_word(fitted, tmp_path):
    """Layers import TensorFlow, whose native code writes to the terminal unless it is started with care."""
    fitted[0].save(tmp_path / "model")
    main = "import sys; from affetto.models.estimator import load_estimator; load_estimator(sys.argv[1])"
    command = [sys.executable, "-c", main, str(tmp_path / "model")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""


def test_separable_classes_are_learnt(fitted):
    model, _ = fitted
    other, truth, _ = toy(seed=9)
    predicted = np.array(model.classes_)[model.predict_proba(other).argmax(axis=1)]
    assert np.mean(predicted == np.array(truth)) > 0.85
    assert [entry["epoch"] for entry in model.history_] == list(range(1, 9))
    assert model.history_[-1]["loss"] < model.history_[0]["loss"]


def test_what_a_clip_shares_its_batch_with_does_not_matter(fitted):
    model, x = fitted
    together = model.predict_proba(x)
    alone = np.concatenate([model.predict_proba(x.take([i])) for i in range(8)])
    np.testing.assert_allclose(alone, together[:8], atol=1e-5)


@pytest.mark.parametrize("padding", [1, 2, 3, 7, 40])
def test_padding_changes_nothing(fitted, padding):
    model, x = fitted
    clip = np.array(x["log_mel"][0])[None]
    lengths = np.array([clip.shape[1]], np.int32)
    longer = np.pad(clip, ((0, 0), (0, padding), (0, 0)), constant_values=99.0)
    network = model.members_[0]
    plain = network({"log_mel": clip, "log_mel_lengths": lengths})
    padded = network({"log_mel": longer, "log_mel_lengths": lengths})
    np.testing.assert_allclose(padded["logits"], plain["logits"], atol=1e-4)
    n_steps = plain["attention"].shape[1]
    np.testing.assert_allclose(padded["attention"][:, :n_steps], plain["attention"], atol=1e-5)
    assert np.all(np.asarray(padded["attention"])[:, n_steps:] == 0)


def test_attention_sums_to_one_at_rising_times(fitted):
    model, x = fitted
    weights, times = model.attention(x), model.attention_times(x)
    for clip, row, starts in zip(x["log_mel"], weights, times, strict=True):
        assert row.shape == starts.shape == (-(-len(clip) // 4),)
        assert row.sum() == pytest.approx(1)
        assert starts[0] == 0
        # A step lies around its first frame: of the first one, half is before the clip.
        assert np.diff(starts)[0] == pytest.approx(2 * HOP_S)
        assert np.diff(starts)[1:] == pytest.approx(4 * HOP_S)
        assert starts[-1] < len(clip) * HOP_S


def test_saved_model_predicts_and_attends_the_same(fitted, tmp_path):
    model, x = fitted
    model.save(tmp_path / "crnn")
    found = load_estimator(tmp_path / "crnn")
    np.testing.assert_array_equal(found.predict_proba(x), model.predict_proba(x))
    np.testing.assert_array_equal(found.attention(x)[3], model.attention(x)[3])
    assert found.n_parameters == model.n_parameters > 0
    assert found.history_ == model.history_


def test_loudness_alone_changes_nothing(fitted):
    model, x = fitted
    clip = np.array(x["log_mel"][1])
    np.testing.assert_allclose(
        model.predict_proba(single(clip + 20)), model.predict_proba(single(clip)), atol=1e-4
    )


@pytest.mark.parametrize("n_frames", [1, 4])
def test_the_shortest_clips_are_accepted(fitted, n_frames):
    model, _ = fitted
    probabilities = model.predict_proba(single(np.full((n_frames, N_BANDS), -60, np.float32)))
    np.testing.assert_allclose(probabilities.sum(), 1)
    assert np.all(np.isfinite(probabilities))


def test_twelve_clips_of_50_ms_in_two_classes_and_the_same_fit_twice():
    x, y, groups = toy(12, ("joy", "sad"), shortest=3, longest=5)
    tiny = {**SMALL, "epochs": 2, "n_members": 1, "mean_removal": "band"}
    first, second = (build_estimator("crnn", tiny, seed=3).fit(x, y, groups) for _ in range(2))
    np.testing.assert_array_equal(first.predict_proba(x), second.predict_proba(x))
    assert first.predict_proba(x).shape == (12, 2)


def test_other_spectrograms_are_refused(fitted):
    with pytest.raises(AffettoError, match="hop"):
        fitted[0].predict_proba(toy(6, hop=160)[0])


def test_default_network_is_small():
    x, y, groups = toy(6)
    wide = [np.repeat(clip, 4, axis=1) for clip in x["log_mel"]]
    model = build_estimator("crnn", {"epochs": 1}).fit(single(*wide), y, groups)
    assert model.n_parameters < 1_000_000


def test_the_fused_normalisation_is_keras_own():
    import keras
    import tensorflow as tf

    fused_class = import_module("affetto.models.layers").FusedNormalization
    maps = tf.constant(np.random.default_rng(0).normal(3, 2, (4, 9, 8, 5)).astype(np.float32))
    layers = [kind(momentum=0.9) for kind in (fused_class, keras.layers.BatchNormalization)]
    trained, gradients, predicted = [], [], []
    for layer in layers:
        with tf.GradientTape() as tape:
            tape.watch(maps)
            trained.append(layer(maps, training=True))
            total = tf.reduce_sum(trained[-1] ** 3)
        gradients.append(tape.gradient(total, [maps, layer.gamma, layer.beta]))
        predicted.append(layer(maps, training=False))
    np.testing.assert_allclose(*trained, atol=1e-5)
    for fused, plain in zip(*gradients, strict=True):
        np.testing.assert_allclose(fused, plain, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(*predicted, rtol=1e-2)  # one divides the variance by n, the other by n - 1
