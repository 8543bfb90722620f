"""Late fusion: models fitted in turn on the same clips, joined by a product of their probabilities.

Trained by one optimiser, a network and a penalised convex model spoil each other: they need opposite
treatment. Both speak the same language in their probabilities.
"""

from __future__ import annotations

import abc
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, Field

from affetto.models.attention_lstm import AttentionLstm, LstmParameters
from affetto.models.calibration import Fold, inner_folds, softmax
from affetto.models.crnn import Crnn, CrnnParameters, LldWindowParameters
from affetto.models.estimator import Estimator, ModelParameters, Native, build_estimator
from affetto.models.kernel import KernelLogistic, KernelLogisticParameters
from affetto.models.linear import Linear, LinearParameters

if TYPE_CHECKING:
    from affetto.features.clip_features import FeatureSet

_FUSION_FILE = "fusion.json"
_TINY = 1e-12
_CHOICES = 32


def fuse(probabilities: Sequence[np.ndarray], weights: Sequence[float] | np.ndarray) -> np.ndarray:
    """Multiply probabilities, each to the power of its weight, and normalise.

    The "product of experts" (Hinton 2002), also known as logarithmic opinion pool: a softmax of the
    weighted sum of log probabilities. A class that one expert finds impossible stays improbable, whatever
    the others say.

    Parameters
    ----------
    probabilities
        Arrays [n_clips, n_classes] of the same shape; rows sum to 1.
    weights
        A weight of 0 or more for each array.

    Returns
    -------
    numpy.ndarray
        float64 [n_clips, n_classes]; rows sum to 1.

    Raises
    ------
    ValueError
        When there is not one weight for each array, or none at all.
    """
    if not probabilities or len(probabilities) != len(weights):
        raise ValueError(f"{len(probabilities)} arrays of probabilities, but {len(weights)} weights")
    pairs = zip(probabilities, weights, strict=True)
    return softmax(np.sum([w * np.log(np.maximum(p, _TINY)) for p, w in pairs], axis=0))


def fit_exponents(opinions: Sequence[np.ndarray], labels: np.ndarray, start: Sequence[float]) -> np.ndarray:
    """Find the exponents of a product of probabilities under which the labels are most likely.

    Their ratio weighs the branches, their size is an inverse temperature (Guo et al., ICML 2017), so that
    the product is as sure as it is right.

    Parameters
    ----------
    opinions
        Probabilities of each branch for clips that it was not fitted on, [n_clips, n_classes].
    labels
        int64 [n_clips].
    start
        Where the search begins, an exponent for each branch.

    Returns
    -------
    numpy.ndarray
        Exponents between 0 and 5, float64 [n_branches].
    """
    from scipy.optimize import minimize

    logarithms = np.stack([np.log(np.maximum(opinion, _TINY)) for opinion in opinions])
    rows = np.arange(len(labels))

    def loss(exponents: np.ndarray) -> tuple[float, np.ndarray]:
        fused = softmax(np.tensordot(exponents, logarithms, axes=1))
        expected = (fused * logarithms).sum(axis=2).mean(axis=1)
        gradient = expected - logarithms[:, rows, labels].mean(axis=1)
        return float(-np.log(np.maximum(fused[rows, labels], 1e-300)).mean()), gradient

    bounds = [(0.0, 5.0)] * len(logarithms)
    return np.asarray(minimize(loss, np.asarray(start, dtype=np.float64), jac=True, bounds=bounds).x)


def validation_split(
    labels: np.ndarray, groups: np.ndarray, fraction: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Hold back whole groups, a share of the clips, whose classes are spread much as in all clips.

    Of 32 random choices of groups the one whose class shares are closest to those of all clips is kept.
    What comes back are indices of the clips to fit on and of those held back: none with a share of 0 or
    one group.
    """
    everyone = np.arange(len(labels))
    names, members = np.unique(groups.astype(str), return_inverse=True)
    if fraction <= 0 or len(names) < 2:  # noqa: PLR2004
        return everyone, everyone[:0]
    shares = np.bincount(labels) / len(labels)
    sizes = np.bincount(members)
    best, distance = everyone[:0], np.inf
    for _ in range(_CHOICES):
        order = rng.permutation(len(names))
        n_held = int(np.searchsorted(np.cumsum(sizes[order]), fraction * len(labels))) + 1
        held = np.flatnonzero(np.isin(members, order[: min(n_held, len(names) - 1)]))
        found = float(np.abs(np.bincount(labels[held], minlength=len(shares)) / len(held) - shares).sum())
        if found < distance:
            best, distance = held, found
    return np.setdiff1d(everyone, best), best


class JointEstimator(Estimator):
    """Classifiers fitted in turn on the same clips, joined by a weighted product of their probabilities.

    Attention and training curve are those of the first branch, the novelty of a clip that of the first branch
    that learnt it. The exponents are those that the parameters give, or learnt on inner folds: their size
    calibrates the product, and their ratio says which branch is worth more.

    Attributes
    ----------
    branches_ : dict
        The classifiers, by the names of their parameters.
    exponents_ : numpy.ndarray
        Of the probabilities of each in the product, float64 [n_branches].
    """

    def __init__(self, parameters: Any, *, seed: int = 0) -> None:
        super().__init__(parameters, seed=seed)
        self.branches_ = self._build_branches()
        self.exponents_ = np.array(self._given_exponents(), dtype=np.float64)
        self._adopted: set[str] = set()

    @abc.abstractmethod
    def _build_branches(self) -> dict[str, Estimator]:
        """Return the unfitted branches by the names of their parameters, that with attention first."""

    @abc.abstractmethod
    def _given_exponents(self) -> tuple[float, ...]:
        """Return the exponents that the parameters give."""

    def _inner_folds(self, labels: np.ndarray, groups: np.ndarray) -> Iterable[Fold]:
        """Return what the exponents are learnt on; no folds leave them as given."""
        return ()

    @property
    def branches(self) -> dict[str, Estimator]:
        """The branches by the names of their parameters."""
        return self.branches_

    def adopt(self, branches: Mapping[str, Estimator]) -> None:
        """Take branches that were fitted on the clips of the next `fit`; see `Estimator.adopt`."""
        if not self.branches_.keys() >= branches.keys():
            super().adopt(branches)
        self.branches_ |= branches
        self._adopted = set(branches)

    @property
    def features(self) -> tuple[str, ...]:
        """What the branches read, each feature once."""
        return tuple(dict.fromkeys(name for branch in self.branches_.values() for name in branch.features))

    @property
    def n_parameters(self) -> int:
        """Weights of all branches."""
        return sum(branch.n_parameters for branch in self.branches_.values())

    @property
    def _first(self) -> Estimator:
        return next(iter(self.branches_.values()))

    def native(self) -> Native | None:
        """Return that of the first branch, a Keras model; the others stand beside it."""
        return self._first.native()

    def attention(self, x: FeatureSet) -> list[np.ndarray] | None:
        """Return the first branch's weights over the steps of each clip, [n_steps]; they sum to 1."""
        self._require_compatible(x)
        return self._first.attention(x)

    def attention_times(self, x: FeatureSet) -> list[np.ndarray] | None:
        """Return the start of each step in seconds, shaped like `attention`."""
        self._require_compatible(x)
        return self._first.attention_times(x)

    def novelty(self, x: FeatureSet) -> np.ndarray | None:
        """Return that of the first branch that learnt it; see `Estimator.novelty`."""
        self._require_compatible(x)
        answers = (branch.novelty(x) for branch in self.branches_.values())
        return next((found for found in answers if found is not None), None)

    def _fit(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> None:
        self.exponents_ = self._learn_exponents(x, labels, groups)
        for name, branch in self.branches_.items():
            if name not in self._adopted:
                self._fit_branch(branch, x, labels, groups)
        self._adopted = set()
        self.history_ = self._first.history_

    def _learn_exponents(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """Fit all branches without some clips and weigh what they say of these."""
        start = self._given_exponents()
        opinions: list[list[np.ndarray]] = [[] for _ in start]
        tested: list[np.ndarray] = []
        for train, test in self._inner_folds(labels, groups):
            tested.append(labels[test])
            for found, branch in zip(opinions, self._build_branches().values(), strict=True):
                self._fit_branch(branch, x.take(train), labels[train], groups[train])
                found.append(branch.predict_proba(x.take(test)))
        if not tested:
            return np.array(start)
        return fit_exponents([np.concatenate(found) for found in opinions], np.concatenate(tested), start)

    def _fit_branch(self, branch: Estimator, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> None:
        branch.fit(x, [self.classes_[label] for label in labels], list(groups))

    def _predict(self, x: FeatureSet) -> np.ndarray:
        return fuse([branch.predict_proba(x) for branch in self.branches_.values()], self.exponents_)

    def _predict_enrolled(self, x: FeatureSet, enrolment: FeatureSet) -> np.ndarray:
        branches = self.branches_.values()
        opinions = [branch.predict_proba(x, enrolment if branch.can_enrol else None) for branch in branches]
        return fuse(opinions, self.exponents_)

    def _save_state(self, directory: Path) -> None:
        for name, branch in self.branches_.items():
            branch.save(directory / name)
        (directory / _FUSION_FILE).write_text(
            json.dumps({"exponents": self.exponents_.tolist()}), encoding="utf-8"
        )

    def _load_state(self, directory: Path) -> None:
        self.branches_ = {name: type(b).load(directory / name) for name, b in self.branches_.items()}
        fusion = json.loads((directory / _FUSION_FILE).read_text(encoding="utf-8"))
        self.exponents_ = np.array(fusion["exponents"])


class AttentionLstmKernelParameters(ModelParameters):
    """The two branches and how they are joined."""

    lstm: LstmParameters = Field(
        default_factory=lambda: LstmParameters(midterm=True), description="The attention LSTM."
    )
    kernel: KernelLogisticParameters = Field(
        default_factory=KernelLogisticParameters, description="The kernel model."
    )
    lstm_weight: float = Field(0.5, ge=0, description="Exponent of the LSTM's probabilities in the product.")
    kernel_weight: float = Field(1.0, ge=0, description="Exponent of the kernel model's probabilities.")


class AttentionLstmKernel(JointEstimator):
    """Attention LSTM and kernel logistic regression, joined by a weighted product of their probabilities."""

    name: ClassVar[str] = "attention_lstm_kernel"
    attends: ClassVar[bool] = True
    Parameters: ClassVar[type[BaseModel]] = AttentionLstmKernelParameters
    parameters: AttentionLstmKernelParameters

    def _build_branches(self) -> dict[str, Estimator]:
        lstm = AttentionLstm(self.parameters.lstm, seed=self.seed)
        return {"lstm": lstm, "kernel": KernelLogistic(self.parameters.kernel, seed=self.seed)}

    def _given_exponents(self) -> tuple[float, ...]:
        return self.parameters.lstm_weight, self.parameters.kernel_weight


class CrnnLldParameters(ModelParameters):
    """The two branches and how they are joined."""

    crnn: CrnnParameters = Field(
        default_factory=lambda: CrnnParameters(lld_windows=LldWindowParameters()),
        description="The CRNN branch.",
    )
    lld: LinearParameters = Field(default_factory=LinearParameters, description="The LLD branch.")
    calibration_share: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="Share of the training clips, whole speakers, that both branches are fitted without "
        "once, to learn on them how to weigh and calibrate; 0: the exponents below are kept.",
    )
    crnn_weight: float = Field(
        0.3, ge=0, description="Exponent of the CRNN's probabilities in the product, unless it is learnt."
    )
    lld_weight: float = Field(
        1.0, ge=0, description="Exponent of the LLD branch's probabilities, unless it is learnt."
    )


class CrnnLld(JointEstimator):
    """CRNN and LLD branch, fitted in turn, fused by a weighted product of their probabilities."""

    name: ClassVar[str] = "crnn_lld"
    attends: ClassVar[bool] = True
    can_enrol: ClassVar[bool] = True
    Parameters: ClassVar[type[BaseModel]] = CrnnLldParameters
    parameters: CrnnLldParameters

    def _build_branches(self) -> dict[str, Estimator]:
        crnn = Crnn(self.parameters.crnn, seed=self.seed)
        return {"crnn": crnn, "lld": Linear(self.parameters.lld, seed=self.seed)}

    def _given_exponents(self) -> tuple[float, ...]:
        return self.parameters.crnn_weight, self.parameters.lld_weight

    def _inner_folds(self, labels: np.ndarray, groups: np.ndarray) -> Iterable[Fold]:
        rng = np.random.default_rng(self.seed)
        kept, held = validation_split(labels, groups, self.parameters.calibration_share, rng)
        known = len(np.unique(labels[kept])) == len(self.classes_)
        return [(kept, held)] if len(held) and known else []


class BranchParameters(ModelParameters):
    """One of the models that are joined."""

    estimator: str = Field(description="Name in the registry of estimators.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="Parameters of the estimator.")


class LateFusionParameters(ModelParameters):
    """The models that are joined, and how their weights are learnt."""

    branches: dict[str, BranchParameters] = Field(
        min_length=2, description="Name of each model → what it is; attention is that of the first."
    )
    inner_folds: int = Field(
        4,
        ge=2,
        description="Folds inside the training clips that keep groups whole; every model is fitted on each "
        "of them once more, and the weights are those under which their labels are most likely.",
    )


class LateFusion(JointEstimator):
    """A weighted product of the probabilities of any models, with weights from inner folds.

    A model that adds nothing gets the weight 0.
    """

    name: ClassVar[str] = "late_fusion"
    can_enrol: ClassVar[bool] = True
    Parameters: ClassVar[type[BaseModel]] = LateFusionParameters
    parameters: LateFusionParameters

    def _build_branches(self) -> dict[str, Estimator]:
        return {
            name: build_estimator(branch.estimator, branch.parameters, seed=self.seed)
            for name, branch in self.parameters.branches.items()
        }

    def _given_exponents(self) -> tuple[float, ...]:
        return (1.0 / len(self.parameters.branches),) * len(self.parameters.branches)

    def _inner_folds(self, labels: np.ndarray, groups: np.ndarray) -> Iterable[Fold]:
        return inner_folds(labels, groups, self.parameters.inner_folds, self.seed)
