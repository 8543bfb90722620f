"""Fits that leave a part of the training groups out each: what is held back tells how sure to be.

The weights and the temperature of a fusion must be found on clips that its branches were not fitted on, and
test clips may not serve. So the training groups are dealt into parts; a network is fitted without each part
and predicts it, and all of the networks together are the ensemble that is kept: what is learnt about being
sure costs no fit that is thrown away.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_TRIES = 64


def deal_groups(labels: np.ndarray, groups: np.ndarray, n_parts: int, seed: int) -> list[np.ndarray]:
    """Deal whole groups into parts whose classes are spread much alike.

    Parameters
    ----------
    labels
        int64 [n_clips].
    groups
        Speaker of each clip, [n_clips].
    n_parts
        Parts wanted; fewer where there are fewer groups.
    seed
        Of the deals that are tried; the most even one is kept.

    Returns
    -------
    list of numpy.ndarray
        Indices of the clips of each part; none where there are fewer than two groups or parts, or where a
        class would be missing outside of a part.
    """
    names, members = np.unique(groups.astype(str), return_inverse=True)
    n_parts = min(n_parts, len(names))
    if n_parts < 2:  # noqa: PLR2004
        return []
    counts = np.zeros((len(names), int(labels.max()) + 1))
    np.add.at(counts, (members, labels), 1)
    rng, best, lowest = np.random.default_rng(seed), np.zeros(0), np.inf
    for _ in range(_TRIES):
        part_of = rng.permutation(np.arange(len(names)) % n_parts)
        sums = np.stack([counts[part_of == part].sum(axis=0) for part in range(n_parts)])
        unevenness = float((sums.std(axis=0) / np.maximum(sums.mean(axis=0), 1e-9)).sum())
        if unevenness < lowest:
            best, lowest = part_of, unevenness
    parts = [np.flatnonzero(best[members] == part) for part in range(n_parts)]
    n_classes = len(np.unique(labels))
    complete = all(len(np.unique(np.delete(labels, part))) == n_classes for part in parts)
    return parts if complete else []


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

    from affetto.models.calibration import softmax

    logarithms = np.stack([np.log(np.maximum(opinion, 1e-12)) for opinion in opinions])
    rows = np.arange(len(labels))

    def loss(exponents: np.ndarray) -> tuple[float, np.ndarray]:
        fused = softmax(np.tensordot(exponents, logarithms, axes=1))
        expected = (fused * logarithms).sum(axis=2).mean(axis=1)
        gradient = expected - logarithms[:, rows, labels].mean(axis=1)
        return float(-np.log(np.maximum(fused[rows, labels], 1e-300)).mean()), gradient

    bounds = [(0.0, 5.0)] * len(logarithms)
    return np.asarray(minimize(loss, np.asarray(start, dtype=np.float64), jac=True, bounds=bounds).x)
