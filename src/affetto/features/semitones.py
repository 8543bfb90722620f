"""The spectrum of music on the scale of its notes, and what stands out in it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from affetto.audio.decode import resample
from affetto.features.spectrum import decibels, frame_blocks, power_spectrum

PITCHES = np.arange(33, 101)
"""MIDI numbers of the notes, A1 (55 Hz) to E7 (2637 Hz)."""
RANGE_DB = 60.0
"""What lies further below a recording's loudest note is not told apart."""
_DECIMATION = 4
N_FFT = 2048
"""Samples of a window, at the reduced rate."""
_A4_HZ, _A4_MIDI = 440.0, 69
_WIDEST_BINS = 1.3
_NEIGHBOURS = 6
_AUDIBLE_DB, _FULL_DB = -50.0, -30.0
_PROMINENCE_DB = 20.0


def semitone_spectrum(mono: np.ndarray, sample_rate_hz: int, hop: int) -> np.ndarray:
    """Measure the level of every note in every frame.

    The recording is brought to a quarter of its rate, where a window of 2048 samples (372 ms at 22.05 kHz)
    tells semitones apart from 55 Hz; a triangle a semitone wide on each side sums the power around a note.
    Tuned to 440 Hz, like `chroma`.

    Parameters
    ----------
    mono
        float32 [n_samples], full scale 1.0.
    sample_rate_hz
        Its sample rate; at least 11,025 Hz, so that E7 is still below half of the reduced rate.
    hop
        Samples from a frame to the next, a multiple of 4.

    Returns
    -------
    numpy.ndarray
        float32 [1 + n_samples // hop, 68], dB relative to the loudest note of the recording, at least -60;
        all -60 for silence.
    """
    level = decibels(note_power(mono, sample_rate_hz, hop, decimation=_DECIMATION))
    loudest = level.max()
    if loudest <= level.min():
        return np.full_like(level, -RANGE_DB)
    limited: np.ndarray = np.maximum(level - loudest, np.float32(-RANGE_DB))
    return limited


def note_power(
    mono: np.ndarray,
    sample_rate_hz: int,
    hop: int,
    *,
    decimation: int,
    lowest: int = 33,
    highest: int = 100,
) -> np.ndarray:
    """Sum the power around each note of a range of MIDI numbers, at a reduced rate.

    Parameters
    ----------
    mono, sample_rate_hz, hop
        As for `semitone_spectrum`; the hop is a multiple of the decimation.
    decimation
        Sample rate over the reduced one.
    lowest, highest
        The range.

    Returns
    -------
    numpy.ndarray
        float32 [1 + n_samples // hop, n_notes].
    """
    n_frames = 1 + len(mono) // hop
    reduced = resample(mono, decimation, 1) if decimation > 1 else mono
    missing = (n_frames - 1) * hop // decimation - len(reduced)
    reduced = np.pad(reduced, (0, max(0, missing)))
    filters = note_filters(sample_rate_hz / decimation, lowest, highest).T
    blocks = frame_blocks(reduced, n_fft=N_FFT, hop=hop // decimation)
    return np.concatenate([power_spectrum(frames) @ filters for frames in blocks])[:n_frames]


def note_salience(semitones: np.ndarray) -> np.ndarray:
    """Keep the notes that stand out, weighted by how far they do and by how loud they are.

    Parameters
    ----------
    semitones
        [n_frames, 68], dB, as `semitone_spectrum` gives.

    Returns
    -------
    numpy.ndarray
        [n_frames, 68], 0 for what is no local maximum, is below the mean of the octave around it or more
        than 50 dB below the loudest note.
    """
    padded = np.pad(semitones, ((0, 0), (1, 1)), constant_values=-np.inf)
    is_peak = (semitones >= padded[:, :-2]) & (semitones >= padded[:, 2:])
    prominence = np.maximum(semitones - _octave_mean(semitones), 0.0) / _PROMINENCE_DB
    loudness = np.clip((semitones - _AUDIBLE_DB) / (_FULL_DB - _AUDIBLE_DB), 0.0, 1.0)
    salience: np.ndarray = prominence * is_peak * loudness
    return salience


def note_onsets(semitones: np.ndarray) -> np.ndarray:
    """Find where notes begin: a rise of 6 dB within three frames, to no less than 50 dB below the loudest.

    Returns
    -------
    numpy.ndarray
        bool [n_frames, 68], true in the first frame of each rise.
    """
    rise = np.zeros(semitones.shape, dtype=bool)
    rise[3:] = (semitones[3:] - semitones[:-3] > 6.0) & (semitones[3:] > _AUDIBLE_DB)  # noqa: PLR2004
    begins = rise.copy()
    begins[1:] &= ~rise[:-1]
    return begins


@lru_cache(maxsize=8)
def note_filters(sample_rate_hz: float, lowest: int = 33, highest: int = 100) -> np.ndarray:
    """Return the weight of each FFT bin for each note of a range of MIDI numbers, float32 [n_notes, 1025]."""
    bins_hz = np.fft.rfftfreq(N_FFT, 1 / sample_rate_hz)
    notes_hz = hz_of(np.arange(lowest, highest + 1))
    half_width = np.maximum(notes_hz * (2 ** (1 / 12) - 1), _WIDEST_BINS * bins_hz[1])
    distance = np.abs(bins_hz - notes_hz[:, np.newaxis]) / half_width[:, np.newaxis]
    filters: np.ndarray = np.maximum(0.0, 1.0 - distance).astype(np.float32)
    return filters


def hz_of(midi: np.ndarray) -> np.ndarray:
    """Return the frequencies of notes, Hz."""
    return np.asarray(_A4_HZ * 2.0 ** ((midi - _A4_MIDI) / 12))


def _octave_mean(semitones: np.ndarray) -> np.ndarray:
    """Mean over the six notes on each side and the note itself, fewer at the ends."""
    sums = np.cumsum(np.pad(semitones, ((0, 0), (1, 0))), axis=1, dtype=np.float64)
    notes = np.arange(semitones.shape[1])
    first, end = np.maximum(notes - _NEIGHBOURS, 0), np.minimum(notes + _NEIGHBOURS + 1, len(notes))
    mean: np.ndarray = (sums[:, end] - sums[:, first]) / (end - first)
    return mean
