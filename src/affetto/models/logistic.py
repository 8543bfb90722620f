"""What all models on one vector a clip share: statistics of frames, standardisation, logistic regression."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import AfterValidator, Field

Statistic = Literal["mean", "std", "percentiles"]
Positive = Annotated[float, Field(gt=0)]
Lift = Callable[[np.ndarray], np.ndarray]
_PERCENTILES = (5, 25, 50, 75, 95)
_RELATIVE_TINY = 1e-6
_TOLERANCE = 1e-7


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        raise ValueError(f"something is named twice: {list(names)}")
    return names


EachOnce = AfterValidator(_each_once)
"""Of a tuple of names in parameters: refuses one that names something twice."""


def clip_statistics(frames: np.ndarray, statistics: Sequence[Statistic]) -> np.ndarray:
    """Describe a clip by statistics of every dimension over its frames.

    Parameters
    ----------
    frames
        [n_frames, n_dimensions].
    statistics
        Names; `percentiles` are the 5th, 25th, 50th, 75th and 95th.

    Returns
    -------
    numpy.ndarray
        float32, statistic by statistic, [n_numbers * n_dimensions]; zeros for a clip without frames.
    """
    values = np.asarray(frames if len(frames) else np.zeros((1, frames.shape[1])), dtype=np.float64)
    found = [
        np.percentile(values, _PERCENTILES, axis=0).ravel()
        if name == "percentiles"
        else getattr(np, name)(values, axis=0)
        for name in statistics
    ]
    return np.concatenate(found).astype(np.float32)


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

    def save(self, directory: Path) -> None:
        """Write the statistics into the folder of a model."""
        np.savez(directory / "standardiser.npz", mean=self.mean, scale=self.scale, limit=self.limit)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote."""
        with np.load(directory / "standardiser.npz", allow_pickle=False) as stored:
            return cls(stored["mean"], stored["scale"], float(stored["limit"]))


def _finite(vectors: np.ndarray) -> np.ndarray:
    return np.nan_to_num(np.asarray(vectors, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def span(vectors: np.ndarray) -> tuple[np.ndarray, Lift]:
    """Express vectors in an orthonormal basis of their own span, by a pivoted Cholesky decomposition.

    Parameters
    ----------
    vectors
        float64 [n_clips, n_dimensions].

    Returns
    -------
    tuple
        Coordinates [n_clips, rank], and what turns weights of them, [rank, n], into weights of the
        dimensions, [n_dimensions, n]: `vectors @ lift(weights) = coordinates @ weights`. Lengths and angles
        stay, and with them every L2-penalised linear model.
    """
    if vectors.shape[1] <= len(vectors):
        return vectors, lambda weights: weights
    from scipy.linalg import solve_triangular
    from scipy.linalg.lapack import dpstrf

    factor, pivots, rank, _ = dpstrf(vectors @ vectors.T, lower=1)
    factor, order = np.tril(factor)[:, :rank], pivots - 1
    coordinates = np.empty_like(factor)
    coordinates[order] = factor

    def lift(weights: np.ndarray) -> np.ndarray:
        solved = solve_triangular(factor[:rank], weights, lower=True, trans="T")
        return np.asarray(vectors[order[:rank]].T @ solved)

    return coordinates, lift


def fit_logistic(vectors: np.ndarray, labels: np.ndarray, *, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Fit scikit-learn's multinomial logistic regression, in the span of the vectors where that is smaller.

    Parameters
    ----------
    vectors
        float64 [n_clips, n_dimensions].
    labels
        int64 [n_clips], 0 … n_classes - 1, each of them at least once; every class counts the same.
    penalty
        Minimised is the sum of the clips' losses + penalty / 2 * sum of the squared weights.

    Returns
    -------
    tuple of numpy.ndarray
        Weights [n_dimensions, n_classes] and biases [n_classes].
    """
    from sklearn.linear_model import LogisticRegression

    coordinates, lift = span(vectors)
    n_classes = int(labels.max()) + 1
    if not coordinates.shape[1]:
        return np.zeros((vectors.shape[1], n_classes)), np.zeros(n_classes)
    # Of two classes scikit-learn has one vector of weights; ours are its halves, with half the squares.
    two = n_classes == 2  # noqa: PLR2004
    regression = LogisticRegression(
        C=(2 if two else 1) / penalty, class_weight="balanced", tol=_TOLERANCE, max_iter=1_000
    ).fit(coordinates, labels)
    shares = np.array([[-0.5, 0.5]]) if two else np.eye(n_classes)
    return lift(regression.coef_.T @ shares), regression.intercept_ @ shares
