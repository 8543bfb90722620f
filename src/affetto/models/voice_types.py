"""Kinds of voices, found among the training speakers without being told sex or age: low voices and high ones.

What a descriptor says about an emotion is relative to the voice: 200 Hz are an excited man or a calm woman.
The mean of the speaker would tell, but a single clip does not tell that mean. It does tell which kind of
voice is heard, whatever the emotion, and the mean of that kind is known from training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
from pydantic import Field

from affetto.errors import AffettoError
from affetto.models.calibration import softmax
from affetto.models.logistic import fit_logistic, span
from affetto.models.speakers import group_offsets, several_labels

VoiceTypeCount = Annotated[
    int,
    Field(
        ge=1,
        le=8,
        description="Kinds of voices that features are taken relative to, found among the training speakers; "
        "1: all voices alike.",
    ),
]
"""A parameter of every model that knows kinds of voices."""
_STARTS = 20
_ARRAYS = ("type_weights", "type_bias", "type_offsets")


@dataclass(frozen=True)
class VoiceTypes:
    """Tells the kinds of voices apart by a linear classifier, and knows how each differs from all of them.

    Attributes
    ----------
    weights, bias
        Of the classifier, float64 [n_dimensions, n_types] and [n_types].
    offsets
        float64 [n_types, n_dimensions]: what clips of a kind have more than others of the same emotion.
    """

    weights: np.ndarray
    bias: np.ndarray
    offsets: np.ndarray

    @classmethod
    def learn(
        cls,
        vectors: np.ndarray,
        labels: np.ndarray,
        groups: np.ndarray,
        *,
        scale: np.ndarray,
        n_types: int,
        penalty: float,
    ) -> Self:
        """Cluster the speakers, and learn to tell their clusters apart from single clips.

        Parameters
        ----------
        vectors
            float64 [n_clips, n_dimensions].
        labels, groups
            Emotion and speaker of each clip, [n_clips].
        scale
            What vectors are multiplied by before they are compared, [n_dimensions].
        n_types
            Kinds of voices. There is one kind alone where there are no more speakers than that, and where no
            speaker is known in several emotions: what is one's own cannot be told from an emotion then.
        penalty
            L2 penalty of the classifier, see `fit_logistic`.
        """
        from sklearn.cluster import KMeans

        speakers, members = np.unique(groups.astype(str), return_inverse=True)
        if n_types == 1 or len(speakers) <= n_types or not several_labels(labels, groups):
            return cls._one(vectors.shape[1])
        places, _ = span(group_offsets(vectors, labels, members) * scale)
        if not places.shape[1]:  # no two speakers have an emotion in common
            return cls._one(vectors.shape[1])
        clusters = KMeans(n_types, n_init=_STARTS, random_state=0).fit_predict(places)
        found, types = np.unique(clusters[members], return_inverse=True)
        weights, bias = fit_logistic(vectors * scale, types, len(found), penalty=penalty, class_weights=True)
        learnt = weights * scale[:, None], bias, group_offsets(vectors, labels, types)
        return cls(*(each.astype(np.float32).astype(np.float64) for each in learnt))  # as they are saved

    @classmethod
    def _one(cls, n_dimensions: int) -> Self:
        """Return a single kind, of which nothing is to be taken off."""
        return cls(np.zeros((n_dimensions, 1)), np.zeros(1), np.zeros((1, n_dimensions)))

    @property
    def n_parameters(self) -> int:
        """Numbers that were learnt; none of a single kind."""
        return 0 if len(self.offsets) == 1 else self.weights.size + self.bias.size + self.offsets.size

    def shares(self, vectors: np.ndarray) -> np.ndarray:
        """Return the probability of each kind, float64 [n_clips, n_types]."""
        return softmax(vectors @ self.weights + self.bias)

    def offset(self, vectors: np.ndarray) -> np.ndarray:
        """Return what vectors owe to their kind of voice, shaped like `vectors`."""
        return np.asarray(self.shares(vectors) @ self.offsets)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what `from_arrays` makes the same kinds of, float32."""
        values = (self.weights, self.bias, self.offsets)
        return {name: value.astype(np.float32) for name, value in zip(_ARRAYS, values, strict=True)}

    @classmethod
    def from_arrays(cls, stored: Mapping[str, np.ndarray]) -> Self:
        """Take what `arrays` returned.

        Raises
        ------
        AffettoError
            When a model was saved before there were kinds of voices.
        """
        if any(name not in stored for name in _ARRAYS):
            raise AffettoError(
                "The voice model was trained by an earlier version, without kinds of voices: train it again "
                "(kedro run --pipeline=voice)."
            )
        return cls(*(stored[name].astype(np.float64) for name in _ARRAYS))
