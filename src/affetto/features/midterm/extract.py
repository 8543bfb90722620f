"""What takes seconds to hear in music: tempo, modulation, key, chords, notes and lines, over sliding windows.

"Mid-term" as in Giannakopoulos, "pyAudioAnalysis", PLoS ONE 10(12), 2015: between the frame (tens of
milliseconds) and the clip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import pairwise
from typing import Literal, Self, get_args

import numpy as np
from pydantic import Field, model_validator

from affetto.features.mfcc import MfccParameters
from affetto.features.midterm.notes import (
    EVENT_DIMENSIONS,
    FRAME_S,
    HOP,
    LINE_DIMENSIONS,
    PITCHES,
    RATE_HZ,
    NoteEvents,
    event_statistics,
    line_statistics,
    note_onsets,
    note_salience,
    semitone_spectrum,
    transcribe,
)
from affetto.features.parameters import FeatureParameters

MidtermGroup = Literal[
    "tempo", "modulation", "key", "chroma", "chords", "notes", "semitones", "events", "lines"
]
TEMPI_BPM = np.geomspace(40.0, 480.0, 24)
"""Tempi at which the onsets are compared with themselves, beats a minute."""
_MODULATION_EDGES_HZ = (0.25, 0.7, 1.5, 3.0, 6.0, 12.0, 21.5)
"""Edges of the modulation bands: phrases, bars, beats, quavers, tremolo, roughness."""
_FRAMES = MfccParameters(
    sample_rate_hz=RATE_HZ, hop=HOP, delta_order=0, extras=("contrast", "spectral", "onset")
)
_N_CLASSES = 12
_CHORDS: dict[str, tuple[int, ...]] = {
    "major": (0, 4, 7),
    "minor": (0, 3, 7),
    "diminished": (0, 3, 6),
    "augmented": (0, 4, 8),
    "dominant_7": (0, 4, 7, 10),
    "minor_7": (0, 3, 7, 10),
    "major_7": (0, 4, 7, 11),
    "suspended": (0, 5, 7),
}
"""Semitones above the root."""
# How often each degree of the scale is heard in a piece in major and in minor: the Kostka-Payne corpus,
# Temperley, "Music and Probability", MIT Press 2007.
_MAJOR = (0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400)
_MINOR = (0.712, 0.084, 0.474, 0.618, 0.049, 0.460, 0.105, 0.747, 0.404, 0.067, 0.133, 0.330)
_SEGMENT = 16  # frames, 0.37 s: the shortest chord
_BASS, _TREBLE = PITCHES < 55, PITCHES >= 60  # below G3, from C4  # noqa: PLR2004
_PITCH_CLASS = np.eye(_N_CLASSES)[PITCHES % _N_CLASSES]


class MidtermParameters(FeatureParameters):
    """Descriptors of music over windows of some seconds; at 22,050 Hz, from frames 23.2 ms apart."""

    extractor = "midterm"
    version = 2

    window_s: float = Field(default=6.0, ge=0.5, le=60.0)
    """Length of a window, seconds."""
    hop_s: float = Field(default=0.8, ge=0.1, le=60.0)
    """Seconds from a window to the next."""
    groups: tuple[MidtermGroup, ...] = Field(default=get_args(MidtermGroup), min_length=1)
    """Descriptors: tempo (24 tempi), modulation (6 bands of 33 frame features), key (10), chroma (36, from
    the tonic), chords (23), notes (12), semitones (136), events (50, how notes are played), lines (24, how
    melody and bass line move)."""

    @property
    def rate_hz(self) -> int:
        """Sample rate that the feature is measured at, Hz."""
        return RATE_HZ

    @property
    def frame_s(self) -> float:
        """Seconds from a window to the next."""
        return self.hop_s

    def dimensions(self) -> tuple[str, ...]:
        """Return the names of the columns, group after group."""
        return tuple(name for group in self.groups for name in _GROUPS[group][0])

    def measure(self, samples: np.ndarray) -> np.ndarray:
        """Describe the windows of a recording, float32 [n_windows, n_dimensions].

        Row i describes the window around i · hop, up to the end of the recording; the windows at both ends
        are moved inside, and a clip shorter than the window has one for all rows.
        """
        n_frames = 1 + len(samples) // HOP
        length = min(n_frames, max(1, round(self.window_s / FRAME_S)))
        n_windows = 1 + int((n_frames - 1) * FRAME_S / self.hop_s)
        centres = np.round(np.arange(n_windows) * self.hop_s / FRAME_S).astype(np.int64)
        starts = np.clip(centres - length // 2, 0, n_frames - length)
        music = _Music(samples, starts, starts + length)
        columns = [_GROUPS[group][1](music) for group in self.groups]
        return np.concatenate(columns, axis=1).astype(np.float32)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.groups)) != len(self.groups):
            raise ValueError(f"groups names one twice: {list(self.groups)}")
        return self


class _Music:
    """What is measured in the frames of a recording, when a group asks for it.

    `starts` and `ends` are the first frame of each window and the one after its last.
    """

    def __init__(self, mono: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> None:
        self.mono, self.starts, self.ends = mono, starts, ends

    @cached_property
    def frames(self) -> np.ndarray:
        return _FRAMES.measure(self.mono).astype(np.float64)

    @cached_property
    def semitones(self) -> np.ndarray:
        return semitone_spectrum(self.mono)

    @cached_property
    def salience(self) -> np.ndarray:
        return note_salience(self.semitones)

    @cached_property
    def chroma(self) -> np.ndarray:
        chroma: np.ndarray = self.salience @ _PITCH_CLASS
        return chroma

    @cached_property
    def tonic(self) -> int:
        """Pitch class (0: C) of the best key of the recording."""
        major, minor = key_correlations(self.chroma.mean(axis=0, keepdims=True))
        return int(np.maximum(major, minor)[0].argmax())

    @cached_property
    def notes(self) -> NoteEvents:
        return transcribe(self.mono)

    def windows_of(self, values: np.ndarray) -> list[np.ndarray]:
        """Cut frame values into windows."""
        return [values[start:end] for start, end in zip(self.starts, self.ends, strict=True)]

    def means(self, values: np.ndarray) -> np.ndarray:
        """Mean of frame values over each window, [n_windows, n_dimensions]."""
        return _means(values, self.starts, self.ends)

    def means_and_deviations(self, values: np.ndarray) -> np.ndarray:
        """Mean and standard deviation of frame values over each window, [n_windows, 2 * n_dimensions]."""
        means = self.means(values)
        variances = self.means(np.square(values, dtype=np.float64)) - means**2
        return np.concatenate([means, np.sqrt(np.maximum(variances, 0.0))], axis=1)


def _means(values: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0, dtype=np.float64)])
    means: np.ndarray = (sums[ends] - sums[starts]) / (ends - starts)[:, np.newaxis]
    return means


def _tempo(music: _Music) -> np.ndarray:
    """Correlate a window's onset strength with itself, a beat later, for each tempo.

    The autocorrelation tempogram (Grosche, Müller & Kurth, ICASSP 2010) on a logarithmic axis of tempo, at
    most 1; 0 for tempi whose beat is longer than the window and for windows without onsets.
    """
    rows = []
    for onset in music.windows_of(music.frames[:, -1]):
        centred = onset - onset.mean()
        spectrum = np.fft.rfft(centred, 2 * len(centred))
        correlation = np.fft.irfft(np.abs(spectrum) ** 2, 2 * len(centred))[: len(centred)]
        scaled = correlation / (correlation[0] + 1e-9)
        rows.append(np.interp(60.0 / TEMPI_BPM / FRAME_S, np.arange(len(centred)), scaled, right=0.0))
    return np.stack(rows)


def _modulation(music: _Music) -> np.ndarray:
    """Measure how strongly each frame feature of a window is modulated in each band of rates.

    Modulation spectral features (Lee, Shih, Yu & Lin, IEEE Trans. Multimedia 11(4), 2009) without their
    contrast: natural logarithm of the mean power. Bands that the window is too short for hold the smallest
    power.
    """
    rows = []
    for frames in music.windows_of(music.frames):
        centred = (frames - frames.mean(axis=0)) * np.hanning(len(frames))[:, np.newaxis]
        power = np.abs(np.fft.rfft(centred, axis=0)) ** 2 / len(frames)
        rates_hz = np.fft.rfftfreq(len(frames), FRAME_S)
        bands = [power[(rates_hz >= low) & (rates_hz < high)] for low, high in pairwise(_MODULATION_EDGES_HZ)]
        means = [band.mean(axis=0) if len(band) else np.zeros(frames.shape[1]) for band in bands]
        rows.append(np.log(np.stack(means) + 1e-10).ravel())
    return np.stack(rows)


def key_correlations(chroma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlate distributions of pitch classes with the profile of every major and every minor key.

    Krumhansl, "Cognitive Foundations of Musical Pitch", 1990, with Temperley's profiles. Given the weight of
    each pitch class from C, [n, 12], returns major and minor, [n, 12] each, -1 to 1, tonic from C; 0 for
    a flat distribution.
    """
    scores = _standardise(np.asarray(chroma, dtype=np.float64))
    major, minor = (scores @ profiles.T / _N_CLASSES for profiles in _KEYS)
    return major, minor


def from_tonic(chroma: np.ndarray, tonic: int) -> np.ndarray:
    """Rotate distributions [n, 12] so that the tonic comes first, and let each sum to 1 (0 when empty)."""
    rotated = np.roll(chroma, -tonic, axis=1)
    shares: np.ndarray = rotated / (rotated.sum(axis=1, keepdims=True) + 1e-9)
    return shares


def interval_content(chroma: np.ndarray) -> np.ndarray:
    """Measure how much is heard 1 to 6 semitones apart, from the minor second to the tritone: [n, 6].

    A pair of pitch classes counts once, a tritone twice: it is its own complement.
    """
    unit = chroma / (np.linalg.norm(chroma, axis=1, keepdims=True) + 1e-9)
    return np.stack([(unit * np.roll(unit, k, axis=1)).sum(axis=1) for k in range(1, 7)], axis=1)


def _standardise(chroma: np.ndarray) -> np.ndarray:
    centred = chroma - chroma.mean(axis=1, keepdims=True)
    scaled: np.ndarray = centred / (chroma.std(axis=1, keepdims=True) + 1e-9)
    return scaled


_KEYS = tuple(
    np.array([np.roll(_standardise(np.array([profile]))[0], tonic) for tonic in range(_N_CLASSES)])
    for profile in (_MAJOR, _MINOR)
)
"""Standardised profiles of the major and the minor keys, [12, 12] each."""


def _key(music: _Music) -> np.ndarray:
    """Compare the window with all keys and with the clip's own; the clip's keys stand in every row."""
    tonic = music.tonic
    whole = [scores[0] for scores in key_correlations(music.chroma.mean(axis=0, keepdims=True))]
    major, minor = key_correlations(music.means(music.chroma))
    best = major.max(axis=1), minor.max(axis=1)
    own = major[:, tonic], minor[:, tonic]
    in_key = np.maximum(major, minor).argmax(axis=1) == tonic
    window = [*best, best[0] - best[1], *own, own[0] - own[1], in_key]
    clip = [scores.max() for scores in whole] + [whole[0][tonic] - whole[1][tonic]]
    rows = [np.full(len(major), value) for value in clip]
    return np.column_stack([*window, *rows])


def _chroma(music: _Music) -> np.ndarray:
    """Share of each degree above the clip's tonic among all notes, in the bass and in the treble."""
    parts = [music.salience[:, kept] @ _PITCH_CLASS[kept] for kept in (_BASS, _TREBLE)]
    return np.concatenate(
        [from_tonic(music.means(part), music.tonic) for part in (music.chroma, *parts)], axis=1
    )


def _chords(music: _Music) -> np.ndarray:
    """Measure how well each kind of chord fits, how often best, how often chords change, and intervals.

    A chord fits by its cosine similarity: Fujishima, "Realtime chord recognition", ICMC 1999.
    """
    n_segments = -(-len(music.chroma) // _SEGMENT)
    padded = np.pad(music.chroma, ((0, n_segments * _SEGMENT - len(music.chroma)), (0, 0)))
    segments = padded.reshape(n_segments, _SEGMENT, _N_CLASSES).mean(axis=1)
    templates = np.zeros((len(_CHORDS), _N_CLASSES, _N_CLASSES))
    for kind, intervals in enumerate(_CHORDS.values()):
        for root in range(_N_CLASSES):
            templates[kind, root, (root + np.array(intervals)) % _N_CLASSES] = len(intervals) ** -0.5
    length = np.linalg.norm(segments, axis=1, keepdims=True) + 1e-9
    matches = np.einsum("qkp,np->nqk", templates, segments / length)
    best = matches.max(axis=2)
    shares = np.eye(len(_CHORDS))[best.argmax(axis=1)]
    triads = matches[:, :2].reshape(n_segments, -1).argmax(axis=1)
    changes = np.diff(triads, prepend=triads[:1]) != 0
    values = np.column_stack([best, shares, changes, interval_content(segments)])
    first = music.starts // _SEGMENT
    return _means(values, first, np.maximum(np.minimum(-(-music.ends // _SEGMENT), n_segments), first + 1))


def _notes(music: _Music) -> np.ndarray:
    """Measure register, spread and number of the notes and how many begin: mean and deviation over frames."""
    salience, onsets = music.salience, note_onsets(music.semitones)
    total = salience.sum(axis=1)
    weights = salience / np.where(total > 0, total, 1.0)[:, np.newaxis]
    height = weights @ PITCHES
    spread = np.sqrt(np.maximum(weights @ PITCHES**2 - height**2, 0.0))
    counts = [(salience > 0).sum(axis=1), onsets[:, _BASS].sum(axis=1), onsets[:, _TREBLE].sum(axis=1)]
    return music.means_and_deviations(np.column_stack([height, spread, *counts, onsets.any(axis=1)]))


def _named(form: str, values: Iterable[object]) -> tuple[str, ...]:
    return tuple(form.format(value) for value in values)


_KEY_NAMES = ("major", "minor", "mode", "tonic_major", "tonic_minor", "tonic_mode", "in_key")
_NOTE_NAMES = ("height", "spread", "count", "onsets_bass", "onsets_treble", "onset_share")
_DEGREES, _INTERVALS = range(_N_CLASSES), range(1, 7)
_GROUPS: dict[MidtermGroup, tuple[tuple[str, ...], Callable[[_Music], np.ndarray]]] = {
    "tempo": (_named("tempo_{:.0f}_bpm", TEMPI_BPM), _tempo),
    "modulation": (
        tuple(
            f"modulation_{low:g}_hz_{name}"
            for low in _MODULATION_EDGES_HZ[:-1]
            for name in _FRAMES.dimensions()
        ),
        _modulation,
    ),
    "key": (_named("key_{}", (*_KEY_NAMES, "clip_major", "clip_minor", "clip_mode")), _key),
    "chroma": (
        tuple(f"{part}_degree_{k}" for part in ("chroma", "bass", "treble") for k in _DEGREES),
        _chroma,
    ),
    "chords": (
        (
            *(*_named("chord_{}_match", _CHORDS), *_named("chord_{}_share", _CHORDS)),
            *("chord_changes", *_named("interval_{}", _INTERVALS)),
        ),
        _chords,
    ),
    "notes": (_named("notes_{}", _NOTE_NAMES) + _named("notes_{}_deviation", _NOTE_NAMES), _notes),
    "semitones": (
        _named("semitone_{}", PITCHES) + _named("semitone_{}_deviation", PITCHES),
        lambda music: music.means_and_deviations(music.semitones),
    ),
    "events": (
        _named("event_{}", EVENT_DIMENSIONS),
        lambda music: event_statistics(music.notes, music.starts, music.ends),
    ),
    "lines": (
        _named("line_{}", LINE_DIMENSIONS),
        lambda music: line_statistics(music.notes, music.starts, music.ends),
    ),
}
"""Names of the columns of each group, and what computes them."""
