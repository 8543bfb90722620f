"""The LLD as a sequence beside the spectrogram: their means and deviations in a window around each step."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from affetto.models.sequences import window_statistics
from affetto.models.voice_types import VoiceTypeCount

_FRAME_S = 0.060
"""openSMILE's longest frames of the ComParE LLD, those of F0; frame i begins at i hops."""
SLOPE_REACH = 2
"""Frames on each side of a slope."""


class LldWindowParameters(BaseModel):
    """What the network sees of the LLD, and how much that is varied in training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window_s: float = Field(0.16, gt=0, description="Length of the window of LLD around each step, seconds.")
    limit: float = Field(4.0, gt=0, description="Standardised windows are clipped to ± this.")
    voice_types: VoiceTypeCount = 2
    units: int = Field(64, ge=1, description="Size of the layer that the windows pass before the LSTM.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Share of the dimensions hidden in a whole crop.")
    borrow_probability: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of crops moved towards the mean LLD of another clip of the emotion.",
    )
    offset: float = Field(
        0.2, ge=0, description="Deviation of the random offset of each dimension of a crop, in deviations."
    )


def lld_windows(lld: np.ndarray, n_steps: int, *, step_s: float, hop_s: float, window_s: float) -> np.ndarray:
    """Describe the LLD around each step of a network by their mean, and their and their deltas' deviation.

    The mean of the deltas is left out: it is the difference of the LLD at the window's borders.

    Parameters
    ----------
    lld
        float32 [n_frames, n_lld]; numbers that are not finite count as zeros.
    n_steps
        Steps of the network.
    step_s
        Seconds from a step to the next; the middle of step k is at k of them: so the network's convolutions
        with strides have it, whose kernels are odd and whose borders are padded by half of them.
    hop_s
        Seconds from an LLD frame to the next.
    window_s
        Length of a window, seconds.

    Returns
    -------
    numpy.ndarray
        float32 [n_steps, 3 * n_lld]: means, deviations, deviations of the deltas. A window beyond the clip's
        last frame holds that frame alone.
    """
    frames = np.nan_to_num(np.asarray(lld, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    if not len(frames):
        return np.zeros((n_steps, 3 * lld.shape[1]), np.float32)
    starts, ends = window_bounds(len(frames), n_steps, step_s=step_s, hop_s=hop_s, window_s=window_s)
    mean, deviation = window_statistics(np.concatenate([frames, _slopes(frames)], axis=1), starts, ends)
    return np.concatenate([mean[:, : lld.shape[1]], deviation], axis=1).astype(np.float32)


def window_bounds(
    n_frames: int, n_steps: int, *, step_s: float, hop_s: float, window_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first frame of the window around each step and the one after its last, int64 [n_steps]."""
    middle = np.clip(window_centres(n_steps, step_s=step_s, hop_s=hop_s), 0, n_frames - 1)
    reach = window_reach(window_s, hop_s)
    starts, ends = np.maximum(middle - reach, 0), np.minimum(middle + reach, n_frames)
    return np.minimum(starts, ends - 1), ends


def window_centres(n_steps: int, *, step_s: float, hop_s: float) -> np.ndarray:
    """Return the frame in the middle of each step, int64 [n_steps], be there such a frame or not."""
    centres = (np.arange(n_steps) * step_s - _FRAME_S / 2) / hop_s
    return np.round(centres).astype(np.int64)


def window_reach(window_s: float, hop_s: float) -> int:
    """Return the frames of a window on each side of its middle."""
    return max(1, round(window_s / hop_s / 2))


def _slopes(frames: np.ndarray) -> np.ndarray:
    """Regression slope over `SLOPE_REACH` frames on each side; zeros where a side has fewer."""
    slopes = np.zeros_like(frames)
    inner = len(frames) - 2 * SLOPE_REACH
    if inner > 0:
        for w in range(1, SLOPE_REACH + 1):
            later, earlier = frames[SLOPE_REACH + w :], frames[SLOPE_REACH - w :]
            slopes[SLOPE_REACH:-SLOPE_REACH] += w * (later[:inner] - earlier[:inner])
    return np.asarray(slopes / (2 * sum(w * w for w in range(1, SLOPE_REACH + 1))))
