"""Asking a model about highlights of its test clips and about excerpts drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from affetto.evaluation.asking import NOT_ASKED
from affetto.evaluation.parameters import HighlightTestParameters
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.features.highlight import find_highlight

FRAMES = "mfcc"
"""The feature whose frames say how long a clip is."""


class Attentive(Protocol):
    """What is asked of a model."""

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
class ExcerptInquiry:
    """What a model says of clips, of their highlights, and of excerpts drawn at random.

    Attributes
    ----------
    parameters
        Length of the excerpts, how many are drawn, and the seed of the draws.
    fold
        Of the model; part of the seed.
    """

    parameters: HighlightTestParameters
    fold: int

    def description(self) -> dict[str, Any]:
        """Return parameters and fold."""
        parameters = self.parameters.model_dump(mode="json")
        return {"what": "highlights", "fold": self.fold, "parameters": parameters}

    def ask(self, model: Attentive, features: FeatureSet) -> dict[str, np.ndarray]:
        """Ask: `whole` and `highlight` [n_clips], `random` [n_random, n_clips].

        Nothing is asked about clips hardly longer than an excerpt, and nothing of a model without attention.
        """
        chosen = long_clips(features, self.parameters)
        told = ask_excerpts(model, features.take(chosen), self.parameters, self.fold)
        return {name: _at(chosen, features.n_clips, each) for name, each in told.items()}


def long_clips(features: FeatureSet, parameters: HighlightTestParameters) -> np.ndarray:
    """Find the clips that leave a choice, at least `least_ratio` times as long as an excerpt: positions."""
    shortest = parameters.least_ratio * float(parameters.length_s or 0.0)
    return np.flatnonzero(durations_s(features[FRAMES]) >= shortest)


def durations_s(clips: ClipFeatures) -> np.ndarray:
    """Return how long each clip is, s, from the number of its frames."""
    return np.asarray(clips.n_frames) * float(clips.hop_s or 0.0)


def ask_excerpts(
    model: Attentive, features: FeatureSet, parameters: HighlightTestParameters, fold: int
) -> dict[str, np.ndarray]:
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
    dict
        `whole` and `highlight` int64 [n_clips], position of the class told of the whole clip and of its
        highlight; `random` [n_random, n_clips], told of the excerpts drawn. `NOT_ASKED` without attention.
    """
    weights, times = model.attention(features), model.attention_times(features)
    if not features.n_clips or weights is None or times is None:
        nothing = np.full((parameters.n_random, features.n_clips), NOT_ASKED, dtype=np.int64)
        return {"whole": nothing[0], "highlight": nothing[0], "random": nothing}
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
    whole = model.predict_proba(features).argmax(axis=1)
    return {"whole": whole, "highlight": told[0], "random": np.stack(told[1:])}


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


def _at(chosen: np.ndarray, n_clips: int, told: np.ndarray) -> np.ndarray:
    """Put what was told of the chosen clips [..., n_chosen] into its place among all, [..., n_clips]."""
    everyone = np.full((*told.shape[:-1], n_clips), NOT_ASKED, dtype=np.int64)
    everyone[..., chosen] = told
    return everyone


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
