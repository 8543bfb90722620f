"""One network's training, step by step; the only place where gradients are taken."""

from __future__ import annotations

from typing import Any

import numpy as np

from affetto.models import training as shared
from affetto.models.training import Augment, Batch, Examples, TrainingParameters


class Loop:
    """Trains one Keras model on examples that fit in memory.

    A `tf.function` with open batch and time axes is traced once, whatever the widths; `Model.fit` would trace
    anew for each fit and compile convolutions for each width.

    Parameters
    ----------
    model
        Keras model from a batch to a dict with `logits`.
    examples
        Training clips.
    parameters
        How to train.
    seed
        Of the batches and the augmentation.
    augment
        Applied to each training batch.
    """

    def __init__(
        self,
        model: Any,
        examples: Examples,
        parameters: TrainingParameters,
        *,
        seed: int,
        augment: Augment | None,
    ) -> None:
        self.model, self.examples, self.parameters, self.augment = model, examples, parameters, augment
        self.rng = np.random.default_rng(seed)
        self.lengths = shared.input_lengths(examples.inputs)
        self.widths = {
            name: shared.pad_widths(np.array([len(value) for value in values]), parameters.n_widths)
            for name, values in examples.inputs.items()
            if not isinstance(values, np.ndarray)
        }
        self.targets = shared.smooth_targets(examples.labels, examples.n_classes, parameters.label_smoothing)
        balanced = shared.balanced_weights(examples.labels, examples.n_classes)
        self.weights = balanced if parameters.class_weights else np.ones_like(balanced)
        n_steps = parameters.epochs * -(-len(examples.labels) // parameters.batch_size)
        self.rates = shared.learning_rates(parameters, n_steps)
        self.optimizer = _optimizer(parameters)
        self.optimizer.build(model.trainable_variables)
        self.average = _copies(model) if parameters.ema_momentum > 0 else []
        self.step = _step_function(model, self.optimizer, self.average, parameters, examples.n_classes)
        self.done = 0

    def run(self, validation: Examples | None) -> list[dict[str, float]]:
        """Train for all epochs, leave the chosen weights in the model, return an entry an epoch."""
        history: list[dict[str, float]] = []
        best: tuple[tuple[float, float], list[np.ndarray]] | None = None
        for epoch in range(1, self.parameters.epochs + 1):
            entry = {"epoch": float(epoch), **self._epoch()}
            if validation is not None:
                trained = self._swap(self._chosen())
                entry |= evaluate(self.model, validation)
                score = (entry["val_uar"], -entry["val_loss"])
                if best is None or score > best[0]:
                    best = (score, self.model.get_weights())
                self._swap(trained)
            history.append(entry)
        if best is not None:
            self.model.set_weights(best[1])
        else:
            self._swap(self._chosen())
        return history

    def _epoch(self) -> dict[str, float]:
        losses, hits, clips = 0.0, 0, 0
        rate = 0.0
        for indices in shared.bucket_order(self.lengths, self.parameters.batch_size, self.rng):
            batch, targets, weights = self._batch(indices)
            rate = float(self.rates[min(self.done, len(self.rates) - 1)])
            loss, right = self.step(batch, targets, weights, np.float32(rate), self._momentum())
            losses += float(loss) * len(indices)
            hits += int(right)
            clips += len(indices)
            self.done += 1
        return {"loss": losses / clips, "accuracy": hits / clips, "learning_rate": rate}

    def _batch(self, indices: np.ndarray) -> tuple[Batch, np.ndarray, np.ndarray]:
        batch = shared.pad_batch(self.examples.inputs, indices, self.widths)
        targets, weights = self.targets[indices], self.weights[indices]
        if self.augment is not None:
            batch = self.augment(batch, self.rng)
        if self.parameters.mixup_alpha > 0:
            return shared.mix_batch(batch, targets, weights, alpha=self.parameters.mixup_alpha, rng=self.rng)
        return batch, targets, weights

    def _momentum(self) -> np.float32:
        """Return the momentum of the averaged weights; early steps count more, as in TensorFlow's EMA."""
        return np.float32(min(self.parameters.ema_momentum, (1 + self.done) / (10 + self.done)))

    def _chosen(self) -> list[np.ndarray]:
        return [variable.numpy() for variable in self.average or self.model.trainable_variables]

    def _swap(self, values: list[np.ndarray]) -> list[np.ndarray]:
        """Put `values` into the model and return what was there."""
        before = [variable.numpy() for variable in self.model.trainable_variables]
        for variable, value in zip(self.model.trainable_variables, values, strict=True):
            variable.assign(value)
        return before


def evaluate(model: Any, examples: Examples) -> dict[str, float]:
    """Return `val_loss` (mean negative log probability) and `val_uar` (mean recall of present classes)."""
    probabilities = shared.predict_probabilities(model, examples.inputs)
    likelihood = probabilities[np.arange(len(examples.labels)), examples.labels]
    right = probabilities.argmax(axis=1) == examples.labels
    recalls = [right[examples.labels == label].mean() for label in np.unique(examples.labels)]
    return {
        "val_loss": float(-np.log(np.maximum(likelihood, 1e-12)).mean()),
        "val_uar": float(np.mean(recalls)),
    }


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


def _step_function(
    model: Any, optimizer: Any, averages: list[Any], parameters: TrainingParameters, n_classes: int
) -> Any:
    import tensorflow as tf

    specs = [
        batch_signature(model),
        tf.TensorSpec([None, n_classes], tf.float32),
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


def batch_signature(model: Any) -> dict[str, Any]:
    """Return what compiled functions are told of a network's batches: name of an input → its TensorSpec."""
    import tensorflow as tf

    return {tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs}


def weighted_loss(outputs: Any, targets: Any, weights: Any, auxiliary_weight: float) -> Any:
    """Return the weighted cross-entropy of `logits` plus that of each `auxiliary_` head times its weight."""
    import tensorflow as tf

    loss = tf.reduce_mean(weights * tf.nn.softmax_cross_entropy_with_logits(targets, outputs["logits"]))
    for name, logits in outputs.items():
        if name.startswith("auxiliary_"):
            extra = tf.reduce_mean(weights * tf.nn.softmax_cross_entropy_with_logits(targets, logits))
            loss = loss + auxiliary_weight * extra
    return loss
