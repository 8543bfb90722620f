"""Write a recording into a file of some format, really encoded, for whoever then has to decode it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from affetto.audio.decode import LARGEST_SAMPLE, resample
from affetto.errors import AffettoError

FormatName = Literal["wav", "mu_law", "flac", "mp3", "ogg", "opus", "m4a", "webm"]

_CODECS: MappingProxyType[FormatName, tuple[str, str]] = MappingProxyType(
    {
        "wav": ("WAV", "PCM_16"),
        "mu_law": ("WAV", "ULAW"),  # G.711, North America and Japan
        "flac": ("FLAC", "PCM_24"),
        "mp3": ("MP3", "MPEG_LAYER_III"),
        "ogg": ("OGG", "VORBIS"),
        "opus": ("OGG", "OPUS"),
    }
)
"""libsndfile's names of container and codec."""
_FFMPEG_CODECS: MappingProxyType[FormatName, tuple[str, str]] = MappingProxyType(
    {
        "m4a": ("ipod", "aac"),  # what phones record
        "webm": ("webm", "libopus"),  # what browsers record
    }
)
"""FFmpeg's names of container and codec."""
_FFMPEG_BITS_A_SECOND = 64_000
_BLOCK_FRAMES = 65_536
_SUFFIXES: dict[FormatName, str] = {"mu_law": ".wav"}
_RATES_HZ: dict[FormatName, tuple[int, ...]] = {
    "mp3": (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
    "opus": (8_000, 12_000, 16_000, 24_000, 48_000),
    "m4a": (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
    "webm": (8_000, 12_000, 16_000, 24_000, 48_000),
}
_BITS: dict[FormatName, int] = {"wav": 16, "mu_law": 16, "flac": 24}


@dataclass(frozen=True)
class Copy:
    """A recording that is to become a file.

    Attributes
    ----------
    samples
        float32 [n] or [channels, n], full scale 1.0; what is beyond is clipped.
    sample_rate_hz
        Their rate, Hz.
    format
        Container and codec.
    """

    samples: NDArray[np.float32]
    sample_rate_hz: int
    format: FormatName = "wav"


def unavailable(name: FormatName) -> str | None:
    """Return why files of a format cannot be made and decoded on this machine; None where they can."""
    import soundfile

    if name in _FFMPEG_CODECS:
        import av

        known = _FFMPEG_CODECS[name][1] in av.codecs_available
        return None if known else f"not decodable here: PyAV {av.__version__} has no {name}"
    container, codec = _CODECS[name]
    if container not in soundfile.available_formats() or not soundfile.check_format(container, codec):
        return f"not decodable here: libsndfile {soundfile.__libsndfile_version__} has no {name}"
    return None


def write_copy(copy: Copy, folder: Path) -> Path:
    """Encode a recording into a file of `folder` and return its path.

    Formats that allow only some rates get the next higher one that they allow.

    Raises
    ------
    AffettoError
        When the format cannot be made here.
    """
    import soundfile

    reason = unavailable(copy.format)
    if reason:
        raise AffettoError(f"{copy.format} is {reason}; leave out the condition that needs it.")
    rate = _allowed_rate(copy.format, copy.sample_rate_hz)
    lowest = -LARGEST_SAMPLE if copy.format == "mu_law" else -1.0  # its lowest sample wraps
    samples = np.clip(resample(copy.samples, copy.sample_rate_hz, rate), lowest, LARGEST_SAMPLE)
    path = folder / f"copy{_SUFFIXES.get(copy.format, f'.{copy.format}')}"
    if copy.format in _FFMPEG_CODECS:
        _encode(np.atleast_2d(samples), rate, path, *_FFMPEG_CODECS[copy.format])
        return path
    container, codec = _CODECS[copy.format]
    values = _quantised(samples, copy.format).T
    n_channels = values.shape[1] if values.ndim > 1 else 1
    with soundfile.SoundFile(path, "w", rate, n_channels, codec, format=container) as file:
        # In blocks, because the Vorbis encoder keeps what it is given on its stack.
        for start in range(0, len(values), _BLOCK_FRAMES):
            file.write(values[start : start + _BLOCK_FRAMES])
    return path


def _encode(samples: NDArray[np.float32], rate_hz: int, path: Path, container: str, codec: str) -> None:
    """Write samples [channels, n] of one or two channels with FFmpeg."""
    import av

    av.logging.set_level(av.logging.PANIC)
    layout = "mono" if len(samples) == 1 else "stereo"
    with av.open(str(path), "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=rate_hz, layout=layout)
        stream.bit_rate = _FFMPEG_BITS_A_SECOND
        for start in range(0, samples.shape[1], _BLOCK_FRAMES):
            block = np.ascontiguousarray(samples[:, start : start + _BLOCK_FRAMES], dtype=np.float32)
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate_hz, start
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def _allowed_rate(name: FormatName, rate_hz: int) -> int:
    allowed = _RATES_HZ.get(name)
    return rate_hz if allowed is None else next((each for each in allowed if each >= rate_hz), allowed[-1])


def _quantised(samples: NDArray[np.float32], name: FormatName) -> NDArray[np.float32] | NDArray[np.int32]:
    """Round to the steps of the format; libsndfile's own conversion of floats is off by a step when loud."""
    bits = _BITS.get(name)
    if bits is None:
        return samples
    steps: NDArray[np.int32] = np.rint(samples.astype(np.float64) * 2 ** (bits - 1)).astype(np.int32)
    return steps * np.int32(2 ** (32 - bits))
