"""Bring recordings of a voice to common terms: pauses around it cut, one level, one floor of noise.

Descriptors of a voice follow the room and the microphone as much as the speaker: energy follows the gain,
statistics over a clip the pauses around it, and what is measured in pauses the noise of the recording or the
zeros of an editor. So each recording is cut to its speech, brought to one level of active speech, and gets a
floor of pink noise below it, the same for all, that covers what is softer.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from affetto.audio.decode import LARGEST_SAMPLE, resample
from affetto.audio.degradation import ACTIVE_DB, active_power, pink_noise

_FRAME_S = 0.01
_SMOOTHING = np.full(3, 1 / 3)
_NOISE_RATE_HZ = 16_000
_NOISE_S = 60.0
_SMALLEST_POWER = 1e-20
PREPARATION_VERSION = 2
"""Raise it when a recording is prepared otherwise: its features are then computed again."""


class SpeechParameters(BaseModel):
    """How recordings of voices are prepared before features are measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    range_db: float = Field(
        default=40.0,
        gt=0,
        le=120,
        description="What is softer than the speech by more than this, before and behind it, is cut.",
    )
    padding_s: float = Field(default=0.05, ge=0, le=5, description="Left around the speech, seconds.")
    level_dbfs: float = Field(
        default=-26.0, ge=-60, le=0, description="RMS of the active speech after it, dBFS (ITU-T P.56)."
    )
    noise_db: float | None = Field(
        default=30.0, ge=0, le=120, description="The floor of pink noise lies this far below; null: none."
    )


def prepare_speech(
    samples: NDArray[np.float32], sample_rate_hz: int, parameters: SpeechParameters
) -> NDArray[np.float32]:
    """Cut a recording to its speech, set its level and add the floor of noise.

    Parameters
    ----------
    samples
        Mono, float32 [n], full scale 1.0; finite.
    sample_rate_hz
        Its rate, Hz.
    parameters
        Level, floor and what is cut.

    Returns
    -------
    NDArray[np.float32]
        float32 [m] within [-1, 32767/32768]. Silence stays as long as it is, under the floor.
    """
    speech = cut_to_speech(
        samples, sample_rate_hz, range_db=parameters.range_db, padding_s=parameters.padding_s
    )
    wanted = 10 ** (parameters.level_dbfs / 10)
    power = active_power(speech, sample_rate_hz)
    levelled = speech * np.float32(np.sqrt(wanted / power)) if power > _SMALLEST_POWER else speech
    if parameters.noise_db is not None:
        amplitude = np.float32(np.sqrt(wanted) * 10 ** (-parameters.noise_db / 20))
        levelled = levelled + amplitude * _floor(len(levelled), sample_rate_hz)
    prepared: NDArray[np.float32] = np.clip(levelled, -1.0, LARGEST_SAMPLE)
    return prepared


def cut_to_speech(
    samples: NDArray[np.float32], sample_rate_hz: int, *, range_db: float, padding_s: float
) -> NDArray[np.float32]:
    """Cut what lies before the first and behind the last loud frame of 10 ms, and take offsets away.

    Parameters
    ----------
    samples
        float32 [n].
    sample_rate_hz
        Its rate, Hz.
    range_db
        A frame is loud when its level, smoothed over three frames, is at most this below that of the speech:
        the mean power of the frames within 30 dB of the loudest one. An offset is no sound: power is that of
        what goes up and down.
    padding_s
        Left before and behind, seconds; zeros where the recording has less, so that the result is the same
        however much silence is around the speech.

    Returns
    -------
    NDArray[np.float32]
        The part that is kept, without its offset: all of it where it is silent or shorter than a frame.
    """
    hop = max(1, round(_FRAME_S * sample_rate_hz))
    n_frames = len(samples) // hop
    frames = samples[: n_frames * hop].reshape(n_frames, hop)
    if not np.any(np.diff(frames)):
        return _centred(samples)
    power = np.convolve(frames.var(axis=1, dtype=np.float64), _SMOOTHING)  # one frame more on each side
    active = power[power >= power.max() * 10 ** (-ACTIVE_DB / 10)].mean()
    loud = np.flatnonzero(power >= active * 10 ** (-range_db / 10))
    padding = round(padding_s * sample_rate_hz)
    start, end = (int(loud[0]) - 1) * hop - padding, int(loud[-1]) * hop + padding
    missing = (max(0, -start), max(0, end - len(samples)))
    return np.pad(_centred(samples[max(0, start) : end]), missing)


def _centred(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take the mean away; zeros at the ends are digital silence, which never had the offset."""
    sound = np.flatnonzero(samples)
    if not len(sound):
        return samples
    inner = slice(int(sound[0]), int(sound[-1]) + 1)
    centred = samples.copy()
    centred[inner] -= np.float32(samples[inner].mean(dtype=np.float64))
    return centred


def _floor(n: int, sample_rate_hz: int) -> NDArray[np.float32]:
    """Return the first samples of the noise that all recordings share, RMS 1; it repeats after a minute."""
    return np.resize(_noise(sample_rate_hz), n)


@lru_cache(maxsize=4)
def _noise(sample_rate_hz: int) -> NDArray[np.float32]:
    noise = pink_noise(round(_NOISE_S * _NOISE_RATE_HZ), seed=0)
    return resample(noise, _NOISE_RATE_HZ, sample_rate_hz)
