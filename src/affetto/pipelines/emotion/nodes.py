"""Nodes of the emotion experiments."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from affetto.audio.conditions import Condition
from affetto.corpora.parameters import CorpusParameters, SplitParameters
from affetto.corpora.sources import SOURCES
from affetto.corpora.splits import make_folds, make_random_folds
from affetto.evaluation.comparison import models_below_each_other, proposed_model, score_model, score_task
from affetto.evaluation.parameters import EvaluationParameters
from affetto.experiments.cross_validate import (
    ExperimentParameters,
    ModelSpecification,
    calibrated_model,
    cross_validate,
    temperature_of,
)
from affetto.experiments.folds import read_features
from affetto.experiments.probe_tables import PROBES, probe_table
from affetto.experiments.probes import Experiment
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.features.degraded import extract_degraded
from affetto.io.cache import CacheParameters
from affetto.io.workers import ExecutorParameters
from affetto.models.calibration import apply_temperature
from affetto.models.estimator import predict_clips

_LIBRARY_FOLDS = 5

Features = Mapping[str, ClipFeatures]
"""The features of a side by name."""
Copies = dict[str, FeatureSet]
"""A condition, as `copy_name` writes it → the features of all clips as they sound in it."""
Results = dict[str, Any]
"""Tables and other values by name, as `ResultsDataset` keeps them."""


def copy_training_clips(
    executor: ExecutorParameters,
    corpus: CorpusParameters,
    cache: CacheParameters,
    clips: pd.DataFrame,
    features: Features,
    *,
    side: str,
    models: Mapping[str, ModelSpecification],
) -> Copies:
    """Extract what models also learn from: the labelled clips as they sound in other conditions.

    Parameters
    ----------
    executor, corpus, cache, clips, features
        Where to compute, where the clips are, where features are kept; the clips and their features.
    side, models
        The side, and the models, whose specifications name the conditions.
    """
    wanted: dict[str, tuple[str, Condition, set[str]]] = {}
    for specification in models.values():
        for name, condition in specification.conditions.items():
            _, _, read = wanted.setdefault(copy_name(condition), (name, condition, set()))
            read.update(specification.features)
    labelled = list(clips.loc[clips["emotion"].notna(), "clip_id"])
    return {
        key: extract_degraded(
            read_features(features, sorted(read), labelled),
            clips,
            condition,
            root=corpus.root,
            other_roots=corpus.other_roots,
            stores=cache.degraded / side,
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
    cache: CacheParameters,
    corpus: CorpusParameters,
    split: SplitParameters,
    clips: pd.DataFrame,
    folds: pd.DataFrame,
    evaluation: EvaluationParameters,
    features: Features,
    copies: Copies | None = None,
    *,
    name: str,
) -> tuple[Results, Path]:
    """Fit a model on every fold, predict the clips that it has not seen, score it, and fit it on all clips.

    Random folds, which ignore groups, are fitted with one seed: the other end of the leakage gap. The model
    that was fitted on all labelled clips is calibrated on the out-of-fold predictions.

    Returns
    -------
    tuple
        `predictions`, `random_predictions`, `histories`, `attention` and `models` as in `CrossValidation`,
        and `metrics`, scores and cost; folder of the model that was fitted on all clips.
    """
    gap = experiment.leakage_gap
    found = cross_validate(
        specification,
        read_features(features, specification.features),
        clips,
        folds,
        experiment=experiment,
        cache=cache,
        executor=executor,
        description=name,
        random_folds=make_random_folds(clips, folds, seed=split.seed) if gap else None,
        on_all_clips=True,
        copies=_own_copies(specification, copies),
    )
    model = calibrated_model(found, _learnt_from(name, corpus, clips))
    scores = score_model(found.predictions, evaluation)
    known = {name: float(value) for name, value in scores.items() if math.isfinite(value)}
    results = {
        "predictions": found.predictions,
        "random_predictions": found.random_predictions,
        "histories": found.histories,
        "attention": found.attention,
        "models": found.models,
        "metrics": {**known, **found.cost},
    }
    return results, model


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
    specification: ModelSpecification,
    experiment: ExperimentParameters,
    executor: ExecutorParameters,
    cache: CacheParameters,
    clips: pd.DataFrame,
    features: Features,
    results: Results,
    model: Path,
    copies: Copies | None = None,
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
    predictions = results["predictions"]
    usable = clips[clips["clip_id"].isin(available.clip_ids)]
    labelled = usable[usable["emotion"].notna()]
    tables, attended = [_calibrated(predictions)], [results["attention"]]
    if not labelled["clip_id"].isin(predictions["clip_id"]).all():
        rest = cross_validate(
            specification,
            available,
            labelled,
            make_folds(labelled, _own_folds(labelled)),
            experiment=experiment.model_copy(update={"n_seeds": 1, "keep_models": False}),
            cache=cache,
            executor=executor,
            description=f"{specification.estimator}, clips never tested",
            copies=_own_copies(specification, copies),
        )
        tables.append(_without(_calibrated(rest.predictions), tables))
        attended.append(_without(rest.attention, attended))
    unlabelled = list(usable.loc[usable["emotion"].isna(), "clip_id"])
    if unlabelled:
        fresh = predict_clips(model, available.select(unlabelled))
        tables.append(fresh.drop(columns=["times", "weights"]))
        attended.append(fresh[["clip_id", "times", "weights"]])
    emotions = pd.concat(tables, ignore_index=True).set_index("clip_id").sort_index(axis=1)
    return {
        "emotions": emotions.fillna(0.0).reset_index(),
        "attention": pd.concat(attended, ignore_index=True),
    }


def run_probes(
    evaluation: EvaluationParameters,
    experiment: ExperimentParameters,
    executor: ExecutorParameters,
    cache: CacheParameters,
    corpus: CorpusParameters,
    clips: pd.DataFrame,
    folds: pd.DataFrame,
    features: Features,
    *,
    side: str,
    models: Mapping[str, ModelSpecification],
    **results: Results,
) -> Results:
    """Let the models of the folds predict changed test clips; return a table for each probe.

    Parameters
    ----------
    evaluation, experiment, executor, cache, corpus, clips, folds, features
        What is changed, and how it is scored; all else as cross-validation had it.
    side, models
        The side and its models.
    results
        `results__<model>`, what cross-validation found.
    """
    fitted = Experiment(
        models=models,
        results={name: results[f"results__{name}"] for name in models},
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
    return {name: probe_table(fitted, evaluation, name) for name in PROBES[side]}


def score_models(
    evaluation: EvaluationParameters,
    corpus: CorpusParameters,
    split: SplitParameters,
    probes: Results,
    *,
    task: str,
    roles: Mapping[str, str],
    **inputs: Any,
) -> Results:
    """Compare all models of a task, and put together what is known of them.

    Parameters
    ----------
    evaluation, corpus, split
        How to test, and what the models were scored on.
    probes
        What probes of the models of the folds found, a table a probe.
    task, roles
        Name of the task; model → role.
    inputs
        `results__<model>` and `model__<model>`: what cross-validation found, and the folder of the model
        fitted on everything.

    Returns
    -------
    dict
        `comparison`, a row a model; `groups`, a row a model and group; `metrics`, the figures of each model;
        `predictions`, `random_predictions` and `histories` of all models with a column `model`; `attention`
        of the proposed one; and the probes.
    """
    of = {name: inputs[f"results__{name}"] for name in roles}
    random = {name: each["random_predictions"] for name, each in of.items()}
    proposed = proposed_model(roles)
    return {
        **score_task(
            {name: each["predictions"] for name, each in of.items()},
            roles,
            protocol=split.title,
            corpus=corpus.title,
            task=task,
            random_predictions=random,
            parameters=evaluation,
        ),
        "metrics": {
            name: {**each["metrics"], "megabytes": _megabytes(inputs[f"model__{name}"])}
            for name, each in of.items()
        },
        "random_predictions": models_below_each_other(random),
        "histories": models_below_each_other({name: each["histories"] for name, each in of.items()}),
        "attention": of[proposed]["attention"] if proposed else pd.DataFrame(),
        **probes,
    }


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def _own_folds(labelled: pd.DataFrame) -> SplitParameters:
    smallest = min(labelled["group"].nunique(), int(labelled["emotion"].value_counts().max()))
    return SplitParameters(protocol="kfold", n_folds=max(2, min(_LIBRARY_FOLDS, smallest)))


def _without(table: pd.DataFrame, known: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Leave out the clips that an earlier table has."""
    return table[~table["clip_id"].isin(pd.concat(known)["clip_id"])] if len(table) else table


def _calibrated(predictions: pd.DataFrame) -> pd.DataFrame:
    probabilities = predictions.filter(regex="^p_")
    calibrated = probabilities.copy()
    calibrated[:] = apply_temperature(probabilities.to_numpy(), temperature_of(predictions))
    calibrated.insert(0, "clip_id", predictions["clip_id"])
    return calibrated.groupby("clip_id", sort=False).mean().reset_index()
