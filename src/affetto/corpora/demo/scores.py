"""Which scores the demo music plays, and how they become plain note lists.

All are out of copyright and part of the core corpus that ``music21`` installs: four-part chorales of J.
S. Bach, mass movements of Palestrina, and dance tunes of Ryan's Mammoth Collection (Boston, 1883).
Scores are named one by one, so that the demo corpus does not depend on the order of a folder.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affetto.errors import AffettoError

ON_BAR, ON_BEAT, OFF_BEAT = 1.0, 0.5, 0.25
"""Metrical strengths of an onset."""


def _paths(pattern: str, names: str) -> tuple[str, ...]:
    return tuple(pattern.format(name) for name in names.split())


SCORES: dict[str, tuple[str, ...]] = {
    "chorale": _paths("bach/bwv{}.mxl", "260 291 323 358 389"),
    "motet": _paths("palestrina/{}.krn", "Agnus_III_b Benedictus_57_b Credo_10_h Gloria_17_e Sanctus_62_b"),
    "reel": _paths("ryansMammoth/{}Reel.abc", "Acacia FirstOfMay IrishRovers NewBedford YorkshireBite"),
    "jig": _paths("ryansMammoth/{}Jig.abc", "DevilsOwnShot GarryOwen JoeKennedys LarryGrogans Tempest"),
    "strathspey": _paths(
        "ryansMammoth/{}Strathspey.abc",
        "42dHighlandRegiment BonniestLassInAyer LochNaGar MissDrummondOfPerth RoysWife",
    ),
}
"""Tune family → scores, as paths inside music21's corpus."""

_Row = tuple[float, int, int, float, float]
"""Onset, part, pitch, duration, strength of a note."""


@dataclass(frozen=True)
class ScoreNotes:
    """The sounding notes of a score, in order of their onsets.

    Attributes
    ----------
    family, name, title
        Tune family, file stem, and title in the score (the stem where it has none).
    onset, duration
        Quarter lengths, float64 [n_notes].
    pitch
        MIDI note numbers, int64 [n_notes].
    part
        Index of the part, 0 the highest, int64 [n_notes].
    strength
        Metrical strength of the onset (``ON_BAR``, ``ON_BEAT`` or ``OFF_BEAT``), float64 [n_notes].
    """

    family: str
    name: str
    title: str
    onset: NDArray[np.float64]
    duration: NDArray[np.float64]
    pitch: NDArray[np.int64]
    part: NDArray[np.int64]
    strength: NDArray[np.float64]


def read_score(family: str, path: str) -> ScoreNotes:
    """Parse one score of the catalogue; grace notes are left out, tied notes joined.

    Parameters
    ----------
    family
        Tune family the score belongs to.
    path
        Path inside music21's corpus.

    Raises
    ------
    AffettoError
        music21 was installed without its corpus, or the score holds no notes.
    """
    import music21

    file = Path(music21.__file__).parent / "corpus" / path
    if not file.is_file():
        raise AffettoError(f"music21 lacks the score {path}; install music21 with its corpus.")
    # storePickle=False: music21 would keep a pickled copy of the score in the user's temporary folder.
    score = music21.converter.parseFile(file, forceSource=True, storePickle=False)
    rows = sorted(_rows(score))
    if not rows:
        raise AffettoError(f"music21's score {path} holds no notes; install another music21.")
    onset, part, pitch, duration, strength = (np.array(column) for column in zip(*rows, strict=True))
    title = score.metadata.title if score.metadata is not None else None
    name = file.stem.replace(".", "-").replace("_", "-").lower()
    return ScoreNotes(family, name, title or name, onset, duration, pitch, part, strength)


def _rows(score: Any) -> Iterator[_Row]:
    def height(part: Any) -> float:
        return float(np.mean([note.pitches[0].midi for note in part.recurse().notes] or [0.0]))

    # By mean pitch: some encodings write the bass first, others the soprano.
    for index, part in enumerate(sorted(score.parts, key=height, reverse=True)):
        measures = part.getElementsByClass("Measure")
        yield from _join_ties([row for measure in measures for row in _measure_rows(measure, index)])


def _measure_rows(measure: Any, part_index: int) -> Iterator[tuple[_Row, bool]]:
    """Yield the notes of a measure, and whether each continues a tie.

    Walking measures is three times as fast as music21's ``stripTies`` and ``beatStrength``.
    """
    signature = measure.getContextByClass("TimeSignature")
    beat = float(signature.beatDuration.quarterLength) if signature is not None else 1.0
    for element in measure.flatten().notes:
        if element.quarterLength <= 0 or "ChordSymbol" in element.classes:
            continue
        position = measure.paddingLeft + element.offset
        strength = ON_BAR if position == 0 else ON_BEAT if position % beat == 0 else OFF_BEAT
        for note in getattr(element, "notes", (element,)):
            onset, duration = float(measure.offset + element.offset), float(element.quarterLength)
            continues = note.tie is not None and note.tie.type in ("stop", "continue")
            yield (onset, part_index, int(note.pitch.midi), duration, strength), continues


def _join_ties(rows: list[tuple[_Row, bool]]) -> list[_Row]:
    """Lengthen the note that a tied one continues; a tie without a beginning stays a note."""
    joined: list[_Row] = []
    sounding: dict[int, int] = {}
    for row, continues in rows:
        onset, part, pitch, duration, _ = row
        index = sounding.get(pitch)
        if continues and index is not None:
            start = joined[index][0]
            joined[index] = (start, part, pitch, onset + duration - start, joined[index][4])
        else:
            sounding[pitch] = len(joined)
            joined.append(row)
    return joined
