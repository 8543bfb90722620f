"""Cross-validation of one emotion model: folds in, out-of-fold predictions and the deployed model out.

All fits of a model go to one pool of workers: those on grouped folds, those on random folds, and the one on
all labelled clips. Each is found again by what it depends on, so that a run repeats only what is missing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from affetto.audio.conditions import Condition
from affetto.corpora.splits import ALWAYS_TRAINING
from affetto.errors import AffettoError
from affetto.evaluation.metrics import PREDICTION_COLUMNS
from affetto.experiments.folds import fold_parts, join_folds, run_missing
from affetto.features.clip_features import FeatureSet, join_copies
from affetto.io.cache import CacheParameters, fingerprint
from affetto.io.workers import ExecutorParameters
from affetto.models.calibration import apply_temperature, fit_temperature
from affetto.models.dimensions import Regressor
from affetto.models.estimator import (
    Estimator,
    build_estimator,
    copy_calibrated,
    describe_estimator,
    estimator_class,
    holds_model,
    installed_versions,
    load_estimator,
)


class ModelSpecification(BaseModel):
    """One row of the model table: what to fit and what it stands for in a comparison."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    estimator: str = Field(description="Name in the registry of estimators.")
    role: Literal["proposed", "ablation", "baseline", "pretrained"] = Field(
        description="Role in the comparison; pretrained: it reads an encoder that was trained on other data, "
        "and stands apart from those that saw the corpus alone."
    )
    features: tuple[str, ...] = Field(min_length=1, description="Names of the features the estimator reads.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="Parameters of the estimator.")
    augmentation: dict[str, Condition | None] = Field(
        default_factory=dict,
        description="Conditions in which training clips are heard as well, each as one more copy of them; "
        "a condition set to null is left out. Test clips are never copied.",
    )

    enrolment: Literal["speaker", "corpus"] | None = Field(
        default=None,
        description="Test clips are heard relative to the mean of their speaker, or of all test clips of the "
        "fold, without their labels; the estimator must be able to enrol. A role of its own in a comparison: "
        "it asks for more than one clip of a stranger.",
    )

    @model_validator(mode="before")
    @classmethod
    def _name_the_new_key(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and "copies" in given:
            raise ValueError("copies is called augmentation now: rename the key")
        return given

    @property
    def conditions(self) -> dict[str, Condition]:
        """The conditions of the augmentation that are not left out."""
        return {name: condition for name, condition in self.augmentation.items() if condition is not None}


class ExperimentParameters(BaseModel):
    """How often each model is fitted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_seeds: int = Field(default=1, ge=1, description="Every fold is fitted with the seeds 0 … n_seeds - 1.")
    leakage_gap: bool = Field(
        default=True, description="Also score each model on as many random folds that ignore groups."
    )
    keep_models: bool = Field(
        default=False, description="Keep the model of every fold and seed, for questions asked of it later."
    )


@dataclass(frozen=True)
class CrossValidation:
    """What cross-validation of one model yields.

    Attributes
    ----------
    predictions
        A row for each tested clip and seed: `clip_id, group, fold, seed, label, predicted, p_<class>…`; of a
        regressor `valence, arousal, predicted_valence, predicted_arousal` instead of what follows the seed.
    random_predictions
        The same on random folds, which ignore groups; no rows without such folds.
    histories
        A row for each fit and epoch: `fold, seed, epoch, loss, …`, or for each fit and candidate of its inner
        search: `fold, seed, …, inner_uar, inner_log_loss, chosen`; empty for models with neither.
    attention
        A row for each tested clip of seed 0: `clip_id, times` (s), `weights`; empty for models without.
    cost
        `fit_seconds` (mean of a fit), `predict_ms_per_clip`, `n_parameters`.
    models
        `fold, seed, folder`: a row for each saved model, with the name of its folder in `cache.models`; no
        rows unless `experiment.keep_models`.
    fitted
        Folder of the model that was fitted on all labelled clips, not calibrated yet; None: it was not
        asked for.
    """

    predictions: pd.DataFrame
    random_predictions: pd.DataFrame
    histories: pd.DataFrame
    attention: pd.DataFrame
    cost: dict[str, float]
    models: pd.DataFrame
    fitted: Path | None


def cross_validate(
    specification: ModelSpecification,
    features: FeatureSet,
    clips: pd.DataFrame,
    folds: pd.DataFrame,
    *,
    experiment: ExperimentParameters,
    cache: CacheParameters,
    executor: ExecutorParameters,
    description: str,
    random_folds: pd.DataFrame | None = None,
    on_all_clips: bool = False,
    copies: Mapping[str, FeatureSet] | None = None,
) -> CrossValidation:
    """Fit a model once for each fold and seed, and predict the clips it has not seen.

    Parameters
    ----------
    specification
        The model.
    features
        Features of all clips the estimator reads.
    clips
        Clip table with `clip_id, emotion, group`, and the ratings where a regressor learns them: clips
        without are left out.
    folds
        Of `make_folds`: the fold in which a clip is tested, -1 for those that are not, and what its models
        are fitted on. Clips without features (extraction failed) are left out.
    experiment
        Number of seeds, and whether the models of the folds are saved for `fold_models`.
    cache
        Finished fits are found here and never repeated.
    executor
        Where the fits run.
    description
        Label of the progress bar.
    random_folds
        Folds that ignore groups, fitted with one seed: the other end of the leakage gap.
    on_all_clips
        Whether the model is also fitted on all labelled clips.
    copies
        Name of each condition that the model is augmented with → the features of all clips as they sound in
        it; a model is fitted on the copies of its training clips as well.

    Raises
    ------
    AffettoError
        When no fold has both training and test clips.
    """
    more = [name for name in estimator_class(specification.estimator).targets if name != "emotion"]
    clips = clips.dropna(subset=more)

    def fits(of: pd.DataFrame, n_seeds: int = 1, *, keep: bool = False) -> list[Fit]:
        chosen, table = join_folds(features, clips, of, more)
        on_all = {ALWAYS_TRAINING: (np.arange(len(table)), np.empty(0, dtype=np.int64))}
        parts = on_all if of is all_labelled else fold_parts(table)
        labels, cached = table[["emotion", "group", *more]], (cache, keep, copies or {})
        return [
            Fit(specification, chosen, labels, train, test, fold, seed, *cached)
            for seed in range(n_seeds)
            for fold, (train, test) in parts.items()
        ]

    all_labelled = clips.loc[clips["emotion"].notna(), ["clip_id"]].assign(fold=ALWAYS_TRAINING)
    grouped = fits(folds, experiment.n_seeds, keep=experiment.keep_models)
    random = [] if random_folds is None else fits(random_folds)
    if not grouped or (random_folds is not None and not random):
        raise AffettoError(
            f"{description}: no fold has both training and test clips; check the split's protocol."
        )
    everything = fits(all_labelled, keep=True) if on_all_clips else []
    work = [*everything, *grouped, *random]  # the longest first, or a worker would wait for it at the end
    found = run_missing(work, executor, description, units=[1] * len(work), unit="fit")
    results = list(zip(work, found, strict=True))[len(everything) :]
    of_groups, of_random = results[: len(grouped)], results[len(grouped) :]
    saved = [(fit.fold, fit.seed, fit.directory.name) for fit in grouped if fit.keep]
    first_seed = [_attention(*each) for each in of_groups if each[0].seed == 0]
    return CrossValidation(
        predictions=_concat([_predictions(*each) for each in of_groups], PREDICTION_COLUMNS),
        random_predictions=_concat([_predictions(*each) for each in of_random], PREDICTION_COLUMNS),
        histories=_concat([_history(*each) for each in of_groups], ("fold", "seed", "epoch")),
        attention=_concat(first_seed, ("clip_id", "times", "weights")),
        cost=_cost(of_groups),
        models=pd.DataFrame(saved, columns=["fold", "seed", "folder"]),
        fitted=everything[0].directory if everything else None,
    )


def calibrated_model(
    found: CrossValidation, learnt_from: Mapping[str, Any], regressor: Path | None = None
) -> Path:
    """Copy the model of all clips, calibrated on the out-of-fold predictions; return the folder of the copy.

    Parameters
    ----------
    found
        What cross-validation yielded, the model of all clips among it.
    learnt_from
        What the model says of its training clips in its answers (`Estimator.learnt_from_`), JSON values.
    regressor
        Folder of the regressor that tells valence and arousal with it.
    """
    if found.fitted is None:
        raise ValueError("the model was not fitted on all clips")
    temperature = temperature_of(found.predictions)
    key = {
        "what": "calibrated model",
        "fit": found.fitted.name,
        "temperature": round(temperature, 6),
        "learnt_from": dict(learnt_from),
        **({} if regressor is None else {"regressor": regressor.name}),
    }
    directory = found.fitted.with_name(fingerprint(key))
    if not holds_model(directory):
        copy_calibrated(found.fitted, directory, temperature, learnt_from, regressor)
    return directory


def temperature_of(predictions: pd.DataFrame) -> float:
    """Return the temperature that makes the true classes of out-of-fold predictions most likely."""
    probabilities = predictions.filter(regex="^p_")
    classes = [column.removeprefix("p_") for column in probabilities.columns]
    labels = predictions["label"].map(classes.index)
    return fit_temperature(probabilities.to_numpy(), labels.to_numpy())


def calibrated(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return out-of-fold predictions of a model, calibrated as the model of all clips is."""
    told = predictions.copy()
    columns = told.columns.str.startswith("p_")
    probabilities = predictions.loc[:, columns].to_numpy()
    told.loc[:, columns] = apply_temperature(probabilities, temperature_of(predictions))
    return told


@dataclass(frozen=True, eq=False)
class Fit:
    """One fit: all that a worker needs; cheap to send to it, as features are memory-mapped.

    Attributes
    ----------
    specification
        The model.
    features, table
        All clips of the experiment, and their `emotion`, `group` and perhaps ratings in the same order.
    train, test
        Indices of the clips that the model is fitted on, and of those it then predicts, if any.
    fold, seed
        Which fit this is.
    cache
        Where its result and its model are saved.
    keep
        Whether the model is saved at all.
    copies
        Name of each condition of the specification → the features of the clips as they sound in it. What is
        in them follows from the clips and the condition (`extract_degraded` fails where this machine is the
        reason that there is no copy), so the key names these alone.
    """

    specification: ModelSpecification
    features: FeatureSet
    table: pd.DataFrame
    train: np.ndarray
    test: np.ndarray
    fold: int
    seed: int
    cache: CacheParameters
    keep: bool
    copies: Mapping[str, FeatureSet] = field(default_factory=dict)

    @cached_property
    def key(self) -> dict[str, Any]:
        """All that the result depends on."""
        conditions = self.specification.conditions
        copied = {name: condition.description() for name, condition in conditions.items()}
        enrolment = self.specification.enrolment
        return {
            "what": "fold",
            "libraries": installed_versions(),
            **describe_estimator(self.specification.estimator, self.specification.parameters),
            "seed": self.seed,
            "train": self._data(self.train),
            "test": self._data(self.test),
            **({"copies": copied} if copied else {}),
            **({"enrolment": enrolment} if enrolment else {}),
        }

    def _data(self, indices: np.ndarray) -> dict[str, Any]:
        chosen = self.table.iloc[indices]
        return {
            "features": self.features.take(indices).fingerprint,
            "labels": self._truth(indices),
            "groups": list(chosen["group"]),
        }

    def _truth(self, indices: np.ndarray) -> list[Any]:
        """Return what the model is to tell of clips: emotions, or pairs of ratings."""
        found = self.table[list(estimator_class(self.specification.estimator).targets)].iloc[indices]
        return list(found["emotion"]) if "emotion" in found else found.to_numpy().tolist()

    @property
    def directory(self) -> Path:
        """Folder of the fitted model, where it is kept."""
        return self.cache.models / fingerprint(self.key)

    def result(self) -> dict[str, Any] | None:
        """Return what an earlier run found; None where the fit, or the model to be kept, is missing."""
        if self.keep and not holds_model(self.directory):
            return None
        return self.cache.store.get(self.key)

    def run(self) -> None:
        """Fit, predict and store the result, and those of the branches the model is joined from.

        A branch alone is a model of its own, an ablation perhaps, and is not fitted again, whichever of the
        two comes first.
        """
        estimator = build_estimator(self.specification.estimator, self.specification.parameters, self.seed)
        adopted, adopted_s = {}, 0.0
        for name, branch in estimator.branches.items():
            alone = self._alone(branch)
            result = alone.result()
            if result is not None and self.keep:
                adopted[name] = load_estimator(alone.directory)
                adopted_s += float(result["fit_seconds"])
        if adopted:
            estimator.adopt(adopted)
        # A copy has the label and the group of its clip.
        clips, originals = join_copies(self.features.take(self.train), self.copies)
        known = self.train[originals]
        estimator.fit(clips, self._truth(known), list(self.table["group"].iloc[known]))
        estimator.fit_seconds_ += adopted_s
        self._store(estimator)
        for branch in estimator.branches.values():
            alone = self._alone(branch)
            if alone.result() is None:
                alone._store(branch)

    def _alone(self, branch: Estimator) -> Fit:
        """Return the fit of a branch, as if it had been asked for alone."""
        parameters = branch.parameters.model_dump(mode="json")
        own = {"estimator": branch.name, "features": branch.features, "parameters": parameters}
        specification = self.specification.model_copy(update=own)
        features = FeatureSet({feature: self.features[feature] for feature in branch.features})
        return replace(self, specification=specification, features=features, copies={})

    def _store(self, estimator: Estimator) -> None:
        unseen = self.features.take(self.test)
        started = time.perf_counter()
        told = self._predict(estimator, unseen)
        predict_seconds = time.perf_counter() - started
        attention = estimator.attention(unseen) if len(self.test) else None
        times, weights = attention or ([], [])
        if self.keep:
            estimator.save(self.directory)
        result = {
            "classes": list(estimator.classes_),
            "probabilities": told,
            "history": estimator.history_,
            "fit_seconds": estimator.fit_seconds_,
            "predict_seconds": predict_seconds,
            "n_parameters": int(estimator.n_parameters),
            "attention": _flat(weights),
            "attention_times": _flat(times),
            "attention_steps": np.array([len(clip) for clip in weights], dtype=np.int64),
        }
        self.cache.store.put(self.key, result)

    def _predict(self, estimator: Estimator, unseen: FeatureSet) -> np.ndarray:
        """Predict the test clips, relative to those of their speaker or to all where that is asked for."""
        if isinstance(estimator, Regressor):
            return estimator.predict(unseen)
        if self.specification.enrolment is None or not estimator.can_enrol or not len(self.test):
            return estimator.predict_proba(unseen)
        if self.specification.enrolment == "corpus":
            return estimator.predict_proba(unseen, unseen)
        groups = self.table["group"].to_numpy()[self.test]
        probabilities = np.zeros((len(self.test), len(estimator.classes_)))
        for group in np.unique(groups):
            own = np.flatnonzero(groups == group)
            probabilities[own] = estimator.predict_proba(unseen.take(own), unseen.take(own))
        return probabilities


def _predictions(fit: Fit, result: Mapping[str, Any]) -> pd.DataFrame:
    classes, tested = sorted(set(fit.table["emotion"])), fit.table.iloc[fit.test].reset_index(drop=True)
    rows = pd.DataFrame(
        {
            "clip_id": [fit.features.clip_ids[i] for i in fit.test],
            "group": list(tested["group"]),
            "fold": fit.fold,
            "seed": fit.seed,
        }
    )
    told = pd.DataFrame(result["probabilities"], columns=result["classes"])
    ratings = tested.drop(columns=["emotion", "group"])
    if len(ratings.columns):
        return pd.concat([rows, ratings, told.add_prefix("predicted_")], axis=1)
    probabilities = told.reindex(columns=classes, fill_value=0.0)
    rows["label"] = tested["emotion"]
    rows["predicted"] = np.array(classes)[probabilities.to_numpy().argmax(axis=1)]
    return pd.concat([rows, probabilities.add_prefix("p_")], axis=1)


def _history(fit: Fit, result: Mapping[str, Any]) -> pd.DataFrame:
    return pd.DataFrame([{"fold": fit.fold, "seed": fit.seed, **epoch} for epoch in result["history"]])


def _attention(fit: Fit, result: Mapping[str, Any]) -> pd.DataFrame:
    steps = result["attention_steps"]
    if not len(steps):
        return pd.DataFrame()
    ends = np.cumsum(steps)[:-1]
    return pd.DataFrame(
        {
            "clip_id": [fit.features.clip_ids[i] for i in fit.test],
            "times": np.split(result["attention_times"], ends),
            "weights": np.split(result["attention"], ends),
        }
    )


def _concat(frames: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    """Join tables; where all are empty, the columns are all there is."""
    known = [frame for frame in frames if len(frame)]
    return pd.concat(known, ignore_index=True) if known else pd.DataFrame(columns=list(columns))


def _cost(results: Sequence[tuple[Fit, Mapping[str, Any]]]) -> dict[str, float]:
    n_tested = sum(len(fit.test) for fit, _ in results)
    return {
        "fit_seconds": float(np.mean([result["fit_seconds"] for _, result in results])),
        "predict_ms_per_clip": 1000 * sum(result["predict_seconds"] for _, result in results) / n_tested,
        "n_parameters": float(np.mean([result["n_parameters"] for _, result in results])),
    }


def _flat(arrays: Sequence[np.ndarray] | None) -> np.ndarray:
    if not arrays:
        return np.empty(0)
    return np.concatenate([np.asarray(array, dtype=np.float32) for array in arrays])
