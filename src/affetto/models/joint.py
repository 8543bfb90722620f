"""Models that are joined from several, each fitted as suits it."""

from __future__ import annotations

import abc
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from affetto.models.base import Estimator, Native
from affetto.models.fusion import fuse

if TYPE_CHECKING:
    from affetto.features.clip_features import FeatureSet

_FUSION_FILE = "fusion.json"


class JointEstimator(Estimator):
    """Classifiers fitted in turn on the same clips, joined by a weighted product of their probabilities.

    Trained by one optimiser, a network and a penalised convex model spoil each other: they need opposite
    treatment. Both speak the same language in their probabilities. Attention and training curve are those of
    the first branch.

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

    def _fit(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> None:
        for name, branch in self.branches_.items():
            if name not in self._adopted:
                self._fit_branch(branch, x, labels, groups)
        self._adopted = set()
        self.history_ = self._first.history_

    def _fit_branch(self, branch: Estimator, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> None:
        branch.fit(x, [self.classes_[label] for label in labels], list(groups))

    def _predict(self, x: FeatureSet) -> np.ndarray:
        return self._fuse([branch.predict_proba(x) for branch in self.branches_.values()])

    def _fuse(self, opinions: list[np.ndarray]) -> np.ndarray:
        return fuse(opinions, self.exponents_.tolist())

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
