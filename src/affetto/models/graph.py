"""A fitted model as one graph, from the features of a clip to the probabilities of its emotions.

Estimators that consist of networks and matrices describe themselves by it (`Estimator.inference_graph`);
`affetto.models.export` makes files of it. Importing this module imports Keras.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from affetto.models.graph_steps import power_product, standardise, voice_type_offset
from affetto.models.layers import SequenceLstm
from affetto.models.standardiser import Standardiser
from affetto.models.voice_types import VoiceTypes

Tensors = Mapping[str, Any]
Prepare = Callable[[Tensors], dict[str, Any]]


@dataclass(frozen=True)
class InferenceGraph:
    """What a model computes, in TensorFlow operations that can be converted.

    Attributes
    ----------
    inputs
        Shape of each feature of a clip, without the axis of the clips: (None, n_dimensions) for a sequence,
        (n_dimensions,) for a vector.
    call
        Maps the features of one clip, float32 [1, ...], to the probabilities [1, n_classes].
    networks
        The Keras models in it, whose variables are the graph's.
    """

    inputs: dict[str, tuple[int | None, ...]]
    call: Callable[[Tensors], Any]
    networks: tuple[Any, ...] = ()


def network_graph(
    members: Sequence[Any], inputs: Mapping[str, tuple[int | None, ...]], prepare: Prepare
) -> InferenceGraph:
    """Average the probabilities of networks.

    Parameters
    ----------
    members
        Keras models with the output `logits`.
    inputs
        As in `InferenceGraph`.
    prepare
        Maps the features to the sequences that the networks read, without their lengths.
    """

    def call(features: Tensors) -> Any:
        batch = prepare(features)
        batch |= {f"{name}_lengths": tf.shape(value)[1:2] for name, value in batch.items()}
        opinions = [tf.nn.softmax(member(batch, training=False)["logits"]) for member in members]
        return tf.add_n(opinions) / float(len(opinions))

    return InferenceGraph(dict(inputs), call, tuple(members))


def linear_graph(
    sizes: Mapping[str, int],
    standardiser: Standardiser,
    types: VoiceTypes,
    weights: np.ndarray,
    bias: np.ndarray,
) -> InferenceGraph:
    """Standardise vectors, subtract the kind of voice, multiply by `weights`, add `bias`, softmax.

    Parameters
    ----------
    sizes
        Numbers of each feature, in their order.
    standardiser, types, weights, bias
        Of all of them; [n_dimensions, n_classes] and [n_classes].
    """

    def call(features: Tensors) -> Any:
        vectors = tf.concat([features[name] for name in sizes], axis=1)
        standardised = standardise(vectors, standardiser.mean, standardiser.scale, standardiser.limit)
        relative = standardised - voice_type_offset(standardised, types)
        return tf.nn.softmax(tf.matmul(relative, weights.astype(np.float32)) + bias.astype(np.float32))

    return InferenceGraph({name: (size,) for name, size in sizes.items()}, call)


def kernel_graph(
    sizes: Mapping[str, int],
    standardiser: Standardiser,
    scale: np.ndarray,
    landmarks: np.ndarray,
    weights: np.ndarray,
    bias: np.ndarray,
) -> InferenceGraph:
    """Take mean and deviation over the frames, standardise, compare with landmarks, multiply, softmax.

    Parameters
    ----------
    sizes
        Dimensions of each feature, in their order.
    standardiser, scale, landmarks, weights, bias
        Of `affetto.models.kernel_logistic.KernelLogistic`.
    """
    squares = np.sum(landmarks.astype(np.float64) ** 2, axis=1).astype(np.float32)

    def call(features: Tensors) -> Any:
        moments = [tf.nn.moments(features[name], axes=[1]) for name in sizes]
        vectors = tf.concat(
            [part for mean, variance in moments for part in (mean, tf.sqrt(variance))], axis=1
        )
        standardised = standardise(vectors, standardiser.mean, standardiser.scale, standardiser.limit)
        scaled = standardised * scale
        own = tf.reduce_sum(tf.square(scaled), axis=1, keepdims=True)
        distances = own + squares - 2.0 * tf.matmul(scaled, landmarks, transpose_b=True)
        alike = tf.exp(-tf.maximum(distances, 0.0))
        return tf.nn.softmax(tf.matmul(alike, weights) + bias)

    return InferenceGraph({name: (None, size) for name, size in sizes.items()}, call)


def product_graph(graphs: Sequence[InferenceGraph], weights: Sequence[float]) -> InferenceGraph:
    """Fuse several graphs by the weighted product of their probabilities (see `affetto.models.fusion`)."""
    inputs = {name: shape for graph in graphs for name, shape in graph.inputs.items()}
    networks = tuple(network for graph in graphs for network in graph.networks)
    return InferenceGraph(
        inputs, lambda features: power_product([graph.call(features) for graph in graphs], weights), networks
    )


@contextmanager
def portable_lstm(networks: Sequence[Any]) -> Iterator[None]:
    """Let the LSTM of networks use operations that can be converted while they are traced."""
    layers = [layer for network in networks for layer in network.layers if isinstance(layer, SequenceLstm)]
    for layer in layers:
        layer.portable = True
    try:
        yield
    finally:
        for layer in layers:
            layer.portable = False
