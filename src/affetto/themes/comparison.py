"""Whether the proposed themes agree better with labels than others do: paired tests on the same clips.

Groups (artists, songs) are the units. Retrieval is a figure of a clip, and answers to a group can be swapped
between two models. Agreement (AMI) is a figure of the clips of an emotion in a fold, whose clusters have no
counterpart in another model: its interval leaves out a group at a time, and whole folds are swapped, which
share no group.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.uncertainty import enough_groups, holm, signed_interval, swap_test

_TIE = 1e-12


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


class _Figures(NamedTuple):
    """A measure of one model.

    Attributes
    ----------
    values
        Over all groups, then without each of them, [1 + n_groups]; empty without labels.
    shares
        What each unit that can be swapped adds to the measure, [n_units].
    """

    values: np.ndarray
    shares: np.ndarray


def _agreement(assignments: pd.DataFrame) -> _Figures:
    """Return the AMI of `discovery_scores`; folds can be swapped."""
    labelled = assignments[assignments["label"].notna()]
    labelled = labelled.assign(**{name: labelled[name].factorize()[0] for name in ("label", "cluster")})
    by_fold: dict[Any, np.ndarray] = {}
    changes = dict.fromkeys(sorted(set(labelled["group"])), np.zeros(2))
    for (fold, _), block in labelled.groupby(["fold", "emotion"]):
        label, cluster, group = (block[name].to_numpy() for name in ("label", "cluster", "group"))
        whole = _summed_ami(label, cluster)
        by_fold[fold] = by_fold.get(fold, np.zeros(2)) + whole
        for name in set(group):
            others = group != name
            changes[name] = changes[name] + _summed_ami(label[others], cluster[others]) - whole
    folds = np.array([sums for sums in by_fold.values() if sums[1]]).reshape(-1, 2)
    return _figures(folds, np.array(list(changes.values())).reshape(-1, 2))


def _summed_ami(label: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """Return the AMI of a block times its clips, and its clips; zeros where it has one label alone.

    As scikit-learn's `adjusted_mutual_info_score`, whose checks take ten times as long for so few clips.
    """
    from scipy.stats import entropy
    from sklearn.metrics.cluster import expected_mutual_information

    if len(set(label)) < 2:  # noqa: PLR2004
        return np.zeros(2)
    counts = np.zeros((label.max() + 1, cluster.max() + 1), dtype=np.int64)
    np.add.at(counts, (label, cluster), 1)
    counts = counts[counts.any(axis=1)][:, counts.any(axis=0)]
    shannon = entropy(counts.sum(axis=1)), entropy(counts.sum(axis=0))
    chance = expected_mutual_information(counts, len(label))
    gained, most = sum(shannon) - entropy(counts.ravel()) - chance, sum(shannon) / 2 - chance
    return len(label) * np.array([gained / most if most > _TIE else 1.0, 1.0])  # each clip its own cluster: 1


def _precision(assignments: pd.DataFrame) -> _Figures:
    """Return the precision among the ten nearest training clips; groups can be swapped."""
    known = assignments[assignments["precision_at_10"].notna()]
    groups = known.groupby("group")["precision_at_10"].agg(["sum", "count"]).to_numpy(dtype=float)
    return _figures(groups, -groups)


def _figures(units: np.ndarray, changes: np.ndarray) -> _Figures:
    """Divide sums by weights: of units, and of their total as it changes without each group, [..., 2]."""
    total = units.sum(axis=0)
    if total[1] == 0:
        return _Figures(np.zeros(0), np.zeros(0))
    left = np.concatenate([total[np.newaxis], total + changes])
    values = np.divide(left[:, 0], left[:, 1], out=np.full(len(left), np.nan), where=left[:, 1] > 0)
    return _Figures(values, units[:, 0] / total[1])


def _row(
    model: str, proposed: str, found: Mapping[str, _Figures], n_clips: int, parameters: EvaluationParameters
) -> dict[str, float]:
    """Make the columns of a model: its interval, and the comparison with the proposed one."""
    ours, theirs = found[proposed], found[model]
    row = _ends("", theirs.values, n_clips, parameters)
    if model == proposed or not len(theirs.values):
        return row | {"_difference": np.nan, **_ends("_difference", np.zeros(0), 0, parameters), "_p": np.nan}
    differences, shares = ours.values - theirs.values, ours.shares - theirs.shares
    row |= {"_difference": differences[0], **_ends("_difference", differences, n_clips, parameters)}
    if not enough_groups(len(shares), n_tests=len(found) - 1, alpha=parameters.alpha):
        return row | {"_p": np.nan, "_units": len(shares)}
    p = swap_test(
        lambda swapped: (1.0 - 2.0 * swapped) @ shares,
        len(shares),
        n_permutations=parameters.n_permutations,
        seed=parameters.seed,
    )
    return row | {"_p": p, "_units": len(shares)}


def _ends(name: str, values: np.ndarray, n_clips: int, parameters: EvaluationParameters) -> dict[str, float]:
    low, high = np.nan, np.nan
    if len(values) and n_clips:
        low, high = signed_interval(values, n_clips=n_clips, confidence=parameters.confidence)
    return {f"{name}_ci_low": low, f"{name}_ci_high": high}
