"""Questions to the kept model of a fold: what it says of a speaker's clips once a few others are enrolled."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from affetto.evaluation.parameters import EnrolmentParameters
from affetto.features.clip_features import FeatureSet
from affetto.results import ResultStore, source_fingerprint

NOT_ASKED = -1
"""Stands for the class of a clip that was enrolled itself, or whose speaker has too few clips."""


class Enrollable(Protocol):
    """What is asked of a model."""

    @property
    def classes_(self) -> tuple[str, ...]:
        """Names of the classes."""
        ...

    def predict_proba(self, x: FeatureSet, enrolment: FeatureSet | None = None) -> np.ndarray:
        """Return the probability of each class, [n_clips, n_classes]."""
        ...


@dataclass(frozen=True)
class EnrolmentAnswers:
    """What the model of a fold said.

    Attributes
    ----------
    fold, seed
        Which model it was.
    clip_ids, groups, classes
        Its test clips, their speakers, and its classes.
    anyone
        int64 [n_clips], position of the class told when nobody is enrolled.
    enrolled
        int64 [n_sizes, n_repeats, n_clips], the same with so many clips of the speaker enrolled, or
        `NOT_ASKED`.
    """

    fold: int
    seed: int
    clip_ids: tuple[str, ...]
    groups: tuple[str, ...]
    classes: tuple[str, ...]
    anyone: np.ndarray
    enrolled: np.ndarray


@dataclass(frozen=True)
class EnrolmentTask:
    """All questions to one model; cheap to send to a worker as features are memory-mapped.

    Attributes
    ----------
    directory
        Folder of the model; its name stands for all that the model was made of.
    load
        Reads it.
    fold, seed
        Which model it is.
    features, groups
        Its test clips and the speaker of each.
    parameters
        How many clips are enrolled, how often, and the seed of the draws.
    store
        Where the answers are kept.
    """

    directory: Path
    load: Callable[[Path], Enrollable]
    fold: int
    seed: int
    features: FeatureSet
    groups: tuple[str, ...]
    parameters: EnrolmentParameters
    store: ResultStore

    def key(self) -> dict[str, Any]:
        """Return all that the answers depend on."""
        return {
            "what": "enrolment",
            "method": source_fingerprint(Path(__file__).parent),
            "model": self.directory.name,
            "features": self.features.fingerprint,
            "groups": list(self.groups),
            "parameters": self.parameters.model_dump(mode="json"),
        }

    def answers(self) -> EnrolmentAnswers | None:
        """Return what was said earlier; None when the model was not asked yet."""
        found = self.store.get(self.key())
        if found is None:
            return None
        told = (tuple(found["classes"]), found["anyone"], found["enrolled"])
        return EnrolmentAnswers(self.fold, self.seed, self.features.clip_ids, self.groups, *told)

    def run(self) -> None:
        """Ask the model and keep its answers."""
        model = self.load(self.directory)
        anyone = model.predict_proba(self.features).argmax(axis=1)
        enrolled = ask_enrolled(model, self.features, self.groups, self.parameters)
        self.store.put(self.key(), {"classes": list(model.classes_), "anyone": anyone, "enrolled": enrolled})


def ask_enrolled(
    model: Enrollable, features: FeatureSet, groups: Sequence[str], parameters: EnrolmentParameters
) -> np.ndarray:
    """Ask a model about the clips of each speaker after it has heard others of them.

    Parameters
    ----------
    model
        What is asked.
    features, groups
        The clips, and the speaker of each.
    parameters
        How many clips are enrolled, how often, and the seed of the draws.

    Returns
    -------
    numpy.ndarray
        As `enrolled` of `EnrolmentAnswers`. A speaker without a clip left to score is not asked about.
    """
    shape = (len(parameters.sizes), parameters.repeats, features.n_clips)
    told = np.full(shape, NOT_ASKED, dtype=np.int64)
    for speaker in sorted(set(groups)):
        own = np.flatnonzero(np.asarray(groups, dtype=object) == speaker)
        for repeat in range(parameters.repeats):
            order = own[draw([features.clip_ids[i] for i in own], speaker, parameters.seed, repeat)]
            for place, size in enumerate(parameters.sizes):
                heard, others = order[:size], np.sort(order[size:])
                if len(others):
                    answer = model.predict_proba(features.take(others), enrolment=features.take(heard))
                    told[place, repeat, others] = answer.argmax(axis=1)
    return told


def draw(clip_ids: Sequence[str], speaker: str, seed: int, repeat: int) -> np.ndarray:
    """Draw the order in which clips of a speaker are enrolled, int64 [n_clips].

    It depends on nothing but the arguments, and not on the order of the clips: all models are told the same
    clips, and a larger enrolment holds the smaller ones.
    """
    lot = int.from_bytes(hashlib.blake2b(speaker.encode(), digest_size=8).digest(), "little")
    by_name = np.argsort(np.asarray(clip_ids, dtype=object))
    return np.asarray(by_name[np.random.default_rng([seed, repeat, lot]).permutation(len(by_name))])
