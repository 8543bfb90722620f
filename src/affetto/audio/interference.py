"""Sounds other than a voice that end up in recordings of one, made from nothing: to test, never to train."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Sound = Literal["clicks", "beep", "knocks", "handling", "hum", "music"]
Samples = NDArray[np.float64]

_CLICK_S = 0.001
_EVERY_S = 0.7
_PARTIALS = np.arange(1, 9)
_CHORDS = ((0, 4, 7, 12), (0, 3, 7, 12))  # major and minor, semitones over the root


def make_sound(kind: Sound, n: int, sample_rate_hz: int, seed: int) -> NDArray[np.float32]:
    """Make a sound of some length.

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
    sound = _MAKERS[kind](np.arange(n) / sample_rate_hz, np.random.default_rng(seed))
    return np.asarray(sound / max(np.abs(sound).max(initial=0.0), 1e-12), dtype=np.float32)


def _clicks(time: Samples, rng: np.random.Generator) -> Samples:
    return sum(
        (((time >= start) & (time < start + _CLICK_S)) * 1.0 for start in _moments(time, rng)), 0 * time
    )


def _beep(time: Samples, rng: np.random.Generator) -> Samples:
    length_s = time[-1] if len(time) else 0.0
    fade = np.clip(np.minimum(time - 0.2 * length_s, 0.8 * length_s - time) / 0.005, 0.0, 1.0)
    return fade * np.sin(2 * np.pi * rng.uniform(400.0, 2_000.0) * time)


def _knocks(time: Samples, rng: np.random.Generator) -> Samples:
    def knock(age: Samples) -> Samples:
        body = np.sin(2 * np.pi * rng.uniform(80.0, 250.0) * age) * np.exp(-age / 0.03)
        return body + 0.3 * rng.standard_normal(len(age)) * np.exp(-age / 0.004)

    return _struck(time, _moments(time, rng), knock)


def _handling(time: Samples, rng: np.random.Generator) -> Samples:
    from scipy.ndimage import uniform_filter1d

    noise = rng.standard_normal(len(time))
    for _ in range(3):  # three running means of 4 ms leave next to nothing above some 200 Hz
        noise = uniform_filter1d(noise, max(1, int(np.searchsorted(time, 0.004))))
    bursts = np.sin(2 * np.pi * (1.1 * time + rng.uniform())) + 0.5 * np.sin(2 * np.pi * 2.7 * time)
    return noise * np.clip(bursts, 0.0, None)


def _hum(time: Samples, rng: np.random.Generator) -> Samples:
    mains_hz = rng.choice([50.0, 60.0])
    phases = rng.uniform(0.0, 2 * np.pi, len(_PARTIALS))
    waves = (
        np.sin(2 * np.pi * mains_hz * k * time + phase) / k
        for k, phase in zip(_PARTIALS, phases, strict=True)
    )
    return sum(waves, 0 * time)


def _music(time: Samples, rng: np.random.Generator) -> Samples:
    def chord(age: Samples) -> Samples:
        root_hz = 110.0 * 2 ** (rng.integers(0, 13) / 12)
        tones = root_hz * 2 ** (np.array(_CHORDS[rng.integers(0, 2)]) / 12)
        partials = (np.sin(2 * np.pi * hz * k * age) / k**1.5 for hz in tones for k in _PARTIALS)
        return sum(partials, 0 * age) * np.minimum(age / 0.01, 1.0) * np.exp(-age / 0.5)

    starts = np.arange(0.0, time[-1] if len(time) else 0.0, 0.6)
    return _struck(time, starts, chord)


def _moments(time: Samples, rng: np.random.Generator) -> Samples:
    """Draw moments some 0.7 s apart, none of them within a quarter of that from the ends."""
    length_s = time[-1] if len(time) else 0.0
    count = max(1, round(length_s / _EVERY_S))
    slots: Samples = (np.arange(count) + rng.uniform(0.25, 0.75, count)) * length_s / count
    return slots


def _struck(time: Samples, starts: Samples, sound: Callable[[Samples], Samples]) -> Samples:
    """Add up a sound that is struck at some moments; it is given the seconds since then."""
    total = 0 * time
    for start in starts:
        since = int(np.searchsorted(time, start))
        total[since:] += sound(time[since:] - start)
    return total


_MAKERS: dict[Sound, Callable[[Samples, np.random.Generator], Samples]] = {
    "clicks": _clicks,
    "beep": _beep,
    "knocks": _knocks,
    "handling": _handling,
    "hum": _hum,
    "music": _music,
}
