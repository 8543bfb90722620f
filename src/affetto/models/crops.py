"""Random crops of the sequences of a batch, stretched in time; several inputs of a clip stay aligned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Crops:
    """Where crops lie in their clips.

    Attributes
    ----------
    first
        Position of the first frame of each crop, float64 [n_clips]; it may lie between two frames.
    rate
        Frames of the clip for each frame of the crop, float64 [n_clips]; not 1 is a stretched time axis.
    lengths
        Frames of each crop, int32 [n_clips].
    """

    first: np.ndarray
    rate: np.ndarray
    lengths: np.ndarray

    def coarser(self, n_frames: int) -> Crops:
        """Return the same crops of sequences with a step for every `n_frames` frames, around the first."""
        return Crops(self.first / n_frames, self.rate, -(-self.lengths // n_frames))


def draw_crops(
    n_frames: np.ndarray,
    width: int,
    *,
    stretch: float,
    generator: np.random.Generator,
    grid: int | None = None,
) -> Crops:
    """Draw a crop and a speaking rate for each clip.

    Parameters
    ----------
    n_frames
        Frames of each clip, int [n_clips].
    width
        Frames of a crop; a shorter clip is taken whole.
    stretch
        Largest relative change of the speaking rate.
    generator
        Source of chance.
    grid
        Crops begin at multiples of this and may then miss some frames at the end; by default anywhere.
    """
    rate = 1.0 + generator.uniform(-stretch, stretch, len(n_frames))
    lengths = np.clip(np.round(n_frames / rate), 1, width)
    slack = np.maximum(0.0, n_frames - 1 - (lengths - 1) * rate)
    chance = generator.random(len(n_frames))
    if grid is None:
        return Crops(chance * slack, rate, lengths.astype(np.int32))
    last_start = np.minimum(np.ceil(slack / grid), (n_frames - 1) // grid)
    first = grid * np.floor(chance * (last_start + 1))
    left = np.floor((n_frames - 1 - first) / rate) + 1
    return Crops(first, rate, np.minimum(lengths, left).astype(np.int32))


def cut(clips: Sequence[np.ndarray], crops: Crops, width: int) -> np.ndarray:
    """Cut the crops out of their clips.

    Parameters
    ----------
    clips
        float32 [n_frames, n_dimensions] each.
    crops
        Where they lie.
    width
        Frames of the result; shorter crops are padded on the right with their mean.

    Returns
    -------
    numpy.ndarray
        float32 [n_clips, width, n_dimensions].
    """
    found = np.empty((len(clips), width, clips[0].shape[1]), dtype=np.float32)
    for row, clip, first, rate, length in zip(
        found, clips, crops.first, crops.rate, crops.lengths, strict=True
    ):
        if rate == 1 and first == int(first):
            row[:length] = clip[int(first) : int(first) + length]
        else:
            positions = np.clip(first + rate * np.arange(length), 0, len(clip) - 1.0)
            row[:length] = interpolate(clip, positions)
        row[length:] = row[:length].mean(axis=0)
    return found


def interpolate(values: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Read frames at fractional positions, linearly between their neighbours.

    Parameters
    ----------
    values
        float32 [n_frames, n_dimensions].
    positions
        Positions in [0, n_frames - 1].

    Returns
    -------
    numpy.ndarray
        float32 [len(positions), n_dimensions].
    """
    low = np.floor(positions).astype(np.int64)
    high = np.minimum(low + 1, len(values) - 1)
    weight = (positions - low).astype(np.float32)[:, None]
    below, above = values[low], values[high]
    mixed: np.ndarray = below + weight * (above - below)
    return mixed
