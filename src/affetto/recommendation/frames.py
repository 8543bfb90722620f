"""Level, periodicity and period of short frames of a recording of any length, in little memory.

A recording is cut into Hann-windowed frames of 40 ms every 10 ms at 16 kHz. The periodicity of a frame is the
greatest peak of its autocorrelation, divided by the window's (Boersma 1993), at a lag between 1/400 and
1/60 s. The autocorrelation is that of the band 70-2500 Hz with power weighted by frequency: this flattens
pink noise and rumble, which otherwise resemble themselves at short lags, and leaves out the hiss above the
voice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

SAMPLE_RATE_HZ = 16_000
HOP_S = 0.01
FRAME_S = 0.04
_FRAME = 640
_HOP = 160
_FFT = 1024
_BAND_HZ = (70.0, 2500.0)
_LAG_MIN = SAMPLE_RATE_HZ // 400
_LAG_MAX = SAMPLE_RATE_HZ // 60
_CHUNK = 1000
_TINY = 1e-12
_HANN_POWER = 0.375
_LEAST_HZ = 1.0
_UPPER_HZ = 600.0


class FrameMeasures(NamedTuple):
    """What is measured of each frame, float [n_frames] each.

    Attributes
    ----------
    level
        dB re full scale (RMS 1 = 0 dB; silence -120).
    periodicity
        The greatest normalised autocorrelation at the lags of a voice, 0 where it has no peak there.
    period
        The lag of that peak, samples, between samples by a parabola.
    upper
        Level of what lies above 600 Hz, relative to the whole frame, dB: the formants of a voice are there.
    """

    level: np.ndarray
    periodicity: np.ndarray
    period: np.ndarray
    upper: np.ndarray


def frame_measures(samples: np.ndarray) -> FrameMeasures:
    """Measure the frames of a recording.

    Parameters
    ----------
    samples
        Mono samples at 16 kHz, float [n_samples].

    Returns
    -------
    FrameMeasures
        One value a frame; a recording shorter than a frame is padded to one.
    """
    return measure_blocks([samples])[0]


def measure_blocks(blocks: Iterable[np.ndarray]) -> tuple[FrameMeasures, int]:
    """Measure the frames of a recording that comes in blocks.

    Parameters
    ----------
    blocks
        Mono samples at 16 kHz, float [n] each, one after the other.

    Returns
    -------
    tuple
        The measures, the same for any division into blocks, and the number of samples.
    """
    rest, parts, n_samples = np.zeros(0, dtype=np.float32), [], 0
    for block in blocks:
        n_samples += len(block)
        rest = np.concatenate([rest, np.nan_to_num(np.asarray(block, dtype=np.float32))])
        n_frames = max(0, (len(rest) - _FRAME) // _HOP + 1)
        if n_frames:
            parts += _measure(rest[: (n_frames - 1) * _HOP + _FRAME])
            rest = rest[n_frames * _HOP :]
    if not parts:
        parts = _measure(np.pad(rest, (0, _FRAME - len(rest))))
    return FrameMeasures(*(np.concatenate(column) for column in zip(*parts, strict=True))), n_samples


def _measure(samples: np.ndarray) -> list[FrameMeasures]:
    frames = np.lib.stride_tricks.sliding_window_view(samples, _FRAME)[::_HOP]
    chunks = (frames[start : start + _CHUNK] for start in range(0, len(frames), _CHUNK))
    centred = (chunk - chunk.mean(axis=1, keepdims=True) for chunk in chunks)  # an offset is no sound
    return [
        FrameMeasures(10 * np.log10(np.mean(chunk**2, axis=1) + _TINY), *_periodicity(chunk))
        for chunk in centred
    ]


def _periodicity(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return height and lag of the highest inner peak of the normalised autocorrelation, and the upper level.

    Frames have no offset.
    """
    from scipy.fft import irfft, rfft

    window = np.hanning(_FRAME + 2)[1:-1].astype(np.float32)
    frequency = np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE_HZ)
    weight = np.where((frequency >= _BAND_HZ[0]) & (frequency <= _BAND_HZ[1]), frequency, 0.0)
    spectrum = rfft(frames * window, _FFT)
    power = np.abs(spectrum) ** 2
    correlation = irfft(power * weight.astype(np.float32), _FFT)
    of_window = irfft(np.abs(rfft(window, _FFT)) ** 2, _FFT)
    lags = np.arange(_LAG_MIN - 1, _LAG_MAX + 2)
    # Clicks at the edge of a window and hiss above the band leave next to nothing behind window and band, and
    # that resembles itself: the energy of the whole frame, as if at 1 Hz, bounds the divisor from below.
    least = _HANN_POWER * np.sum(frames**2, axis=1, keepdims=True) * _LEAST_HZ
    divisor = (correlation[:, :1] + least + _TINY) * (of_window[lags] / of_window[0])
    normalised = correlation[:, lags] / divisor
    inner = normalised[:, 1:-1]
    peak = (inner >= normalised[:, :-2]) & (inner >= normalised[:, 2:])
    heights = np.where(peak, inner, 0.0)
    best = heights.argmax(axis=1)
    rows = np.arange(len(frames))
    before, top, after = (normalised[rows, best + shift] for shift in range(3))
    curvature = np.minimum(before - 2 * top + after, -_TINY)
    shift = np.clip(0.5 * (before - after) / curvature, -1.0, 1.0)
    highest: np.ndarray = heights[rows, best]
    share = power[:, frequency >= _UPPER_HZ].sum(axis=1) / (power.sum(axis=1) + _TINY)
    return highest, _LAG_MIN + best + shift, 10 * np.log10(share + _TINY)
