"""Robustness: how far degraded copies of the test clips move the UAR of each model."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from affetto.audio.conditions import Condition
from affetto.evaluation.metrics import mean_score
from affetto.evaluation.parameters import EvaluationParameters
from affetto.experiments.probes import Experiment, Row, difference_in_points
from affetto.features.clip_features import FeatureSet

_DIGITS = 6
_TIE = 1e-9
_COPIES_AT_ONCE = 200_000  # places of as many copies are in memory at a time, some 200 bytes each


def measure_robustness(experiment: Experiment, evaluation: EvaluationParameters) -> list[Row] | str:
    """Test models again on degraded copies of their test clips.

    Returns
    -------
    list of dict
        A row for each condition and model: `condition, family, model, role, uar, uar_clean, change,
        change_ci_low, change_ci_high, tolerance, within_tolerance, trained_on, n_clips, note`; or why nothing
        was measured. The change, its interval and the tolerance are points: hundredths of UAR. `trained_on`
        is yes where the model has learnt from copies of its training clips in this condition, else no.
    """
    conditions = evaluation.robustness.chosen
    if not conditions:
        return "evaluation.robustness.conditions names none"
    clips = experiment.changed_clips(evaluation.robustness.max_clips_per_fold)
    names, at_once = list(conditions), max(1, _COPIES_AT_ONCE // max(clips.n_clips, 1))
    rows: list[Row] = []
    for start in range(0, len(names), at_once):
        part = {name: conditions[name] for name in names[start : start + at_once]}
        rows += _test_conditions(part, clips, experiment, evaluation)
    return rows


def _test_conditions(
    conditions: Mapping[str, Condition],
    clips: FeatureSet,
    experiment: Experiment,
    evaluation: EvaluationParameters,
) -> list[Row]:
    copies = {
        name: experiment.in_condition(condition, clips, f"robustness, {name}")
        for name, condition in conditions.items()
    }
    changed = (
        (model, name, fold, fold.tested(copy))
        for model, folds in experiment.fold_models.items()
        for fold in folds
        for name, copy in copies.items()
    )
    predicted = experiment.predict(changed, "robustness")
    nothing = pd.DataFrame()
    rows = []
    for name, condition in conditions.items():
        for model, specification in experiment.models.items():
            learnt = [each.description() for each in specification.conditions.values()]
            scores = robustness_row(
                predicted.get((model, name), nothing),
                experiment.results[model]["predictions"],
                evaluation,
                tolerance=evaluation.robustness.tolerance_of(condition),
                trained_on="yes" if condition.description() in learnt else "no",
            )
            about = {"condition": name, "family": condition.family}
            rows.append({**about, "model": model, "role": specification.role, **scores})
    return rows


def robustness_row(
    changed: pd.DataFrame,
    predictions: pd.DataFrame,
    evaluation: EvaluationParameters,
    *,
    tolerance: float,
    trained_on: str,
) -> Row:
    """Score what a model predicts of degraded copies beside what it predicts of the clips themselves.

    Parameters
    ----------
    changed
        A row for each copied clip and seed: `clip_id, seed, predicted`; may be empty.
    predictions
        Out-of-fold predictions of the same model; only clips and seeds that both have are scored.
    evaluation
        How the interval is made.
    tolerance, trained_on
        Written into the row. `within_tolerance` says whether the change is shown to be small enough, with its
        whole interval: yes, no (also where so few groups have no interval), or empty where nothing was
        measured.
    """
    key, judged = ["clip_id", "seed"], {"tolerance": tolerance, "within_tolerance": ""}
    if changed.empty:
        unknown = ("uar", "uar_clean", "change", "change_ci_low", "change_ci_high")
        judged |= {"trained_on": trained_on, "n_clips": 0, "note": "no clip could be degraded"}
        return {**dict.fromkeys(unknown, float("nan")), **judged}
    clean = predictions.merge(changed[key], on=key, validate="one_to_one")
    degraded = clean.drop(columns="predicted")
    degraded = degraded.merge(changed[[*key, "predicted"]], on=key, validate="one_to_one")
    change = difference_in_points("change", degraded, clean, evaluation)
    change["change"] = round(change["change"], _DIGITS)
    ends = abs(change["change_ci_low"]), abs(change["change_ci_high"])
    small = all(end <= tolerance + _TIE for end in ends)
    judged |= {"within_tolerance": "yes" if small else "no", "trained_on": trained_on}
    scores = {"uar": mean_score(degraded), "uar_clean": mean_score(clean), **change}
    return {**scores, **judged, "n_clips": clean["clip_id"].nunique(), "note": ""}
