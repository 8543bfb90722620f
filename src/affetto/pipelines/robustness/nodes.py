"""Nodes of the robustness: the models of the folds hear copies of their test clips, and strangers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from affetto.corpora.parameters import CorpusParameters
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.robustness import ROBUSTNESS_COLUMNS, judged
from affetto.evaluation.strangers import STRANGER_COLUMNS
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.models.experiment import fold_models
from affetto.models.specification import ExperimentParameters, ModelSpecification
from affetto.parallel import ExecutorParameters
from affetto.pipelines.evaluation.probes import NOT_KEPT, not_measured
from affetto.results import ResultStore
from affetto.robustness.clips import choose_clips
from affetto.robustness.measure import Candidate, Recordings, measure_robustness
from affetto.robustness.strangers import measure_strangers

SEPARATOR = "__"
_COPIES, _STRANGERS = (f"No model is tested on {what}" for what in ("degraded copies", "strangers"))


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
        A row a condition and model; where nothing is tested, the reason alone.
    """
    if not evaluation.robustness.chosen:
        return not_measured(_COPIES, "evaluation.robustness.conditions names none", ROBUSTNESS_COLUMNS)
    if not experiment.keep_models:
        return not_measured(_COPIES, NOT_KEPT, ROBUSTNESS_COLUMNS)
    known: dict[str, ClipFeatures] = {name: by_name[name] for name in features}
    models = _kept_models(known, clips, folds, (experiment, store, fits), by_name)
    chosen = choose_clips(clips, folds, evaluation.robustness.max_clips_per_fold)
    table = measure_robustness(
        models,
        FeatureSet.align(known, chosen),
        Recordings(clips, corpus.root, corpus.other_roots, degraded),
        evaluation,
        store=store,
        executor=executor,
    )
    return judged(table)


def score_strangers(
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
    """Score how well every model tells strangers from its test clips; arguments as of `score_degraded`.

    Returns
    -------
    DataFrame
        A row a kind of strangers and model; where nothing is tested, the reason alone.
    """
    if not any(evaluation.strangers.values()):
        return not_measured(_STRANGERS, "evaluation.strangers names none", STRANGER_COLUMNS)
    if not experiment.keep_models:
        return not_measured(_STRANGERS, NOT_KEPT, STRANGER_COLUMNS)
    known: dict[str, ClipFeatures] = {name: by_name[name] for name in features}
    models = _kept_models(known, clips, folds, (experiment, store, fits), by_name)
    every = FeatureSet.align(known)
    there = set(every.clip_ids)
    changed = choose_clips(clips, folds, evaluation.robustness.max_clips_per_fold)
    return measure_strangers(
        models,
        every,
        [clip_id for clip_id in changed if clip_id in there],
        Recordings(clips, corpus.root, corpus.other_roots, degraded),
        evaluation,
        store=store,
        executor=executor,
    )


def _kept_models(
    known: Mapping[str, ClipFeatures],
    clips: pd.DataFrame,
    folds: pd.DataFrame,
    kept: tuple[ExperimentParameters, ResultStore, Path],
    by_name: Mapping[str, Any],
) -> dict[str, Candidate]:
    """Find the models of all folds.

    Raises
    ------
    AffettoError
        When one of them is missing.
    """
    experiment, store, fits = kept
    found = {}
    for model, specification in _by_model(by_name, "specification").items():
        features = FeatureSet.align({name: known[name] for name in specification.features})
        models = fold_models(
            specification, features, clips, folds, experiment=experiment, store=store, models=fits
        )
        predictions = by_name[f"predictions{SEPARATOR}{model}"]
        found[model] = Candidate(specification.role, specification.features, models, predictions)
    return found


def _by_model(by_name: Mapping[str, Any], kind: str) -> dict[str, ModelSpecification]:
    prefix = f"{kind}{SEPARATOR}"
    return {  # Kedro has validated them only where the run also fits the models
        name.removeprefix(prefix): ModelSpecification.model_validate(value)
        for name, value in by_name.items()
        if name.startswith(prefix)
    }
