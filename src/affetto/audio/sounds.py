"""Sounds that are no voice, made from nothing: what surrounds voices in recordings, and pink noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from affetto.audio.recording import Samples

Sound = Literal["clicks", "beep", "knocks", "handling", "hum", "music"]
_Times = NDArray[np.float64]
_PARTIALS = np.arange(1, 9)
_CHORDS = ((0, 4, 7, 12), (0, 3, 7, 12))  # major and minor, semitones over the root


def pink_noise(n: int, seed: int) -> Samples:
    """Make noise whose power falls by 3 dB an octave, float32 [n], RMS 1 (shaped in the frequency domain)."""
    white = np.fft.rfft(np.random.default_rng(seed).standard_normal(n))
    shaped = white / np.sqrt(np.maximum(np.arange(len(white), dtype=np.float64), 1.0))
    shaped[0] = 0.0  # no offset: it would count as power that nobody hears
    noise = np.fft.irfft(shaped, n)
    rms = max(float(np.sqrt(np.mean(noise**2))), np.finfo(np.float64).tiny)
    return (noise / rms).astype(np.float32)


def make_sound(kind: Sound, n: int, sample_rate_hz: int, seed: int) -> Samples:
    """Make a sound other than a voice that ends up in recordings of one.

    Parameters
    ----------
    kind
        clicks: of 1 ms; beep: one tone that starts and stops; knocks: damped low resonances, as of a table;
        handling: bursts of rumble, as of a hand at the microphone; hum: of the mains, 50 or 60 Hz and
        harmonics; music: plucked chords.
    n
        Its length, samples.
    sample_rate_hz
        Its rate, Hz.
    seed
        Pitches, moments and noise are drawn with it.

    Returns
    -------
    NDArray[np.float32]
        [n], largest magnitude 1.
    """
    if n == 0:
        return np.zeros(0, dtype=np.float32)
    makers: dict[Sound, Callable[[_Times, np.random.Generator], _Times]] = {
        "clicks": _clicks,
        "beep": _beep,
        "knocks": _knocks,
        "handling": _handling,
        "hum": _hum,
        "music": _music,
    }
    sound = makers[kind](np.arange(n) / sample_rate_hz, np.random.default_rng(seed))
    return np.asarray(sound / max(np.abs(sound).max(), 1e-12), dtype=np.float32)


def _clicks(time: _Times, rng: np.random.Generator) -> _Times:
    total = 0 * time
    for start in _moments(time, rng):
        total += (time >= start) & (time < start + 0.001)
    return total


def _beep(time: _Times, rng: np.random.Generator) -> _Times:
    inside = np.minimum(time - 0.2 * time[-1], 0.8 * time[-1] - time)
    fade = np.clip(inside / 0.005, 0.0, 1.0)
    return np.asarray(fade * np.sin(2 * np.pi * rng.uniform(400.0, 2_000.0) * time))


def _knocks(time: _Times, rng: np.random.Generator) -> _Times:
    def knock(age: _Times) -> _Times:
        body = np.sin(2 * np.pi * rng.uniform(80.0, 250.0) * age) * np.exp(-age / 0.03)
        return body + 0.3 * rng.standard_normal(len(age)) * np.exp(-age / 0.004)

    return _struck(time, _moments(time, rng), knock)


def _handling(time: _Times, rng: np.random.Generator) -> _Times:
    from scipy.ndimage import uniform_filter1d

    noise = rng.standard_normal(len(time))
    size = max(1, int(np.searchsorted(time, 0.004)))
    # Three running means of 4 ms leave next to nothing above some 200 Hz.
    for _ in range(3):
        noise = uniform_filter1d(noise, size)
    bursts = np.sin(2 * np.pi * (1.1 * time + rng.uniform()))
    bursts = bursts + 0.5 * np.sin(2 * np.pi * 2.7 * time)
    rumble: _Times = noise * np.clip(bursts, 0.0, None)
    return rumble


def _hum(time: _Times, rng: np.random.Generator) -> _Times:
    mains_hz = rng.choice([50.0, 60.0])
    phases = rng.uniform(0.0, 2 * np.pi, len(_PARTIALS))
    total = 0 * time
    for k, phase in zip(_PARTIALS, phases, strict=True):
        total += np.sin(2 * np.pi * mains_hz * k * time + phase) / k
    return total


def _music(time: _Times, rng: np.random.Generator) -> _Times:
    def chord(age: _Times) -> _Times:
        root_hz = 110.0 * 2 ** (rng.integers(0, 13) / 12)
        tones = root_hz * 2 ** (np.array(_CHORDS[rng.integers(0, 2)]) / 12)
        total = 0 * age
        for hz in tones:
            for k in _PARTIALS:
                total += np.sin(2 * np.pi * hz * k * age) / k**1.5
        return total * np.minimum(age / 0.01, 1.0) * np.exp(-age / 0.5)

    return _struck(time, np.arange(0.0, time[-1], 0.6), chord)


def _moments(time: _Times, rng: np.random.Generator) -> _Times:
    """Draw moments some 0.7 s apart, none of them within a quarter of that from the ends."""
    count = max(1, round(time[-1] / 0.7))
    slots: _Times = (np.arange(count) + rng.uniform(0.25, 0.75, count)) * time[-1] / count
    return slots


def _struck(time: _Times, starts: _Times, sound: Callable[[_Times], _Times]) -> _Times:
    """Add up a sound that is struck at some moments; it is given the seconds since then."""
    total = 0 * time
    for start in starts:
        since = int(np.searchsorted(time, start))
        total[since:] += sound(time[since:] - start)
    return total
