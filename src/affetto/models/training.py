"""How networks are trained: batches of similar length, mixup, schedule, one compiled graph for all fits.

`Model.fit` would trace anew for each fit and compile convolutions for each width, which takes as long as
training on a small corpus. What differs between the fits of an experiment are numbers, in variables: weights,
statistics of the training clips, random states. So networks of one architecture share a compiled step with
open batch and time axes, which is made once a process.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from pydantic import NonNegativeFloat, PositiveFloat

from affetto.io.configuration import Parameters
from affetto.models.estimator import Count, Share
from affetto.models.logistic import balanced_weights

Inputs = Mapping[str, Sequence[np.ndarray]]
"""What a network reads: name → a list of [n_steps, ...] arrays."""
Batch = dict[str, np.ndarray]
"""Each input padded to [n_clips, width, ...], and `<name>_lengths` int32 [n_clips]."""
_training = threading.Lock()


class TrainingParameters(Parameters):
    """How a network is trained; networks add their architecture to it."""

    epochs: Count = 40
    """Passes over the training clips."""
    batch_size: Count = 32
    """Clips a step."""
    learning_rate: PositiveFloat = 2e-3
    """Peak rate of AdamW, reached after a tenth of the steps."""
    weight_decay: NonNegativeFloat = 1e-2
    """Decoupled weight decay of AdamW, biases excepted."""
    label_smoothing: Share = 0.0
    """Share of each target spread over all classes."""
    mixup_alpha: NonNegativeFloat = 0.0
    """Beta parameter of mixup (Zhang et al. 2018); 0 is off."""
    ema_momentum: Share = 0.98
    """Moving average of the weights a step; 0 is off."""
    n_members: Count = 1
    """Networks of other seeds whose probabilities are averaged."""


def pad_batch(inputs: Inputs, indices: np.ndarray, widths: Mapping[str, np.ndarray] | None = None) -> Batch:
    """Pad the clips at `indices` on the right with zeros: float32 [n_clips, width, ...], and lengths.

    The width is the first of the ascending `widths` of the input that holds all of them; without widths,
    and beyond the largest, that of the longest clip.
    """
    batch: Batch = {}
    for name, values in inputs.items():
        chosen = [values[int(i)] for i in indices]
        lengths = np.array([len(value) for value in chosen], dtype=np.int32)
        longest = max(int(lengths.max()), 1)
        known = (widths or {}).get(name, ())
        width = next((int(each) for each in known if each >= longest), longest)
        padded = np.zeros((len(chosen), width, *chosen[0].shape[1:]), np.float32)
        for row, value in zip(padded, chosen, strict=True):
            row[: len(value)] = value
        batch[name], batch[f"{name}_lengths"] = padded, lengths
    return batch


def pad_widths(values: Sequence[np.ndarray]) -> np.ndarray:
    """Choose the few widths that batches are padded to: quantiles of the lengths, the longest included."""
    lengths = [max(len(value), 1) for value in values]
    widths = np.quantile(lengths, [0.25, 0.5, 0.75, 1.0], method="higher")
    return np.unique(widths.astype(np.int64))


def input_lengths(inputs: Inputs) -> np.ndarray:
    """Return the steps of each clip's longest input, int64 [n_clips]."""
    lengths = [[len(value) for value in values] for values in inputs.values()]
    return np.asarray(np.max(lengths, axis=0))


def bucket_order(
    lengths: np.ndarray, batch_size: int, rng: np.random.Generator | None = None
) -> list[np.ndarray]:
    """Cut the clips into batches of similar length, indices [n_clips]; the last may be smaller.

    With `rng`, clips of similar length (within 10 %) and the order of the batches are shuffled.
    """
    keys = np.log(np.maximum(lengths, 1).astype(np.float64))
    if rng is not None:
        keys = keys + rng.uniform(0, 0.1, len(keys))
    order = np.argsort(keys, kind="stable")
    starts = range(0, len(order), batch_size)
    batches = [order[i : i + batch_size] for i in starts]
    if rng is not None:
        rng.shuffle(batches)
    return batches


def mix(values: Batch, shares: np.ndarray, rng: np.random.Generator) -> Batch:
    """Blend each clip of a batch with another one (mixup: Zhang et al., ICLR 2018).

    `shares` are those of the clips themselves, [n_clips]; the larger of each and of the rest is taken. Of
    `<name>_lengths` the longer counts.
    """
    larger = np.maximum(shares, 1 - shares)
    other = rng.permutation(len(larger))
    mixed = {}
    for name, value in values.items():
        if name.endswith("_lengths"):
            mixed[name] = np.maximum(value, value[other])
            continue
        shape = -1, *[1] * (value.ndim - 1)
        own = larger.astype(np.float32).reshape(shape)
        rest = (1 - larger).astype(np.float32).reshape(shape)
        mixed[name] = own * value + rest * value[other]
    return mixed


def learning_rates(peak: float, n_steps: int) -> np.ndarray:
    """Return the rate of each step: a linear rise, then half a cosine to 0 (Loshchilov & Hutter 2017)."""
    step = np.arange(n_steps)
    warm = max(1, round(0.1 * n_steps))
    progress = np.clip((step - warm) / max(1, n_steps - warm), 0, 1)
    cosine = 0.5 * (1 + np.cos(np.pi * progress))
    factor = np.where(step < warm, (step + 1) / warm, cosine)
    return (peak * factor).astype(np.float32)


class Loop:
    """Trains one Keras model on examples that fit in memory.

    The model maps a batch to a dict: `logits` [n_clips, n_classes], and what else it likes (`attention`),
    which the loss ignores. The weights of the last epoch are kept, or their moving average.

    Parameters
    ----------
    model
        Keras model, trained in place.
    inputs, labels
        Training clips; labels int64 [n_clips].
    parameters
        How to train.
    seed
        Of the batches and all that is random in them.
    """

    def __init__(
        self, model: Any, inputs: Inputs, labels: np.ndarray, parameters: TrainingParameters, *, seed: int
    ) -> None:
        self.model, self.inputs, self.labels = model, inputs, labels
        self.parameters = parameters
        self.graph: TrainingGraph
        self.rng = np.random.default_rng(seed)
        self.lengths = input_lengths(inputs)
        self.widths = {name: pad_widths(values) for name, values in inputs.items()}
        n_classes = int(model.output["logits"].shape[-1])
        smoothing, shape = parameters.label_smoothing, (len(labels), n_classes)
        self.targets = np.full(shape, smoothing / n_classes, np.float32)
        self.targets[np.arange(len(labels)), labels] += 1 - smoothing
        self.weights = balanced_weights(labels)
        n_steps = parameters.epochs * -(-len(labels) // parameters.batch_size)
        self.rates = learning_rates(parameters.learning_rate, n_steps)
        self.done = 0

    def run(self) -> list[dict[str, float]]:
        """Train for all epochs; return `epoch`, `loss`, `accuracy` and `learning_rate` of each."""
        chosen = self.parameters
        what = self.model.to_json(), chosen.weight_decay, chosen.ema_momentum > 0
        with _training:  # one network at a time in a process: others may have the same graph
            self.graph = graph = training_graph(*what)
            graph.start_from(self.model)
            epochs = range(1, chosen.epochs + 1)
            history = [{"epoch": float(epoch), **self._epoch()} for epoch in epochs]
            if graph.average:
                assign(graph.model.trainable_variables, graph.average)
            self._finish()
            assign(self.model.variables, graph.model.variables)
        return history

    def _finish(self) -> None:
        """Do what is due once the weights are chosen; nothing here."""

    def _epoch(self) -> dict[str, float]:
        losses, hits, rate, n_clips = 0.0, 0, np.float32(0), len(self.labels)
        batches = bucket_order(self.lengths, self.parameters.batch_size, self.rng)
        for indices in batches:
            rate = self.rates[self.done]
            # Early steps count more, as in TensorFlow's moving average.
            early = (1 + self.done) / (10 + self.done)
            momentum = np.float32(min(self.parameters.ema_momentum, early))
            loss, right = self.graph.step(*self._batch(indices), rate, momentum)
            losses += float(loss) * len(indices)
            hits += int(right)
            self.done += 1
        shares = {"loss": losses / n_clips, "accuracy": hits / n_clips}
        return {**shares, "learning_rate": float(rate)}

    def _batch(self, indices: np.ndarray) -> tuple[Batch, np.ndarray, np.ndarray]:
        """Return inputs, targets [n_clips, n_classes] and weights [n_clips] of the clips at `indices`."""
        batch = pad_batch(self.inputs, indices, self.widths)
        batch["targets"], batch["weights"] = self.targets[indices], self.weights[indices]
        alpha = self.parameters.mixup_alpha
        if alpha > 0:
            shares = np.full(len(indices), self.rng.beta(alpha, alpha))
            batch = mix(batch, shares, self.rng)
        targets, weights = batch.pop("targets"), batch.pop("weights")
        return batch, targets, weights


class TrainingGraph:
    """A network, its optimiser and the moving average of its weights, with compiled functions on them.

    The network maps a batch to a dict with `logits`; its layers hold in variables what is learnt from clips.

    Attributes
    ----------
    average : list of tf.Variable
        Moving averages of the trainable weights; empty unless `averaged`.
    step
        Compiled; batch, targets, weights, learning rate, momentum of the average → loss, hits.
    forward
        Compiled; a batch → logits as in training, which updates the statistics of batch normalisations.
    """

    def __init__(self, model: Any, weight_decay: float, averaged: bool) -> None:
        import keras
        import tensorflow as tf

        self.model = model
        self.optimizer = keras.optimizers.AdamW(weight_decay=weight_decay, global_clipnorm=1.0)
        self.optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "query"])
        self.optimizer.build(model.trainable_variables)
        self._untouched = [variable.numpy() for variable in self.optimizer.variables]
        weights = model.trainable_variables if averaged else []
        self.average = [tf.Variable(weight.numpy(), trainable=False) for weight in weights]
        batch = {each.name: tf.TensorSpec(each.shape, each.dtype) for each in model.inputs}
        n_classes = model.output["logits"].shape[-1]
        shapes: list[list[Any]] = [[None, n_classes], [None], [], []]
        given = [batch, *(tf.TensorSpec(shape, tf.float32) for shape in shapes)]
        self.step = tf.function(self._step, given, autograph=False)
        self.forward = tf.function(self._forward, [batch], autograph=False)

    def start_from(self, model: Any) -> None:
        """Take all variables of a model of the same architecture, and forget what was trained before."""
        assign(self.model.variables, model.variables)
        assign(self.optimizer.variables, self._untouched)
        if self.average:
            assign(self.average, model.trainable_variables)

    def _step(self, batch: Any, targets: Any, weights: Any, rate: Any, momentum: Any) -> tuple[Any, Any]:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            logits = self._forward(batch)
            losses = tf.nn.softmax_cross_entropy_with_logits(targets, logits)
            loss = tf.reduce_mean(weights * losses)
        variables = self.model.trainable_variables
        self.optimizer.learning_rate.assign(rate)
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        # There is none where nothing is averaged.
        for average, variable in zip(self.average, variables, strict=False):
            average.assign_add((1 - momentum) * (variable - average))
        hits = tf.equal(tf.argmax(logits, axis=1), tf.argmax(targets, axis=1))
        return loss, tf.reduce_sum(tf.cast(hits, tf.int32))

    def _forward(self, batch: Any) -> Any:
        return self.model(batch, training=True)["logits"]


@lru_cache(maxsize=2)
def training_graph(architecture: str, weight_decay: float, averaged: bool) -> TrainingGraph:
    """Return the graph that all networks of an architecture are trained in; the last two are kept.

    The architecture is what `to_json` says of a network; the others are compiled in as well.
    """
    import keras

    return TrainingGraph(keras.models.model_from_json(architecture), weight_decay, averaged)


def assign(variables: Sequence[Any], values: Sequence[Any]) -> None:
    """Write values, or those of other variables, into variables in their order."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
