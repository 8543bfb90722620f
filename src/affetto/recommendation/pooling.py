"""Posteriors of the steps of a recording: smoothed over time, and pooled to one of the recording."""

from __future__ import annotations

import numpy as np

_SMALLEST = 1e-6


def smooth_posteriors(posteriors: np.ndarray, speech_s: np.ndarray, *, steps: float) -> np.ndarray:
    """Smooth posteriors over time by a logarithmic opinion pool of neighbouring steps.

    The logarithm of a smoothed posterior is, up to a constant, the mean of the logarithms of all steps, each
    weighted by its amount of speech and by ``exp(-distance / steps)``: log q_k(c) = Σ_j w_kj log p_j(c) /
    Σ_j w_kj + const, w_kj = s_j exp(-|k - j| / steps). An emotion that one window finds and its neighbours
    deny fades; one that they all find stays. (Logarithmic pooling: Genest and Zidek, Statistical Science
    1986. The weights are those of exponential smoothing run forward and backward, in time linear in steps.)

    Parameters
    ----------
    posteriors
        float [n_steps, n_classes]; rows sum to 1, NaN in steps that were not heard.
    speech_s
        float [n_steps], speech of each step, s.
    steps
        Distance at which the weight has fallen to 1/e, steps; 0 changes nothing.

    Returns
    -------
    numpy.ndarray
        float64 [n_steps, n_classes]; rows sum to 1, NaN where `posteriors` is.
    """
    heard = ~np.isnan(posteriors).any(axis=1)
    if steps <= 0 or heard.sum() <= 1:
        return np.array(posteriors, dtype=np.float64)
    weight = np.where(heard, speech_s, 0.0)[:, None]
    logarithm = np.log(np.maximum(np.where(heard[:, None], posteriors, 1.0), _SMALLEST))
    pooled = _spread(weight * logarithm, steps)[heard] / _spread(weight, steps)[heard]
    likelihood = np.exp(pooled - pooled.max(axis=1, keepdims=True))
    smoothed = np.full(np.shape(posteriors), np.nan)
    smoothed[heard] = likelihood / likelihood.sum(axis=1, keepdims=True)
    return smoothed


def pool_posteriors(posteriors: np.ndarray, speech_s: np.ndarray) -> np.ndarray:
    """Pool the steps of a recording: the arithmetic mean, each step weighted by its amount of speech.

    The mean is the probability of the emotion at a moment of speech drawn by chance. Unlike a product of the
    steps it does not turn many unsure steps into one sure answer, and half an hour of silence weighs nothing.

    Parameters
    ----------
    posteriors
        float [n_steps, n_classes]; NaN in steps that were not heard, which weigh nothing.
    speech_s
        float [n_steps], speech of each step, s; above 0 where a step was heard.

    Returns
    -------
    numpy.ndarray
        float64 [n_classes], summing to 1; NaN when no step was heard.
    """
    heard = ~np.isnan(posteriors).any(axis=1)
    if not heard.any():
        return np.full(np.shape(posteriors)[1], np.nan)
    weights = np.asarray(speech_s, dtype=np.float64)[heard]
    if not weights.sum() > 0:
        weights = np.ones(int(heard.sum()))
    pooled = weights @ np.asarray(posteriors, dtype=np.float64)[heard] / weights.sum()
    normalised: np.ndarray = pooled / pooled.sum()
    return normalised


def _spread(values: np.ndarray, steps: float) -> np.ndarray:
    """Sum over all steps with weights exp(-distance / steps), [n_steps, n]."""
    from scipy.signal import lfilter

    decay = np.exp(-1.0 / steps)
    forward = lfilter([1.0], [1.0, -decay], values, axis=0)
    backward = lfilter([1.0], [1.0, -decay], values[::-1], axis=0)[::-1]
    total: np.ndarray = forward + backward - values
    return total
