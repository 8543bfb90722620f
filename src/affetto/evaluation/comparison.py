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
ROLES = ("proposed", "ablation", "baseline", "pretrained")
_PREFIXES: Mapping[MetricName, str] = {"uar": "", "wa": "wa_", "macro_f1": "macro_f1_"}
"""Measure → how the columns of its tests begin."""
_TESTS = ("difference", "difference_ci_low", "difference_ci_high", "p_permutation", "p_permutation_holm")
COMPARISON_COLUMNS = (
    *("task", "model", "role", "corpus", "protocol", "n_clips", "n_groups", "n_seeds"),
    *(f"{metric}{end}" for metric in METRICS for end in ("", "_ci_low", "_ci_high", "_sd")),
    *("log_loss", "ece", "ece_ci_low", "ece_ci_high", "selective_uar", "selective_wa"),
    *("uar_random", "leakage_gap", *_TESTS, "verdict"),
    *(f"{prefix}{name}" for prefix in ("wa_", "macro_f1_") for name in _TESTS),
)

KIND_COLUMNS = ("model", "kind", "uar", "uar_ci_low", "uar_ci_high", "n_clips", "n_groups")
_FEWEST_OF_A_KIND = 2  # a kind of one speaker tells of that speaker


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
    confidence, n_bins = parameters.confidence, parameters.n_bins
    intervals = {
        **{str(name): score_interval(predictions, metric=name, confidence=confidence) for name in METRICS},
        "ece": ece_interval(predictions, n_bins=n_bins, confidence=confidence),
    }
    scores = summarise(predictions, n_bins=n_bins)
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
    parameters: EvaluationParameters,
    random_predictions: Mapping[str, pd.DataFrame] | None = None,
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
    parameters
        How intervals and tests are computed.
    random_predictions
        Model → predictions on random folds that ignore groups; empty or missing: no leakage gap.

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
    proposed = proposed_model(roles)
    rows: list[dict[str, Any]] = []
    for model, table in predictions.items():
        row: dict[str, Any] = {"task": task, "model": model, "role": roles[model]}
        row |= {"corpus": corpus, "protocol": protocol, **score_model(table, parameters)}
        row |= leakage(table, (random_predictions or {}).get(model))
        if proposed in predictions and model != proposed:
            row |= _tests(predictions[str(proposed)], table, parameters, n_tests=len(predictions) - 1)
        rows.append(row)
    table = pd.DataFrame(rows).reindex(columns=list(COMPARISON_COLUMNS))
    for test in (f"{prefix}p_permutation" for prefix in _PREFIXES.values()):
        table[f"{test}_holm"] = holm(table[test].to_numpy(dtype="float64"))
    table["verdict"] = [verdict(row, parameters.alpha) for _, row in table.iterrows()]

    def order(column: pd.Series[Any]) -> pd.Series[Any]:
        return column.map(ROLES.index) if column.name == "role" else column

    return table.sort_values(["role", "uar"], ascending=[True, False], key=order, ignore_index=True)


def _tests(
    proposed: pd.DataFrame, other: pd.DataFrame, parameters: EvaluationParameters, *, n_tests: int
) -> dict[str, float]:
    """Compare two models by all measures: difference, its interval, and p of the permutation test."""
    ours, theirs = paired(proposed, other)
    found: dict[str, float] = {}
    for metric, prefix in _PREFIXES.items():
        low, high = difference_interval(ours, theirs, metric=metric, confidence=parameters.confidence)
        difference = mean_score(ours, metric) - mean_score(theirs, metric)
        p = permutation_test(
            ours,
            theirs,
            metric=metric,
            n_tests=n_tests,
            alpha=parameters.alpha,
            n_permutations=parameters.n_permutations,
            seed=parameters.seed,
        )
        values = zip(_TESTS, (difference, low, high, p), strict=False)
        found |= {f"{prefix}{name}": value for name, value in values}
    return found


def verdict(row: pd.Series[Any], alpha: float) -> str | None:
    """Say what a test allows to be said of the proposed model, as `compare` has it; None on its own row."""
    if math.isnan(row["difference"]):
        return None
    if math.isnan(row["p_permutation_holm"]):
        return "untestable"
    if row["p_permutation_holm"] >= alpha:
        return "undecided"
    return "better" if row["difference"] > 0 else "worse"


def score_task(
    predictions: Mapping[str, pd.DataFrame], roles: Mapping[str, str], **compared: Any
) -> dict[str, pd.DataFrame]:
    """Compare all models of a task on the clips that all have scored: a feature may have failed for some.

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
    known = {model: table for model, table in predictions.items() if len(table)}
    clips = [set(table["clip_id"]) for table in known.values()]
    common = set.intersection(*clips) if clips else set()
    dropped = max(map(len, clips), default=0) - len(common)
    if dropped:
        _LOGGER.warning("%d clips are left out of the comparison: not every model could score them.", dropped)
    scored = {model: table[table["clip_id"].isin(common)] for model, table in known.items()}
    nothing = pd.DataFrame(columns=list(COMPARISON_COLUMNS))
    comparison = compare(scored, roles, **compared) if scored else nothing
    ordered = {model: scored[model] for model in comparison["model"]}
    return {
        "comparison": comparison,
        "groups": score_groups(ordered),
        "predictions": models_below_each_other(ordered),
    }


def score_kinds(predictions: pd.DataFrame, clips: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """Score every model on the speakers of each kind, such as a sex, an age or a language.

    A kind is a tag that all clips of a group bear, where two groups at least bear it and two do not.

    Parameters
    ----------
    predictions
        Out-of-fold predictions of all models with a column `model`.
    clips
        Clip table, with `group` and the `tags` of each clip.
    confidence
        Of the intervals over the groups of a kind.

    Returns
    -------
    pandas.DataFrame
        `model, kind, uar, uar_ci_low, uar_ci_high, n_clips, n_groups`, kinds in alphabetical order.
    """
    known = clips[clips["group"].isin(predictions["group"])] if len(predictions) else clips.iloc[:0]
    kinds: dict[str, list[str]] = {}
    for group, tags in known.groupby("group")["tags"]:
        for tag in set.intersection(*map(set, tags)):
            kinds.setdefault(tag, []).append(str(group))
    n_groups, rows = known["group"].nunique(), []
    for kind, groups in sorted(kinds.items()):
        if not _FEWEST_OF_A_KIND <= len(groups) <= n_groups - _FEWEST_OF_A_KIND:
            continue
        for model, table in predictions[predictions["group"].isin(groups)].groupby("model", sort=False):
            told = table.drop(columns="model").dropna(axis=1, how="all")
            low, high = score_interval(told, confidence=confidence)
            about = {"model": model, "kind": kind, "uar": mean_score(told)}
            sizes = {"n_clips": told["clip_id"].nunique(), "n_groups": len(groups)}
            rows.append({**about, "uar_ci_low": low, "uar_ci_high": high, **sizes})
    return pd.DataFrame(rows, columns=list(KIND_COLUMNS))


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
