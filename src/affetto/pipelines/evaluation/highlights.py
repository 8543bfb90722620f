"""Node that puts the attention of the music models to the test, with the kept models of the folds."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from affetto.errors import AffettoError
from affetto.evaluation.excerpt_task import ExcerptTask
from affetto.evaluation.highlights import HIGHLIGHT_COLUMNS, worth_of
from affetto.evaluation.importance import Truth
from affetto.evaluation.parameters import EvaluationParameters, HighlightTestParameters
from affetto.models.experiment import fold_models
from affetto.models.registry import estimator_class, load_estimator
from affetto.models.specification import ExperimentParameters
from affetto.parallel import ExecutorParameters
from affetto.pipelines.evaluation.kept import Find, ask_models, kept_models
from affetto.results import ResultStore

_LOGGER = logging.getLogger(__name__)


def measure_highlights(
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
    """Measure how much better highlights are recognised than random excerpts.

    Parameters
    ----------
    evaluation, experiment, executor, store, fits, clips, folds
        As the cross-validation had them.
    models
        Names of the models that attend.
    inputs
        `specification__<model>`, and the features by name.

    Returns
    -------
    DataFrame
        As `worth_of`, models in their order; empty when there is nothing to measure.
    """
    nothing = pd.DataFrame(columns=list(HIGHLIGHT_COLUMNS))
    reason = _nothing_to_measure(evaluation, experiment)
    if reason:
        _LOGGER.info("Highlights are not put to the test: %s.", reason)
        return nothing
    find = partial(fold_models, clips=clips, folds=folds, experiment=experiment, store=store, models=fits)
    try:
        tasks = {model: _tasks(model, inputs, find, evaluation.highlights, store) for model in models}
    except AffettoError as error:  # of an evaluation alone, long after the models were fitted
        _LOGGER.warning("Highlights are not put to the test: %s", error)
        return nothing
    truth, answers = Truth.of(clips), ask_models(tasks, executor, "highlights")
    tables = [worth_of(model, told, truth, evaluation) for model, told in answers.items()]
    known = [table for table in tables if len(table)]
    if not known:
        _LOGGER.info("Highlights are not put to the test: no clip is long enough.")
    return pd.concat(known, ignore_index=True) if known else nothing


def attends(estimator: str) -> bool:
    """Tell whether a kind of model, named as in the registry, is one of those of music that attend."""
    from affetto.models.attention_lstm import AttentionLstm, LastStateLstm

    kind = estimator_class(estimator)
    return issubclass(kind, AttentionLstm) and not issubclass(kind, LastStateLstm)


def _nothing_to_measure(evaluation: EvaluationParameters, experiment: ExperimentParameters) -> str | None:
    if evaluation.highlights.length_s is None:
        return "evaluation.highlights.length_s is null"
    if not experiment.keep_models:
        return "emotion.experiment.keep_models is false, and the models of the folds would be asked"
    return None


def _tasks(
    model: str,
    inputs: Mapping[str, Any],
    find: Find,
    parameters: HighlightTestParameters,
    store: ResultStore,
) -> list[ExcerptTask]:
    """Make the questions to the kept models of each fold and seed."""
    return [
        ExcerptTask(
            directory=kept.directory,
            load=load_estimator,
            fold=kept.fold,
            seed=kept.seed,
            features=features,
            parameters=parameters,
            store=store,
        )
        for kept, features in kept_models(model, inputs, find)
    ]
