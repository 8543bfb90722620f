"""The steps of a recording: one of a short one, one every second of a long one, heard where speech is."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from affetto.recommendation.parameters import TimelineParameters

_LEAST_SHARE = 0.1
_DIGITS = 6


@dataclass(frozen=True)
class Step:
    """One step of a recording, s from its start.

    Attributes
    ----------
    start_s, end_s
        What the step stands for.
    speech_s
        Speech in it.
    window
        Start and end of what is listened to for it; None: there is too little speech.
    """

    start_s: float
    end_s: float
    speech_s: float
    window: tuple[float, float] | None


def plan_steps(duration_s: float, speech: np.ndarray, parameters: TimelineParameters) -> list[Step]:
    """Divide a recording into steps.

    A recording of at most `longer_than_s` is one step, listened to as a whole. In a longer one, the window of
    a step lies around its middle and ends where speech ends: silence before or after a voice is no part of
    it, so that more of it changes nothing. A step is heard when at least a tenth of it and at least
    `min_speech_s` of its window are speech.

    Parameters
    ----------
    duration_s
        Length of the recording, s.
    speech
        float [n, 2], start and end of each stretch of speech, s, increasing.
    parameters
        Lengths of steps and windows.

    Returns
    -------
    list of Step
        One after the other, from 0 to the end.
    """
    speech = np.clip(speech, 0.0, duration_s)
    if duration_s <= parameters.longer_than_s:
        return [Step(0.0, duration_s, _length(speech), (0.0, duration_s))]
    n_steps = max(1, int(np.ceil(round(duration_s / parameters.hop_s, _DIGITS))))
    edges = np.minimum(np.arange(n_steps + 1) * parameters.hop_s, duration_s)
    return [_step(float(start), float(end), speech, parameters) for start, end in itertools.pairwise(edges)]


def _step(start_s: float, end_s: float, speech: np.ndarray, parameters: TimelineParameters) -> Step:
    spoken = _length(_inside(speech, start_s, end_s))
    middle = start_s + parameters.hop_s / 2
    around = _inside(speech, middle - parameters.window_s / 2, middle + parameters.window_s / 2)
    if spoken < _LEAST_SHARE * parameters.hop_s or _length(around) < parameters.min_speech_s:
        return Step(start_s, end_s, spoken, None)
    return Step(start_s, end_s, spoken, (float(around[0, 0]), float(around[-1, 1])))


def _inside(speech: np.ndarray, start_s: float, end_s: float) -> np.ndarray:
    """Return the parts of stretches of speech that lie between two moments."""
    first = int(np.searchsorted(speech[:, 1], start_s, side="right"))
    last = int(np.searchsorted(speech[:, 0], end_s, side="left"))
    inside: np.ndarray = np.clip(speech[first:last], start_s, end_s)
    return inside


def _length(speech: np.ndarray) -> float:
    return round(float((speech[:, 1] - speech[:, 0]).sum()), _DIGITS)
