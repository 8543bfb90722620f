"""Frames of a descriptor: chosen dimensions, subsampled or as texture windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from affetto.errors import AffettoError
from affetto.themes.parameters import CodebookParameters, DescriptorParameters

if TYPE_CHECKING:
    from affetto.features.clip_features import ClipFeatures


def matching_dimensions(dimensions: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Return the indices of the dimensions that are named in `wanted` or start with a prefix in it that ends in `_`.

    Examples
    --------
    >>> matching_dimensions(["mfcc_0", "mfcc_1", "rms_db"], ["mfcc_", "rms_db"])
    [0, 1, 2]
    """
    prefixes = tuple(name for name in wanted if name.endswith("_"))
    return [
        index for index, name in enumerate(dimensions) if name in wanted or (prefixes and name.startswith(prefixes))
    ]


def resolve_descriptors(
    dimensions: Sequence[str], descriptors: Mapping[str, DescriptorParameters]
) -> dict[str, list[int]]:
    """Find each descriptor's dimensions in a feature; descriptors without any are left out.

    Raises
    ------
    AffettoError
        When no descriptor has a dimension in the feature.
    """
    found = {
        name: matching_dimensions(dimensions, descriptor.dimensions) for name, descriptor in descriptors.items()
    }
    kept = {name: indices for name, indices in found.items() if indices}
    if not kept:
        raise AffettoError(
            "None of the codebook's descriptors has a dimension in the feature, whose dimensions are"
            f" {', '.join(dimensions[:6])} …: correct `theme.codebook.descriptors`."
        )
    return kept


def clip_frames(frames: np.ndarray, parameters: CodebookParameters) -> np.ndarray:
    """Subsample frames or join them into texture windows; frames that are not finite are dropped.

    Parameters
    ----------
    frames
        Shape [n_frames, n_dimensions].
    parameters
        `frame_step` and `texture_frames` are read.

    Returns
    -------
    np.ndarray
        float32 [n_kept, n_dimensions], or [n_windows, 2 × n_dimensions] (means, then standard deviations) of texture
        windows that overlap by half. A clip shorter than a window gives one window.
    """
    kept = frames[:: parameters.frame_step]
    kept = kept[np.isfinite(kept).all(axis=1)].astype(np.float32, copy=False)
    return texture_windows(kept, parameters.texture_frames) if parameters.texture_frames else kept


def texture_windows(frames: np.ndarray, length: int) -> np.ndarray:
    """Summarise windows of `length` frames by mean and standard deviation (Tzanetakis & Cook, 2002, texture window)."""
    if len(frames) == 0:
        return np.empty((0, 2 * frames.shape[1]), dtype=np.float32)
    starts = range(0, max(1, len(frames) - length + 1), max(1, length // 2))
    windows = [frames[start : start + length] for start in starts]
    return np.array([np.concatenate([w.mean(axis=0), w.std(axis=0)]) for w in windows], dtype=np.float32)


def sample_frames(features: ClipFeatures, parameters: CodebookParameters) -> np.ndarray:
    """Draw a bounded, seeded sample of frames, about as many from every clip.

    A clip's draw depends on the seed and on the clip's name alone, not on the other clips.

    Returns
    -------
    np.ndarray
        float32 [at most about `sample_frames`, n_dimensions after `clip_frames`].
    """
    order = np.random.default_rng(parameters.seed).permutation(len(features))
    chosen = np.sort(order[: parameters.sample_frames])
    quota = -(-parameters.sample_frames // max(1, len(chosen)))
    drawn = []
    for index in chosen.tolist():
        frames = clip_frames(features[index], parameters)
        if len(frames) > quota:
            rng = np.random.default_rng([parameters.seed, *features.clip_ids[index].encode()])
            frames = frames[np.sort(rng.choice(len(frames), quota, replace=False))]
        drawn.append(frames)
    return np.concatenate(drawn) if drawn else np.empty((0, len(features.dimensions)), dtype=np.float32)
