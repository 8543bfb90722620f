"""Level of active speech, and noise of a known colour: what speech detection and conditions share."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

ACTIVE_DB = 30.0  # frames this far below the loudest one are pauses
_FRAME_S = 0.02

Samples = NDArray[np.float32]


def active_power(samples: Samples, sample_rate_hz: int) -> float:
    """Return the mean power of the frames of 20 ms within 30 dB of the loudest one (after ITU-T P.56)."""
    n = max(1, round(_FRAME_S * sample_rate_hz))
    starts = np.arange(0, len(samples), n)
    squares = np.add.reduceat(samples.astype(np.float64) ** 2, starts)
    lengths = np.diff([*starts, len(samples)])
    power = squares / lengths
    active = power >= power.max() * 10 ** (-ACTIVE_DB / 10)
    return float(squares[active].sum() / lengths[active].sum())


def pink_noise(n: int, seed: int) -> Samples:
    """Make noise whose power falls by 3 dB an octave, float32 [n], RMS 1 (shaped in the frequency domain)."""
    white = np.fft.rfft(np.random.default_rng(seed).standard_normal(n))
    slope = np.sqrt(np.maximum(np.arange(len(white), dtype=np.float64), 1.0))
    shaped = white / slope
    shaped[0] = 0.0  # no offset: it would count as power that nobody hears
    noise = np.fft.irfft(shaped, n)
    return (noise / max(float(np.sqrt(np.mean(noise**2))), np.finfo(np.float64).tiny)).astype(np.float32)


def seed_of(samples: Samples) -> int:
    """Return a seed that is the same for the same samples, so that a clip meets the same noise each time."""
    digest = hashlib.blake2b(np.ascontiguousarray(samples, dtype="<f4").data, digest_size=8)
    return int.from_bytes(digest.digest(), "little")
