"""Confusion counts a group and seed, and the scores that can be read off them.

Every score here is a function of confusion matrices alone, so that resampling groups is a matrix product of
weights and counts: ten thousand resamples cost milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from affetto.errors import AffettoError

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
CountMetric = Callable[[Array], Array]
MetricName = Literal["uar", "wa", "macro_f1"]

COLUMNS = ("clip_id", "group", "fold", "seed", "label", "predicted")


@dataclass(frozen=True)
class GroupCounts:
    """Confusion matrices of one model.

    Attributes
    ----------
    groups
        Names of the groups, sorted.
    matrices
        Shape [n_groups, n_seeds, n_classes, n_classes]: clips of a true class (row) told as a class (column).
    """

    groups: tuple[str, ...]
    matrices: Array


def check_predictions(predictions: pd.DataFrame, *, name: str = "predictions") -> pd.DataFrame:
    """Return the table as it is, or say what it lacks.

    Raises
    ------
    AffettoError
        When a column is missing, there are no rows, or a clip occurs twice under one seed.
    """
    missing = [column for column in COLUMNS if column not in predictions.columns]
    if missing:
        raise AffettoError(f"The predictions of {name} lack the column {missing[0]}: predict again.")
    if predictions.empty:
        raise AffettoError(f"The predictions of {name} are empty: check that the corpus has labelled clips.")
    twice = predictions.duplicated(["clip_id", "seed"])
    if twice.any():
        clip = predictions.loc[twice, "clip_id"].iloc[0]
        raise AffettoError(f"The predictions of {name} hold {clip} twice under one seed: predict again.")
    return predictions


def class_names(*tables: pd.DataFrame) -> tuple[str, ...]:
    """Return every class that occurs as a label or a prediction in the tables, sorted."""
    return tuple(sorted({str(name) for table in tables for what in COLUMNS[-2:] for name in table[what]}))


def codes(values: pd.Series, names: Sequence[Any]) -> Codes:
    """Return the position of each value in `names`; -1 where it is not among them."""
    return np.asarray(pd.Index(names).get_indexer(pd.Index(values)), dtype=np.int64)


def count_by_group(predictions: pd.DataFrame, classes: Sequence[str]) -> GroupCounts:
    """Count the confusions of each group and seed.

    Parameters
    ----------
    predictions
        A row a clip and seed, with `group, seed, label, predicted`.
    classes
        Names of all classes, in the order of rows and columns.
    """
    groups, seeds = sorted(set(predictions["group"])), sorted(set(predictions["seed"]))
    where = (
        codes(predictions["group"], groups),
        codes(predictions["seed"], seeds),
        codes(predictions["label"], classes),
        codes(predictions["predicted"], classes),
    )
    matrices = np.zeros((len(groups), len(seeds), len(classes), len(classes)))
    np.add.at(matrices, where, 1.0)
    return GroupCounts(tuple(map(str, groups)), matrices)


def recalls(matrices: Array) -> Array:
    """Recall of each class, shape [..., n_classes]; NaN where a class has no clip."""
    return _ratio(_diagonal(matrices), matrices.sum(axis=-1))


def uar(matrices: Array) -> Array:
    """Unweighted average recall over the classes that have clips.

    Parameters
    ----------
    matrices
        Confusion counts, shape [..., n_classes, n_classes], true class × predicted class.

    Returns
    -------
    ndarray
        Shape [...], in [0, 1].
    """
    return _mean_of_present(recalls(matrices), matrices)


def wa(matrices: Array) -> Array:
    """Weighted accuracy: the share of clips told correctly; shapes as for `uar`."""
    return _ratio(_diagonal(matrices).sum(axis=-1), matrices.sum(axis=(-2, -1)))


def macro_f1(matrices: Array) -> Array:
    """Mean of F1 = 2 TP / (2 TP + FP + FN) over the classes that have clips; shapes as for `uar`."""
    sizes = matrices.sum(axis=-1) + matrices.sum(axis=-2)
    return _mean_of_present(_ratio(2 * _diagonal(matrices), sizes), matrices)


COUNT_METRICS: Mapping[MetricName, CountMetric] = {"uar": uar, "wa": wa, "macro_f1": macro_f1}


def _diagonal(matrices: Array) -> Array:
    return np.asarray(np.diagonal(matrices, axis1=-2, axis2=-1))


def _ratio(numerator: Array, denominator: Array) -> Array:
    ratio = np.full(np.shape(denominator), np.nan)
    np.divide(numerator, denominator, out=ratio, where=denominator > 0)
    return ratio


def _mean_of_present(values: Array, matrices: Array) -> Array:
    present = matrices.sum(axis=-1) > 0
    return _ratio(np.where(present, values, 0.0).sum(axis=-1), present.sum(axis=-1).astype(np.float64))
