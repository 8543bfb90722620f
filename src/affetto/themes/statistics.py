"""Clip statistics: what the baselines know of a clip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from affetto.themes.frames import resolve_descriptors
from affetto.themes.parameters import CodebookParameters

if TYPE_CHECKING:
    from affetto.features.clip_features import ClipFeatures, FeatureSet


def clip_statistics(features: ClipFeatures, columns: Sequence[int]) -> np.ndarray:
    """Return mean and standard deviation over frames of some dimensions.

    Returns
    -------
    np.ndarray
        float64 [n_clips, 2 × n_columns]; zeros for a clip without frames.
    """
    rows = np.zeros((len(features), 2 * len(columns)))
    for index in range(len(features)):
        frames = features[index][:, columns]
        frames = frames[np.isfinite(frames).all(axis=1)].astype(np.float64)
        if len(frames):
            rows[index] = np.concatenate([frames.mean(axis=0), frames.std(axis=0)])
    return rows


def codebook_statistics(features: FeatureSet, parameters: CodebookParameters) -> np.ndarray:
    """Return `clip_statistics` of all dimensions that any of the codebook's descriptors reads."""
    dimensions = {name: feature.dimensions for name, feature in features.items()}
    read: dict[str, set[int]] = {}
    for name, indices in resolve_descriptors(dimensions, parameters.descriptors).items():
        read.setdefault(parameters.descriptors[name].feature, set()).update(indices)
    return np.hstack([clip_statistics(features[name], sorted(columns)) for name, columns in read.items()])


def standardise(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale both by the mean and deviation of `train`."""
    mean, scale = train.mean(axis=0), train.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    return (train - mean) / scale, (test - mean) / scale
