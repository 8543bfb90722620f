"""Robustness: how far degraded copies of the test clips move the UAR of each model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from affetto.audio.conditions import Condition
from affetto.evaluation.metrics import mean_score
from affetto.evaluation.parameters import EvaluationParameters
from affetto.experiments.cross_validate import ModelSpecification
from affetto.experiments.probes import Experiment, difference_in_points, subset, tested_clips
from affetto.features.clip_features import FeatureSet

ROBUSTNESS_COLUMNS = (
    "condition",
    "family",
    "model",
    "role",
    "uar",
    "uar_clean",
    "change",
    "change_ci_low",
    "change_ci_high",
    "tolerance",
    "within_tolerance",
    "trained_on",
    "n_clips",
    "note",
)
"""Columns of the table; `change`, its interval and `tolerance` are points: hundredths of UAR. `trained_on` is
yes where the model has learnt from copies of its training clips in this condition, else no."""
_DIGITS = 6
_TIE = 1e-9
_COPIES_AT_ONCE = 200_000  # places of as many copies are in memory at a time, some 200 bytes each


def measure_robustness(experiment: Experiment, evaluation: EvaluationParameters) -> pd.DataFrame | str:
    """Test models again on degraded copies of their test clips.

    Returns
    -------
    DataFrame
        `ROBUSTNESS_COLUMNS`, a row for each condition and model; or why nothing was measured.
    """
    conditions = evaluation.robustness.chosen
    if not conditions:
        return "evaluation.robustness.conditions names none"
    chosen = experiment.changed_clips(evaluation.robustness.max_clips_per_fold)
    features, rows = experiment.all_features.select(chosen), []
    for part in _parts(conditions, len(chosen)):
        rows += _rows(part, features, experiment, evaluation)
    return judge(pd.DataFrame(rows, columns=list(ROBUSTNESS_COLUMNS)))


def _parts(conditions: Mapping[str, Condition], n_clips: int) -> Iterator[dict[str, Condition]]:
    """Yield as many conditions at a time as memory that does not grow with the corpus allows."""
    at_once = max(1, _COPIES_AT_ONCE // max(n_clips, 1))
    names = list(conditions)
    for start in range(0, len(names), at_once):
        yield {name: conditions[name] for name in names[start : start + at_once]}


def _rows(
    conditions: Mapping[str, Condition],
    features: FeatureSet,
    experiment: Experiment,
    evaluation: EvaluationParameters,
) -> list[dict[str, Any]]:
    copies = {
        name: experiment.recordings.in_condition(
            condition, features, experiment.executor, f"robustness, {name}"
        )
        for name, condition in conditions.items()
    }
    changed = (
        (model, name, fold, tested_clips(fold, subset(copy, specification.features)))
        for model, specification in experiment.models.items()
        for fold in experiment.fold_models[model]
        for name, copy in copies.items()
    )
    predicted = experiment.predict(changed, "robustness")
    rows = []
    for name, condition in conditions.items():
        for model, specification in experiment.models.items():
            row = {
                "condition": name,
                "family": condition.family,
                "model": model,
                "role": specification.role,
                "tolerance": evaluation.robustness.tolerance_of(condition),
                "trained_on": "yes" if _learnt(specification, condition) else "no",
            }
            if (model, name) in predicted:
                clean = experiment.results[model]["predictions"]
                row |= robustness_row(predicted[model, name], clean, evaluation)
            else:
                row |= unknown_row("no clip could be degraded")
            rows.append(row)
    return rows


def _learnt(specification: ModelSpecification, condition: Condition) -> bool:
    """Tell whether copies in the same condition, whatever its name, were among the training clips."""
    learnt = [each.description() for each in specification.conditions.values()]
    return condition.description() in learnt


def robustness_row(
    changed: pd.DataFrame, predictions: pd.DataFrame, evaluation: EvaluationParameters
) -> dict[str, Any]:
    """Score what a model predicts of degraded copies beside what it predicts of the clips themselves.

    Parameters
    ----------
    changed
        A row for each copied clip and seed: `clip_id, seed, predicted`.
    predictions
        Out-of-fold predictions of the same model; only clips and seeds that both have are scored.
    evaluation
        How the interval is made.

    Returns
    -------
    dict
        `uar, uar_clean, change, change_ci_low, change_ci_high, n_clips, note`; the change and its interval
        (paired, over groups) in points.
    """
    key = ["clip_id", "seed"]
    clean = predictions.merge(changed[key], on=key, validate="one_to_one")
    degraded = clean.drop(columns="predicted")
    degraded = degraded.merge(changed[[*key, "predicted"]], on=key, validate="one_to_one")
    row = {"uar": mean_score(degraded), "uar_clean": mean_score(clean)}
    row |= difference_in_points("change", degraded, clean, evaluation)
    row["change"] = round(row["change"], _DIGITS)
    return {**row, "n_clips": clean["clip_id"].nunique(), "note": ""}


def unknown_row(note: str) -> dict[str, Any]:
    """Return the scores of a condition that could not be made, with the reason."""
    unknown = ("uar", "uar_clean", "change", "change_ci_low", "change_ci_high")
    return {**dict.fromkeys(unknown, float("nan")), "n_clips": 0, "note": note}


def judge(table: pd.DataFrame) -> pd.DataFrame:
    """Say in `within_tolerance` whether each change is shown to be small enough: with its whole interval.

    It is yes, no (also where so few groups have no interval), or empty where nothing was measured.
    """
    farthest = table[["change_ci_low", "change_ci_high"]].abs().max(axis=1, skipna=False)
    small = farthest <= table["tolerance"] + _TIE
    verdict = small.map({True: "yes", False: "no"}).where(table["change"].notna(), "")
    return table.assign(within_tolerance=verdict)[list(ROBUSTNESS_COLUMNS)]


def robustness_metrics(table: pd.DataFrame, model: str) -> dict[str, float]:
    """Return what is tracked of a model.

    Parameters
    ----------
    table
        The robustness table of the task.
    model
        Name of the model.

    Returns
    -------
    dict
        `robustness_<condition>_change` in points, and `robustness_within`: the share of conditions in which
        it is shown to stay within the tolerance. Nothing for a table without rows.
    """
    known = table[(table["model"] == model) & table["change"].notna()]
    if known.empty:
        return {}
    changes = {
        f"robustness_{condition}_change": float(change)
        for condition, change in zip(known["condition"], known["change"], strict=True)
    }
    return {**changes, "robustness_within": float((known["within_tolerance"] == "yes").mean())}
