"""What a recording is for whoever reads one, and what all decoders share: header, errors, resampling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from affetto.errors import AffettoError

Samples = NDArray[np.float32]
LARGEST_SAMPLE = 1 - 2**-15
"""The largest sample of 16 bits, 32767/32768: one of 1.0 would wrap to -1 where 16-bit integers are made."""


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
        Length, s; infinite where the header does not tell, or cannot be right.
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
    holds_floats
        Whether samples can be anything.
    seekable
        Whether `blocks` can be called again, and does not decode what lies before the part.
    """

    header: AudioHeader
    notes: list[str]
    holds_floats: bool
    seekable: bool

    def blocks(self, start_s: float, end_s: float) -> Iterator[Samples]:
        """Yield the samples of a part, float32 [channels, n] in small blocks (MIDI: in one)."""


def resample(samples: Samples, from_hz: int, to_hz: int) -> Samples:
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
    resampled: Samples = soxr.resample(samples.T, from_hz, to_hz, quality="HQ").T
    return np.ascontiguousarray(resampled, dtype=np.float32)


def mix(block: Samples, channel: int | None = None) -> Samples:
    """Return a channel, or the mean of all, [n]: one by one, NumPy's mean over so short an axis is slow."""
    first: Samples = block[channel or 0]
    if len(block) == 1 or channel is not None:
        return first
    return sum(block[1:], start=first) / np.float32(len(block))
