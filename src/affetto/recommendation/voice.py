"""Is there speech in a recording, and where? A simple rule, so that silence and noise get no emotion.

Frames are those of `affetto.recommendation.frames`. A frame is *active* when its level is near that of the
loudest frame and above an absolute floor. An active frame is *voiced* when it is periodic and its pitch does
not stand still: the period of a voice changes from one frame to the next, by its melody and by the jitter of
the vocal folds, that of an electronic tone does not. There is speech when the voiced frames are long enough
together, are a fair share of the active ones, have formants above 600 Hz now and then (rumbling noise and
engines have none), and when the level of the active frames moves: the level of speech goes up and down with
its syllables, that of a tone or of mains hum does not.

A short recording is judged as a whole. In a long one the rule is applied around each moment, and "the loudest
frame" is that of the surrounding minute, so that neither a slammed door nor half an hour of silence decides.

The rule tells speech from silence, noise, clicks, tones and hum. It does not tell speech from singing or from
music with one melody on a live instrument, and it does not hear whispering.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from affetto.recommendation.frames import FRAME_S, HOP_S, FrameMeasures, frame_measures
from affetto.recommendation.parameters import VoiceActivityParameters

_AROUND_S = 60.0
_STILL_S = 0.25


@dataclass(frozen=True)
class VoiceActivity:
    """What the rule found.

    Attributes
    ----------
    speech
        Whether the recording counts as speech.
    reason
        Why it does not; empty when it does.
    voiced_s
        Total length of the voiced frames, s.
    """

    speech: bool
    reason: str
    voiced_s: float


def detect_speech(samples: np.ndarray, parameters: VoiceActivityParameters | None = None) -> VoiceActivity:
    """Apply the rule to a recording as a whole.

    Parameters
    ----------
    samples
        Mono samples at 16 kHz, float [n_samples], full scale 1.
    parameters
        Thresholds of the rule.

    Returns
    -------
    VoiceActivity
        The verdict and its reason.
    """
    return judge(frame_measures(samples), parameters or VoiceActivityParameters())


def judge(measures: FrameMeasures, parameters: VoiceActivityParameters) -> VoiceActivity:
    """Apply the rule to what was measured of a whole recording."""
    level = measures.level
    active = level >= max(level.max(initial=-np.inf) - parameters.range_db, parameters.floor_db)
    periodic = active & (measures.periodicity >= parameters.periodicity)
    voiced = periodic & ~_still(measures, periodic, parameters) if active.any() else periodic
    reason = next(_flaws(measures, active, periodic, voiced, parameters), "")
    return VoiceActivity(not reason, reason, float(voiced.sum() * HOP_S))


def _flaws(
    measures: FrameMeasures,
    active: np.ndarray,
    periodic: np.ndarray,
    voiced: np.ndarray,
    parameters: VoiceActivityParameters,
) -> Iterator[str]:
    """Yield what tells a recording from speech; later flaws take for granted that there is none before."""
    if not active.any():
        yield "it is silent"
    voiced_s = voiced.sum() * HOP_S
    if periodic.sum() * HOP_S >= parameters.min_voiced_s > voiced_s:
        yield "its pitch stands as still as a tone's"
    if voiced_s < parameters.min_voiced_s or not voiced.any():
        yield f"only {voiced_s:.2f} s of it are voiced"
    if voiced.sum() < parameters.min_voiced_fraction * active.sum():
        yield f"only {voiced.sum() / active.sum():.0%} of its sound is voiced"
    if (measures.upper[voiced] >= parameters.upper_db).mean() < parameters.min_upper_share:
        yield "it has no formants, as rumbling noise has none"
    if measures.level[active].std() < parameters.min_level_deviation_db:
        yield "its level is as steady as a tone's"


def find_speech(
    measures: FrameMeasures, parameters: VoiceActivityParameters, *, context_s: float | None = None
) -> np.ndarray:
    """Tell where in a recording somebody speaks.

    Parameters
    ----------
    measures
        What was measured of the recording.
    parameters
        Thresholds of the rule.
    context_s
        The rule is applied to so many seconds around each frame; None: the recording is known to be speech.

    Returns
    -------
    numpy.ndarray
        float64 [n, 2], start and end of each stretch of speech, s, increasing: voiced frames and what lies
        between two of them that are at most `max_gap_s` apart (consonants, short pauses).
    """
    loudest = maximum_filter1d(measures.level, _odd(_AROUND_S), mode="nearest")
    if context_s is None:
        loudest = np.full_like(measures.level, measures.level.max())
    active = measures.level >= np.maximum(loudest - parameters.range_db, parameters.floor_db)
    periodic = active & (measures.periodicity >= parameters.periodicity)
    voiced = periodic & ~_still(measures, periodic, parameters)
    if context_s is not None:
        voiced &= _rule_around(measures, active, voiced, parameters, round(context_s / HOP_S))
    return _stretches(voiced, parameters.max_gap_s)


def _still(measures: FrameMeasures, periodic: np.ndarray, parameters: VoiceActivityParameters) -> np.ndarray:
    """Mark the frames around which too many periods are equal to the one before, bool [n_frames]."""
    if len(periodic) == 1:
        return np.zeros(1, dtype=bool)
    change = np.abs(np.diff(np.log(measures.period), prepend=np.nan))
    pairs = periodic & np.roll(periodic, 1)
    pairs[0] = False
    still = pairs & (np.nan_to_num(change, nan=1.0) < parameters.still_pitch)
    size = _odd(_STILL_S)
    share = uniform_filter1d(still.astype(np.float64), size, mode="constant")
    of = uniform_filter1d(pairs.astype(np.float64), size, mode="constant")
    # Half a frame of tolerance: the running sums of the filter are exact only to rounding.
    marked: np.ndarray = share > parameters.max_still_share * of + 0.5 / size
    return marked


def _rule_around(
    measures: FrameMeasures,
    active: np.ndarray,
    voiced: np.ndarray,
    parameters: VoiceActivityParameters,
    size: int,
) -> np.ndarray:
    """Apply the rule to `size` frames around each frame, bool [n_frames]."""
    level, upper = measures.level, voiced & (measures.upper >= parameters.upper_db)
    frames = np.arange(len(level))
    first, last = np.maximum(0, frames - size // 2), np.minimum(len(level), frames + size // 2 + 1)

    def total(values: np.ndarray) -> np.ndarray:
        sums = np.concatenate([[0.0], np.cumsum(np.where(active, values, 0.0))])
        return np.asarray(sums[last] - sums[first])

    n_active, n_voiced = total(np.ones(len(level))), total(voiced)
    shifted = level - level.mean()  # small numbers keep their digits in the difference of two sums
    divisor = np.maximum(n_active, 1.0)
    variance = total(shifted**2) / divisor - (total(shifted) / divisor) ** 2
    holds: np.ndarray = (
        (n_voiced * HOP_S >= parameters.min_voiced_s)
        & (n_voiced >= parameters.min_voiced_fraction * n_active)
        & (total(upper) >= parameters.min_upper_share * n_voiced)
        & (variance >= parameters.min_level_deviation_db**2)
    )
    return holds


def _stretches(voiced: np.ndarray, max_gap_s: float) -> np.ndarray:
    """Join voiced frames; a frame stands for the hop around its middle."""
    frames = np.flatnonzero(voiced)
    if not len(frames):
        return np.zeros((0, 2))
    breaks = np.flatnonzero(np.diff(frames) * HOP_S > max_gap_s + HOP_S / 2)
    first = frames[np.concatenate([[0], breaks + 1])]
    last = frames[np.concatenate([breaks, [len(frames) - 1]])]
    before = (FRAME_S - HOP_S) / 2
    return np.stack([first * HOP_S + before, last * HOP_S + before + HOP_S], axis=1)


def _odd(seconds: float) -> int:
    return 2 * (round(seconds / HOP_S) // 2) + 1
