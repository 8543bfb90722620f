"""Frames of a descriptor: chosen dimensions, subsampled or as texture windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from affetto.errors import AffettoError
from affetto.themes.parameters import CodebookParameters, DescriptorParameters

if TYPE_CHECKING:
    from affetto.features.clip_features import FeatureSet


def matching_dimensions(dimensions: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Return the indices of the dimensions in `wanted`, where a name that ends in `_` is a prefix.

    Examples
    --------
    >>> matching_dimensions(["mfcc_0", "mfcc_1", "rms_db"], ["mfcc_", "rms_db"])
    [0, 1, 2]
    """
    prefixes = tuple(name for name in wanted if name.endswith("_"))
    return [
        index
        for index, name in enumerate(dimensions)
        if name in wanted or (prefixes and name.startswith(prefixes))
    ]


def resolve_descriptors(
    dimensions: Mapping[str, Sequence[str]], descriptors: Mapping[str, DescriptorParameters]
) -> dict[str, list[int]]:
    """Find each descriptor's dimensions in its feature; descriptors without any are left out.

    Parameters
    ----------
    dimensions
        Names of the dimensions by feature.
    descriptors
        By name.

    Raises
    ------
    AffettoError
        When no descriptor has a dimension in its feature.
    """
    found = {
        name: matching_dimensions(dimensions.get(descriptor.feature, ()), descriptor.dimensions)
        for name, descriptor in descriptors.items()
    }
    kept = {name: indices for name, indices in found.items() if indices}
    if not kept:
        raise AffettoError(
            "None of the codebook's descriptors has a dimension in its feature; there are "
            + "; ".join(f"{name} with {', '.join(known[:6])} …" for name, known in dimensions.items())
            + ": correct `theme.codebook.descriptors`."
        )
    return kept


def descriptor_frames(
    frames: np.ndarray,
    columns: Sequence[int] | np.ndarray,
    descriptor: DescriptorParameters,
) -> np.ndarray:
    """Choose a descriptor's dimensions, subsample frames, join them into texture windows.

    Frames that are not finite are dropped.

    Parameters
    ----------
    frames
        Shape [n_frames, n_dimensions].
    columns
        The descriptor's dimensions.
    descriptor
        `frame_step` and `texture_frames` are read.

    Returns
    -------
    np.ndarray
        float32 [n_kept, n_columns], or [n_windows, 2 × n_columns] (means, then standard deviations) of
        texture windows that overlap by half. A clip shorter than a window gives one window.
    """
    kept = frames[:: descriptor.frame_step, columns].astype(np.float32, copy=False)
    kept = kept[np.isfinite(kept).all(axis=1)]
    return texture_windows(kept, descriptor.texture_frames) if descriptor.texture_frames else kept


def texture_windows(frames: np.ndarray, length: int) -> np.ndarray:
    """Summarise windows of `length` frames by mean and standard deviation (Tzanetakis & Cook, 2002)."""
    if len(frames) == 0:
        return np.empty((0, 2 * frames.shape[1]), dtype=np.float32)
    starts = range(0, max(1, len(frames) - length + 1), max(1, length // 2))
    windows = [frames[start : start + length] for start in starts]
    return np.array([np.concatenate([part.mean(axis=0), part.std(axis=0)]) for part in windows], np.float32)


def sample_frames(
    features: FeatureSet,
    columns: Mapping[str, Sequence[int]],
    parameters: CodebookParameters,
) -> dict[str, np.ndarray]:
    """Draw a bounded, seeded sample of every descriptor's frames, about as many from every clip.

    A clip's draw depends on the seed and on the clip's name alone, not on the other clips.

    Parameters
    ----------
    features
        Frames of clips, each read once.
    columns
        Dimensions by descriptor.
    parameters
        Descriptors, `sample_frames` and `seed`.

    Returns
    -------
    dict
        By descriptor, float32 [at most about `sample_frames`, its columns after `descriptor_frames`].
    """
    order = np.random.default_rng(parameters.seed).permutation(features.n_clips)
    chosen = np.sort(order[: parameters.sample_frames])
    quota = -(-parameters.sample_frames // max(1, len(chosen)))
    drawn = {name: _Drawn(quota * len(chosen)) for name in columns}
    for index in chosen.tolist():
        for name, indices in columns.items():
            descriptor = parameters.descriptors[name]
            frames = descriptor_frames(features[descriptor.feature][index], indices, descriptor)
            if len(frames) > quota:
                rng = np.random.default_rng([parameters.seed, *features.clip_ids[index].encode()])
                frames = frames[np.sort(rng.choice(len(frames), quota, replace=False))]
            drawn[name].add(frames)
    return {name: frames.all() for name, frames in drawn.items()}


class _Drawn:
    """Frames in one array, whose memory is taken as it is filled; many small ones take far more."""

    def __init__(self, most: int) -> None:
        self.most, self.filled = most, 0
        self.frames: np.ndarray = np.empty((0, 1), dtype=np.float32)

    def add(self, frames: np.ndarray) -> None:
        if not self.filled:
            self.frames = np.empty((self.most, frames.shape[1]), dtype=np.float32)
        self.frames[self.filled : self.filled + len(frames)] = frames
        self.filled += len(frames)

    def all(self) -> np.ndarray:
        return self.frames[: self.filled]
