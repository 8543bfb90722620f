"""The traditional voice model: a linear SVM on openSMILE functionals, as in the ComParE challenges.

Schuller et al., "The INTERSPEECH 2016 Computational Paralinguistics Challenge", Interspeech 2016.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from affetto.models.standardiser import Standardiser
from affetto.models.tabular import TabularEstimator

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from affetto.features.clip_features import FeatureSet

_STANDARDISER_FILE = "standardiser.npz"
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
        "folds that keep groups whole is taken; list the lowest first.",
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
    tuned: ClassVar[tuple[str, ...]] = ("C",)

    def __init__(self, parameters: Any, *, seed: int = 0) -> None:
        super().__init__(parameters, seed=seed)
        self.standardiser_: Standardiser

    @property
    def features(self) -> tuple[str, ...]:
        """The functionals that the parameters name."""
        return (self.parameters.feature,)

    def _vectors(self, x: FeatureSet) -> np.ndarray:
        return x[self.parameters.feature].stack()

    def _answers(
        self, candidates: Sequence[Any], known: np.ndarray, labels: np.ndarray, unseen: np.ndarray
    ) -> Iterator[np.ndarray]:
        """Answer as the class above does, with the products of all clips taken once for all candidates."""
        standardise = Standardiser.learn(known, limit=self.parameters.limit)
        scaled = standardise(known)
        products, across = scaled @ scaled.T, standardise(unseen) @ scaled.T
        for candidate in candidates:
            yield self._opinion(self._build(candidate, "precomputed").fit(products, labels), across)

    def _fit_classifier(self, parameters: Any, vectors: np.ndarray, labels: np.ndarray) -> None:
        self.standardiser_ = Standardiser.learn(vectors, limit=self.parameters.limit)
        super()._fit_classifier(parameters, self.standardiser_(vectors), labels)

    def _opinion(self, classifier: Any, vectors: np.ndarray) -> np.ndarray:
        linear = classifier.kernel == "linear"
        return super()._opinion(classifier, self.standardiser_(vectors) if linear else vectors)

    def _build(self, parameters: Any, kernel: str = "linear") -> Any:
        from sklearn.svm import SVC

        weight = "balanced" if self.parameters.class_weights else None
        return SVC(kernel=kernel, C=parameters.C, class_weight=weight, break_ties=True)

    def _save_state(self, directory: Path) -> None:
        super()._save_state(directory)
        self.standardiser_.save(directory / _STANDARDISER_FILE)

    def _load_state(self, directory: Path) -> None:
        super()._load_state(directory)
        self.standardiser_ = Standardiser.load(directory / _STANDARDISER_FILE)
