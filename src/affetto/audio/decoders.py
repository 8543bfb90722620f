"""Decoders of sound: libsndfile, and FFmpeg (through PyAV) for what libsndfile does not read wholly."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from affetto.audio.recording import AudioHeader, DecodeError, Recording, Samples, UnreachableError, resample
from affetto.io.native_libraries import uninterrupted

_BLOCK_SAMPLES = 1 << 20
_MISSING_S = 0.1  # less than announced may be the padding of a codec, or rounding
_UNREAD_BYTES = 1 << 14  # tags behind the sound are rarely larger
_UNKNOWN_FRAMES = 1 << 60  # libsndfile gives 2**63 - 1 for streams that do not tell their length
_SYSTEM_ERROR = 2  # libsndfile's SF_ERR_SYSTEM
_FULL_SCALE_8_BITS = 1 - 2**-7
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
    # A file of this machine by its number, so that its extension says nothing, another one by its methods.
    source = content.fileno() if isinstance(content, io.FileIO) else content
    sound = None
    try:
        with _calling_libsndfile(path):
            sound = _Libsndfile(path, content, soundfile.SoundFile(source, closefd=False))
    except soundfile.SoundFileError:
        pass
    if sound is not None:
        with sound.file:
            if sound.reads_all():
                yield sound
                return
    is_cut_off = sound is not None and sound.is_cut_off
    with _open_ffmpeg(content, trust_length=sound is None, is_cut_off=is_cut_off) as other:
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
    return str(getattr(error, "error_string", error)).strip().rstrip(".") or "no reason is given"


class _Libsndfile:
    """An open file of libsndfile; see `affetto.audio.recording.Recording`."""

    def __init__(self, path: Path, content: Any, file: Any) -> None:
        self._path, self._content, self.file = path, content, file
        remarks = file.extra_info
        lengths = [(int(said), int(there)) for said, there in _OTHER_LENGTH.findall(remarks)]
        self.is_cut_off = "end-of-stream bit" in remarks or "Junk after the last page" in remarks
        self.is_cut_off |= any(there < said < _UNKNOWN_BYTES for said, there in lengths)
        self.seekable = file.seekable()
        self.holds_floats = file.subtype in {"FLOAT", "DOUBLE"}
        self.notes: list[str] = []
        scale = _FULL_SCALE_8_BITS if file.subtype in {"PCM_S8", "PCM_U8"} else AudioHeader.full_scale
        self.header = AudioHeader(file.frames / file.samplerate, file.samplerate, file.channels, scale)

    def reads_all(self) -> bool:
        """Tell whether the last announced frame is there, and no samples follow it.

        It is not in interrupted and piped recordings: of FLAC that was cut off libsndfile reads nothing, and
        of WAV, RF64 and AU what the header announces, be it 0 bytes.
        """
        import soundfile

        file, content = self.file, self._content
        if file.frames > _UNKNOWN_FRAMES:
            return False
        if not self.seekable or file.format in {"OGG", "MP3"}:  # where to seek is slow and the number inexact
            return True
        try:
            with _calling_libsndfile(self._path):
                file.seek(max(0, file.frames - 1))
                file.read(1)
        except soundfile.SoundFileError:
            self.is_cut_off = True
            return False
        end = content.seek(0, io.SEEK_CUR)
        name = content.read(8).lstrip(b"\0")[:4].decode("latin-1")  # of a chunk, or a tag as of an MP3
        is_name = name.startswith("ID3") or (name.isascii() and name.isprintable() and name != "")
        left = content.seek(0, io.SEEK_END) - end
        return is_name or left < _UNREAD_BYTES or file.format not in {"WAV", "WAVEX", "RF64", "AU"}

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
        unread = -self._content.seek(0, io.SEEK_CUR) + self._content.seek(0, io.SEEK_END)
        if file.format == "MP3" and unread > _UNREAD_BYTES:  # its header tells too few frames
            yield from self._rest(position, end_s)
        elif self.is_cut_off or present_s < announced_s - _MISSING_S:
            self.notes.append(_cut_off(present_s, math.inf if self.is_cut_off else announced_s))

    def _rest(self, position: int, end_s: float, cause: Exception | None = None) -> Iterator[Samples]:
        """Let FFmpeg read on where libsndfile stops: at damage, or at a wrong number of frames."""
        rate, channels = self.header.sample_rate_hz, self.header.channels
        with suppress(UndecodableError), _open_ffmpeg(self._content) as sound:
            if (sound.header.sample_rate_hz, sound.header.channels) == (rate, channels):
                for block in sound.blocks(position / rate, end_s):
                    position += block.shape[1]
                    yield block
        if cause is not None and position == 0:
            raise DecodeError(f"Cannot decode {self._path}: it is damaged ({_words(cause)}).") from cause
        if cause is not None:
            self.notes.append(f"it is damaged or cut off: {position / rate:.1f} s of it can be decoded")


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
    options = {"format_whitelist": _DEMUXERS} | ({} if trust_length else {"ignore_length": "1"})
    content.seek(0)
    try:
        with uninterrupted():
            container = av.open(content, metadata_errors="ignore", options=options)
        with container:
            yield _Ffmpeg(container, trust_length=trust_length, is_cut_off=is_cut_off)
    except av.FFmpegError as error:
        raise UndecodableError(str(getattr(error, "strerror", None) or error)) from error


class _Ffmpeg:
    """The first audio stream of an open container; see `affetto.audio.recording.Recording`."""

    seekable = False

    def __init__(self, container: Any, *, trust_length: bool, is_cut_off: bool) -> None:
        import av

        stream: Any = next(iter(container.streams.audio), None)
        codec = stream.codec_context if stream is not None else None
        if codec is None or not codec.sample_rate or not codec.channels:
            raise UndecodableError("it holds no sound that can be decoded")
        announced_s = math.inf
        if trust_length and _TELL_LENGTH & set(container.format.name.split(",")):
            if stream.duration is not None:
                announced_s = float(stream.duration * stream.time_base)
            elif container.duration is not None and not container.streams.video:
                announced_s = float(container.duration / av.time_base)
        self._container, self._stream, self._is_cut_off = container, stream, is_cut_off
        self.notes: list[str] = []
        self.holds_floats = codec.name.startswith(("pcm_f", "wavpack"))
        self.header = AudioHeader(announced_s, int(codec.sample_rate), int(codec.channels))

    def blocks(self, start_s: float, end_s: float) -> Iterator[Samples]:
        """Yield the samples of a part, float32 [channels, n]; what lies before it is decoded, too."""
        rate = self.header.sample_rate_hz
        start, end = round(start_s * rate), _UNKNOWN_FRAMES if math.isinf(end_s) else round(end_s * rate)
        position = 0
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
        yield whole[:, : max(0, whole.shape[1] - padding)] if 0 < padding <= _MOST_PADDING else whole
        missing = math.isfinite(announced_s) and position < announced - _MISSING_S * rate
        if missing and position == 0:
            raise UndecodableError("nothing of its sound is there, or what there is is damaged")
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
            samples = np.repeat(samples.mean(axis=0, keepdims=True), self.header.channels, axis=0)
        return resample(samples, frame.sample_rate, self.header.sample_rate_hz)
