"""All models of a task in one table, the proposed one tested against the others."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from affetto.evaluation.metrics import METRICS, MetricName, mean_score, score_groups, summarise
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.uncertainty import (
    difference_interval,
    ece_interval,
    holm,
    paired,
    permutation_test,
    score_interval,
)

_LOGGER = logging.getLogger(__name__)
COMPARISON_COLUMNS = (
    "task",
    "model",
    "role",
    "corpus",
    "protocol",
    "n_clips",
    "n_groups",
    "n_seeds",
    "uar",
    "uar_ci_low",
    "uar_ci_high",
    "uar_sd",
    "wa",
    "wa_ci_low",
    "wa_ci_high",
    "wa_sd",
    "macro_f1",
    "macro_f1_ci_low",
    "macro_f1_ci_high",
    "macro_f1_sd",
    "log_loss",
    "ece",
    "ece_ci_low",
    "ece_ci_high",
    "selective_uar",
    "selective_wa",
    "uar_random",
    "leakage_gap",
    "difference",
    "difference_ci_low",
    "difference_ci_high",
    "p_permutation",
    "p_permutation_holm",
    "verdict",
    "wa_difference",
    "wa_difference_ci_low",
    "wa_difference_ci_high",
    "wa_p_permutation",
    "wa_p_permutation_holm",
    "macro_f1_difference",
    "macro_f1_difference_ci_low",
    "macro_f1_difference_ci_high",
    "macro_f1_p_permutation",
    "macro_f1_p_permutation_holm",
)
_ROLES = ("proposed", "ablation", "baseline", "pretrained")
_TESTED: Mapping[MetricName, str] = {"uar": "", "wa": "wa_", "macro_f1": "macro_f1_"}
"""Measure → how the columns of its tests begin."""


def score_model(predictions: pd.DataFrame, parameters: EvaluationParameters) -> dict[str, float]:
    """Compute the scores that all models of a task share, and their intervals over groups.

    Parameters
    ----------
    predictions
        A row for each clip and seed: `clip_id, group, fold, seed, label, predicted, p_<class>…`.
    parameters
        How the intervals are computed.

    Returns
    -------
    dict
        What `summarise` returns, and `<score>_ci_low, <score>_ci_high` of UAR, WA, macro F1 and ECE; NaN is
        what cannot be known: intervals of a single group, deviations over a single seed.
    """
    scores, confidence = summarise(predictions, n_bins=parameters.n_bins), parameters.confidence
    intervals = {
        str(metric): score_interval(predictions, metric=metric, confidence=confidence) for metric in METRICS
    }
    intervals["ece"] = ece_interval(predictions, n_bins=parameters.n_bins, confidence=confidence)
    for name, (low, high) in intervals.items():
        scores |= {f"{name}_ci_low": low, f"{name}_ci_high": high}
    return scores


def compare(
    predictions: Mapping[str, pd.DataFrame],
    roles: Mapping[str, str],
    *,
    protocol: str,
    corpus: str,
    task: str,
    random_predictions: Mapping[str, pd.DataFrame] | None = None,
    parameters: EvaluationParameters | None = None,
) -> pd.DataFrame:
    """Score every model and test the proposed one against each of the others.

    Parameters
    ----------
    predictions
        Model → out-of-fold predictions, all on the same folds.
    roles
        Model → `proposed`, `ablation`, `baseline`, or `pretrained`: a model that reads an encoder trained on
        other data stands apart. The first proposed model is the one tested.
    protocol, corpus, task
        Written into every row.
    random_predictions
        Model → predictions on random folds that ignore groups; empty or missing: no leakage gap.
    parameters
        How intervals and tests are computed.

    Returns
    -------
    DataFrame
        One row a model: proposed, ablations, baselines, pretrained, each by falling UAR. `difference` is
        UAR(proposed) - UAR(this model), with its interval over groups, and the tests' p as they are and
        Holm-corrected over the rows; missing on the proposed row. `verdict` says what the permutation test
        allows to be said of the proposed model: `better` or `worse` when its Holm-corrected p is below alpha,
        else `undecided`, and `untestable` where no p of so few groups could be (see `enough_groups`).
        Accuracy and macro F1 are tested alike (`wa_…`, `macro_f1_…`), to stand beside what others publish;
        the verdict is on the UAR alone.

    Raises
    ------
    AffettoError
        When predictions are empty or two models cannot be paired.
    """
    chosen = parameters or EvaluationParameters()
    proposed = proposed_model(roles)
    rows: list[dict[str, Any]] = []
    for model, table in predictions.items():
        row: dict[str, Any] = {"task": task, "model": model, "role": roles[model]}
        row |= {"corpus": corpus, "protocol": protocol, **score_model(table, chosen)}
        row |= leakage(table, (random_predictions or {}).get(model))
        if proposed in predictions and model != proposed:
            row |= _tests(predictions[str(proposed)], table, chosen, n_tests=len(predictions) - 1)
        rows.append(row)
    return _sorted(_judged(pd.DataFrame(rows).reindex(columns=list(COMPARISON_COLUMNS)), chosen.alpha))


def score_task(
    predictions: Mapping[str, pd.DataFrame], roles: Mapping[str, str], **compared: Any
) -> dict[str, pd.DataFrame]:
    """Compare all models of a task on the clips that all have scored.

    Parameters
    ----------
    predictions, roles, compared
        As for `compare`; models without a scored clip are left out.

    Returns
    -------
    dict
        `comparison` of `compare`, empty where nothing was scored; `groups` of `score_groups`; `predictions`
        of all models with a column `model`. Models are in the order of the comparison everywhere.
    """
    common = _on_common_clips(predictions)
    nothing = pd.DataFrame(columns=list(COMPARISON_COLUMNS))
    comparison = compare(common, roles, **compared) if common else nothing
    ordered = {model: common[model] for model in comparison["model"]}
    return {
        "comparison": comparison,
        "groups": score_groups(ordered),
        "predictions": models_below_each_other(ordered),
    }


def _on_common_clips(predictions: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Keep the clips that all models have scored, as a feature may have failed for some."""
    known = {model: table for model, table in predictions.items() if len(table)}
    if not known:
        return {}
    common = set.intersection(*(set(table["clip_id"]) for table in known.values()))
    dropped = max(table["clip_id"].nunique() for table in known.values()) - len(common)
    if dropped:
        _LOGGER.warning("%d clips are left out of the comparison: not every model could score them.", dropped)
    return {model: table[table["clip_id"].isin(common)] for model, table in known.items()}


def models_below_each_other(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Join the tables of models, with a column `model` in front; models without rows are left out."""
    known = [table.assign(model=name) for name, table in tables.items() if len(table)]
    table = pd.concat(known, ignore_index=True) if known else pd.DataFrame({"model": pd.Series(dtype=str)})
    return table[["model", *(name for name in table.columns if name != "model")]]


def proposed_model(roles: Mapping[str, str]) -> str | None:
    """Return the first model whose role is `proposed`, or None."""
    return next((model for model, role in roles.items() if role == "proposed"), None)


def leakage(grouped: pd.DataFrame, random: pd.DataFrame | None) -> dict[str, float]:
    """Score a model on random folds and on grouped ones, on the clips and seeds that both tested.

    Returns
    -------
    dict
        `uar_random` and `leakage_gap` = UAR on random folds - UAR on grouped folds; NaN without random
        predictions.
    """
    if random is None or random.empty:
        return {"uar_random": math.nan, "leakage_gap": math.nan}
    ours, theirs = map(mean_score, paired(grouped, random))
    return {"uar_random": theirs, "leakage_gap": theirs - ours}


def _tests(
    proposed: pd.DataFrame, other: pd.DataFrame, parameters: EvaluationParameters, *, n_tests: int
) -> dict[str, float]:
    ours, theirs = paired(proposed, other)
    found: dict[str, float] = {}
    for metric, prefix in _TESTED.items():
        interval = difference_interval(proposed, other, metric=metric, confidence=parameters.confidence)
        p = permutation_test(
            proposed,
            other,
            metric=metric,
            n_tests=n_tests,
            alpha=parameters.alpha,
            n_permutations=parameters.n_permutations,
            seed=parameters.seed,
        )
        found |= {
            f"{prefix}difference": mean_score(ours, metric) - mean_score(theirs, metric),
            f"{prefix}difference_ci_low": interval.low,
            f"{prefix}difference_ci_high": interval.high,
            f"{prefix}p_permutation": p,
        }
    return found


def _judged(table: pd.DataFrame, alpha: float) -> pd.DataFrame:
    for test in (f"{prefix}p_permutation" for prefix in _TESTED.values()):
        table[f"{test}_holm"] = holm(table[test].to_numpy(dtype="float64"))
    table["verdict"] = [
        _verdict(difference, p, alpha)
        for difference, p in zip(table["difference"], table["p_permutation_holm"], strict=True)
    ]
    return table


def _verdict(difference: float, p: float, alpha: float) -> str | None:
    if math.isnan(difference):
        return None
    if math.isnan(p):
        return "untestable"
    if p >= alpha:
        return "undecided"
    return "better" if difference > 0 else "worse"


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    order = table["role"].map(_ROLES.index)
    return (
        table.assign(_order=order)
        .sort_values(["_order", "uar"], ascending=[True, False], kind="stable")
        .drop(columns="_order")
        .reset_index(drop=True)
    )
