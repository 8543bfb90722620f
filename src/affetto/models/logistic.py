"""What all models on one vector a clip share: statistics of frames, standardisation, logistic regression."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from pydantic import AfterValidator, Field, PositiveFloat

from affetto.models.calibration import softmax

if TYPE_CHECKING:
    from affetto.features.clip_features import FeatureSet

Share = Annotated[float, Field(ge=0, lt=1)]
OneOrMore = PositiveFloat | tuple[PositiveFloat, ...]
"""A parameter that inner folds choose where there are several values."""
Lift = Callable[[np.ndarray], np.ndarray]
_PERCENTILES = (5, 25, 50, 75, 95)
_RELATIVE_TINY = 1e-6
_LEAST = np.finfo(np.float64).tiny


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        raise ValueError(f"something is named twice: {list(names)}")
    return names


EachOnce = AfterValidator(_each_once)
"""Of a tuple of names in parameters: refuses one that names something twice."""
FrameFeatures = Annotated[tuple[Literal["mfcc", "midterm"], ...], Field(min_length=1), EachOnce]
Statistics = Annotated[tuple[Literal["mean", "std", "percentiles"], ...], Field(min_length=1), EachOnce]
"""Statistics over the frames; percentiles are 5, 25, 50, 75, 95."""


def clip_statistics(x: FeatureSet, features: Sequence[str], statistics: Sequence[str]) -> np.ndarray:
    """Describe clips by statistics of every dimension of some features over the frames.

    Parameters
    ----------
    x
        The features of the clips.
    features
        Names of those that are described.
    statistics
        Names; `percentiles` are the 5th, 25th, 50th, 75th and 95th.

    Returns
    -------
    numpy.ndarray
        float32 [n_clips, n_numbers], feature by feature and statistic by statistic; zeros for a clip without
        frames.
    """
    blocks = []
    for name in features:
        rows = []
        for clip in x[name]:
            frames = clip.astype(np.float64) if len(clip) else np.zeros((1, clip.shape[1]))
            found = []
            for each in statistics:
                if each == "percentiles":
                    found.append(np.percentile(frames, _PERCENTILES, axis=0).ravel())
                else:
                    found.append(getattr(np, each)(frames, axis=0))
            rows.append(np.concatenate(found))
        blocks.append(np.stack(rows))
    return np.concatenate(blocks, axis=1).astype(np.float32)


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


def balanced_weights(labels: np.ndarray) -> np.ndarray:
    """Weigh clips inversely to the size of their class, mean 1: float32 [n_clips]."""
    from sklearn.utils.class_weight import compute_sample_weight

    return np.asarray(compute_sample_weight("balanced", labels), dtype=np.float32)


def fit_logistic(vectors: np.ndarray, labels: np.ndarray, *, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Fit a multinomial logistic regression with an L2 penalty on the weights, not on the biases.

    It is scikit-learn's with balanced classes, but in the span of the vectors, where this may be small, and
    in the same time ten times nearer to the minimum.

    Parameters
    ----------
    vectors
        float64 [n_clips, n_dimensions].
    labels
        int64 [n_clips], 0 … n_classes - 1; every class counts the same.
    penalty
        Minimised is the sum of the clips' losses + penalty / 2 * sum of the squared weights.

    Returns
    -------
    tuple of numpy.ndarray
        Weights [n_dimensions, n_classes] and biases [n_classes].
    """
    from scipy.optimize import minimize

    coordinates, lift = span(vectors)
    n_classes, rows = int(labels.max()) + 1, np.arange(len(labels))
    targets = np.eye(n_classes)[labels]
    importance = balanced_weights(labels).astype(np.float64)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights, bias = flat[:-n_classes].reshape(-1, n_classes), flat[-n_classes:]
        probabilities = softmax(coordinates @ weights + bias)
        errors = importance[:, None] * (probabilities - targets)
        surprise = -np.log(np.maximum(probabilities[rows, labels], _LEAST))
        slopes = coordinates.T @ errors + penalty * weights
        gradient = np.concatenate([slopes.ravel(), errors.sum(axis=0)])
        return float(importance @ surprise + penalty / 2 * (weights**2).sum()), gradient

    start = np.zeros((coordinates.shape[1] + 1) * n_classes)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
    return lift(found[:-n_classes].reshape(-1, n_classes)), found[-n_classes:]
