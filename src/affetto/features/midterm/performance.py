"""How notes are played and how lines move, over windows: what a listener hears of a performance."""

from __future__ import annotations

import numpy as np

from affetto.features.midterm.notes import FRAME_S, PITCHES, NoteEvents

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
        shares = np.bincount(np.minimum(count, _MOST_AT_ONCE), minlength=_MOST_AT_ONCE + 1) / len(count)
        inside = slice(*np.searchsorted(notes.onset, [start, end]))
        played = _played(notes, inside, (end - start) * FRAME_S)
        rows.append(
            [count.mean(), count.std(), *shares, changes.mean(), float(np.mean(changes > 0)), *played]
        )
    return np.array(rows, dtype=np.float64)


def _played(notes: NoteEvents, inside: slice, window_s: float) -> list[float]:
    """Describe some notes; those no more than `_CHORD_FRAMES` after the one before are one chord."""
    onset, pitch, decay = notes.onset[inside], notes.pitch[inside], notes.decay_db_s[inside]
    low, high = pitch < _LOW_BELOW, pitch >= _HIGH_FROM
    registers = (low, ~low & ~high, high)
    duration_s = notes.length[inside] * FRAME_S
    duration, level = np.log10(duration_s), notes.level_db[inside] - notes.loud_db
    chords = onset[np.diff(onset, prepend=-_CHORD_FRAMES - 1) > _CHORD_FRAMES]
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
    heard = notes.levels_db > notes.levels_db.max(axis=1, keepdims=True) - _LINE_RANGE_DB
    any_heard = heard.any(axis=1)
    highest = np.where(any_heard, PITCHES[len(PITCHES) - 1 - heard[:, ::-1].argmax(axis=1)], 0)
    lowest = np.where(any_heard, PITCHES[heard.argmax(axis=1)], 0)
    melody = np.where(highest >= _MELODY_FROM, highest, 0)
    return np.array([[*_line(melody[a:b]), *_line(lowest[a:b])] for a, b in zip(starts, ends, strict=True)])


def _line(pitch: np.ndarray) -> list[float]:
    """Describe a line given its pitch in each frame, 0 where it rests."""
    edges = np.flatnonzero(np.diff(pitch, prepend=-1))
    lengths, tones = np.diff(np.append(edges, len(pitch))), pitch[edges]
    kept = (lengths >= _SHORTEST_IN_LINE) & (tones > 0)
    lengths, tones, heard = lengths[kept], tones[kept], pitch[pitch > 0]
    intervals = np.diff(tones)
    size = np.abs(intervals)
    return [
        *(len(heard) / len(pitch), _mean(heard, _NO_PITCH), _deviation(heard)),
        float(np.log10(lengths.mean() * FRAME_S)) if len(lengths) else _NO_DURATION,
        len(tones) / (len(pitch) * FRAME_S),
        *(_mean(size <= 2), _mean((size > 2) & (size <= 4)), _mean((size > 4) & (size <= 7))),  # noqa: PLR2004
        *(_mean(size >= 12), _mean(intervals > 0), _mean(intervals), _mean(size)),  # noqa: PLR2004
    ]


def _percentiles(values: np.ndarray, otherwise: float = 0.0) -> list[float]:
    return np.percentile(values, (10, 50, 90)).tolist() if len(values) else [otherwise] * 3


def _mean(values: np.ndarray, otherwise: float = 0.0) -> float:
    return float(np.mean(values)) if len(values) else otherwise


def _deviation(values: np.ndarray) -> float:
    return float(np.std(values)) if len(values) else 0.0
