"""Node that measures what the models of the folds lose without a group of descriptors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from affetto.evaluation.asking import Truth
from affetto.evaluation.exchange_inquiry import ExchangeInquiry
from affetto.evaluation.importance import IMPORTANCE_COLUMNS, descriptor_columns, importance_of
from affetto.evaluation.parameters import EvaluationParameters, ImportanceParameters
from affetto.features.clip_features import FeatureSet
from affetto.models.experiment import FoldModel
from affetto.models.specification import ExperimentParameters
from affetto.parallel import ExecutorParameters
from affetto.pipelines.evaluation.kept import KeptModels, Measurement
from affetto.results import ResultStore


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
    measurement = Measurement(
        name="importance",
        otherwise="The importance of descriptors is not measured",
        without_rows="no model reads descriptors",
        columns=IMPORTANCE_COLUMNS,
        inquire=partial(_inquire, parameters=evaluation.importance),
        score=partial(importance_of, truth=Truth.of(clips), parameters=evaluation),
    )
    if not evaluation.importance.n_repeats:
        return measurement.not_measured("evaluation.importance.n_repeats is 0")
    kept = KeptModels(experiment, executor, store, fits, clips, folds)
    return kept.measure(measurement, models, inputs)


def _inquire(_: FoldModel, features: FeatureSet, parameters: ImportanceParameters) -> ExchangeInquiry:
    return ExchangeInquiry(descriptor_columns(features), parameters.n_repeats, parameters.seed)
