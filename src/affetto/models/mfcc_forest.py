"""A second traditional voice model: a random forest on statistics of a clip's MFCC frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from affetto.models.statistics_svm import Statistic, clip_statistics
from affetto.models.tabular import TabularEstimator

if TYPE_CHECKING:
    from affetto.features.clip_features import FeatureSet


class MfccForestParameters(BaseModel):
    """What describes a clip, and the forest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    statistics: tuple[Statistic, ...] = Field(
        ("mean", "std", "percentiles"),
        min_length=1,
        description="Statistics over the frames; percentiles are 5, 25, 50, 75, 95.",
    )
    n_trees: int = Field(500, ge=1, description="Trees of the forest.")
    min_leaf: int = Field(2, ge=1, description="Fewest training clips in a leaf.")
    class_weights: bool = Field(True, description="Weigh clips so that every class counts the same.")


class MfccForest(TabularEstimator):
    """Random forest (Breiman 2001) on statistics of MFCC frames; its probabilities are the leaves' shares."""

    name: ClassVar[str] = "mfcc_forest"
    Parameters: ClassVar[type[BaseModel]] = MfccForestParameters
    parameters: MfccForestParameters

    @property
    def features(self) -> tuple[str, ...]:
        """Only `mfcc`."""
        return ("mfcc",)

    def _vectors(self, x: FeatureSet) -> np.ndarray:
        return np.stack([clip_statistics(clip, self.parameters.statistics) for clip in x["mfcc"]])

    def _build(self) -> Any:
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(
            self.parameters.n_trees,
            min_samples_leaf=self.parameters.min_leaf,
            class_weight="balanced" if self.parameters.class_weights else None,
            random_state=self.seed,
            n_jobs=1,
        )
