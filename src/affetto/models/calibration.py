"""Temperature scaling: one number that makes a classifier as sure as it is right.

Guo, Pleiss, Sun & Weinberger, "On calibration of modern neural networks", ICML 2017. The predicted class
never changes.
"""

from __future__ import annotations

import numpy as np

_LOWEST, _HIGHEST = 0.05, 20.0
_TINY = 1e-12


def softmax(scores: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis, float64 [..., n_classes]."""
    shifted = np.exp(scores - np.max(scores, axis=-1, keepdims=True), dtype=np.float64)
    result: np.ndarray = shifted / shifted.sum(axis=-1, keepdims=True)
    return result


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Find the temperature that makes the labels most likely.

    Parameters
    ----------
    probabilities
        [n_clips, n_classes], predictions for clips that the model was not fitted on; rows sum to 1.
    labels
        int [n_clips], index of the true class.

    Returns
    -------
    float
        Above 1 for an overconfident model, below 1 for a timid one; limited to 0.05 … 20; 1 without clips.
    """
    from scipy.optimize import minimize_scalar

    if not len(labels):
        return 1.0
    logarithms = np.log(np.maximum(probabilities, _TINY))
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        scaled = softmax(logarithms / np.exp(log_temperature))
        return float(-np.log(np.maximum(scaled[rows, labels], _TINY)).mean())

    bounds = (np.log(_LOWEST), np.log(_HIGHEST))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6}).x))


def apply_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Divide the log probabilities by the temperature and normalise again: float64 [n_clips, n_classes].

    A probability of 0 stays 0 but for rounding.
    """
    return softmax(np.log(np.maximum(probabilities, _TINY)) / temperature)
