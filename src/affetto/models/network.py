"""The part of an estimator that all Keras networks share: members, prediction, attention, saving."""

from __future__ import annotations

import abc
import logging
import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from affetto.errors import AffettoError
from affetto.features.clip_features import FeatureSet
from affetto.models.calibration import softmax
from affetto.models.estimator import Attention, Estimator
from affetto.models.training import (
    Batch,
    Inputs,
    Loop,
    TrainingParameters,
    bucket_order,
    input_lengths,
    pad_batch,
)

THREADS_VARIABLE = "AFFETTO_TF_THREADS"
_STATISTICS_FILE = "statistics.npz"
_STDERR = 2
_PLAIN_CALLS = 3


class KerasEstimator(Estimator):
    """A classifier made of one or several networks of the same architecture.

    Subclasses say what the statistics of the training clips are, what the network reads and how it is built.

    Attributes
    ----------
    statistics_ : dict of numpy.ndarray
        What `_learn_inputs` measured on the training clips (means, deviations); saved with the weights.
    members_ : list of keras.Model
        The trained networks; probabilities and attention are their means.
    """

    parameters: TrainingParameters

    def __init__(self, parameters: TrainingParameters, *, seed: int = 0) -> None:
        super().__init__(parameters, seed=seed)
        self.statistics_: dict[str, np.ndarray] = {}
        self._use([])

    @abc.abstractmethod
    def _learn_inputs(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> Inputs:
        """Measure the training clips, keep that in `statistics_`, and return their inputs."""

    @abc.abstractmethod
    def _inputs(self, x: FeatureSet) -> Inputs:
        """Turn features into the network's input, with `statistics_`; each sequence has at least one step."""

    @abc.abstractmethod
    def _step_times(self, x: FeatureSet) -> list[np.ndarray]:
        """Return the start of each step of each clip that attention is paid to, s."""

    @abc.abstractmethod
    def _build(self, inputs: dict[str, Any], n_classes: int) -> Any:
        """Build a Keras model on its inputs, with a dict of outputs: `logits`, perhaps `attention`."""

    def _loop(self, model: Any, inputs: Inputs, labels: np.ndarray, seed: int) -> Loop:
        """Return what trains a member."""
        return Loop(model, inputs, labels, self.parameters, seed=seed)

    @property
    def n_parameters(self) -> int:
        """Weights of all members."""
        return sum(member.count_params() for member in self.members_)

    def _fit(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> None:
        configure_tensorflow()
        import keras

        inputs = self._learn_inputs(x, labels, groups)
        members, histories = [], []
        for seed in np.random.SeedSequence(self.seed).generate_state(self.parameters.n_members):
            # Keras draws seeds of weights and dropouts from Python's generator. `keras.utils.set_random_seed`
            # would seed TensorFlow as well, which prepares every compiled function anew then.
            random.seed(int(seed))
            symbolic = {}
            for name, values in inputs.items():
                symbolic[name] = keras.Input((None, *values[0].shape[1:]), name=name, dtype="float32")
                symbolic[f"{name}_lengths"] = keras.Input((), name=f"{name}_lengths", dtype="int32")
            member = self._build(symbolic, len(self.classes_))
            histories.append(self._loop(member, inputs, labels, int(seed)).run())
            members.append(member)
        self._use(members)
        self.history_ = [
            {key: float(np.mean([entry[key] for entry in epoch])) for key in epoch[0]}
            for epoch in zip(*histories, strict=True)
        ]

    def _use(self, members: list[Any]) -> None:
        self.members_ = members
        self._traced: list[Callable[[Batch], Any]] = []
        self._calls = 0

    def _predict(self, x: FeatureSet, enrolment: FeatureSet | None) -> np.ndarray:
        total = np.zeros((len(x.clip_ids), len(self.classes_)))
        for indices, outputs in self._outputs(x):
            total[indices] += softmax(np.asarray(outputs["logits"], dtype=np.float64))
        return total / len(self.members_)

    def attention(self, x: FeatureSet) -> Attention | None:
        """Return where the steps of each clip begin, and their weights, the members' mean."""
        if not self.attends:
            return None
        self._require_compatible(x)
        times = self._step_times(x)
        weights = [np.zeros(len(each)) for each in times]
        for indices, outputs in self._outputs(x):
            for i, row in zip(indices, np.asarray(outputs["attention"]), strict=True):
                weights[i] += row[: len(weights[i])]
        return times, [row / row.sum() for row in weights]

    def _outputs(self, x: FeatureSet) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
        """Yield indices of clips of similar length and the outputs of a member for them, member by member."""
        inputs = self._inputs(x)
        for indices in bucket_order(input_lengths(inputs), 64):
            batch = pad_batch(inputs, indices)
            for call in self._member_calls(len(indices)):
                yield indices, call(batch)

    def _member_calls(self, n_clips: int) -> list[Callable[[Batch], Any]]:
        """Return the members as functions of a batch, by the quickest way.

        Keras walks through its layers in Python at every call, which for a clip of three seconds takes twenty
        times as long as the operations. A model that is asked about single clips again and again, as by a
        server, is therefore traced. Tracing costs as much as some calls, so the first are made the usual way.
        Both ways agree but for rounding.
        """
        if n_clips > 1:
            return self.members_
        self._calls += 1
        if self._calls > _PLAIN_CALLS and not self._traced:
            import tensorflow as tf

            for member in self.members_:
                shapes = {
                    each.name: tf.TensorSpec((1, *each.shape[1:]), each.dtype) for each in member.inputs
                }
                self._traced.append(tf.function(member, input_signature=[shapes], autograph=False))
        return self._traced or self.members_

    def _save_state(self, directory: Path) -> None:
        np.savez(directory / _STATISTICS_FILE, **self.statistics_)  # type: ignore[arg-type]
        for i, member in enumerate(self.members_):
            member.save(directory / f"member_{i}.keras")

    def _load_state(self, directory: Path) -> None:
        configure_tensorflow()
        import keras

        import affetto.models.layers  # noqa: F401  # registers the layers

        with np.load(directory / _STATISTICS_FILE, allow_pickle=False) as stored:
            self.statistics_ = dict(stored)
        files = [directory / f"member_{i}.keras" for i in range(self.parameters.n_members)]
        self._use([keras.saving.load_model(file, compile=False, safe_mode=True) for file in files])


def configure_tensorflow() -> None:
    """Quiet TensorFlow's log and set its threads and its determinism; harmless when called again.

    The number of threads comes from `AFFETTO_TF_THREADS`, else from `OMP_NUM_THREADS` (which process pools
    set in their workers), else from the number of cores. TensorFlow fixes it with its first operation: later
    calls keep it.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with quiet_stderr():  # that there is no GPU is told whatever the level of the log is
        import tensorflow as tf

        tf.config.list_physical_devices()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    threads = os.environ.get(THREADS_VARIABLE) or os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1
    with suppress(RuntimeError):  # TensorFlow has already run something in this process
        tf.config.threading.set_intra_op_parallelism_threads(int(threads))
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.experimental.enable_op_determinism()


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keep what native code writes to the standard error out of the terminal, unless something fails.

    TensorFlow's native code writes pages that no logger can hold back. A mistake of the user does not count
    as its failure: the one sentence is said alone.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept:
        saved = os.dup(_STDERR)
        os.dup2(kept.fileno(), _STDERR)
        try:
            yield
        except Exception as error:
            kept.seek(0)
            if not isinstance(error, AffettoError):
                os.write(saved, kept.read())
            raise
        finally:
            os.dup2(saved, _STDERR)
            os.close(saved)
