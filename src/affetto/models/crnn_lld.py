"""The proposed voice model: the CRNN on sequences joined with the LLD branch on the functionals.

The CRNN reads the spectrogram and the LLD of each moment, the LLD branch statistics of them over the clip.

The two branches need opposite treatment: the network many steps at a high rate with augmentation, the 6,373
functionals a strongly penalised convex fit. Trained by one optimiser each spoils the other. So they are
fitted in turn and joined where both speak the same language, in their probabilities. How much each counts is
a parameter, or learnt inside the training clips, from speakers that are held back once: which takes more
speakers than a small corpus has.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from affetto.models.base import Estimator, Native
from affetto.models.crnn import Crnn, CrnnParameters
from affetto.models.fusion import fit_exponents, fuse
from affetto.models.lld import Lld, LldParameters
from affetto.models.lld_windows import LldWindowParameters
from affetto.models.training import validation_split

if TYPE_CHECKING:
    from affetto.features.clip_features import FeatureSet
    from affetto.models.graph import InferenceGraph

_FUSION_FILE = "fusion.json"


class CrnnLldParameters(BaseModel):
    """The two branches and how they are joined."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    crnn: CrnnParameters = Field(
        default_factory=lambda: CrnnParameters(lld_windows=LldWindowParameters()),
        description="The CRNN branch.",
    )
    lld: LldParameters = Field(default_factory=LldParameters, description="The LLD branch.")
    calibration_share: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="Share of the training clips, whole speakers, that both branches are fitted without "
        "once, to learn on them how to weigh and calibrate; 0: the exponents below are kept.",
    )
    crnn_weight: float = Field(
        0.4, ge=0, description="Exponent of the CRNN's probabilities in the product, unless it is learnt."
    )
    lld_weight: float = Field(
        0.8, ge=0, description="Exponent of the LLD branch's probabilities, unless it is learnt."
    )


class CrnnLld(Estimator):
    """CRNN and LLD branch, fitted in turn, fused by a weighted product of their probabilities.

    Attributes
    ----------
    crnn_, lld_ : Crnn, Lld
        The branches, fitted on all clips.
    exponents_ : numpy.ndarray
        Of the probabilities of the two in the product.
    """

    name: ClassVar[str] = "crnn_lld"
    Parameters: ClassVar[type[BaseModel]] = CrnnLldParameters
    parameters: CrnnLldParameters

    def __init__(self, parameters: Any, *, seed: int = 0) -> None:
        super().__init__(parameters, seed=seed)
        self.crnn_ = Crnn(parameters.crnn, seed=seed)
        self.lld_ = Lld(parameters.lld, seed=seed)
        self.exponents_ = np.array([parameters.crnn_weight, parameters.lld_weight])

    @property
    def features(self) -> tuple[str, ...]:
        """What the CRNN reads (`log_mel`, perhaps `lld`) and the vectors of the LLD branch."""
        return (*self.crnn_.features, *self.lld_.features)

    @property
    def branches(self) -> dict[str, Estimator]:
        """CRNN and LLD branch by the names of their parameters."""
        return {"crnn": self.crnn_, "lld": self.lld_}

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

        graphs = (self.crnn_.inference_graph(), self.lld_.inference_graph())
        return product_graph(graphs, self.exponents_.tolist())

    def attention(self, x: FeatureSet) -> list[np.ndarray]:
        """Return the CRNN's weights over the steps of each clip, [n_steps]; they sum to 1."""
        self._require_compatible(x)
        return self.crnn_.attention(x)

    def attention_times(self, x: FeatureSet) -> list[np.ndarray]:
        """Return the start of each step in seconds, shaped like `attention`."""
        self._require_compatible(x)
        return self.crnn_.attention_times(x)

    def _fit(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> None:
        self.exponents_ = self._learn_exponents(x, labels, groups)
        for branch in self.branches.values():
            self._fit_branch(branch, x, labels, groups)
        self.history_ = self.crnn_.history_

    def _learn_exponents(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """Fit both branches without some speakers and weigh what they say of these."""
        share, rng = self.parameters.calibration_share, np.random.default_rng(self.seed)
        kept, held = validation_split(labels, groups, share, rng)
        if not len(held) or len(np.unique(labels[kept])) < len(self.classes_):
            return self.exponents_
        seen, unseen = x.take(kept), x.take(held)
        branches = Crnn(self.parameters.crnn, seed=self.seed), Lld(self.parameters.lld, seed=self.seed)
        for branch in branches:
            self._fit_branch(branch, seen, labels[kept], groups[kept])
        opinions = [branch.predict_proba(unseen) for branch in branches]
        return fit_exponents(opinions, labels[held], start=self.exponents_.tolist())

    def _fit_branch(self, branch: Estimator, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> None:
        branch.fit(x, [self.classes_[label] for label in labels], list(groups))

    def _predict(self, x: FeatureSet) -> np.ndarray:
        return self._fuse(x, self.lld_.predict_proba(x))

    def _predict_enrolled(self, x: FeatureSet, enrolment: FeatureSet) -> np.ndarray:
        return self._fuse(x, self.lld_.predict_proba(x, enrolment))

    def _fuse(self, x: FeatureSet, lld: np.ndarray) -> np.ndarray:
        return fuse([self.crnn_.predict_proba(x), lld], self.exponents_.tolist())

    def _save_state(self, directory: Path) -> None:
        for name, branch in self.branches.items():
            branch.save(directory / name)
        (directory / _FUSION_FILE).write_text(
            json.dumps({"exponents": self.exponents_.tolist()}), encoding="utf-8"
        )

    def _load_state(self, directory: Path) -> None:
        self.crnn_, self.lld_ = Crnn.load(directory / "crnn"), Lld.load(directory / "lld")
        fusion = json.loads((directory / _FUSION_FILE).read_text(encoding="utf-8"))
        self.exponents_ = np.array(fusion["exponents"])
