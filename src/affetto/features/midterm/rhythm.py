"""Rhythm of music: how the onsets repeat, and how fast each frame feature goes up and down."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

TEMPI_BPM = np.geomspace(40.0, 480.0, 24)
"""Tempi at which the onsets are compared with themselves, beats a minute."""
MODULATION_EDGES_HZ = (0.25, 0.7, 1.5, 3.0, 6.0, 12.0, 21.5)
"""Edges of the modulation bands: phrases, bars, beats, quavers, tremolo, roughness."""
_TINY = 1e-9
_SMALLEST_POWER = 1e-10


def tempo_profile(onset: np.ndarray, hop_s: float) -> np.ndarray:
    """Correlate a window's onset strength with itself, a beat later, for each tempo.

    The autocorrelation tempogram (Grosche, Müller & Kurth, ICASSP 2010) on a logarithmic axis of tempo:
    float64 [24], at most 1; 0 for tempi whose beat is longer than the window and for windows without onsets.
    """
    centred = onset - onset.mean()
    spectrum = np.fft.rfft(centred, 2 * len(centred))
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, 2 * len(centred))[: len(centred)]
    lags = 60.0 / TEMPI_BPM / hop_s
    scaled = correlation / (correlation[0] + _TINY)
    profile: np.ndarray = np.interp(lags, np.arange(len(centred)), scaled, right=0.0)
    return profile


def modulation_energies(frames: np.ndarray, hop_s: float) -> np.ndarray:
    """Measure how strongly each frame feature of a window is modulated in each band of rates.

    Modulation spectral features (Lee, Shih, Yu & Lin, IEEE Trans. Multimedia 11(4), 2009) without their
    contrast: float64 [6, n_dimensions], natural logarithm of the mean power. Bands that the window is too
    short or the hop too long for hold the smallest power.
    """
    centred = (frames - frames.mean(axis=0)) * np.hanning(len(frames))[:, np.newaxis]
    power = np.abs(np.fft.rfft(centred, axis=0)) ** 2 / len(frames)
    rates_hz = np.fft.rfftfreq(len(frames), hop_s)
    bands = [power[(rates_hz >= low) & (rates_hz < high)] for low, high in pairwise(MODULATION_EDGES_HZ)]
    means = [band.mean(axis=0) if len(band) else np.zeros(frames.shape[1]) for band in bands]
    energies: np.ndarray = np.log(np.stack(means) + _SMALLEST_POWER)
    return energies
