"""Scores of one model from its out-of-fold predictions.

The folds of a seed are pooled before scoring (a fold may lack a class, and its own UAR would then count it as
zero or leave it out); the scores of the seeds are averaged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from affetto.evaluation.bins import sort_into_bins
from affetto.evaluation.counts import check_predictions, class_names, count_by_group

SeedMetric = Callable[[pd.DataFrame], float]

_SMALLEST_PROBABILITY = 1e-15


@dataclass(frozen=True)
class Summary:
    """Scores of a model, means over seeds.

    Attributes
    ----------
    n_clips, n_groups, n_seeds
        What was scored.
    uar, wa, macro_f1
        Unweighted average recall, accuracy, macro F1; in [0, 1].
    uar_sd, wa_sd, macro_f1_sd
        Their standard deviations over seeds (n - 1 in the denominator); NaN for one seed.
    log_loss
        Mean negative log probability of the true class, nats.
    ece
        Expected calibration error, in [0, 1].
    selective_uar, selective_wa
        UAR and accuracy on the half of the clips that the model is surest of.
    recall
        Recall of each class that has clips.
    """

    n_clips: int
    n_groups: int
    n_seeds: int
    uar: float
    uar_sd: float
    wa: float
    wa_sd: float
    macro_f1: float
    macro_f1_sd: float
    log_loss: float
    ece: float
    selective_uar: float
    selective_wa: float
    recall: dict[str, float]


def summarise(predictions: pd.DataFrame, *, n_bins: int = 15) -> Summary:
    """Compute all scores of a model.

    Parameters
    ----------
    predictions
        A row a clip and seed: `clip_id, group, fold, seed, label, predicted, p_<class>…`.
    n_bins
        Confidence bins of the calibration error.

    Raises
    ------
    AffettoError
        When the table is empty or lacks a column.
    """
    table = check_predictions(predictions)
    recalls, accuracies, f1 = (per_seed(table, metric) for metric in (uar, wa, macro_f1))
    half = surest(table)
    return Summary(
        n_clips=table["clip_id"].nunique(),
        n_groups=table["group"].nunique(),
        n_seeds=len(recalls),
        uar=float(recalls.mean()),
        uar_sd=float(recalls.std(ddof=1)),
        wa=float(accuracies.mean()),
        wa_sd=float(accuracies.std(ddof=1)),
        macro_f1=float(f1.mean()),
        macro_f1_sd=float(f1.std(ddof=1)),
        log_loss=float(per_seed(table, log_loss).mean()),
        ece=float(per_seed(table, lambda seed: expected_calibration_error(seed, n_bins=n_bins)).mean()),
        selective_uar=float(per_seed(half, uar).mean()),
        selective_wa=float(per_seed(half, wa).mean()),
        recall={str(name): float(value) for name, value in per_class_recall(table).items()},
    )


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
