"""Keras layers for sequences of unequal length: every one takes the true lengths and ignores the padding.

Importing this module imports Keras: models import it inside the functions that build or load a network.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

_HIDDEN = -1e9
_SMALLEST = 1e-6


@keras.saving.register_keras_serializable(package="affetto")
class SequenceLstm(keras.layers.Layer):  # type: ignore[misc]
    """An LSTM over right-padded sequences in one fused operation (TensorFlow's `BlockLSTM`).

    Same equations as `keras.layers.LSTM` with its defaults (Hochreiter & Schmidhuber 1997, with forget gate),
    but several times faster on a CPU, where Keras loops over the steps. The outputs after a sequence's end
    are zeros.

    Parameters
    ----------
    units
        Size of the state of one direction.
    bidirectional
        Also read each sequence from its own end, with own weights, and join the outputs.
    """

    def __init__(self, units: int, *, bidirectional: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.supports_jit = False  # XLA knows no BlockLSTM
        self.units = units
        self.bidirectional = bidirectional

    def build(self, sequences_shape: Any, lengths_shape: Any = None) -> None:
        """Create the weights of each direction; gates in the order input, cell, forget, output."""
        self.weights_of = [
            self._direction(name, int(sequences_shape[-1]))
            for name in ("forward", "backward")[: 1 + self.bidirectional]
        ]
        self.built = True

    def _direction(self, name: str, n_inputs: int) -> tuple[Any, Any, Any]:
        width = 4 * self.units
        kernel = self.add_weight(name=f"{name}_kernel", shape=(n_inputs, width), initializer="glorot_uniform")
        recurrent = self.add_weight(
            name=f"{name}_recurrent", shape=(self.units, width), initializer="orthogonal"
        )
        bias = self.add_weight(name=f"{name}_bias", shape=(width,), initializer=_forget_bias)
        return kernel, recurrent, bias

    def call(self, sequences: Any, lengths: Any) -> Any:
        """Map [n_clips, n_steps, n_inputs] to [n_clips, n_steps, units or 2 units]."""
        kernels, recurrents, biases = zip(*self.weights_of, strict=True)
        gates = tf.tensordot(sequences, tf.concat(kernels, axis=1), axes=1) + tf.concat(biases, axis=0)
        forward, *backward = tf.split(gates, len(self.weights_of), axis=2)
        outputs = [run_lstm(forward, recurrents[0])]
        if backward:
            turned = tf.reverse_sequence(backward[0], lengths, seq_axis=1, batch_axis=0)
            output = run_lstm(turned, recurrents[1])
            outputs.append(tf.reverse_sequence(output, lengths, seq_axis=1, batch_axis=0))
        mask = step_mask(lengths, tf.shape(sequences)[1])
        return tf.where(mask[:, :, None], tf.concat(outputs, axis=-1), 0.0)

    def compute_output_shape(self, sequences_shape: Any, lengths_shape: Any = None) -> Any:
        """Return the shape of `call`'s result."""
        return (*sequences_shape[:-1], self.units * (1 + self.bidirectional))

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "units": self.units, "bidirectional": self.bidirectional}


@keras.saving.register_keras_serializable(package="affetto")
class AttentionPooling(keras.layers.Layer):  # type: ignore[misc]
    """Weighted mean over the steps, the weights being the softmax of each step's product with a learnt query.

    "Weighted pooling" of Mirsamadi, Barsoum & Zhang, "Automatic speech emotion recognition using recurrent
    neural networks with local attention", ICASSP 2017, equations 5 and 6.

    Parameters
    ----------
    deviation
        Also return the weighted standard deviation, joined to the mean ("attentive statistics pooling",
        Okabe, Koshinaka & Shinoda, Interspeech 2018).
    """

    def __init__(self, *, deviation: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.deviation = deviation

    def build(self, sequences_shape: Any, lengths_shape: Any = None) -> None:
        """Create the query, which starts at zero: at first the pooling is the plain mean."""
        self.query = self.add_weight(name="query", shape=(int(sequences_shape[-1]),), initializer="zeros")
        self.built = True

    def call(self, sequences: Any, lengths: Any) -> tuple[Any, Any]:
        """Map [n_clips, n_steps, n] to the pooled [n_clips, n or 2 n] and the weights [n_clips, n_steps]."""
        scores = tf.linalg.matvec(sequences, tf.convert_to_tensor(self.query))
        mask = step_mask(lengths, tf.shape(sequences)[1])
        weights = tf.nn.softmax(tf.where(mask, scores, _HIDDEN), axis=1)
        mean = tf.einsum("bt,btn->bn", weights, sequences)
        if not self.deviation:
            return mean, weights
        variance = tf.einsum("bt,btn->bn", weights, tf.square(sequences - mean[:, None]))
        return tf.concat([mean, tf.sqrt(variance + _SMALLEST)], axis=-1), weights

    def compute_output_shape(self, sequences_shape: Any, lengths_shape: Any = None) -> Any:
        """Return the shapes of `call`'s results."""
        return (sequences_shape[0], sequences_shape[-1] * (1 + self.deviation)), tuple(sequences_shape[:2])

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "deviation": self.deviation}


@keras.saving.register_keras_serializable(package="affetto")
class LastState(keras.layers.Layer):  # type: ignore[misc]
    """What an LSTM knows at the end: its last output, for two directions the last output of each.

    Parameters
    ----------
    bidirectional
        Whether the second half of the channels was read backwards, so that its last output is at the first
        step.
    """

    def __init__(self, *, bidirectional: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.bidirectional = bidirectional

    def call(self, sequences: Any, lengths: Any) -> Any:
        """Map [n_clips, n_steps, n] to [n_clips, n]."""
        last = tf.gather(sequences, tf.maximum(lengths - 1, 0), axis=1, batch_dims=1)
        if not self.bidirectional:
            return last
        half = sequences.shape[-1] // 2
        return tf.concat([last[:, :half], sequences[:, 0, half:]], axis=-1)

    def compute_output_shape(self, sequences_shape: Any, lengths_shape: Any = None) -> Any:
        """Return the shape of `call`'s result."""
        return (sequences_shape[0], sequences_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "bidirectional": self.bidirectional}


def step_mask(lengths: Any, n_steps: Any) -> Any:
    """Return bool [n_clips, n_steps], true for the steps before each clip's end."""
    return tf.sequence_mask(lengths, n_steps)


def run_lstm(gates: Any, recurrent: Any) -> Any:
    """Run an LSTM from zero states on projected inputs: [n_clips, n_steps, 4 units] to [..., units].

    `BlockLSTM` multiplies its inputs by a kernel step by step; several hundred dimensions are projected
    several times faster before, all steps in one product of matrices. The kernel is then the identity.
    """
    major, units = tf.transpose(gates, [1, 0, 2]), recurrent.shape[0]
    state = tf.zeros([tf.shape(major)[1], units], major.dtype)
    peephole = tf.zeros([units], major.dtype)
    outputs = tf.raw_ops.BlockLSTM(
        seq_len_max=tf.cast(tf.shape(major)[0], tf.int64),
        x=major,
        cs_prev=state,
        h_prev=state,
        w=tf.concat([tf.eye(4 * units), tf.convert_to_tensor(recurrent)], axis=0),
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
