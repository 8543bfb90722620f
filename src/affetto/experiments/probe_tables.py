"""The tables of all probes of a task, each with a reason where nothing was measured, and what is tracked."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping

import pandas as pd

from affetto.evaluation.parameters import EvaluationParameters
from affetto.experiments.enrolment import measure_enrolment
from affetto.experiments.highlights import measure_highlights
from affetto.experiments.importance import measure_importance
from affetto.experiments.novelty import measure_novelty
from affetto.experiments.probes import Experiment, Row
from affetto.experiments.robustness import measure_robustness

PROBES = {
    "music": ("importance", "highlights"),
    "voice": ("robustness", "strangers", "importance", "enrolment"),
}
"""Side → the probes of its models."""
_MEASURES: Mapping[str, Callable[[Experiment, EvaluationParameters], list[Row] | str]] = {
    "robustness": measure_robustness,
    "strangers": measure_novelty,
    "importance": measure_importance,
    "enrolment": measure_enrolment,
    "highlights": measure_highlights,
}
_TRACKED = {
    "robustness": ("condition", {"change": "change"}),
    "enrolment": ("n_enrolled", {"gain": "gain"}),
    "strangers": ("strangers", {"novelty": "auroc_novelty", "doubt": "auroc_doubt"}),
}
"""Probe → column of what was changed, and the figures: name → column."""
_LOGGER = logging.getLogger(__name__)


def probe_table(experiment: Experiment, evaluation: EvaluationParameters, name: str) -> pd.DataFrame:
    """Run a probe.

    Where there is nothing to predict, that is logged, and the table has one row: the reason as its `note`,
    without a model.

    Parameters
    ----------
    experiment
        The models of the folds and their clips.
    evaluation
        What is changed, and how it is scored.
    name
        Of the probe, as in `PROBES`.

    Raises
    ------
    AffettoError
        When a model of the folds is missing or cannot predict.
    """
    found: list[Row] | str
    if experiment.parameters.keep_models:
        found = _MEASURES[name](experiment, evaluation)
    else:
        found = "emotion.experiment.keep_models is false, and the models of the folds would be asked"
    if found and not isinstance(found, str):
        return pd.DataFrame(found)
    reason = found or "no model has clips that it can be asked about"
    sentence = f"{name.capitalize()} is not measured: {reason}."
    _LOGGER.info("%s", sentence)
    return pd.DataFrame({"model": [None], "note": [sentence]})


def probe_metrics(tables: Mapping[str, pd.DataFrame], model: str) -> dict[str, float]:
    """Return what is tracked of a model.

    Parameters
    ----------
    tables
        Probe → its table; others are passed over.
    model
        Name of the model.

    Returns
    -------
    dict
        Those that are known of `robustness_<condition>_change` and `enrolment_<n>_gain` in points, the AUROC
        `strangers_<kind>_novelty` and `strangers_<kind>_doubt`, and `robustness_within`: the share of
        conditions in which the model is shown to stay within the tolerance.
    """
    found: dict[str, float] = {}
    for probe, (subject, columns) in _TRACKED.items():
        table = tables.get(probe, pd.DataFrame({"model": []}))
        for _, row in table[table["model"] == model].iterrows():
            for name, column in columns.items():
                found[f"{probe}_{row[subject]}_{name}"] = float(row[column])
    found = {name: value for name, value in found.items() if math.isfinite(value)}
    if any(name.startswith("robustness_") for name in found):
        rows = tables["robustness"].query("model == @model and change.notna()")
        found["robustness_within"] = float((rows["within_tolerance"] == "yes").mean())
    return found
