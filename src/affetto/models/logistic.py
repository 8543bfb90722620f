"""Multinomial logistic regression with an L2 penalty, fast where there are more numbers than clips."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from affetto.models.calibration import softmax

Lift = Callable[[np.ndarray], np.ndarray]


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


def fit_logistic(
    vectors: np.ndarray, labels: np.ndarray, n_classes: int, *, penalty: float, class_weights: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Fit a multinomial logistic regression with an L2 penalty on the weights, not on the biases.

    Parameters
    ----------
    vectors
        float64 [n_clips, n_dimensions].
    labels
        int64 [n_clips].
    n_classes
        Number of classes.
    penalty
        Minimised is the sum of the clips' losses + penalty / 2 * sum of the squared weights.
    class_weights
        Weigh clips so that every class counts the same.

    Returns
    -------
    tuple of numpy.ndarray
        Weights [n_dimensions, n_classes] and biases [n_classes].
    """
    from scipy.optimize import minimize

    from affetto.models.training import balanced_weights

    coordinates, lift = span(vectors)
    targets = np.eye(n_classes)[labels]
    importance = (
        balanced_weights(labels, n_classes).astype(np.float64) if class_weights else np.ones(len(labels))
    )
    rows = np.arange(len(labels))

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights, bias = flat[:-n_classes].reshape(-1, n_classes), flat[-n_classes:]
        probabilities = softmax(coordinates @ weights + bias)
        errors = importance[:, None] * (probabilities - targets)
        surprise = -np.log(np.maximum(probabilities[rows, labels], np.finfo(np.float64).tiny))
        gradient = np.concatenate([(coordinates.T @ errors + penalty * weights).ravel(), errors.sum(axis=0)])
        return float(importance @ surprise + penalty / 2 * (weights**2).sum()), gradient

    start = np.zeros((coordinates.shape[1] + 1) * n_classes)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
    return lift(found[:-n_classes].reshape(-1, n_classes)), found[-n_classes:]
