"""Node that enrols the speakers of the test clips with the kept models of the folds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from affetto.evaluation.asking import Truth
from affetto.evaluation.enrolment import ENROLMENT_COLUMNS, gain_of
from affetto.evaluation.enrolment_inquiry import EnrolmentInquiry
from affetto.evaluation.parameters import EnrolmentParameters, EvaluationParameters
from affetto.features.clip_features import FeatureSet
from affetto.models.experiment import FoldModel
from affetto.models.speakers import several_labels
from affetto.models.specification import ExperimentParameters
from affetto.parallel import ExecutorParameters
from affetto.pipelines.evaluation.kept import KeptModels, Measurement
from affetto.results import ResultStore


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
    truth = Truth.of(clips)
    measurement = Measurement(
        name="enrolment",
        otherwise="The gain of an enrolment is not measured",
        without_rows="no speaker has clips enough",
        columns=ENROLMENT_COLUMNS,
        inquire=partial(_inquire, truth=truth, parameters=evaluation.enrolment),
        score=partial(gain_of, truth=truth, parameters=evaluation),
    )
    if not evaluation.enrolment.sizes:
        return measurement.not_measured("evaluation.enrolment.sizes names none")
    if not models:
        return measurement.not_measured("no model of the table can be enrolled")
    labelled = clips[clips["emotion"].notna()]
    if not several_labels(labelled["emotion"].to_numpy(), labelled["group"].to_numpy()):
        return measurement.not_measured("no speaker was heard in several emotions")
    kept = KeptModels(experiment, executor, store, fits, clips, folds)
    return kept.measure(measurement, models, inputs)


def _inquire(
    _: FoldModel, features: FeatureSet, truth: Truth, parameters: EnrolmentParameters
) -> EnrolmentInquiry:
    return EnrolmentInquiry(tuple(str(truth.groups[clip_id]) for clip_id in features.clip_ids), parameters)
