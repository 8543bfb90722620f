"""Asking a model about a speaker's clips once a few others of them are enrolled."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from affetto.evaluation.asking import NOT_ASKED
from affetto.evaluation.parameters import EnrolmentParameters
from affetto.features.clip_features import FeatureSet


class Enrollable(Protocol):
    """What is asked of a model."""

    def predict_proba(self, x: FeatureSet, enrolment: FeatureSet | None = None) -> np.ndarray:
        """Return the probability of each class, [n_clips, n_classes]."""
        ...


@dataclass(frozen=True)
class EnrolmentInquiry:
    """What a model says of a speaker's clips, before and after others of them are enrolled.

    Attributes
    ----------
    groups
        Speaker of each clip.
    parameters
        How many clips are enrolled, how often, and the seed of the draws.
    """

    groups: tuple[str, ...]
    parameters: EnrolmentParameters

    def description(self) -> dict[str, Any]:
        """Return speakers and parameters."""
        parameters = self.parameters.model_dump(mode="json")
        return {"what": "enrolment", "groups": list(self.groups), "parameters": parameters}

    def ask(self, model: Enrollable, features: FeatureSet) -> dict[str, np.ndarray]:
        """Ask: `anyone` [n_clips], when nobody is enrolled, and `enrolled` as `ask_enrolled`."""
        return {
            "anyone": model.predict_proba(features).argmax(axis=1),
            "enrolled": ask_enrolled(model, features, self.groups, self.parameters),
        }


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
        int64 [n_sizes, n_repeats, n_clips], position of the class told with so many clips of the speaker
        enrolled; `NOT_ASKED` for the enrolled clips, and where no clip is left to score.
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
