"""Frames to texture windows: the mean and the deviation of the frames over about a second.

Texture windows follow Tzanetakis & Cook, "Musical genre classification of audio signals", IEEE TSAP 10(5),
2002.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

LIMIT = 5.0
"""Standardised steps are clipped to ± this."""
_SMALLEST = 1e-6


def window_frames(seconds: float, hop_s: float) -> int:
    """Return how many frames of `hop_s` seconds last about `seconds`, at least 1."""
    return max(1, round(seconds / hop_s))


def window_starts(n_frames: int, window: int, hop: int) -> np.ndarray:
    """Return the first frame of each texture window.

    Only whole windows count; frames after the last whole window are left out. A clip shorter than a window
    has one window, of all its frames.

    Parameters
    ----------
    n_frames
        Frames of the clip.
    window, hop
        Frames of a window and between the starts of two windows.

    Returns
    -------
    numpy.ndarray
        int64 [n_windows], at least one.
    """
    return np.arange(0, max(1, n_frames - window + 1), hop, dtype=np.int64)


def texture_windows(frames: np.ndarray, window: int, hop: int) -> np.ndarray:
    """Describe each texture window by the mean and the standard deviation of its frames.

    Both come from cumulative sums of the centred frames and their squares, in double precision: one pass,
    whatever the overlap of the windows.

    Parameters
    ----------
    frames
        [n_frames, n_dimensions].
    window, hop
        Frames of a window and between the starts of two windows.

    Returns
    -------
    numpy.ndarray
        float32 [n_windows, 2 * n_dimensions]: means, then (population) standard deviations.
    """
    if not len(frames):
        return np.zeros((1, 2 * frames.shape[1]), np.float32)
    starts = window_starts(len(frames), window, hop)
    ends = np.minimum(starts + window, len(frames))
    return np.concatenate(window_statistics(frames, starts, ends), axis=1).astype(np.float32)


def nearest_rows(n_windows: int, *, window_s: float, hop_s: float, row_hop_s: float) -> np.ndarray:
    """Return which row of a slower feature lies nearest to the middle of each texture window.

    Parameters
    ----------
    n_windows
        Number of texture windows.
    window_s, hop_s
        Length of a window and time from the start of one to the next, seconds.
    row_hop_s
        Time from a row's middle to the next, seconds; the first row's middle is at 0.

    Returns
    -------
    numpy.ndarray
        int64 [n_windows]; the caller limits them to the rows there are.
    """
    middles_s = np.arange(n_windows, dtype=np.float64) * hop_s + window_s / 2
    rows: np.ndarray = np.rint(middles_s / row_hop_s).astype(np.int64)
    return rows


def window_statistics(
    frames: np.ndarray, starts: np.ndarray, ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the (population) standard deviation of the frames of each window.

    Parameters
    ----------
    frames
        [n_frames, n_dimensions], at least one frame.
    starts, ends
        int [n_windows]: the first frame of each window and the one after its last; no window is empty.

    Returns
    -------
    tuple of numpy.ndarray
        float64 [n_windows, n_dimensions] each.
    """
    counts = (ends - starts)[:, None]
    centre = frames.mean(axis=0, dtype=np.float64)
    centred = frames - centre
    mean = _window_sums(centred, starts, ends) / counts
    variance = _window_sums(centred**2, starts, ends) / counts - mean**2
    return mean + centre, np.sqrt(np.maximum(variance, 0))


def standardisation(sequences: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Measure the mean and the standard deviation of every dimension over all steps of all clips.

    Parameters
    ----------
    sequences
        Arrays [n_steps, n_dimensions].

    Returns
    -------
    tuple of numpy.ndarray
        float32 [n_dimensions] each; constant dimensions have a deviation of 1.
    """
    stacked = np.concatenate([np.asarray(sequence) for sequence in sequences])
    mean, deviation = stacked.mean(axis=0, dtype=np.float64), stacked.std(axis=0, dtype=np.float64)
    deviation[deviation < _SMALLEST] = 1
    return mean.astype(np.float32), deviation.astype(np.float32)


def standardise(sequences: Sequence[np.ndarray], mean: np.ndarray, deviation: np.ndarray) -> list[np.ndarray]:
    """Standardise each sequence and clip it to 5 deviations, so that no outlier overwhelms a network."""
    return [
        np.clip((sequence - mean) / deviation, -LIMIT, LIMIT).astype(np.float32) for sequence in sequences
    ]


def crop_steps(
    batch: np.ndarray, lengths: np.ndarray, shortest: float, rng: np.random.Generator
) -> np.ndarray:
    """Keep a random stretch of each sequence of a padded batch.

    Parameters
    ----------
    batch
        [n_clips, n_steps, n_dimensions], right-padded; changed in place.
    lengths
        int32 [n_clips]; changed in place.
    shortest
        Least share of a sequence that is kept, 0 to 1.
    rng
        Source of the stretches.

    Returns
    -------
    numpy.ndarray
        `batch`, its sequences moved to the start and padded with zeros.
    """
    for row, clip in enumerate(batch):
        kept = max(1, int(np.ceil(lengths[row] * rng.uniform(shortest, 1))))
        start = int(rng.integers(0, lengths[row] - kept + 1))
        clip[:kept] = clip[start : start + kept].copy()
        clip[kept:] = 0
        lengths[row] = kept
    return batch


def _window_sums(values: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0, dtype=np.float64)])
    difference: np.ndarray = sums[ends] - sums[starts]
    return difference
