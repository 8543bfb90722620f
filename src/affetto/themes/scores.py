"""Agreement of discovered themes with labels, and of predicted themes with true ones."""

from __future__ import annotations

import numpy as np
import pandas as pd


def purity(labels: np.ndarray, clusters: np.ndarray) -> float:
    """Return the share of clips that carry the commonest label of their cluster."""
    table = pd.crosstab(pd.Series(clusters), pd.Series(labels)).to_numpy()
    return float(table.max(axis=1).sum() / table.sum())


def discovery_scores(assignments: pd.DataFrame) -> dict[str, float]:
    """Score clusters against labels that they never saw.

    Every fold and emotion has clusters of its own, so agreement is taken inside each and averaged, weighted
    by clips.

    Parameters
    ----------
    assignments
        One model's `fold, emotion, label, cluster`; rows without a label are left out.

    Returns
    -------
    dict
        `theme_ami` (adjusted mutual information, Vinh et al., 2010), `theme_nmi`, `theme_purity`; empty
        without labels.
    """
    from sklearn.metrics import adjusted_mutual_info_score, normalized_mutual_info_score

    labelled = assignments[assignments["label"].notna()]
    if labelled.empty:
        return {}
    parts = [
        (
            len(part),
            adjusted_mutual_info_score(part["label"], part["cluster"]),
            normalized_mutual_info_score(part["label"], part["cluster"]),
            purity(part["label"].to_numpy(), part["cluster"].to_numpy()),
        )
        for _, part in labelled.groupby(["fold", "emotion"])
    ]
    values = np.array(parts, dtype=float)
    means = np.average(values[:, 1:], axis=0, weights=values[:, 0])
    return dict(zip(("theme_ami", "theme_nmi", "theme_purity"), means.tolist(), strict=True))


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
