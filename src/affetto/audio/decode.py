"""Decode recordings of any format that libsndfile reads, and MIDI, to float samples."""

from __future__ import annotations

import io
import math
import stat
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from affetto.errors import AffettoError
from affetto.interrupts import uninterrupted
from affetto.storage import is_remote

MIDI_EXTENSIONS = frozenset({".mid", ".midi"})
AUDIO_EXTENSIONS = MIDI_EXTENSIONS | frozenset(
    {
        ".8svx",
        ".aif",
        ".aifc",
        ".aiff",
        ".au",
        ".avr",
        ".caf",
        ".flac",
        ".htk",
        ".iff",
        ".mp3",
        ".nist",
        ".oga",
        ".ogg",
        ".opus",
        ".rf64",
        ".sf",
        ".snd",
        ".sph",
        ".svx",
        ".voc",
        ".w64",
        ".wav",
        ".wave",
        ".xi",
    }
)
MIDI_RATE_HZ = 22_050
LARGEST_SAMPLE = 1 - 2**-15
"""The largest sample of 16 bits, 32767/32768: one of 1.0 would wrap to -1 where 16-bit integers are made."""
_FETCHED_WHOLE_BYTES = 64 << 20  # larger ones are read in pieces
_BLOCK_SAMPLES = 1 << 20
_8_BITS = frozenset({"PCM_S8", "PCM_U8"})
_FULL_SCALE_8_BITS = 1 - 2**-7
_SYSTEM_ERROR = 2  # libsndfile's SF_ERR_SYSTEM
_UNKNOWN_FRAMES = 1 << 60  # libsndfile gives 2**63 - 1 for streams that do not tell their length


class DecodeError(AffettoError):
    """A file that cannot be decoded; the message names the file and the reason."""


class UnreachableError(DecodeError):
    """A file that the storage does not give: not there, not ours to read, or a passing fault of a disk."""


@dataclass(frozen=True)
class AudioHeader:
    """What a file says of itself before any sample is decoded.

    Attributes
    ----------
    duration_s
        Length, s; infinite where the header does not tell.
    sample_rate_hz
        Sample rate, Hz; the rendering rate for MIDI.
    channels
        Number of channels; 1 for MIDI.
    full_scale
        The largest sample of the format, from which on a recording is clipped: that of 16 bits, or of 8.
    """

    duration_s: float
    sample_rate_hz: int
    channels: int
    full_scale: float = LARGEST_SAMPLE


class Recording(Protocol):
    """An open recording."""

    header: AudioHeader

    def blocks(self, start_s: float, end_s: float) -> Iterator[NDArray[np.float32]]:
        """Yield the samples of a part, float32 [channels, n] in small blocks (MIDI: in one); call it once."""


def read_audio(
    path: Path,
    *,
    sample_rate_hz: int | None = None,
    start_s: float = 0.0,
    end_s: float | None = None,
    mono: bool = True,
) -> tuple[NDArray[np.float32], int]:
    """Decode a recording, or a part of it.

    Parameters
    ----------
    path
        Audio file (see `AUDIO_EXTENSIONS`; the content decides, not the name), or MIDI, which is rendered.
    sample_rate_hz
        Rate to resample to, Hz (soxr, high quality); None keeps the file's own.
    start_s, end_s
        Part to decode, s; only that part is read. None is the end of the file; an end behind it is that end.
    mono
        Mean of the channels.

    Returns
    -------
    samples
        float32 [n], or [channels, n] where not `mono`. Nominally within [-1, 1] but not normalised: formats
        that hold floats may go beyond. No samples where the file has none in that part.
    sample_rate_hz
        Their rate, Hz.

    Raises
    ------
    DecodeError
        When the file is missing, a folder, empty, or not audio.
    """
    with open_recording(path) as recording:
        rate = recording.header.sample_rate_hz
        parts = recording.blocks(start_s, math.inf if end_s is None else end_s)
        blocks = [mix(block) if mono else block for block in parts]
        empty = np.zeros(0 if mono else (recording.header.channels, 0), dtype=np.float32)
    samples = blocks[0] if len(blocks) == 1 else np.concatenate([empty, *blocks], axis=-1)
    if sample_rate_hz is not None and sample_rate_hz != rate:
        samples, rate = resample(samples, rate, sample_rate_hz), sample_rate_hz
    return samples, rate


def resample(samples: NDArray[np.float32], from_hz: int, to_hz: int) -> NDArray[np.float32]:
    """Resample with soxr's high quality.

    Parameters
    ----------
    samples
        float32 [n] or [channels, n].
    from_hz, to_hz
        Rates, Hz.

    Returns
    -------
    NDArray[np.float32]
        float32 [m] or [channels, m], m ≈ n · to_hz / from_hz.
    """
    import soxr

    if from_hz == to_hz or samples.shape[-1] == 0:
        return samples
    resampled: NDArray[np.float32] = soxr.resample(samples.T, from_hz, to_hz, quality="HQ").T
    return np.ascontiguousarray(resampled, dtype=np.float32)


@contextmanager
def open_recording(path: Path) -> Iterator[Recording]:
    """Open a recording, to read its header and its samples of any length in little memory.

    Raises
    ------
    DecodeError
        As `read_audio` does, and whatever goes wrong while blocks are read.
    """
    _check_is_file(path)
    if path.suffix.lower() in MIDI_EXTENSIONS:
        from affetto.audio.midi import ScoreRecording

        yield ScoreRecording(path)
        return
    with _open(path) as file:
        yield _Sound(file)


def mix(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of the channels, [n]: one by one, NumPy's mean over so short an axis is slow."""
    first: NDArray[np.float32] = block[0]
    return first if len(block) == 1 else sum(block[1:], start=first) / np.float32(len(block))


def _check_is_file(path: Path) -> None:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # ValueError: no file can have such a name
        missing = isinstance(error, FileNotFoundError | NotADirectoryError | ValueError)
        reason = "there is no such file" if missing else getattr(error, "strerror", None) or error
        kind = DecodeError if isinstance(error, ValueError) else UnreachableError
        raise kind(f"Cannot decode {path}: {reason}.") from error
    if stat.S_ISDIR(status.st_mode):
        raise DecodeError(f"Cannot decode {path}: it is a folder, not a recording.")
    if not stat.S_ISREG(status.st_mode):
        raise DecodeError(f"Cannot decode {path}: it is not a regular file.")
    if status.st_size == 0:
        raise DecodeError(f"Cannot decode {path}: the file is empty (0 bytes).")
    if path.suffix.lower() == ".raw":
        raise DecodeError(
            f"Cannot decode {path}: raw samples do not tell their rate; give them a WAV header."
        )


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    """Open a sound file; whatever libsndfile says on the way becomes a `DecodeError`."""
    import soundfile

    try:
        with _content(path) as content:
            with uninterrupted():
                opened = soundfile.SoundFile(content)
            with opened as file:
                yield file
    except (soundfile.SoundFileError, OSError) as error:
        raise _decode_error(path, error) from error


@contextmanager
def _content(path: Path) -> Iterator[Any]:
    """Give libsndfile the name of a file here, or the content of one that is elsewhere."""
    if not is_remote(path):
        yield path
        return
    status: Any = path.stat()
    if status.st_size <= _FETCHED_WHOLE_BYTES:
        yield io.BytesIO(_fetch(path, str(status.as_info())))
    else:
        with path.open("rb") as file:
            yield file


@lru_cache(maxsize=1)
def _fetch(path: Path, version: str) -> bytes:
    """Fetch a file once for its header, samples and next segment; `version` tells a changed file apart."""
    return path.read_bytes()


def _decode_error(path: Path, error: BaseException) -> DecodeError:
    """Keep of libsndfile's message what does not repeat the path."""
    reason = str(getattr(error, "error_string", error)).strip().rstrip(".")
    if "does not exist or is not a regular file" in reason:  # its word for MP3 that it cannot make out
        reason = "nothing in it can be decoded"
    if isinstance(error, OSError) or getattr(error, "code", None) == _SYSTEM_ERROR:
        return UnreachableError(f"Cannot read {path}: {reason}.")
    return DecodeError(f"Cannot decode {path}: libsndfile says {reason!r}; is it an audio file?")


class _Sound:
    """What libsndfile reads."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._counted = file.frames < _UNKNOWN_FRAMES
        duration_s = file.frames / file.samplerate if self._counted else math.inf
        scale = _FULL_SCALE_8_BITS if file.subtype in _8_BITS else AudioHeader.full_scale
        self.header = AudioHeader(duration_s, int(file.samplerate), file.channels, scale)

    def blocks(self, start_s: float, end_s: float) -> Iterator[NDArray[np.float32]]:
        rate, file = self.header.sample_rate_hz, self._file
        start = min(round(start_s * rate), file.frames)
        wanted = _UNKNOWN_FRAMES if math.isinf(end_s) else max(0, round(end_s * rate) - start)
        skipped = 0 if file.seekable() else start
        if self._counted:
            wanted = min(wanted, file.frames - start)
        if start > skipped:
            self._seek(start)
        if not self._counted:
            # After each read soundfile seeks where it is, which fails at an end that was not foreseen.
            file.seekable = lambda: False
        for block in self._read(skipped + wanted):
            yield block[:, skipped:]
            skipped = max(0, skipped - block.shape[1])

    def _seek(self, start: int) -> None:
        import soundfile

        # Only streams that do not tell their length may end before; there is nothing to read then.
        with uninterrupted(), nullcontext() if self._counted else suppress(soundfile.SoundFileError):
            self._file.seek(start)

    def _read(self, wanted: int) -> Iterator[NDArray[np.float32]]:
        largest = max(1, _BLOCK_SAMPLES // self.header.channels)
        while wanted > 0:
            with uninterrupted():  # libsndfile asks Python for the bytes of a file that is elsewhere
                block = self._file.read(min(wanted, largest), dtype="float32", always_2d=True).T
            if block.shape[1] == 0:
                return
            wanted -= block.shape[1]
            yield block
