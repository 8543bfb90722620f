"""Decoders of sound: libsndfile, and FFmpeg (through PyAV) for what libsndfile does not read wholly."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from affetto.audio.recording import (
    AudioHeader,
    DecodeError,
    Recording,
    Samples,
    UnreachableError,
    resample,
)
from affetto.io.native_libraries import uninterrupted

_BLOCK_SAMPLES = 1 << 20
_MISSING_S = 0.1  # less than announced may be the padding of a codec, or rounding
_UNREAD_BYTES = 1 << 14  # tags behind the sound are rarely larger
_UNKNOWN_FRAMES = 1 << 60  # libsndfile gives 2**63 - 1 for streams that do not tell their length
_SYSTEM_ERROR = 2  # libsndfile's SF_ERR_SYSTEM
_OTHER_LENGTH = re.compile(r"(?:data|SSND|[Ss]ize)\s*: (\d+) \(should be (\d+)\)")
"""libsndfile's remark that a header announces another number of bytes than there are."""
_UNKNOWN_BYTES = 0x7FFF_0000  # programs that stream write the largest number they have, or nearly
_DEMUXERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,dtshd,eac3,flac,flv,iff,loas,matroska,mov,mp3,mpc,mpc8,mpeg,"
    "mpegts,mxf,nut,ogg,rm,tak,truehd,tta,voc,w64,wav,wtv,wv,xwma"
)
"""Demuxers of FFmpeg that may read: none that opens other files, or addresses, named in a text."""
_TELL_LENGTH = frozenset(
    {"aiff", "ape", "asf", "avi", "caf", "flv", "matroska", "mov", "tta", "w64", "wav", "wv"}
)
"""Containers that tell their length; of others FFmpeg guesses it from the size."""
_BLOCK_FRAMES = 1 << 15
_MOST_PADDING = 4096  # frames by which codecs fill up their last packets


class UndecodableError(Exception):
    """No decoder makes anything of a file; the message is the reason."""


@contextmanager
def open_sound(path: Path, content: Any) -> Iterator[Recording]:
    """Open a file object with the first decoder that reads all of it.

    Parameters
    ----------
    path
        Its name, for messages.
    content
        The open file.

    Raises
    ------
    UndecodableError
        When there is no sound in it that can be decoded.
    UnreachableError
        When the storage fails.
    """
    import soundfile

    content.seek(0)
    # A file of this machine by its number, so that its extension says nothing.
    source = content.fileno() if isinstance(content, io.FileIO) else content
    sound, is_cut_off = None, False
    with suppress(soundfile.SoundFileError), _calling_libsndfile(path):
        file = soundfile.SoundFile(source, closefd=False)
        sound = _Libsndfile(path, content, file)
    if sound is not None:
        with sound.file:
            if sound.reads_all():
                yield sound
                return
        is_cut_off = sound.is_cut_off
    trust = sound is None
    with _open_ffmpeg(content, trust_length=trust, is_cut_off=is_cut_off) as other:
        yield other


@contextmanager
def _calling_libsndfile(path: Path) -> Iterator[None]:
    """Hold signals back, as libsndfile may ask Python for bytes; tell faults of the storage from damage."""
    import soundfile

    try:
        with uninterrupted():
            yield
    except soundfile.SoundFileError as error:
        if getattr(error, "code", None) == _SYSTEM_ERROR:
            raise UnreachableError(f"Cannot read {path}: {_words(error)}.") from error
        raise


def _words(error: Exception) -> str:
    """Return the reason of libsndfile."""
    words = str(getattr(error, "error_string", error))
    return words.strip().rstrip(".") or "no reason is given"


class _Libsndfile:
    """An open file of libsndfile; see `affetto.audio.recording.Recording`."""

    def __init__(self, path: Path, content: Any, file: Any) -> None:
        self._path, self._content, self.file = path, content, file
        remarks, rate = file.extra_info, file.samplerate
        cut_off = ("end-of-stream bit", "Junk after the last page")
        self.is_cut_off = any(words in remarks for words in cut_off)
        for said, there in _OTHER_LENGTH.findall(remarks):
            self.is_cut_off |= int(there) < int(said) < _UNKNOWN_BYTES
        self.seekable = file.seekable()
        self.holds_floats = file.subtype in {"FLOAT", "DOUBLE"}
        self.notes: list[str] = []
        self.header = AudioHeader(file.frames / rate, rate, file.channels)
        if file.subtype in {"PCM_S8", "PCM_U8"}:
            self.header = replace(self.header, full_scale=1 - 2**-7)

    def reads_all(self) -> bool:
        """Tell whether the last announced frame is there, and no samples follow it.

        It is not in interrupted and piped recordings: of FLAC that was cut off libsndfile reads nothing, and
        of WAV, RF64 and AU what the header announces, be it 0 bytes.
        """
        import soundfile

        file, content = self.file, self._content
        if file.frames > _UNKNOWN_FRAMES:
            return False
        # In these, to seek is slow and the number of frames inexact.
        if not self.seekable or file.format in {"OGG", "MP3"}:
            return True
        try:
            with _calling_libsndfile(self._path):
                file.seek(max(0, file.frames - 1))
                file.read(1)
        except soundfile.SoundFileError:
            self.is_cut_off = True
            return False
        if file.format not in {"WAV", "WAVEX", "RF64", "AU"}:
            return True
        end = content.seek(0, io.SEEK_CUR)
        # What follows may be another chunk, or a tag as of an MP3.
        name = content.read(8).lstrip(b"\0")[:4].decode("latin-1")
        if name.startswith("ID3") or (name and name.isascii() and name.isprintable()):
            return True
        left: int = content.seek(0, io.SEEK_END) - end
        return left < _UNREAD_BYTES

    def blocks(self, start_s: float, end_s: float) -> Iterator[Samples]:
        """Yield the samples of a part, float32 [channels, n]."""
        import soundfile

        rate, file = self.header.sample_rate_hz, self.file
        start = min(round(start_s * rate), file.frames)
        end = _UNKNOWN_FRAMES if math.isinf(end_s) else round(end_s * rate)
        position = start if self.seekable else 0
        try:
            if self.seekable:
                with _calling_libsndfile(self._path):
                    file.seek(start)
            while position < min(end, file.frames):
                wanted = min(end, file.frames) - position
                size = min(max(1, _BLOCK_SAMPLES // file.channels), wanted)
                with _calling_libsndfile(self._path):
                    block = file.read(size, dtype="float32", always_2d=True).T
                if block.shape[1] == 0:
                    break
                yield block[:, max(0, start - position) :]
                position += block.shape[1]
        except soundfile.SoundFileError as error:
            yield from self._rest(max(start, position), end_s, error)
            return
        if position >= end:
            return
        present_s, announced_s = position / rate, self.header.duration_s
        here = self._content.seek(0, io.SEEK_CUR)
        unread = self._content.seek(0, io.SEEK_END) - here
        if file.format == "MP3" and unread > _UNREAD_BYTES:
            yield from self._rest(position, end_s)  # its header tells too few frames
        elif self.is_cut_off:
            self.notes.append(_cut_off(present_s, math.inf))
        elif present_s < announced_s - _MISSING_S:
            self.notes.append(_cut_off(present_s, announced_s))

    def _rest(self, position: int, end_s: float, cause: Exception | None = None) -> Iterator[Samples]:
        """Let FFmpeg read on where libsndfile stops: at damage, or at a wrong number of frames."""
        own = self.header
        rate = own.sample_rate_hz
        with suppress(UndecodableError), _open_ffmpeg(self._content) as sound:
            other = sound.header
            if (other.sample_rate_hz, other.channels) == (rate, own.channels):
                for block in sound.blocks(position / rate, end_s):
                    position += block.shape[1]
                    yield block
        if cause is None:
            return
        if position == 0:
            what = f"it is damaged ({_words(cause)})"
            raise DecodeError(f"Cannot decode {self._path}: {what}.") from cause
        length = f"{position / rate:.1f} s"
        self.notes.append(f"it is damaged or cut off: {length} of it can be decoded")


def _cut_off(present_s: float, announced_s: float) -> str:
    """Say that the end of a recording is missing, and how much where that is known."""
    of = f" of {announced_s:.1f}" if math.isfinite(announced_s) else ""
    return f"it is cut off after {present_s:.1f}{of} s"


@contextmanager
def _open_ffmpeg(content: Any, *, trust_length: bool = True, is_cut_off: bool = False) -> Iterator[Recording]:
    """Open a file object with FFmpeg, to read its first audio stream.

    `trust_length` tells whether the length that its header announces can be right, and `is_cut_off` whether
    its end is known to be missing, so that this can be said.
    """
    import av

    av.logging.set_level(av.logging.PANIC)
    options = {"format_whitelist": _DEMUXERS}
    if not trust_length:
        options["ignore_length"] = "1"
    content.seek(0)
    try:
        with uninterrupted():
            container = av.open(content, metadata_errors="ignore", options=options)
        with container:
            yield _Ffmpeg(container, trust_length, is_cut_off)
    except av.FFmpegError as error:
        raise UndecodableError(str(getattr(error, "strerror", None) or error)) from error


class _Ffmpeg:
    """The first audio stream of an open container; see `affetto.audio.recording.Recording`."""

    seekable = False

    def __init__(self, container: Any, trust_length: bool, is_cut_off: bool) -> None:
        import av

        streams, length_s = container.streams, math.inf
        stream: Any = next(iter(streams.audio), None)
        codec = stream and stream.codec_context
        if not codec or not codec.sample_rate or not codec.channels:
            raise UndecodableError("it holds no sound that can be decoded")
        if trust_length and _TELL_LENGTH & {*container.format.name.split(",")}:
            if stream.duration is not None:
                length_s = float(stream.duration * stream.time_base)
            elif container.duration is not None and not streams.video:
                length_s = float(container.duration / av.time_base)
        self._container, self._stream = container, stream
        self._is_cut_off = is_cut_off
        self.notes: list[str] = []
        self.holds_floats = codec.name.startswith(("pcm_f", "wavpack"))
        self.header = AudioHeader(length_s, int(codec.sample_rate), int(codec.channels))

    def blocks(self, start_s: float, end_s: float) -> Iterator[Samples]:
        """Yield the samples of a part, float32 [channels, n]; what lies before it is decoded, too."""
        rate, position = self.header.sample_rate_hz, 0
        start = round(start_s * rate)
        end = _UNKNOWN_FRAMES if math.isinf(end_s) else round(end_s * rate)
        for block in self._without_padding():
            yield block[:, max(0, start - position) : max(0, end - position)]
            position += block.shape[1]
            if position >= end:
                return

    def _without_padding(self) -> Iterator[Samples]:
        """Yield all samples, in blocks, but those that fill up the last packet behind the announced end."""
        rate, announced_s = self.header.sample_rate_hz, self.header.duration_s
        announced = _UNKNOWN_FRAMES if math.isinf(announced_s) else round(announced_s * rate)
        position = n_given = 0
        held = [np.zeros((self.header.channels, 0), np.float32)]
        for samples in self._decoded():
            position += samples.shape[1]
            held.append(samples)
            if position - n_given >= _BLOCK_FRAMES:
                whole = np.concatenate(held, axis=1)
                yield whole[:, :-_MOST_PADDING]
                held, n_given = [whole[:, -_MOST_PADDING:]], position - _MOST_PADDING
        whole, padding = np.concatenate(held, axis=1), position - announced
        if 0 < padding <= _MOST_PADDING:
            whole = whole[:, : max(0, whole.shape[1] - padding)]
        yield whole
        least = announced - _MISSING_S * rate
        missing = math.isfinite(announced_s) and position < least
        if missing and position == 0:
            raise UndecodableError("nothing of its sound is there, or it is damaged")
        if missing or self._is_cut_off:
            self.notes.append(_cut_off(position / rate, announced_s))

    def _decoded(self) -> Iterator[Samples]:
        """Yield the samples of each frame; packets that are damaged are left out."""
        import av

        packets = self._container.demux(self._stream)
        failure, n_decoded, more = None, 0, True
        while more:
            frames: list[Any] = []
            try:
                with uninterrupted():  # FFmpeg asks Python for the bytes of the file
                    packet = next(packets, None)
                    more = packet is not None
                    frames = packet.decode() if packet is not None else []
            except av.FFmpegError as error:
                failure = failure or error
            n_decoded += len(frames)
            yield from map(self._samples, frames)
        if failure and not n_decoded:
            raise UndecodableError(str(failure.strerror)) from failure
        if failure and not self._is_cut_off:
            self.notes.append("it is damaged, and what does not decode is left out")

    def _samples(self, frame: Any) -> Samples:
        """Return the samples of a frame, float32 [channels, n], as the header tells rate and channels."""
        samples = frame.to_ndarray()
        channels = frame.layout.nb_channels
        if not frame.format.is_planar:
            samples = samples.reshape(-1, channels).T
        if samples.dtype == np.uint8:
            samples = (samples.astype(np.float32) - 128) / 128
        elif samples.dtype.kind == "i":
            samples = samples * np.float32(1 / -float(np.iinfo(samples.dtype).min))
        samples = samples.astype(np.float32, copy=False)
        if channels != self.header.channels:  # some streams change in the middle
            mean = samples.mean(axis=0, keepdims=True)
            samples = np.repeat(mean, self.header.channels, axis=0)
        return resample(samples, frame.sample_rate, self.header.sample_rate_hz)
