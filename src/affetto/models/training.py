"""What training all networks share: batches of similar length, class weights, mixup, schedule, validation."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from affetto.models.quiet import quiet_stderr
from affetto.models.single_clip import call_network

Inputs = Mapping[str, "Sequence[np.ndarray] | np.ndarray"]
"""What a network reads: name -> a list of [n_steps, ...] arrays, or one array [n_clips, ...]."""
Batch = dict[str, np.ndarray]
"""Each input padded to [n_clips, width, ...], and `<name>_lengths` int32 [n_clips] for the sequences."""
Augment = Callable[[Batch, np.random.Generator], Batch]
"""Changes a training batch at random; what it gets may be changed in place."""

THREADS_VARIABLE = "AFFETTO_TF_THREADS"


class TrainingParameters(BaseModel):
    """How a network is trained; networks add their architecture to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(40, ge=1, description="Passes over the training clips.")
    batch_size: int = Field(32, ge=1, description="Clips a step.")
    learning_rate: float = Field(2e-3, gt=0, description="Peak rate of AdamW, reached after the warm-up.")
    weight_decay: float = Field(1e-2, ge=0, description="Decoupled weight decay of AdamW, biases excepted.")
    warmup_fraction: float = Field(
        0.1, ge=0, lt=1, description="Share of the steps in which the rate rises from 0."
    )
    clip_norm: float = Field(1.0, gt=0, description="Largest global norm of the gradient.")
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="Share of each target spread over all classes."
    )
    class_weights: bool = Field(True, description="Weigh clips so that every class counts the same.")
    mixup_alpha: float = Field(
        0.0, ge=0, description="Beta parameter of mixup (Zhang et al. 2018); 0 is off."
    )
    auxiliary_weight: float = Field(0.3, ge=0, description="Weight of the loss of each auxiliary head.")
    ema_momentum: float = Field(
        0.98, ge=0, lt=1, description="Moving average of the weights a step; 0 is off."
    )
    validation_fraction: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="Share of the groups held back to choose the epoch; 0 trains to the last one.",
    )
    n_members: int = Field(1, ge=1, description="Networks of other seeds whose probabilities are averaged.")
    n_widths: int = Field(4, ge=1, description="Number of lengths that batches are padded to.")


@dataclass(frozen=True)
class Examples:
    """Labelled clips for a network.

    Attributes
    ----------
    inputs
        What the network reads, see `Inputs`.
    labels
        int64 [n_clips], index of the class.
    n_classes
        Number of classes.
    """

    inputs: Inputs
    labels: np.ndarray
    n_classes: int

    def take(self, indices: np.ndarray) -> Examples:
        """Return the clips at `indices`."""
        return Examples(take_inputs(self.inputs, indices), self.labels[indices], self.n_classes)


def configure_tensorflow() -> int:
    """Quiet TensorFlow's log and set its threads and its determinism; harmless when called again.

    The number of threads comes from `AFFETTO_TF_THREADS`, else from `OMP_NUM_THREADS` (which process pools
    set in their workers), else from the number of cores. TensorFlow fixes it with its first operation: later
    calls keep it.

    Returns
    -------
    int
        Threads asked for.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with quiet_stderr():  # that there is no GPU is told whatever the level of the log is
        import tensorflow as tf

        tf.config.list_physical_devices()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    threads = int(
        os.environ.get(THREADS_VARIABLE) or os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1
    )
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:  # TensorFlow has already run something in this process
        return int(tf.config.threading.get_intra_op_parallelism_threads())
    tf.config.experimental.enable_op_determinism()
    return threads


def seed_keras(seed: int) -> None:
    """Seed what Keras draws initial weights and the states of its dropouts from: Python's own generator.

    `keras.utils.set_random_seed` would seed TensorFlow as well, which none of our layers draws from, and
    thereby make it prepare every compiled function anew.
    """
    random.seed(seed)


def n_clips(inputs: Inputs) -> int:
    """Return the number of clips in `inputs`."""
    return len(next(iter(inputs.values())))


def take_inputs(inputs: Inputs, indices: np.ndarray) -> Inputs:
    """Return the inputs of the clips at `indices`."""
    return {
        name: values[indices] if isinstance(values, np.ndarray) else [values[int(i)] for i in indices]
        for name, values in inputs.items()
    }


def pad_widths(lengths: np.ndarray, n_widths: int) -> np.ndarray:
    """Choose the few widths that batches are padded to: quantiles of the lengths, the longest included.

    Parameters
    ----------
    lengths
        int [n_clips], steps of each clip.
    n_widths
        Widths wanted; fewer come back when lengths coincide.

    Returns
    -------
    numpy.ndarray
        int64, ascending.
    """
    quantiles = np.linspace(0, 1, n_widths + 1)[1:]
    return np.unique(np.quantile(np.maximum(lengths, 1), quantiles, method="higher").astype(np.int64))


def pad_batch(inputs: Inputs, indices: np.ndarray, widths: Mapping[str, np.ndarray] | None = None) -> Batch:
    """Pad the clips at `indices` on the right with zeros.

    Parameters
    ----------
    inputs
        Inputs of all clips.
    indices
        int [n_batch].
    widths
        Ascending widths to choose from for each sequence; without them, and beyond the largest, the longest
        clip's.

    Returns
    -------
    dict
        float32 [n_batch, width, ...] a sequence with its `<name>_lengths`, float32 [n_batch, ...] a vector.
    """
    batch: Batch = {}
    for name, values in inputs.items():
        if isinstance(values, np.ndarray):
            batch[name] = np.asarray(values[indices], dtype=np.float32)
            continue
        chosen = [values[int(i)] for i in indices]
        lengths = np.array([len(value) for value in chosen], dtype=np.int32)
        longest = max(int(lengths.max()), 1)
        fitting = [int(width) for width in (widths or {}).get(name, ()) if width >= longest]
        padded = np.zeros((len(chosen), fitting[0] if fitting else longest, *chosen[0].shape[1:]), np.float32)
        for row, value in zip(padded, chosen, strict=True):
            row[: len(value)] = value
        batch[name], batch[f"{name}_lengths"] = padded, lengths
    return batch


def bucket_order(
    lengths: np.ndarray, batch_size: int, rng: np.random.Generator | None = None
) -> list[np.ndarray]:
    """Cut the clips into batches of similar length; with `rng`, other batches in another order each time.

    Parameters
    ----------
    lengths
        int [n_clips].
    batch_size
        Clips a batch; the last may be smaller.
    rng
        Shuffles clips of similar length (within 10 %) and the order of the batches.

    Returns
    -------
    list of numpy.ndarray
        Indices; together each clip exactly once.
    """
    keys = np.log(np.maximum(lengths, 1).astype(np.float64))
    if rng is not None:
        keys = keys + rng.uniform(0, 0.1, len(keys))
    order = np.argsort(keys, kind="stable")
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    if rng is not None:
        rng.shuffle(batches)
    return batches


def input_lengths(inputs: Inputs) -> np.ndarray:
    """Return the steps of each clip's longest sequence, int64 [n_clips]; 1 where all are vectors."""
    sequences = [
        [len(value) for value in values] for values in inputs.values() if not isinstance(values, np.ndarray)
    ]
    return np.max(sequences, axis=0) if sequences else np.ones(n_clips(inputs), np.int64)


def balanced_weights(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Weigh clips inversely to the size of their class, mean 1 ("balanced"): float32 [n_clips]."""
    counts = np.bincount(labels, minlength=n_classes)
    present = np.count_nonzero(counts)
    weights = len(labels) / (present * np.maximum(counts, 1))
    return np.asarray(weights[labels], dtype=np.float32)


def smooth_targets(labels: np.ndarray, n_classes: int, smoothing: float) -> np.ndarray:
    """Return one-hot targets, `smoothing` spread over all classes: float32 [n_clips, n_classes]."""
    targets = np.full((len(labels), n_classes), smoothing / n_classes, np.float32)
    targets[np.arange(len(labels)), labels] += 1 - smoothing
    return targets


def mix_batch(
    batch: Batch, targets: np.ndarray, weights: np.ndarray, *, alpha: float, rng: np.random.Generator
) -> tuple[Batch, np.ndarray, np.ndarray]:
    """Blend each clip of a batch with another one (mixup, Zhang et al., ICLR 2018).

    A blended sequence lasts as long as the longer of its two.
    """
    share = float(rng.beta(alpha, alpha))
    share = max(share, 1 - share)
    other = rng.permutation(len(targets))
    mixed = {
        name: np.maximum(value, value[other])
        if name.endswith("_lengths")
        else (share * value + (1 - share) * value[other]).astype(np.float32)
        for name, value in batch.items()
    }
    return (
        mixed,
        share * targets + (1 - share) * targets[other],
        share * weights + (1 - share) * weights[other],
    )


def learning_rates(parameters: TrainingParameters, n_steps: int) -> np.ndarray:
    """Return the rate of each step: a linear rise, then half a cosine down to 0 (Loshchilov & Hutter 2017).

    Returns
    -------
    numpy.ndarray
        float32 [n_steps].
    """
    step = np.arange(n_steps)
    warm = max(1, round(parameters.warmup_fraction * n_steps))
    progress = np.clip((step - warm) / max(1, n_steps - warm), 0, 1)
    factor = np.where(step < warm, (step + 1) / warm, 0.5 * (1 + np.cos(np.pi * progress)))
    return (parameters.learning_rate * factor).astype(np.float32)


def validation_split(
    labels: np.ndarray, groups: np.ndarray, fraction: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Hold back whole groups, whose classes are spread much as in all clips.

    Of 32 random choices of groups the one whose class shares are closest to those of all clips is kept.

    Parameters
    ----------
    labels, groups
        [n_clips].
    fraction
        Share of the clips to hold back.
    rng
        Source of the choices.

    Returns
    -------
    tuple of numpy.ndarray
        Indices of the training and of the validation clips; the second is empty with a fraction of 0 or one
        group.
    """
    everyone = np.arange(len(labels))
    names, members = np.unique(groups.astype(str), return_inverse=True)
    if fraction <= 0 or len(names) < 2:  # noqa: PLR2004
        return everyone, everyone[:0]
    shares = np.bincount(labels) / len(labels)
    sizes = np.bincount(members)
    best, distance = everyone[:0], np.inf
    for _ in range(32):
        order = rng.permutation(len(names))
        n_held = int(np.searchsorted(np.cumsum(sizes[order]), fraction * len(labels))) + 1
        held = np.flatnonzero(np.isin(members, order[: min(n_held, len(names) - 1)]))
        found = float(np.abs(np.bincount(labels[held], minlength=len(shares)) / len(held) - shares).sum())
        if found < distance:
            best, distance = held, found
    return np.setdiff1d(everyone, best), best


def predict_outputs(
    model: Any, inputs: Inputs, *, batch_size: int = 64
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Run a network over clips in batches of similar length.

    Yields
    ------
    tuple
        Indices [n_batch] of the clips, and every output of the network for them.
    """
    for indices in bucket_order(input_lengths(inputs), batch_size):
        outputs = call_network(model, pad_batch(inputs, indices))
        yield indices, {name: np.asarray(value) for name, value in outputs.items()}


def predict_probabilities(model: Any, inputs: Inputs, *, batch_size: int = 64) -> np.ndarray:
    """Return the softmax of the network's output `logits`, float64 [n_clips, n_classes]."""
    rows: np.ndarray | None = None
    for indices, outputs in predict_outputs(model, inputs, batch_size=batch_size):
        logits = outputs["logits"].astype(np.float64)
        rows = np.zeros((n_clips(inputs), logits.shape[1])) if rows is None else rows
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        rows[indices] = shifted / shifted.sum(axis=1, keepdims=True)
    if rows is None:
        raise ValueError("no clips to predict")
    return rows


def train_network(
    model: Any,
    training: Examples,
    parameters: TrainingParameters,
    *,
    seed: int,
    augment: Augment | None = None,
    validation: Examples | None = None,
) -> list[dict[str, float]]:
    """Train a network in place.

    The network maps a batch (see `pad_batch`) to a dict: `logits` [n_batch, n_classes], auxiliary heads
    `auxiliary_<name>` of the same shape, and what else it likes (`attention`), which the loss ignores. With
    validation clips the weights of the epoch of the highest UAR (then of the lowest loss) are kept, else
    those of the last epoch; both are moving averages when `ema_momentum` is not 0.

    Returns
    -------
    list of dict
        An entry an epoch: `epoch`, `loss`, `accuracy`, `learning_rate` and, with validation, `val_loss`,
        `val_uar`.
    """
    from affetto.models.loop import Loop

    return Loop(model, training, parameters, seed=seed, augment=augment).run(validation)
