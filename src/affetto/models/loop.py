"""One network's training, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np

from affetto.models import training as shared
from affetto.models.training import Augment, Batch, Examples, TrainingParameters
from affetto.models.training_graph import TrainingGraph, assign, training_graph


class Loop:
    """Trains one Keras model on examples that fit in memory.

    The compiled step has open batch and time axes and serves all fits of an architecture; `Model.fit` would
    trace anew for each fit and compile convolutions for each width.

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
        self.graph: TrainingGraph
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
        self.done = 0

    def run(self, validation: Examples | None) -> list[dict[str, float]]:
        """Train for all epochs, leave the chosen weights in the model, return an entry an epoch."""
        with training_graph(self.model, self.parameters) as self.graph:
            history = self._train(validation)
            self._finish()
        return history

    def _train(self, validation: Examples | None) -> list[dict[str, float]]:
        model = self.graph.model
        history: list[dict[str, float]] = []
        best: tuple[tuple[float, float], list[np.ndarray]] | None = None
        for epoch in range(1, self.parameters.epochs + 1):
            entry = {"epoch": float(epoch), **self._epoch()}
            if validation is not None:
                trained = self._swap(self._chosen())
                entry |= evaluate(model, validation)
                score = (entry["val_uar"], -entry["val_loss"])
                if best is None or score > best[0]:
                    best = (score, model.get_weights())
                self._swap(trained)
            history.append(entry)
        if best is not None:
            model.set_weights(best[1])
        else:
            self._swap(self._chosen())
        return history

    def _finish(self) -> None:
        """Do what is due once the weights are chosen; nothing here."""

    def _epoch(self) -> dict[str, float]:
        losses, hits, clips = 0.0, 0, 0
        rate = 0.0
        for indices in shared.bucket_order(self.lengths, self.parameters.batch_size, self.rng):
            batch, targets, weights = self._batch(indices)
            rate = float(self.rates[min(self.done, len(self.rates) - 1)])
            loss, right = self.graph.step(batch, targets, weights, np.float32(rate), self._momentum())
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
        return [variable.numpy() for variable in self.graph.average or self.graph.model.trainable_variables]

    def _swap(self, values: list[np.ndarray]) -> list[np.ndarray]:
        """Put `values` into the model and return what was there."""
        variables = self.graph.model.trainable_variables
        before = [variable.numpy() for variable in variables]
        assign(variables, values)
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
