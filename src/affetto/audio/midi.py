"""Render MIDI to audio with the SoundFont that ships with pretty_midi."""

import math
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affetto.audio.decode import MIDI_RATE_HZ, AudioHeader, DecodeError, UnreachableError
from affetto.audio.dynamics import played_tracks
from affetto.audio.soundfont import in_tune
from affetto.storage import as_path

PEAK_LIMIT = 0.99
SOUNDFONT = "TimGM6mb.sf2"
GAIN = 0.4
"""Amplitude of all scores. The loudest of 216 recordings of EMOPIA then peaks at 0.58: none is scaled down,
and loud and soft ones differ."""
RENDERING_VERSION = 2
"""Rises when the same score sounds otherwise than before; part of what names measurements and the demo."""
_HEADER_BYTES = 14
_MOST_BYTES = 16 << 20  # a symphony has 1 MiB


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
