"""Node that enrols the speakers of the test clips with the kept models of the folds."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from affetto.errors import AffettoError
from affetto.evaluation.enrolment import ENROLMENT_COLUMNS, gain_of
from affetto.evaluation.enrolment_task import EnrolmentTask
from affetto.evaluation.importance import Truth
from affetto.evaluation.parameters import EnrolmentParameters, EvaluationParameters
from affetto.models.base import Estimator
from affetto.models.experiment import fold_models
from affetto.models.registry import estimator_class, load_estimator
from affetto.models.specification import ExperimentParameters
from affetto.parallel import ExecutorParameters
from affetto.pipelines.evaluation.kept import Find, ask_models, kept_models
from affetto.results import ResultStore

_LOGGER = logging.getLogger(__name__)


def can_be_enrolled(estimator: str) -> bool:
    """Tell whether a kind of model, named as in the registry, makes use of clips of the same person."""
    # Not a property of Estimator: any edit in affetto.models makes every stored fit stale.
    return estimator_class(estimator)._predict_enrolled is not Estimator._predict_enrolled


def measure_enrolment(
    evaluation: EvaluationParameters,
    experiment: ExperimentParameters,
    executor: ExecutorParameters,
    store: ResultStore,
    fits: Path,
    clips: pd.DataFrame,
    folds: pd.DataFrame,
    *,
    models: Sequence[str],
    **inputs: Any,
) -> pd.DataFrame:
    """Measure what each model gains when a few clips of the same speaker are enrolled.

    Parameters
    ----------
    evaluation, experiment, executor, store, fits, clips, folds
        As the cross-validation had them.
    models
        Names of the models that can be enrolled.
    inputs
        `specification__<model>`, and the features by name.

    Returns
    -------
    DataFrame
        As `gain_of`, models in their order; empty when there is nothing to measure.
    """
    nothing = pd.DataFrame(columns=list(ENROLMENT_COLUMNS))
    reason = _nothing_to_measure(evaluation.enrolment, experiment, models)
    if reason:
        _LOGGER.info("The gain of an enrolment is not measured: %s.", reason)
        return nothing
    find = partial(fold_models, clips=clips, folds=folds, experiment=experiment, store=store, models=fits)
    truth = Truth.of(clips)
    try:
        tasks = {
            model: _tasks(model, inputs, find, evaluation.enrolment, truth.groups, store) for model in models
        }
    except AffettoError as error:  # of an evaluation alone, long after the models were fitted
        _LOGGER.warning("The gain of an enrolment is not measured: %s", error)
        return nothing
    answers = ask_models(tasks, executor, "enrolment")
    measured = [gain_of(model, told, truth.labels, evaluation) for model, told in answers.items() if told]
    known = [table for table in measured if len(table)]
    if not known:
        _LOGGER.info("The gain of an enrolment is not measured: no speaker has clips enough.")
    return pd.concat(known, ignore_index=True) if known else nothing


def _nothing_to_measure(
    parameters: EnrolmentParameters, experiment: ExperimentParameters, models: Sequence[str]
) -> str | None:
    if not parameters.sizes:
        return "evaluation.enrolment.sizes names none"
    if not models:
        return "no model of the table can be enrolled"
    if not experiment.keep_models:
        return "emotion.experiment.keep_models is false, and the models of the folds would be asked"
    return None


def _tasks(
    model: str,
    inputs: Mapping[str, Any],
    find: Find,
    parameters: EnrolmentParameters,
    groups: Mapping[str, str],
    store: ResultStore,
) -> list[EnrolmentTask]:
    """Make the questions to the kept models of each fold and seed."""
    return [
        EnrolmentTask(
            directory=kept.directory,
            load=load_estimator,
            fold=kept.fold,
            seed=kept.seed,
            features=features,
            groups=tuple(str(groups[clip_id]) for clip_id in kept.test),
            parameters=parameters,
            store=store,
        )
        for kept, features in kept_models(model, inputs, find)
    ]
