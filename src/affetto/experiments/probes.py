"""The mechanism of all probes: change test clips, predict with the fold's model, compare.

Nothing is fitted. A probe puts a question to the model of each fold about its own test clips, or about copies
of them; predictions are cached, and models that answered before are not even loaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from affetto.audio.conditions import AnyCondition
from affetto.corpora.splits import ALWAYS_TRAINING
from affetto.errors import AffettoError
from affetto.evaluation.metrics import mean_score
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.uncertainty import difference_interval
from affetto.experiments.cross_validate import (
    ExperimentParameters,
    FoldModel,
    ModelSpecification,
    fold_models,
)
from affetto.experiments.folds import read_features
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.features.extract import extract_degraded
from affetto.io.cache import CacheParameters, ResultStore
from affetto.io.files import reading
from affetto.io.workers import ExecutorParameters, map_shards
from affetto.models.estimator import load_estimator

VERSION = 1
"""Of how probes predict. Raise it with every change that gives other predictions of the same model."""
NOT_PREDICTED = -1
"""Stands for the class of a clip that the model did not predict."""
PREDICTION_COLUMNS = ("clip_id", "fold", "seed", "predicted", "probability", "novelty")
POINTS = 100.0
"""Points in a UAR of 1: differences in the tables of probes are in points."""


class Probe(Protocol):
    """What the model of a fold does with clips."""

    def description(self) -> dict[str, Any]:
        """Return all that the result depends on besides the model and the clips, `what` among it."""
        ...

    def predict(self, model: Any, features: FeatureSet) -> dict[str, np.ndarray]:
        """Return arrays [..., n_clips] by name; of emotions, positions of classes or `NOT_PREDICTED`."""
        ...


@dataclass(frozen=True)
class Prediction:
    """The plain probe: which class, how sure the model is, and how new the clips are to it."""

    def description(self) -> dict[str, Any]:
        """Return its name."""
        return {"what": "prediction"}

    def predict(self, model: Any, features: FeatureSet) -> dict[str, np.ndarray]:
        """Return `predicted`, its `probability`, and `novelty` (NaN where the model has none)."""
        probabilities, novelty = model.predict_proba(features), model.novelty(features)
        return {
            "predicted": probabilities.argmax(axis=1).astype(np.int64),
            "probability": probabilities.max(axis=1),
            "novelty": np.full(features.n_clips, np.nan) if novelty is None else novelty,
        }


@dataclass(frozen=True)
class Outcome:
    """What a probe found with the model of one fold.

    Attributes
    ----------
    fold, seed
        Which model it was.
    clip_ids, classes
        The clips, and the classes of the model.
    values
        What `Probe.predict` returned.
    """

    fold: int
    seed: int
    clip_ids: tuple[str, ...]
    classes: tuple[str, ...]
    values: Mapping[str, np.ndarray]

    def rows(self, predicted: np.ndarray, clips: pd.DataFrame, seed: int) -> pd.DataFrame:
        """Make a row `clip_id, group, fold, seed, label, predicted` for each clip that was predicted.

        `predicted` int64 [n_clips] are positions of classes; `clips` has `emotion` and `group` by `clip_id`.
        """
        chosen = np.flatnonzero(predicted != NOT_PREDICTED)
        clip_ids = [self.clip_ids[i] for i in chosen]
        known = clips.loc[clip_ids]
        return pd.DataFrame(
            {
                "clip_id": clip_ids,
                "group": list(known["group"]),
                "fold": self.fold,
                "seed": seed,
                "label": list(known["emotion"]),
                "predicted": np.array(self.classes, dtype=object)[predicted[chosen]],
            }
        )

    def predictions(self) -> pd.DataFrame:
        """Return what `Prediction` found: `PREDICTION_COLUMNS`, a row for each clip."""
        return pd.DataFrame(
            {
                "clip_id": list(self.clip_ids),
                "fold": self.fold,
                "seed": self.seed,
                "predicted": np.array(self.classes, dtype=object)[np.asarray(self.values["predicted"])],
                "probability": np.asarray(self.values["probability"]),
                "novelty": np.asarray(self.values["novelty"]),
            }
        )


Compare = Callable[[str, Sequence[Outcome], pd.DataFrame, EvaluationParameters], pd.DataFrame]
"""Makes the rows of a model in the table of a probe, from its name, what the probe found with the models of
all its folds and seeds, `emotion` and `group` of the clips by `clip_id`, and how to score."""


@dataclass(frozen=True)
class Request:
    """A probe, the model of one fold, and the clips; cheap to send to a worker."""

    model: FoldModel
    features: FeatureSet
    probe: Probe
    store: ResultStore

    def key(self) -> dict[str, Any]:
        """Return all that the result depends on; the name of a model stands for all that it is made of."""
        return {
            "version": VERSION,
            "model": self.model.directory.name,
            "features": self.features.fingerprint,
            **self.probe.description(),
        }

    def outcome(self) -> Outcome | None:
        """Return what was found earlier; None when the model has not run yet."""
        found = self.store.get(self.key())
        if found is None:
            return None
        values = {name: value for name, value in found.items() if name != "classes"}
        classes = tuple(found["classes"])
        return Outcome(self.model.fold, self.model.seed, self.features.clip_ids, classes, values)


def run_requests(
    requests: Sequence[Request], executor: ExecutorParameters, description: str
) -> list[Outcome]:
    """Run what is not cached yet, and return the outcomes of all requests in order.

    Parameters
    ----------
    requests
        Any number for each model, which is loaded once for all of them.
    executor
        Where the models run.
    description
        Label of the progress bar.

    Raises
    ------
    AffettoError
        When a result vanishes from the cache meanwhile.
    """
    missing: dict[Path, list[Request]] = {}
    for request in requests:
        if request.outcome() is None:
            missing.setdefault(request.model.directory, []).append(request)
    if missing:
        shards = list(missing.values())
        units = [len(each) for each in shards]
        map_shards(_run_model, shards, executor, description=description, total_units=units, unit="answer")
    outcomes = [request.outcome() for request in requests]
    for request, outcome in zip(requests, outcomes, strict=True):
        if outcome is None:
            raise AffettoError(
                f"The answers of fold {request.model.fold} vanished from {request.store.root}: run again."
            )
    return [outcome for outcome in outcomes if outcome is not None]


def _run_model(requests: Sequence[Request]) -> None:
    """Run all requests to one model."""
    directory = requests[0].model.directory
    with reading(directory, otherwise="delete that folder and run the pipeline of its side again"):
        model = load_estimator(directory)
    for request in requests:
        found = request.probe.predict(model, request.features)
        request.store.put(request.key(), {"classes": list(model.classes_), **found})


@dataclass(frozen=True)
class Recordings:
    """Where the clips are, and where the features of their degraded copies are cached."""

    clips: pd.DataFrame
    root: Path
    other_roots: Mapping[str, Path]
    degraded: Path

    def in_condition(
        self, condition: AnyCondition, features: FeatureSet, executor: ExecutorParameters, name: str
    ) -> FeatureSet:
        """Return the features of clips as they sound in a condition; `name` labels the progress bar."""
        return extract_degraded(
            features,
            self.clips,
            condition,
            root=self.root,
            other_roots=self.other_roots,
            stores=self.degraded,
            executor=executor,
            name=name,
        )


@dataclass(frozen=True)
class Experiment:
    """The models of a task with those of their folds, and all that cross-validation had.

    Attributes
    ----------
    models, results
        Specification of each model, and what its cross-validation found, by name.
    features
        The features of all clips, by name.
    recordings, folds
        Where the clips are; in which fold each is tested.
    parameters, cache, executor
        As cross-validation had them.
    """

    models: Mapping[str, ModelSpecification]
    results: Mapping[str, Mapping[str, Any]]
    features: Mapping[str, ClipFeatures]
    recordings: Recordings
    folds: pd.DataFrame
    parameters: ExperimentParameters
    cache: CacheParameters
    executor: ExecutorParameters

    @cached_property
    def fold_models(self) -> dict[str, list[FoldModel]]:
        """The models of all folds and seeds, by name; an error where one is missing."""
        return {name: fold_models(name, each, self.cache) for name, each in self.results.items()}

    @cached_property
    def clips(self) -> pd.DataFrame:
        """Emotion and group of the clips, indexed by `clip_id`."""
        return self.recordings.clips.set_index("clip_id")[["emotion", "group"]]

    @cached_property
    def all_features(self) -> FeatureSet:
        """All features that some model reads, of the clips that have them all."""
        names = dict.fromkeys(name for each in self.models.values() for name in each.features)
        return read_features(self.features, tuple(names))

    def read_by(self, model: str) -> FeatureSet:
        """Return the features that a model reads, of the clips that have them all."""
        return read_features(self.features, self.models[model].features)

    def changed_clips(self, most: int | None) -> list[str]:
        """Return the tested clips that are changed, at most so many of each fold; see `choose_clips`."""
        known = set(self.all_features.clip_ids)
        chosen = choose_clips(self.recordings.clips, self.folds, most)
        return [clip_id for clip_id in chosen if clip_id in known]

    def predict(
        self, changed: Iterable[tuple[str, str, FoldModel, FeatureSet]], description: str
    ) -> dict[tuple[str, str], pd.DataFrame]:
        """Predict changed clips.

        Parameters
        ----------
        changed
            Name of a model, name of the change, model of one fold, and the features of the clips that it
            reads; where there are no clips, nothing is predicted.
        description
            Label of the progress bar.

        Returns
        -------
        dict
            Model and change → `PREDICTION_COLUMNS`, a row for each clip and model of a fold.
        """
        wanted = [each for each in changed if each[3].n_clips]
        store = self.cache.store
        requests = [Request(fold, features, Prediction(), store) for _, _, fold, features in wanted]
        rows: dict[tuple[str, str], list[pd.DataFrame]] = {}
        outcomes = run_requests(requests, self.executor, description)
        for (name, change, *_), outcome in zip(wanted, outcomes, strict=True):
            rows.setdefault((name, change), []).append(outcome.predictions())
        return {each: pd.concat(tables, ignore_index=True) for each, tables in rows.items()}

    def probe(
        self,
        models: Sequence[str],
        make: Callable[[FoldModel, FeatureSet], Probe],
        compare: Compare,
        evaluation: EvaluationParameters,
        description: str,
    ) -> pd.DataFrame:
        """Put a probe to models about the test clips of their folds, and join the rows of its table.

        Parameters
        ----------
        models
            Names of the models.
        make
            Makes the probe of one fold from its model and the features of its test clips.
        compare
            Makes the rows of a model.
        evaluation
            How to score.
        description
            Label of the progress bar.
        """
        requests: dict[str, list[Request]] = {}
        for name in models:
            features = self.read_by(name)
            for fold in self.fold_models[name]:
                tested = features.select(fold.test)
                request = Request(fold, tested, make(fold, tested), self.cache.store)
                requests.setdefault(name, []).append(request)
        every = [request for each in requests.values() for request in each]
        outcomes = iter(run_requests(every, self.executor, description))
        found = {name: [next(outcomes) for _ in each] for name, each in requests.items()}
        tables = [compare(name, each, self.clips, evaluation) for name, each in found.items()]
        known = [table for table in tables if len(table)]
        return pd.concat(known, ignore_index=True) if known else pd.DataFrame()


def subset(features: FeatureSet, names: Sequence[str]) -> FeatureSet:
    """Return the features of these names."""
    return FeatureSet({name: features[name] for name in names})


def tested_clips(model: FoldModel, features: FeatureSet) -> FeatureSet:
    """Return those of the clips, or of their copies, that the model of a fold was tested with."""
    tested = set(model.test)
    return features.select([clip_id for clip_id in features.clip_ids if clip_id in tested])


def choose_clips(clips: pd.DataFrame, folds: pd.DataFrame, most: int | None) -> list[str]:
    """Choose tested clips of every fold, in turn from each of its emotions.

    Parameters
    ----------
    clips
        Clip table with `clip_id, emotion`.
    folds
        `clip_id, fold`; those of fold -1 are never tested.
    most
        Clips of each fold; None: all.

    Returns
    -------
    list of str
        Their ids, in the order of `folds`. The choice depends on the ids alone.
    """
    tested = folds[folds["fold"] != ALWAYS_TRAINING].merge(clips[["clip_id", "emotion"]], on="clip_id")
    if most is None:
        return list(tested["clip_id"])
    order = tested.assign(lot=[lot(clip_id) for clip_id in tested["clip_id"]]).sort_values("lot")
    order["turn"] = order.groupby(["fold", "emotion"]).cumcount()
    chosen = order.sort_values(["turn", "lot"]).groupby("fold").head(most)
    return list(tested.loc[tested["clip_id"].isin(chosen["clip_id"]), "clip_id"])


def lot(clip_id: str) -> str:
    """Return the lot that a name draws, the same always: who sorts by it chooses as if at random."""
    return hashlib.blake2b(clip_id.encode(), digest_size=8).hexdigest()


def rows_of_draws(
    outcomes: Sequence[Outcome], clips: pd.DataFrame, draws: Sequence[np.ndarray]
) -> pd.DataFrame:
    """Make a row for each predicted clip, seed and draw; see `Outcome.rows`.

    `draws` has for each outcome the positions of classes, [n_draws, n_clips]. A draw stands for a seed of its
    own, as the same model predicts again.
    """
    tables = [
        outcome.rows(predicted, clips, outcome.seed * len(of_outcome) + draw)
        for outcome, of_outcome in zip(outcomes, draws, strict=True)
        for draw, predicted in enumerate(of_outcome)
    ]
    return pd.concat(tables, ignore_index=True)


def difference_in_points(
    name: str, first: pd.DataFrame, second: pd.DataFrame, evaluation: EvaluationParameters
) -> dict[str, float]:
    """Return UAR(first) - UAR(second) as `name`, and its paired interval over groups as `name_ci_…`.

    Both tables have a row for each clip and seed; all three values are points.
    """
    low, high = difference_interval(first, second, confidence=evaluation.confidence)
    value = mean_score(first) - mean_score(second)
    return {name: POINTS * value, f"{name}_ci_low": POINTS * low, f"{name}_ci_high": POINTS * high}
