"""Keras layers for sequences of unequal length: every one takes the true lengths and ignores the padding.

Keras infers what the shapes of results are, and remembers the arguments that rebuild a layer. Importing this
module imports Keras: models import it inside the functions that build or load a network.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

_registered = keras.saving.register_keras_serializable(package="affetto")


@_registered
class SequenceLstm(keras.layers.Layer):  # type: ignore[misc]
    """A bidirectional LSTM over right-padded sequences in one fused operation (TensorFlow's `BlockLSTM`).

    Same equations as `keras.layers.LSTM` with its defaults (Hochreiter & Schmidhuber 1997, with forget gate),
    but several times faster on a CPU, where Keras loops over the steps. Each sequence is also read from its
    own end, with own weights, and the outputs are joined; those after a sequence's end are zeros.

    `units` is the size of the state of one direction.
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_jit = False  # XLA knows no BlockLSTM
        self.units = units

    def build(self, sequences_shape: Any, lengths_shape: Any = None) -> None:
        """Create the weights of each direction; gates in the order input, cell, forget, output."""
        n_inputs, width = sequences_shape[-1], 4 * self.units
        weights = {
            "kernel": ((n_inputs, width), "glorot_uniform"),
            "recurrent": ((self.units, width), "orthogonal"),
            "bias": ((width,), _forget_bias),
        }
        self.weights_of = []
        for direction in ("forward", "backward"):
            own = []
            for name, (shape, start) in weights.items():
                full = f"{direction}_{name}"
                own.append(self.add_weight(name=full, shape=shape, initializer=start))
            self.weights_of.append(own)
        self.built = True

    def call(self, sequences: Any, lengths: Any) -> Any:
        """Map [n_clips, n_steps, n_inputs] to [n_clips, n_steps, 2 units]."""
        kernels, recurrents, biases = zip(*self.weights_of, strict=True)
        gates = tf.tensordot(sequences, tf.concat(kernels, axis=1), axes=1)
        gates = gates + tf.concat(biases, axis=0)
        forward, backward = tf.split(gates, 2, axis=2)
        forward = _run_lstm(forward, recurrents[0])
        backward = tf.reverse_sequence(backward, lengths, seq_axis=1)
        backward = _run_lstm(backward, recurrents[1])
        backward = tf.reverse_sequence(backward, lengths, seq_axis=1)
        mask = _step_mask(lengths, sequences)[:, :, None]
        return tf.where(mask, tf.concat([forward, backward], axis=-1), 0.0)


@_registered
class AttentionPooling(keras.layers.Layer):  # type: ignore[misc]
    """Weighted mean over the steps, the weights being the softmax of each step's product with a learnt query.

    "Weighted pooling" of Mirsamadi, Barsoum & Zhang, "Automatic speech emotion recognition using recurrent
    neural networks with local attention", ICASSP 2017, equations 5 and 6.

    With `deviation` the weighted standard deviation is joined to the mean ("attentive statistics pooling",
    Okabe, Koshinaka & Shinoda, Interspeech 2018).
    """

    def __init__(self, *, deviation: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deviation = deviation

    def build(self, sequences_shape: Any, lengths_shape: Any = None) -> None:
        """Create the query, which starts at zero: at first the pooling is the plain mean."""
        shape = (int(sequences_shape[-1]),)
        self.query = self.add_weight(name="query", shape=shape, initializer="zeros")
        self.built = True

    def call(self, sequences: Any, lengths: Any) -> tuple[Any, Any]:
        """Map [n_clips, n_steps, n] to the pooled [n_clips, n or 2 n] and the weights [n_clips, n_steps]."""
        scores = tf.linalg.matvec(sequences, tf.convert_to_tensor(self.query))
        scores = tf.where(_step_mask(lengths, sequences), scores, -1e9)
        weights = tf.nn.softmax(scores, axis=1)
        mean = tf.einsum("bt,btn->bn", weights, sequences)
        if not self.deviation:
            return mean, weights
        squares = tf.square(sequences - mean[:, None])
        variance = tf.einsum("bt,btn->bn", weights, squares)
        deviation = tf.sqrt(tf.maximum(variance, 0.0) + 1e-4)
        return tf.concat([mean, deviation], axis=-1), weights


@_registered
class LastState(keras.layers.Layer):  # type: ignore[misc]
    """What a bidirectional LSTM knows at the end: the last output of each direction.

    The second half of the channels was read backwards: its last output is at the first step.
    """

    def call(self, sequences: Any, lengths: Any) -> Any:
        """Map [n_clips, n_steps, n] to [n_clips, n]."""
        last = tf.gather(sequences, tf.maximum(lengths - 1, 0), axis=1, batch_dims=1)
        half = sequences.shape[-1] // 2
        return tf.concat([last[:, :half], sequences[:, 0, half:]], axis=-1)


@_registered
class SpectrogramChannels(keras.layers.Layer):  # type: ignore[misc]
    """Bring spectrograms of loud and faint recordings together, standardise them, and add their deltas.

    What lies far below a clip's loudest cell is raised: the silence of a studio and the noise of a kitchen
    become alike. The mean level is subtracted, and each band divided by its deviation on the training clips,
    which stands in a variable that no training moves. A delta is the regression slope over two frames on
    each side (HTK Book 3.4, equation 5.16). Frames beyond a clip's end count as zeros and stay zeros,
    however far the clip is padded.

    `removal` is "clip" (one mean of all true frames and bands) or "band" (cepstral mean normalisation);
    `range_db` says how far below a clip's loudest cell others are raised to.
    """

    def __init__(self, *, removal: str, range_db: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.removal, self.range_db = removal, range_db

    def build(self, spectrograms_shape: Any, lengths_shape: Any = None) -> None:
        """Make the variables, one number a band."""
        fixed: dict[str, Any] = {"shape": (int(spectrograms_shape[-1]),), "trainable": False}
        self.mean = self.add_weight(name="mean", initializer="zeros", **fixed)
        self.scale = self.add_weight(name="scale", initializer="ones", **fixed)
        self.built = True

    def call(self, spectrograms: Any, lengths: Any) -> Any:
        """Map [n_clips, n_frames, n_bands] in dB to [n_clips, n_frames, n_bands, 3]."""
        mask = _step_mask(lengths, spectrograms)[:, :, None]
        weights = tf.cast(mask, spectrograms.dtype)
        levelled = self._less_level(spectrograms, mask, weights)
        static = ((levelled - self.mean) / self.scale) * weights
        delta = _slope(static) * weights
        return tf.stack([static, delta, _slope(delta) * weights], axis=-1)

    def _less_level(self, spectrograms: Any, mask: Any, weights: Any) -> Any:
        heard = tf.where(mask, spectrograms, -1e4)
        loudest = tf.reduce_max(heard, axis=[1, 2], keepdims=True)
        limited = tf.maximum(spectrograms, loudest - self.range_db)
        count = tf.maximum(tf.reduce_sum(weights, axis=1), 1.0)
        means = tf.einsum("bt,btn->bn", weights[:, :, 0], limited) / count
        if self.removal == "clip":
            means = tf.reduce_mean(means, axis=1, keepdims=True)
        return limited - means[:, None, :]


class FusedNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Batch normalisation of maps that trains by TensorFlow's fused operation; Keras chains slower ones."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return [n_clips, n_steps, n_bands, n_channels], shaped like `inputs`."""
        if not training:
            return super().call(inputs, training=training, mask=mask)
        scale = tf.convert_to_tensor(self.gamma)
        offset = tf.convert_to_tensor(self.beta)
        normalise = tf.compat.v1.nn.fused_batch_norm
        normalised, *measured = normalise(inputs, scale, offset, epsilon=self.epsilon, is_training=True)
        moving = self.moving_mean, self.moving_variance
        for kept, new in zip(moving, measured, strict=True):
            kept.assign(self.momentum * kept + (1 - self.momentum) * new)
        return normalised


@_registered
class ConvolutionBlock(keras.layers.Layer):  # type: ignore[misc]
    """Convolution, batch normalisation and ReLU; bands are halved, and frames perhaps.

    The borders are padded explicitly: TensorFlow's "same" puts them elsewhere for even and for odd widths,
    and the result for a clip would depend on how far its batch is padded. Everything after a clip's end
    becomes zero, so that padding never leaks through convolutions.

    `size` is that of the kernel in frames and bands; with `halved` frames are halved as well, rounded up.
    """

    def __init__(self, channels: int, *, size: int, halved: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.channels, self.size, self.halved = channels, size, halved
        self.convolution = keras.layers.Conv2D(
            channels,
            size,
            strides=(2 if halved else 1, 2),
            use_bias=False,
            kernel_initializer="he_normal",
        )
        self.normalisation = FusedNormalization(momentum=0.9)

    def build(self, maps_shape: Any, lengths_shape: Any = None) -> None:
        """Create the kernel and the statistics."""
        self.convolution.build(maps_shape)
        self.normalisation.build((*maps_shape[:-1], self.channels))
        self.built = True

    def call(self, maps: Any, lengths: Any, training: bool | None = None) -> tuple[Any, Any]:
        """Map [n_clips, n_frames, n_bands, n_channels] and its lengths to both behind the block."""
        border = [self.size // 2] * 2
        convolved = self.convolution(tf.pad(maps, [[0, 0], border, border, [0, 0]]))
        found = tf.nn.relu(self.normalisation(convolved, training=training))
        lengths = (lengths + 1) // 2 if self.halved else lengths
        weights = tf.cast(_step_mask(lengths, found), found.dtype)
        return found * weights[:, :, None, None], lengths


def _step_mask(lengths: Any, sequences: Any) -> Any:
    """Return bool [n_clips, n_steps], true for the steps of `sequences` before each clip's end."""
    return tf.sequence_mask(lengths, tf.shape(sequences)[1])


def _run_lstm(gates: Any, recurrent: Any) -> Any:
    """Run an LSTM from zero states on projected inputs: [n_clips, n_steps, 4 units] to [..., units].

    `BlockLSTM` multiplies its inputs by a kernel step by step; several hundred dimensions are projected
    several times faster before, all steps in one product of matrices. The kernel is then the identity.
    """
    major, units = tf.transpose(gates, [1, 0, 2]), recurrent.shape[0]
    state = tf.zeros([tf.shape(major)[1], units], major.dtype)
    peephole = tf.zeros([units], major.dtype)
    kernel = [tf.eye(4 * units), tf.convert_to_tensor(recurrent)]
    outputs = tf.raw_ops.BlockLSTM(
        seq_len_max=tf.cast(tf.shape(major)[0], tf.int64),
        x=major,
        cs_prev=state,
        h_prev=state,
        w=tf.concat(kernel, axis=0),
        wci=peephole,
        wcf=peephole,
        wco=peephole,
        b=tf.zeros([4 * units], major.dtype),
        forget_bias=0.0,
        cell_clip=0.0,
        use_peephole=False,
    )
    return tf.transpose(outputs.h, [1, 0, 2])


def _forget_bias(shape: Any, dtype: Any = None) -> Any:
    """Start the forget gates open (Jozefowicz et al. 2015), everything else at zero."""
    units = shape[0] // 4
    return tf.concat([tf.zeros([2 * units]), tf.ones([units]), tf.zeros([units])], axis=0)


def _slope(values: Any) -> Any:
    """Return the regression slope along axis 1 over two frames on each side; zeros beyond the edges."""
    padded = tf.pad(values, [[0, 0], [2, 2], [0, 0]])
    near = padded[:, 3:-1] - padded[:, 1:-3]
    far = padded[:, 4:] - padded[:, :-4]
    return (near + 2.0 * far) / 10.0
