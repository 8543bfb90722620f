"""Nodes of the emotion experiments."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from affetto.corpora.clips import DIMENSIONS
from affetto.corpora.parameters import CorpusParameters, SplitParameters
from affetto.corpora.sources import SOURCES
from affetto.corpora.splits import make_folds, make_random_folds
from affetto.evaluation.comparison import (
    models_below_each_other,
    proposed_model,
    score_kinds,
    score_model,
    score_task,
)
from affetto.evaluation.dimensions import compare_dimensions
from affetto.evaluation.parameters import EvaluationParameters
from affetto.experiments.cross_validate import (
    ExperimentParameters,
    ModelSpecification,
    calibrated,
    calibrated_model,
    cross_validate,
)
from affetto.experiments.folds import fold_parts, read_features
from affetto.experiments.probe_tables import PROBES, probe_table
from affetto.experiments.probes import Experiment
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.features.extract import extract_degraded
from affetto.io.cache import CacheParameters
from affetto.io.workers import ExecutorParameters
from affetto.models.estimator import predict_clips

_LIBRARY_FOLDS = 5

Features = Mapping[str, ClipFeatures]
"""The features of a side by name."""
Results = dict[str, Any]
"""Tables and other values by name, as `ResultsDataset` stores them."""


def _augmentation(
    specification: ModelSpecification,
    executor: ExecutorParameters,
    corpus: CorpusParameters,
    clips: pd.DataFrame,
    features: Features,
    stores: Path,
) -> dict[str, FeatureSet]:
    """Return the features of the labelled clips in the conditions that a model is augmented with.

    What another model has extracted in the same condition is found again.
    """
    labelled = list(clips.loc[clips["emotion"].notna(), "clip_id"])
    return {
        name: extract_degraded(
            read_features(features, specification.features, labelled),
            clips,
            condition,
            root=corpus.root,
            other_roots=corpus.other_roots,
            stores=stores,
            executor=executor,
            name=name,
        )
        for name, condition in specification.conditions.items()
    }


def cross_validate_model(
    specification: ModelSpecification,
    experiment: ExperimentParameters,
    executor: ExecutorParameters,
    cache: CacheParameters,
    corpus: CorpusParameters,
    split: SplitParameters,
    clips: pd.DataFrame,
    folds: pd.DataFrame,
    evaluation: EvaluationParameters,
    features: Features,
    regressor: Results | None = None,
    *,
    side: str,
    model_name: str,
) -> tuple[Results, Path]:
    """Fit a model on every fold, predict the clips that it has not seen, score it, and fit it on all clips.

    Random folds, which ignore groups, are fitted with one seed: the other end of the leakage gap. The model
    that was fitted on all labelled clips is calibrated on the out-of-fold predictions. With it goes the
    regressor of `cross_validate_dimensions`, where there is one.

    Returns
    -------
    tuple
        `predictions`, `random_predictions`, `histories`, `attention` and `models` as in `CrossValidation`,
        and `metrics`, scores and cost; folder of the model that was fitted on all clips.
    """
    found = cross_validate(
        specification,
        read_features(features, specification.features),
        clips,
        folds,
        experiment=experiment,
        cache=cache,
        executor=executor,
        description=model_name,
        random_folds=make_random_folds(clips, folds, seed=split.seed) if experiment.leakage_gap else None,
        on_all_clips=True,
        copies=_augmentation(specification, executor, corpus, clips, features, cache.degraded / side),
    )
    scores = score_model(found.predictions, evaluation)
    known = {metric: float(value) for metric, value in scores.items() if math.isfinite(value)}
    tables = ("predictions", "random_predictions", "histories", "attention", "models")
    results = {table: getattr(found, table) for table in tables}
    folder = (regressor or {}).get("folder")
    model = calibrated_model(found, _learnt_from(model_name, corpus, clips), folder)
    return results | {"metrics": {**known, **found.cost}}, model


def cross_validate_dimensions(
    executor: ExecutorParameters,
    cache: CacheParameters,
    clips: pd.DataFrame,
    folds: pd.DataFrame,
    evaluation: EvaluationParameters,
    features: Features,
    *,
    models: Mapping[str, ModelSpecification],
) -> tuple[Results, Results]:
    """Fit regressors of valence and arousal on the folds of the emotion models, and compare them.

    Clips need an emotion and both ratings. Nothing is found where the corpus has none.

    Returns
    -------
    tuple
        `dimensions` of `compare_dimensions` and `dimension_predictions` of all regressors, or nothing; and
        `folder` of the proposed one, fitted on all rated clips, or nothing.
    """
    rated = clips.dropna(subset=["emotion", *DIMENSIONS])
    if not fold_parts(folds.merge(rated[["clip_id"]], on="clip_id")):
        return {}, {}
    roles = {name: entry.role for name, entry in models.items()}
    proposed = proposed_model(roles)
    found = {
        name: cross_validate(
            entry,
            read_features(features, entry.features),
            rated,
            folds,
            experiment=ExperimentParameters(),
            cache=cache,
            executor=executor,
            description=f"{name} of ratings",
            on_all_clips=name == proposed,
        )
        for name, entry in models.items()
    }
    told = {name: each.predictions for name, each in found.items()}
    common = set.intersection(*(set(table["clip_id"]) for table in told.values()))
    told = {name: table[table["clip_id"].isin(common)] for name, table in told.items()}
    tables = {
        "dimensions": compare_dimensions(told, roles, evaluation),
        "dimension_predictions": models_below_each_other(told),
    }
    return tables, {"folder": found[proposed].fitted} if proposed else {}


def _learnt_from(name: str, corpus: CorpusParameters, clips: pd.DataFrame) -> dict[str, Any]:
    """Say in words and numbers what a model has learnt from."""
    titles, speech = [], []
    for each in (corpus, *corpus.others):
        source = SOURCES[each.source]
        titles.append(source.title if source.citation else each.known_as)
        speech.append(source.speech)
    labelled = clips[clips["emotion"].notna()]
    return {
        "name": name,
        "corpus": " + ".join(titles),
        "speech": " + ".join(filter(None, speech)),
        "clips": len(labelled),
        "groups": int(labelled["group"].nunique()),
    }


def annotate_library(
    specification: ModelSpecification,
    experiment: ExperimentParameters,
    executor: ExecutorParameters,
    cache: CacheParameters,
    corpus: CorpusParameters,
    clips: pd.DataFrame,
    features: Features,
    results: Results,
    model: Path,
    *,
    side: str,
) -> Results:
    """Give every clip the probabilities of its emotions and its attention.

    Labelled clips get the calibrated out-of-fold predictions, mean over seeds, so that no clip is judged by a
    model that was trained on it; those that the protocol never tests (as in `holdout`) get theirs from
    folds of their own. Unlabelled clips get the predictions of the model fitted on everything.

    Returns
    -------
    dict
        `emotions`: `clip_id, p_<class>…`; `attention`: `clip_id, times` (s), `weights`.
    """
    available = read_features(features, specification.features)
    usable = clips[clips["clip_id"].isin(available.clip_ids)]
    labelled = usable[usable["emotion"].notna()]
    emotions, attention = [_calibrated(results["predictions"])], [results["attention"]]
    untested = ~labelled["clip_id"].isin(emotions[0]["clip_id"])
    if untested.any():
        smallest = min(labelled["group"].nunique(), int(labelled["emotion"].value_counts().max()))
        own = SplitParameters(n_folds=max(2, min(_LIBRARY_FOLDS, smallest)))
        rest = cross_validate(
            specification,
            available,
            labelled,
            make_folds(labelled, own),
            experiment=experiment.model_copy(update={"n_seeds": 1, "keep_models": False}),
            cache=cache,
            executor=executor,
            description=f"{specification.estimator}, clips never tested",
            copies=_augmentation(specification, executor, corpus, clips, features, cache.degraded / side),
        )
        wanted = labelled.loc[untested, "clip_id"]
        for tables, table in ((emotions, _calibrated(rest.predictions)), (attention, rest.attention)):
            tables.append(table[table["clip_id"].isin(wanted)])
    unlabelled = list(usable.loc[usable["emotion"].isna(), "clip_id"])
    if unlabelled:
        fresh = predict_clips(model, available.select(unlabelled))
        emotions.append(fresh.drop(columns=["times", "weights", *DIMENSIONS], errors="ignore"))
        attention.append(fresh[["clip_id", "times", "weights"]])
    joined = pd.concat(emotions, ignore_index=True).set_index("clip_id").sort_index(axis=1)
    return {
        "emotions": joined.fillna(0.0).reset_index(),
        "attention": pd.concat(attention, ignore_index=True),
    }


def _calibrated(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the calibrated probabilities of each clip, mean over seeds."""
    told = calibrated(predictions)
    columns = ["clip_id", *told.filter(regex="^p_")]
    return told[columns].groupby("clip_id", sort=False).mean().reset_index()


def score_models(
    evaluation: EvaluationParameters,
    experiment: ExperimentParameters,
    executor: ExecutorParameters,
    cache: CacheParameters,
    corpus: CorpusParameters,
    split: SplitParameters,
    clips: pd.DataFrame,
    folds: pd.DataFrame,
    features: Features,
    dimensions: Results | None = None,
    *,
    side: str,
    models: Mapping[str, ModelSpecification],
    **inputs: Any,
) -> Results:
    """Compare all models of a side, and let the models of the folds predict changed test clips.

    Parameters
    ----------
    evaluation
        How to test, and what is changed.
    experiment, executor, cache, corpus, split, clips, folds, features
        As cross-validation had them.
    dimensions
        Tables of `cross_validate_dimensions`, which are handed on.
    side, models
        The side and its models.
    inputs
        `results__<model>` and `model__<model>`: what cross-validation found, and the folder of the model
        fitted on everything.

    Returns
    -------
    dict
        `comparison`, a row a model; `groups`, a row a model and group; `kinds` of speakers; `metrics`, the
        figures of each model; `predictions`, `random_predictions` and `histories` of all models with a
        column `model`; `attention` of the proposed one; and a table for each probe.
    """
    of = {name: inputs[f"results__{name}"] for name in models}
    roles = {name: entry.role for name, entry in models.items()}
    # A probe changes clips one by one: who is heard relative to other clips is left out.
    alone = {name: entry for name, entry in models.items() if entry.enrolment is None}
    fitted = Experiment(
        models=alone,
        results={name: of[name] for name in alone},
        features=features,
        clips=clips,
        folds=folds,
        root=corpus.root,
        other_roots=corpus.other_roots,
        degraded=cache.degraded / side,
        parameters=experiment,
        cache=cache,
        executor=executor,
    )
    proposed = proposed_model(roles)
    megabytes = {name: _megabytes(inputs[f"model__{name}"]) for name in models}
    predictions, random, histories = (
        {name: each[table] for name, each in of.items()}
        for table in ("predictions", "random_predictions", "histories")
    )
    scored = score_task(
        predictions,
        roles,
        protocol=split.title,
        corpus=corpus.title,
        task=f"{side}_emotion",
        random_predictions=random,
        parameters=evaluation,
    )
    if side == "voice":
        confidence = evaluation.confidence
        scored["kinds"] = score_kinds(scored["predictions"], clips, confidence=confidence)
    return {
        **scored,
        "metrics": {name: {**each["metrics"], "megabytes": megabytes[name]} for name, each in of.items()},
        "random_predictions": models_below_each_other(random),
        "histories": models_below_each_other(histories),
        "attention": of[proposed]["attention"] if proposed else pd.DataFrame(),
        **{name: probe_table(fitted, evaluation, name) for name in PROBES[side]},
        **(dimensions or {}),
    }


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
