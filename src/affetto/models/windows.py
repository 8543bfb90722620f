"""Frames to windows: means and deviations of the frames around each step of a network.

Texture windows follow Tzanetakis & Cook, "Musical genre classification of audio signals", IEEE TSAP 10(5),
2002: about a second of MFCC frames each. LLD windows lie around the steps of a convolutional network.
"""

from __future__ import annotations

import numpy as np

_FRAME_S = 0.060
"""openSMILE's longest frames of the ComParE LLD, those of F0; frame i begins at i hops."""
_SLOPE_REACH = 2


def window_starts(n_frames: int, window: int, hop: int) -> np.ndarray:
    """Return the first frame of each texture window, int64 [n_windows], at least one.

    Windows of `window` frames begin every `hop` frames. Only whole windows count; frames after the last
    one are left out. A clip shorter than a window has one window, of all its frames.
    """
    return np.arange(0, max(1, n_frames - window + 1), hop, dtype=np.int64)


def texture_windows(frames: np.ndarray, window: int, hop: int) -> np.ndarray:
    """Describe each texture window of frames [n_frames, n] by their means, then their standard deviations.

    Windows lie as `window_starts` says; what comes back is float32 [n_windows, 2 n].
    """
    if not len(frames):
        return np.zeros((1, 2 * frames.shape[1]), np.float32)
    starts = window_starts(len(frames), window, hop)
    ends = np.minimum(starts + window, len(frames))
    return np.concatenate(window_statistics(frames, starts, ends), axis=1).astype(np.float32)


def nearest_rows(n_windows: int, *, window_s: float, hop_s: float, row_hop_s: float) -> np.ndarray:
    """Return which row of a slower feature lies nearest to the middle of each texture window, int64.

    Windows of `window_s` seconds begin every `hop_s`; the rows' middles are at 0, `row_hop_s`, … without end.
    """
    middles_s = np.arange(n_windows, dtype=np.float64) * hop_s + window_s / 2
    return np.asarray(np.rint(middles_s / row_hop_s).astype(np.int64))


def window_statistics(
    frames: np.ndarray, starts: np.ndarray, ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the (population) standard deviation of the frames of each window.

    Both come from cumulative sums of the centred frames and their squares, in double precision: one pass,
    whatever the overlap of the windows. Window i holds the frames `starts[i]` to `ends[i] - 1` of
    [n_frames, n], at least one; what comes back is float64 [n_windows, n], twice.
    """
    counts = (ends - starts)[:, None]
    centre = frames.mean(axis=0, dtype=np.float64)
    centred = frames - centre
    mean = _window_sums(centred, starts, ends) / counts
    variance = _window_sums(centred**2, starts, ends) / counts - mean**2
    return mean + centre, np.sqrt(np.maximum(variance, 0))


def _window_sums(values: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0, dtype=np.float64)])
    return np.asarray(sums[ends] - sums[starts])


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
    centres = np.round((np.arange(n_steps) * step_s - _FRAME_S / 2) / hop_s).astype(np.int64)
    middle, reach = np.clip(centres, 0, n_frames - 1), max(1, round(window_s / hop_s / 2))
    ends = np.minimum(middle + reach, n_frames)
    return np.minimum(np.maximum(middle - reach, 0), ends - 1), ends


def _slopes(frames: np.ndarray) -> np.ndarray:
    """Regression slope over `_SLOPE_REACH` frames on each side; zeros where a side has fewer."""
    slopes = np.zeros_like(frames)
    inner = len(frames) - 2 * _SLOPE_REACH
    if inner > 0:
        for w in range(1, _SLOPE_REACH + 1):
            later, earlier = frames[_SLOPE_REACH + w :], frames[_SLOPE_REACH - w :]
            slopes[_SLOPE_REACH:-_SLOPE_REACH] += w * (later[:inner] - earlier[:inner])
    return np.asarray(slopes / (2 * sum(w * w for w in range(1, _SLOPE_REACH + 1))))
