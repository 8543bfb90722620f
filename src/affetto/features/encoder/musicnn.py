"""musicnn in NumPy: a recording of music in; for each patch of 3 s, what its last layers say, out.

Pons & Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging", ISMIR 2019
late-breaking (arXiv:1909.06654); the architecture is from Pons et al., "End-to-end learning for music audio
tagging at scale", ISMIR 2018, section 3. A patch costs some 3 billion additions in a dozen matrix products.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from affetto.features.spectrum import frame_blocks, mel_filters, power_spectrum

_SAMPLE_RATE_HZ = 16_000
_N_FFT, _HOP, _N_MELS = 512, 256, 96
_PATCH = 187  # frames that the network was trained on
_PATCH_HOP = 93  # 1.488 s
_COMPRESSION = 10_000.0
_EPSILON = 1e-3  # of TensorFlow's batch normalisation
TAGS = (
    "rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s",
    "alternative rock", "jazz", "beautiful", "metal", "chillout", "male vocalists", "classic rock", "soul",
    "indie rock", "Mellow", "electronica", "80s", "folk", "90s", "chill", "instrumental", "punk", "oldies",
    "blues", "hard rock", "ambient", "acoustic", "experimental", "female vocalist", "guitar", "Hip-Hop",
    "70s", "party", "country", "easy listening", "sexy", "catchy", "funk", "electro", "heavy metal",
    "Progressive rock", "60s", "rnb", "indie pop", "sad", "House", "happy",
)  # fmt: skip
"""What the numbers of the last layer stand for, as listeners of Last.fm wrote it."""
TENSORS = tuple(
    f"{layer}_{number}/{part}" if number else f"{layer}/{part}"
    for layer, count, parts in (
        ("conv2d", 8, ("kernel", "bias")),
        ("dense", 2, ("kernel", "bias")),
        ("batch_normalization", 11, ("gamma", "beta", "moving_mean", "moving_variance")),
    )
    for number in range(count)
    for part in parts
)
"""Names of the tensors in the checkpoint."""

Frames = NDArray[np.float32]
Weights = Mapping[str, Frames]


def embed(samples: NDArray[np.floating], weights: Weights, layers: Sequence[int]) -> Frames:
    """Compute what layers put out for patches of 3 s, one every 1.5 s.

    Parameters
    ----------
    samples
        Mono, 16 kHz, float [n_samples], full scale 1.0. A recording shorter than a patch is repeated until it
        fills one, as its makers did in training.
    weights
        Tensors of the network, named as in its makers' checkpoint.
    layers
        1: the maximum and the mean over the patch of all 753 convolutions, in turns. 2: the penultimate
        layer. 3: the probability of each of the `TAGS`.

    Returns
    -------
    numpy.ndarray
        float32 [n_patches, sum of the widths], layer by layer.
    """
    spectrogram = log_mel(np.asarray(samples, dtype=np.float32))
    if len(spectrogram) < _PATCH:
        spectrogram = np.resize(spectrogram, (_PATCH, _N_MELS))
    starts = range(0, len(spectrogram) - _PATCH + 1, _PATCH_HOP)
    patches = [_embed_patch(spectrogram[start : start + _PATCH], weights) for start in starts]
    return np.stack([np.concatenate([patch[layer - 1] for layer in layers]) for patch in patches])


def log_mel(samples: Frames) -> Frames:
    """Compute musicnn's spectrogram: float32 [n_frames, 96], a frame every 16 ms.

    log10(1 + 10,000 × power) of librosa's 96 mel bands from 0 to 8 kHz, windows of 32 ms (Hann, centred).
    """
    filters = mel_filters(_SAMPLE_RATE_HZ, _N_FFT, _N_MELS, 0.0, _SAMPLE_RATE_HZ / 2)
    bands = [power_spectrum(frames) @ filters.T for frames in frame_blocks(samples, n_fft=_N_FFT, hop=_HOP)]
    return np.log10(1 + np.float32(_COMPRESSION) * np.concatenate(bands), dtype=np.float32)


def _embed_patch(patch: Frames, weights: Weights) -> tuple[Frames, Frames, Frames]:
    x = _normalise(patch[..., None], weights, 0)[..., 0]
    front_end = np.concatenate(list(_front_end(x, weights)), axis=1)
    maps = [front_end]
    for number in (6, 7, 8):  # the second and third convolution are added to what they read
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(maps[-1], ((3, 3), (0, 0))), 7, axis=0)
        convolved = _convolve(windows.transpose(0, 2, 1), weights, number)
        maps.append(convolved if number == 6 else convolved + maps[-1])  # noqa: PLR2004
    joined = np.concatenate(maps, axis=1)
    pooled = np.stack([joined.max(axis=0), joined.mean(axis=0)], axis=1).ravel()
    hidden = _normalise(pooled, weights, 9) @ weights["dense/kernel"] + weights["dense/bias"]
    penultimate = _normalise(np.maximum(hidden, 0), weights, 10)
    logits = penultimate @ weights["dense_1/kernel"] + weights["dense_1/bias"]
    return pooled, penultimate, 1 / (1 + np.exp(-logits))


def _front_end(x: Frames, weights: Weights) -> Iterator[Frames]:
    """Yield what each kind of convolution finds in a frame, its maximum over frequency: [n_frames, n].

    "Timbral" ones look at 7 frames and two fifths or seven tenths of the bands, "temporal" ones at 128, 64
    and 32 frames of a single band.
    """
    for number in range(1, 6):
        n_frames, n_bands = _tensor(weights, "conv2d", number - 1, "kernel").shape[:2]
        before = (n_frames - 1) // 2
        padded = np.pad(x, ((before, n_frames - 1 - before), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (n_frames, n_bands))
        yield _convolve(windows, weights, number).max(axis=1)


def _convolve(windows: Frames, weights: Weights, number: int) -> Frames:
    """Convolve windows [..., n_frames, n_bands], rectify and normalise: [..., n_filters]."""
    kernel = _tensor(weights, "conv2d", number - 1, "kernel")
    size = kernel.shape[0] * kernel.shape[1]
    product = windows.reshape(-1, size) @ kernel.reshape(size, -1)
    rectified = np.maximum(product + _tensor(weights, "conv2d", number - 1, "bias"), 0)
    return _normalise(rectified, weights, number).reshape(*windows.shape[:-2], -1)


def _normalise(x: Frames, weights: Weights, number: int) -> Frames:
    """Apply a batch normalisation with the means and variances of its training."""
    gamma, beta, mean, variance = (
        _tensor(weights, "batch_normalization", number, part)
        for part in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    normalised: Frames = (x - mean) * (gamma / np.sqrt(variance + np.float32(_EPSILON))) + beta
    return normalised


def _tensor(weights: Weights, layer: str, number: int, part: str) -> Frames:
    return weights[f"{layer}_{number}/{part}" if number else f"{layer}/{part}"]
