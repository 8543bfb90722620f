"""The CRNN on the spectrogram alone, and with the LLD around each of its steps."""

import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest

from affetto.models.estimator import build_estimator

N_BANDS, HOP_S, N_LLD = 16, 0.016, 5
SMALL = {"channels": (6, 8), "n_time_strides": 2, "lstm_units": 6, "crop_s": 0.5, "batch_size": 8}
VARIANTS = {
    "log_mel": {"epochs": 1, "mean_removal": "band"},
    "lld": {"epochs": 8, "lld_windows": {"units": 8}, "learning_rate": 0.02},
}


def toy(features, n=36, *, seed=0):
    """Noise; half of the time an LLD is raised, another one in each class."""
    rng = np.random.default_rng(seed)
    spectra = [rng.normal(-50, 3, (int(rng.integers(20, 60)), N_BANDS)) for _ in range(n)]
    llds = [rng.normal(size=(max(1, int(len(clip) * 1.6) - 6), N_LLD)) for clip in spectra]
    for i, lld in enumerate(llds):
        lld[::2, i % 3] += 4
    return features(log_mel=spectra, lld=llds), [str(i % 3) for i in range(n)]


@pytest.fixture(scope="module", params=VARIANTS)
def fitted(request, features):
    x, y = toy(features)
    groups = [f"g{i // 6}" for i in range(len(y))]
    return build_estimator("crnn", SMALL | VARIANTS[request.param], seed=1).fit(x, y, groups), x


def test_a_model_is_loaded_without_a_word(fitted, tmp_path):
    """Layers import TensorFlow, whose native code writes to the terminal unless it is started with care."""
    if fitted[0].features == ("log_mel",):
        fitted[0].save(tmp_path / "model")
        main = "import sys; from affetto.models.estimator import load_estimator; load_estimator(sys.argv[1])"
        command = [sys.executable, "-c", main, str(tmp_path / "model")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout + done.stderr == ""


def test_classes_that_the_lld_alone_tell_are_learnt(fitted, features):
    model, _ = fitted
    if "lld" in model.features:
        other, truth = toy(features, seed=9)
        predicted = np.array(model.classes_)[model.predict_proba(other).argmax(axis=1)]
        assert np.mean(predicted == np.array(truth)) > 0.85


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


def test_a_step_lies_around_its_first_frame(fitted):
    model, x = fitted
    for clip, starts in zip(x["log_mel"], model.attention(x)[0], strict=True):
        assert len(starts) == -(-len(clip) // 4)
        assert np.diff(starts)[0] == pytest.approx(2 * HOP_S)  # of the first one, half is before the clip
        assert np.diff(starts)[1:] == pytest.approx(4 * HOP_S)


def test_loudness_alone_changes_nothing(fitted, features):
    model, x = fitted
    louder = features(log_mel=[clip + 20 for clip in x["log_mel"]], lld=list(x["lld"]))
    np.testing.assert_allclose(model.predict_proba(louder), model.predict_proba(x), atol=1e-4)


def test_the_shortest_clips_and_one_without_lld_are_accepted(fitted, features):
    spectra = [np.full((n, N_BANDS), -60) for n in (1, 4, 9)]
    x = features(log_mel=spectra, lld=[np.zeros((n, N_LLD)) for n in (1, 2, 0)])
    np.testing.assert_allclose(fitted[0].predict_proba(x).sum(axis=1), 1)


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
