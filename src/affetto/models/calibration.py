"""What is learnt on training clips that a model was not fitted on: parameters, and a temperature.

Temperature scaling is one number that makes a classifier as sure as it is right: Guo, Pleiss, Sun &
Weinberger, "On calibration of modern neural networks", ICML 2017. The predicted class never changes. Inner
folds divide the training clips and keep groups whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel

Fold = tuple[np.ndarray, np.ndarray]
"""Indices of the clips to fit on, and of those to predict."""
_TINY = 1e-12
_LEAST = np.finfo(np.float64).tiny
_INNER_FOLDS = 4


def softmax(scores: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis, float64 [..., n_classes]."""
    shifted = np.exp(scores - np.max(scores, axis=-1, keepdims=True), dtype=np.float64)
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


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

    found = minimize_scalar(loss, bounds=np.log([0.05, 20.0]), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def apply_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Divide the log probabilities by the temperature and normalise again: float64 [n_clips, n_classes].

    A probability of 0 stays 0 but for rounding.
    """
    return softmax(np.log(np.maximum(probabilities, _TINY)) / temperature)


def choose(
    parameters: BaseModel,
    names: Sequence[str],
    answer: Callable[[Sequence[Any], np.ndarray, np.ndarray], Iterable[np.ndarray]],
    labels: np.ndarray,
    groups: np.ndarray,
    *,
    seed: int,
    by: Literal["inner_uar", "inner_log_loss"] = "inner_uar",
    calibrate: bool = True,
) -> tuple[Any, float, list[dict[str, Any]]]:
    """Choose parameters, and a temperature, by predictions for training clips of unseen groups.

    Parameters
    ----------
    parameters
        Parameters of a model; a tuple under one of `names` lists the values to choose from.
    names
        What is chosen: every combination is tried.
    answer
        Takes the candidates (parameters with one value each), and the indices of the clips to fit on and of
        those to predict; returns the probabilities of each candidate, [n_clips, n_classes]. Whatever it
        learns, scaling too, it learns on the clips to fit on alone.
    labels, groups, seed
        As for `inner_folds`.
    by
        What decides on the pooled predictions: the highest UAR, or the lowest log loss. Of equals the first
        is taken, and the first of all where no inner fold can be made: list what is held back most first.
    calibrate
        Whether a temperature is wanted where there is nothing to choose.

    Returns
    -------
    tuple
        The parameters, with one value for each that had several; what calibrates their probabilities, 1
        without inner folds; and a row a candidate for `Estimator.history_`: the values of what was chosen,
        `inner_uar`, `inner_log_loss` (nats, calibrated) and `chosen`, none where there was nothing to choose.
    """
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import ParameterGrid

    given = {name: getattr(parameters, name) for name in names}
    searched = {name: value for name, value in given.items() if isinstance(value, tuple)}
    rows = [{name: values[name] for name in searched} for values in ParameterGrid(searched)]
    candidates = [parameters.model_copy(update=row) for row in rows]
    answers: list[list[np.ndarray]] = [[] for _ in candidates]
    tested = []
    if len(candidates) > 1 or calibrate:
        for train, test in inner_folds(labels, groups, _INNER_FOLDS, seed):
            tested.append(labels[test])
            for found, probabilities in zip(answers, answer(candidates, train, test), strict=True):
                found.append(probabilities)
    if not tested:
        return candidates[0], 1.0, []
    truth = np.concatenate(tested)
    temperatures = []
    for row, found in zip(rows, answers, strict=True):
        pooled = np.concatenate(found)
        temperatures.append(fit_temperature(pooled, truth))
        told = apply_temperature(pooled, temperatures[-1])[np.arange(len(truth)), truth]
        row["inner_uar"] = float(balanced_accuracy_score(truth, pooled.argmax(axis=1)))
        row["inner_log_loss"] = float(-np.log(np.maximum(told, _LEAST)).mean())
    scores = [row[by] for row in rows]
    best = int(np.argmax(scores) if by == "inner_uar" else np.argmin(scores))
    for i, row in enumerate(rows):
        row["chosen"] = i == best
    return candidates[best], temperatures[best], rows if searched else []


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
