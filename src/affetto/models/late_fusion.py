"""Late fusion of any models: each is fitted on the same clips, which also tell how much each counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from affetto.models.base import Estimator
from affetto.models.fusion import fit_exponents
from affetto.models.inner_folds import inner_folds
from affetto.models.joint import JointEstimator
from affetto.models.registry import build_estimator

if TYPE_CHECKING:
    from affetto.features.clip_features import FeatureSet


class BranchParameters(BaseModel):
    """One of the models that are joined."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    estimator: str = Field(description="Name in the registry of estimators.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="Parameters of the estimator.")


class LateFusionParameters(BaseModel):
    """The models that are joined, and how their weights are learnt."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    """A weighted product of the probabilities of several models, with weights from inner folds.

    The size of the weights calibrates the product, and their ratio says which model is worth more; a model
    that adds nothing gets the weight 0.
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

    def _fit(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> None:
        self.exponents_ = self._learn_exponents(x, labels, groups)
        super()._fit(x, labels, groups)

    def _learn_exponents(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
        start = self._given_exponents()
        opinions: list[list[np.ndarray]] = [[] for _ in start]
        tested: list[np.ndarray] = []
        for train, test in inner_folds(labels, groups, self.parameters.inner_folds, self.seed):
            tested.append(labels[test])
            for found, branch in zip(opinions, self._build_branches().values(), strict=True):
                self._fit_branch(branch, x.take(train), labels[train], groups[train])
                found.append(branch.predict_proba(x.take(test)))
        if not tested:  # a single group: nothing to learn the weights on
            return np.array(start)
        return fit_exponents([np.concatenate(found) for found in opinions], np.concatenate(tested), start)

    def _predict_enrolled(self, x: FeatureSet, enrolment: FeatureSet) -> np.ndarray:
        return self._fuse(
            [
                branch.predict_proba(x, enrolment if branch.can_enrol else None)
                for branch in self.branches_.values()
            ]
        )

    def novelty(self, x: FeatureSet) -> np.ndarray | None:
        """Return that of the first branch that learnt it; see `Estimator.novelty`."""
        self._require_compatible(x)
        answers = (branch.novelty(x) for branch in self.branches_.values())
        return next((found for found in answers if found is not None), None)
