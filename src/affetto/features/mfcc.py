"""Mel-frequency cepstral coefficients with their derivatives, the input of the music models."""

from __future__ import annotations

import numpy as np

from affetto.features.extras import dimensions_extras, extract_extras
from affetto.features.parameters import MfccParameters
from affetto.features.spectrum import (
    dct_matrix,
    decibels,
    frame_blocks,
    mel_filters,
    power_spectrum,
    prepare_samples,
)

MFCC_VERSION = 1
_DYNAMIC_RANGE_DB = 80.0


def dimensions_mfcc(parameters: MfccParameters) -> tuple[str, ...]:
    """Return `mfcc_0`, …, `delta_0`, …, `delta2_0`, …, then those of the extras."""
    orders = ("mfcc", "delta", "delta2")[: parameters.delta_order + 1]
    static = tuple(f"{order}_{i}" for order in orders for i in range(parameters.n_mfcc))
    return static + dimensions_extras(parameters.extras)


def extract_mfcc(samples: np.ndarray, sample_rate_hz: int, parameters: MfccParameters) -> np.ndarray:
    """Compute MFCC, their derivatives and the extras of a recording.

    Equal to `librosa.feature.mfcc` and `librosa.feature.delta` of librosa 0.11.

    Parameters
    ----------
    samples
        [n_samples], mono, full scale 1.0; any length from one sample.
    sample_rate_hz
        Resampled to `parameters.sample_rate_hz` when it differs.
    parameters
        Window, hop, coefficients, derivatives and extras.

    Returns
    -------
    numpy.ndarray
        float32 [1 + n_samples // hop, n_dimensions], columns as `dimensions_mfcc` says.
    """
    mono = prepare_samples(samples, sample_rate_hz, parameters.sample_rate_hz)
    rate = parameters.sample_rate_hz
    filters = mel_filters(rate, parameters.n_fft, parameters.n_mels, 0.0, rate / 2).T.copy()
    mel, extras = [], []
    for frames in frame_blocks(mono, n_fft=parameters.n_fft, hop=parameters.hop):
        power = power_spectrum(frames)
        mel.append(power @ filters)
        extras.append(extract_extras(frames, power, rate, parameters.extras))
    bands_db = decibels(np.concatenate(mel))
    clipped = np.maximum(bands_db, bands_db.max() - np.float32(_DYNAMIC_RANGE_DB))
    static = clipped @ dct_matrix(parameters.n_mfcc, parameters.n_mels).T
    parts = [static]
    parts += [
        delta(static, order=order, width=parameters.delta_width)
        for order in range(1, parameters.delta_order + 1)
    ]
    parts.append(np.concatenate(extras))
    if "onset" in parameters.extras:
        parts.append(onset_strength(clipped))
    return np.concatenate(parts, axis=1)


def delta(values: np.ndarray, *, order: int, width: int) -> np.ndarray:
    """Compute the first or second derivative over frames by local polynomial fits (Savitzky-Golay).

    Parameters
    ----------
    values
        float32 [n_frames, n_dimensions].
    order
        1: slope of a line; 2: second derivative of a parabola.
    width
        Frames under the fit, odd.

    Returns
    -------
    numpy.ndarray
        float32, shaped like `values`, in units a frame. Within half a width of the ends the fit of the
        outermost whole window holds; a recording shorter than `width` is extended by its outermost frames
        instead.
    """
    half, n_frames = width // 2, len(values)
    offsets = np.arange(-half, half + 1, dtype=np.float64)
    basis = offsets if order == 1 else offsets**2 - np.mean(offsets**2)
    weights = (order * basis / np.sum(basis**2)).astype(np.float32)
    short = n_frames < width
    source = np.pad(values, ((half, half), (0, 0)), mode="edge") if short else values
    n_windows = len(source) - width + 1
    fits = np.zeros((n_windows, values.shape[1]), dtype=np.float32)
    for position, weight in enumerate(weights):
        fits += weight * source[position : position + n_windows]
    return fits if short else np.pad(fits, ((half, half), (0, 0)), mode="edge")


def onset_strength(bands_db: np.ndarray) -> np.ndarray:
    """Compute the mean rise of the mel bands since the frame before, float32 [n_frames, 1], dB; 0 at first.

    The spectral flux of Böck and Widmer (DAFx 2013) without vibrato suppression; librosa's `onset_strength`
    without its shift by half a window.
    """
    rises = np.maximum(np.diff(bands_db, axis=0, prepend=bands_db[:1]), 0.0)
    strength: np.ndarray = rises.mean(axis=1, keepdims=True, dtype=np.float32)
    return strength
