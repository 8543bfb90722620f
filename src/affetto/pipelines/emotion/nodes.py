"""Nodes of the emotion experiments."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from affetto.audio.conditions import Condition
from affetto.corpora.parameters import CorpusParameters, SplitParameters
from affetto.corpora.sources import SOURCES
from affetto.corpora.splits import make_folds
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.scores import score_predictions
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.features.degraded import extract_degraded
from affetto.models.calibration import apply_temperature, fit_temperature
from affetto.models.experiment import cross_validate, fit_on_everything, predict_clips
from affetto.models.specification import ExperimentParameters, ModelSpecification
from affetto.parallel import ExecutorParameters
from affetto.results import ResultStore

RANDOM_PREDICTION_COLUMNS = ("clip_id", "group", "fold", "seed", "label", "predicted")
_LIBRARY_FOLDS = 5

Copies = dict[str, FeatureSet]
"""A condition, as `copy_name` writes it → the features of all clips as they sound in it."""


def copy_training_clips(
    executor: ExecutorParameters,
    corpus: CorpusParameters,
    degraded: Path,
    clips: pd.DataFrame,
    *,
    models: Mapping[str, ModelSpecification],
    **features: ClipFeatures,
) -> Copies:
    """Extract what models also learn from: the labelled clips as they sound in other conditions.

    Parameters
    ----------
    executor, corpus, degraded, clips
        Where to compute, where the clips are, where the features of the copies are kept; the clip table.
    models
        The models, whose specifications name the conditions.
    features
        The features that they read, of the clips as they are.
    """
    wanted: dict[str, tuple[str, Condition, set[str]]] = {}
    for specification in models.values():
        for name, condition in specification.conditions.items():
            _, _, read = wanted.setdefault(copy_name(condition), (name, condition, set()))
            read.update(specification.features)
    labelled = list(clips.loc[clips["emotion"].notna(), "clip_id"])
    return {
        key: extract_degraded(
            FeatureSet.align({each: features[each] for each in sorted(read)}, labelled),
            clips,
            condition,
            root=corpus.root,
            other_roots=corpus.other_roots,
            stores=degraded,
            executor=executor,
            name=name,
        )
        for key, (name, condition, read) in wanted.items()
    }


def copy_name(condition: Condition) -> str:
    """Write a condition as text: two models that name the same one share its copies."""
    return json.dumps(condition.description(), sort_keys=True)


def _own_copies(specification: ModelSpecification, copies: Copies | None) -> Copies:
    """Return the copies that a model learns from, by the names of its conditions."""
    found = {name: (copies or {})[copy_name(each)] for name, each in specification.conditions.items()}
    return {
        name: FeatureSet({feature: each[feature] for feature in specification.features})
        for name, each in found.items()
    }


def cross_validate_model(
    specification: ModelSpecification,
    experiment: ExperimentParameters,
    executor: ExecutorParameters,
    store: ResultStore,
    fits: Path,
    clips: pd.DataFrame,
    folds: pd.DataFrame,
    evaluation: EvaluationParameters,
    copies: Copies | None = None,
    **features: ClipFeatures,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, float]]:
    """Fit a model on every fold, predict the clips it has not seen, and score it as all models of a task."""
    result = cross_validate(
        specification,
        FeatureSet.align(features),
        clips,
        folds,
        experiment=experiment,
        executor=executor,
        store=store,
        models=fits if experiment.keep_models else None,
        description=specification.estimator,
        copies=_own_copies(specification, copies),
    )
    metrics = {**score_predictions(result.predictions, evaluation), **result.cost}
    return result.predictions, result.histories, result.attention, metrics


def cross_validate_on_random_folds(
    specification: ModelSpecification,
    experiment: ExperimentParameters,
    executor: ExecutorParameters,
    store: ResultStore,
    clips: pd.DataFrame,
    random_folds: pd.DataFrame,
    copies: Copies | None = None,
    **features: ClipFeatures,
) -> pd.DataFrame:
    """Score a model on folds that ignore groups, with one seed: the other end of the leakage gap."""
    if not experiment.leakage_gap:
        return pd.DataFrame(columns=list(RANDOM_PREDICTION_COLUMNS))
    return cross_validate(
        specification,
        FeatureSet.align(features),
        clips,
        random_folds,
        experiment=experiment.model_copy(update={"n_seeds": 1}),
        executor=executor,
        store=store,
        description=f"{specification.estimator}, random folds",
        copies=_own_copies(specification, copies),
    ).predictions


def fit_model(
    specification: ModelSpecification,
    executor: ExecutorParameters,
    store: ResultStore,
    fits: Path,
    corpus: CorpusParameters,
    clips: pd.DataFrame,
    predictions: pd.DataFrame,
    copies: Copies | None = None,
    *,
    name: str,
    **features: ClipFeatures,
) -> tuple[str, Path]:
    """Fit the model on all labelled clips, calibrated on its out-of-fold predictions.

    Returns
    -------
    tuple
        Where the fit is kept for later runs, and the same folder for the catalog to copy.
    """
    probabilities, labels = _probabilities(predictions)
    directory = fit_on_everything(
        specification,
        FeatureSet.align(features),
        clips,
        temperature=fit_temperature(probabilities.to_numpy(), labels.to_numpy()),
        learnt_from=_learnt_from(name, corpus, clips),
        executor=executor,
        store=store,
        models=fits,
        description=f"{specification.estimator}, all clips",
        copies=_own_copies(specification, copies),
    )
    return str(directory), directory


def _learnt_from(name: str, corpus: CorpusParameters, clips: pd.DataFrame) -> dict[str, Any]:
    """Say in words and numbers what a model has learnt from."""
    corpora = (corpus, *corpus.others)
    sources = [SOURCES[each.source] for each in corpora]
    titles = [
        source.title if source.citation else each.known_as
        for source, each in zip(sources, corpora, strict=True)
    ]
    labelled = clips[clips["emotion"].notna()]
    return {
        "name": name,
        "corpus": " + ".join(titles),
        "speech": " + ".join(source.speech for source in sources if source.speech),
        "clips": len(labelled),
        "groups": int(labelled["group"].nunique()),
    }


def annotate_library(
    clips: pd.DataFrame,
    predictions: pd.DataFrame,
    attention: pd.DataFrame,
    model: str,
    specification: ModelSpecification,
    experiment: ExperimentParameters,
    executor: ExecutorParameters,
    store: ResultStore,
    copies: Copies | None = None,
    **features: ClipFeatures,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give every clip the probabilities of its emotions and its attention.

    Labelled clips get the calibrated out-of-fold predictions, mean over seeds, so that no clip is judged by a
    model that was trained on it; those that the protocol never tests (as in `holdout`) get theirs from
    folds of their own. Unlabelled clips get the predictions of the model fitted on everything.

    Returns
    -------
    tuple of DataFrame
        `clip_id, p_<class>…` and `clip_id, times` (s), `weights`.
    """
    available = FeatureSet.align(features)
    usable = clips[clips["clip_id"].isin(available.clip_ids)]
    labelled = usable[usable["emotion"].notna()]
    tables, attended = [_calibrated(predictions)], [attention]
    if not labelled["clip_id"].isin(predictions["clip_id"]).all():
        rest = cross_validate(
            specification,
            available,
            labelled,
            make_folds(labelled, _own_folds(labelled)),
            experiment=experiment.model_copy(update={"n_seeds": 1}),
            executor=executor,
            store=store,
            description=f"{specification.estimator}, clips never tested",
            copies=_own_copies(specification, copies),
        )
        tables.append(_without(_calibrated(rest.predictions), tables))
        attended.append(_without(rest.attention, attended))
    unlabelled = list(usable.loc[usable["emotion"].isna(), "clip_id"])
    if unlabelled:
        fresh = predict_clips(Path(model), available.select(unlabelled))
        tables.append(fresh.drop(columns=["times", "weights"]))
        attended.append(fresh[["clip_id", "times", "weights"]])
    emotions = pd.concat(tables, ignore_index=True)
    emotions[emotions.columns[1:]] = emotions[emotions.columns[1:]].fillna(0.0)
    return emotions, pd.concat(attended, ignore_index=True)


def _own_folds(labelled: pd.DataFrame) -> SplitParameters:
    smallest = min(labelled["group"].nunique(), int(labelled["emotion"].value_counts().max()))
    return SplitParameters(protocol="kfold", n_folds=max(2, min(_LIBRARY_FOLDS, smallest)))


def _without(table: pd.DataFrame, known: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Leave out the clips that an earlier table has."""
    return table[~table["clip_id"].isin(pd.concat(known)["clip_id"])] if len(table) else table


def _calibrated(predictions: pd.DataFrame) -> pd.DataFrame:
    probabilities, labels = _probabilities(predictions)
    temperature = fit_temperature(probabilities.to_numpy(), labels.to_numpy())
    calibrated = probabilities.copy()
    calibrated[:] = apply_temperature(probabilities.to_numpy(), temperature)
    calibrated.insert(0, "clip_id", predictions["clip_id"])
    return calibrated.groupby("clip_id", sort=False).mean().reset_index()


def _probabilities(predictions: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series[Any]]:
    """Split predictions into the probabilities and the index of the true class of each row."""
    probabilities = predictions.filter(regex="^p_")
    classes = [column.removeprefix("p_") for column in probabilities.columns]
    return probabilities, predictions["label"].map(classes.index)
