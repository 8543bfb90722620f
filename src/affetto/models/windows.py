"""Frames to windows: means and deviations of the frames around each step of a network.

Texture windows follow Tzanetakis & Cook, "Musical genre classification of audio signals", IEEE TSAP 10(5),
2002: about a second of MFCC frames each. LLD windows lie around the steps of a convolutional network.
"""

from __future__ import annotations

import numpy as np


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
    return np.concatenate(_window_statistics(frames, starts, ends), axis=1).astype(np.float32)


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
    n_frames, n_lld = lld.shape
    if not n_frames:
        return np.zeros((n_steps, 3 * n_lld), np.float32)
    frames = np.nan_to_num(lld.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    # Half of openSMILE's longest frames, those of F0; frame i begins at i hops.
    centres_s = np.arange(n_steps) * step_s - 0.060 / 2
    centres = np.round(centres_s / hop_s).astype(np.int64)
    middle = np.clip(centres, 0, n_frames - 1)
    reach = max(1, round(window_s / hop_s / 2))
    ends = np.minimum(middle + reach, n_frames)
    starts = np.minimum(np.maximum(middle - reach, 0), ends - 1)
    both = np.concatenate([frames, _slopes(frames)], axis=1)
    mean, deviation = _window_statistics(both, starts, ends)
    return np.concatenate([mean[:, :n_lld], deviation], axis=1).astype(np.float32)


def _window_statistics(
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
    moments = []
    for values in (centred, centred**2):
        sums = np.cumsum(np.pad(values, ((1, 0), (0, 0))), axis=0)
        moments.append((sums[ends] - sums[starts]) / counts)
    mean, square = moments
    return mean + centre, np.sqrt(np.maximum(square - mean**2, 0))


def _slopes(frames: np.ndarray) -> np.ndarray:
    """Return the regression slope over two frames on each side; zeros where a side has fewer."""
    slopes = np.zeros_like(frames)
    near = frames[3:-1] - frames[1:-3]
    far = frames[4:] - frames[:-4]
    slopes[2:-2] = (near + 2 * far) / 10
    return slopes
