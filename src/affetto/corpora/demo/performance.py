"""How the demo music is performed: emotional cues, and a score turned into a timed performance.

The cues and their directions are those that musicians chose when they set tempo, level, articulation,
register and timbre for an emotion: Bresin and Friberg, *Emotion rendering in music: range and
characteristic values of seven musical variables*, Cortex 47 (2011) 1068-1081; Eerola, Friberg and
Bresin, Frontiers in Psychology 4:487 (2013) find the same for listeners. Fast is happy, then scary; slow
is peaceful, slowest sad. Loud is scary and happy, soft sad and peaceful. Happy is detached, sad and
peaceful are legato. Happy lies high, peaceful in the middle, sad and scary low. The numbers below keep
these orders; their sizes and spreads are ours, tuned once so that emotions overlap. The papers' scary
and peaceful are our tense and calm. Tempo is told in notes a second, as the second paper does.
"""

from dataclasses import astuple, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affetto.corpora.demo.scores import ON_BAR, ON_BEAT, ScoreNotes

_TICKS_PER_QUARTER = 480
_TICKS_PER_SECOND = 960  # at symusic's default tempo of 120 quarters a minute
_FASTEST_NOTE_S = 0.05


@dataclass(frozen=True)
class Cues:
    """The expressive choices of one performance.

    Attributes
    ----------
    tempo_octaves
        Tempo relative to the family's custom, log2: 1 is twice as fast.
    level_db
        Level relative to the middle, dB.
    articulation
        Sounding part of a note's duration: 1 legato, 0.5 staccato.
    register_st
        Transposition, semitones.
    brightness
        Choice of instrument and of playing: +1 the brightest of the family, -1 the softest.
    timing_ms
        Standard deviation of the onsets' irregularity, ms.
    """

    tempo_octaves: float
    level_db: float
    articulation: float
    register_st: float
    brightness: float
    timing_ms: float


CUES: dict[str, Cues] = {
    "happy": Cues(0.38, 1.5, 0.58, 4.0, 0.5, 8.0),
    "tense": Cues(0.15, 3.0, 0.80, -4.0, 0.2, 24.0),
    "sad": Cues(-0.50, -3.0, 0.97, -3.0, -0.6, 16.0),
    "calm": Cues(-0.25, -2.0, 0.90, 2.5, -0.3, 10.0),
}
"""Mean cues of an emotion."""

SPREAD = Cues(0.15, 1.5, 0.08, 1.8, 0.30, 4.0)
"""Standard deviation of each cue over performances of one emotion."""


@dataclass(frozen=True)
class Style:
    """What belongs to a tune family, whatever the emotion.

    Attributes
    ----------
    notes_per_second
        Customary density of the highest part.
    instruments
        General MIDI programs (from 0) and their names, bright to soft.
    backing
        Kind of accompaniment: ``none``, ``shaker``, ``frame drum`` or ``drone``.
    """

    notes_per_second: float
    instruments: tuple[tuple[int, str], ...]
    backing: str


STYLES: dict[str, Style] = {
    "chorale": Style(1.7, ((56, "trumpet"), (19, "church organ"), (48, "strings"), (52, "choir")), "none"),
    "motet": Style(1.2, ((20, "reed organ"), (48, "strings"), (74, "recorder"), (52, "choir")), "none"),
    "reel": Style(6.0, ((21, "accordion"), (40, "fiddle"), (73, "flute"), (46, "harp")), "shaker"),
    "jig": Style(5.2, ((21, "accordion"), (105, "banjo"), (40, "fiddle"), (73, "flute")), "frame drum"),
    "strathspey": Style(4.2, ((109, "bagpipe"), (40, "fiddle"), (21, "accordion"), (46, "harp")), "drone"),
}
"""Tune family → style. Families share instruments, so that timbre alone does not tell them. The whistle
(78) is left out: the synthesizer never renders it twice alike."""

BACKING_PROBABILITY = 0.7
_SHAKER, _LOW_TOM, _HIGH_TOM = 70, 41, 45


def ratings_of(cues: Cues) -> dict[str, str]:
    """Tell valence and arousal of a performance, from -1 to 1, as text, by the cues that it was played with.

    They say how far the cues, in units of their spread, lie along the line from the middle of the unpleasant
    (calm) emotions, -0.6, to that of the pleasant (aroused) ones, 0.6: nobody has rated them.
    """
    means = {name: np.array(astuple(each)) / astuple(SPREAD) for name, each in CUES.items()}
    ratings = {}
    for dimension, upper in (("valence", ("happy", "calm")), ("arousal", ("happy", "tense"))):
        high = np.mean([means[name] for name in CUES if name in upper], axis=0)
        low = np.mean([means[name] for name in CUES if name not in upper], axis=0)
        line, place = high - low, np.array(astuple(cues)) / astuple(SPREAD) - (high + low) / 2
        ratings[dimension] = f"{np.clip(1.2 * (place @ line) / (line @ line), -1, 1):.3f}"
    return ratings


def draw_cues(emotion: str, generator: np.random.Generator) -> Cues:
    """Draw the cues of one performance: the emotion's means plus normal variation, within playable bounds.

    Parameters
    ----------
    emotion
        A key of ``CUES``.
    generator
        Source of the variation.
    """
    mean, spread = np.array(astuple(CUES[emotion])), np.array(astuple(SPREAD))
    drawn = mean + spread * generator.standard_normal(len(mean))
    lowest = np.array([-1.0, -9.0, 0.35, -9.0, -1.2, 2.0])
    highest = np.array([1.0, 6.0, 1.0, 9.0, 1.2, 40.0])
    return Cues(*np.clip(drawn, lowest, highest).tolist())


def perform(
    notes: ScoreNotes, cues: Cues, *, duration_s: float, generator: np.random.Generator
) -> tuple[Any, str, str]:
    """Play an excerpt of a score with given cues, from a random onset, repeating a short tune.

    Parameters
    ----------
    notes
        The score.
    cues
        The expressive choices.
    duration_s
        Length of the excerpt, s.
    generator
        Source of the start, of timing and of the choice of instrument.

    Returns
    -------
    tuple
        ``symusic.Score`` in ticks, whose first note begins at 0 and whose last ends by ``duration_s``; names
        of the instrument and of the backing, for the tags.
    """
    style = STYLES[notes.family]
    density = style.notes_per_second * 2**cues.tempo_octaves
    excerpt = _excerpt(notes, density, duration_s, generator)
    # The instrument whose rank from bright to soft lies nearest the brightness, give or take one.
    last = len(style.instruments) - 1
    wanted = (1 - cues.brightness) / 2 * last + generator.normal(0.0, 0.5)
    program, instrument = style.instruments[int(np.clip(round(wanted), 0, last))]
    tracks = _melodic_tracks(excerpt, cues, program, generator)
    backing = style.backing if generator.random() < BACKING_PROBABILITY else "none"
    tracks += _backing_tracks(excerpt, cues, backing, duration_s)
    return _to_score(tracks, duration_s), instrument, backing


def _excerpt(
    notes: ScoreNotes, density: float, duration_s: float, generator: np.random.Generator
) -> ScoreNotes:
    """Return the notes of the excerpt, with onsets and durations in s from its start."""
    melody = np.unique(notes.onset[notes.part == 0])
    length = float(np.ceil(np.max(notes.onset + notes.duration)))
    seconds_per_quarter = len(melody) / length / density
    # A tune starts again when it ends, as dancers expect.
    repeats = 1 + int(np.ceil(duration_s / seconds_per_quarter / length))
    onset = (notes.onset[None, :] + length * np.arange(repeats)[:, None]).ravel()
    bar_lines = np.unique(notes.onset[notes.strength == ON_BAR])
    start = float(generator.choice(bar_lines if len(bar_lines) else melody))
    onset_s = (onset - start) * seconds_per_quarter
    kept = np.flatnonzero((onset_s >= 0) & (onset_s < duration_s - _FASTEST_NOTE_S))
    source = kept % len(notes.onset)
    duration = np.minimum(notes.duration[source] * seconds_per_quarter, duration_s - onset_s[kept])
    return replace(
        notes,
        onset=onset_s[kept],
        duration=duration,
        pitch=notes.pitch[source],
        part=notes.part[source],
        strength=notes.strength[source],
    )


_Track = tuple[int, bool, NDArray[np.int64]]
"""Program, whether it is percussion, notes [n, 4]: ticks of onset and duration, pitch, velocity."""


def _melodic_tracks(
    excerpt: ScoreNotes, cues: Cues, program: int, generator: np.random.Generator
) -> list[_Track]:
    n_notes = len(excerpt.onset)
    onset_s = np.maximum(0.0, excerpt.onset + generator.normal(0.0, cues.timing_ms / 1000, n_notes))
    sounding_s = np.maximum(_FASTEST_NOTE_S, excerpt.duration * cues.articulation)
    pitch = np.clip(excerpt.pitch + round(cues.register_st), 24, 103)
    accent = 12 * (excerpt.strength - ON_BEAT) + generator.normal(0.0, 4.0, n_notes)
    velocity = np.clip(78 + 4 * cues.level_db + accent, 25, 125)
    table = _note_table(onset_s, sounding_s, pitch, velocity)
    return [(program, False, table[excerpt.part == part]) for part in np.unique(excerpt.part)]


def _backing_tracks(excerpt: ScoreNotes, cues: Cues, backing: str, duration_s: float) -> list[_Track]:
    velocity = float(np.clip(66 + 4 * cues.level_db, 20, 110))
    melody = excerpt.part == 0
    if backing == "drone":
        # The tune's commonest pitch class and the fifth above it, held as the pipes would.
        tonic = int(np.bincount(excerpt.pitch % 12, weights=excerpt.duration, minlength=12).argmax())
        pitch = np.array([48 + tonic, 55 + tonic]) + round(cues.register_st)
        held = _note_table(np.zeros(2), np.full(2, duration_s), pitch, np.full(2, velocity - 16))
        return [(109, False, held)]
    if backing == "shaker":
        onset = np.unique(excerpt.onset[melody])
        pitch = np.full(len(onset), _SHAKER)
    elif backing == "frame drum":
        strong = melody & (excerpt.strength >= ON_BEAT)
        onset = excerpt.onset[strong]
        pitch = np.where(excerpt.strength[strong] == ON_BAR, _LOW_TOM, _HIGH_TOM)
    else:
        return []
    n_hits = len(onset)
    return [(0, True, _note_table(onset, np.full(n_hits, 0.1), pitch, np.full(n_hits, velocity)))]


def _note_table(
    onset_s: NDArray[np.float64],
    duration_s: NDArray[np.float64],
    pitch: NDArray[np.int64],
    velocity: NDArray[np.float64],
) -> NDArray[np.int64]:
    columns = (onset_s * _TICKS_PER_SECOND, duration_s * _TICKS_PER_SECOND, pitch, velocity)
    return np.rint(np.stack(columns, axis=1)).astype(np.int64)


def _to_score(tracks: list[_Track], duration_s: float) -> Any:
    import symusic

    end = round(duration_s * _TICKS_PER_SECOND)
    score: Any = symusic.Score(_TICKS_PER_QUARTER)
    for program, is_drum, table in tracks:
        track: Any = symusic.Track("", program, is_drum)
        for onset, duration, pitch, velocity in table.tolist():
            track.notes.append(symusic.Note(onset, max(1, min(duration, end - onset)), pitch, velocity))
        score.tracks.append(track)
    return score
