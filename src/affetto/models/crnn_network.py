"""The convolutional recurrent network: its own layers and the function that puts it together.

Importing this module imports Keras: models import it inside the functions that build or load a network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from affetto.models.layers import AttentionPooling, SequenceLstm, step_mask

_REACH = 2
_SILENCE_DB = -1e4
_SMALL_VARIANCE = 1e-4


@keras.saving.register_keras_serializable(package="affetto")
class RemoveLevel(keras.layers.Layer):  # type: ignore[misc]
    """Bring spectrograms of loud and faint recordings together: limit the range, subtract the mean level.

    Parameters
    ----------
    removal
        "none", "clip" (one mean of all true frames and bands) or "band" (cepstral mean normalisation).
    range_db
        What lies more than this below the clip's loudest cell is raised to there: the silence of a studio
        and the noise of a kitchen become alike.
    """

    def __init__(self, *, removal: str, range_db: float, **options: Any) -> None:
        super().__init__(**options)
        self.removal, self.range_db = removal, range_db

    def call(self, spectrograms: Any, lengths: Any) -> Any:
        """Map [n_clips, n_frames, n_bands] in dB to the same shape."""
        mask = step_mask(lengths, tf.shape(spectrograms)[1])
        heard = tf.where(mask[:, :, None], spectrograms, _SILENCE_DB)
        loudest = tf.reduce_max(heard, axis=[1, 2], keepdims=True)
        limited = tf.maximum(spectrograms, loudest - self.range_db)
        if self.removal == "none":
            return limited
        weights = tf.cast(mask, limited.dtype)
        count = tf.maximum(tf.reduce_sum(weights, axis=1), 1.0)[:, None]
        means = tf.einsum("bt,btn->bn", weights, limited) / count
        if self.removal == "clip":
            means = tf.reduce_mean(means, axis=1, keepdims=True)
        return limited - means[:, None, :]

    def compute_output_shape(self, spectrograms_shape: Any, lengths_shape: Any = None) -> Any:
        """Return the shape of `call`'s result."""
        return tuple(spectrograms_shape)

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "removal": self.removal, "range_db": self.range_db}


@keras.saving.register_keras_serializable(package="affetto")
class StandardiseBands(keras.layers.Layer):  # type: ignore[misc]
    """Subtract the mean of each band and divide by its deviation, both variables that no training moves."""

    def build(self, spectrograms_shape: Any) -> None:
        """Make the variables, one number a band."""
        shape = (int(spectrograms_shape[-1]),)
        self.mean = self.add_weight(name="mean", shape=shape, initializer="zeros", trainable=False)
        self.scale = self.add_weight(name="scale", shape=shape, initializer="ones", trainable=False)

    def call(self, spectrograms: Any) -> Any:
        """Return [n_clips, n_frames, n_bands], shaped like `spectrograms`."""
        return (spectrograms - self.mean) / self.scale

    def compute_output_shape(self, spectrograms_shape: Any) -> Any:
        """Return the shape of `call`'s result."""
        return tuple(spectrograms_shape)


@keras.saving.register_keras_serializable(package="affetto")
class DeltaChannels(keras.layers.Layer):  # type: ignore[misc]
    """Turn a spectrogram into three channels: itself, its deltas and their deltas.

    A delta is the regression slope over two frames on each side (HTK Book 3.4, equation 5.16). Frames
    beyond a clip's end count as zeros and stay zeros, however far the clip is padded.
    """

    def call(self, spectrograms: Any, lengths: Any) -> Any:
        """Map [n_clips, n_frames, n_bands] to [n_clips, n_frames, n_bands, 3]."""
        mask = tf.cast(step_mask(lengths, tf.shape(spectrograms)[1]), spectrograms.dtype)[:, :, None]
        static = spectrograms * mask
        delta = _slope(static) * mask
        return tf.stack([static, delta, _slope(delta) * mask], axis=-1)

    def compute_output_shape(self, spectrograms_shape: Any, lengths_shape: Any = None) -> Any:
        """Return the shape of `call`'s result."""
        return (*spectrograms_shape, 3)


@keras.saving.register_keras_serializable(package="affetto")
class KeepSteps(keras.layers.Layer):  # type: ignore[misc]
    """Set everything after a clip's end to zero, so that padding never leaks through convolutions."""

    def call(self, maps: Any, lengths: Any) -> Any:
        """Return [n_clips, n_steps, n_bands, n_channels], shaped like `maps`."""
        mask = tf.cast(step_mask(lengths, tf.shape(maps)[1]), maps.dtype)
        return maps * mask[:, :, None, None]

    def compute_output_shape(self, maps_shape: Any, lengths_shape: Any = None) -> Any:
        """Return the shape of `call`'s result."""
        return tuple(maps_shape)


@keras.saving.register_keras_serializable(package="affetto")
class FusedNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Batch normalisation of maps that trains by TensorFlow's fused operation; Keras chains slower ones."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return [n_clips, n_steps, n_bands, n_channels], shaped like `inputs`."""
        if not training:
            return super().call(inputs, training=training, mask=mask)
        scale, offset = tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta)
        normalised, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, scale, offset, epsilon=self.epsilon, is_training=True
        )
        for moving, measured in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(self.momentum * moving + (1 - self.momentum) * measured)
        return normalised


@keras.saving.register_keras_serializable(package="affetto")
class WeightedDeviation(keras.layers.Layer):  # type: ignore[misc]
    """Standard deviation over the steps under given weights, the second half of attentive statistics pooling.

    Okabe, Koshinaka & Shinoda, "Attentive statistics pooling for deep speaker embedding", Interspeech 2018.
    """

    def call(self, steps: Any, weights: Any, mean: Any) -> Any:
        """Map steps [n_clips, n_steps, n], their weights and weighted mean [n_clips, n] to [n_clips, n]."""
        variance = tf.einsum("bt,btn->bn", weights, tf.square(steps - mean[:, None, :]))
        return tf.sqrt(tf.maximum(variance, 0.0) + _SMALL_VARIANCE)

    def compute_output_shape(
        self, steps_shape: Any, weights_shape: Any = None, mean_shape: Any = None
    ) -> Any:
        """Return the shape of `call`'s result."""
        return (steps_shape[0], steps_shape[-1])


@keras.saving.register_keras_serializable(package="affetto")
class HalveLengths(keras.layers.Layer):  # type: ignore[misc]
    """Steps left of each clip after a stride of two: half of them, rounded up."""

    def call(self, lengths: Any) -> Any:
        """Map int32 [n_clips] to int32 [n_clips]."""
        return (lengths + 1) // 2

    def compute_output_spec(self, lengths: Any) -> Any:
        """Keep shape and integer type."""
        return keras.KerasTensor(lengths.shape, dtype=lengths.dtype)


@keras.saving.register_keras_serializable(package="affetto")
class AlignSteps(keras.layers.Layer):  # type: ignore[misc]
    """Cut or pad a sequence to as many steps as another one; what follows a clip's end becomes zeros."""

    def call(self, sequences: Any, lengths: Any, steps: Any) -> Any:
        """Map [n_clips, n, n_dimensions] to [n_clips, n_steps, n_dimensions], the n_steps of `steps`."""
        n_steps = tf.shape(steps)[1]
        missing = tf.maximum(0, n_steps - tf.shape(sequences)[1])
        aligned = tf.pad(sequences, [[0, 0], [0, missing], [0, 0]])[:, :n_steps]
        return tf.where(step_mask(lengths, n_steps)[:, :, None], aligned, 0.0)

    def compute_output_shape(
        self, sequences_shape: Any, lengths_shape: Any = None, steps_shape: Any = None
    ) -> Any:
        """Return the shape of `call`'s result."""
        return (sequences_shape[0], steps_shape[1], sequences_shape[2])


def build_crnn(
    inputs: Mapping[str, Any],
    n_classes: int,
    *,
    mean_removal: str,
    range_db: float,
    band_mean: Sequence[float],
    band_scale: Sequence[float],
    channels: Sequence[int],
    n_time_strides: int,
    lstm_units: int,
    dropout: float,
    window_units: int = 64,
    window_dropout: float = 0.2,
) -> Any:
    """Put the network together: deltas, convolutions with strides, LSTM, attention pooling, logits.

    LLD windows, one for each step behind the convolutions, pass a layer of their own and join the steps
    before the LSTM.

    Parameters
    ----------
    inputs
        Keras inputs `log_mel` [n_clips, n_frames, n_bands], dB, and `log_mel_lengths` int32 [n_clips];
        perhaps `lld_windows` [n_clips, n_steps, n_dimensions], standardised, with `lld_windows_lengths`.
    n_classes
        Number of emotions.
    mean_removal
        "none", "clip" or "band": the level that each clip loses before standardisation.
    range_db
        Cells more than this below a clip's loudest are raised to there.
    band_mean, band_scale
        Mean and deviation of each band over the training clips, after the removal.
    channels
        Channels of each convolutional block; every block halves the bands.
    n_time_strides
        The first so many blocks also halve the frames.
    lstm_units
        Size of the LSTM's state in each direction.
    dropout
        Share of the numbers hidden before and after the LSTM.
    window_units
        Size of the layer that the LLD windows pass.
    window_dropout
        Share of the windows' dimensions hidden, each in all steps of a clip.

    Returns
    -------
    keras.Model
        To `logits` [n_clips, n_classes] and `attention` [n_clips, n_steps].
    """
    from keras import layers

    lengths = inputs["log_mel_lengths"]
    clips = inputs["log_mel"]
    clips = RemoveLevel(removal=mean_removal, range_db=range_db, name="level")(clips, lengths)
    standardise = StandardiseBands(name="standardised")
    clips = standardise(clips)
    standardise.set_weights([np.array(band_mean), np.array(band_scale)])
    maps = DeltaChannels(name="deltas")(clips, lengths)
    for block, n_channels in enumerate(channels):
        halved = block < n_time_strides
        maps = _convolve(
            maps, n_channels, size=5 if block == 0 else 3, stride=2 if halved else 1, name=f"block_{block}"
        )
        lengths = HalveLengths(name=f"lengths_{block}")(lengths) if halved else lengths
        maps = KeepSteps(name=f"keep_{block}")(maps, lengths)
    steps = layers.Reshape((-1, maps.shape[2] * maps.shape[3]), name="steps")(maps)
    steps = layers.Dropout(dropout, name="steps_dropout")(steps)
    if "lld_windows" in inputs:
        windows = AlignSteps(name="windows")(inputs["lld_windows"], inputs["lld_windows_lengths"], steps)
        windows = _project(windows, window_units, window_dropout, dropout)
        steps = layers.Concatenate(name="joined")([steps, windows])
    steps = SequenceLstm(lstm_units, bidirectional=True, name="lstm")(steps, lengths)
    mean_step, attention = AttentionPooling(name="pooling")(steps, lengths)
    deviation = WeightedDeviation(name="deviation")(steps, attention, mean_step)
    pooled = layers.Concatenate(name="pooled")([mean_step, deviation])
    logits = layers.Dense(n_classes, name="logits")(layers.Dropout(dropout, name="dropout")(pooled))
    return keras.Model(dict(inputs), {"logits": logits, "attention": attention}, name="crnn")


def _project(windows: Any, units: int, window_dropout: float, dropout: float) -> Any:
    """Dropout of whole dimensions, dense layer, layer normalisation, GELU, dropout."""
    from keras import layers

    windows = layers.SpatialDropout1D(window_dropout, name="input_window_dropout")(windows)
    windows = layers.Dense(units, name="window_dense")(windows)
    windows = layers.LayerNormalization(name="window_normalisation")(windows)
    return layers.Dropout(dropout, name="window_dropout")(
        layers.Activation("gelu", name="window_gelu")(windows)
    )


def _convolve(maps: Any, n_channels: int, *, size: int, stride: int, name: str) -> Any:
    """Convolution, batch normalisation, ReLU.

    The borders are padded explicitly: TensorFlow's "same" puts them elsewhere for even and for odd widths,
    and the result for a clip would depend on how far its batch is padded.
    """
    from keras import layers

    maps = layers.ZeroPadding2D(size // 2, name=f"{name}_border")(maps)
    maps = layers.Conv2D(
        n_channels,
        size,
        strides=(stride, 2),
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_convolution",
    )(maps)
    return layers.ReLU(name=f"{name}_relu")(
        FusedNormalization(momentum=0.9, name=f"{name}_normalisation")(maps)
    )


def _slope(values: Any) -> Any:
    """Regression slope along axis 1 over `_REACH` frames on each side; zeros beyond the edges."""
    padded = tf.pad(values, [[0, 0], [_REACH, _REACH], [0, 0]])
    n_frames = tf.shape(values)[1]
    weights = range(1, _REACH + 1)
    total = tf.add_n(
        [
            float(w)
            * (padded[:, _REACH + w : _REACH + w + n_frames] - padded[:, _REACH - w : _REACH - w + n_frames])
            for w in weights
        ]
    )
    return total / float(2 * sum(w * w for w in weights))
