"""Encoders that users bring are read as described, and what is wrong with one is said in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from affetto.errors import AffettoError
from affetto.features.encoder import whisper
from affetto.features.encoder.extract import EncoderParameters

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

_RATE = 16_000
_WIDTH = 6


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 0.05, round(_RATE * seconds)).astype(np.float32)


def kernel(n_channels: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, (_WIDTH, n_channels, 320 if n_channels == 1 else 2))


@pytest.fixture
def describe(tmp_path: Path):
    """Return a function that writes a random graph of one convolution and a description of it."""

    def write(reads: str = "samples", **changed: object) -> str:
        n_channels, size = (1, 320) if reads == "samples" else (80, 2)
        helper, real = onnx.helper, onnx.TensorProto.FLOAT
        shape = [1, "n"] if reads == "samples" else [1, 80, "n"]
        axes = onnx.numpy_helper.from_array(np.array([1]), "axes")
        nodes = [helper.make_node("Unsqueeze", ["x", "axes"], ["wide"])] if reads == "samples" else []
        wide = "wide" if reads == "samples" else "x"
        nodes += [
            helper.make_node("Conv", [wide, "kernel"], ["convolved"], strides=[size]),
            helper.make_node("Transpose", ["convolved"], ["frames"], perm=[0, 2, 1]),
        ]
        tensor = onnx.numpy_helper.from_array(kernel(n_channels).astype(np.float32), "kernel")
        graph = helper.make_graph(
            nodes,
            "random",
            [helper.make_tensor_value_info("x", real, shape)],
            [helper.make_tensor_value_info("frames", real, [1, "m", _WIDTH])],
            [axes, tensor],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        (tmp_path / "random.onnx").write_bytes(model.SerializeToString())
        description = {
            "model": "random.onnx",
            "sample_rate_hz": _RATE,
            "reads": reads,
            "input": "x",
            "layers": {"1": {"output": "frames", "width": _WIDTH}},
            "hop_s": 0.02,
            **changed,
        }
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.json"
        path.write_text(json.dumps(description))
        return str(path)

    return write


def test_a_graph_reads_samples(describe) -> None:
    feature = EncoderParameters(name=describe(), layers=(1,), level="frames")
    values = feature.extract(noise(1.0), _RATE)
    np.testing.assert_allclose(values, noise(1.0).reshape(50, 320) @ kernel(1)[:, 0].T, atol=1e-5)
    assert feature.frame_s == 0.02


def test_a_graph_reads_the_documented_spectrogram(describe) -> None:
    values = EncoderParameters(name=describe("log_mel"), layers=(1,), level="frames").extract(
        noise(1.0), _RATE
    )
    pairs = whisper.log_mel(noise(1.0)).reshape(50, 2, 80)
    np.testing.assert_allclose(values, np.einsum("tnb,wbn->tw", pairs, kernel(80)), atol=1e-4)


def test_long_recordings_are_read_in_parts_and_statistics_are_a_vector(describe) -> None:
    name = describe(longest_s=0.5)
    frames = EncoderParameters(name=name, layers=(1,), level="frames").extract(noise(1.2), _RATE)
    assert len(frames) == 60
    vector = EncoderParameters(name=name, layers=(1,)).extract(noise(1.2), _RATE)
    np.testing.assert_allclose(vector[0], np.r_[frames.mean(axis=0), frames.std(axis=0)], atol=1e-6)


def test_the_key_of_the_features_changes_with_the_weights_and_the_description(describe) -> None:
    name, other = describe(), describe(hop_s=0.04)
    digests = {EncoderParameters(name=each, layers=(1,)).describe()["weights"] for each in (name, other)}
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"layers": {}}, "layers"),
        ({"hop": 0.02}, "hop: Extra inputs are not permitted"),
        ({"model": "other.onnx"}, "There is no encoder"),
        ({"reads": "log_mel", "sample_rate_hz": 8_000}, "log_mel is made of audio of 16000 Hz alone"),
    ],
)
def test_a_description_that_is_wrong_is_refused(describe, changed: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        EncoderParameters(name=describe(**changed), layers=(1,))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"input": "audio"}, "input is audio, but the graph reads x"),
        ({"layers": {"1": {"output": "hidden", "width": 6}}}, "no output hidden, the graph has frames"),
        ({"layers": {"1": {"output": "frames", "width": 7}}}, r"has the shape \[1, 25, 6\]"),
    ],
)
def test_a_graph_that_is_not_as_described_is_refused(describe, changed, sentence: str) -> None:
    feature = EncoderParameters(name=describe(**changed), layers=(1,))
    with pytest.raises(AffettoError, match=sentence):
        feature.extract(noise(0.5), _RATE)


def test_a_file_that_is_no_graph_is_refused(describe, tmp_path: Path) -> None:
    name = describe()
    (tmp_path / "random.onnx").write_bytes(b"<html>")
    with pytest.raises(AffettoError, match=r"random\.onnx is no ONNX file that can be run"):
        EncoderParameters(name=name, layers=(1,)).check_available()


@pytest.mark.parametrize("name", ["hub:microsoft/wavlm-base", "hub:a/b@main", "nowhere.json"])
def test_a_name_that_is_no_encoder_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"no model of the hub|There is no encoder"):
        EncoderParameters(name=name)
