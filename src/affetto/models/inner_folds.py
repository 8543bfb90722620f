"""Folds inside the training clips, for what a model chooses or calibrates on clips it was not fitted on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel

from affetto.models.calibration import apply_temperature, fit_temperature

Fold = tuple[np.ndarray, np.ndarray]
"""Indices of the clips to fit on, and of those to predict."""
_INNER_FOLDS = 4
_TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True)
class Choice:
    """What inner folds chose.

    Attributes
    ----------
    parameters
        Those that were given, with one value for each that had several.
    temperature
        What calibrates the probabilities of that choice; 1 without inner folds.
    search
        A row a candidate, for `Estimator.history_`: the values of what was chosen, `inner_uar`,
        `inner_log_loss` (nats, calibrated) and `chosen`; empty where there was nothing to choose.
    """

    parameters: Any
    temperature: float = 1.0
    search: list[dict[str, Any]] = field(default_factory=list)


def choose(
    parameters: BaseModel,
    names: Sequence[str],
    answer: Callable[[Sequence[Any], np.ndarray, np.ndarray], Iterable[np.ndarray]],
    labels: np.ndarray,
    groups: np.ndarray,
    *,
    seed: int,
    by: Literal["uar", "log_loss"] = "uar",
    calibrate: bool = True,
) -> Choice:
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
    """
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import ParameterGrid

    given = {name: getattr(parameters, name) for name in names}
    grid = list(ParameterGrid({n: list(v) if isinstance(v, tuple) else [v] for n, v in given.items()}))
    candidates = [parameters.model_copy(update=values) for values in grid]
    searched = [name for name, value in given.items() if isinstance(value, tuple)]
    if len(candidates) == 1 and not calibrate:
        return Choice(candidates[0])
    answers: list[list[np.ndarray]] = [[] for _ in candidates]
    tested = []
    for train, test in inner_folds(labels, groups, _INNER_FOLDS, seed):
        tested.append(test)
        for found, probabilities in zip(answers, answer(candidates, train, test), strict=True):
            found.append(probabilities)
    if not tested:
        return Choice(candidates[0])
    truth = labels[np.concatenate(tested)]
    pooled = [np.concatenate(found) for found in answers]
    temperatures = [fit_temperature(found, truth) for found in pooled]
    uar = [float(balanced_accuracy_score(truth, found.argmax(axis=1))) for found in pooled]
    log_loss = [_log_loss(apply_temperature(*each), truth) for each in zip(pooled, temperatures, strict=True)]
    best = int(np.argmax(uar) if by == "uar" else np.argmin(log_loss))
    search = [
        {
            **{name: values[name] for name in searched},
            "inner_uar": uar[i],
            "inner_log_loss": log_loss[i],
            "chosen": i == best,
        }
        for i, values in enumerate(grid)
    ]
    return Choice(candidates[best], temperatures[best], search if searched else [])


def _log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    likelihood = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(likelihood, _TINY)).mean())


def inner_folds(labels: np.ndarray, groups: np.ndarray, n_folds: int, seed: int) -> Iterator[Fold]:
    """Divide training clips into folds that keep groups whole.

    Parameters
    ----------
    labels
        int64 [n_clips]; a fold without which some class has no clip left is passed over.
    groups
        [n_clips].
    n_folds
        Number of folds; with fewer groups there are as many folds as groups.
    seed
        Of the order in which groups are dealt to the folds.

    Yields
    ------
    Fold
        Both parts hold clips.
    """
    order = np.random.default_rng(seed).permutation(np.unique(groups.astype(str)))
    fold_of = {group: i % n_folds for i, group in enumerate(order)}
    folds = np.array([fold_of[str(group)] for group in groups])
    n_classes = len(np.unique(labels))
    for fold in range(n_folds):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        if len(test) and len(np.unique(labels[train])) == n_classes:
            yield train, test
