"""What the numbers of a clip say about its speaker, and kinds of voices among speakers.

What a descriptor says about an emotion is relative to the voice: 200 Hz are an excited man or a calm woman.
The mean of the speaker would tell, but a single clip does not tell that mean. It does tell which kind of
voice is heard, low or high, whatever the emotion, and the mean of that kind is known from training. Kinds are
found among the training speakers without being told sex or age.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
from pydantic import Field

from affetto.models.calibration import softmax
from affetto.models.logistic import fit_logistic, span

VoiceTypeCount = Annotated[int, Field(ge=1, le=8)]
"""Kinds of voices that features are taken relative to, found among the training speakers; 1: all alike."""
_LEAST_SPREAD = 0.02  # speakers who agree by chance do not make a number all-important


def less_group_means(vectors: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Subtract from each vector [n_clips, n_dimensions] the mean of its group [n_clips]."""
    means, members = _group_means(vectors, groups)
    return np.asarray(vectors - means[members])


def group_offsets(vectors: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return how far the vectors of each group lie from those of all groups with the same label.

    Vectors are [n_clips, n], groups 0 … n_groups - 1, the offsets float64 [n_groups, n]: the mean over
    the labels that a group has in common with another, so that a group is not told by which labels it
    has; zeros where it has none in common.
    """
    offsets = np.zeros((int(groups.max()) + 1, vectors.shape[1]))
    n_labels = np.zeros((len(offsets), 1))
    for label in np.unique(labels):
        chosen = labels == label
        present = np.unique(groups[chosen])
        if len(present) > 1:
            of_groups, _ = _group_means(vectors[chosen], groups[chosen])
            offsets[present] += of_groups - vectors[chosen].mean(axis=0)
            n_labels[present] += 1
    return np.asarray(offsets / np.maximum(n_labels, 1))


def several_labels(labels: np.ndarray, groups: np.ndarray) -> bool:
    """Tell whether some group has clips of several labels: else the mean of a group tells of its label."""
    pairs = {*zip(map(str, groups), map(str, labels), strict=True)}
    return len(pairs) > len({group for group, _ in pairs})


def relevance(vectors: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return how much each number says about the emotion, compared with what it says about the speaker.

    Of standardised vectors [n_clips, n] it is, float64 [n], the variance of the emotions' means over the
    variance of the speakers' means inside an emotion, averaged over the emotions (a Fisher ratio whose
    denominator is of speakers only).
    """
    means, between_speakers = [], []
    for label in np.unique(labels):
        chosen = labels == label
        of_speakers, _ = _group_means(vectors[chosen], groups[chosen])
        means.append(vectors[chosen].mean(axis=0))
        between_speakers.append(of_speakers.var(axis=0))
    spread = np.mean(between_speakers, axis=0) + _LEAST_SPREAD
    return np.asarray(np.var(means, axis=0) / spread)


def _group_means(vectors: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of each group, sorted, [n_groups, n_dimensions], and which is that of each vector."""
    _, members = np.unique(groups, return_inverse=True)
    every = range(members.max() + 1)
    means = [vectors[members == group].mean(axis=0) for group in every]
    return np.stack(means), members


@dataclass(frozen=True)
class VoiceTypes:
    """Tells the kinds of voices apart by a linear classifier, and knows how each differs from all of them.

    Attributes
    ----------
    type_weights, type_bias
        Of the classifier, float32 [n_dimensions, n_types] and [n_types].
    type_offsets
        float32 [n_types, n_dimensions]: what clips of a kind have more than others of the same emotion.
    """

    type_weights: np.ndarray
    type_bias: np.ndarray
    type_offsets: np.ndarray

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

        Vectors, float64 [n_clips, n_dimensions], are multiplied by `scale` before they are compared. There is
        one kind alone where there are no more speakers than `n_types`, and where no speaker is known in
        several emotions: what is one's own cannot be told from an emotion then. The L2 penalty is that of
        `fit_logistic`.
        """
        from sklearn.cluster import KMeans

        n_dimensions = vectors.shape[1]
        weights, bias = np.zeros((n_dimensions, 1)), np.zeros(1)
        offsets = np.zeros((1, n_dimensions))
        speakers, members = np.unique(groups.astype(str), return_inverse=True)
        if 1 < n_types < len(speakers) and several_labels(labels, groups):
            places, _ = span(group_offsets(vectors, labels, members) * scale)
            if places.shape[1]:  # else no two speakers have an emotion in common
                clusters = KMeans(n_types, n_init=20, random_state=0).fit_predict(places)
                _, types = np.unique(clusters[members], return_inverse=True)
                weights, bias = fit_logistic(vectors * scale, types, penalty=penalty)
                weights = weights * scale[:, None]
                offsets = group_offsets(vectors, labels, types)
        return cls(*(each.astype(np.float32) for each in (weights, bias, offsets)))

    @property
    def n_parameters(self) -> int:
        """Numbers that were learnt; none of a single kind."""
        n_types = len(self.type_bias)
        return 0 if n_types == 1 else sum(each.size for each in vars(self).values())

    def shares(self, vectors: np.ndarray) -> np.ndarray:
        """Return the probability of each kind, float64 [n_clips, n_types]."""
        return softmax(vectors @ self.type_weights.astype(np.float64) + self.type_bias)

    def offset(self, vectors: np.ndarray) -> np.ndarray:
        """Return what vectors owe to their kind of voice, shaped like `vectors`."""
        return np.asarray(self.shares(vectors) @ self.type_offsets.astype(np.float64))

    @classmethod
    def from_arrays(cls, stored: Mapping[str, np.ndarray]) -> Self:
        """Take the attributes, as `vars` has them, from what else was stored with them."""
        return cls(stored["type_weights"], stored["type_bias"], stored["type_offsets"])
