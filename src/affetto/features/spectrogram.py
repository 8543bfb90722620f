"""Log-mel spectrograms, the input of the convolutional models."""

from __future__ import annotations

import numpy as np

from affetto.features.parameters import LogMelParameters
from affetto.features.spectrum import decibels, frame_blocks, mel_filters, power_spectrum, prepare_samples

LOG_MEL_VERSION = 1


def dimensions_log_mel(parameters: LogMelParameters) -> tuple[str, ...]:
    """Return `mel_0`, `mel_1`, …, from low to high."""
    return tuple(f"mel_{band}" for band in range(parameters.n_mels))


def extract_log_mel(samples: np.ndarray, sample_rate_hz: int, parameters: LogMelParameters) -> np.ndarray:
    """Compute the log-mel spectrogram of a recording.

    Parameters
    ----------
    samples
        [n_samples], mono, full scale 1.0; any length from one sample.
    sample_rate_hz
        Resampled to `parameters.sample_rate_hz` when it differs.
    parameters
        Window, hop, bands and floor.

    Returns
    -------
    numpy.ndarray
        float32 [1 + n_samples // hop, n_mels], power in dB relative to 1.0, at least `floor_db`. It does
        not depend on the recording's peak: unlike a spectrogram relative to its maximum, it keeps the level
        of the voice.
    """
    mono = prepare_samples(samples, sample_rate_hz, parameters.sample_rate_hz)
    filters = mel_filters(
        parameters.sample_rate_hz, parameters.n_fft, parameters.n_mels, parameters.fmin, parameters.fmax
    ).T.copy()
    blocks = frame_blocks(mono, n_fft=parameters.n_fft, hop=parameters.hop)
    floor_db = parameters.floor_db
    return np.concatenate(
        [decibels(power_spectrum(frames) @ filters, floor_db=floor_db) for frames in blocks]
    )
