"""The steps of a recording: one where little is said, else one every second, heard where speech is."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from affetto.recommendation.parameters import TimelineParameters

_LEAST_SHARE = 0.2
_MOST_SPREAD = 2.0
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

    Speech of at most `longer_than_s` is one step, from where it begins to where it ends, unless long pauses
    spread it over more than twice that. Else the window of a step lies around the step's middle and ends
    where speech ends. Silence before or after a voice is no part of any window, so that more of it changes
    nothing. A step is heard when at least `min_speech_s` of its window are speech, and of several at least a
    fifth of the step as well.

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
    if not len(speech):
        return [Step(0.0, duration_s, 0.0, None)]
    first, last = float(speech[0, 0]), float(speech[-1, 1])
    compact = last - first <= _MOST_SPREAD * parameters.longer_than_s
    if compact and _length(speech) <= parameters.longer_than_s:
        spoken = _length(speech)
        return [Step(0.0, duration_s, spoken, (first, last) if spoken >= parameters.min_speech_s else None)]
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
