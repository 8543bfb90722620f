"""The proposed voice model: the CRNN on sequences joined with the LLD branch on the functionals.

The CRNN reads the spectrogram and the LLD of each moment, the LLD branch their functionals over the clip.

The two branches need opposite treatment: the network many steps at a high rate with augmentation, the 6,373
functionals a strongly penalised convex fit. Trained by one optimiser each spoils the other. So they are
fitted in turn and joined where both speak the same language, in their probabilities.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from affetto.models.base import Estimator, Native
from affetto.models.calibration import softmax
from affetto.models.crnn import Crnn, CrnnParameters
from affetto.models.fusion import fuse
from affetto.models.lld import LinearBranch, LldParameters
from affetto.models.lld_windows import LldWindowParameters

if TYPE_CHECKING:
    from affetto.features.clip_features import FeatureSet
    from affetto.models.graph import InferenceGraph


class CrnnLldParameters(BaseModel):
    """The two branches and how they are joined."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    crnn: CrnnParameters = Field(
        default_factory=lambda: CrnnParameters(lld_windows=LldWindowParameters()),
        description="The CRNN branch.",
    )
    lld: LldParameters = Field(default_factory=LldParameters, description="The LLD branch.")
    crnn_weight: float = Field(0.7, ge=0, description="Exponent of the CRNN's probabilities in the product.")
    lld_weight: float = Field(
        1.0, ge=0, description="Exponent of the LLD branch's probabilities in the product."
    )


class CrnnLld(Estimator):
    """CRNN and LLD branch, fitted in turn, fused by a weighted product of their probabilities."""

    name: ClassVar[str] = "crnn_lld"
    Parameters: ClassVar[type[BaseModel]] = CrnnLldParameters
    parameters: CrnnLldParameters

    def __init__(self, parameters: Any, *, seed: int = 0) -> None:
        super().__init__(parameters, seed=seed)
        self.crnn_ = Crnn(parameters.crnn, seed=seed)
        self.lld_ = LinearBranch(parameters.lld)

    @property
    def features(self) -> tuple[str, ...]:
        """What the CRNN reads (`log_mel`, perhaps `lld`) and the vectors of the LLD branch."""
        return (*self.crnn_.features, *self.parameters.lld.features)

    @property
    def n_parameters(self) -> int:
        """Weights of both branches."""
        return self.crnn_.n_parameters + self.lld_.n_parameters

    def native(self) -> Native | None:
        """Return the CRNN branch, a Keras model; the LLD branch is a matrix beside it."""
        return self.crnn_.native()

    def inference_graph(self) -> InferenceGraph:
        """Return both branches and their fusion."""
        from affetto.models.graph import product_graph

        branches = (self.crnn_.inference_graph(), self.lld_.inference_graph())
        return product_graph(branches, (self.parameters.crnn_weight, self.parameters.lld_weight))

    def attention(self, x: FeatureSet) -> list[np.ndarray]:
        """Return the CRNN's weights over the steps of each clip, [n_steps]; they sum to 1."""
        self._require_compatible(x)
        return self.crnn_.attention(x)

    def attention_times(self, x: FeatureSet) -> list[np.ndarray]:
        """Return the start of each step in seconds, shaped like `attention`."""
        self._require_compatible(x)
        return self.crnn_.attention_times(x)

    def _fit(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> None:
        self.lld_.fit(x, labels, len(self.classes_))
        self.crnn_.fit(x, [self.classes_[label] for label in labels], list(groups))
        self.history_ = self.crnn_.history_

    def _predict(self, x: FeatureSet) -> np.ndarray:
        opinions = softmax(self.lld_.scores(x))
        weights = (self.parameters.crnn_weight, self.parameters.lld_weight)
        return fuse([self.crnn_.predict_proba(x), opinions], weights)

    def _save_state(self, directory: Path) -> None:
        self.crnn_.save(directory / self.crnn_.name)
        self.lld_.save(directory)

    def _load_state(self, directory: Path) -> None:
        self.crnn_ = Crnn.load(directory / self.crnn_.name)
        self.lld_.load(directory)
