"""Questions to the kept model of a fold: what it says of highlights and of excerpts drawn at random."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from affetto.evaluation.parameters import HighlightTestParameters
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.features.highlight import find_highlight
from affetto.results import ResultStore, source_fingerprint

FRAMES = "mfcc"
"""The feature whose frames say how long a clip is."""


class Attentive(Protocol):
    """What is asked of a model."""

    @property
    def classes_(self) -> tuple[str, ...]:
        """Names of the classes."""
        ...

    def predict_proba(self, x: FeatureSet) -> np.ndarray:
        """Return the probability of each class, [n_clips, n_classes]."""
        ...

    def attention(self, x: FeatureSet) -> list[np.ndarray] | None:
        """Return the weight of each step of each clip, or None."""
        ...

    def attention_times(self, x: FeatureSet) -> list[np.ndarray] | None:
        """Return the start of each step of each clip in seconds, or None."""
        ...


@dataclass(frozen=True)
class ExcerptAnswers:
    """What the model of a fold said of clips that are long enough; positions of classes.

    Attributes
    ----------
    fold, seed
        Which model it was.
    clip_ids, classes
        Its test clips, and its classes.
    whole, highlight
        int64 [n_clips], told of the whole clip and of its highlight.
    random
        int64 [n_random, n_clips], told of the excerpts drawn.
    """

    fold: int
    seed: int
    clip_ids: tuple[str, ...]
    classes: tuple[str, ...]
    whole: np.ndarray
    highlight: np.ndarray
    random: np.ndarray


@dataclass(frozen=True)
class ExcerptTask:
    """All questions to one model.

    Attributes
    ----------
    directory
        Folder of the model; its name stands for all that the model was made of.
    load
        Reads it.
    fold, seed
        Which model it is.
    features
        Its test clips; those hardly longer than an excerpt are left out.
    parameters
        Length of the excerpts, how many are drawn, and the seed of the draws.
    store
        Where the answers are kept.
    """

    directory: Path
    load: Callable[[Path], Attentive]
    fold: int
    seed: int
    features: FeatureSet
    parameters: HighlightTestParameters
    store: ResultStore

    def key(self) -> dict[str, Any]:
        """Return all that the answers depend on."""
        return {
            "what": "highlights",
            "method": source_fingerprint(Path(__file__).parent),
            "model": self.directory.name,
            "features": self.features.fingerprint,
            "parameters": self.parameters.model_dump(mode="json"),
        }

    def answers(self) -> ExcerptAnswers | None:
        """Return what was said earlier; None when the model was not asked yet."""
        found = self.store.get(self.key())
        if found is None:
            return None
        told = (found["whole"], found["highlight"], found["random"])
        return ExcerptAnswers(self.fold, self.seed, self._long().clip_ids, tuple(found["classes"]), *told)

    def run(self) -> None:
        """Ask the model and keep its answers."""
        model = self.load(self.directory)
        whole, highlight, random = ask_excerpts(model, self._long(), self.parameters, self.fold)
        told = {"classes": list(model.classes_), "whole": whole, "highlight": highlight, "random": random}
        self.store.put(self.key(), told)

    def _long(self) -> FeatureSet:
        return long_clips(self.features, self.parameters)


def long_clips(features: FeatureSet, parameters: HighlightTestParameters) -> FeatureSet:
    """Keep the clips that leave a choice: at least `least_ratio` times as long as an excerpt."""
    shortest = parameters.least_ratio * float(parameters.length_s or 0.0)
    return features.take(np.flatnonzero(durations_s(features[FRAMES]) >= shortest))


def durations_s(clips: ClipFeatures) -> np.ndarray:
    """Return how long each clip is, s, from the number of its frames."""
    return np.asarray(clips.n_frames) * float(clips.hop_s or 0.0)


def ask_excerpts(
    model: Attentive, features: FeatureSet, parameters: HighlightTestParameters, fold: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ask a model about whole clips, their highlights and random excerpts of the same length.

    Parameters
    ----------
    model
        What is asked; it attends.
    features
        The clips, all longer than an excerpt.
    parameters
        Length of an excerpt, number of draws and their seed.
    fold
        Of the model; part of the seed.

    Returns
    -------
    tuple of numpy.ndarray
        As in `ExcerptAnswers`. Without clips or without attention the arrays are empty.
    """
    weights, times = model.attention(features), model.attention_times(features)
    if not features.n_clips or weights is None or times is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((parameters.n_random, 0), np.int64)
    length_s, durations = float(parameters.length_s or 0.0), durations_s(features[FRAMES])
    chosen = [
        find_highlight(*clip, highlight_s=length_s).start_s
        for clip in zip(times, weights, durations, strict=True)
    ]
    rng = np.random.default_rng([parameters.seed, fold])
    draws = rng.uniform(0.0, durations - length_s, (parameters.n_random, len(durations)))
    told = [
        model.predict_proba(cut(features, starts, length_s)).argmax(axis=1) for starts in (chosen, *draws)
    ]
    return model.predict_proba(features).argmax(axis=1), told[0], np.stack(told[1:])


def cut(features: FeatureSet, starts_s: Sequence[float] | np.ndarray, length_s: float) -> FeatureSet:
    """Cut a stretch out of each clip, in all its features.

    Frames that start inside the stretch are kept, at least one. They were computed on the whole clip: what
    looks further than a frame (deltas, mid-term windows) knows a little of what surrounds the stretch.

    Parameters
    ----------
    features
        Sequences.
    starts_s
        Start of the stretch in each clip, s.
    length_s
        Its length, s.
    """
    return FeatureSet({name: _cut_feature(feature, starts_s, length_s) for name, feature in features.items()})


def _cut_feature(
    feature: ClipFeatures, starts_s: Sequence[float] | np.ndarray, length_s: float
) -> ClipFeatures:
    hop_s = float(feature.hop_s or 1.0)
    parts = []
    for i, start_s in enumerate(starts_s):
        first = min(int(np.ceil(start_s / hop_s)), int(feature.n_frames[i]) - 1)
        parts.append(feature[i][first : max(first + 1, int((start_s + length_s) / hop_s))])
    return ClipFeatures.from_arrays(
        feature.name,
        feature.clip_ids,
        parts,
        dimensions=feature.dimensions,
        hop_s=feature.hop_s,
        parameters=feature.parameters,
    )
