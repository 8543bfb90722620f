"""A second traditional voice model: a random forest on statistics of a clip's MFCC frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from affetto.models.statistics_svm import Statistic, clip_statistics
from affetto.models.tabular import TabularEstimator

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from affetto.features.clip_features import FeatureSet

_TREES_OF_A_CANDIDATE = 100

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]


class MfccForestParameters(BaseModel):
    """What describes a clip, and the forest.

    Of several values of a parameter of the trees, those with the best UAR in inner folds that keep groups
    whole are taken.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    statistics: tuple[Statistic, ...] = Field(
        ("mean", "std", "percentiles"),
        min_length=1,
        description="Statistics over the frames; percentiles are 5, 25, 50, 75, 95.",
    )
    n_trees: int = Field(500, ge=1, description="Trees of the forest.")
    min_leaf: Count | tuple[Count, ...] = Field(2, description="Fewest training clips in a leaf.")
    max_features: Literal["sqrt"] | Share | tuple[Share, ...] = Field(
        "sqrt", description="Share of the numbers that a branch may choose from; sqrt: as many as their root."
    )
    max_depth: Count | tuple[Count | None, ...] | None = Field(
        None, description="Most branches between the root and a leaf; null: no limit."
    )
    class_weights: bool = Field(True, description="Weigh clips so that every class counts the same.")


class MfccForest(TabularEstimator):
    """Random forest (Breiman 2001) on statistics of MFCC frames; its probabilities are the leaves' shares."""

    name: ClassVar[str] = "mfcc_forest"
    Parameters: ClassVar[type[BaseModel]] = MfccForestParameters
    parameters: MfccForestParameters
    tuned: ClassVar[tuple[str, ...]] = ("min_leaf", "max_features", "max_depth")
    ranks_only: ClassVar[bool] = False

    @property
    def features(self) -> tuple[str, ...]:
        """Only `mfcc`."""
        return ("mfcc",)

    def _vectors(self, x: FeatureSet) -> np.ndarray:
        return np.stack([clip_statistics(clip, self.parameters.statistics) for clip in x["mfcc"]])

    def _answers(
        self, candidates: Sequence[Any], known: np.ndarray, labels: np.ndarray, unseen: np.ndarray
    ) -> Iterator[np.ndarray]:
        """Answer as the class above does, by small forests: which trees are better shows in fewer of them."""
        n_trees = min(self.parameters.n_trees, _TREES_OF_A_CANDIDATE)
        small = [candidate.model_copy(update={"n_trees": n_trees}) for candidate in candidates]
        return super()._answers(small, known, labels, unseen)

    def _build(self, parameters: Any) -> Any:
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(
            parameters.n_trees,
            min_samples_leaf=parameters.min_leaf,
            max_features=parameters.max_features,
            max_depth=parameters.max_depth,
            class_weight="balanced" if self.parameters.class_weights else None,
            random_state=self.seed,
            n_jobs=1,
        )
