"""The CRNN on the spectrogram alone, and with the LLD around each of its steps."""

import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest

from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.models.estimator import build_estimator, load_estimator

N_BANDS, HOP_S, N_LLD, LLD_HOP_S = 16, 0.016, 5, 0.010
SMALL = {
    "epochs": 8,
    "channels": (6, 8),
    "n_time_strides": 2,
    "lstm_units": 6,
    "crop_s": 0.5,
    "batch_size": 8,
    "learning_rate": 0.02,
}
VARIANTS = {
    "log_mel": {"n_members": 2, "mixup_alpha": 0.1},
    "lld": {"lld_windows": {"units": 8}, "augmentation": {"time_stretch": 0.1}},
}
LABELS = ("anger", "joy", "sad")


def features(spectra, llds):
    ids = [f"toy/{i}" for i in range(len(spectra))]
    log_mel = ClipFeatures.from_arrays("log_mel", ids, spectra, hop_s=HOP_S)
    return FeatureSet(
        {"log_mel": log_mel, "lld": ClipFeatures.from_arrays("lld", ids, llds, hop_s=LLD_HOP_S)}
    )


def toy(n=36, told_by="lld", *, seed=0, shortest=20, longest=60):
    """Noise; half of the time some bands, or an LLD, are raised, other ones in each class."""
    rng = np.random.default_rng(seed)
    y = [LABELS[i % 3] for i in range(n)]
    spectra, llds = [], []
    for label in y:
        n_frames, kind = int(rng.integers(shortest, longest)), LABELS.index(label)
        spectra.append(rng.normal(-50, 3, (n_frames, N_BANDS)).astype(np.float32) + rng.uniform(-10, 10))
        n_frames = max(1, int((n_frames * HOP_S - 0.06) / LLD_HOP_S))
        llds.append(rng.normal(0, 1, (n_frames, N_LLD)).astype(np.float32))
        if told_by == "log_mel":
            spectra[-1][::2, 1 + 5 * kind : 5 + 5 * kind] += 20
        else:
            llds[-1][::2, kind] += 4
    return features(spectra, llds), y, [f"g{i // 6}" for i in range(n)]


@pytest.fixture(scope="module", params=VARIANTS)
def fitted(request):
    x, y, groups = toy(told_by=request.param)
    return build_estimator("crnn", SMALL | VARIANTS[request.param], seed=1).fit(x, y, groups), x


def test_a_model_is_loaded_without_a_word(fitted, tmp_path):
    """Layers import TensorFlow, whose native code writes to the terminal unless it is started with care."""
    if fitted[0].features == ("log_mel",):
        fitted[0].save(tmp_path / "model")
        main = "import sys; from affetto.models.estimator import load_estimator; load_estimator(sys.argv[1])"
        command = [sys.executable, "-c", main, str(tmp_path / "model")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout + done.stderr == ""


def test_classes_that_one_input_alone_tells_are_learnt(fitted):
    model, _ = fitted
    other, truth, _ = toy(told_by=model.features[-1], seed=9)
    predicted = np.array(model.classes_)[model.predict_proba(other).argmax(axis=1)]
    assert np.mean(predicted == np.array(truth)) > 0.85
    assert [entry["epoch"] for entry in model.history_] == list(range(1, 9))
    assert model.history_[-1]["loss"] < model.history_[0]["loss"]


@pytest.mark.parametrize("steps", [0, 1, 7])
def test_padding_changes_nothing(fitted, steps):
    """Neither steps behind the end nor the frames of a step that the clip does not fill."""
    model, x = fitted
    network, batch, padded = model.members_[0], {}, {}
    for name, clips in model._inputs(x).items():
        values, width = clips[0], steps
        if name == "log_mel":
            width = 4 * (steps - (-len(values) // 4)) - len(values)
        batch[name] = values[None]
        padded[name] = np.pad(values, ((0, width), (0, 0)), constant_values=99.0)[None]
        batch[f"{name}_lengths"] = padded[f"{name}_lengths"] = np.array([len(values)], np.int32)
    plain, found = network(batch), network(padded)
    np.testing.assert_allclose(found["logits"], plain["logits"], atol=1e-4)
    n_steps = plain["attention"].shape[1]
    np.testing.assert_allclose(found["attention"][:, :n_steps], plain["attention"], atol=1e-5)
    assert np.all(np.asarray(found["attention"])[:, n_steps:] == 0)


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
    louder = features([clip + 20 for clip in x["log_mel"]], list(x["lld"]))
    np.testing.assert_allclose(model.predict_proba(louder), model.predict_proba(x), atol=1e-4)


def test_the_shortest_clips_and_one_without_lld_are_accepted(fitted):
    spectra = [np.full((n, N_BANDS), -60, np.float32) for n in (1, 4, 9)]
    probabilities = fitted[0].predict_proba(features(spectra, [np.zeros((n, N_LLD)) for n in (1, 2, 0)]))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_few_clips_of_50_ms_and_the_seed_decides_everything():
    x, y, groups = toy(12, shortest=3, longest=5)
    tiny = {**SMALL, "epochs": 2, "mean_removal": "band", "lld_windows": {"units": 4}}
    first, again, other = (build_estimator("crnn", tiny, seed=seed).fit(x, y, groups) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.predict_proba(x), again.predict_proba(x))
    assert not np.array_equal(first.predict_proba(x), other.predict_proba(x))


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
