"""Scores of one model from its out-of-fold predictions.

The folds of a seed are pooled before scoring (a fold may lack a class, and its own UAR would then count it as
zero or leave it out); the scores of the seeds are averaged.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pandas as pd

from affetto.evaluation.bins import sort_into_bins
from affetto.evaluation.counts import check_predictions, class_names, count_by_group

SeedMetric = Callable[[pd.DataFrame], float]

_SMALLEST_PROBABILITY = 1e-15


def summarise(predictions: pd.DataFrame, *, n_bins: int = 15) -> dict[str, float]:
    """Compute all scores of a model, means over seeds.

    Parameters
    ----------
    predictions
        A row a clip and seed: `clip_id, group, fold, seed, label, predicted, p_<class>…`.
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
    for metric in (uar, wa, macro_f1):
        by_seed = per_seed(table, metric)
        scores |= {metric.__name__: by_seed.mean(), f"{metric.__name__}_sd": by_seed.std(ddof=1)}
    scores["log_loss"] = per_seed(table, log_loss).mean()
    scores["ece"] = per_seed(table, lambda seed: expected_calibration_error(seed, n_bins=n_bins)).mean()
    half = surest(table)
    scores |= {f"selective_{each.__name__}": per_seed(half, each).mean() for each in (uar, wa)}
    recalls = per_class_recall(table).items()
    scores |= {f"recall_{_plain(str(name))}": value for name, value in recalls}
    return scores


def per_seed(predictions: pd.DataFrame, metric: SeedMetric) -> pd.Series[float]:
    """Apply `metric` to the pooled folds of each seed; the index is the seed."""
    scores = {int(str(seed)): metric(rows) for seed, rows in predictions.groupby("seed", sort=True)}
    return pd.Series(scores, dtype="float64", name="score")


def surest(predictions: pd.DataFrame, *, coverage: float = 0.5) -> pd.DataFrame:
    """Return the clips of each seed that the model is surest of: what it would answer if it might be silent.

    Parameters
    ----------
    predictions
        A row a clip and seed, with `seed` and `p_<class>…`.
    coverage
        Share of the clips of a seed to keep, rounded up; of clips with the same largest probability, the
        first.

    Returns
    -------
    DataFrame
        These rows, surest first within a seed. The UAR of them is over the classes that are left.
    """
    largest = -predictions.filter(regex="^p_").max(axis=1)
    place = largest.groupby(predictions["seed"]).rank(method="first")
    n_clips = place.groupby(predictions["seed"]).transform("size")
    kept = place <= np.ceil(coverage * n_clips)
    order = np.lexsort((place[kept], predictions.loc[kept, "seed"]))
    rows: pd.DataFrame = predictions[kept].iloc[order]
    return rows


def uar(predictions: pd.DataFrame) -> float:
    """Unweighted average recall over the classes that occur as labels (balanced accuracy)."""
    from sklearn.metrics import recall_score

    truth = predictions["label"].to_numpy(dtype=object)
    told = predictions["predicted"].to_numpy(dtype=object)
    return float(recall_score(truth, told, labels=sorted(set(truth)), average="macro", zero_division=0))


def wa(predictions: pd.DataFrame) -> float:
    """Share of rows told correctly."""
    return float((predictions["label"] == predictions["predicted"]).mean())


def macro_f1(predictions: pd.DataFrame) -> float:
    """Mean F1 over the classes that occur as labels."""
    from sklearn.metrics import f1_score

    truth = predictions["label"].to_numpy(dtype=object)
    told = predictions["predicted"].to_numpy(dtype=object)
    return float(f1_score(truth, told, labels=sorted(set(truth)), average="macro", zero_division=0))


def per_class_recall(predictions: pd.DataFrame) -> pd.Series[float]:
    """Recall of each class that occurs as a label, mean over seeds; the index is the class, sorted."""
    right = (predictions["label"] == predictions["predicted"]).astype("float64")
    by_seed = right.groupby([predictions["seed"], predictions["label"]]).mean()
    return by_seed.groupby(level="label").mean().sort_index()


def confusion_matrix(predictions: pd.DataFrame) -> pd.DataFrame:
    """Count clips of each true class (index) told as each class (columns), mean over seeds."""
    classes = class_names(predictions)
    mean = count_by_group(predictions, classes).matrices.sum(axis=0).mean(axis=0)
    return pd.DataFrame(
        mean, index=pd.Index(classes, name="label"), columns=pd.Index(classes, name="predicted")
    )


def log_loss(predictions: pd.DataFrame) -> float:
    """Mean negative log probability of the true class, nats; probabilities are kept above 1e-15."""
    probabilities = predictions.filter(regex="^p_")
    columns = probabilities.columns.get_indexer(pd.Index("p_" + predictions["label"].astype(str)))
    values = probabilities.to_numpy(dtype=np.float64)
    true = np.where(columns >= 0, values[np.arange(len(values)), columns], 0.0)
    return float(-np.log(np.clip(true, _SMALLEST_PROBABILITY, 1.0)).mean())


def reliability(predictions: pd.DataFrame, *, n_bins: int = 15) -> pd.DataFrame:
    """Compare confidence with accuracy in bins of equal width.

    Returns
    -------
    DataFrame
        A row a bin that has clips: `confidence` (mean of the largest probability), `accuracy`, `share` (of
        all rows).
    """
    bins, confidence, right = sort_into_bins(predictions, n_bins=n_bins)
    table = pd.DataFrame({"bin": bins, "confidence": confidence, "accuracy": right}).groupby("bin")
    return table.mean().assign(share=table.size() / len(predictions))


def expected_calibration_error(predictions: pd.DataFrame, *, n_bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over bins, weighted by share (Guo et al., ICML 2017)."""
    bins = reliability(predictions, n_bins=n_bins)
    return float(((bins["accuracy"] - bins["confidence"]).abs() * bins["share"]).sum())


def _plain(name: str) -> str:
    return re.sub(r"\W+", "_", name)
