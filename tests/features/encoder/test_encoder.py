"""The encoder computes what its owners' program does, and its embeddings are a feature like any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from affetto.errors import AffettoError
from affetto.features.encoder.extract import EncoderParameters, encoder_weights
from affetto.features.encoder.whisper import embed, log_mel
from affetto.features.table import parse_description

_SHARED = Path(__file__).parents[4] / "shared"
_WEIGHTS = _SHARED / "encoders" / "whisper-tiny.en-2-layers-float16.npz"
_REFERENCE = _SHARED / "encoders" / "reference_frames.npz"
_CLIPS = ("03a01Fa", "09a02Wb", "12a01Fb", "14a05Wb", "16a04Wb")


def random_weights(width: int = 64) -> dict[str, np.ndarray]:
    """Return tensors of two blocks with one head, small enough that nothing saturates."""
    rng = np.random.default_rng(0)
    shapes = {"conv1": (width, 80, 3), "conv2": (width, width, 3)}
    for block in ("layer_0", "layer_1"):
        shapes |= {
            f"{block}/self_attention/linear_0": (3 * width, width),
            f"{block}/self_attention/linear_1": (width, width),
            f"{block}/ffn/linear_0": (4 * width, width),
            f"{block}/ffn/linear_1": (width, 4 * width),
        }
    weights = {}
    for name, shape in shapes.items():
        weights[f"{name}/weight"] = rng.normal(0, 0.1, shape).astype(np.float32)
        weights[f"{name}/bias"] = rng.normal(0, 0.1, shape[0]).astype(np.float32)
    for block in ("layer_0", "layer_1"):
        for part in ("self_attention", "ffn"):
            weights[f"{block}/{part}/layer_norm/gamma"] = np.ones(width, np.float32)
            weights[f"{block}/{part}/layer_norm/beta"] = np.zeros(width, np.float32)
    weights["position_encodings/encodings"] = rng.normal(0, 0.1, (1500, width)).astype(np.float32)
    return weights


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 0.05, round(16_000 * seconds)).astype(np.float32)


def test_the_spectrogram_of_silence_is_flat_and_its_range_is_limited() -> None:
    assert np.ptp(log_mel(np.zeros(16_000, np.float32))) == 0
    assert np.ptp(log_mel(noise(1.0) * (np.arange(16_000) > 8_000))) <= 2.0 + 1e-6


@pytest.mark.corpora
@pytest.mark.skipif(not _REFERENCE.is_file(), reason="the reference frames are not part of the project")
@pytest.mark.parametrize("name", _CLIPS)
def test_frames_are_those_of_the_reference(name: str) -> None:
    import soundfile

    samples, _ = soundfile.read(next((_SHARED / "data" / "voice" / "emodb").rglob(f"{name}.flac")))
    weights = {key: value.astype(np.float32) for key, value in np.load(_WEIGHTS).items()}
    frames = embed(samples, weights, [2])
    np.testing.assert_allclose(frames, np.load(_REFERENCE)[f"{name}_layer2"], atol=1e-3)


def test_there_is_a_frame_every_20_ms_layers_stand_side_by_side_and_any_length_is_read() -> None:
    weights = random_weights()
    both = embed(noise(1.0), weights, [0, 2])
    assert both.shape == (50, 128)
    assert both.dtype == np.float32
    np.testing.assert_array_equal(both[:, 64:], embed(noise(1.0), weights, [2]))
    assert embed(noise(0.001), weights, [2]).shape == (1, 64)
    assert embed(noise(61.0), weights, [2]).shape == (3_050, 64)
    assert np.isfinite(embed(np.zeros(16_000, np.float32), weights, [2])).all()


def test_an_encoder_that_is_not_here_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    encoder_weights.cache_clear()
    monkeypatch.setenv("AFFETTO_ENCODERS", str(tmp_path))
    with pytest.raises(AffettoError, match=r"affetto encoders fetch whisper-tiny\.en"):
        EncoderParameters().extract(noise(0.5), 16_000)


def test_the_key_of_the_features_has_the_digest_of_the_weights() -> None:
    described = EncoderParameters().describe()
    assert len(described["weights"]) == 64
    assert parse_description(described) == EncoderParameters()
    with pytest.raises(AffettoError, match="other weights"):
        parse_description({**described, "weights": "0" * 64})


@pytest.mark.parametrize("wrong", [{"name": "whisper-huge"}, {"layers": [9]}, {"layers": [2, 2]}])
def test_parameters_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"name|layers"):
        EncoderParameters.model_validate(wrong)
