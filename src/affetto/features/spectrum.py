"""Short-time spectra in plain NumPy, equal to librosa's.

librosa is as fast, but its import takes over 1 s in each new process, and 13 s where numba has not compiled
it yet: a first answer about a voice does not have them. What the features need of it is a window, an FFT and
a filter bank, written out here and compared with librosa in the tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from affetto.audio.recording import resample
from affetto.errors import AffettoError

_BLOCK_FRAMES = 64  # fits the second-level cache


def prepare_samples(samples: np.ndarray, sample_rate_hz: int, target_hz: int) -> np.ndarray:
    """Check a mono recording, [n_samples], full scale 1.0, and bring it to a sample rate.

    Returns
    -------
    numpy.ndarray
        float32 [n_samples], resampled by soxr (HQ) when the rate differs.

    Raises
    ------
    AffettoError
        When there are no samples or some are not finite.
    """
    mono = np.asarray(samples, dtype=np.float32)
    if mono.ndim != 1:
        raise ValueError(f"expected mono samples [n_samples], found shape {mono.shape}")
    if not mono.size:
        raise AffettoError("The recording is empty; leave it out of the corpus.")
    if not np.isfinite(mono).all():
        raise AffettoError("The recording holds samples that are not finite numbers; export it again.")
    if sample_rate_hz == target_hz:
        return mono
    resampled = resample(mono, sample_rate_hz, target_hz)
    return resampled if resampled.size else np.zeros(1, dtype=np.float32)


def frame_blocks(samples: np.ndarray, *, n_fft: int, hop: int) -> Iterator[np.ndarray]:
    """Yield centred frames [n, n_fft] in blocks, 1 + n_samples // hop in all; long clips need no more."""
    padded = np.pad(samples, n_fft // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]
    for start in range(0, len(frames), _BLOCK_FRAMES):
        yield frames[start : start + _BLOCK_FRAMES]


def power_spectrum(frames: np.ndarray) -> np.ndarray:
    """Return the power spectra of Hann-windowed frames, float32 [n_frames, n_fft // 2 + 1]."""
    spectrum = np.fft.rfft(frames * hann(frames.shape[1]))
    power: np.ndarray = spectrum.real**2 + spectrum.imag**2
    return power


def decibels(power: np.ndarray, *, floor_db: float = -100.0) -> np.ndarray:
    """Return 10 log10 of power, relative to 1.0 and no lower than `floor_db`."""
    floor = np.float32(10.0 ** (floor_db / 10))
    level = 10.0 * np.log10(np.maximum(power, floor))
    # The logarithm of the floor may round to a little below it.
    floored: np.ndarray = np.maximum(level, np.float32(floor_db))
    return floored


@lru_cache(maxsize=8)
def hann(n: int) -> np.ndarray:
    """Return the periodic Hann window, float32 [n]."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)).astype(np.float32)


@lru_cache(maxsize=8)
def mel_filters(sample_rate_hz: int, n_fft: int, n_mels: int, fmin: float, fmax: float) -> np.ndarray:
    """Return triangular mel filters of unit area, float32 [n_mels, n_fft // 2 + 1].

    The scale and the normalisation are those of Slaney's Auditory Toolbox (1998), librosa's default.
    """
    # Linear up to 1 kHz, 27 steps for a factor of 6.4 above.
    linear_hz, break_hz, step = 200.0 / 3, 1_000.0, np.log(6.4) / 27.0

    def mel_of(hz: float) -> float:
        if hz < break_hz:
            return hz / linear_hz
        return float(break_hz / linear_hz + np.log(hz / break_hz) / step)

    mel = np.linspace(mel_of(fmin), mel_of(fmax), n_mels + 2)
    above = mel - break_hz / linear_hz
    upper = break_hz * np.exp(step * np.maximum(above, 0))
    edges = np.where(above < 0, mel * linear_hz, upper)
    bins = np.fft.rfftfreq(n_fft, 1 / sample_rate_hz)
    ramps = edges[:, np.newaxis] - bins
    widths = np.diff(edges)[:, np.newaxis]
    rising, falling = -ramps[:-2] / widths[:-1], ramps[2:] / widths[1:]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    areas = (edges[2:] - edges[:-2])[:, np.newaxis] / 2
    filters: np.ndarray = (triangles / areas).astype(np.float32)
    return filters


@lru_cache(maxsize=8)
def dct_matrix(n_coefficients: int, n_bands: int) -> np.ndarray:
    """Return the orthonormal DCT-II as a matrix, float32 [n_coefficients, n_bands]."""
    k, n = np.arange(n_coefficients)[:, np.newaxis], np.arange(n_bands)
    basis = np.sqrt(2.0 / n_bands) * np.cos(np.pi * k * (2 * n + 1) / (2 * n_bands))
    basis[0] /= np.sqrt(2.0)
    matrix: np.ndarray = basis.astype(np.float32)
    return matrix
