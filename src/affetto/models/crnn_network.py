"""The convolutional recurrent network: layers and the function that puts them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from affetto.models.layers import AttentionPooling, SequenceLstm, step_mask

DELTA_REACH = 2
"""Frames on each side that a delta looks at."""


@keras.saving.register_keras_serializable(package="affetto")
class DeltaChannels(keras.layers.Layer):
    """Turn a spectrogram [n_clips, n_frames, n_bands] into channels: itself, its deltas and their deltas.

    A delta is the regression slope over two frames on each side (HTK Book 3.4, eq. 5.16). Frames beyond a clip's end
    count as zeros and stay zeros, however far the clip is padded.
    """

    def call(self, spectrograms: Any, lengths: Any) -> Any:
        """Return [n_clips, n_frames, n_bands, 3]."""
        mask = tf.cast(step_mask(lengths, tf.shape(spectrograms)[1]), spectrograms.dtype)[:, :, None]
        static = spectrograms * mask
        delta = _slope(static) * mask
        return tf.stack([static, delta, _slope(delta) * mask], axis=-1)

    def compute_output_shape(self, spectrograms_shape: Any, lengths_shape: Any = None) -> Any:  # noqa: ARG002
        """Return the shape of `call`'s result."""
        return (*spectrograms_shape, 3)


@keras.saving.register_keras_serializable(package="affetto")
class KeepSteps(keras.layers.Layer):
    """Set everything after a clip's end to zero, so that padding never leaks through convolutions."""

    def call(self, maps: Any, lengths: Any) -> Any:
        """Return [n_clips, n_steps, ...] shaped like `maps`."""
        mask = tf.cast(step_mask(lengths, tf.shape(maps)[1]), maps.dtype)
        return maps * tf.reshape(mask, [tf.shape(maps)[0], -1] + [1] * (len(maps.shape) - 2))

    def compute_output_shape(self, maps_shape: Any, lengths_shape: Any = None) -> Any:  # noqa: ARG002
        """Return the shape of `call`'s result."""
        return tuple(maps_shape)


@keras.saving.register_keras_serializable(package="affetto")
class HalveLengths(keras.layers.Layer):
    """Lengths after a stride of two: half, rounded up."""

    def call(self, lengths: Any) -> Any:
        """Return int32 [n_clips]."""
        return (lengths + 1) // 2

    def compute_output_shape(self, lengths_shape: Any) -> Any:
        """Return the shape of `call`'s result."""
        return tuple(lengths_shape)

    def compute_output_spec(self, lengths: Any) -> Any:
        """Keep the integer type."""
        return keras.KerasTensor(lengths.shape, dtype=lengths.dtype)


def build_crnn(
    inputs: Mapping[str, Any],
    n_classes: int,
    *,
    channels: Sequence[int],
    n_time_strides: int,
    lstm_units: int,
    dropout: float,
    statistics_pooling: bool = False,
    deltas: bool = True,
    mode: str = "stride",
) -> Any:
    from keras import layers

    lengths = inputs["log_mel_lengths"]
    maps = DeltaChannels(name="deltas")(inputs["log_mel"], lengths)
    if not deltas:
        maps = maps[..., :1]
    for block, n_channels in enumerate(channels):
        stride = 2 if block < n_time_strides else 1
        pool = mode == "pool" and block > 0
        maps = layers.Conv2D(
            n_channels, 5 if block == 0 else 3, strides=(1 if pool else stride, 1 if pool else 2), padding="same", use_bias=False,
            kernel_initializer="he_normal",
        )(maps)
        maps = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(maps))
        if pool:
            maps = layers.AveragePooling2D((stride, 2))(maps)
        lengths = HalveLengths()(lengths) if stride == 2 else lengths
        maps = KeepSteps()(maps, lengths)
        if block in (1, 2) and dropout:
            maps = layers.SpatialDropout2D(dropout / 3)(maps)
    steps = layers.Reshape((-1, maps.shape[2] * maps.shape[3]))(maps)
    steps = layers.Dropout(dropout)(steps)
    if lstm_units:
        steps = SequenceLstm(lstm_units, bidirectional=True)(steps, lengths)
        steps = layers.Dropout(dropout)(steps)
    pooled, attention = AttentionPooling(name="pool")(steps, lengths)
    if statistics_pooling:
        second, _ = pooled, None
        sq = layers.Lambda(lambda t: t * t)(steps)
    logits = layers.Dense(n_classes, name="logits")(layers.Dropout(dropout)(pooled))
    return keras.Model(dict(inputs), {"logits": logits, "attention": attention})


def _slope(values: Any) -> Any:
    """Regression slope along axis 1 over two frames on each side; zeros beyond the edges."""
    padded = tf.pad(values, [[0, 0], [DELTA_REACH, DELTA_REACH], [0, 0]])
    n_frames = tf.shape(values)[1]
    total = sum(
        weight * padded[:, DELTA_REACH + weight : DELTA_REACH + weight + n_frames]
        - weight * padded[:, DELTA_REACH - weight : DELTA_REACH - weight + n_frames]
        for weight in range(1, DELTA_REACH + 1)
    )
    return total / (2 * sum(weight * weight for weight in range(1, DELTA_REACH + 1)))
