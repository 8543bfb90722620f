"""Standardisation of vectors, learnt on training clips, with outliers clipped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

_RELATIVE_TINY = 1e-6


@dataclass(frozen=True)
class Standardiser:
    """Brings every dimension to mean 0 and deviation 1 on the training clips, then clips it.

    Functionals have heavy tails: a single extreme percentile of one recording would otherwise rule a linear
    model.

    Parameters
    ----------
    mean, scale
        float64 [n_dimensions]; a dimension that never changed in training has the scale infinity and
        becomes 0.
    limit
        Standardised values stay within ± this.
    """

    mean: np.ndarray
    scale: np.ndarray
    limit: float

    @classmethod
    def learn(cls, vectors: np.ndarray, *, limit: float) -> Self:
        """Measure training vectors [n_clips, n_dimensions]; numbers that are not finite count as zeros."""
        values = _finite(vectors)
        mean, deviation = values.mean(axis=0), values.std(axis=0)
        constant = deviation <= _RELATIVE_TINY * np.maximum(np.abs(mean), _RELATIVE_TINY)
        return cls(mean, np.where(constant, np.inf, deviation), limit)

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """Standardise vectors, float64 [n_clips, n_dimensions]."""
        standardised = (_finite(vectors) - self.mean) / self.scale
        return np.asarray(np.clip(standardised, -self.limit, self.limit))

    def save(self, path: Path) -> None:
        """Write the statistics as npz."""
        with path.open("wb") as file:
            np.savez(file, mean=self.mean, scale=self.scale, limit=self.limit)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            return cls(stored["mean"], stored["scale"], float(stored["limit"]))


def _finite(vectors: np.ndarray) -> np.ndarray:
    return np.nan_to_num(np.asarray(vectors, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
