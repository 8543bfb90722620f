"""How well themes agree with labels, and whether the proposed ones do better: scores, and paired tests.

Groups (artists, songs) are the units. Retrieval is a figure of a clip, and answers to a group can be swapped
between two models. Agreement (AMI) is a figure of the clips of an emotion in a fold, whose clusters have no
counterpart in another model: its interval leaves out a group at a time, and whole folds are swapped, which
share no group.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.uncertainty import enough_groups, holm, signed_interval, swap_test

RETRIEVED = 10
Scores = dict[str, float]


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

    usable, asked = (np.flatnonzero(pd.notna(labels)) for labels in (known_labels, found_labels))
    precision = np.full(len(found), np.nan)
    if len(usable) and len(asked):
        distances = pairwise_distances(found[asked], known[usable])
        nearest = usable[np.argsort(distances, axis=1, kind="stable")[:, :RETRIEVED]]
        precision[asked] = (known_labels[nearest] == found_labels[asked][:, np.newaxis]).mean(axis=1)
    return precision


def discovery_scores(assignments: pd.DataFrame) -> Scores:
    """Score clusters against labels that they never saw.

    Every fold and emotion has clusters of its own, so agreement is taken inside each and averaged, weighted
    by clips; where all clips have one label, the best that clusters can do is not to be any, and none counts.

    Parameters
    ----------
    assignments
        One model's `fold, emotion, label, cluster, precision_at_10`; rows without a label are left out.

    Returns
    -------
    dict
        `theme_ami` (adjusted mutual information, Vinh et al., 2010) and `theme_precision_at_10`; empty where
        no fold and emotion has several labels.
    """
    labelled = assignments[assignments["label"].notna()]
    blocks = [_summed_ami(part) for _, part in labelled.groupby(["fold", "emotion"])]
    agreement, weight = np.sum(blocks, axis=0) if blocks else (0.0, 0.0)
    if not weight:
        return {}
    precision = float(assignments["precision_at_10"].mean())
    return {"theme_ami": float(agreement / weight), "theme_precision_at_10": precision}


def discrimination_scores(predictions: pd.DataFrame) -> Scores:
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


def compare_discovery(
    assignments: Mapping[str, pd.DataFrame], proposed: str, parameters: EvaluationParameters
) -> pd.DataFrame:
    """Test the proposed model against every other one.

    Parameters
    ----------
    assignments
        Model → what `discover_themes` returned: the same clips for all.
    proposed
        Name of the proposed model.
    parameters
        Swaps, level and coverage.

    Returns
    -------
    DataFrame
        A row a model; for `theme_ami` and `theme_precision_at_10` its interval over groups (`…_ci_low`,
        `…_ci_high`), how much better the proposed model is (`…_difference` with its interval) and the p of
        the paired permutation test after Holm's correction (`…_p_holm`), which is missing where `…_units`,
        the folds or groups that can be swapped, are too few. Missing without labels.
    """
    table = pd.DataFrame({"model": list(assignments)})
    n_clips = int(assignments[proposed]["label"].notna().sum())
    for measure, figures in (("theme_ami", _agreement), ("theme_precision_at_10", _precision)):
        found = {model: figures(rows) for model, rows in assignments.items()}
        rows = [_row(model, proposed, found, n_clips, parameters) for model in assignments]
        columns = pd.DataFrame(rows)
        columns["_p_holm"] = holm(columns.pop("_p").to_numpy(dtype=float))
        table = pd.concat([table, columns.add_prefix(measure)], axis=1)
    return table


_Figures = tuple[np.ndarray, np.ndarray]
"""A measure over all groups, then without each of them, [1 + n_groups], and what each unit that can be
swapped adds to it, [n_units]; both empty without labels."""


def _agreement(assignments: pd.DataFrame) -> _Figures:
    """Return the AMI of `discovery_scores`; folds can be swapped."""
    labelled = assignments[assignments["label"].notna()]
    by_fold: dict[Any, np.ndarray] = {}
    changes = dict.fromkeys(sorted(set(labelled["group"])), np.zeros(2))
    for (fold, _), part in labelled.groupby(["fold", "emotion"]):
        whole = _summed_ami(part)
        by_fold[fold] = by_fold.get(fold, np.zeros(2)) + whole
        for group in set(part["group"]):
            changes[group] = changes[group] + _summed_ami(part[part["group"] != group]) - whole
    folds = np.array([sums for sums in by_fold.values() if sums[1]]).reshape(-1, 2)
    return _figures(folds, np.array(list(changes.values())).reshape(-1, 2))


def _summed_ami(part: pd.DataFrame) -> np.ndarray:
    """Return the AMI of clips times their number, and their number; zeros where they have one label alone."""
    from sklearn.metrics import adjusted_mutual_info_score

    if len(set(part["label"])) < 2:  # noqa: PLR2004
        return np.zeros(2)
    return len(part) * np.array([adjusted_mutual_info_score(part["label"], part["cluster"]), 1.0])


def _precision(assignments: pd.DataFrame) -> _Figures:
    """Return the precision among the ten nearest training clips; groups can be swapped."""
    known = assignments[assignments["precision_at_10"].notna()]
    groups = known.groupby("group")["precision_at_10"].agg(["sum", "count"]).to_numpy(dtype=float)
    return _figures(groups, -groups)


def _figures(units: np.ndarray, changes: np.ndarray) -> _Figures:
    """Divide sums by weights: of units, and of their total as it changes without each group, [..., 2]."""
    total = units.sum(axis=0)
    if total[1] == 0:
        return np.zeros(0), np.zeros(0)
    left = np.concatenate([total[np.newaxis], total + changes])
    values = np.divide(left[:, 0], left[:, 1], out=np.full(len(left), np.nan), where=left[:, 1] > 0)
    return values, units[:, 0] / total[1]


def _row(
    model: str, proposed: str, found: Mapping[str, _Figures], n_clips: int, parameters: EvaluationParameters
) -> dict[str, float]:
    """Make the columns of a model: its interval, and the comparison with the proposed one."""
    (our_values, our_shares), (values, shares) = found[proposed], found[model]
    row = _ends("", values, n_clips, parameters)
    if model == proposed or not len(values):
        return row | {"_difference": np.nan, **_ends("_difference", np.zeros(0), 0, parameters), "_p": np.nan}
    differences, swapped_shares = our_values - values, our_shares - shares
    row |= {"_difference": differences[0], **_ends("_difference", differences, n_clips, parameters)}
    row |= {"_p": np.nan, "_units": len(shares)}
    if enough_groups(len(shares), n_tests=len(found) - 1, alpha=parameters.alpha):
        row["_p"] = swap_test(
            lambda swapped: (1.0 - 2.0 * swapped) @ swapped_shares,
            len(shares),
            n_permutations=parameters.n_permutations,
            seed=parameters.seed,
        )
    return row


def _ends(name: str, values: np.ndarray, n_clips: int, parameters: EvaluationParameters) -> dict[str, float]:
    low, high = np.nan, np.nan
    if len(values) and n_clips:
        low, high = signed_interval(values, n_clips=n_clips, confidence=parameters.confidence)
    return {f"{name}_ci_low": low, f"{name}_ci_high": high}
