"""What the models of a cross-validation answer to other clips than they were tested with, or to copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from affetto.evaluation.asking import Answers, Question, ask_all
from affetto.features.clip_features import FeatureSet
from affetto.models.estimator import load_estimator
from affetto.models.experiment import FoldModel
from affetto.parallel import ExecutorParameters
from affetto.results import ResultStore

if TYPE_CHECKING:
    from affetto.models.estimator import Estimator

ANSWER_COLUMNS = ("clip_id", "fold", "seed", "predicted", "probability", "novelty")


@dataclass(frozen=True)
class Prediction:
    """The inquiry what a model predicts, how sure it is, and how new the clips are to it."""

    def description(self) -> dict[str, Any]:
        """Return its name."""
        return {"what": "prediction"}

    def ask(self, model: Estimator, features: FeatureSet) -> dict[str, np.ndarray]:
        """Ask: `predicted`, its `probability` and `novelty` (NaN where the model does not tell)."""
        probabilities = model.predict_proba(features)
        novelty = model.novelty(features)
        return {
            "predicted": probabilities.argmax(axis=1).astype(np.int64),
            "probability": probabilities.max(axis=1),
            "novelty": np.full(features.n_clips, np.nan) if novelty is None else novelty,
        }


@dataclass(frozen=True)
class Asked:
    """Clips that the model of a fold is asked about.

    Attributes
    ----------
    model, kind
        What the answers are found by: name of the model, and what kind of clips they are.
    kept
        The model.
    features
        Of the clips, all that the model reads.
    """

    model: str
    kind: str
    kept: FoldModel
    features: FeatureSet

    def question(self, store: ResultStore) -> Question:
        """Return the question whose answers are kept in `store`."""
        kept = self.kept
        return Question(
            kept.directory, load_estimator, kept.fold, kept.seed, self.features, Prediction(), store
        )


def own_clips(kept: FoldModel, features: FeatureSet) -> FeatureSet:
    """Return those of the clips, or of their copies, that a model was tested with."""
    tested = set(kept.test)
    return features.select([clip_id for clip_id in features.clip_ids if clip_id in tested])


def ask_models(
    asked: Sequence[Asked], *, store: ResultStore, executor: ExecutorParameters, description: str
) -> Mapping[tuple[str, str], pd.DataFrame]:
    """Let the models of the folds answer.

    Parameters
    ----------
    asked
        What they are asked about; without clips, nothing is asked.
    store
        Answers are found here and never asked for again.
    executor
        Where the models run.
    description
        Label of the progress bar.

    Returns
    -------
    dict
        Model and kind → `ANSWER_COLUMNS`, a row a clip and model of a fold.
    """
    open_ones = [each for each in asked if each.features.n_clips]
    answers = ask_all([each.question(store) for each in open_ones], executor, description)
    rows: dict[tuple[str, str], list[pd.DataFrame]] = {}
    for each, answer in zip(open_ones, answers, strict=True):
        rows.setdefault((each.model, each.kind), []).append(_rows(answer))
    return {name: pd.concat(tables, ignore_index=True) for name, tables in rows.items()}


def _rows(answer: Answers) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "clip_id": list(answer.clip_ids),
            "fold": answer.fold,
            "seed": answer.seed,
            "predicted": np.array(answer.classes, dtype=object)[np.asarray(answer.told["predicted"])],
            "probability": np.asarray(answer.told["probability"]),
            "novelty": np.asarray(answer.told["novelty"]),
        }
    )
