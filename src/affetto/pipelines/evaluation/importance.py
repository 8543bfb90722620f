"""Nodes that ask the kept models of the folds."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from affetto.errors import AffettoError
from affetto.evaluation.exchange_task import ExchangeTask
from affetto.evaluation.importance import IMPORTANCE_COLUMNS, Truth, descriptor_columns, importance_of
from affetto.evaluation.parameters import EvaluationParameters, ImportanceParameters
from affetto.models.experiment import fold_models
from affetto.models.registry import load_estimator
from affetto.models.specification import ExperimentParameters
from affetto.parallel import ExecutorParameters
from affetto.pipelines.evaluation.kept import Find, ask_models, kept_models
from affetto.results import ResultStore

_LOGGER = logging.getLogger(__name__)


def measure_importance(
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
    """Measure what each model loses without each group of descriptors.

    Parameters
    ----------
    evaluation, experiment, executor, store, fits, clips, folds
        As the cross-validation had them.
    models
        Names of the models that read descriptors.
    inputs
        `specification__<model>`, and the features by name.

    Returns
    -------
    DataFrame
        As `importance_of`, models in their order; empty when the models of the folds were not kept.
    """
    nothing = pd.DataFrame(columns=list(IMPORTANCE_COLUMNS))
    if not experiment.keep_models or not evaluation.importance.n_repeats:
        setting = "n_repeats is 0" if experiment.keep_models else "experiment.keep_models is false"
        _LOGGER.info("The importance of descriptors is not measured: %s.", setting)
        return nothing
    find = partial(fold_models, clips=clips, folds=folds, experiment=experiment, store=store, models=fits)
    try:
        tasks = {model: _tasks(model, inputs, find, evaluation.importance, store) for model in models}
    except AffettoError as error:  # of an evaluation alone, long after the models were fitted
        _LOGGER.warning("The importance of descriptors is not measured: %s", error)
        return nothing
    answers = ask_models(tasks, executor, "importance")
    truth = Truth.of(clips)
    measured = [importance_of(model, told, truth, evaluation) for model, told in answers.items() if told]
    return pd.concat(measured, ignore_index=True) if measured else nothing


def _tasks(
    model: str,
    inputs: Mapping[str, Any],
    find: Find,
    parameters: ImportanceParameters,
    store: ResultStore,
) -> list[ExchangeTask]:
    """Make the questions to the kept models of each fold and seed."""
    asked = kept_models(model, inputs, find)
    columns = descriptor_columns(asked[0][1]) if asked else {}  # every fold has the same dimensions
    return [
        ExchangeTask(
            directory=kept.directory,
            load=load_estimator,
            fold=kept.fold,
            seed=kept.seed,
            features=features,
            columns=columns,
            n_repeats=parameters.n_repeats,
            exchange_seed=parameters.seed,
            store=store,
        )
        for kept, features in asked
    ]
