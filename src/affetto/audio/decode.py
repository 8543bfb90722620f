"""Decode recordings of any format, by their content, to float samples.

libsndfile reads first, PyAV (FFmpeg) what it refuses, and MIDI is rendered. Whatever can be decoded of a
damaged file is used; `Recording.notes` says so.
"""

from __future__ import annotations

import io
import math
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from affetto.audio.formats import HEAD_BYTES, is_midi, what_else
from affetto.audio.headers import Lie, find_lie, put_right
from affetto.errors import AffettoError
from affetto.io.paths import as_path, is_remote

MIDI_RATE_HZ = 22_050
LARGEST_SAMPLE = 1 - 2**-15
"""The largest sample of 16 bits, 32767/32768: one of 1.0 would wrap to -1 where 16-bit integers are made."""
_FETCHED_WHOLE_BYTES = 64 << 20  # larger ones are read in pieces
_SHORT_S, _STRETCHES, _STRETCH_S, _BEGINNING_S = 5.0, 16, 0.1, 30.0
_QUIET = 1e-3
_CANCELLED = 0.05
"""Power of the mean of the channels, in that of the channels: so little is left of two equally loud ones that
are correlated below -0.9; independent ones leave a half."""
_BEYOND_SOUND = 100.0  # times full scale, or times what is loud in files that hold integers as floats
_FEW = 1e-3


class DecodeError(AffettoError):
    """A file that cannot be decoded; the message names the file and the reason."""


class UnreachableError(DecodeError):
    """A file that the storage does not give: not there, not ours to read, or a passing fault of a disk."""


class NotFiniteError(DecodeError):
    """Too many samples of a file are not finite, or far beyond full scale."""


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
    channel
        The channel that stands for all of them, because their mean cancels (antiphase); None: their mean.
    """

    duration_s: float
    sample_rate_hz: int
    channels: int
    full_scale: float = LARGEST_SAMPLE
    channel: int | None = None


class Recording(Protocol):
    """An open recording.

    Attributes
    ----------
    header
        What its file says of itself.
    notes
        What is wrong with the file although it can be used, in words that go on its name; complete once its
        samples have been read.
    """

    header: AudioHeader
    notes: list[str]

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
        A file with sound of any format, or MIDI, which is rendered; the content decides, not the name.
    sample_rate_hz
        Rate to resample to, Hz (soxr, high quality); None keeps the file's own.
    start_s, end_s
        Part to decode, s; only that part is read. None is the end of the file; an end behind it is that end.
    mono
        Mean of the channels, or the loudest where the mean cancels.

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
        blocks = [mix(block, recording.header.channel) if mono else block for block in parts]
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

    Samples that no sound has (infinite, not a number, far beyond full scale) are silenced, and noted.

    Raises
    ------
    DecodeError
        As `read_audio` does, and whatever goes wrong while blocks are read.
    """
    _check_is_file(path)
    with _open(path) as sound:
        if sound.header.channels == 1 and not sound.holds_floats:
            yield sound
            return
        with _open(path) as other:
            channel, limit = _survey(other)
        sound.header = replace(sound.header, channel=channel)
        yield _Sane(sound, limit, path) if sound.holds_floats else sound


def mix(block: NDArray[np.float32], channel: int | None = None) -> NDArray[np.float32]:
    """Return a channel, or the mean of all, [n]: one by one, NumPy's mean over so short an axis is slow."""
    first: NDArray[np.float32] = block[channel or 0]
    if len(block) == 1 or channel is not None:
        return first
    return sum(block[1:], start=first) / np.float32(len(block))


class _Opened(Recording, Protocol):
    """What a decoder gives.

    Attributes
    ----------
    holds_floats
        Whether samples can be anything.
    seekable
        Whether `blocks` can be called again, and does not decode what lies before the part.
    """

    holds_floats: bool
    seekable: bool


def _survey(sound: _Opened) -> tuple[int | None, float]:
    """Look at stretches all over a recording, or its beginning where that takes too long.

    Returns
    -------
    channel
        As `AudioHeader.channel`: decided once, for all parts of the recording.
    limit
        The largest magnitude that a sample can have.
    """
    length_s = sound.header.duration_s
    samples = np.zeros((sound.header.channels, 0), np.float32)
    if sound.seekable and _SHORT_S < length_s < math.inf:
        starts = np.linspace(0, length_s - _STRETCH_S, _STRETCHES).tolist()
        samples = _parts(sound, [(start_s, start_s + _STRETCH_S) for start_s in starts])
    if np.abs(samples).max(initial=0) < _QUIET:  # a short one, or what sounds lies between the stretches
        samples = _parts(sound, [(0.0, _BEGINNING_S)])
    limit = math.inf
    if sound.holds_floats:
        magnitudes = np.abs(samples[np.isfinite(samples)])
        loud = float(np.quantile(magnitudes, 0.9)) if magnitudes.size else 0.0
        limit = _BEYOND_SOUND * max(1.0, loud)
        samples = np.where(np.abs(samples) <= limit, samples, np.float32(0))
    if len(samples) == 1 or samples.shape[1] == 0:
        return None, limit
    powers = np.array([np.var(channel, dtype=np.float64) for channel in samples])
    cancels = np.var(mix(samples), dtype=np.float64) < _CANCELLED * powers.mean()
    return int(powers.argmax()) if cancels else None, limit


def _parts(sound: _Opened, parts: list[tuple[float, float]]) -> NDArray[np.float32]:
    """Return the samples of parts, [channels, n], as far as they are not damaged (reading will say so)."""
    blocks = [np.zeros((sound.header.channels, 0), np.float32)]
    with suppress(DecodeError):
        for part in parts:
            blocks.extend(sound.blocks(*part))
    return np.concatenate(blocks, axis=1)


class _Sane:
    """A recording without the samples that no sound has."""

    def __init__(self, sound: Recording, limit: float, path: Path) -> None:
        self.header, self.notes = sound.header, sound.notes
        self._sound, self._limit, self._path = sound, np.float32(limit), path

    def blocks(self, start_s: float, end_s: float) -> Iterator[NDArray[np.float32]]:
        n_silenced = n_frames = 0
        for block in self._sound.blocks(start_s, end_s):
            n_frames += block.shape[1]
            if not (block.size and -self._limit <= block.min() and block.max() <= self._limit):
                sane = np.abs(block) <= self._limit
                n_silenced += int(np.count_nonzero(~sane.all(axis=0)))
                block = np.where(sane, block, np.float32(0))  # noqa: PLW2901
            yield block
        if n_silenced > _FEW * n_frames + 1:
            raise NotFiniteError(
                f"Cannot use {self._path}: {n_silenced} of {n_frames} samples are not finite, or far "
                "beyond full scale; export it again."
            )
        if n_silenced:
            self.notes.append(
                f"{n_silenced} of {n_frames} samples are not finite, or far beyond full scale: silenced"
            )


def cut_off(present_s: float, announced_s: float) -> str:
    """Say that the end of a recording is missing, and how much where that is known."""
    of = f" of {announced_s:.1f}" if math.isfinite(announced_s) else ""
    return f"it is cut off after {present_s:.1f}{of} s"


class ContentHash:
    """Hash of decoded audio: equal for files that sound the same sample by sample, whatever their container.

    XXH3 (https://xxhash.com), 128 bits, because a cryptographic hash costs a third of the decoding. Whoever
    forges equal hashes only makes his own clips one group.

    Parameters
    ----------
    sample_rate_hz
        Rate of the samples, Hz; a part of the content.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        import xxhash

        self._digest = xxhash.xxh3_128(f"{sample_rate_hz} ".encode())

    def update(self, samples: NDArray[np.float32]) -> None:
        """Add mono samples, float32 [n]; it does not matter in which blocks they come."""
        self._digest.update(np.ascontiguousarray(samples, dtype="<f4").data)

    def hexdigest(self) -> str:
        """Return the hash of all samples so far, 32 hexadecimal digits."""
        return self._digest.hexdigest()


def once_a_folder(failures: Iterable[tuple[str, str]]) -> list[str]:
    """Say for all files of a folder at once what they have in common.

    Parameters
    ----------
    failures
        Path, and message that names it, of files that cannot be used.

    Returns
    -------
    list of str
        A sentence a folder and reason, in the order of their first files.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for path, message in failures:
        folder, name = str(as_path(path).parent), as_path(path).name
        before, _, reason = message.partition(f"{name}: ")
        groups.setdefault((folder, reason or before), []).append(message)
    return [
        messages[0] if len(messages) == 1 else f"{len(messages)} files in {folder}: {_of_each(reason)}"
        for (folder, reason), messages in groups.items()
    ]


def _of_each(reason: str) -> str:
    return f"each is {reason.removeprefix('it is ')}" if reason.startswith("it is ") else reason


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


@contextmanager
def _open(path: Path) -> Iterator[_Opened]:
    """Open a file with the first decoder that takes it; whatever goes wrong becomes a `DecodeError`."""
    try:
        with _content(path) as content:
            head = content.read(HEAD_BYTES)
            if is_midi(head):
                from affetto.audio.midi import ScoreRecording

                yield ScoreRecording(path)
                return
            lie = find_lie(content, head, content.seek(0, io.SEEK_END))
            with _open_sound(path, put_right(content, lie), lie, head) as sound:
                yield sound
    except OSError as error:
        raise UnreachableError(f"Cannot read {path}: {error.strerror or error}.") from error


@contextmanager
def _open_sound(path: Path, content: Any, lie: Lie, head: bytes) -> Iterator[_Opened]:
    from affetto.audio.sndfile import open_sndfile

    with open_sndfile(path, content, lie) as sound:
        if sound is not None:
            yield sound
            return
    reason = what_else(head, str(path.parent))
    if reason is not None:
        raise DecodeError(f"Cannot decode {path}: it is {reason}.")
    from affetto.audio.ffmpeg import UndecodableError, open_ffmpeg

    try:
        content.seek(0)
        with open_ffmpeg(content, is_cut_off=lie.cut_off) as sound:
            yield sound
    except UndecodableError as error:
        raise DecodeError(f"Cannot decode {path}: {_why(path, content, head, error)}") from error


@contextmanager
def _content(path: Path) -> Iterator[Any]:
    """Open a file; one that is elsewhere is fetched, unless it is large."""
    if not is_remote(path):
        with path.open("rb", buffering=0) as local:
            yield local
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


def _why(path: Path, content: Any, head: bytes, error: Exception) -> str:
    """Say why no decoder takes a file."""
    if path.suffix.lower() == ".raw":
        return "raw samples do not tell their rate; give them a WAV header."
    if head[4:8] == b"ftyp" and not _has_index(content):
        return (
            "its index (the moov atom) is missing, as of a recording that was not closed or a copy that "
            "broke off; copy it again from the device."
        )
    reason = str(error).rstrip(".")
    return f"neither libsndfile nor FFmpeg can ({reason}); is it an audio file?"


def _has_index(content: Any) -> bool:
    """Tell whether an MP4 file has a moov atom; ISO/IEC 14496-12, section 4.2."""
    position, size = 0, content.seek(0, io.SEEK_END)
    while position + 8 <= size:
        content.seek(position)
        atom = content.read(16)
        length = int.from_bytes(atom[:4], "big")
        length = int.from_bytes(atom[8:16], "big") if length == 1 else length
        position += max(length, 8)
        if atom[4:8] == b"moov":
            return bool(position <= size)
    return False
