"""Scores of one model from its out-of-fold predictions.

The folds of a seed are pooled before scoring (a fold may lack a class, and its own UAR would then count it as
zero or leave it out); the scores of the seeds are averaged. UAR, accuracy and macro F1 are read off confusion
matrices by group and seed, so that resampling groups is a matrix product of weights and counts: ten thousand
resamples cost milliseconds.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from affetto.errors import AffettoError

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
MetricName = Literal["uar", "wa", "macro_f1"]

PREDICTION_COLUMNS = ("clip_id", "group", "fold", "seed", "label", "predicted")
GROUP_COLUMNS = ("model", "group", "n_clips", "n_classes", "wa", "uar")
_SMALLEST_PROBABILITY = 1e-15


def check_predictions(predictions: pd.DataFrame, *, name: str = "predictions") -> pd.DataFrame:
    """Return the table as it is, or say what it lacks.

    Raises
    ------
    AffettoError
        When a column is missing, there are no rows, or a clip occurs twice under one seed.
    """
    missing = [column for column in PREDICTION_COLUMNS if column not in predictions.columns]
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
    return tuple(
        sorted({str(name) for table in tables for what in ("label", "predicted") for name in table[what]})
    )


def count_by_group(predictions: pd.DataFrame, classes: Sequence[str]) -> Array:
    """Count the confusions of each group and seed, both in sorted order.

    Parameters
    ----------
    predictions
        A row for each clip and seed, with `group, seed, label, predicted`.
    classes
        Names of all classes, in the order of rows and columns.

    Returns
    -------
    ndarray
        Shape [n_groups, n_seeds, n_classes, n_classes]: clips of a true class (row) by predicted class
        (column).
    """
    groups, seeds = sorted(set(predictions["group"])), sorted(set(predictions["seed"]))
    axes = {"group": groups, "seed": seeds, "label": classes, "predicted": classes}
    where = tuple(_codes(predictions[name], values) for name, values in axes.items())
    matrices = np.zeros([len(values) for values in axes.values()])
    np.add.at(matrices, where, 1.0)
    return matrices


def uar(matrices: Array) -> Array:
    """Unweighted average recall (balanced accuracy) over the classes that have clips.

    Parameters
    ----------
    matrices
        Confusion counts, shape [..., n_classes, n_classes], true class × predicted class.

    Returns
    -------
    ndarray
        Shape [...], in [0, 1].
    """
    return _mean_of_present(_ratio(_diagonal(matrices), matrices.sum(axis=-1)), matrices)


def wa(matrices: Array) -> Array:
    """Weighted accuracy: the share of clips predicted correctly; shapes as for `uar`."""
    return _ratio(_diagonal(matrices).sum(axis=-1), matrices.sum(axis=(-2, -1)))


def macro_f1(matrices: Array) -> Array:
    """Mean of F1 = 2 TP / (2 TP + FP + FN) over the classes that have clips; shapes as for `uar`."""
    sizes = matrices.sum(axis=-1) + matrices.sum(axis=-2)
    return _mean_of_present(_ratio(2 * _diagonal(matrices), sizes), matrices)


METRICS: Mapping[MetricName, Callable[[Array], Array]] = {"uar": uar, "wa": wa, "macro_f1": macro_f1}


def seed_scores(predictions: pd.DataFrame, metric: MetricName = "uar") -> pd.Series[float]:
    """Score the pooled folds of each seed; the index is the seed."""
    matrices = count_by_group(predictions, class_names(predictions)).sum(axis=0)
    return pd.Series(METRICS[metric](matrices), sorted(set(predictions["seed"])), dtype="float64")


def mean_score(predictions: pd.DataFrame, metric: MetricName = "uar") -> float:
    """Score the pooled folds of each seed; return the mean over seeds."""
    return float(seed_scores(predictions, metric).mean())


def summarise(predictions: pd.DataFrame, *, n_bins: int = 15) -> dict[str, float]:
    """Compute all scores of a model, means over seeds.

    Parameters
    ----------
    predictions
        A row for each clip and seed: `clip_id, group, fold, seed, label, predicted, p_<class>…`.
    n_bins
        Confidence bins of the calibration error.

    Returns
    -------
    dict
        `n_clips, n_groups, n_seeds`; `uar, wa, macro_f1` in [0, 1], and their standard deviations over seeds
        `…_sd` (n - 1 in the denominator; NaN for one seed); `log_loss`, mean negative log probability of the
        true class, nats; `ece`, expected calibration error; `selective_uar, selective_wa` on the half of the
        clips that the model is surest of; `recall_<class>` of each class that has clips.

    Raises
    ------
    AffettoError
        When the table is empty or lacks a column.
    """
    table = check_predictions(predictions)
    columns = {"n_clips": "clip_id", "n_groups": "group", "n_seeds": "seed"}
    scores: dict[str, float] = {name: table[column].nunique() for name, column in columns.items()}
    for metric in METRICS:
        by_seed = seed_scores(table, metric)
        scores |= {metric: by_seed.mean(), f"{metric}_sd": by_seed.std(ddof=1)}
    scores["log_loss"] = log_loss(table)
    scores["ece"] = expected_calibration_error(table, n_bins=n_bins)
    half = surest(table)
    scores |= {"selective_uar": mean_score(half, "uar"), "selective_wa": mean_score(half, "wa")}
    recalls = per_class_recall(table).items()
    return scores | {"recall_" + re.sub(r"\W+", "_", str(name)): value for name, value in recalls}


def per_class_recall(predictions: pd.DataFrame) -> pd.Series[float]:
    """Recall of each class that occurs as a label, mean over seeds; the index is the class, sorted."""
    right = (predictions["label"] == predictions["predicted"]).astype("float64")
    by_seed = right.groupby([predictions["seed"], predictions["label"]]).mean()
    return by_seed.groupby(level="label").mean().sort_index()


def confusion_matrix(predictions: pd.DataFrame) -> pd.DataFrame:
    """Count clips of each true class (index) predicted as each class (columns), mean over seeds."""
    classes = class_names(predictions)
    mean = count_by_group(predictions, classes).sum(axis=0).mean(axis=0)
    table = pd.DataFrame(mean, index=classes, columns=classes)
    return table.rename_axis(index="label", columns="predicted")


def surest(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the half of each seed's clips that the model is surest of.

    It is what the model would answer if it might be silent. An odd number is rounded up; of clips with the
    same largest probability, the first are taken. The rows are in order, surest first within a seed.
    """
    surety = predictions.filter(regex="^p_").max(axis=1)
    ordered = predictions.assign(surety=surety)
    ordered = ordered.sort_values(["seed", "surety"], ascending=[True, False]).drop(columns="surety")
    place = ordered.groupby("seed").cumcount()
    n_clips = ordered.groupby("seed")["seed"].transform("size")
    half: pd.DataFrame = ordered[place < np.ceil(n_clips / 2)]
    return half


def log_loss(predictions: pd.DataFrame) -> float:
    """Mean negative log probability of the true class, nats, mean over seeds; 1e-15 is the least one."""
    probabilities = predictions.filter(regex="^p_")
    columns = probabilities.columns.get_indexer(pd.Index("p_" + predictions["label"].astype(str)))
    values = probabilities.to_numpy(dtype=np.float64)
    true = np.where(columns >= 0, values[np.arange(len(values)), columns], 0.0)
    losses = -np.log(np.clip(true, _SMALLEST_PROBABILITY, 1.0))
    seeds = predictions["seed"].to_numpy()
    return float(np.mean([losses[seeds == seed].mean() for seed in sorted(set(seeds))]))


def reliability(predictions: pd.DataFrame, *, n_bins: int = 15) -> pd.DataFrame:
    """Compare confidence with accuracy in bins of equal width.

    Returns
    -------
    DataFrame
        A row for each bin that has clips: `confidence` (mean of the largest probability), `accuracy`, `share`
        (of all rows).
    """
    bins, confidence, right = _confidence_bins(predictions, n_bins)
    table = pd.DataFrame({"bin": bins, "confidence": confidence, "accuracy": right}).groupby("bin")
    return table.mean().assign(share=table.size() / len(predictions))


def expected_calibration_error(predictions: pd.DataFrame, *, n_bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over bins, weighted by share (Guo et al., ICML 2017).

    It is the mean over seeds.
    """
    errors = []
    for _, rows in predictions.groupby("seed"):
        bins = reliability(rows, n_bins=n_bins)
        gaps = (bins["accuracy"] - bins["confidence"]).abs()
        errors.append((gaps * bins["share"]).sum())
    return float(np.mean(errors))


def bins_by_group(predictions: pd.DataFrame, *, n_bins: int) -> Array:
    """Sum up the confidence bins of each group and seed, so that groups can be resampled.

    Returns
    -------
    ndarray
        Shape [n_groups, n_seeds, n_bins, 2]: right rows less the sum of the rows' confidence; rows.
    """
    bins, confidence, right = _confidence_bins(predictions, n_bins)
    groups, seeds = sorted(set(predictions["group"])), sorted(set(predictions["seed"]))
    where = (_codes(predictions["group"], groups), _codes(predictions["seed"], seeds), bins - 1)
    sums = np.zeros((len(groups), len(seeds), n_bins, 2))
    np.add.at(sums, where, np.stack([right - confidence, np.ones(len(bins))], axis=1))
    return sums


def binned_error(sums: Array) -> Array:
    """Compute the expected calibration error of sums as `bins_by_group` makes them, [..., n_bins, 2].

    Returns
    -------
    ndarray
        Shape [...], in [0, 1]; NaN without clips.
    """
    return _ratio(np.abs(sums[..., 0]).sum(axis=-1), sums[..., 1].sum(axis=-1))


def score_groups(predictions: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Score every model on the clips of each group (speaker, artist, song).

    Parameters
    ----------
    predictions
        Model → out-of-fold predictions; may be empty.

    Returns
    -------
    DataFrame
        A row for each model and group: `n_clips`, `n_classes` that the group has clips of, and `wa` and `uar`
        over these classes, means over seeds.
    """
    tables = [pd.DataFrame(columns=list(GROUP_COLUMNS))]
    for model, table in predictions.items():
        matrices = count_by_group(check_predictions(table), class_names(table))
        by_class = matrices.sum(axis=-1)  # [n_groups, n_seeds, n_classes]
        scores = {
            "model": model,
            "group": [str(name) for name in sorted(set(table["group"]))],
            "n_clips": by_class.sum(axis=-1).max(axis=1).astype(np.int64),
            "n_classes": (by_class > 0).any(axis=1).sum(axis=-1),
        }
        with warnings.catch_warnings():
            # Not every seed tests every group: a mean over nothing is NaN, as it should be.
            warnings.simplefilter("ignore", RuntimeWarning)
            for name, score in (("wa", wa), ("uar", uar)):
                scores[name] = np.nanmean(score(matrices), axis=1)
        tables.append(pd.DataFrame(scores))
    return pd.concat(tables[1:] or tables, ignore_index=True)


def _codes(values: pd.Series, names: Sequence[Any]) -> Codes:
    """Return the position of each value in `names`; -1 where it is not among them."""
    return np.asarray(pd.Index(names).get_indexer(pd.Index(values)), dtype=np.int64)


def _confidence_bins(predictions: pd.DataFrame, n_bins: int) -> tuple[Codes, Array, Array]:
    """Return the bin of each row (1 … n_bins), its largest probability, and whether it is right."""
    confidence: Array = predictions.filter(regex="^p_").to_numpy(dtype=np.float64).max(axis=1)
    right: Array = np.asarray(predictions["label"] == predictions["predicted"], dtype=np.float64)
    # Bins are open on the left: (0, 1/n], (1/n, 2/n] …
    bins: Codes = np.clip(np.ceil(confidence * n_bins - 1e-9), 1, n_bins).astype(np.int64)
    return bins, confidence, right


def _diagonal(matrices: Array) -> Array:
    return np.asarray(np.diagonal(matrices, axis1=-2, axis2=-1))


def _ratio(numerator: Array, denominator: Array) -> Array:
    ratio = np.full(np.shape(denominator), np.nan)
    np.divide(numerator, denominator, out=ratio, where=denominator > 0)
    return ratio


def _mean_of_present(values: Array, matrices: Array) -> Array:
    present = matrices.sum(axis=-1) > 0
    return _ratio(np.where(present, values, 0.0).sum(axis=-1), present.sum(axis=-1).astype(np.float64))
