"""Node that puts the attention of the music models to the test, with the kept models of the folds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from affetto.evaluation.asking import Truth
from affetto.evaluation.excerpt_inquiry import ExcerptInquiry
from affetto.evaluation.highlights import HIGHLIGHT_COLUMNS, worth_of
from affetto.evaluation.parameters import EvaluationParameters, HighlightTestParameters
from affetto.features.clip_features import FeatureSet
from affetto.models.experiment import FoldModel
from affetto.models.specification import ExperimentParameters
from affetto.parallel import ExecutorParameters
from affetto.pipelines.evaluation.kept import KeptModels, Measurement
from affetto.results import ResultStore


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
    measurement = Measurement(
        name="highlights",
        otherwise="Highlights are not put to the test",
        without_rows="no clip is long enough",
        columns=HIGHLIGHT_COLUMNS,
        inquire=partial(_inquire, parameters=evaluation.highlights),
        score=partial(worth_of, truth=Truth.of(clips), parameters=evaluation),
    )
    if evaluation.highlights.length_s is None:
        return measurement.not_measured("evaluation.highlights.length_s is null")
    if not models:
        return measurement.not_measured("no model of the table attends")
    kept = KeptModels(experiment, executor, store, fits, clips, folds)
    return kept.measure(measurement, models, inputs)


def _inquire(kept: FoldModel, _: FeatureSet, parameters: HighlightTestParameters) -> ExcerptInquiry:
    return ExcerptInquiry(parameters, kept.fold)
