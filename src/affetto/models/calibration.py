"""What is learnt on training clips that a model was not fitted on: parameters, and a temperature.

Temperature scaling is one number that makes a classifier as sure as it is right: Guo, Pleiss, Sun &
Weinberger, "On calibration of modern neural networks", ICML 2017. The predicted class never changes. Inner
folds divide the training clips and keep groups whole.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

Fold = tuple[np.ndarray, np.ndarray]
"""Indices of the clips to fit on, and of those to predict."""
_TINY = 1e-12


def softmax(scores: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis, float64 [..., n_classes]."""
    largest = np.max(scores, axis=-1, keepdims=True)
    shifted = np.exp(scores - largest, dtype=np.float64)
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Find the temperature that makes the labels most likely.

    Probabilities [n_clips, n_classes] are predictions for clips that the model was not fitted on, labels int
    [n_clips]. The temperature is above 1 for an overconfident model, below 1 for a timid one; limited to
    0.05 … 20; 1 without clips.
    """
    from scipy.optimize import minimize_scalar

    if not len(labels):
        return 1.0
    logs = np.log(np.maximum(probabilities, _TINY))
    rows = np.arange(len(labels))

    def loss(exponent: float) -> float:
        scaled = softmax(logs / np.exp(exponent))
        return float(-np.log(np.maximum(scaled[rows, labels], _TINY)).mean())

    bounds, options = np.log([0.05, 20.0]), {"xatol": 1e-6}
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options=options)
    return float(np.exp(found.x))


def apply_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Divide the log probabilities by the temperature and normalise again: float64 [n_clips, n_classes].

    A probability of 0 stays 0 but for rounding.
    """
    return softmax(np.log(np.maximum(probabilities, _TINY)) / temperature)


def inner_folds(labels: np.ndarray, groups: np.ndarray, n_folds: int, seed: int) -> Iterator[Fold]:
    """Divide training clips into folds that keep groups whole; `seed` decides which groups they hold.

    With fewer groups than folds there are as many folds as groups, and a fold without which some class of
    `labels` has no clip left is passed over: both parts that are yielded hold clips.
    """
    names, members = np.unique(groups.astype(str), return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    folds = (np.argsort(order) % n_folds)[members]
    n_classes = len(np.unique(labels))
    for fold in range(min(n_folds, len(names))):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        if len(np.unique(labels[train])) == n_classes:
            yield train, test
