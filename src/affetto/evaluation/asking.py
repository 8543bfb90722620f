"""Questions to kept models: asked once, their answers kept, whatever is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from affetto.errors import AffettoError
from affetto.features.clip_features import FeatureSet
from affetto.parallel import ExecutorParameters, map_shards
from affetto.results import ResultStore
from affetto.whole_files import reading

VERSION = 1
"""Of how answers are computed. Raise it with every change that gives other answers of the same model."""
NOT_ASKED = -1
"""Stands for the class of a clip that the model was not asked about."""


class Inquiry(Protocol):
    """What is asked of a model about its test clips."""

    def description(self) -> dict[str, Any]:
        """Return all that the answers depend on besides the model and the clips, `what` among it."""
        ...

    def ask(self, model: Any, features: FeatureSet) -> dict[str, np.ndarray]:
        """Ask: name of an answer → [..., n_clips]; of emotions, positions of classes or `NOT_ASKED`."""
        ...


@dataclass(frozen=True)
class Truth:
    """What is known of the clips.

    Attributes
    ----------
    labels, groups
        Clip → emotion, and clip → speaker, artist or song.
    """

    labels: Mapping[str, str]
    groups: Mapping[str, str]

    @classmethod
    def of(cls, clips: pd.DataFrame) -> Truth:
        """Read a clip table with `clip_id, emotion, group`."""
        names = list(clips["clip_id"])
        return cls(
            dict(zip(names, clips["emotion"], strict=True)), dict(zip(names, clips["group"], strict=True))
        )


@dataclass(frozen=True)
class Answers:
    """What the model of a fold said.

    Attributes
    ----------
    fold, seed
        Which model it was.
    clip_ids, classes
        Its test clips and its classes.
    told
        What `Inquiry.ask` returned.
    """

    fold: int
    seed: int
    clip_ids: tuple[str, ...]
    classes: tuple[str, ...]
    told: Mapping[str, np.ndarray]

    def rows(self, told: np.ndarray, truth: Truth, seed: int) -> pd.DataFrame:
        """Make a row a clip of one answer int64 [n_clips]; clips that were not asked about have none.

        A model that was asked again counts as a model of another seed, hence the argument.

        Returns
        -------
        DataFrame
            `clip_id, group, fold, seed, label, predicted`.
        """
        asked = np.flatnonzero(told != NOT_ASKED)
        clip_ids = [self.clip_ids[i] for i in asked]
        return pd.DataFrame(
            {
                "clip_id": clip_ids,
                "group": [truth.groups[clip_id] for clip_id in clip_ids],
                "fold": self.fold,
                "seed": seed,
                "label": [truth.labels[clip_id] for clip_id in clip_ids],
                "predicted": np.array(self.classes, dtype=object)[told[asked]],
            }
        )


@dataclass(frozen=True)
class Question:
    """Something asked of the model of one fold; cheap to send to a worker, as features are memory-mapped.

    Attributes
    ----------
    directory
        Folder of the model; its name stands for all that the model was made of.
    load
        Reads it; it has `classes_`.
    fold, seed
        Which model it is.
    features
        Its test clips.
    inquiry
        What is asked.
    store
        Where the answers are kept.
    """

    directory: Path
    load: Callable[[Path], Any]
    fold: int
    seed: int
    features: FeatureSet
    inquiry: Inquiry
    store: ResultStore

    def key(self) -> dict[str, Any]:
        """Return all that the answers depend on."""
        return {
            "version": VERSION,
            "model": self.directory.name,
            "features": self.features.fingerprint,
            **self.inquiry.description(),
        }

    def answers(self) -> Answers | None:
        """Return what was said earlier; None when the model was not asked yet."""
        found = self.store.get(self.key())
        if found is None:
            return None
        told = {name: value for name, value in found.items() if name != "classes"}
        return Answers(self.fold, self.seed, self.features.clip_ids, tuple(found["classes"]), told)

    def ask(self, model: Any) -> None:
        """Ask the model, which `load` read, and keep its answers."""
        told = self.inquiry.ask(model, self.features)
        self.store.put(self.key(), {"classes": list(model.classes_), **told})


def ask_all(questions: Sequence[Question], executor: ExecutorParameters, description: str) -> list[Answers]:
    """Ask the models that were not asked yet; return the answers of all, in order.

    Parameters
    ----------
    questions
        Any number a model; each model is loaded once for all of its open ones.
    executor
        Where the models run.
    description
        Label of the progress bar.

    Raises
    ------
    AffettoError
        When answers vanish from the store meanwhile.
    """
    missing: dict[Path, list[Question]] = {}
    for question in questions:
        if question.answers() is None:
            missing.setdefault(question.directory, []).append(question)
    if missing:
        units = [len(each) for each in missing.values()]
        jobs = list(missing.values())
        map_shards(_ask, jobs, executor, description=description, total_units=units, unit="answer")
    return [_known(question) for question in questions]


def _ask(questions: Sequence[Question]) -> None:
    """Ask one model everything that it was not asked yet."""
    directory = questions[0].directory
    with reading(directory, otherwise="delete that folder and run the pipeline of its side again"):
        model = questions[0].load(directory)
    for question in questions:
        question.ask(model)


def _known(question: Question) -> Answers:
    answers = question.answers()
    if answers is None:
        raise AffettoError(
            f"The answers of fold {question.fold} vanished from {question.store.root}: run again."
        )
    return answers
