"""What models do before and after their networks, as TensorFlow operations on a single clip.

Every function repeats one that works on NumPy arrays, in operations that every TensorFlow Lite interpreter
has built in. Importing this module imports TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from affetto.features.opensmile import MAX_DURATION_S
from affetto.models.lld_windows import SLOPE_REACH, window_centres, window_reach
from affetto.models.sequences import nearest_rows
from affetto.models.voice_types import VoiceTypes

_TINY = 1e-12
_LONGEST_TRACK_S = 3_600.0
"""Longest clip of music that the audit lets pass."""


def standardise(values: Any, mean: np.ndarray, scale: np.ndarray, limit: float) -> Any:
    """Do what `Standardiser` does: [..., n] to the same shape; a scale of infinity gives 0.

    The mean is subtracted in two parts, so that its rounding to single precision does not show where the
    deviation is far smaller than the mean.
    """
    finite = tf.where(tf.abs(values) <= np.finfo(np.float32).max, values, tf.zeros_like(values))
    coarse = mean.astype(np.float32)
    centred = finite - coarse - (mean - coarse).astype(np.float32)
    scaled = centred * (1 / scale.astype(np.float64)).astype(np.float32)
    return tf.minimum(tf.maximum(scaled, -limit), limit)


def voice_type_offset(vectors: Any, types: VoiceTypes) -> Any:
    """Do what `VoiceTypes.offset` does: [1, n] to the same shape."""
    scores = tf.matmul(vectors, types.weights.astype(np.float32)) + types.bias.astype(np.float32)
    return tf.matmul(tf.nn.softmax(scores), types.offsets.astype(np.float32))


def lld_windows(
    lld: Any, spectrogram: Any, *, frames_per_step: int, step_s: float, hop_s: float, window_s: float
) -> Any:
    """Do what `affetto.models.lld_windows.lld_windows` does.

    Parameters
    ----------
    lld
        [1, n_frames, n_lld].
    spectrogram
        [1, n_spectrogram_frames, n_bands]; `frames_per_step` of its frames make a step.
    step_s, hop_s, window_s
        As there.

    Returns
    -------
    tensorflow.Tensor
        [1, n_steps, 3 * n_lld].
    """
    frames = tf.where(tf.abs(lld[0]) <= np.finfo(np.float32).max, lld[0], tf.zeros_like(lld[0]))
    n_steps = -(-tf.shape(spectrogram)[1] // frames_per_step)
    # Where windows lie is computed now, in double precision: rounded otherwise they would move by a frame.
    centres = window_centres(int(MAX_DURATION_S / step_s) + 1, step_s=step_s, hop_s=hop_s).astype(np.int32)
    middle = tf.minimum(tf.maximum(tf.constant(centres)[:n_steps], 0), tf.shape(frames)[0] - 1)
    reach = window_reach(window_s, hop_s)
    indices = middle[:, None] + np.arange(-reach, reach, dtype=np.int32)
    mean, deviation = window_statistics(tf.concat([frames, _slopes(frames)], axis=1), indices)
    return tf.concat([mean[:, : lld.shape[2]], deviation], axis=1)[None]


def texture_windows(frames: Any, window: int, hop: int) -> Any:
    """Do what `affetto.models.sequences.texture_windows` does: [1, n_frames, n] to [1, n_windows, 2 n]."""
    n_frames = tf.shape(frames)[1]
    starts = tf.range(0, tf.maximum(1, n_frames - window + 1), hop)
    indices = starts[:, None] + np.arange(window, dtype=np.int32)
    return tf.concat(window_statistics(frames[0], indices), axis=1)[None]


def rows_beside(windows: Any, rows: Any, **layout: float) -> Any:
    """Join to each texture window the nearest row of a slower feature.

    [1, n_windows, n] and [1, n_rows, m] to [1, n_windows, n + m]; `layout` is that of
    `affetto.models.sequences.nearest_rows`.
    """
    nearest = nearest_rows(int(_LONGEST_TRACK_S / layout["hop_s"]) + 1, **layout).astype(np.int32)
    indices = tf.minimum(tf.constant(nearest)[: tf.shape(windows)[1]], tf.shape(rows)[1] - 1)
    return tf.concat([windows, tf.gather(rows, indices, axis=1)], axis=2)


def window_statistics(frames: Any, indices: Any) -> tuple[Any, Any]:
    """Return mean and deviation of the frames of each window, [n_windows, n] each.

    Parameters
    ----------
    frames
        [n_frames, n].
    indices
        int32 [n_windows, n_window_frames]; those before the first and after the last frame do not count.
    """
    n_frames = tf.shape(frames)[0]
    inside = tf.logical_and(indices >= 0, indices < n_frames)
    weights = tf.cast(inside, frames.dtype)[:, :, None]
    count = tf.reduce_sum(weights, axis=1)
    gathered = tf.gather(frames, tf.minimum(tf.maximum(indices, 0), n_frames - 1))
    mean = tf.reduce_sum(gathered * weights, axis=1) / count
    variance = tf.reduce_sum(tf.square(gathered - mean[:, None]) * weights, axis=1) / count
    return mean, tf.sqrt(variance)


def power_product(probabilities: Sequence[Any], weights: Sequence[float]) -> Any:
    """Do what `affetto.models.fusion.fuse` does; one array with the weight 1 / t is tempered by t."""
    pairs = zip(probabilities, weights, strict=True)
    return tf.nn.softmax(tf.add_n([weight * tf.math.log(tf.maximum(p, _TINY)) for p, weight in pairs]))


def loop_lstm(gates: Any, recurrent: Any) -> Any:
    """Do what `affetto.models.layers.run_lstm` does, for one clip: TensorFlow Lite knows no `BlockLSTM`.

    Its own LSTM keeps its state from one call to the next unless the caller resets it, which is easily
    forgotten.
    """
    units = int(recurrent.shape[0])
    recurrent = tf.convert_to_tensor(recurrent)
    n_steps = tf.shape(gates)[1]

    def step(i: Any, output: Any, cell: Any, outputs: Any) -> tuple[Any, Any, Any, Any]:
        moved = gates[:, i] + tf.matmul(output, recurrent)
        admit, candidate, forget, emit = tf.split(moved, 4, axis=1)
        cell = tf.sigmoid(forget) * cell + tf.sigmoid(admit) * tf.tanh(candidate)
        output = tf.sigmoid(emit) * tf.tanh(cell)
        return i + 1, output, cell, outputs.write(i, output)

    start = tf.zeros([1, units])
    empty = tf.TensorArray(tf.float32, size=n_steps, element_shape=[1, units])
    *_, outputs = tf.while_loop(lambda i, *_: i < n_steps, step, (0, start, start, empty))
    return tf.transpose(outputs.stack(), [1, 0, 2])


def _slopes(frames: Any) -> Any:
    """Regression slope over `SLOPE_REACH` frames on each side; zeros where a side has fewer."""
    n_frames, reach = tf.shape(frames)[0], SLOPE_REACH
    padded = tf.pad(frames, [[reach, reach], [0, 0]])
    total = tf.add_n(
        [
            float(w) * (padded[reach + w : reach + w + n_frames] - padded[reach - w : reach - w + n_frames])
            for w in range(1, reach + 1)
        ]
    )
    places = tf.range(n_frames)
    inner = tf.logical_and(places >= reach, places < n_frames - reach)
    return tf.where(inner[:, None], total / float(2 * sum(w * w for w in range(1, reach + 1))), 0.0)
