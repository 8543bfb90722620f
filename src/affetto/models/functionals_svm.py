"""The traditional voice model: a linear SVM on openSMILE functionals, as in the ComParE challenges.

Schuller et al., "The INTERSPEECH 2016 Computational Paralinguistics Challenge", Interspeech 2016.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from affetto.models.inner_folds import inner_folds
from affetto.models.standardiser import Standardiser
from affetto.models.tabular import TabularEstimator

if TYPE_CHECKING:
    from pathlib import Path

    from affetto.features.clip_features import FeatureSet

_STANDARDISER_FILE = "standardiser.npz"
_INNER_FOLDS = 4


Price = Annotated[float, Field(gt=0)]


class FunctionalsSvmParameters(BaseModel):
    """Which functionals describe a clip, and the SVM."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature: Literal["functionals", "raw_functionals", "egemaps"] = Field(
        "functionals",
        description="functionals (ComParE 2016, 6,373 numbers a clip), raw_functionals (of recordings as "
        "they are, without preparation), or egemaps (88).",
    )
    C: Price | tuple[Price, ...] = Field(
        1e-3,
        description="Price of an error against a wide margin. Of several, the one with the best UAR in inner "
        "folds that keep groups whole is taken.",
    )
    limit: float = Field(4.0, gt=0, description="Standardised functionals are clipped to ± this.")
    class_weights: bool = Field(True, description="Weigh clips so that every class counts the same.")


class FunctionalsSvm(TabularEstimator):
    """Linear support vector machine on standardised, clipped functionals.

    Classes are told apart pair by pair; the scores that sum up the votes become probabilities by a softmax
    with a fitted temperature, so that the most probable class is the SVM's own decision.
    """

    name: ClassVar[str] = "functionals_svm"
    Parameters: ClassVar[type[BaseModel]] = FunctionalsSvmParameters
    parameters: FunctionalsSvmParameters

    def __init__(self, parameters: Any, *, seed: int = 0) -> None:
        super().__init__(parameters, seed=seed)
        self.standardiser_: Standardiser | None = None
        self.C_ = 0.0

    @property
    def features(self) -> tuple[str, ...]:
        """The functionals that the parameters name."""
        return (self.parameters.feature,)

    def _fit(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> None:
        values = x[self.parameters.feature].stack()
        self.standardiser_ = Standardiser.learn(values, limit=self.parameters.limit)
        self.C_ = self._choose(self.standardiser_(values), labels, groups)
        super()._fit(x, labels, groups)

    def _choose(self, vectors: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> float:
        given = self.parameters.C
        if isinstance(given, float):
            return given
        from sklearn.metrics import balanced_accuracy_score

        right: dict[float, list[np.ndarray]] = {price: [] for price in given}
        tested: list[np.ndarray] = []
        for train, test in inner_folds(labels, groups, _INNER_FOLDS, self.seed):
            tested.append(labels[test])
            for price, found in right.items():
                self.C_ = price
                found.append(self._build().fit(vectors[train], labels[train]).predict(vectors[test]))
        if not tested:
            return min(given)
        truth = np.concatenate(tested)
        recall = {
            price: balanced_accuracy_score(truth, np.concatenate(found)) for price, found in right.items()
        }
        return max(recall, key=lambda price: (recall[price], -price))

    def _vectors(self, x: FeatureSet) -> np.ndarray:
        if self.standardiser_ is None:
            raise RuntimeError("the standardiser is learnt before vectors are asked for")
        return self.standardiser_(x[self.parameters.feature].stack())

    def _build(self) -> Any:
        from sklearn.svm import SVC

        weight = "balanced" if self.parameters.class_weights else None
        return SVC(kernel="linear", C=self.C_, class_weight=weight, break_ties=True)

    def _save_state(self, directory: Path) -> None:
        super()._save_state(directory)
        if self.standardiser_ is not None:
            self.standardiser_.save(directory / _STANDARDISER_FILE)

    def _load_state(self, directory: Path) -> None:
        super()._load_state(directory)
        self.standardiser_ = Standardiser.load(directory / _STANDARDISER_FILE)
