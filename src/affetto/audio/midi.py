"""Render MIDI to audio with the SoundFont that ships with pretty_midi.

symusic's synthesizer plays every note as loud as any other, lets go of it where the key is let go, and passes
over volume, expression and part of the SoundFont. So a track is split into parts that are each played at one
velocity, notes are held as long as the pedal does, and the SoundFont is given in a form that sounds in tune.
"""

from __future__ import annotations

import io
import math
import struct
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from affetto.audio.recording import AudioHeader, DecodeError, Samples

RENDERING_VERSION = 2
"""Rises when the same score sounds otherwise than before; part of what names measurements and the demo."""
_RATE_HZ = 22_050
_PEAK_LIMIT = 0.99
_GAIN = 0.4
"""Amplitude of all scores. The loudest of 216 recordings of EMOPIA then peaks at 0.58: none is scaled down,
and loud and soft ones differ."""
_SOUNDFONT = "TimGM6mb.sf2"
_MOST_BYTES = 16 << 20  # a symphony has 1 MiB
_SUSTAIN, _PEDAL_DOWN = 64, 64
_DEFAULTS = {7: 100, 11: 127}  # of the controllers volume and expression, until they are set


class MidiRecording:
    """MIDI as a recording; it is rendered when its samples are asked for.

    Parameters
    ----------
    path
        Name of a Standard MIDI File, for messages.
    content
        The open file.

    Raises
    ------
    DecodeError
        When it is none, is not whole or holds no note.
    """

    holds_floats = False
    seekable = False

    def __init__(self, path: Path, content: Any) -> None:
        try:
            self._score = _read_score(content)
        except (RuntimeError, ValueError) as error:
            what = f"it is not a Standard MIDI File ({error})"
            raise DecodeError(f"Cannot decode {path}: {what}.") from error
        if self._score.note_num() == 0:
            raise DecodeError(f"Cannot decode {path}: it is MIDI that holds no notes.")
        self.notes: list[str] = []
        self.header = AudioHeader(float(self._score.to("second").end()), _RATE_HZ, 1)

    def blocks(self, start_s: float, end_s: float) -> Iterator[Samples]:
        """Yield the samples of a part, float32 [1, n]."""
        samples = render_score(self._score)
        end = None if math.isinf(end_s) else round(end_s * _RATE_HZ)
        yield samples[np.newaxis, round(start_s * _RATE_HZ) : end]


def _read_score(content: Any) -> Any:
    """Parse a file up to the end of its last track.

    symusic trusts the lengths in the file: where they point behind its end, it reads and writes memory that
    is not its own.
    """
    import symusic

    if content.seek(0, io.SEEK_END) > _MOST_BYTES:
        raise ValueError(f"it has more than {_MOST_BYTES >> 20} MiB")
    content.seek(0)
    data = content.read()
    if data.startswith(b"RIFF"):  # MIDI in the container of Windows
        data = data[max(0, data.find(b"MThd")) :]
    if not data.startswith(b"MThd") or not data[13:]:
        raise ValueError("it does not begin like MIDI")
    end, n_tracks = 0, int.from_bytes(data[10:12], "big")
    while n_tracks >= 0:  # the header is a chunk, too
        n_tracks -= data[end : end + 4] in {b"MThd", b"MTrk"}
        end += 8 + int.from_bytes(data[end + 4 : end + 8], "big")
        if end > len(data):
            raise ValueError("its end is missing")
    return symusic.Score.from_midi(data[:end])


def render_score(score: Any, *, sample_rate_hz: int = _RATE_HZ) -> Samples:
    """Render a ``symusic.Score`` of any time unit to mono audio.

    Controls count for the track in which they stand: symusic does not tell which tracks share a channel.

    Parameters
    ----------
    score
        The score; an empty one gives no samples.
    sample_rate_hz
        Sample rate of the audio, Hz.

    Returns
    -------
    NDArray[np.float32]
        Samples [n], at most 0.99 in magnitude: a louder rendering is scaled down as a whole, a quieter one is
        left alone. They end with the last note.
    """
    import symusic

    mixed = np.zeros(0, dtype=np.float32)
    if score.note_num() == 0:
        return mixed
    synthesizer = _synthesizer(sample_rate_hz)
    seconds = score.to("second")
    for track in seconds.tracks:
        changes: defaultdict[int, list[tuple[float, int]]] = defaultdict(list)
        for change in sorted(track.controls, key=lambda change: change.time):
            changes[change.number].append((change.time, change.value))
        held = _held_by_pedal(track.notes, changes[_SUSTAIN], seconds.end())
        played = np.zeros(0, dtype=np.float32)
        for velocity in sorted({note.velocity for note in held} - {0}):
            part: Any = symusic.Score(ttype="second")
            alone: Any = symusic.Track("", track.program, track.is_drum, ttype="second")
            alone.notes.extend([note for note in held if note.velocity == velocity])
            part.tracks.append(alone)
            audio = np.asarray(synthesizer.render(part, stereo=False), dtype=np.float32)
            played = _add(played, audio.reshape(-1) * np.float32(_amplitude(velocity)))
        for controller, default in _DEFAULTS.items():
            gain = np.ones(len(played), dtype=np.float32)
            # Each value holds until the next one overwrites what follows.
            for time_s, value in [(0.0, default), *changes[controller]]:
                gain[round(time_s * sample_rate_hz) :] = _amplitude(value)
            played *= gain
        mixed = _add(mixed, played)
    mixed *= np.float32(_GAIN)
    peak = float(np.max(np.abs(mixed), initial=0.0))
    return mixed if peak <= _PEAK_LIMIT else (mixed * (_PEAK_LIMIT / peak)).astype(np.float32)


def _add(mixed: Samples, other: Samples) -> Samples:
    """Add samples to others, in place where these are no shorter."""
    if len(other) > len(mixed):
        mixed, other = other, mixed
    mixed[: len(other)] += other
    return mixed


def _amplitude(value: int) -> float:
    """Return the amplitude that a velocity, volume or expression of 0 to 127 stands for.

    40 log10(127 / value) dB below full: the default modulators of SoundFont 2.04, section 8.4, and General
    MIDI level 1.
    """
    return (value / 127) ** 2


def _held_by_pedal(notes: Any, sustain: list[tuple[float, int]], last_s: float) -> list[Any]:
    """Return the notes, each sounding until the pedal is let go, its key struck again, or all ends.

    `sustain` has time (s) and value of each change of the pedal, in order of time.
    """
    import symusic

    times = np.array([time_s for time_s, _ in sustain], dtype=np.float64)
    is_down = np.array([value >= _PEDAL_DOWN for _, value in sustain], dtype=bool)
    changes = np.diff(is_down.astype(np.int8), prepend=0, append=0)
    downs, ups = times[changes[:-1] == 1], np.minimum([*times, np.inf], last_s)[changes == -1]
    if not len(downs):
        return list(notes)
    held: list[Any] = []
    struck_next: dict[int, float] = {}
    for note in sorted(notes, key=lambda note: note.time, reverse=True):
        end = note.time + note.duration
        at = int(np.searchsorted(downs, end, side="right")) - 1
        if at >= 0 and end < ups[at]:
            end = max(end, min(float(ups[at]), struck_next.get(note.pitch, np.inf)))
        struck_next[note.pitch] = note.time
        heard = note.time, end - note.time, note.pitch, note.velocity
        held.append(symusic.Note(*heard, ttype="second"))
    return held[::-1]


def _synthesizer(sample_rate_hz: int) -> Any:
    """Load the SoundFont anew, which takes some milliseconds.

    A synthesizer keeps the notes it has rendered and reuses them inexactly, so that with one for all
    scores the same score would sound otherwise after others.
    """
    import symusic

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / _SOUNDFONT
        path.write_bytes(_soundfont())
        return symusic.Synthesizer(sf_path=str(path), sample_rate=sample_rate_hz, quality=0)


@lru_cache(maxsize=1)
def _soundfont() -> bytes:
    """Write the root key of every zone of the SoundFont into a sample header that belongs to it.

    symusic takes the pitch of a sample from the sample's header and passes over the key that a zone of an
    instrument may put in its place (`overridingRootKey`, SoundFont 2.04, section 8.1.2). Here the headers say
    60 throughout, and the zones tell the pitch: pianos and guitars would sound several semitones off, and
    each zone by another interval. The samples themselves are not doubled. Headers of one sample begin a
    sample after one another, as symusic remembers the notes it has rendered by where their sample begins.
    """
    import pretty_midi

    sample_id, root_key, sample_header = 53, 58, struct.Struct("<20sIIIIIBbHH")
    data = bytearray((Path(pretty_midi.__file__).parent / _SOUNDFONT).read_bytes())
    # The last list: its chunks end with `ibag`, `imod`, `igen` and `shdr`.
    presets = data.rindex(b"LIST")
    chunks, at = {}, presets + 12
    while at < len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        chunks[name] = slice(at + 8, at + 8 + size)
        at += 8 + size
    generators = np.frombuffer(bytes(data[chunks[b"igen"]]), "<i2").reshape(-1, 2).copy()
    first_of_zones = np.frombuffer(bytes(data[chunks[b"ibag"]]), "<u2")[::2].tolist()
    *headers, terminal = sample_header.iter_unpack(bytes(data[chunks[b"shdr"]]))
    added: dict[tuple[int, int], int] = {}
    for first, end in pairwise(first_of_zones):
        place = {int(number): first + k for k, number in enumerate(generators[first:end, 0])}
        if sample_id not in place or root_key not in place:
            continue
        sample, root = (int(generators[place[number], 1]) for number in (sample_id, root_key))
        if (sample, root) not in added:
            name, start, stop, loop_start, loop_stop, rate_hz, _, *rest = headers[sample]
            start += 1 + sum(other == sample for other, _ in added)
            # A loop that began before the sample would let symusic read memory that is not its own.
            loop_start = max(start, loop_start)
            added[sample, root] = len(headers)
            headers.append((name, start, stop, loop_start, loop_stop, rate_hz, root, *rest))
        generators[place[sample_id], 1] = added[sample, root]
    data[chunks[b"igen"]] = generators.tobytes()
    headers.append(terminal)
    data[chunks[b"shdr"]] = b"".join(sample_header.pack(*each) for each in headers)
    for position in (4, presets + 4, chunks[b"shdr"].start - 4):
        (size,) = struct.unpack_from("<I", data, position)
        struct.pack_into("<I", data, position, size + len(added) * sample_header.size)
    return bytes(data)
