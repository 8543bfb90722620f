"""The spectrum of music on the scale of its notes, what stands out in it, and its notes as events.

A transcription takes the spectrum of each frame for a sum of harmonic notes with weights of 0 or more:
non-negative matrix factorisation with a fixed dictionary (Lee and Seung, NIPS 2000; for music Smaragdis and
Brown, WASPAA 2003), here of harmonic templates as in Vincent, Bertin and Badeau, IEEE TASLP 18(3), 2010. A
note begins where its weight rises. The numbers below were chosen on piano music of which the notes are known
(docs/music.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from affetto.audio.recording import resample
from affetto.features.spectrum import decibels, frame_blocks, hann, power_spectrum

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

_BANDS = ((4, 33, 55), (2, 56, 76), (1, 77, 118))
"""Decimation, lowest and highest partial: windows of 372, 186 and 93 ms at 22.05 kHz, up to 7.5 kHz."""
_N_PARTIALS = 20
_PARTIAL_DECAY = 0.6  # amplitude of each partial relative to the one below
_COMPRESSION = 0.65  # exponent of all amplitudes, so that soft notes count beside loud ones
_N_UPDATES = 20
_RISE_DB, _RISE_FRAMES = 3.0, 2
_REACH_FRAMES = 4  # within which the rise must end
_LEAST_FRAMES_APART = 3  # beginnings of the same pitch
_PEAK_FRAMES = 8  # a note is loudest within 0.2 s of its beginning
_LOUD_PERCENTILE = 95
_SOFTEST_DB = -15.0  # relative to loud notes of the recording
_END_DB = -15.0  # relative to the note itself
_NOTE_RANGE_DB = 70.0
_DECAY_FRAMES = 12
_SILENT_DB = -100.0
_TINY = 1e-9


def semitone_spectrum(mono: np.ndarray, sample_rate_hz: int, hop: int) -> np.ndarray:
    """Measure the level of every note in every frame.

    The recording is brought to a quarter of its rate, where a window of 2048 samples (372 ms at 22.05 kHz)
    tells semitones apart from 55 Hz; a triangle a semitone wide on each side sums the power around a note.
    Tuned to 440 Hz, like `chroma`. The sample rate is at least 11,025 Hz, so that E7 is still below half of
    the reduced rate, and the hop a multiple of 4.

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
    """Sum the power around each note of a range of MIDI numbers, float32 [1 + n_samples // hop, n_notes].

    `decimation` is the sample rate over the reduced one that is measured at, a divisor of the hop.
    """
    n_frames = 1 + len(mono) // hop
    reduced = resample(mono, decimation, 1) if decimation > 1 else mono
    missing = (n_frames - 1) * hop // decimation - len(reduced)
    reduced = np.pad(reduced, (0, max(0, missing)))
    filters = note_filters(sample_rate_hz / decimation, lowest, highest).T
    blocks = frame_blocks(reduced, n_fft=N_FFT, hop=hop // decimation)
    return np.concatenate([power_spectrum(frames) @ filters for frames in blocks])[:n_frames]


def note_salience(semitones: np.ndarray) -> np.ndarray:
    """Keep the notes of a semitone spectrum that stand out, weighted by how far and by how loud they are.

    What is no local maximum, is below the mean of the octave around it or more than 50 dB below the loudest
    note becomes 0.
    """
    padded = np.pad(semitones, ((0, 0), (1, 1)), constant_values=-np.inf)
    is_peak = (semitones >= padded[:, :-2]) & (semitones >= padded[:, 2:])
    prominence = np.maximum(semitones - _octave_mean(semitones), 0.0) / _PROMINENCE_DB
    loudness = np.clip((semitones - _AUDIBLE_DB) / (_FULL_DB - _AUDIBLE_DB), 0.0, 1.0)
    salience: np.ndarray = prominence * is_peak * loudness
    return salience


def note_onsets(semitones: np.ndarray) -> np.ndarray:
    """Find where notes begin, bool [n_frames, 68], true in the first frame of each rise.

    It is one of 6 dB within three frames, to no less than 50 dB below the loudest note.
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


@dataclass(frozen=True)
class NoteEvents:
    """The notes of a recording in the order of their beginnings; arrays [n_notes] but for `levels_db`.

    Attributes
    ----------
    onset, length
        First frame, and number of frames, int64.
    pitch
        MIDI number, int64.
    level_db
        Amplitude of the fundamental at its loudest, dB re full scale, of a note with the partials of the
        dictionary; a note with fewer ones counts as softer.
    decay_db_s
        How the level goes on from there, dB/s; 0 where the note is too short to tell.
    rise
        Frames from the beginning to the loudest moment, int64.
    loud_db
        Level that the loudest note of a frame exceeds in 5 % of the frames that are not silent, dB re full
        scale.
    levels_db
        float32 [n_frames, 68]: level of each of `PITCHES` where a note of it sounds, -inf elsewhere.
    """

    onset: np.ndarray
    length: np.ndarray
    pitch: np.ndarray
    level_db: np.ndarray
    decay_db_s: np.ndarray
    rise: np.ndarray
    loud_db: float
    levels_db: np.ndarray


def transcribe(mono: np.ndarray, sample_rate_hz: int, hop: int) -> NoteEvents:
    """Estimate the notes of a recording from A1 (55 Hz) to E7 (2637 Hz); none in silence.

    The sample rate is at least 16,000 Hz, and the hop a multiple of 4.
    """
    compressed = _amplitudes(mono, sample_rate_hz, hop) ** _COMPRESSION
    weights = _factorise(compressed, note_templates(sample_rate_hz) ** _COMPRESSION)
    level = (20.0 / _COMPRESSION * np.log10(np.maximum(weights, _TINY))).astype(np.float32)
    loudest = level.max(axis=1)
    heard = loudest > max(float(loudest.max()) - _NOTE_RANGE_DB, _SILENT_DB)
    if not heard.any():
        nothing, silence = np.zeros(0, np.int64), np.full_like(level, -np.inf)
        return NoteEvents(nothing, nothing, nothing, nothing, nothing, nothing, _SILENT_DB, silence)
    loud = float(np.percentile(loudest[heard], _LOUD_PERCENTILE))
    return _notes(np.maximum(level, np.float32(loud - _NOTE_RANGE_DB)), loud, hop / sample_rate_hz)


@lru_cache(maxsize=4)
def note_templates(sample_rate_hz: int) -> np.ndarray:
    """Return the amplitudes that notes of 1.0 show at all partials, float32 [68, 86].

    The partials of a note fall off by 0.6 each; every one is seen through window and filters of its range.
    """
    partials = np.arange(1, _N_PARTIALS + 1)
    power = [
        sum(_PARTIAL_DECAY ** (2 * (k - 1)) * _response(k * fundamental_hz, sample_rate_hz) for k in partials)
        for fundamental_hz in hz_of(PITCHES)
    ]
    templates: np.ndarray = np.sqrt(np.stack(power)).astype(np.float32)
    return templates


def _response(hz: float, sample_rate_hz: int) -> np.ndarray:
    """Power that each filter of all ranges gives for a sinusoid of amplitude 1, [86]."""
    window, parts = hann(N_FFT), []
    for decimation, lowest, highest in _BANDS:
        rate_hz = sample_rate_hz / decimation
        power = np.zeros(N_FFT // 2 + 1)
        if hz < 0.49 * rate_hz:
            tone = np.cos(2 * np.pi * hz / rate_hz * np.arange(N_FFT))
            power = np.abs(np.fft.rfft(window * tone)) ** 2 / _full_scale()
        parts.append(note_filters(rate_hz, lowest, highest) @ power)
    return np.concatenate(parts)


def _amplitudes(mono: np.ndarray, sample_rate_hz: int, hop: int) -> np.ndarray:
    """Amplitude around every note up to 7.5 kHz, float32 [n_frames, 86]."""
    parts = [
        note_power(mono, sample_rate_hz, hop, decimation=decimation, lowest=lowest, highest=highest)
        for decimation, lowest, highest in _BANDS
    ]
    return np.sqrt(np.concatenate(parts, axis=1) / np.float32(_full_scale()))


def _full_scale() -> float:
    """Power of a sinusoid of amplitude 1 at the bin of its frequency."""
    return float((hann(N_FFT).sum() / 2) ** 2)


def _factorise(observed: np.ndarray, templates: np.ndarray) -> np.ndarray:
    """Return weights [n_frames, n_notes] under which templates [n_notes, n_bins] best sum to the observed.

    Multiplicative updates for the Kullback-Leibler divergence (Lee and Seung, equation 5).
    """
    weights: np.ndarray = np.maximum(observed @ templates.T, _TINY) / (templates**2).sum(axis=1)
    totals = templates.sum(axis=1)
    for _ in range(_N_UPDATES):
        weights *= (observed / np.maximum(weights @ templates, _TINY)) @ templates.T / totals
    return weights


def _notes(level: np.ndarray, loud_db: float, frame_s: float) -> NoteEvents:
    found = [note for pitch, onset in _beginnings(level, loud_db) for note in _of_pitch(level, pitch, onset)]
    found.sort()
    columns = np.array(found, dtype=np.int64).reshape(-1, 4).T
    onset, pitch, end, peak = columns
    sounding = np.full(level.shape, -np.inf, dtype=np.float32)
    for first, k, last in zip(onset, pitch, end, strict=True):
        sounding[first:last, k] = level[first:last, k]
    later = np.minimum(peak + _DECAY_FRAMES, end - 1)
    fall = level[later, pitch] - level[peak, pitch]
    decay = np.where(later > peak + 1, fall / (np.maximum(later - peak, 1) * frame_s), 0.0)
    return NoteEvents(
        onset, end - onset, PITCHES[pitch], level[peak, pitch], decay, peak - onset, loud_db, sounding
    )


def _beginnings(level: np.ndarray, loud_db: float) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the frames in which notes begin, pitch by pitch: the steepest of a rise to something audible."""
    floor = np.full((_RISE_FRAMES, level.shape[1]), loud_db - _NOTE_RANGE_DB, dtype=level.dtype)
    rise = level - np.concatenate([floor, level])[: len(level)]
    steepest = np.zeros(level.shape, dtype=bool)
    steepest[1:-1] = (rise[1:-1] >= rise[:-2]) & (rise[1:-1] > rise[2:])
    ahead = np.pad(level, ((0, _REACH_FRAMES - 1), (0, 0)), mode="edge")
    reached = np.maximum.reduce([ahead[k : k + len(level)] for k in range(_REACH_FRAMES)])
    begins = steepest & (rise > _RISE_DB) & (reached > loud_db + _SOFTEST_DB)
    for pitch in np.flatnonzero(begins.any(axis=0)):
        onsets = np.flatnonzero(begins[:, pitch])
        apart = np.diff(onsets, prepend=-_LEAST_FRAMES_APART) >= _LEAST_FRAMES_APART
        yield int(pitch), onsets[apart]


def _of_pitch(level: np.ndarray, pitch: int, onsets: np.ndarray) -> Iterator[tuple[int, int, int, int]]:
    """Yield onset, pitch, end and loudest frame of notes; each ends at the next one at the latest."""
    for onset, limit in zip(onsets, [*onsets[1:], len(level)], strict=True):
        part = level[onset:limit, pitch]
        peak = int(part[:_PEAK_FRAMES].argmax())
        faded = np.flatnonzero(part[peak:] < part[peak] + _END_DB)
        end = peak + int(faded[0]) if len(faded) else len(part)
        yield int(onset), pitch, int(onset) + max(end, 1), int(onset) + peak
