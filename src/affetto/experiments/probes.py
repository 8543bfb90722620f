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
from affetto.experiments.cross_validate import ExperimentParameters, ModelSpecification
from affetto.experiments.folds import read_features, run_missing
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.features.extract import extract_degraded
from affetto.io.cache import CacheParameters, ResultStore
from affetto.io.files import reading
from affetto.io.workers import ExecutorParameters
from affetto.models.estimator import holds_model, load_estimator

VERSION = 1
"""Of how probes predict. Raise it with every change that gives other predictions of the same model."""
NOT_PREDICTED = -1
"""Stands for the class of a clip that the model did not predict."""
POINTS = 100.0
"""Points in a UAR of 1: differences in the tables of probes are in points."""
Row = dict[str, Any]
"""A row of the table of a probe."""


@dataclass(frozen=True)
class FoldModel:
    """The saved model of one fold and seed, and the clips that it was tested with."""

    fold: int
    seed: int
    directory: Path
    test: tuple[str, ...]

    def tested(self, features: FeatureSet) -> FeatureSet:
        """Return those of the clips, or of their copies, that it was tested with."""
        tested = set(self.test)
        return features.select([clip_id for clip_id in features.clip_ids if clip_id in tested])


def fold_models(name: str, results: Mapping[str, Any], cache: CacheParameters) -> list[FoldModel]:
    """Find the models of all folds and seeds that cross-validation saved.

    `results` has `predictions` and `models` as in `CrossValidation`; the name is for messages.

    Raises
    ------
    AffettoError
        When one of them is missing, as in an evaluation long after the models were fitted.
    """
    saved = results.get("models", pd.DataFrame())
    folders = {(row.fold, row.seed): cache.models / row.folder for row in saved.itertuples()}
    found = []
    for (seed, fold), rows in results["predictions"].groupby(["seed", "fold"]):
        directory = folders.get((fold, seed))
        if directory is None or not holds_model(directory):
            raise AffettoError(
                f"The model {name} of fold {fold} is not kept in {cache.models}: "
                "<side>.emotion.experiment.keep_models was false, or the cache was cleared since; run the "
                "pipeline of its side again."
            )
        found.append(FoldModel(int(fold), int(seed), directory, tuple(rows["clip_id"])))
    return found


class Probe(Protocol):
    """What the model of a fold does with clips."""

    def description(self) -> dict[str, Any]:
        """Return all that the result depends on besides the model and the clips, `what` among it."""
        ...

    def predict(self, model: Any, features: FeatureSet) -> dict[str, np.ndarray]:
        """Return arrays [..., n_clips] by name; of emotions, positions of classes or `NOT_PREDICTED`."""
        ...


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
    """What a probe found with the model of one fold: `values` are what `Probe.predict` returned."""

    fold: int
    seed: int
    clip_ids: tuple[str, ...]
    classes: tuple[str, ...]
    values: Mapping[str, np.ndarray]

    def names(self, predicted: np.ndarray) -> np.ndarray:
        """Return the names of classes, of which `predicted` are the positions."""
        return np.take(np.array(self.classes, dtype=object), predicted)


_Asked = tuple[FoldModel, FeatureSet, Probe]


@dataclass(frozen=True)
class _Requests:
    """All that is asked of one model, which is loaded once for it; cheap to send to a worker."""

    directory: Path
    asked: tuple[tuple[FeatureSet, Probe], ...]
    store: ResultStore

    def key(self, features: FeatureSet, probe: Probe) -> dict[str, Any]:
        """Return all that a result depends on; the name of a model stands for all that it is made of."""
        return {
            "version": VERSION,
            "model": self.directory.name,
            "features": features.fingerprint,
            **probe.description(),
        }

    def result(self) -> list[dict[str, Any]] | None:
        """Return what was found earlier; None when something is missing."""
        found = [self.store.get(self.key(*each)) for each in self.asked]
        known = [each for each in found if each is not None]
        return known if len(known) == len(found) else None

    def run(self) -> None:
        """Predict what is missing."""
        with reading(self.directory, otherwise="delete that folder and run the pipeline of its side again"):
            model = load_estimator(self.directory)
        for features, probe in self.asked:
            key = self.key(features, probe)
            if self.store.get(key) is None:
                found = probe.predict(model, features)
                self.store.put(key, {"classes": list(model.classes_), **found})


@dataclass(frozen=True)
class Experiment:
    """The models of a task with those of their folds, and all that cross-validation had.

    Attributes
    ----------
    models, results, features
        By name: specification of each model, what its cross-validation found, and features of all clips.
    clips, folds
        Clip table; in which fold each clip is tested.
    root, other_roots, degraded
        Where the recordings are, and where the features of their degraded copies are cached.
    parameters, cache, executor
        As cross-validation had them.
    """

    models: Mapping[str, ModelSpecification]
    results: Mapping[str, Mapping[str, Any]]
    features: Mapping[str, ClipFeatures]
    clips: pd.DataFrame
    folds: pd.DataFrame
    root: Path
    other_roots: Mapping[str, Path]
    degraded: Path
    parameters: ExperimentParameters
    cache: CacheParameters
    executor: ExecutorParameters

    @cached_property
    def fold_models(self) -> dict[str, list[FoldModel]]:
        """The models of all folds and seeds, by name; an error where one is missing."""
        return {name: fold_models(name, each, self.cache) for name, each in self.results.items()}

    @cached_property
    def labels(self) -> pd.DataFrame:
        """Emotion and group of the clips, indexed by `clip_id`."""
        return self.clips.set_index("clip_id")[["emotion", "group"]]

    @cached_property
    def all_features(self) -> FeatureSet:
        """All features that some model reads, of the clips that have them all."""
        names = dict.fromkeys(name for each in self.models.values() for name in each.features)
        return read_features(self.features, tuple(names))

    def in_condition(self, condition: AnyCondition, features: FeatureSet, name: str) -> FeatureSet:
        """Return the features of clips as they sound in a condition; `name` labels the progress bar."""
        return extract_degraded(
            features,
            self.clips,
            condition,
            root=self.root,
            other_roots=self.other_roots,
            stores=self.degraded,
            executor=self.executor,
            name=name,
        )

    def changed_clips(self, most: int | None) -> FeatureSet:
        """Return the tested clips that are changed, at most so many of each fold; see `choose_clips`."""
        known = set(self.all_features.clip_ids)
        chosen = choose_clips(self.clips, self.folds, most)
        return self.all_features.select([clip_id for clip_id in chosen if clip_id in known])

    def predict(
        self, changed: Iterable[tuple[str, str, FoldModel, FeatureSet]], description: str
    ) -> dict[tuple[str, str], pd.DataFrame]:
        """Predict changed clips.

        Parameters
        ----------
        changed
            Name of a model, name of the change, model of one fold, and the features of the clips, the model's
            own among them; where there are no clips, nothing is predicted.
        description
            Label of the progress bar.

        Returns
        -------
        dict
            Model and change → `clip_id, fold, seed, predicted, probability, novelty`, a row for each clip and
            model of a fold.
        """
        wanted = [each for each in changed if each[3].n_clips]
        asked: list[_Asked] = []
        for name, _, fold, features in wanted:
            own = {each: features[each] for each in self.models[name].features}
            asked.append((fold, FeatureSet(own), Prediction()))
        rows: dict[tuple[str, str], list[pd.DataFrame]] = {}
        for (name, change, *_), outcome in zip(wanted, self._ask(asked, description), strict=True):
            table = pd.DataFrame(
                {
                    "clip_id": outcome.clip_ids,
                    "fold": outcome.fold,
                    "seed": outcome.seed,
                    **{each: np.asarray(value) for each, value in outcome.values.items()},
                }
            )
            table["predicted"] = outcome.names(table["predicted"].to_numpy())
            rows.setdefault((name, change), []).append(table)
        return {each: pd.concat(tables, ignore_index=True) for each, tables in rows.items()}

    def probe(
        self,
        models: Sequence[str],
        make: Callable[[FoldModel, FeatureSet], Probe],
        compare: Callable[[str, Sequence[Outcome], pd.DataFrame, EvaluationParameters], list[Row]],
        evaluation: EvaluationParameters,
        description: str,
    ) -> list[Row]:
        """Put a probe to models about the test clips of their folds, and join the rows of its table.

        Parameters
        ----------
        models
            Names of the models.
        make
            Makes the probe of one fold from its model and the features of its test clips.
        compare
            Makes the rows of a model, from its name, what the probe found with the models of all its folds
            and seeds, `emotion` and `group` of the clips by `clip_id`, and how to score.
        evaluation
            How to score.
        description
            Label of the progress bar.
        """
        asked: list[_Asked] = []
        for name in models:
            features = read_features(self.features, self.models[name].features)
            for fold in self.fold_models[name]:
                tested = features.select(fold.test)
                asked.append((fold, tested, make(fold, tested)))
        outcomes = iter(self._ask(asked, description))
        rows = []
        for name in models:
            of_model = [next(outcomes) for _ in self.fold_models[name]]
            rows += compare(name, of_model, self.labels, evaluation)
        return rows

    def _ask(self, asked: Sequence[_Asked], description: str) -> list[Outcome]:
        """Run what is not cached yet, and return the outcomes of all in order."""
        by_model: dict[Path, list[int]] = {}
        for place, (fold, *_) in enumerate(asked):
            by_model.setdefault(fold.directory, []).append(place)
        work = [
            _Requests(directory, tuple(asked[place][1:] for place in places), self.cache.store)
            for directory, places in by_model.items()
        ]
        units = [len(places) for places in by_model.values()]
        results = run_missing(work, self.executor, description, units=units, unit="answer")
        outcomes: dict[int, Outcome] = {}
        for places, of_model in zip(by_model.values(), results, strict=True):
            for place, found in zip(places, of_model, strict=True):
                fold, features, _ = asked[place]
                values = {name: value for name, value in found.items() if name != "classes"}
                classes = tuple(found["classes"])
                outcomes[place] = Outcome(fold.fold, fold.seed, features.clip_ids, classes, values)
        return [outcomes[place] for place in range(len(asked))]


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
    order = tested.assign(lot=tested["clip_id"].map(lot)).sort_values("lot")
    order["turn"] = order.groupby(["fold", "emotion"]).cumcount()
    chosen = order.sort_values(["turn", "lot"]).groupby("fold").head(most)
    return list(tested.loc[tested["clip_id"].isin(chosen["clip_id"]), "clip_id"])


def lot(clip_id: str) -> str:
    """Return the lot that a name draws, the same always: who sorts by it chooses as if at random."""
    return hashlib.blake2b(clip_id.encode(), digest_size=8).hexdigest()


def rows_of_draws(
    outcomes: Sequence[Outcome], labels: pd.DataFrame, draws: Sequence[np.ndarray]
) -> pd.DataFrame:
    """Make a row for each predicted clip, seed and draw: `clip_id, group, fold, seed, label, predicted`.

    Parameters
    ----------
    outcomes
        What was found with the model of each fold.
    labels
        `emotion` and `group` by `clip_id`.
    draws
        For each outcome the positions of classes, [n_draws, n_clips]. A draw stands for a seed of its own, as
        the same model predicts again; a clip that is `NOT_PREDICTED` has no row.
    """
    tables = []
    for outcome, of_outcome in zip(outcomes, draws, strict=True):
        ids = np.array(outcome.clip_ids, dtype=object)
        for draw, predicted in enumerate(of_outcome):
            chosen = predicted != NOT_PREDICTED
            known = labels.loc[ids[chosen]]
            table = pd.DataFrame({"clip_id": ids[chosen], "group": list(known["group"])})
            table["fold"], table["seed"] = outcome.fold, outcome.seed * len(of_outcome) + draw
            table["label"], table["predicted"] = list(known["emotion"]), outcome.names(predicted[chosen])
            tables.append(table)
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
