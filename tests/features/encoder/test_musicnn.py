"""musicnn in NumPy computes what the same network computes in Keras, and what was measured elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from affetto.features.encoder import musicnn
from affetto.features.encoder.extract import EncoderParameters, encoder_weights
from affetto.features.encoder.weights import is_fetched
from affetto.features.table import extract_together

_SHARED = Path(__file__).parents[4] / "shared"
_REFERENCE = _SHARED / "encoders" / "musicnn_msd_reference.npz"
_PARTS = ("gamma", "beta", "moving_mean", "moving_variance")


def music(seconds: float) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 0.05, round(16_000 * seconds)).astype(np.float32)


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    """Return random tensors in the shapes of the network."""
    rng = np.random.default_rng(0)
    kernels = [(7, 38, 1, 204), (7, 67, 1, 204), (128, 1, 1, 51), (64, 1, 1, 51), (32, 1, 1, 51)]
    kernels += [(7, 561, 1, 64), (7, 64, 1, 64), (7, 64, 1, 64)]
    tensors = {}
    for names, shapes in (("conv2d", kernels), ("dense", [(1_506, 200), (200, 50)])):
        for number, shape in enumerate(shapes):
            layer = f"{names}_{number}" if number else names
            tensors[f"{layer}/kernel"] = rng.normal(0, 0.5 / np.sqrt(np.prod(shape[:-1])), shape)
            tensors[f"{layer}/bias"] = rng.normal(0, 0.1, shape[-1])
    for number, width in enumerate((1, 204, 204, 51, 51, 51, 64, 64, 64, 1_506, 200)):
        layer = f"batch_normalization_{number}" if number else "batch_normalization"
        for part in _PARTS:
            tensors[f"{layer}/{part}"] = rng.uniform(0.5, 1.5, width)
    return {name: tensor.astype(np.float32) for name, tensor in tensors.items()}


def in_keras(patch: np.ndarray, weights: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Run the network on a patch [187, 96] with Keras' layers: pooled, penultimate, tags."""
    import keras

    def named(layer: str, number: int) -> str:
        return f"{layer}_{number}" if number else layer

    def normalise(x, number):
        layer = keras.layers.BatchNormalization(epsilon=1e-3)
        layer.build(x.shape)
        layer.set_weights([weights[f"{named('batch_normalization', number)}/{part}"] for part in _PARTS])
        return layer(x, training=False)

    def convolve(x, number, padding):
        kernel, bias = (weights[f"{named('conv2d', number)}/{part}"] for part in ("kernel", "bias"))
        return normalise(keras.ops.relu(keras.ops.conv(x, kernel, padding=padding) + bias), number + 1)

    def dense(x, number):
        kernel, bias = (weights[f"{named('dense', number)}/{part}"] for part in ("kernel", "bias"))
        return keras.ops.matmul(x, kernel) + bias

    def pad(x):
        return keras.ops.pad(x, [[0, 0], [3, 3], [0, 0], [0, 0]])

    x = normalise(keras.ops.convert_to_tensor(patch[None, :, :, None]), 0)
    found = [convolve(pad(x), number, "valid") for number in (0, 1)]
    found += [convolve(x, number, "same") for number in (2, 3, 4)]
    maps = [keras.ops.concatenate([keras.ops.max(each, axis=2) for each in found], axis=-1)]
    for number in (5, 6, 7):
        convolved = keras.ops.squeeze(convolve(pad(maps[-1][..., None]), number, "valid"), 2)
        maps.append(convolved if number == 5 else convolved + maps[-1])
    joined = keras.ops.concatenate(maps, axis=-1)
    pooled = keras.ops.stack([keras.ops.max(joined, axis=1), keras.ops.mean(joined, axis=1)], axis=-1)
    pooled = keras.ops.reshape(pooled, (1, -1))
    penultimate = normalise(keras.ops.relu(dense(normalise(pooled, 9), 0)), 10)
    return [np.asarray(x)[0] for x in (pooled, penultimate, keras.ops.sigmoid(dense(penultimate, 1)))]


def test_layers_are_those_of_the_same_network_in_keras(weights: dict[str, np.ndarray]) -> None:
    samples = music(187 * 256 / 16_000)
    patch = musicnn.log_mel(samples)[:187]
    for layer, expected in enumerate(in_keras(patch, weights), start=1):
        np.testing.assert_allclose(
            musicnn.embed(samples, weights, [layer])[0], expected, rtol=1e-3, atol=1e-4
        )


def test_the_spectrogram_is_that_of_librosa() -> None:
    import librosa

    power = librosa.feature.melspectrogram(y=music(1.0), sr=16_000, n_fft=512, hop_length=256, n_mels=96)
    np.testing.assert_allclose(musicnn.log_mel(music(1.0)), np.log10(1 + 10_000 * power.T), atol=1e-4)


def test_recordings_of_any_length_are_read(weights: dict[str, np.ndarray]) -> None:
    assert musicnn.embed(music(0.1), weights, [2]).shape == (1, 200)
    assert musicnn.embed(music(10.0), weights, [2, 3]).shape == (5, 250)
    assert np.isfinite(musicnn.embed(np.zeros(100, np.float32), weights, [3])).all()


@pytest.mark.corpora
@pytest.mark.skipif(not _REFERENCE.is_file(), reason="the reference is not part of the project")
@pytest.mark.skipif(not is_fetched("musicnn-msd"), reason="run `affetto encoders fetch musicnn-msd`")
def test_tags_of_real_music_are_those_measured_elsewhere() -> None:
    import soundfile
    import soxr

    reference = np.load(_REFERENCE)
    path = next((_SHARED / "data" / "music" / "4q").rglob(f"{reference['clip'][0]}.ogg"))
    samples, rate = soundfile.read(path, dtype="float32")
    samples = soxr.resample(samples, rate, 16_000, "HQ")
    n_frames = len(musicnn.log_mel(samples))
    patches = []
    for start in np.linspace(0, n_frames - 187, 9).astype(int):  # where its nine patches begin
        part = samples[start * 256 : (start + 187) * 256 - 1]
        patches.append(musicnn.embed(part, encoder_weights("musicnn-msd"), [3])[0])
    np.testing.assert_allclose(np.mean(patches, axis=0), reference["tags"][0], atol=0.01)


def test_features_of_one_encoder_share_a_run_and_have_the_values_of_their_own(
    weights: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(EncoderParameters(name="musicnn-msd").dimensions()) == 400
    runs = []

    def embed(name: str, samples: np.ndarray, layers: list[int]) -> np.ndarray:
        runs.append(layers)
        return musicnn.embed(samples, weights, layers)

    monkeypatch.setattr("affetto.features.encoder.extract.embed", embed)
    wanted = {
        "encoder": EncoderParameters(name="musicnn-msd", layers=(2,), level="frames"),
        "tags": EncoderParameters(name="musicnn-msd", layers=(3,)),
    }
    found = extract_together({16_000: music(5.0)}, wanted)
    assert len(runs) == 1
    assert len(wanted["tags"].dimensions()) == 2 * len(musicnn.TAGS)
    for name, parameters in wanted.items():
        alone = extract_together({16_000: music(5.0)}, {name: parameters})
        np.testing.assert_array_equal(found[name], alone[name])
