"""The proposed voice model: the CRNN on sequences joined with the LLD branch on the functionals.

The CRNN reads the spectrogram and the LLD of each moment, the LLD branch statistics of them over the clip.

The network needs many steps at a high rate with augmentation, the 6,373 functionals a strongly penalised
convex fit. How much each counts is a parameter, or learnt inside the training clips, from speakers that are
held back once: which takes more speakers than a small corpus has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from affetto.models.base import Estimator
from affetto.models.crnn import Crnn, CrnnParameters
from affetto.models.fusion import fit_exponents
from affetto.models.joint import JointEstimator
from affetto.models.linear import Linear, LinearParameters
from affetto.models.lld_windows import LldWindowParameters
from affetto.models.training import validation_split

if TYPE_CHECKING:
    from affetto.features.clip_features import FeatureSet


class CrnnLldParameters(BaseModel):
    """The two branches and how they are joined."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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

    def _fit(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> None:
        self.exponents_ = self._learn_exponents(x, labels, groups)
        super()._fit(x, labels, groups)

    def _learn_exponents(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """Fit both branches without some speakers and weigh what they say of these."""
        given = np.array(self._given_exponents())
        share, rng = self.parameters.calibration_share, np.random.default_rng(self.seed)
        kept, held = validation_split(labels, groups, share, rng)
        if not len(held) or len(np.unique(labels[kept])) < len(self.classes_):
            return given
        seen, unseen, branches = x.take(kept), x.take(held), self._build_branches().values()
        for branch in branches:
            self._fit_branch(branch, seen, labels[kept], groups[kept])
        opinions = [branch.predict_proba(unseen) for branch in branches]
        return fit_exponents(opinions, labels[held], start=given.tolist())

    def _predict_enrolled(self, x: FeatureSet, enrolment: FeatureSet) -> np.ndarray:
        crnn, lld = self.branches_.values()
        return self._fuse([crnn.predict_proba(x), lld.predict_proba(x, enrolment)])
