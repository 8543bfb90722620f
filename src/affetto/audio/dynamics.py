"""The dynamics of a score: velocity, volume, expression and sustain pedal, which symusic passes over.

symusic's synthesizer plays every note as loud as any other and lets go of it where the key is let go. So a
track is split into parts that are each played at one velocity, and notes are held as long as the pedal does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FULL = 127
_VOLUME, _EXPRESSION, _SUSTAIN = 7, 11, 64
_DEFAULTS = {_VOLUME: 100, _EXPRESSION: 127}
_PEDAL_DOWN = 64

Controls = dict[int, list[tuple[float, int]]]
"""Controller → time (s) and value of each change, in order of time."""


@dataclass(frozen=True)
class PlayedTrack:
    """A track as it is to be rendered.

    Attributes
    ----------
    parts
        Amplitude and ``symusic.Score`` in seconds of the notes of each velocity; together they are the track.
    controls
        Changes of its controllers.
    """

    parts: tuple[tuple[float, Any], ...]
    controls: Controls

    def gain(self, n_samples: int, sample_rate_hz: int) -> NDArray[np.float32]:
        """Return the factor by volume and expression, float32 [n_samples]; the volume is 100 until set."""
        gain = np.ones(n_samples, dtype=np.float32)
        for controller, default in _DEFAULTS.items():
            changes = [(0.0, default), *self.controls.get(controller, [])]
            starts = [min(n_samples, round(time_s * sample_rate_hz)) for time_s, _ in changes]
            for start, end, (_, value) in zip(starts, [*starts[1:], n_samples], changes, strict=True):
                gain[start:end] *= attenuation(value)
        return gain


def played_tracks(score: Any) -> Iterator[PlayedTrack]:
    """Split a ``symusic.Score`` of any time unit into tracks, and these into notes of one velocity each.

    Controls count for the track in which they stand: symusic does not tell which tracks share a channel.
    """
    seconds = score.to("second")
    for track in seconds.tracks:
        controls: Controls = {}
        for change in sorted(track.controls, key=lambda change: change.time):
            controls.setdefault(change.number, []).append((change.time, change.value))
        held = _held_by_pedal(track, controls.get(_SUSTAIN, []), last_s=seconds.end())
        velocities = sorted({note.velocity for note in held} - {0})
        parts = ((v, [note for note in held if note.velocity == v]) for v in velocities)
        yield PlayedTrack(tuple((attenuation(v), _score_of(track, notes)) for v, notes in parts), controls)


def attenuation(value: int) -> float:
    """Return the amplitude that a velocity, volume or expression of 0 to 127 stands for.

    40 log10(127 / value) dB below full: the default modulators of SoundFont 2.04, section 8.4, and General
    MIDI level 1.
    """
    return (value / _FULL) ** 2


def _held_by_pedal(track: Any, sustain: list[tuple[float, int]], last_s: float) -> list[Any]:
    """Return the notes, each sounding until the pedal is let go, its key struck again, or all ends."""
    import symusic

    downs, ups = _pedals(sustain, last_s)
    if not len(downs):
        return list(track.notes)
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


def _pedals(sustain: list[tuple[float, int]], last_s: float) -> tuple[NDArray[np.float64], ...]:
    """Return when the pedal goes down and when up again; one that is never let go holds to the end."""
    times = np.array([time_s for time_s, _ in sustain], dtype=np.float64)
    down = np.array([value >= _PEDAL_DOWN for _, value in sustain], dtype=bool)
    changes = np.diff(down.astype(np.int8), prepend=0, append=0)
    return times[changes[:-1] == 1], np.minimum([*times, np.inf], last_s)[changes == -1]


def _score_of(track: Any, notes: list[Any]) -> Any:
    import symusic

    part: Any = symusic.Score(ttype="second")
    alone: Any = symusic.Track(track.name, track.program, track.is_drum, ttype="second")
    alone.notes.extend(notes)
    part.tracks.append(alone)
    return part
