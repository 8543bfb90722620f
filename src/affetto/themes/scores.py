"""Agreement of discovered themes with labels, and of predicted themes with true ones."""

from __future__ import annotations

import numpy as np
import pandas as pd

RETRIEVED = 10
AGREEMENT = ("theme_ami", "theme_nmi", "theme_purity")


def purity(labels: np.ndarray, clusters: np.ndarray) -> float:
    """Return the share of clips that carry the commonest label of their cluster."""
    table = pd.crosstab(pd.Series(clusters), pd.Series(labels)).to_numpy()
    return float(table.max(axis=1).sum() / table.sum())


def retrieval_precision(
    known: np.ndarray, known_labels: np.ndarray, found: np.ndarray, found_labels: np.ndarray
) -> np.ndarray:
    """Return precision at 10: the share of its label among the ten training clips nearest to a test clip.

    Parameters
    ----------
    known, found
        Where training and test clips lie, [n_clips, n_dimensions]; near is alike (Euclidean).
    known_labels, found_labels
        Theme labels, object; missing ones neither count nor are scored.

    Returns
    -------
    numpy.ndarray
        float64 [n_test]; NaN for a test clip without a label, or where no training clip has one.
    """
    from sklearn.metrics import pairwise_distances

    usable = np.flatnonzero(pd.notna(known_labels))
    precision = np.full(len(found), np.nan)
    asked = np.flatnonzero(pd.notna(found_labels))
    if len(usable) and len(asked):
        distances = pairwise_distances(found[asked], known[usable])
        nearest = usable[np.argsort(distances, axis=1, kind="stable")[:, :RETRIEVED]]
        precision[asked] = (known_labels[nearest] == found_labels[asked][:, np.newaxis]).mean(axis=1)
    return precision


def agreement_by_block(assignments: pd.DataFrame) -> pd.DataFrame:
    """Return the agreement of clusters and labels in each fold and emotion.

    Parameters
    ----------
    assignments
        One model's `fold, emotion, label, cluster`; rows without a label are left out.

    Returns
    -------
    DataFrame
        A row a block: `fold, emotion, clips, theme_ami, theme_nmi, theme_purity`. Blocks with one label alone
        are left out: there the best that clusters can do is not to be any.
    """
    from sklearn.metrics import adjusted_mutual_info_score, normalized_mutual_info_score

    labelled = assignments[assignments["label"].notna()]
    rows = [
        (
            *block,
            len(part),
            adjusted_mutual_info_score(part["label"], part["cluster"]),
            normalized_mutual_info_score(part["label"], part["cluster"]),
            purity(part["label"].to_numpy(), part["cluster"].to_numpy()),
        )
        for block, part in labelled.groupby(["fold", "emotion"])
        if len(set(part["label"])) > 1
    ]
    return pd.DataFrame(rows, columns=["fold", "emotion", "clips", *AGREEMENT])


def discovery_scores(assignments: pd.DataFrame) -> dict[str, float]:
    """Score clusters against labels that they never saw.

    Every fold and emotion has clusters of its own, so agreement is taken inside each and averaged, weighted
    by clips.

    Parameters
    ----------
    assignments
        One model's `fold, emotion, label, cluster, precision_at_10`; rows without a label are left out.

    Returns
    -------
    dict
        `theme_ami` (adjusted mutual information, Vinh et al., 2010), `theme_nmi`, `theme_purity` and
        `theme_precision_at_10`; empty without blocks of several labels.
    """
    blocks = agreement_by_block(assignments)
    if blocks.empty:
        return {}
    means = {name: float(np.average(blocks[name], weights=blocks["clips"])) for name in AGREEMENT}
    return {**means, "theme_precision_at_10": float(assignments["precision_at_10"].mean())}


def discrimination_scores(predictions: pd.DataFrame) -> dict[str, float]:
    """Return `theme_accuracy` and `theme_uar` of pooled out-of-fold predictions.

    Recalls are taken inside each emotion, where the choice is made, and averaged over classes, then over
    emotions weighted by clips. Empty without predictions.
    """
    if predictions.empty:
        return {}
    correct = (predictions["label"] == predictions["predicted"]).astype(float)
    recalls = correct.groupby([predictions["emotion"], predictions["label"]]).mean()
    by_emotion = recalls.groupby(level=0).mean()
    weights = predictions["emotion"].value_counts().reindex(by_emotion.index)
    return {
        "theme_accuracy": float(correct.mean()),
        "theme_uar": float(np.average(by_emotion, weights=weights)),
    }
