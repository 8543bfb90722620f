"""Decode with libsndfile, and go on with FFmpeg where a file is damaged."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affetto.audio.decode import AudioHeader, DecodeError, UnreachableError, cut_off
from affetto.audio.headers import Lie
from affetto.io.native_libraries import uninterrupted

_BLOCK_SAMPLES = 1 << 20
_FLOATS = frozenset({"FLOAT", "DOUBLE"})
_8_BITS = frozenset({"PCM_S8", "PCM_U8"})
_FULL_SCALE_8_BITS = 1 - 2**-7
_SYSTEM_ERROR = 2  # libsndfile's SF_ERR_SYSTEM
_UNKNOWN_FRAMES = 1 << 60  # libsndfile gives 2**63 - 1 for streams that do not tell their length
_MISSING_S = 0.1  # less than announced may be the padding of a codec
_UNREAD_BYTES = 1 << 14  # tags behind the sound are rarely larger


@contextmanager
def open_sndfile(path: Path, content: Any, lie: Lie) -> Iterator[SndfileSound | None]:
    """Open a file object of any format that libsndfile knows; give None where it knows none of it.

    Parameters
    ----------
    path
        Its name, for messages.
    content
        The open file.
    lie
        What is wrong with its header; `content` is already put right.

    Raises
    ------
    UnreachableError
        When the storage fails.
    """
    import soundfile

    content.seek(0)
    # A file of this machine by its number, so that its extension says nothing, another one by its methods.
    source = content.fileno() if isinstance(content, io.FileIO) else content
    try:
        with uninterrupted():
            file = soundfile.SoundFile(source, closefd=False)
    except soundfile.SoundFileError as error:
        if getattr(error, "code", None) == _SYSTEM_ERROR:
            raise UnreachableError(f"Cannot read {path}: {_words(error)}.") from error
        yield None
        return
    with file:
        yield SndfileSound(path, content, file, lie)


class SndfileSound:
    """An open file of libsndfile; see `affetto.audio.decode.Recording`."""

    def __init__(self, path: Path, content: Any, file: Any, lie: Lie) -> None:
        self._path, self._content, self._file, self._lie = path, content, file, lie
        self._counted = file.frames < _UNKNOWN_FRAMES
        self.seekable = self._counted and file.seekable()
        self.holds_floats = file.subtype in _FLOATS
        self.notes: list[str] = []
        duration_s = file.frames / file.samplerate if self._counted else math.inf
        scale = _FULL_SCALE_8_BITS if file.subtype in _8_BITS else AudioHeader.full_scale
        self.header = AudioHeader(duration_s, int(file.samplerate), file.channels, scale)

    def blocks(self, start_s: float, end_s: float) -> Iterator[NDArray[np.float32]]:
        """Yield the samples of a part, float32 [channels, n]."""
        import soundfile

        rate, file = self.header.sample_rate_hz, self._file
        start = min(round(start_s * rate), file.frames)
        end = _UNKNOWN_FRAMES if math.isinf(end_s) else max(start, round(end_s * rate))
        position = start if file.seekable() else 0
        if position or self.seekable:
            try:
                self._seek(position)
            except soundfile.SoundFileError as error:
                yield from self._rest(position, end, error)
                return
        if not self._counted:
            # After each read soundfile seeks where it is, which fails at an end that was not foreseen.
            file.seekable = lambda: False
        for block in self._read(position, end):
            yield block[:, max(0, start - position) :]
            position += block.shape[1]

    def _seek(self, start: int) -> None:
        import soundfile

        # Only streams that do not tell their length may end before; there is nothing to read then.
        with uninterrupted(), nullcontext() if self._counted else suppress(soundfile.SoundFileError):
            self._file.seek(start)

    def _read(self, position: int, end: int) -> Iterator[NDArray[np.float32]]:
        """Yield what there is from a position to another, both in frames."""
        import soundfile

        largest = max(1, _BLOCK_SAMPLES // self.header.channels)
        while position < min(end, self._file.frames):
            wanted = min(end, self._file.frames) - position if self._counted else end - position
            try:
                with uninterrupted():  # libsndfile asks Python for the bytes of a file that is elsewhere
                    block = self._file.read(min(wanted, largest), dtype="float32", always_2d=True).T
            except soundfile.SoundFileError as error:
                if getattr(error, "code", None) == _SYSTEM_ERROR:
                    raise UnreachableError(f"Cannot read {self._path}: {_words(error)}.") from error
                yield from self._rest(position, end, error)
                return
            if block.shape[1] == 0:
                break
            position += block.shape[1]
            yield block
        if position < end:
            if self._goes_on():
                yield from self._rest(position, end)
            else:
                self._note_end(position)

    def _goes_on(self) -> bool:
        """Tell whether MP3 is left behind the number of frames that its header tells."""
        left = self._content.seek(0, io.SEEK_CUR)
        left = self._content.seek(0, io.SEEK_END) - left
        return bool(self._file.format == "MP3" and left > _UNREAD_BYTES)

    def _note_end(self, position: int) -> None:
        announced_s, present_s = self.header.duration_s, position / self.header.sample_rate_hz
        if self._lie.cut_off or (math.isfinite(announced_s) and present_s < announced_s - _MISSING_S):
            self.notes.append(cut_off(present_s, math.inf if self._lie.cut_off else announced_s))

    def _rest(self, position: int, end: int, cause: Exception | None = None) -> Iterator[NDArray[np.float32]]:
        """Let FFmpeg read on where libsndfile stops: at damage, or at a wrong number of frames."""
        from affetto.audio.ffmpeg import UndecodableError, open_ffmpeg

        rate, first = self.header.sample_rate_hz, position
        try:
            self._content.seek(0)
            with open_ffmpeg(self._content) as sound:
                if (sound.header.sample_rate_hz, sound.header.channels) == (rate, self.header.channels):
                    for block in sound.blocks(
                        position / rate, math.inf if end == _UNKNOWN_FRAMES else end / rate
                    ):
                        position += block.shape[1]
                        yield block
        except UndecodableError as error:
            cause = cause or error
        if cause is not None and position == 0:
            raise DecodeError(f"Cannot decode {self._path}: it is damaged ({_words(cause)}).") from cause
        if cause is not None:
            self.notes.append(f"it is damaged or cut off: {position / rate:.1f} s of it can be decoded")
        elif position - first > _MISSING_S * rate:
            self.notes.append("its header tells too few samples; it is read to its end")


def _words(error: Exception) -> str:
    """Return the reason of libsndfile."""
    return str(getattr(error, "error_string", error)).strip().rstrip(".") or "no reason is given"
