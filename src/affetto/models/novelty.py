"""How far a clip lies from all that a model has learnt from: whether it knows what it is asked about.

The distance is measured where the model decides, in its standardised features: a clip is compared with the
nearest training clips, in the main directions of these, brought to one scale ("whitened"), as in Sun, Ming,
Zhu & Li, "Out-of-distribution detection with deep nearest neighbors", ICML 2022. What a distance means is
learnt from groups that are held back in turn: speakers that the references do not contain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from affetto.models.calibration import inner_folds

_NEIGHBOURS = 5
_FOLDS = 10
_QUANTILES = 201
_TINY = 1e-12


@dataclass(frozen=True)
class Novelty:
    """Training clips to compare with, and the distances of clips of unseen groups from them.

    Attributes
    ----------
    novelty_mean, novelty_basis
        Of the space that is compared in: float32 [n_dimensions] and [n_dimensions, n_directions].
    novelty_references
        The training clips in it, float32 [n_clips, n_directions].
    novelty_distances
        Quantiles 0, 0.005, …, 1 of the distances of clips of held-out groups, float32 [201], ascending.
    """

    novelty_mean: np.ndarray
    novelty_basis: np.ndarray
    novelty_references: np.ndarray
    novelty_distances: np.ndarray

    @classmethod
    def learn(cls, vectors: np.ndarray, labels: np.ndarray, groups: np.ndarray, *, seed: int) -> Self:
        """Learn from standardised training vectors, float64 [n_clips, n_dimensions].

        Where no group can be held back, clips are compared with the other clips of their own groups, and
        distances come out too small.
        """
        held = []
        for train, test in inner_folds(labels, groups, _FOLDS, seed):
            mean, basis = _whitening(vectors[train])
            places = (vectors - mean) @ basis
            held.append(_distances(places[test], places[train]))
        mean, basis = _whitening(vectors)
        references = (vectors - mean) @ basis
        if not held:
            held.append(_distances(references, references))
        quantiles = np.quantile(np.concatenate(held), np.linspace(0, 1, _QUANTILES))
        return cls(*(each.astype(np.float32) for each in (mean, basis, references, quantiles)))

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """Return for each vector the share of clips of unseen groups that lie nearer, float64 [n_clips].

        Beyond the farthest of them the value goes on from 1 towards 2: 2 - farthest / distance.
        """
        places = (vectors - self.novelty_mean) @ self.novelty_basis.astype(np.float64)
        distance = _distances(places, self.novelty_references.astype(np.float64))
        inside = np.interp(distance, self.novelty_distances, np.linspace(0, 1, _QUANTILES))
        farthest = max(float(self.novelty_distances[-1]), _TINY)
        beyond = 2.0 - farthest / np.maximum(distance, farthest)
        return np.asarray(np.where(distance > farthest, beyond, inside))

    @classmethod
    def from_arrays(cls, stored: Mapping[str, np.ndarray]) -> Self:
        """Take the attributes, as `vars` has them, from what else was stored with them."""
        return cls(*(stored[field.name] for field in fields(cls)))


def _whitening(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and a basis of the main directions, in which the vectors vary alike in all of them."""
    mean = vectors.mean(axis=0)
    _, lengths, directions = np.linalg.svd(vectors - mean, full_matrices=False)
    kept = min(24, int((lengths > lengths[:1] * 1e-6).sum()))
    scale = np.sqrt(len(vectors)) / np.maximum(lengths[:kept], np.finfo(np.float64).tiny)
    return mean, directions[:kept].T * scale


def _distances(places: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Return the mean distance of each place from its nearest references, float64 [n_places]."""
    lengths = (places**2).sum(axis=1)[:, None] + (references**2).sum(axis=1)
    squares = lengths - 2 * places @ references.T
    nearest = np.sort(np.maximum(squares, 0.0), axis=1)[:, :_NEIGHBOURS]
    return np.asarray(np.sqrt(nearest).mean(axis=1))
