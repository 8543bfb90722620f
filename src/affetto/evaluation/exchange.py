"""Clips some of whose columns were exchanged for those of other clips, made when they are read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from affetto.features.clip_features import ClipFeatures, FeatureSet, Source, as_keys

Columns = Mapping[str, np.ndarray]
"""Feature → positions of the columns that are exchanged."""


@dataclass(frozen=True)
class ExchangedSource:
    """Values of clips with columns of their donors.

    Parameters
    ----------
    own, donors
        The clips, and for each of them the clip that gives the columns.
    columns
        int64, positions of the columns.
    """

    own: ClipFeatures
    donors: ClipFeatures
    columns: np.ndarray

    def read(self, index: int) -> np.ndarray:
        """Return the clip with the columns of its donor, float32 [n_frames, n_dimensions]."""
        values, donor = self.own[index].copy(), self.donors[index]
        if len(values) and len(donor):
            frames = same_moments(len(values), len(donor))
            values[:, self.columns] = donor[np.ix_(frames, self.columns)]
        return values

    def take(self, indices: np.ndarray) -> Source:
        """Return the source of these clips, in this order."""
        return ExchangedSource(self.own.take(indices), self.donors.take(indices), self.columns)


def exchange(features: FeatureSet, columns: Columns, donors: np.ndarray) -> FeatureSet:
    """Exchange columns between clips, in all features from the same donor.

    Parameters
    ----------
    features
        The clips.
    columns
        Feature → positions of the columns; features that are not named stay as they are. A receiver keeps
        its number of frames: each frame takes the columns of the donor's frame at the same share of its
        length.
    donors
        int64 [n_clips], the clip that gives clip i its columns.
    """
    return FeatureSet(
        {
            name: _exchanged(feature, columns[name], donors) if name in columns else feature
            for name, feature in features.items()
        }
    )


def same_moments(n_frames: int, n_donor_frames: int) -> np.ndarray:
    """Return for each frame the donor's frame at the same share of its length, int64 [n_frames]."""
    return (2 * np.arange(n_frames) + 1) * n_donor_frames // (2 * n_frames)


def _exchanged(feature: ClipFeatures, columns: np.ndarray, donors: np.ndarray) -> ClipFeatures:
    given = feature.take(donors)
    what = columns.astype(np.int64).tobytes()
    keys = [
        hashlib.blake2b(own + donor + what, digest_size=16).hexdigest()
        for own, donor in zip(feature.keys.tolist(), given.keys.tolist(), strict=True)
    ]
    return replace(feature, keys=as_keys(keys), source=ExchangedSource(feature, given, columns))
