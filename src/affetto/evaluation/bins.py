"""Confidence bins: what the calibration error is made of, by group so that groups can be resampled."""

from __future__ import annotations

import numpy as np
import pandas as pd

from affetto.evaluation.counts import Array, Codes, codes


def sort_into_bins(predictions: pd.DataFrame, *, n_bins: int) -> tuple[Codes, Array, Array]:
    """Return the bin of each row (1 … n_bins), its largest probability, and whether it is right."""
    confidence: Array = predictions.filter(regex="^p_").to_numpy(dtype=np.float64).max(axis=1)
    right: Array = np.asarray(predictions["label"] == predictions["predicted"], dtype=np.float64)
    # Bins are open on the left: (0, 1/n], (1/n, 2/n] …
    bins: Codes = np.clip(np.ceil(confidence * n_bins - 1e-9), 1, n_bins).astype(np.int64)
    return bins, confidence, right


def bins_by_group(predictions: pd.DataFrame, *, n_bins: int) -> Array:
    """Sum up the confidence bins of each group and seed.

    Returns
    -------
    ndarray
        Shape [n_groups, n_seeds, n_bins, 2]: right rows less the sum of the rows' confidence; rows.
    """
    bins, confidence, right = sort_into_bins(predictions, n_bins=n_bins)
    groups, seeds = sorted(set(predictions["group"])), sorted(set(predictions["seed"]))
    where = (codes(predictions["group"], groups), codes(predictions["seed"], seeds), bins - 1)
    sums = np.zeros((len(groups), len(seeds), n_bins, 2))
    np.add.at(sums, where, np.stack([right - confidence, np.ones(len(bins))], axis=1))
    return sums


def binned_error(sums: Array) -> Array:
    """Compute the expected calibration error of sums as `bins_by_group` makes them, [..., n_bins, 2].

    Returns
    -------
    ndarray
        Shape [...], in [0, 1]; NaN without clips.
    """
    gaps, sizes = np.abs(sums[..., 0]).sum(axis=-1), sums[..., 1].sum(axis=-1)
    return np.asarray(np.divide(gaps, sizes, out=np.full(gaps.shape, np.nan), where=sizes > 0))
