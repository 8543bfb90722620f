"""Decode what libsndfile does not, the formats of phones, browsers and cameras, through PyAV."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affetto.audio.decode import AudioHeader, cut_off, resample
from affetto.io.native_libraries import uninterrupted

_CONTAINERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,dtshd,eac3,flac,flv,iff,loas,matroska,mov,mp3,mpc,mpc8,mpeg,"
    "mpegts,mxf,nut,ogg,rm,tak,truehd,tta,voc,w64,wav,wtv,wv,xwma"
)
"""Demuxers that may read: none that opens other files, or addresses, named in a text."""
_TELL_LENGTH = frozenset(
    {"aiff", "ape", "asf", "avi", "caf", "flv", "matroska", "mov", "tta", "w64", "wav", "wv"}
)
"""Containers that tell their length; of others FFmpeg guesses it from the size."""
_FLOAT_CODECS = ("pcm_f", "wavpack")
_BLOCK_SAMPLES = 1 << 16
_MOST_PADDING = 4096  # frames by which codecs fill up their last packets
_MISSING_S = 0.1  # less may be rounding, or what an encoder did not write


class UndecodableError(Exception):
    """FFmpeg makes nothing of a file; the message is its reason."""


@contextmanager
def open_ffmpeg(content: Any, *, is_cut_off: bool = False) -> Iterator[FfmpegSound]:
    """Open a file object of any format that FFmpeg knows, to read its first audio stream.

    Parameters
    ----------
    content
        The open file.
    is_cut_off
        Whether the end of it is known to be missing, so that this can be said.

    Raises
    ------
    UndecodableError
        When there is no audio in it that can be decoded.
    """
    import av

    av.logging.set_level(av.logging.PANIC)
    try:
        with uninterrupted():
            container = av.open(content, metadata_errors="ignore", options={"format_whitelist": _CONTAINERS})
        with container:
            yield FfmpegSound(container, is_cut_off=is_cut_off)
    except av.FFmpegError as error:
        raise UndecodableError(str(getattr(error, "strerror", None) or error)) from error


class FfmpegSound:
    """The first audio stream of an open container; see `affetto.audio.decode.Recording`."""

    seekable = False

    def __init__(self, container: Any, *, is_cut_off: bool) -> None:
        streams = container.streams.audio
        codec = streams[0].codec_context if streams else None
        if codec is None:
            raise UndecodableError("it holds no sound that can be decoded")
        if not codec.sample_rate or not codec.channels:
            raise UndecodableError("its sound is missing")
        self._container, self._stream, self._is_cut_off = container, streams[0], is_cut_off
        self.notes: list[str] = []
        self.holds_floats = codec.name.startswith(_FLOAT_CODECS)
        self.header = AudioHeader(self._announced_s(), int(codec.sample_rate), int(codec.channels))

    def _announced_s(self) -> float:
        import av

        if not _TELL_LENGTH & set(self._container.format.name.split(",")):
            return math.inf
        if self._stream.duration is not None:
            return float(self._stream.duration * self._stream.time_base)
        if self._container.duration is not None and not self._container.streams.video:
            return float(self._container.duration / av.time_base)
        return math.inf

    def blocks(self, start_s: float, end_s: float) -> Iterator[NDArray[np.float32]]:
        """Yield the samples of a part, float32 [channels, n]; what lies before it is decoded, too."""
        rate = self.header.sample_rate_hz
        start, end = round(start_s * rate), math.inf if math.isinf(end_s) else round(end_s * rate)
        position = 0
        for block in self._without_padding():
            wanted = block[:, max(0, start - position) : int(max(0, min(end - position, block.shape[1])))]
            position += block.shape[1]
            if wanted.shape[1]:
                yield wanted
            if position >= end:
                return

    def _without_padding(self) -> Iterator[NDArray[np.float32]]:
        """Yield all samples but those that fill up the last packet behind the announced end."""
        rate, announced_s = self.header.sample_rate_hz, self.header.duration_s
        announced = 1 << 60 if math.isinf(announced_s) else round(announced_s * rate)
        position = 0
        behind: NDArray[np.float32] | None = None
        for block in self._decoded():
            if behind is not None:
                yield behind
            inside = max(0, announced - position)
            position += block.shape[1]
            behind = block[:, inside:] if block.shape[1] > inside else None
            yield block[:, :inside]
        if behind is not None and behind.shape[1] > _MOST_PADDING:
            yield behind
        missing = math.isfinite(announced_s) and position < announced - _MISSING_S * rate
        if missing and position == 0:
            raise UndecodableError("nothing of its sound is there, or what there is is damaged")
        if missing or self._is_cut_off:
            self.notes.append(cut_off(position / rate, announced_s))

    def _decoded(self) -> Iterator[NDArray[np.float32]]:
        """Yield all samples in blocks; packets that are damaged are left out."""
        import av

        failures: list[str] = []
        packets = self._container.demux(self._stream)
        frames: list[Any] = []
        size, n_decoded, more = max(1, _BLOCK_SAMPLES // self.header.channels), 0, True
        while more:
            gathered: list[NDArray[np.float32]] = []
            with uninterrupted():  # FFmpeg asks Python for the bytes of the file
                while more and sum(part.shape[1] for part in gathered) < size:
                    try:
                        packet = next(packets, None)
                        more = packet is not None
                        frames = packet.decode() if packet is not None else []
                    except av.FFmpegError as error:
                        more = packet is not None and len(failures) < 1 << 20
                        failures.append(str(error.strerror))
                        frames = []
                    gathered += map(self._samples, frames)
            if gathered:
                n_decoded += 1
                yield np.concatenate(gathered, axis=1)
        if failures and not n_decoded:
            raise UndecodableError(failures[0])
        if failures:
            self.notes.append("it is damaged, and what does not decode is left out")

    def _samples(self, frame: Any) -> NDArray[np.float32]:
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
