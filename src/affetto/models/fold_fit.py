"""One fit of a cross-validation: what it depends on, and what it leaves behind."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affetto.corpora.splits import ALWAYS_TRAINING, trained_on
from affetto.features.clip_features import FeatureSet
from affetto.features.joining import join_copies
from affetto.models.estimator import (
    Estimator,
    build_estimator,
    describe_estimator,
    holds_model,
    installed_versions,
    load_estimator,
)
from affetto.models.specification import ExperimentParameters, ModelSpecification
from affetto.results import ResultStore, fingerprint


@dataclass(frozen=True)
class FoldFit:
    """The fit of one fold and seed: everything a worker needs, cheap to send as features are memory-mapped.

    Attributes
    ----------
    specification, features, labels, groups
        The model and all clips of the experiment.
    train, test
        Indices of the clips that the model is fitted on, and of those it then predicts, if any.
    fold, seed
        Which fit this is.
    store
        Where its result is kept.
    models
        Folder where the fitted model is kept as well; None: it is forgotten.
    copies
        Name of each condition of the specification → the features of the clips as they sound in it. What is
        in them follows from the clips and the condition (`extract_degraded` fails where this machine is the
        reason that there is no copy), so the key names these alone.
    """

    specification: ModelSpecification
    features: FeatureSet
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    train: tuple[int, ...]
    test: tuple[int, ...]
    fold: int
    seed: int
    store: ResultStore
    models: Path | None = None
    copies: Mapping[str, FeatureSet] = field(default_factory=dict)

    def key(self) -> dict[str, Any]:
        """Return all that the result depends on."""
        return {
            "what": "fold",
            "libraries": installed_versions(),
            **describe_estimator(self.specification.estimator, self.specification.parameters),
            "seed": self.seed,
            "train": self._data(self.train),
            "test": self._data(self.test),
            **copies_key(self.specification),
        }

    def _data(self, indices: tuple[int, ...]) -> dict[str, Any]:
        return {
            "features": self.features.take(indices).fingerprint,
            "labels": [self.labels[index] for index in indices],
            "groups": [self.groups[index] for index in indices],
        }

    @property
    def directory(self) -> Path | None:
        """Folder of the fitted model, where models are kept."""
        return self.models / fingerprint(self.key()) if self.models else None

    def result(self) -> dict[str, Any] | None:
        """Return what an earlier run found; None where the fit, or the model to be kept, is missing."""
        if self.directory and not holds_model(self.directory):
            return None
        return self.store.get(self.key())

    def run(self) -> None:
        """Fit, predict and store the result, and those of the branches the model is joined from.

        A branch alone is a model of its own, an ablation perhaps, and is not fitted again, whichever of the
        two comes first.
        """
        estimator = build_estimator(self.specification.estimator, self.specification.parameters, self.seed)
        adopted_s = self._adopt_branches(estimator)
        estimator.fit(*self._training_data())
        estimator.fit_seconds_ += adopted_s
        self._keep(estimator)
        for branch in estimator.branches.values():
            alone = self._alone(branch)
            if alone.result() is None:
                alone._keep(branch)

    def _adopt_branches(self, estimator: Estimator) -> float:
        """Hand to a model the branches that were fitted and kept before; return how long that took, s."""
        adopted, seconds = {}, 0.0
        for name, branch in estimator.branches.items():
            alone = self._alone(branch)
            result = alone.result()
            if result is not None and alone.directory:
                adopted[name] = load_estimator(alone.directory)
                seconds += float(result["fit_seconds"])
        if adopted:
            estimator.adopt(adopted)
        return seconds

    def _training_data(self) -> tuple[FeatureSet, list[str], list[str]]:
        labels, groups = ([values[i] for i in self.train] for values in (self.labels, self.groups))
        return training_data(self.features.take(self.train), labels, groups, self.copies)

    def _keep(self, estimator: Estimator) -> None:
        if self.directory:
            estimator.save(self.directory)
        self.store.put(self.key(), _outcome(self, estimator))

    def _alone(self, branch: Estimator) -> FoldFit:
        """Return the fit of a branch, as if it had been asked for alone."""
        specification = self.specification.model_copy(
            update={
                "estimator": branch.name,
                "features": branch.features,
                "parameters": branch.parameters.model_dump(mode="json"),
            }
        )
        features = FeatureSet({feature: self.features[feature] for feature in branch.features})
        return replace(self, specification=specification, features=features, copies={})


def copies_key(specification: ModelSpecification) -> dict[str, Any]:
    """Return what tells a model fitted on copies from others; nothing where there are none."""
    conditions = {name: condition.description() for name, condition in specification.conditions.items()}
    return {"copies": conditions} if conditions else {}


def training_data(
    features: FeatureSet, labels: Sequence[str], groups: Sequence[str], copies: Mapping[str, FeatureSet]
) -> tuple[FeatureSet, list[str], list[str]]:
    """Put the copies of training clips beside them: a copy has the label and the group of its clip.

    Returns
    -------
    tuple
        Features, labels and groups of clips and copies.
    """
    joined, origins = join_copies(features, copies)
    return joined, [labels[i] for i in origins], [groups[i] for i in origins]


def plan_fits(
    specification: ModelSpecification,
    features: FeatureSet,
    table: pd.DataFrame,
    experiment: ExperimentParameters,
    store: ResultStore,
    models: Path | None,
    copies: Mapping[str, FeatureSet] | None = None,
) -> list[FoldFit]:
    """List the fits of an experiment: one a seed and fold, where both training and test have clips.

    Parameters
    ----------
    specification, features, experiment, store, models, copies
        As for `cross_validate`.
    table
        `emotion, group` of each clip of `features`, in its order, and the columns of `make_folds`.
    """
    fold_of = table["fold"].to_numpy()
    fits = []
    for seed in range(experiment.n_seeds):
        for fold in sorted(set(fold_of) - {ALWAYS_TRAINING}):
            train, test = np.flatnonzero(trained_on(table, fold)), np.flatnonzero(fold_of == fold)
            if len(train) and len(test):
                fits.append(
                    FoldFit(
                        specification,
                        features,
                        tuple(table["emotion"]),
                        tuple(table["group"]),
                        tuple(train.tolist()),
                        tuple(test.tolist()),
                        int(fold),
                        seed,
                        store,
                        models,
                        copies or {},
                    )
                )
    return fits


def _outcome(fit: FoldFit, estimator: Estimator) -> Mapping[str, Any]:
    unseen = fit.features.take(fit.test)
    started = time.perf_counter()
    probabilities = estimator.predict_proba(unseen)
    predict_seconds = time.perf_counter() - started
    weights = estimator.attention(unseen) if fit.test else None
    times = estimator.attention_times(unseen) if fit.test else None
    return {
        "classes": list(estimator.classes_),
        "probabilities": probabilities,
        "history": estimator.history_,
        "fit_seconds": estimator.fit_seconds_,
        "predict_seconds": predict_seconds,
        "n_parameters": int(estimator.n_parameters),
        "attention": _flat(weights),
        "attention_times": _flat(times),
        "attention_steps": np.array([len(clip) for clip in weights or []], dtype=np.int64),
    }


def _flat(arrays: Sequence[np.ndarray] | None) -> np.ndarray:
    return (
        np.concatenate([np.asarray(array, dtype=np.float32) for array in arrays]) if arrays else np.empty(0)
    )
