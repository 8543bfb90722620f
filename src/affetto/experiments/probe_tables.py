"""The tables of all probes of a task, each with a reason where nothing was measured."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import pandas as pd

from affetto.evaluation.parameters import EvaluationParameters
from affetto.experiments.enrolment import ENROLMENT_COLUMNS, enrolment_metrics, measure_enrolment
from affetto.experiments.highlights import HIGHLIGHT_COLUMNS, measure_highlights
from affetto.experiments.importance import IMPORTANCE_COLUMNS, measure_importance
from affetto.experiments.novelty import STRANGER_COLUMNS, measure_novelty, stranger_metrics
from affetto.experiments.probes import Experiment
from affetto.experiments.robustness import ROBUSTNESS_COLUMNS, measure_robustness, robustness_metrics

PROBES = {
    "music": ("importance", "highlights"),
    "voice": ("robustness", "strangers", "importance", "enrolment"),
}
"""Side → the probes of its models."""
_Measure = Callable[[Experiment, EvaluationParameters], pd.DataFrame | str]
_PROBES: dict[str, tuple[_Measure, Sequence[str]]] = {
    "robustness": (measure_robustness, ROBUSTNESS_COLUMNS),
    "strangers": (measure_novelty, STRANGER_COLUMNS),
    "importance": (measure_importance, IMPORTANCE_COLUMNS),
    "enrolment": (measure_enrolment, ENROLMENT_COLUMNS),
    "highlights": (measure_highlights, HIGHLIGHT_COLUMNS),
}
PROBE_METRICS: dict[str, Callable[[pd.DataFrame, str], dict[str, float]]] = {
    "robustness": robustness_metrics,
    "enrolment": enrolment_metrics,
    "strangers": stranger_metrics,
}
"""Probe → what is tracked of a model, from the table and the name of the model."""
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
    measure, columns = _PROBES[name]
    found: pd.DataFrame | str
    if not experiment.parameters.keep_models:
        found = "emotion.experiment.keep_models is false, and the models of the folds would be asked"
    else:
        found = measure(experiment, evaluation)
    if isinstance(found, pd.DataFrame) and len(found):
        return found
    reason = found if isinstance(found, str) else "no model has clips that it can be asked about"
    sentence = f"{name.capitalize()} is not measured: {reason}."
    _LOGGER.info("%s", sentence)
    return pd.DataFrame([{"note": sentence}], columns=list(dict.fromkeys([*columns, "note"])))
