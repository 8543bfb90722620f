"""Render MIDI to audio with the SoundFont that ships with pretty_midi.

symusic's synthesizer plays every note as loud as any other, lets go of it where the key is let go, and passes
over volume and expression. So a track is split into parts that are each played at one velocity, and notes are
held as long as the pedal does.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affetto.audio.decode import MIDI_RATE_HZ, AudioHeader, DecodeError, UnreachableError
from affetto.audio.soundfont import in_tune
from affetto.io.paths import as_path

PEAK_LIMIT = 0.99
SOUNDFONT = "TimGM6mb.sf2"
GAIN = 0.4
"""Amplitude of all scores. The loudest of 216 recordings of EMOPIA then peaks at 0.58: none is scaled down,
and loud and soft ones differ."""
RENDERING_VERSION = 2
"""Rises when the same score sounds otherwise than before; part of what names measurements and the demo."""
_HEADER_BYTES = 14
_MOST_BYTES = 16 << 20  # a symphony has 1 MiB
_FULL = 127
_VOLUME, _EXPRESSION, _SUSTAIN = 7, 11, 64
_DEFAULTS = {_VOLUME: 100, _EXPRESSION: 127}
_PEDAL_DOWN = 64

Controls = dict[int, list[tuple[float, int]]]
"""Controller → time (s) and value of each change, in order of time."""


class ScoreRecording:
    """MIDI as a recording; it is rendered when its samples are asked for.

    Parameters
    ----------
    path
        A Standard MIDI File.

    Raises
    ------
    affetto.audio.decode.DecodeError
        When it is none.
    """

    holds_floats = False
    seekable = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self.notes: list[str] = []
        self.header = AudioHeader(_duration_s(path), MIDI_RATE_HZ, 1)

    def blocks(self, start_s: float, end_s: float) -> Iterator[NDArray[np.float32]]:
        """Yield the samples of a part, float32 [1, n]."""
        samples = render_midi(self._path, sample_rate_hz=MIDI_RATE_HZ)
        end = None if math.isinf(end_s) else round(end_s * MIDI_RATE_HZ)
        yield samples[np.newaxis, round(start_s * MIDI_RATE_HZ) : end]


def _duration_s(path: Path) -> float:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError(f"it has more than {_MOST_BYTES >> 20} MiB")
        return float(_read_score(path).to("second").end())
    except OSError as error:
        raise UnreachableError(f"Cannot read {path}: {error.strerror or error}.") from error
    except (RuntimeError, ValueError) as error:
        raise DecodeError(f"Cannot decode {path}: it is not a Standard MIDI File ({error}).") from error


def render_midi(path_or_bytes: str | Path | bytes, *, sample_rate_hz: int = 22050) -> NDArray[np.float32]:
    """Render a MIDI file, or its bytes, to mono audio.

    Parameters
    ----------
    path_or_bytes
        A Standard MIDI File on disk, or its content.
    sample_rate_hz
        Sample rate of the audio, Hz.

    Returns
    -------
    NDArray[np.float32]
        Samples [n], at most ``PEAK_LIMIT`` in magnitude: a louder rendering is scaled down as a whole, a
        quieter one is left alone. They end with the last note.

    Raises
    ------
    affetto.audio.decode.DecodeError
        The file is missing, is not MIDI or holds no note.
    """
    name = "the given bytes" if isinstance(path_or_bytes, bytes) else str(path_or_bytes)
    try:
        score = _read_score(path_or_bytes)
    except OSError as error:
        raise UnreachableError(f"cannot read MIDI from {name}: {error.strerror or error}.") from error
    except (RuntimeError, ValueError) as error:
        raise DecodeError(f"cannot read MIDI from {name} ({error}); give a Standard MIDI File.") from error
    if score.note_num() == 0:
        raise DecodeError(f"the MIDI of {name} holds no notes; leave it out of the corpus.")
    return render_score(score, sample_rate_hz=sample_rate_hz)


def render_score(score: Any, *, sample_rate_hz: int = 22050) -> NDArray[np.float32]:
    """Render a ``symusic.Score`` of any time unit to mono audio.

    Parameters
    ----------
    score
        The score; an empty one gives no samples.
    sample_rate_hz
        Sample rate of the audio, Hz.

    Returns
    -------
    NDArray[np.float32]
        Samples [n], at most ``PEAK_LIMIT`` in magnitude.
    """
    if score.note_num() == 0:
        return np.zeros(0, dtype=np.float32)
    synthesizer = _synthesizer(sample_rate_hz)
    mixed = np.zeros(0, dtype=np.float32)
    for track in played_tracks(score):
        played = np.zeros(0, dtype=np.float32)
        for amplitude, part in track.parts:
            audio = np.asarray(synthesizer.render(part, stereo=False), dtype=np.float32).reshape(-1)
            played = _add(played, audio * np.float32(amplitude))
        played *= track.gain(len(played), sample_rate_hz)
        mixed = _add(mixed, played)
    return limit_peak(mixed * np.float32(GAIN))


def _add(mixed: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Add samples to others, in place where these are no shorter."""
    if len(other) > len(mixed):
        mixed, other = other, mixed
    mixed[: len(other)] += other
    return mixed


def limit_peak(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale the samples down as a whole where their peak is above ``PEAK_LIMIT``.

    Parameters
    ----------
    samples
        Audio of any shape, float32.

    Returns
    -------
    NDArray[np.float32]
        The same audio, or a scaled copy.
    """
    peak = float(np.max(np.abs(samples), initial=0.0))
    if peak <= PEAK_LIMIT:
        return samples
    return (samples * (PEAK_LIMIT / peak)).astype(np.float32)


def _read_score(path_or_bytes: str | Path | bytes) -> Any:
    """Parse the bytes, or the file's bytes (symusic tells files by their extension, we by their content)."""
    import symusic

    data = path_or_bytes if isinstance(path_or_bytes, bytes) else as_path(path_or_bytes).read_bytes()
    return symusic.Score.from_midi(_tracks(data))


def _tracks(data: bytes) -> bytes:
    """Return a file up to the end of its last track.

    symusic trusts the lengths in the file: where they point behind its end, it reads and writes memory that
    is not its own.
    """
    if data.startswith(b"RIFF"):  # MIDI in the container of Windows
        data = data[max(0, data.find(b"MThd")) :]
    if not data.startswith(b"MThd") or len(data) < _HEADER_BYTES:
        raise ValueError("it does not begin like MIDI")
    end, n_tracks = 0, int.from_bytes(data[10:12], "big")
    while n_tracks >= 0:  # the header is a chunk, too
        n_tracks -= data[end : end + 4] in {b"MThd", b"MTrk"}
        end += 8 + int.from_bytes(data[end + 4 : end + 8], "big")
        if end > len(data):
            raise ValueError("its end is missing")
    return data[:end]


def _synthesizer(sample_rate_hz: int) -> Any:
    """Load the SoundFont anew, which takes some milliseconds.

    A synthesizer keeps the notes it has rendered and reuses them inexactly, so that with one for all
    scores the same score would sound otherwise after others.
    """
    import symusic

    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / SOUNDFONT
            path.write_bytes(_soundfont())
            return symusic.Synthesizer(sf_path=str(path), sample_rate=sample_rate_hz, quality=0)
    except OSError as error:
        raise UnreachableError(
            f"MIDI cannot be rendered: {tempfile.gettempdir()} does not take the SoundFont of 6 MB "
            f"({error.strerror or error})."
        ) from error


@lru_cache(maxsize=1)
def _soundfont() -> bytes:
    import pretty_midi

    return in_tune((Path(pretty_midi.__file__).parent / SOUNDFONT).read_bytes())


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
