"""What happens to a voice between the speaker and us: level, silence, other sounds, a telephone line."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from affetto.audio.decode import LARGEST_SAMPLE, resample
from affetto.audio.interference import Sound, make_sound

TELEPHONE_RATE_HZ = 8_000
TELEPHONE_BAND_HZ = (300.0, 3_400.0)
_FILTER_ORDER = 8
_RIPPLE_DB = 0.1
_STOP_DB = 50.0
_FRAME_S = 0.02
_MOMENT_S = 0.05
ACTIVE_DB = 30.0  # frames this far below the loudest one are pauses

Samples = NDArray[np.float32]


def seed_of(samples: Samples) -> int:
    """Return a seed that is the same for the same samples, so that a clip meets the same noise each time."""
    digest = hashlib.blake2b(np.ascontiguousarray(samples, dtype="<f4").data, digest_size=8)
    return int.from_bytes(digest.digest(), "little")


def set_peak(samples: Samples, peak_dbfs: float) -> Samples:
    """Scale a recording so that its largest magnitude is `peak_dbfs`; silence stays silence.

    Parameters
    ----------
    samples
        float32 [n], full scale 1.0.
    peak_dbfs
        Wanted peak, dB relative to full scale; 0 is ±1.0, which a 16-bit file holds as ±32767.
    """
    peak = float(np.abs(samples).max(initial=0.0))
    gain = 10 ** (peak_dbfs / 20) / peak if peak > 0 else 1.0
    return (samples * gain).astype(np.float32)


def two_channels(samples: Samples, second_db: float) -> Samples:
    """Return [2, n]: the recording, and the recording `second_db` louder (negative: softer)."""
    return np.stack([samples, samples * np.float32(10 ** (second_db / 20))])


def surround_with_silence(
    samples: Samples, sample_rate_hz: int, *, seconds: float, floor_dbfs: float | None = None
) -> Samples:
    """Put silence before and behind a recording.

    Parameters
    ----------
    samples
        float32 [n].
    sample_rate_hz
        Its rate, Hz.
    seconds
        Length of the silence on each side, s.
    floor_dbfs
        RMS level of white noise in the silence, dBFS; None: digital silence.
    """
    n = round(seconds * sample_rate_hz)
    sides = np.zeros((2, n), dtype=np.float32)
    if floor_dbfs is not None:
        rng = np.random.default_rng(seed_of(samples))
        sides = (10 ** (floor_dbfs / 20) * rng.standard_normal((2, n))).astype(np.float32)
    return np.concatenate([sides[0], samples, sides[1]])


def pink_noise(n: int, seed: int) -> Samples:
    """Make noise whose power falls by 3 dB an octave, float32 [n], RMS 1 (shaped in the frequency domain)."""
    white = np.fft.rfft(np.random.default_rng(seed).standard_normal(n))
    slope = np.sqrt(np.maximum(np.arange(len(white), dtype=np.float64), 1.0))
    shaped = white / slope
    shaped[0] = 0.0  # no offset: it would count as power that nobody hears
    noise = np.fft.irfft(shaped, n)
    return (noise / max(float(np.sqrt(np.mean(noise**2))), np.finfo(np.float64).tiny)).astype(np.float32)


def add_offset(samples: Samples, offset: float) -> Samples:
    """Add a constant, as cheap sound cards do; what goes beyond full scale is scaled down.

    Parameters
    ----------
    samples
        float32 [n], full scale 1.0.
    offset
        The constant, relative to full scale.
    """
    return _within_full_scale(samples + np.float32(offset))


def add_pink_noise(samples: Samples, sample_rate_hz: int, snr_db: float) -> Samples:
    """Add pink noise at a signal-to-noise ratio over active speech.

    Pauses do not count for the level of the speech: else a clip with more of them would get less noise. The
    sum is scaled down where it would go beyond full scale.

    Parameters
    ----------
    samples
        float32 [n].
    sample_rate_hz
        Its rate, Hz.
    snr_db
        Power of the active frames over that of the noise, dB.
    """
    noise = pink_noise(max(1, len(samples)), seed_of(samples))[: len(samples)]
    return _add(samples, sample_rate_hz, noise, snr_db)


def add_sound(samples: Samples, sample_rate_hz: int, sound: Sound, snr_db: float) -> Samples:
    """Add another sound at a signal-to-noise ratio over active speech, as `add_pink_noise` adds noise.

    Parameters
    ----------
    samples
        float32 [n].
    sample_rate_hz
        Its rate, Hz.
    sound
        Which; its pitches and moments are drawn from the samples, the same each time.
    snr_db
        Power of the active frames over the mean power of the sound, dB.
    """
    return _add(
        samples, sample_rate_hz, make_sound(sound, len(samples), sample_rate_hz, seed_of(samples)), snr_db
    )


def surround_with(
    samples: Samples,
    sample_rate_hz: int,
    sound: Sound,
    *,
    before_s: float,
    behind_s: float,
    level_db: float,
) -> Samples:
    """Put other sounds before and behind a recording.

    Parameters
    ----------
    samples
        float32 [n].
    sample_rate_hz
        Its rate, Hz.
    sound
        Which; its pitches and moments are drawn from the samples, the same each time.
    before_s, behind_s
        Length before and behind, s.
    level_db
        Peak of the sound relative to that of the recording, dB. All is scaled down where that would go beyond
        full scale.
    """
    peak = np.float32(np.abs(samples).max(initial=0.0) * 10 ** (level_db / 20))
    seed = seed_of(samples)
    before, behind = (
        peak * make_sound(sound, round(seconds * sample_rate_hz), sample_rate_hz, seed=(seed + side) % 2**64)
        for side, seconds in enumerate((before_s, behind_s))
    )
    return _within_full_scale(np.concatenate([before, samples, behind]))


def insert_pause(samples: Samples, sample_rate_hz: int, *, seconds: float, floor_dbfs: float) -> Samples:
    """Put a pause into a recording, at the softest moment of 50 ms in the middle third of it.

    Parameters
    ----------
    samples
        float32 [n].
    sample_rate_hz
        Its rate, Hz.
    seconds
        Length of the pause, s.
    floor_dbfs
        RMS level of white noise in the pause, dBFS.
    """
    size = round(_MOMENT_S * sample_rate_hz)
    third = len(samples) // 3
    power = np.convolve(samples[third : 2 * third].astype(np.float64) ** 2, np.ones(size), mode="valid")
    at = third + (int(power.argmin()) + size // 2 if third >= size else 0)
    noise = np.random.default_rng(seed_of(samples)).standard_normal(round(seconds * sample_rate_hz))
    pause = (10 ** (floor_dbfs / 20) * noise).astype(np.float32)
    return np.concatenate([samples[:at], pause, samples[at:]])


def _add(samples: Samples, sample_rate_hz: int, sound: Samples, snr_db: float) -> Samples:
    if not len(samples):
        return samples
    power = active_power(samples - samples.mean(dtype=np.float64), sample_rate_hz)  # an offset is no speech
    own = max(float(np.mean(sound.astype(np.float64) ** 2)), np.finfo(np.float64).tiny)
    gain = np.float32(np.sqrt(power * 10 ** (-snr_db / 10) / own))
    return _within_full_scale(samples + gain * sound)


def _within_full_scale(samples: Samples) -> Samples:
    loudest = float(np.abs(samples).max(initial=0.0))
    return (samples * min(1.0, LARGEST_SAMPLE / max(loudest, 1e-12))).astype(np.float32)


def active_power(samples: Samples, sample_rate_hz: int) -> float:
    """Return the mean power of the frames of 20 ms within 30 dB of the loudest one (after ITU-T P.56)."""
    n = max(1, round(_FRAME_S * sample_rate_hz))
    starts = np.arange(0, len(samples), n)
    squares = np.add.reduceat(samples.astype(np.float64) ** 2, starts)
    lengths = np.diff([*starts, len(samples)])
    power = squares / lengths
    active = power >= power.max() * 10 ** (-ACTIVE_DB / 10)
    return float(squares[active].sum() / lengths[active].sum())


def telephone_band(samples: Samples, sample_rate_hz: int) -> Samples:
    """Send a recording through the band of a telephone: 8 kHz, 300–3400 Hz (ITU-T G.712).

    An elliptic band-pass of eight second-order sections, ripple 0.1 dB, 50 dB beyond the band's skirts; it is
    causal, as lines are.

    Returns
    -------
    NDArray[np.float32]
        float32 [m] at `TELEPHONE_RATE_HZ`.
    """
    from scipy.signal import ellip, sosfilt

    narrow = resample(samples, sample_rate_hz, TELEPHONE_RATE_HZ)
    sections = ellip(
        _FILTER_ORDER,
        _RIPPLE_DB,
        _STOP_DB,
        TELEPHONE_BAND_HZ,
        btype="bandpass",
        output="sos",
        fs=TELEPHONE_RATE_HZ,
    )
    return np.asarray(sosfilt(sections, narrow), dtype=np.float32)
