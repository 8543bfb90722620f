"""Late fusion: models fitted in turn on the same clips, joined by a product of their probabilities.

Trained by one optimiser, a network and a penalised convex model spoil each other: they need opposite
treatment. Both speak the same language in their probabilities.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, NonNegativeFloat

from affetto.features.clip_features import FeatureSet
from affetto.io.configuration import Parameters
from affetto.models.attention_lstm import AttentionLstm, LstmParameters
from affetto.models.calibration import inner_folds, softmax
from affetto.models.crnn import Crnn, CrnnParameters, LldWindowParameters
from affetto.models.estimator import Attention, Estimator, build_estimator, load_estimator
from affetto.models.kernel import KernelLogistic, KernelLogisticParameters
from affetto.models.linear import Linear, LinearParameters

_FUSION_FILE = "fusion.json"
_TINY = 1e-12


def fuse(probabilities: Sequence[np.ndarray], weights: Sequence[float] | np.ndarray) -> np.ndarray:
    """Multiply probabilities, each to the power of its weight, and normalise.

    The "product of experts" (Hinton 2002), also known as logarithmic opinion pool: a softmax of the
    weighted sum of log probabilities. A class that one expert finds impossible stays improbable, whatever
    the others say.

    Arrays and result are [n_clips, n_classes], and their rows sum to 1; weights are 0 or more.
    """
    scores = []
    for each, weight in zip(probabilities, weights, strict=True):
        scores.append(weight * np.log(np.maximum(each, _TINY)))
    return softmax(np.sum(scores, axis=0))


def fit_exponents(opinions: Sequence[np.ndarray], labels: np.ndarray) -> np.ndarray:
    """Find the exponents of a product of probabilities under which the labels are most likely.

    Their ratio weighs the branches, their size is an inverse temperature (Guo et al., ICML 2017), so that
    the product is as sure as it is right.

    Opinions are the probabilities of each branch, [n_clips, n_classes], for clips that it was not fitted on;
    exponents lie between 0 and 5, float64 [n_branches].
    """
    from scipy.optimize import minimize

    logs = np.log(np.maximum(np.stack(opinions), _TINY))
    rows, n_branches = np.arange(len(labels)), len(opinions)

    def loss(exponents: np.ndarray) -> tuple[float, np.ndarray]:
        fused = softmax(np.tensordot(exponents, logs, axes=1))
        expected = (fused * logs).sum(axis=2).mean(axis=1)
        gradient = expected - logs[:, rows, labels].mean(axis=1)
        surprise = -np.log(np.maximum(fused[rows, labels], 1e-300))
        return float(surprise.mean()), gradient

    start, bounds = np.full(n_branches, 1 / n_branches), [(0.0, 5.0)] * n_branches
    return np.asarray(minimize(loss, start, jac=True, bounds=bounds).x)


class JointEstimator(Estimator):
    """Classifiers fitted in turn on the same clips, joined by a weighted product of their probabilities.

    Attention and training curve are those of the first branch, the novelty of a clip that of the first branch
    that learnt it.

    Attributes
    ----------
    exponents_ : numpy.ndarray
        Of the probabilities of each branch in the product, float64 [n_branches]: their size calibrates the
        product, and their ratio says which branch is worth more.
    """

    kinds: ClassVar[dict[str, type[Estimator]]]
    """Classes of the branches by the names of their parameters, that with attention first."""

    def __init__(self, parameters: Any, *, seed: int = 0) -> None:
        super().__init__(parameters, seed=seed)
        self.branches = self._build_branches()
        self.exponents_ = np.array([])

    def _build_branches(self) -> dict[str, Estimator]:
        branches: dict[str, Estimator] = {}
        for name, kind in self.kinds.items():
            branches[name] = kind(getattr(self.parameters, name), seed=self.seed)
        return branches

    def _learn_exponents(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """Return the exponents; by default those that the parameters give as `<branch>_weight`."""
        names = [f"{name}_weight" for name in self.branches]
        return np.array([getattr(self.parameters, name) for name in names])

    @property
    def features(self) -> tuple[str, ...]:
        """What the branches read, each feature once."""
        every = [branch.features for branch in self.branches.values()]
        return tuple(dict.fromkeys(chain.from_iterable(every)))

    @property
    def n_parameters(self) -> int:
        """Weights of all branches."""
        return sum(branch.n_parameters for branch in self.branches.values())

    @property
    def _first(self) -> Estimator:
        return next(iter(self.branches.values()))

    def attention(self, x: FeatureSet) -> Attention | None:
        """Return the first branch's steps and weights."""
        return self._first.attention(x)

    def novelty(self, x: FeatureSet) -> np.ndarray | None:
        """Return that of the first branch that learnt it; see `Estimator.novelty`."""
        for branch in self.branches.values():
            found = branch.novelty(x)
            if found is not None:
                return found
        return None

    def _fit(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> None:
        self.exponents_ = self._learn_exponents(x, labels, groups)
        names = [self.classes_[label] for label in labels]
        for name, branch in self.branches.items():
            if name not in self._adopted:
                branch.fit(x, names, list(groups))
        self._adopted = set()
        self.history_ = self._first.history_

    def _predict(self, x: FeatureSet, enrolment: FeatureSet | None) -> np.ndarray:
        opinions = []
        for branch in self.branches.values():
            own = enrolment if branch.can_enrol else None
            opinions.append(branch.predict_proba(x, own))
        return fuse(opinions, self.exponents_)

    def _save_state(self, directory: Path) -> None:
        for name, branch in self.branches.items():
            branch.save(directory / name)
        exponents = json.dumps({"exponents": self.exponents_.tolist()})
        (directory / _FUSION_FILE).write_text(exponents, encoding="utf-8")

    def _load_state(self, directory: Path) -> None:
        self.branches = {name: load_estimator(directory / name) for name in self.branches}
        fusion = json.loads((directory / _FUSION_FILE).read_text(encoding="utf-8"))
        self.exponents_ = np.array(fusion["exponents"])


class AttentionLstmKernelParameters(Parameters):
    """The two branches and how they are joined."""

    lstm: LstmParameters = Field(default_factory=lambda: LstmParameters(midterm=True))
    """The attention LSTM."""
    kernel: KernelLogisticParameters = Field(default_factory=KernelLogisticParameters)
    """The kernel model."""
    lstm_weight: NonNegativeFloat = 0.5
    """Exponent of the LSTM's probabilities in the product."""
    kernel_weight: NonNegativeFloat = 1.0
    """Exponent of the kernel model's probabilities."""


class AttentionLstmKernel(JointEstimator):
    """Attention LSTM and kernel logistic regression, joined by a weighted product of their probabilities."""

    name = "attention_lstm_kernel"
    attends = True
    Parameters = AttentionLstmKernelParameters
    kinds: ClassVar = {"lstm": AttentionLstm, "kernel": KernelLogistic}


class CrnnLldParameters(Parameters):
    """The two branches and how they are joined."""

    crnn: CrnnParameters = Field(default_factory=lambda: CrnnParameters(lld_windows=LldWindowParameters()))
    """The CRNN branch."""
    lld: LinearParameters = Field(default_factory=LinearParameters)
    """The LLD branch."""
    crnn_weight: NonNegativeFloat = 0.3
    """Exponent of the CRNN's probabilities in the product."""
    lld_weight: NonNegativeFloat = 1.0
    """Exponent of the LLD branch's probabilities."""


class CrnnLld(JointEstimator):
    """CRNN and LLD branch, fitted in turn, fused by a weighted product of their probabilities."""

    name = "crnn_lld"
    attends = True
    can_enrol = True
    Parameters = CrnnLldParameters
    kinds: ClassVar = {"crnn": Crnn, "lld": Linear}


class BranchParameters(Parameters):
    """One of the models that are joined."""

    estimator: str
    """Name in the registry of estimators."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the estimator."""


class LateFusionParameters(Parameters):
    """The models that are joined, and how their weights are learnt."""

    branches: dict[str, BranchParameters] = Field(min_length=2)
    """Name of each model → what it is; attention is that of the first."""
    inner_folds: Annotated[int, Field(ge=2)] = 4
    """Folds inside the training clips that keep groups whole; every model is fitted on each of them once
    more, and the weights are those under which their labels are most likely."""


class LateFusion(JointEstimator):
    """A weighted product of the probabilities of any models, with weights from inner folds.

    A model that adds nothing gets the weight 0.
    """

    name = "late_fusion"
    can_enrol = True
    Parameters = LateFusionParameters
    parameters: LateFusionParameters

    def _build_branches(self) -> dict[str, Estimator]:
        branches = {}
        for name, given in self.parameters.branches.items():
            branches[name] = build_estimator(given.estimator, given.parameters, self.seed)
        return branches

    def _learn_exponents(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """Fit all branches without some clips and weigh what they say of these; all alike without folds."""
        opinions: dict[str, list[np.ndarray]] = {name: [] for name in self.branches}
        tested = []
        folds = inner_folds(labels, groups, self.parameters.inner_folds, self.seed)
        for train, test in folds:
            tested.append(labels[test])
            known = [self.classes_[label] for label in labels[train]]
            for name, branch in self._build_branches().items():
                branch.fit(x.take(train), known, list(groups[train]))
                opinions[name].append(branch.predict_proba(x.take(test)))
        if not tested:
            return np.full(len(opinions), 1 / len(opinions))
        pooled = [np.concatenate(each) for each in opinions.values()]
        return fit_exponents(pooled, np.concatenate(tested))
