"""The dynamics of a score: velocity, volume, expression and sustain pedal, which symusic passes over.

symusic's synthesizer plays every note as loud as any other and lets go of it where the key is let go. So a
score is split into parts that are each played at one velocity, and notes are held as long as the pedal does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FULL = 127
_VOLUME, _EXPRESSION = 7, 11
_DEFAULTS = {_VOLUME: 100, _EXPRESSION: 127}


@dataclass(frozen=True)
class Part:
    """Notes of one track and one velocity.

    Attributes
    ----------
    score
        ``symusic.Score`` in seconds with one track.
    velocity
        Of all its notes, 1 to 127.
    controls
        Volume and expression of the track: controller, time (s) and value of each change, in their order.
    """

    score: Any
    velocity: int
    controls: tuple[tuple[int, float, int], ...]

    def gain(self, n_samples: int, sample_rate_hz: int) -> NDArray[np.float32]:
        """Return the factor of the amplitude, float32 [n_samples].

        Velocity, volume and expression each attenuate by 40 log10(127 / value) dB: the default modulators of
        SoundFont 2.04, section 8.4, and General MIDI level 1. The volume is 100 until it is set.
        """
        gain = np.full(n_samples, _attenuation(self.velocity), dtype=np.float32)
        for controller, default in _DEFAULTS.items():
            changes = [(0.0, default), *((t, value) for c, t, value in self.controls if c == controller)]
            starts = [min(n_samples, round(t * sample_rate_hz)) for t, _ in changes]
            for start, end, (_, value) in zip(starts, [*starts[1:], n_samples], changes, strict=True):
                gain[start:end] *= _attenuation(value)
        return gain


def parts_of(score: Any) -> Iterator[Part]:
    """Split a ``symusic.Score`` of any time unit into parts of one track and one velocity each."""
    seconds = score.to("second")
    for track in seconds.tracks:
        held = _held_by_pedal(track)
        controls = tuple(
            (change.number, change.time, change.value)
            for change in track.controls
            if change.number in _DEFAULTS
        )
        for velocity in sorted({note.velocity for note in held} - {0}):
            yield Part(_score_of(track, [n for n in held if n.velocity == velocity]), velocity, controls)


def _attenuation(value: int) -> float:
    return (value / _FULL) ** 2


def _held_by_pedal(track: Any) -> list[Any]:
    """Return the notes, each sounding until the pedal is let go, or until its key is struck again."""
    import symusic

    pedals = [(pedal.time, pedal.time + pedal.duration) for pedal in track.pedals]
    if not pedals:
        return list(track.notes)
    downs, ups = np.array(pedals).T
    notes: list[Any] = []
    struck_next: dict[int, float] = {}
    for note in sorted(track.notes, key=lambda note: note.time, reverse=True):
        end = note.time + note.duration
        at = int(np.searchsorted(downs, end, side="right")) - 1
        if at >= 0 and end < ups[at]:
            end = max(end, min(float(ups[at]), struck_next.get(note.pitch, np.inf)))
        struck_next[note.pitch] = note.time
        notes.append(symusic.Note(note.time, end - note.time, note.pitch, note.velocity, ttype="second"))
    return notes[::-1]


def _score_of(track: Any, notes: list[Any]) -> Any:
    import symusic

    part: Any = symusic.Score(ttype="second")
    alone: Any = symusic.Track(track.name, track.program, track.is_drum, ttype="second")
    alone.notes.extend(notes)
    part.tracks.append(alone)
    return part
