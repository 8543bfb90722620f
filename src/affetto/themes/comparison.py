"""Whether the proposed themes agree better with labels than others do: paired tests on the same clips.

Agreement (AMI) is a figure of a block, the clips of one emotion in one fold: blocks are resampled, and
swapped between two models. Retrieval is a figure of a clip: there it is whole groups, for clips of a group
are not independent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.significance import holm
from affetto.themes.scores import agreement_by_block

MEASURES = ("theme_ami", "theme_precision_at_10")


def compare_discovery(
    assignments: Mapping[str, pd.DataFrame], proposed: str, parameters: EvaluationParameters
) -> pd.DataFrame:
    """Test the proposed model against every other one.

    Parameters
    ----------
    assignments
        Model → what `discover_themes` returned.
    proposed
        Name of the proposed model.
    parameters
        Resamples, swaps and coverage.

    Returns
    -------
    DataFrame
        A row a model; for each of `MEASURES` its interval (`…_ci_low`, `…_ci_high`), how much better the
        proposed model is (`…_difference` with its interval) and the p of the paired permutation test after
        Holm's correction (`…_p_holm`). Missing without labels.
    """
    table = pd.DataFrame({"model": list(assignments)})
    for measure in MEASURES:
        units = {model: _units(rows, measure) for model, rows in assignments.items()}
        columns = pd.DataFrame(
            [_tested(units[proposed], units[model], measure, parameters) for model in assignments]
        )
        columns[f"{measure}_p_holm"] = holm(columns.pop(f"{measure}_p").to_numpy(dtype=float))
        table = pd.concat([table, columns], axis=1)
    return table


def _units(assignments: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return `value` and `weight` by unit: fold and emotion, or group."""
    if measure == "theme_ami":
        blocks = agreement_by_block(assignments).set_index(["fold", "emotion"])
        return blocks[["theme_ami", "clips"]].set_axis(["value", "weight"], axis=1)
    by_group = assignments.groupby("group")["precision_at_10"].agg(["mean", "count"])
    return by_group[by_group["count"] > 0].set_axis(["value", "weight"], axis=1)


def _tested(
    ours: pd.DataFrame, theirs: pd.DataFrame, measure: str, parameters: EvaluationParameters
) -> dict[str, Any]:
    missing = dict.fromkeys(("_difference", "_difference_ci_low", "_difference_ci_high", "_p"), np.nan)
    own = _interval(theirs["value"], theirs["weight"], parameters)
    found = {"_ci_low": own[0], "_ci_high": own[1], **missing}
    if len(theirs) and not ours.equals(theirs):
        # One model of both sees the same clips: the units and their weights are the same.
        difference = (ours["value"] - theirs["value"]).to_numpy()
        weight = theirs["weight"].to_numpy(dtype=float)
        low, high = _interval(difference, weight, parameters)
        found |= {
            "_difference": float(np.average(difference, weights=weight)),
            "_difference_ci_low": low,
            "_difference_ci_high": high,
            "_p": _swap_test(difference, weight, parameters),
        }
    return {f"{measure}{name}": value for name, value in found.items()}


def _interval(values: Any, weights: Any, parameters: EvaluationParameters) -> tuple[float, float]:
    """Percentile bootstrap of a weighted mean over units."""
    from scipy.stats import bootstrap

    if len(values) < 2:  # noqa: PLR2004
        return np.nan, np.nan
    found = bootstrap(
        (np.asarray(values, dtype=float), np.asarray(weights, dtype=float)),
        _weighted_mean,
        paired=True,
        vectorized=True,
        n_resamples=parameters.n_resamples,
        confidence_level=parameters.confidence,
        method="percentile",
        rng=np.random.default_rng(parameters.seed),
        batch=1_000,
    ).confidence_interval
    return float(found.low), float(found.high)


def _swap_test(difference: np.ndarray, weight: np.ndarray, parameters: EvaluationParameters) -> float:
    """Two-sided p of a weighted mean difference when the models are swapped unit by unit: signs change."""
    from scipy.stats import permutation_test

    tested = permutation_test(
        (difference * weight,),
        lambda values, axis: values.sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=parameters.n_permutations,
        rng=np.random.default_rng(parameters.seed),
        batch=1_000,
    )
    return float(tested.pvalue)


def _weighted_mean(values: np.ndarray, weights: np.ndarray, axis: int) -> np.ndarray:
    mean: np.ndarray = (values * weights).sum(axis=axis) / weights.sum(axis=axis)
    return mean
