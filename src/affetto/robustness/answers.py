"""What the models of a cross-validation answer to copies of the clips they were tested with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from affetto.features.clip_features import FeatureSet
from affetto.models.experiment import FoldModel
from affetto.models.registry import load_estimator
from affetto.parallel import ExecutorParameters, map_shards
from affetto.results import ResultStore


@dataclass(frozen=True)
class _Question:
    """Copies of the test clips of one fitted model, by condition."""

    model: FoldModel
    copies: Mapping[str, FeatureSet]
    store: ResultStore

    def key(self, condition: str) -> dict[str, Any]:
        """Return all that an answer depends on; the folder is named after the fit."""
        copies = self.copies[condition].fingerprint
        return {"what": "robustness", "model": self.model.directory.name, "copies": copies}

    def answer(self, condition: str) -> dict[str, Any] | None:
        """Return the answer of an earlier run."""
        return self.store.get(self.key(condition))

    def rows(self, condition: str) -> pd.DataFrame:
        """Return `clip_id, fold, seed, predicted` of the copies in a condition."""
        answer = self.answer(condition) or {"classes": [], "chosen": []}
        return pd.DataFrame(
            {
                "clip_id": list(self.copies[condition].clip_ids),
                "fold": self.model.fold,
                "seed": self.model.seed,
                "predicted": np.array(answer["classes"])[np.asarray(answer["chosen"])],
            }
        )


def ask_models(
    models: Mapping[str, Sequence[FoldModel]],
    copies: Mapping[str, Mapping[str, FeatureSet]],
    *,
    store: ResultStore,
    executor: ExecutorParameters,
) -> dict[str, dict[str, pd.DataFrame]]:
    """Let every model of every fold predict the copies of its own test clips.

    Parameters
    ----------
    models
        Name → the models that its cross-validation kept.
    copies
        Name → condition → features that the model reads, of the copies.
    store
        Answers are found here and never asked for again.
    executor
        Where the models run.

    Returns
    -------
    dict
        Name → condition → a row a clip and seed: `clip_id, fold, seed, predicted`.
    """
    questions = {
        name: [_question(model, copies[name], store) for model in kept] for name, kept in models.items()
    }
    every = [question for each in questions.values() for question in each]
    open_questions = [question for question in every if _missing(question)]
    if open_questions:
        units = [len(_missing(question)) for question in open_questions]
        map_shards(
            _ask, open_questions, executor, description="robustness", total_units=units, unit="prediction"
        )
    return {
        name: {
            condition: pd.concat([question.rows(condition) for question in each], ignore_index=True)
            for condition in copies[name]
        }
        for name, each in questions.items()
    }


def _question(model: FoldModel, copies: Mapping[str, FeatureSet], store: ResultStore) -> _Question:
    tested = set(model.test)
    own = {
        condition: features.select([clip_id for clip_id in features.clip_ids if clip_id in tested])
        for condition, features in copies.items()
    }
    return _Question(model, own, store)


def _missing(question: _Question) -> list[str]:
    return [condition for condition in question.copies if question.answer(condition) is None]


def _ask(question: _Question) -> None:
    """Load a model once and store its answers in all conditions."""
    estimator = load_estimator(question.model.directory)
    for condition in _missing(question):
        chosen = estimator.predict_proba(question.copies[condition]).argmax(axis=1)
        answer = {"classes": list(estimator.classes_), "chosen": chosen.astype(np.int64)}
        question.store.put(question.key(condition), answer)
