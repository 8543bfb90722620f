"""Networks of one architecture are trained in one compiled graph, which is made once a process.

Making the graph of a training step takes seconds, as long as training on a small corpus. What differs between
the fits of an experiment are numbers, in variables: weights, statistics of the training clips, random states.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from affetto.models.training import TrainingParameters

_MOST_IDLE = 2
_idle: OrderedDict[str, TrainingGraph] = OrderedDict()
_lock = threading.Lock()


class TrainingGraph:
    """A network, its optimiser and the moving average of its weights, with compiled functions on them.

    Parameters
    ----------
    model
        Keras model from a batch to a dict with `logits`; it is trained itself.
    parameters
        How to train.

    Attributes
    ----------
    average : list of tf.Variable
        Moving averages of the trainable weights; none with an `ema_momentum` of 0.
    step
        Compiled; batch, targets, weights, learning rate, momentum of the average → loss, hits.
    forward
        Compiled; a batch → logits as in training, which updates the statistics of batch normalisations.
    """

    def __init__(self, model: Any, parameters: TrainingParameters) -> None:
        self.model = model
        self.optimizer = _optimizer(parameters)
        self.optimizer.build(model.trainable_variables)
        self._untouched = [variable.numpy() for variable in self.optimizer.variables]
        self.average = _copies(model) if parameters.ema_momentum > 0 else []
        self.step = _step_function(model, self.optimizer, self.average, parameters)
        self.forward = _forward_function(model)

    def start_from(self, model: Any) -> None:
        """Take all variables of a model of the same architecture, and forget what was trained before."""
        assign(self.model.variables, model.variables)
        assign(self.optimizer.variables, self._untouched)
        if self.average:
            assign(self.average, model.trainable_variables)

    def give_to(self, model: Any) -> None:
        """Write all variables into a model of the same architecture."""
        assign(model.variables, self.model.variables)


@contextmanager
def training_graph(model: Any, parameters: TrainingParameters) -> Iterator[TrainingGraph]:
    """Lend a graph that starts as `model` is; what it was trained to be is written into `model` at the end.

    A graph is used by one borrower at a time, and kept for the next network of the same architecture and
    training.

    Parameters
    ----------
    model, parameters
        As for `TrainingGraph`; the model's layers must hold in variables what is learnt from clips.
    """
    key = _key(model, parameters)
    with _lock:
        graph = _idle.pop(key, None)
    if graph is None:
        graph = TrainingGraph(_clone(model), parameters)
    graph.start_from(model)
    yield graph
    graph.give_to(model)
    with _lock:
        _idle[key] = graph
        while len(_idle) > _MOST_IDLE:
            _idle.popitem(last=False)


def batch_signature(model: Any) -> dict[str, Any]:
    """Return what compiled functions are told of a network's batches: name of an input → its TensorSpec."""
    import tensorflow as tf

    return {tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs}


def assign(variables: Sequence[Any], values: Sequence[Any]) -> None:
    """Write values, or those of other variables, into variables in their order."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def weighted_loss(outputs: Any, targets: Any, weights: Any, auxiliary_weight: float) -> Any:
    """Return the weighted cross-entropy of `logits` plus that of each `auxiliary_` head times its weight."""
    import tensorflow as tf

    loss = tf.reduce_mean(weights * tf.nn.softmax_cross_entropy_with_logits(targets, outputs["logits"]))
    for name, logits in outputs.items():
        if name.startswith("auxiliary_"):
            extra = tf.reduce_mean(weights * tf.nn.softmax_cross_entropy_with_logits(targets, logits))
            loss = loss + auxiliary_weight * extra
    return loss


def _key(model: Any, parameters: TrainingParameters) -> str:
    built_in = (parameters.weight_decay, parameters.clip_norm, parameters.auxiliary_weight)
    return f"{model.to_json()} {built_in} {parameters.ema_momentum > 0}"


def _clone(model: Any) -> Any:
    import keras

    return keras.Model.from_config(model.get_config())


def _optimizer(parameters: TrainingParameters) -> Any:
    import keras

    optimizer = keras.optimizers.AdamW(
        parameters.learning_rate, weight_decay=parameters.weight_decay, global_clipnorm=parameters.clip_norm
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "query"])
    return optimizer


def _copies(model: Any) -> list[Any]:
    import tensorflow as tf

    return [tf.Variable(variable.numpy(), trainable=False) for variable in model.trainable_variables]


def _step_function(model: Any, optimizer: Any, averages: list[Any], parameters: TrainingParameters) -> Any:
    import tensorflow as tf

    specs = [
        batch_signature(model),
        tf.TensorSpec([None, model.output["logits"].shape[-1]], tf.float32),
        tf.TensorSpec([None], tf.float32),
        tf.TensorSpec([], tf.float32),
        tf.TensorSpec([], tf.float32),
    ]

    @tf.function(input_signature=specs, autograph=False)  # type: ignore[untyped-decorator]
    def step(batch: Any, targets: Any, weights: Any, rate: Any, momentum: Any) -> Any:
        with tf.GradientTape() as tape:
            outputs = model(batch, training=True)
            loss = weighted_loss(outputs, targets, weights, parameters.auxiliary_weight)
            total = loss + tf.add_n(model.losses) if model.losses else loss
        variables = model.trainable_variables
        optimizer.learning_rate.assign(rate)
        optimizer.apply(tape.gradient(total, variables), variables)
        for average, variable in zip(averages, variables, strict=False):  # none when nothing is averaged
            average.assign_add((1 - momentum) * (variable - average))
        hits = tf.equal(tf.argmax(outputs["logits"], axis=1), tf.argmax(targets, axis=1))
        return loss, tf.reduce_sum(tf.cast(hits, tf.int32))

    return step


def _forward_function(model: Any) -> Any:
    import tensorflow as tf

    @tf.function(input_signature=[batch_signature(model)], autograph=False)  # type: ignore[untyped-decorator]
    def forward(batch: Any) -> Any:
        return model(batch, training=True)["logits"]

    return forward
