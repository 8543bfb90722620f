"""Frame features in musical terms beside the MFCC: pitch classes, contrast, brightness, noisiness, level."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np

from affetto.features.parameters import Extra
from affetto.features.spectrum import decibels

N_CHROMA = 12
N_CONTRAST_BANDS = 6
_CONTRAST_LOW_HZ = 200.0
_CONTRAST_QUANTILE = 0.02
_ROLLOFF = 0.85
_A0_HZ = 440.0 / 16
_TINY = 1e-10
_SILENCE_DB = -80.0

DIMENSIONS: dict[Extra, tuple[str, ...]] = {
    "chroma": tuple(f"chroma_{i}" for i in range(N_CHROMA)),
    "contrast": tuple(f"contrast_{i}" for i in range(N_CONTRAST_BANDS + 1)),
    "spectral": ("centroid_hz", "rolloff_hz", "flatness", "zero_crossing_rate", "rms_db"),
    "onset": ("onset",),
}
"""Columns of each extra; `chroma_0` is C."""


def dimensions_extras(extras: Sequence[Extra]) -> tuple[str, ...]:
    """Return the names of the columns: those from the spectrum as asked for, the onset last."""
    ordered = sorted(extras, key=lambda extra: extra == "onset")
    return tuple(name for extra in ordered for name in DIMENSIONS[extra])


def extract_extras(
    frames: np.ndarray, power: np.ndarray, sample_rate_hz: int, extras: Sequence[Extra]
) -> np.ndarray:
    """Compute the extras that a frame's samples and spectrum give (all but the onset, which compares frames).

    Parameters
    ----------
    frames
        float32 [n_frames, n_fft], samples without window.
    power
        float32 [n_frames, n_fft // 2 + 1], their power spectra.
    sample_rate_hz
        Sample rate.
    extras
        Names of the extras.

    Returns
    -------
    numpy.ndarray
        float32 [n_frames, n_columns]; no columns when nothing is asked for.
    """
    columns = [np.zeros((len(frames), 0), dtype=np.float32)]
    for extra in extras:
        if extra == "chroma":
            columns.append(chroma(power, sample_rate_hz))
        elif extra == "contrast":
            columns.append(spectral_contrast(np.sqrt(power), sample_rate_hz))
        elif extra == "spectral":
            columns.append(spectral_shape(frames, power, sample_rate_hz))
    return np.concatenate(columns, axis=1).astype(np.float32, copy=False)


def chroma(power: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Compute the share of the 12 pitch classes from C, [n_frames, 12], the strongest 1; as `chroma_stft`.

    Tuned to 440 Hz: estimating the tuning of each clip costs more than all other features together.
    """
    raw = power @ chroma_filters(sample_rate_hz, 2 * (power.shape[1] - 1)).T
    peak = raw.max(axis=1, keepdims=True)
    normalised: np.ndarray = raw / np.where(peak > np.finfo(np.float32).tiny, peak, 1.0)
    return normalised


def spectral_contrast(magnitude: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Compute peak against valley in octave bands, [n_frames, 7], dB (Jiang et al., ICME 2002; librosa's)."""
    contrasts = []
    for bins in contrast_bands(sample_rate_hz, 2 * (magnitude.shape[1] - 1)):
        band = magnitude[:, bins[0] : bins[1]]
        n = bins[2]
        parted = np.partition(band, (n - 1, band.shape[1] - n), axis=1)
        valley, peak = parted[:, :n].mean(axis=1), parted[:, -n:].mean(axis=1)
        contrasts.append(decibels(peak) - decibels(valley))
    return np.stack(contrasts, axis=1)


def spectral_shape(frames: np.ndarray, power: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Compute centroid, 85 % rolloff (Hz), flatness, zero-crossing rate, level (dB): [n_frames, 5]."""
    bins_hz = np.fft.rfftfreq(frames.shape[1], 1 / sample_rate_hz).astype(np.float32)
    magnitude = np.sqrt(power)
    total = magnitude.sum(axis=1)
    centroid = magnitude @ bins_hz / np.maximum(total, np.finfo(np.float32).tiny)
    rolloff = bins_hz[(magnitude.cumsum(axis=1) >= _ROLLOFF * total[:, np.newaxis]).argmax(axis=1)]
    floored = np.maximum(power, np.float32(_TINY))
    flatness = np.exp(np.log(floored).mean(axis=1)) / floored.mean(axis=1)
    negative = np.signbit(np.where(np.abs(frames) <= _TINY, np.float32(0), frames))
    crossings = (negative[:, 1:] != negative[:, :-1]).sum(axis=1) / frames.shape[1]
    level = decibels(np.mean(frames**2, axis=1), floor_db=_SILENCE_DB)
    return np.stack([centroid, rolloff, flatness, crossings, level], axis=1)


@lru_cache(maxsize=8)
def contrast_bands(sample_rate_hz: int, n_fft: int) -> tuple[tuple[int, int, int], ...]:
    """Return (first bin, end, bins of the quantile) of each band: below 200 Hz, then octaves to the top."""
    edges = [0.0, *(_CONTRAST_LOW_HZ * 2.0**octave for octave in range(N_CONTRAST_BANDS + 1))]
    bins_hz = np.fft.rfftfreq(n_fft, 1 / sample_rate_hz)
    bands = []
    for k, (low, high) in enumerate(pairwise(edges)):
        inside = np.flatnonzero((bins_hz >= low) & (bins_hz <= high))
        last = k == N_CONTRAST_BANDS
        first = inside[0] - (k > 0)
        end = len(bins_hz) if last else inside[-1] + 1
        n_quantile = max(int(np.rint(_CONTRAST_QUANTILE * (end - first))), 1)
        bands.append((int(first), int(end) - (not last), n_quantile))
    return tuple(bands)


@lru_cache(maxsize=8)
def chroma_filters(sample_rate_hz: int, n_fft: int) -> np.ndarray:
    """Return the weight of each FFT bin for each pitch class, float32 [12, n_fft // 2 + 1].

    Ellis's chroma features (2007) as in `librosa.filters.chroma`: a Gaussian bump a semitone, weighted by a
    Gaussian over octaves around the fifth.
    """
    bins_hz = np.linspace(0, sample_rate_hz, n_fft, endpoint=False)[1:]
    semitones = N_CHROMA * np.log2(bins_hz / _A0_HZ)
    semitones = np.concatenate([[semitones[0] - 1.5 * N_CHROMA], semitones])
    widths = np.concatenate([np.maximum(np.diff(semitones), 1.0), [1.0]])
    distance = semitones - np.arange(N_CHROMA)[:, np.newaxis]
    distance = np.remainder(distance + N_CHROMA / 2 + 10 * N_CHROMA, N_CHROMA) - N_CHROMA / 2
    weights = np.exp(-0.5 * (2 * distance / widths) ** 2)
    weights /= np.sqrt(np.sum(weights**2, axis=0))
    weights *= np.exp(-0.5 * ((semitones / N_CHROMA - 5.0) / 2.0) ** 2)
    filters: np.ndarray = np.roll(weights, -3, axis=0)[:, : n_fft // 2 + 1].astype(np.float32)
    return filters
