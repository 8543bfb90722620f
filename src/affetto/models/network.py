"""The part of an estimator that all Keras networks share: statistics, members, saving."""

from __future__ import annotations

import abc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from affetto.models import training as shared
from affetto.models.base import Estimator, Native
from affetto.models.training import Batch, Examples, Inputs, TrainingParameters

if TYPE_CHECKING:
    from affetto.features.clip_features import FeatureSet

_STATISTICS_FILE = "statistics.npz"


class KerasEstimator(Estimator):
    """A classifier made of one or several networks of the same architecture.

    Subclasses say what the statistics of the training clips are, what the network reads and how it is built;
    they may augment batches. The module of their custom layers must be imported by their own module.

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
        self.members_: list[Any] = []

    @abc.abstractmethod
    def _learn_inputs(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> Inputs:
        """Measure the training clips, keep that in `statistics_`, and return their inputs."""

    @abc.abstractmethod
    def _inputs(self, x: FeatureSet) -> Inputs:
        """Turn features into the network's input, with `statistics_`; each sequence has at least one step."""

    @abc.abstractmethod
    def _build(self, example: Batch, n_classes: int) -> Any:
        """Build a Keras model whose inputs are named and shaped as in `example`, with a dict of outputs.

        The outputs are `logits`, perhaps `attention` [n_clips, n_steps] and heads named `auxiliary_...`.
        """

    def _augment(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """Change a training batch at random; does nothing here."""
        return batch

    @property
    def n_parameters(self) -> int:
        """Weights of all members."""
        return int(sum(member.count_params() for member in self.members_))

    def native(self) -> Native | None:
        """Return the first member and a batch of one clip of zeros."""
        self._require_fitted()
        return "keras", self.members_[0], example_batch(self.members_[0])

    def _fit(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> None:
        shared.configure_tensorflow()
        examples = Examples(self._learn_inputs(x, labels, groups), labels, len(self.classes_))
        seeds = np.random.SeedSequence(self.seed).generate_state(self.parameters.n_members)
        self.members_ = []
        histories = [self._fit_member(examples, groups, int(seed)) for seed in seeds]
        self.history_ = _mean_history(histories)

    def _fit_member(self, examples: Examples, groups: np.ndarray, seed: int) -> list[dict[str, float]]:
        shared.seed_keras(seed)
        rng = np.random.default_rng(seed)
        kept, held = shared.validation_split(
            examples.labels, groups, self.parameters.validation_fraction, rng
        )
        model = self._build(shared.pad_batch(examples.inputs, np.arange(1)), examples.n_classes)
        self.members_.append(model)
        return shared.train_network(
            model,
            examples.take(kept),
            self.parameters,
            seed=seed,
            augment=self._augment,
            validation=examples.take(held) if len(held) else None,
        )

    def _predict(self, x: FeatureSet) -> np.ndarray:
        inputs = self._inputs(x)
        members = [shared.predict_probabilities(member, inputs) for member in self.members_]
        mean: np.ndarray = np.mean(members, axis=0)
        return mean

    def _mean_attention(self, x: FeatureSet, name: str) -> list[np.ndarray]:
        """Average the output `attention` of the members over the true steps of the input `name`."""
        self._require_compatible(x)
        inputs = self._inputs(x)
        weights = [np.zeros(len(value)) for value in inputs[name]]
        for member in self.members_:
            for indices, outputs in shared.predict_outputs(member, inputs):
                for i, row in zip(indices, outputs["attention"], strict=True):
                    weights[int(i)] += row[: len(weights[int(i)])]
        return [row / row.sum() for row in weights]

    def _save_state(self, directory: Path) -> None:
        with (directory / _STATISTICS_FILE).open("wb") as file:
            np.savez(file, **self.statistics_)  # type: ignore[arg-type]
        for i, member in enumerate(self.members_):
            member.save(directory / f"member_{i}.keras")

    def _load_state(self, directory: Path) -> None:
        shared.configure_tensorflow()
        import keras

        import affetto.models.layers  # noqa: F401  # registers the layers

        with np.load(directory / _STATISTICS_FILE, allow_pickle=False) as stored:
            self.statistics_ = {name: stored[name] for name in stored.files}
        self.members_ = [
            keras.saving.load_model(directory / f"member_{i}.keras", compile=False, safe_mode=True)
            for i in range(self.parameters.n_members)
        ]


def make_inputs(example: Batch) -> dict[str, Any]:
    """Make the Keras inputs for batches like `example`: open time axes for sequences, int32 lengths.

    Returns
    -------
    dict
        name -> symbolic tensor, to build a model on: `keras.Model(inputs, outputs)`.
    """
    import keras

    inputs = {}
    for name, value in example.items():
        is_sequence = f"{name}_lengths" in example
        shape = (None, *value.shape[2:]) if is_sequence else value.shape[1:]
        inputs[name] = keras.Input(shape, name=name, dtype=str(value.dtype))
    return inputs


def example_batch(model: Any, *, n_steps: int = 16) -> Batch:
    """Make a batch of one clip of zeros for a Keras model whose inputs come from `make_inputs`."""
    batch: Batch = {}
    for tensor in model.inputs:
        shape = [1, *(n_steps if size is None else int(size) for size in tensor.shape[1:])]
        batch[tensor.name] = np.full(shape, n_steps if tensor.name.endswith("_lengths") else 0, tensor.dtype)
    return batch


def _mean_history(histories: list[list[dict[str, float]]]) -> list[dict[str, float]]:
    """Average the members' histories epoch by epoch."""
    return [
        {key: float(np.mean([e[key] for e in entries])) for key in entries[0]}
        for entries in zip(*histories, strict=True)
    ]
