"""Scores of regressors of valence and arousal: concordance and explained variance, tested over groups.

As for classes, the folds of a seed are pooled, and what a group adds to the score is a row of sums, so that
leaving out or swapping groups costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from affetto.corpora.clips import DIMENSIONS
from affetto.evaluation.comparison import ROLES, proposed_model, verdict
from affetto.evaluation.figures import FAINT, PALETTE, canvas, tidy
from affetto.evaluation.metrics import Array, check_predictions
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.uncertainty import (
    Interval,
    holm,
    paired,
    scores_without_groups,
    student_interval,
    swap_counts,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = (
    *("model", "role", "dimension", "n_clips", "n_groups", "ccc", "ccc_ci_low", "ccc_ci_high"),
    *("r2", "r2_ci_low", "r2_ci_high", "difference", "difference_ci_low", "difference_ci_high"),
    *("p_permutation", "p_permutation_holm", "verdict"),
)
_LARGEST = 1 - 1e-9  # of a correlation whose area tangent is finite


def one_dimension(predictions: pd.DataFrame, dimension: str) -> pd.DataFrame:
    """Return the predictions of one dimension, its truth as `label` and its estimate as `predicted`."""
    renamed = {dimension: "label", f"predicted_{dimension}": "predicted"}
    columns = ["clip_id", "group", "fold", "seed", *renamed]
    return check_predictions(predictions[columns].rename(columns=renamed), name=dimension)


def sums_by_group(predictions: pd.DataFrame) -> Array:
    """Sum up truth t and prediction p of each group and seed, both in sorted order.

    Parameters
    ----------
    predictions
        What `one_dimension` returns.

    Returns
    -------
    ndarray
        Shape [n_groups, n_seeds, 6]: number of clips, sums of t, p, t², p² and tp.
    """
    t, p = (predictions[name].to_numpy(dtype=np.float64) for name in ("label", "predicted"))
    terms = np.stack([np.ones(len(t)), t, p, t * t, p * p, t * p], axis=1)
    groups, seeds = (np.unique(predictions[name], return_inverse=True) for name in ("group", "seed"))
    sums = np.zeros((len(groups[0]), len(seeds[0]), terms.shape[1]))
    np.add.at(sums, (groups[1], seeds[1]), terms)
    return sums


def ccc(sums: Array) -> Array:
    """Concordance correlation coefficient (Lin, Biometrics 45, 1989): 2 cov / (var + var + (t - p)^2).

    Parameters
    ----------
    sums
        As of `sums_by_group`, [..., 6].

    Returns
    -------
    ndarray
        Shape [...], in [-1, 1]; 0 where nothing varies, NaN without clips.
    """
    (t, p, tt, pp, tp) = np.moveaxis(sums[..., 1:] / _number(sums), -1, 0)
    total = (tt - t * t) + (pp - p * p) + (t - p) ** 2
    empty = np.where(np.isnan(total), np.nan, 0.0)
    return np.asarray(np.divide(2 * (tp - t * p), total, out=empty, where=total > 0))


def r2(sums: Array) -> Array:
    """Explained variance, 1 - squared errors / squares of t around its mean; shapes as for `ccc`.

    It is at most 1, below 0 where the mean of the tested clips would be nearer, NaN where t is constant.
    """
    (t, _, tt, pp, tp) = np.moveaxis(sums[..., 1:] / _number(sums), -1, 0)
    spread = tt - t * t
    shown = spread > 1e-12  # noqa: PLR2004
    return np.asarray(1 - np.divide(tt - 2 * tp + pp, spread, out=np.full(t.shape, np.nan), where=shown))


def _number(sums: Array) -> Array:
    return np.where(sums[..., :1] > 0, sums[..., :1], np.nan)


def ccc_interval(sums: Array, *, confidence: float = 0.95) -> Interval:
    """Interval of the concordance over groups: Student's t of the jackknife of its area tangent, turned back.

    Lin (1989) takes that transform for small samples: the coefficient itself is skewed near 1.
    """
    scores = np.clip(scores_without_groups(sums, ccc), -_LARGEST, _LARGEST)
    return Interval(*np.tanh(student_interval(np.arctanh(scores), confidence=confidence)).tolist())


def r2_interval(sums: Array, *, confidence: float = 0.95) -> Interval:
    """Interval of the explained variance over groups: Student's t of the jackknife, 1 at most."""
    low, high = student_interval(scores_without_groups(sums, r2), confidence=confidence)
    return Interval(low, min(high, 1.0))


def compare_dimensions(
    predictions: Mapping[str, pd.DataFrame],
    roles: Mapping[str, str],
    parameters: EvaluationParameters,
) -> pd.DataFrame:
    """Score every regressor, and test the proposed one against each of the others.

    Parameters
    ----------
    predictions
        Model → a row for each clip and seed: `clip_id, group, fold, seed, valence, arousal,
        predicted_valence, predicted_arousal`, all on the same folds.
    roles
        Model → its role.
    parameters
        How intervals and tests are computed.

    Returns
    -------
    DataFrame
        A row for each dimension and model, `COLUMNS`: proposed first, then by falling CCC. `difference` is
        CCC(proposed) - CCC(this model); p, Holm's correction over all rows, and verdict are as of `compare`.
    """
    proposed = proposed_model(roles)
    rows: list[dict[str, Any]] = []
    for dimension in DIMENSIONS:
        tables = {model: one_dimension(table, dimension) for model, table in predictions.items()}
        for model, table in tables.items():
            sums = sums_by_group(table)
            row = {"model": model, "role": roles[model], "dimension": dimension, "n_groups": len(sums)}
            row["n_clips"] = table["clip_id"].nunique()
            for name, score, interval in (("ccc", ccc, ccc_interval), ("r2", r2, r2_interval)):
                low, high = interval(sums, confidence=parameters.confidence)
                value = float(scores_without_groups(sums, score)[0])
                row |= {name: value, f"{name}_ci_low": low, f"{name}_ci_high": high}
            if proposed in tables and model != proposed:
                n_tests = len(DIMENSIONS) * (len(tables) - 1)
                row |= _test(tables[str(proposed)], table, parameters, n_tests=n_tests)
            rows.append(row)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["p_permutation_holm"] = holm(table["p_permutation"].to_numpy(dtype="float64"))
    table["verdict"] = [verdict(row, parameters.alpha) for _, row in table.iterrows()]
    order = [table["dimension"].map(DIMENSIONS.index), table["role"].map(ROLES.index), -table["ccc"]]
    return table.iloc[np.lexsort(order[::-1])].reset_index(drop=True)


def _test(
    proposed: pd.DataFrame, other: pd.DataFrame, parameters: EvaluationParameters, *, n_tests: int
) -> dict[str, float]:
    ours, theirs = (sums_by_group(table) for table in paired(proposed, other))
    differences = scores_without_groups(ours, ccc) - scores_without_groups(theirs, ccc)
    low, high = student_interval(differences, confidence=parameters.confidence)
    p = swap_counts(
        ours,
        theirs,
        ccc,
        n_tests=n_tests,
        alpha=parameters.alpha,
        n_permutations=parameters.n_permutations,
        seed=parameters.seed,
    )
    found = {"difference": float(differences[0]), "p_permutation": p}
    return found | {"difference_ci_low": low, "difference_ci_high": high}


def dimensions_figure(predictions: pd.DataFrame) -> Figure:
    """Draw out-of-fold predictions against ratings, a panel a dimension; a clip on the diagonal is right."""
    figure = canvas(7.0, 3.6)
    few = 300 / max(300, len(predictions))
    for axes, dimension in zip(figure.subplots(1, len(DIMENSIONS)), DIMENSIONS, strict=True):
        table = one_dimension(predictions, dimension)
        axes.plot([-1, 1], [-1, 1], color=FAINT, linewidth=1)
        alpha = max(0.1, 0.7 * few)
        axes.scatter(table["label"], table["predicted"], s=12, alpha=alpha, linewidths=0, color=PALETTE[0])
        score = float(scores_without_groups(sums_by_group(table), ccc)[0])
        axes.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), aspect="equal")
        tidy(axes, title=f"{dimension}: CCC {score:.2f}", xlabel="rated", ylabel="predicted")
    return figure
