"""How the low-level descriptors of a clip move together: rank correlations of each pair.

Statistics of single descriptors depend on the speaker and the microphone, the order of their values in time
hardly does: Spearman's correlation keeps that alone. Correlations between the channels of a voice were found
to tell states of the speaker by Williamson et al., "Vocal and facial biomarkers of depression based on motor
incoordination and timing", AVEC 2014.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

PAIR = "~"
"""Between the names of two descriptors, in the name of their correlation."""


def correlation_names(descriptors: Sequence[str]) -> tuple[str, ...]:
    """Return the name of each pair, `<first>~<second>`, in the order of `rank_correlations`."""
    return tuple(f"{first}{PAIR}{second}" for first, second in combinations(descriptors, 2))


def rank_correlations(descriptors: np.ndarray) -> np.ndarray:
    """Correlate each pair of descriptors over the frames of a clip (Spearman; equal values share a rank).

    Parameters
    ----------
    descriptors
        Finite, [n_frames, n_descriptors].

    Returns
    -------
    numpy.ndarray
        float32 [1, n_descriptors * (n_descriptors - 1) / 2] in [-1, 1]; 0 where a descriptor is constant.
    """
    from scipy.stats import rankdata

    ranks = rankdata(descriptors, axis=0)
    centred = ranks - ranks.mean(axis=0)
    lengths = np.sqrt(np.einsum("ij,ij->j", centred, centred))
    unit = centred / np.where(lengths > 0, lengths, 1.0)
    correlations = np.clip(unit.T @ unit, -1.0, 1.0)[np.triu_indices(descriptors.shape[1], 1)]
    found: np.ndarray = correlations[None, :].astype(np.float32)
    return found
