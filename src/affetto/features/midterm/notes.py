"""The spectrum of music on the scale of its notes, its notes as events, and how these are played.

A transcription takes the spectrum of each frame for a sum of harmonic notes with weights of 0 or more:
non-negative matrix factorisation with a fixed dictionary (Lee and Seung, NIPS 2000; for music Smaragdis and
Brown, WASPAA 2003), here of harmonic templates as in Vincent, Bertin and Badeau, IEEE TASLP 18(3), 2010. A
note begins where its weight rises. The numbers below were chosen on piano music of which the notes are known
(docs/music.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from affetto.audio.recording import resample
from affetto.features.spectrum import decibels, frame_blocks, hann, power_spectrum

RATE_HZ = 22_050
"""Sample rate that mid-term features are measured at."""
HOP = 512
"""Samples from a frame to the next."""
FRAME_S = HOP / RATE_HZ
PITCHES = np.arange(33, 101)
"""MIDI numbers of the notes, A1 (55 Hz) to E7 (2637 Hz)."""
_RANGE_DB = 60.0  # what lies further below a recording's loudest note is not told apart
_N_FFT = 2048
_FULL_SCALE = float((hann(_N_FFT).sum() / 2) ** 2)  # power of a sinusoid of amplitude 1 at its own bin
_AUDIBLE_DB, _FULL_DB = -50.0, -30.0

_BANDS = ((4, 33, 55), (2, 56, 76), (1, 77, 118))
"""Decimation, lowest and highest partial: windows of 372, 186 and 93 ms, up to 7.5 kHz."""
_N_PARTIALS = 20
_PARTIAL_DECAY = 0.6  # amplitude of each partial relative to the one below
_COMPRESSION = 0.65  # exponent of all amplitudes, so that soft notes count beside loud ones
_N_UPDATES = 20
_RISE_DB, _RISE_FRAMES = 3.0, 2
_REACH_FRAMES = 4  # within which the rise must end
_LEAST_FRAMES_APART = 3  # beginnings of the same pitch
_PEAK_FRAMES = 8  # a note is loudest within 0.2 s of its beginning
_SOFTEST_DB = -15.0  # relative to loud notes of the recording
_END_DB = -15.0  # relative to the note itself
_NOTE_RANGE_DB = 70.0
_DECAY_FRAMES = 12
_SILENT_DB = -100.0
_TINY = 1e-9

_LOW_BELOW, _HIGH_FROM = 52, 67  # E3, G4
_REGISTERS = ("low", "middle", "high")
_MOST_AT_ONCE = 6
_SHORT_S, _LONG_S = 0.126, 0.794  # 10 ** -0.9, 10 ** -0.1
_CHORD_FRAMES = 3  # low notes are found some frames later than high ones
_MELODY_FROM = 57  # A3
_LINE_RANGE_DB = 20.0  # a line runs among the notes no further below the loudest that sounds
_SHORTEST_IN_LINE = 3  # frames
_NO_DURATION, _NO_LEVEL_DB, _NO_PITCH = -0.7, -20.0, 60.0  # where there is no note: what is common
_NO_INTERVAL = 0.8  # log10 of about the length of a window

_LINE_NAMES = (
    *("share", "pitch", "pitch_deviation", "duration", "rate", "steps", "thirds", "fourths_fifths"),
    *("octaves", "rising", "interval", "leap"),
)
EVENT_DIMENSIONS = (
    *("sounding", "sounding_deviation", *(f"sounding_share_{n}" for n in range(_MOST_AT_ONCE + 1))),
    *("sounding_change", "sounding_changing", "rate", *(f"rate_{register}" for register in _REGISTERS)),
    *("duration_10", "duration_50", "duration_90", "duration_deviation"),
    *(f"duration_{register}" for register in _REGISTERS),
    *("duration_short", "duration_long", "level_10", "level_50", "level_90", "level_deviation"),
    *(f"level_{register}" for register in _REGISTERS),
    *("level_clip", "decay_10", "decay_50", "decay_90", "decay_low", "decay_high", "rise_50", "rise_90"),
    *("onset_rate", "onset_size", "interval_10", "interval_50", "interval_90", "interval_deviation"),
    *("pitch", "pitch_deviation", "pitch_10", "pitch_50", "pitch_90"),
)
"""Columns of `event_statistics`: notes sounding at once; beginnings a second; durations (log10 s); levels (dB
relative to the clip's loud notes, but for that of the clip, dB re full scale); decay (dB/s); rise (frames);
beginnings of chords a second and notes in each; time between them (log10 s); pitches (MIDI)."""
LINE_DIMENSIONS = tuple(f"{line}_{name}" for line in ("melody", "bassline") for name in _LINE_NAMES)
"""Columns of `line_statistics`, of the highest and the lowest notes: share of the time, pitch (MIDI),
duration (log10 s) and number a second; shares of intervals by size and direction, mean and mean size
(semitones)."""


def semitone_spectrum(mono: np.ndarray) -> np.ndarray:
    """Measure the level of every note in every frame.

    The recording is brought to a quarter of its rate, where a window of 2048 samples (372 ms) tells semitones
    apart from 55 Hz; a triangle a semitone wide on each side sums the power around a note. Tuned to 440 Hz,
    like `chroma`.

    Returns
    -------
    numpy.ndarray
        float32 [1 + n_samples // 512, 68], dB relative to the loudest note of the recording, at least -60;
        all -60 for silence.
    """
    level = decibels(_note_power(mono, 4, int(PITCHES[0]), int(PITCHES[-1])))
    loudest = level.max()
    if loudest <= level.min():
        return np.full_like(level, -_RANGE_DB)
    limited: np.ndarray = np.maximum(level - loudest, np.float32(-_RANGE_DB))
    return limited


def note_salience(semitones: np.ndarray) -> np.ndarray:
    """Keep the notes of a semitone spectrum that stand out, weighted by how far and by how loud they are.

    What is no local maximum, is below the mean of the octave around it or more than 50 dB below the loudest
    note becomes 0.
    """
    level = np.pad(semitones, ((0, 0), (1, 1)), constant_values=-np.inf)
    is_peak = (semitones >= level[:, :-2]) & (semitones >= level[:, 2:])
    before = np.pad(semitones, ((0, 0), (1, 0)))
    sums = np.cumsum(before, axis=1, dtype=np.float64)
    notes = np.arange(semitones.shape[1])
    first, end = np.maximum(notes - 6, 0), np.minimum(notes + 7, len(notes))
    octave_mean = (sums[:, end] - sums[:, first]) / (end - first)
    prominence = np.maximum(semitones - octave_mean, 0.0) / 20.0
    loudness = (semitones - _AUDIBLE_DB) / (_FULL_DB - _AUDIBLE_DB)
    salience: np.ndarray = prominence * is_peak * np.clip(loudness, 0.0, 1.0)
    return salience


def note_onsets(semitones: np.ndarray) -> np.ndarray:
    """Find where notes begin, bool [n_frames, 68], true in the first frame of each rise.

    It is one of 6 dB within three frames, to no less than 50 dB below the loudest note.
    """
    rise = np.zeros(semitones.shape, dtype=bool)
    later = semitones[3:]
    rise[3:] = (later - semitones[:-3] > 6.0) & (later > _AUDIBLE_DB)  # noqa: PLR2004
    begins = rise.copy()
    begins[1:] &= ~rise[:-1]
    return begins


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


def transcribe(mono: np.ndarray) -> NoteEvents:
    """Estimate the notes of a recording from A1 (55 Hz) to E7 (2637 Hz); none in silence.

    The weights of the notes come from multiplicative updates for the Kullback-Leibler divergence (Lee and
    Seung, equation 5).
    """
    power = np.concatenate([_note_power(mono, *band) for band in _BANDS], axis=1)
    observed = np.sqrt(power / np.float32(_FULL_SCALE)) ** _COMPRESSION
    templates = _note_templates() ** _COMPRESSION
    weights = np.maximum(observed @ templates.T, _TINY)
    weights = weights / (templates**2).sum(axis=1)
    totals = templates.sum(axis=1)
    for _ in range(_N_UPDATES):
        ratio = observed / np.maximum(weights @ templates, _TINY)
        weights *= ratio @ templates.T / totals
    level = 20.0 / _COMPRESSION * np.log10(np.maximum(weights, _TINY))
    level = level.astype(np.float32)

    loudest = level.max(axis=1)
    softest = max(float(loudest.max()) - _NOTE_RANGE_DB, _SILENT_DB)
    heard = loudest > softest
    loud, found = _SILENT_DB, []
    if heard.any():
        loud = float(np.percentile(loudest[heard], 95))
        level = np.maximum(level, np.float32(loud - _NOTE_RANGE_DB))
        found = _find_notes(level, loud)
    onset, pitch, end, peak = np.array(found, dtype=np.int64).reshape(-1, 4).T
    sounding = np.full(level.shape, -np.inf, dtype=np.float32)
    for first, k, last in zip(onset, pitch, end, strict=True):
        sounding[first:last, k] = level[first:last, k]
    later = np.minimum(peak + _DECAY_FRAMES, end - 1)
    fall = level[later, pitch] - level[peak, pitch]
    decay = fall / (np.maximum(later - peak, 1) * FRAME_S)
    return NoteEvents(
        onset=onset,
        length=end - onset,
        pitch=PITCHES[pitch],
        level_db=level[peak, pitch],
        decay_db_s=np.where(later > peak + 1, decay, 0.0),
        rise=peak - onset,
        loud_db=loud,
        levels_db=sounding,
    )


def _find_notes(level: np.ndarray, loud_db: float) -> list[tuple[int, int, int, int]]:
    """Return onset, number of the pitch, end and loudest frame of each note, sorted.

    A note begins at the steepest moment of a rise to something audible, and ends where it has faded, at the
    next one of its pitch at the latest.
    """
    n_frames, n_pitches = level.shape
    floor = np.full((_RISE_FRAMES, n_pitches), loud_db - _NOTE_RANGE_DB, level.dtype)
    rise = level - np.concatenate([floor, level])[:n_frames]
    steepest = np.zeros(level.shape, dtype=bool)
    steepest[1:-1] = (rise[1:-1] >= rise[:-2]) & (rise[1:-1] > rise[2:])
    ahead = np.pad(level, ((0, _REACH_FRAMES - 1), (0, 0)), mode="edge")
    shifted = [ahead[k : k + n_frames] for k in range(_REACH_FRAMES)]
    reached = np.maximum.reduce(shifted)
    begins = steepest & (rise > _RISE_DB) & (reached > loud_db + _SOFTEST_DB)
    notes = []
    for pitch in np.flatnonzero(begins.any(axis=0)).tolist():
        onsets = np.flatnonzero(begins[:, pitch])
        apart = np.diff(onsets, prepend=-_LEAST_FRAMES_APART) >= _LEAST_FRAMES_APART
        limits = [*onsets[apart].tolist(), len(level)]
        for onset, limit in pairwise(limits):
            part = level[onset:limit, pitch]
            peak = int(part[:_PEAK_FRAMES].argmax())
            faded = np.flatnonzero(part[peak:] < part[peak] + _END_DB)
            end = peak + int(faded[0]) if len(faded) else len(part)
            notes.append((onset, pitch, onset + max(end, 1), onset + peak))
    return sorted(notes)


@lru_cache(maxsize=1)
def _note_templates() -> np.ndarray:
    """Return the amplitudes that notes of 1.0 show at all partials, float32 [68, 86].

    The partials of a note fall off by 0.6 each; every one is seen through window and filters of its range.
    """
    power = []
    for note_hz in _hz_of(PITCHES):
        total = np.zeros(1)
        for k in np.arange(1, _N_PARTIALS + 1):
            share = _PARTIAL_DECAY ** (2 * (k - 1))
            total = total + share * _response(k * note_hz)
        power.append(total)
    templates: np.ndarray = np.sqrt(np.stack(power)).astype(np.float32)
    return templates


def _response(hz: float) -> np.ndarray:
    """Power that each filter of all ranges gives for a sinusoid of amplitude 1, [86]."""
    parts = []
    for decimation, lowest, highest in _BANDS:
        rate_hz = RATE_HZ / decimation
        power = np.zeros(_N_FFT // 2 + 1)
        if hz < 0.49 * rate_hz:
            tone = np.cos(2 * np.pi * hz / rate_hz * np.arange(_N_FFT))
            power = np.abs(np.fft.rfft(hann(_N_FFT) * tone)) ** 2 / _FULL_SCALE
        parts.append(_note_filters(rate_hz, lowest, highest) @ power)
    return np.concatenate(parts)


def _note_power(mono: np.ndarray, decimation: int, lowest: int, highest: int) -> np.ndarray:
    """Sum the power around each note of a range of MIDI numbers, float32 [1 + n_samples // 512, n_notes].

    `decimation` is the sample rate over the reduced one that is measured at, a divisor of the hop.
    """
    n_frames = 1 + len(mono) // HOP
    reduced = resample(mono, decimation, 1) if decimation > 1 else mono
    missing = (n_frames - 1) * HOP // decimation - len(reduced)
    reduced = np.pad(reduced, (0, max(0, missing)))
    filters = _note_filters(RATE_HZ / decimation, lowest, highest).T
    blocks = frame_blocks(reduced, n_fft=_N_FFT, hop=HOP // decimation)
    return np.concatenate([power_spectrum(frames) @ filters for frames in blocks])[:n_frames]


@lru_cache(maxsize=8)
def _note_filters(sample_rate_hz: float, lowest: int, highest: int) -> np.ndarray:
    """Return the weight of each FFT bin for each note of a range of MIDI numbers, float32 [n_notes, 1025]."""
    bins_hz = np.fft.rfftfreq(_N_FFT, 1 / sample_rate_hz)
    notes_hz = _hz_of(np.arange(lowest, highest + 1))[:, np.newaxis]
    half_width = np.maximum(notes_hz * (2 ** (1 / 12) - 1), 1.3 * bins_hz[1])
    distance = np.abs(bins_hz - notes_hz) / half_width
    filters: np.ndarray = np.maximum(0.0, 1.0 - distance).astype(np.float32)
    return filters


def _hz_of(midi: np.ndarray) -> np.ndarray:
    return np.asarray(440.0 * 2.0 ** ((midi - 69) / 12))


def event_statistics(notes: NoteEvents, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Describe the notes that begin in each window, and how many sound: float64 [n_windows, n_dimensions].

    Columns are those of `EVENT_DIMENSIONS`; `starts` and `ends` are the first frame of each window and the
    one after its last.
    """
    sounding = np.isfinite(notes.levels_db).sum(axis=1)
    change = np.abs(np.diff(sounding, prepend=sounding[:1]))
    rows = []
    for start, end in zip(starts, ends, strict=True):
        count, changes = sounding[start:end], change[start:end]
        limited = np.minimum(count, _MOST_AT_ONCE)
        shares = np.bincount(limited, minlength=_MOST_AT_ONCE + 1) / len(count)
        row = [count.mean(), count.std(), *shares]
        row += [changes.mean(), float(np.mean(changes > 0))]
        inside = slice(*np.searchsorted(notes.onset, [start, end]))
        rows.append(row + _played(notes, inside, (end - start) * FRAME_S))
    return np.array(rows, dtype=np.float64)


def _played(notes: NoteEvents, inside: slice, window_s: float) -> list[float]:
    """Describe some notes; those no more than `_CHORD_FRAMES` after the one before are one chord."""
    onset, pitch = notes.onset[inside], notes.pitch[inside]
    level = notes.level_db[inside] - notes.loud_db
    decay = notes.decay_db_s[inside]
    low, high = pitch < _LOW_BELOW, pitch >= _HIGH_FROM
    registers = (low, ~low & ~high, high)
    duration_s = notes.length[inside] * FRAME_S
    duration = np.log10(duration_s)
    apart = np.diff(onset, prepend=-_CHORD_FRAMES - 1) > _CHORD_FRAMES
    chords = onset[apart]
    between = np.log10(np.diff(chords) * FRAME_S)
    return [
        *(len(pitch) / window_s, *(part.sum() / window_s for part in registers)),
        *(*_percentiles(duration, _NO_DURATION), _deviation(duration)),
        *(_mean(duration[part], _NO_DURATION) for part in registers),
        *(_mean(duration_s < _SHORT_S), _mean(duration_s > _LONG_S)),
        *(*_percentiles(level, _NO_LEVEL_DB), _deviation(level)),
        *(_mean(level[part], _NO_LEVEL_DB) for part in registers),
        notes.loud_db,
        *(*_percentiles(decay), _mean(decay[low]), _mean(decay[high])),
        *_percentiles(notes.rise[inside])[1:],
        *(len(chords) / window_s, len(onset) / max(len(chords), 1)),
        *(*_percentiles(between, _NO_INTERVAL), _deviation(between)),
        *(_mean(pitch, _NO_PITCH), _deviation(pitch), *_percentiles(pitch, _NO_PITCH)),
    ]


def line_statistics(notes: NoteEvents, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Describe how melody and bass line move in each window, with the columns of `LINE_DIMENSIONS`."""
    loudest = notes.levels_db.max(axis=1, keepdims=True)
    heard = notes.levels_db > loudest - _LINE_RANGE_DB
    any_heard = heard.any(axis=1)
    top = PITCHES[::-1][heard[:, ::-1].argmax(axis=1)]
    bass = np.where(any_heard, PITCHES[heard.argmax(axis=1)], 0)
    melody = np.where(any_heard & (top >= _MELODY_FROM), top, 0)
    rows = []
    for start, end in zip(starts, ends, strict=True):
        rows.append(_line(melody[start:end]) + _line(bass[start:end]))
    return np.array(rows)


def _line(pitch: np.ndarray) -> list[float]:
    """Describe a line given its pitch in each frame, 0 where it rests."""
    edges = np.flatnonzero(np.diff(pitch, prepend=-1))
    lengths, tones = np.diff(np.append(edges, len(pitch))), pitch[edges]
    kept = (lengths >= _SHORTEST_IN_LINE) & (tones > 0)
    lengths, tones, heard = lengths[kept], tones[kept], pitch[pitch > 0]
    duration = _NO_DURATION
    if len(lengths):
        duration = float(np.log10(lengths.mean() * FRAME_S))
    intervals = np.diff(tones)
    size = np.abs(intervals)
    # Shares of intervals: up to 2 semitones, to 4, to 7, and from 12 on.
    shares = [np.isin(size, sizes) for sizes in ((0, 1, 2), (3, 4), (5, 6, 7))]
    return [
        *(len(heard) / len(pitch), _mean(heard, _NO_PITCH), _deviation(heard)),
        *(duration, len(tones) / (len(pitch) * FRAME_S)),
        *map(_mean, (*shares, size // 12 > 0, intervals > 0, intervals, size)),
    ]


def _percentiles(values: np.ndarray, otherwise: float = 0.0) -> list[float]:
    return np.percentile(values, (10, 50, 90)).tolist() if len(values) else [otherwise] * 3


def _mean(values: np.ndarray, otherwise: float = 0.0) -> float:
    return float(np.mean(values)) if len(values) else otherwise


def _deviation(values: np.ndarray) -> float:
    return float(np.std(values)) if len(values) else 0.0
