"""Node of the robustness: the models of the folds hear degraded copies of their test clips."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.errors import AffettoError
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.robustness import ROBUSTNESS_COLUMNS, judged
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.models.experiment import fold_models
from affetto.models.specification import ExperimentParameters, ModelSpecification
from affetto.parallel import ExecutorParameters
from affetto.results import ResultStore
from affetto.robustness.clips import choose_clips
from affetto.robustness.measure import Candidate, Recordings, measure_robustness

SEPARATOR = "__"
_LOGGER = logging.getLogger(__name__)


def score_degraded(
    evaluation: EvaluationParameters,
    experiment: ExperimentParameters,
    executor: ExecutorParameters,
    corpus: CorpusParameters,
    store: ResultStore,
    fits: Path,
    degraded: Path,
    clips: pd.DataFrame,
    folds: pd.DataFrame,
    *,
    features: tuple[str, ...],
    **by_name: Any,
) -> pd.DataFrame:
    """Score every model on degraded copies of its test clips.

    Parameters
    ----------
    evaluation, experiment, executor, corpus
        Conditions; whether models were kept; where to compute; where the clips are.
    store, fits, degraded
        Answers, fitted models, and features of the copies.
    clips, folds
        Clip table and folds of the cross-validation.
    features
        Names of the features among `by_name`.
    by_name
        The features, and `specification__<model>` and `predictions__<model>` of each model.

    Returns
    -------
    DataFrame
        A row a condition and model; none where there is nothing to test.
    """
    reason = _nothing_to_test(evaluation, experiment)
    if reason:
        _LOGGER.info("No model is tested on degraded copies: %s.", reason)
        return pd.DataFrame(columns=list(ROBUSTNESS_COLUMNS))
    known: dict[str, ClipFeatures] = {name: by_name[name] for name in features}
    chosen = choose_clips(clips, folds, evaluation.robustness.max_clips_per_fold)
    try:
        models = {
            model: _tested(
                specification,
                by_name[f"predictions{SEPARATOR}{model}"],
                FeatureSet.align({name: known[name] for name in specification.features}),
                (clips, folds),
                (experiment, store, fits),
            )
            for model, specification in _by_model(by_name, "specification").items()
        }
    except AffettoError as error:  # models that are missing, as in an evaluation alone
        _LOGGER.warning("No model is tested on degraded copies: %s", error)
        return pd.DataFrame(columns=list(ROBUSTNESS_COLUMNS))
    table = measure_robustness(
        models,
        FeatureSet.align(known, chosen),
        Recordings(clips, corpus.root, corpus.other_roots, degraded),
        evaluation,
        store=store,
        executor=executor,
    )
    return judged(table)


def _nothing_to_test(evaluation: EvaluationParameters, experiment: ExperimentParameters) -> str | None:
    if not evaluation.robustness.chosen:
        return "evaluation.robustness.conditions names none"
    if not experiment.keep_models:
        return "emotion.experiment.keep_models is false, and the models of the folds would be asked"
    return None


def _tested(
    specification: ModelSpecification,
    predictions: pd.DataFrame,
    features: FeatureSet,
    tables: tuple[pd.DataFrame, pd.DataFrame],
    kept: tuple[ExperimentParameters, ResultStore, Path],
) -> Candidate:
    clips, folds = tables
    experiment, store, fits = kept
    found = fold_models(
        specification, features, clips, folds, experiment=experiment, store=store, models=fits
    )
    return Candidate(specification.role, specification.features, found, predictions)


def _by_model(by_name: Mapping[str, Any], kind: str) -> dict[str, ModelSpecification]:
    prefix = f"{kind}{SEPARATOR}"
    return {name.removeprefix(prefix): value for name, value in by_name.items() if name.startswith(prefix)}
