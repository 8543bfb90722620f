"""Late fusion: several classifiers' opinions become one, as a weighted product of their probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from affetto.models.calibration import softmax

_TINY = 1e-12


def fuse(probabilities: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    """Multiply probabilities, each to the power of its weight, and normalise.

    The "product of experts" (Hinton 2002), also known as logarithmic opinion pool: a softmax of the
    weighted sum of log probabilities. A class that one expert finds impossible stays improbable, whatever
    the others say.

    Parameters
    ----------
    probabilities
        Arrays [n_clips, n_classes] of the same shape; rows sum to 1.
    weights
        A weight of 0 or more for each array.

    Returns
    -------
    numpy.ndarray
        float64 [n_clips, n_classes]; rows sum to 1.

    Raises
    ------
    ValueError
        When there is not one weight for each array, or none at all.
    """
    if not probabilities or len(probabilities) != len(weights):
        raise ValueError(f"{len(probabilities)} arrays of probabilities, but {len(weights)} weights")
    pairs = zip(probabilities, weights, strict=True)
    return softmax(np.sum([w * np.log(np.maximum(p, _TINY)) for p, w in pairs], axis=0))


def fit_exponents(opinions: Sequence[np.ndarray], labels: np.ndarray, start: Sequence[float]) -> np.ndarray:
    """Find the exponents of a product of probabilities under which the labels are most likely.

    Their ratio weighs the branches, their size is an inverse temperature (Guo et al., ICML 2017), so that
    the product is as sure as it is right.

    Parameters
    ----------
    opinions
        Probabilities of each branch for clips that it was not fitted on, [n_clips, n_classes].
    labels
        int64 [n_clips].
    start
        Where the search begins, an exponent for each branch.

    Returns
    -------
    numpy.ndarray
        Exponents between 0 and 5, float64 [n_branches].
    """
    from scipy.optimize import minimize

    logarithms = np.stack([np.log(np.maximum(opinion, _TINY)) for opinion in opinions])
    rows = np.arange(len(labels))

    def loss(exponents: np.ndarray) -> tuple[float, np.ndarray]:
        fused = softmax(np.tensordot(exponents, logarithms, axes=1))
        expected = (fused * logarithms).sum(axis=2).mean(axis=1)
        gradient = expected - logarithms[:, rows, labels].mean(axis=1)
        return float(-np.log(np.maximum(fused[rows, labels], 1e-300)).mean()), gradient

    bounds = [(0.0, 5.0)] * len(logarithms)
    return np.asarray(minimize(loss, np.asarray(start, dtype=np.float64), jac=True, bounds=bounds).x)
