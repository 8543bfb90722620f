"""The robustness table: every model of a task, in every condition."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from affetto.audio.conditions import AnyCondition, Condition
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.robustness import ROBUSTNESS_COLUMNS, robustness_row, unknown_row
from affetto.experiments.answers import Asked, ask_models, own_clips
from affetto.features.clip_features import FeatureSet
from affetto.features.degraded import extract_degraded
from affetto.models.experiment import FoldModel
from affetto.parallel import ExecutorParameters
from affetto.results import ResultStore

logger = logging.getLogger(__name__)

_COPIES_AT_ONCE = 200_000  # places of as many copies are in memory at a time, some 200 bytes each


@dataclass(frozen=True)
class Candidate:
    """A model of the comparison.

    Attributes
    ----------
    role
        `proposed`, `ablation` or `baseline`.
    features
        Names of the features it reads.
    kept
        Its models of all folds and seeds.
    predictions
        What these answered to the clips as they are: a row a clip and seed.
    learnt
        Conditions of the copies of training clips that they have learnt from.
    """

    role: str
    features: tuple[str, ...]
    kept: Sequence[FoldModel]
    predictions: pd.DataFrame
    learnt: Sequence[Condition] = ()

    def reads(self, features: FeatureSet) -> FeatureSet:
        """Return those of the features that it reads."""
        return FeatureSet({name: features[name] for name in self.features})

    def has_learnt(self, condition: Condition) -> bool:
        """Tell whether copies in the same condition, whatever its name, were among the training clips."""
        return condition.description() in [each.description() for each in self.learnt]


@dataclass(frozen=True)
class Recordings:
    """Where the clips are, and where features of their copies are kept."""

    clips: pd.DataFrame
    root: Path
    other_roots: Mapping[str, Path]
    degraded: Path

    def heard_in(
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


def measure_robustness(
    models: Mapping[str, Candidate],
    features: FeatureSet,
    recordings: Recordings,
    evaluation: EvaluationParameters,
    *,
    store: ResultStore,
    executor: ExecutorParameters,
) -> pd.DataFrame:
    """Test models again on degraded copies of their test clips.

    Parameters
    ----------
    models
        By name.
    features
        All features that the models read, of the clips to degrade as they are.
    recordings
        Where the clips are.
    evaluation
        Conditions and tolerances; how intervals are made.
    store
        Answers of models are found here and never asked for again.
    executor
        Where to extract and predict.

    Returns
    -------
    DataFrame
        `ROBUSTNESS_COLUMNS`, a row a condition and model.
    """
    rows = []
    for part in _parts(evaluation.robustness.chosen, features.n_clips):
        rows += _rows(part, models, features, recordings, evaluation, store, executor)
    return pd.DataFrame(rows, columns=list(ROBUSTNESS_COLUMNS))


def _parts(conditions: Mapping[str, Condition], n_clips: int) -> Iterator[dict[str, Condition]]:
    """Yield as many conditions at a time as memory that does not grow with the corpus allows."""
    at_once = max(1, _COPIES_AT_ONCE // max(n_clips, 1))
    names = list(conditions)
    for start in range(0, len(names), at_once):
        yield {name: conditions[name] for name in names[start : start + at_once]}


def _rows(
    conditions: Mapping[str, Condition],
    models: Mapping[str, Candidate],
    features: FeatureSet,
    recordings: Recordings,
    evaluation: EvaluationParameters,
    store: ResultStore,
    executor: ExecutorParameters,
) -> list[dict[str, Any]]:
    reasons = {name: condition.unavailable() for name, condition in conditions.items()}
    copies = {
        name: recordings.heard_in(condition, features, executor, f"robustness, {name}")
        for name, condition in conditions.items()
        if reasons[name] is None
    }
    heard = {name: each for name, each in copies.items() if each.n_clips}
    asked = [
        Asked(name, condition, kept, own_clips(kept, model.reads(features)))
        for name, model in models.items()
        for kept in model.kept
        for condition, features in heard.items()
    ]
    answers = ask_models(asked, store=store, executor=executor, description="robustness")
    rows = []
    for condition, parameters in conditions.items():
        for name, model in models.items():
            shared = {
                "condition": condition,
                "family": parameters.family,
                "model": name,
                "role": model.role,
                "tolerance": evaluation.robustness.tolerance_of(parameters),
                "trained_on": "yes" if model.has_learnt(parameters) else "no",
            }
            if (name, condition) in answers:
                answer = answers[name, condition]
                rows.append({**shared, **robustness_row(answer, model.predictions, evaluation)})
            else:
                rows.append({**shared, **unknown_row(reasons[condition] or "no clip could be degraded")})
    return rows
