"""Multinomial logistic regression with an L2 penalty, fast where there are more numbers than clips."""

from __future__ import annotations

import numpy as np

from affetto.models.calibration import softmax

_RELATIVE_RANK = 1e-8


def span(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Express vectors in an orthonormal basis of their own span.

    Parameters
    ----------
    vectors
        float64 [n_clips, n_dimensions].

    Returns
    -------
    tuple of numpy.ndarray
        Coordinates [n_clips, rank] and the basis [n_dimensions, rank]: `vectors = coordinates @ basis.T`.
        Lengths and angles stay, and with them every L2-penalised linear model.
    """
    if vectors.shape[1] <= len(vectors):
        return vectors, np.eye(vectors.shape[1])
    values, directions = np.linalg.eigh(vectors @ vectors.T)
    kept = values > _RELATIVE_RANK * max(values[-1], np.finfo(np.float64).tiny)
    lengths = np.sqrt(values[kept])
    return directions[:, kept] * lengths, vectors.T @ (directions[:, kept] / lengths)


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

    coordinates, basis = span(vectors)
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
    return basis @ found[:-n_classes].reshape(-1, n_classes), found[-n_classes:]
