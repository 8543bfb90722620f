"""Nodes that ask the kept models of the folds."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from affetto.errors import AffettoError
from affetto.evaluation.exchange_task import ExchangeTask, run_tasks
from affetto.evaluation.importance import IMPORTANCE_COLUMNS, Truth, descriptor_columns, importance_of
from affetto.evaluation.parameters import EvaluationParameters
from affetto.features.clip_features import FeatureSet
from affetto.models.experiment import fold_models
from affetto.models.registry import load_estimator
from affetto.models.specification import ExperimentParameters, ModelSpecification
from affetto.parallel import ExecutorParameters
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
    if not evaluation.importance.n_repeats or not experiment.keep_models:
        setting = "experiment.keep_models is false" if not experiment.keep_models else "n_repeats is 0"
        _LOGGER.info("The importance of descriptors is not measured: %s.", setting)
        return nothing
    try:
        tasks = {
            model: list(
                _tasks(
                    _specification(inputs, model), evaluation, experiment, store, fits, clips, folds, inputs
                )
            )
            for model in models
        }
    except AffettoError as error:  # of an evaluation alone, long after the models were fitted
        _LOGGER.warning("The importance of descriptors is not measured: %s", error)
        return nothing
    answers = iter(run_tasks([task for asked in tasks.values() for task in asked], executor))
    truth = Truth.of(clips)
    measured = [
        importance_of(model, [next(answers) for _ in asked], truth, evaluation)
        for model, asked in tasks.items()
        if asked
    ]
    return pd.concat(measured, ignore_index=True) if measured else nothing


def _specification(inputs: Mapping[str, Any], model: str) -> ModelSpecification:
    return ModelSpecification.model_validate(inputs[f"specification__{model}"])


def _tasks(
    specification: ModelSpecification,
    evaluation: EvaluationParameters,
    experiment: ExperimentParameters,
    store: ResultStore,
    fits: Path,
    clips: pd.DataFrame,
    folds: pd.DataFrame,
    inputs: Mapping[str, Any],
) -> Iterator[ExchangeTask]:
    """Make the questions to the model of each fold and seed."""
    features = FeatureSet.align({name: inputs[name] for name in specification.features})
    columns = descriptor_columns(features)
    kept = fold_models(specification, features, clips, folds, experiment=experiment, store=store, models=fits)
    for model in kept:
        yield ExchangeTask(
            directory=model.directory,
            load=load_estimator,
            fold=model.fold,
            seed=model.seed,
            features=features.select(model.test),
            columns=columns,
            n_repeats=evaluation.importance.n_repeats,
            exchange_seed=evaluation.importance.seed,
            store=store,
        )
