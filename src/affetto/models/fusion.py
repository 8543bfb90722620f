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
