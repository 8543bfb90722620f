"""The first blocks of Whisper's encoder in NumPy: a recording in, a vector every 20 ms out.

Radford, Kim, Xu, Brockman, McLeavey & Sutskever, "Robust speech recognition via large-scale weak
supervision", ICML 2023 (arXiv:2212.04356), section 2.2. A forward pass of two blocks is a dozen matrix
products: NumPy runs it as fast as a deep-learning framework on a processor, and nothing heavy is imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from affetto.features.spectrum import mel_filters, power_spectrum

SAMPLE_RATE_HZ = 16_000
_LONGEST_S = 30.0  # what the position encodings allow
_WINDOW, _HOP, _N_MELS = 400, 160, 80
_PADDING_S = 0.5  # zeros behind a recording, so that its last frames are seen as the end of speech
_HEAD_WIDTH = 64
_FLOOR, _RANGE = 1e-10, 8.0
_LAYER_NORM_EPSILON = 1e-5

Frames = NDArray[np.float32]
Weights = Mapping[str, Frames]


def embed(samples: NDArray[np.floating], weights: Weights, layers: Sequence[int]) -> Frames:
    """Compute what transformer blocks put out, without the final layer normalisation.

    Parameters
    ----------
    samples
        Mono, 16 kHz, float [n_samples], full scale 1.0.
    weights
        Tensors of the encoder, named as `affetto.features.encoder.weights` reads them.
    layers
        Blocks whose output is wanted, counted from 1; 0 is the output of the convolutions with its positions.

    Returns
    -------
    numpy.ndarray
        float32 [n_frames, n_layers * width], a frame every 20 ms, layer by layer. A recording longer than
        29.5 s is read in parts of that length.
    """
    parts = split(samples, _LONGEST_S - _PADDING_S, SAMPLE_RATE_HZ)
    return np.concatenate([_embed_part(part, weights, layers) for part in parts])


def split(
    samples: NDArray[np.floating], longest_s: float, sample_rate_hz: int
) -> Iterator[NDArray[np.floating]]:
    """Yield the parts of a recording, one after the other, none longer than `longest_s` seconds."""
    longest = max(1, round(longest_s * sample_rate_hz))
    for start in range(0, max(1, len(samples)), longest):
        yield samples[start : start + longest]


def _embed_part(samples: NDArray[np.floating], weights: Weights, layers: Sequence[int]) -> Frames:
    n_frames = max(1, len(samples) // (2 * _HOP))
    padded = np.pad(np.asarray(samples, dtype=np.float32), (0, round(_PADDING_S * SAMPLE_RATE_HZ)))
    x = _gelu(_convolve(log_mel(padded), weights, "conv1", stride=1))
    x = _gelu(_convolve(x, weights, "conv2", stride=2))
    outputs: list[Frames] = [x + weights["position_encodings/encodings"][: len(x)]]
    for layer in range(max(layers)):
        outputs.append(_block(outputs[-1], weights, f"layer_{layer}"))
    return np.concatenate([outputs[layer][:n_frames] for layer in layers], axis=1)


def log_mel(samples: NDArray[np.floating]) -> Frames:
    """Compute Whisper's log-mel spectrogram: float32 [n_frames, 80], a frame every 10 ms.

    Windows of 25 ms (Hann, periodic), centred, the signal reflected at its ends; mel filters of Slaney's
    Auditory Toolbox with equal areas, 0 to 8 kHz; log10 of the power, at most 8 below its maximum;
    (x + 4) / 4.
    """
    padded = np.pad(samples, _WINDOW // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP][:-1]
    filters = mel_filters(SAMPLE_RATE_HZ, _WINDOW, _N_MELS, 0.0, SAMPLE_RATE_HZ / 2)
    logarithm = np.log10(np.maximum(power_spectrum(frames) @ filters.T, _FLOOR))
    scaled: Frames = (np.maximum(logarithm, logarithm.max() - _RANGE) + 4.0) / 4.0
    return scaled


def _convolve(x: Frames, weights: Weights, name: str, *, stride: int) -> Frames:
    """Convolve over three frames, zeros at the ends: [n, n_in] → [⌈n / stride⌉, n_out]."""
    kernel, bias = weights[f"{name}/weight"], weights[f"{name}/bias"]
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((1, 1), (0, 0))), 3, axis=0)[::stride]
    convolved: Frames = windows.reshape(len(windows), -1) @ kernel.reshape(len(kernel), -1).T + bias
    return convolved


def _block(x: Frames, weights: Weights, layer: str) -> Frames:
    """Run a pre-norm block: self-attention, then a feed-forward network, each added to its input."""
    attention, feed_forward = f"{layer}/self_attention", f"{layer}/ffn"
    joint = _linear(_normalise(x, weights, f"{attention}/layer_norm"), weights, f"{attention}/linear_0")
    n_heads = x.shape[1] // _HEAD_WIDTH
    query, key, value = joint.reshape(len(x), 3, n_heads, _HEAD_WIDTH).transpose(1, 2, 0, 3)
    scores = query @ key.transpose(0, 2, 1) / np.float32(np.sqrt(_HEAD_WIDTH))
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    attended = (scores @ value) / scores.sum(axis=-1, keepdims=True)
    x = x + _linear(attended.transpose(1, 0, 2).reshape(x.shape), weights, f"{attention}/linear_1")
    inner = _gelu(
        _linear(_normalise(x, weights, f"{feed_forward}/layer_norm"), weights, f"{feed_forward}/linear_0")
    )
    return x + _linear(inner, weights, f"{feed_forward}/linear_1")


def _linear(x: Frames, weights: Weights, name: str) -> Frames:
    product: Frames = x @ weights[f"{name}/weight"].T + weights[f"{name}/bias"]
    return product


def _normalise(x: Frames, weights: Weights, name: str) -> Frames:
    centred = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt(np.mean(centred**2, axis=-1, keepdims=True) + np.float32(_LAYER_NORM_EPSILON))
    normalised: Frames = centred / deviation * weights[f"{name}/gamma"] + weights[f"{name}/beta"]
    return normalised


def _gelu(x: Frames) -> Frames:
    """Return x Φ(x), the exact Gaussian error linear unit (Hendrycks & Gimpel, arXiv:1606.08415)."""
    from scipy.special import erf

    activated: Frames = np.float32(0.5) * x * (1 + erf(x * np.float32(np.sqrt(0.5))))
    return activated
