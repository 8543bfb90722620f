"""The proposed voice model: the CRNN on sequences joined with the LLD branch on the functionals.

The CRNN reads the spectrogram and the LLD of each moment, the LLD branch statistics of them over the clip.

The two branches need opposite treatment: the network many steps at a high rate with augmentation, the 6,373
functionals a strongly penalised convex fit. Trained by one optimiser each spoils the other. So they are
fitted in turn and joined where both speak the same language, in their probabilities. How much each counts,
and how sure their product may be, is learnt inside the training clips, by speakers held back (`crossfit`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from affetto.models.base import Estimator, Native
from affetto.models.calibration import softmax
from affetto.models.crnn import Crnn, CrnnParameters
from affetto.models.crossfit import deal_groups, fit_exponents
from affetto.models.fusion import fuse
from affetto.models.lld import LinearBranch, LldParameters
from affetto.models.lld_windows import LldWindowParameters
from affetto.models.network import mean_history

if TYPE_CHECKING:
    from affetto.features.clip_features import FeatureSet
    from affetto.models.graph import InferenceGraph

_FUSION_FILE = "fusion.json"
_SEEDS_APART = 1000


class CrnnLldParameters(BaseModel):
    """The two branches and how they are joined."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    crnn: CrnnParameters = Field(
        default_factory=lambda: CrnnParameters(lld_windows=LldWindowParameters()),
        description="The CRNN branch.",
    )
    lld: LldParameters = Field(default_factory=LldParameters, description="The LLD branch.")
    n_parts: int = Field(
        3,
        ge=1,
        description="Parts that the training speakers are dealt into. A CRNN is fitted without each, all of "
        "them answer together, and what each says of its part tells how to weigh and calibrate. 1: one CRNN, "
        "and the exponents below.",
    )
    crnn_weight: float = Field(
        0.5, ge=0, description="Exponent of the CRNN's probabilities in the product, where none is learnt."
    )
    lld_weight: float = Field(
        1.0, ge=0, description="Exponent of the LLD branch's probabilities, where none is learnt."
    )


class CrnnLld(Estimator):
    """CRNN and LLD branch, fitted in turn, fused by a weighted product of their probabilities.

    Attributes
    ----------
    crnns_ : list of Crnn
        The networks, each fitted without one part of the speakers; their probabilities are averaged.
    lld_ : LinearBranch
        Fitted on all clips.
    exponents_ : numpy.ndarray
        Of the networks' probabilities and of the LLD branch's in the product.
    """

    name: ClassVar[str] = "crnn_lld"
    Parameters: ClassVar[type[BaseModel]] = CrnnLldParameters
    parameters: CrnnLldParameters

    def __init__(self, parameters: Any, *, seed: int = 0) -> None:
        super().__init__(parameters, seed=seed)
        self.crnns_: list[Crnn] = []
        self.lld_ = LinearBranch(parameters.lld)
        self.exponents_ = np.array([parameters.crnn_weight, parameters.lld_weight])

    @property
    def features(self) -> tuple[str, ...]:
        """What the CRNN reads (`log_mel`, perhaps `lld`) and the vectors of the LLD branch."""
        return (*self._crnn(0).features, *self.parameters.lld.features)

    @property
    def n_parameters(self) -> int:
        """Weights of all networks and of the LLD branch."""
        return sum(crnn.n_parameters for crnn in self.crnns_) + self.lld_.n_parameters

    def native(self) -> Native | None:
        """Return the first CRNN, a Keras model; the LLD branch is a matrix beside it."""
        self._require_fitted()
        return self.crnns_[0].native()

    def inference_graph(self) -> InferenceGraph:
        """Return all networks, the LLD branch and their fusion."""
        from affetto.models.graph import mean_graph, product_graph

        self._require_fitted()
        networks = mean_graph([crnn.inference_graph() for crnn in self.crnns_])
        return product_graph((networks, self.lld_.inference_graph()), self.exponents_.tolist())

    def attention(self, x: FeatureSet) -> list[np.ndarray]:
        """Return the CRNNs' mean weights over the steps of each clip, [n_steps]; they sum to 1."""
        self._require_compatible(x)
        weights = [crnn.attention(x) for crnn in self.crnns_]
        return [np.mean(of_clip, axis=0) for of_clip in zip(*weights, strict=True)]

    def attention_times(self, x: FeatureSet) -> list[np.ndarray]:
        """Return the start of each step in seconds, shaped like `attention`."""
        self._require_compatible(x)
        return self.crnns_[0].attention_times(x)

    def _crnn(self, member: int) -> Crnn:
        """Return a network that is not fitted; each member has a seed of its own."""
        return Crnn(self.parameters.crnn, seed=self.seed + _SEEDS_APART * member)

    def _fit(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> None:
        parts = deal_groups(labels, groups, self.parameters.n_parts, self.seed)
        self.lld_.fit(x, labels, groups, len(self.classes_))
        self.crnns_, opinions = [], []
        for member, part in enumerate(parts or [np.zeros(0, dtype=np.int64)]):
            kept = np.setdiff1d(np.arange(len(labels)), part)
            self.crnns_.append(self._fit_network(member, x, labels, groups, kept))
            if len(part):
                held = x.take(part)
                lld = LinearBranch(self.parameters.lld)
                lld.fit(x.take(kept), labels[kept], groups[kept], len(self.classes_))
                opinions.append((self.crnns_[-1].predict_proba(held), softmax(lld.scores(held))))
        self.history_ = mean_history([crnn.history_ for crnn in self.crnns_])
        if parts:
            branches = [np.concatenate(of_branch) for of_branch in zip(*opinions, strict=True)]
            self.exponents_ = fit_exponents(
                branches, labels[np.concatenate(parts)], start=self.exponents_.tolist()
            )

    def _fit_network(
        self, member: int, x: FeatureSet, labels: np.ndarray, groups: np.ndarray, kept: np.ndarray
    ) -> Crnn:
        names = [self.classes_[label] for label in labels[kept]]
        return self._crnn(member).fit(x.take(kept), names, list(groups[kept]))

    def _predict(self, x: FeatureSet) -> np.ndarray:
        return self._fuse(x, self.lld_.scores(x))

    def _predict_enrolled(self, x: FeatureSet, enrolment: FeatureSet) -> np.ndarray:
        return self._fuse(x, self.lld_.scores(x, enrolment))

    def _fuse(self, x: FeatureSet, scores: np.ndarray) -> np.ndarray:
        networks = np.mean([crnn.predict_proba(x) for crnn in self.crnns_], axis=0)
        return fuse([networks, softmax(scores)], self.exponents_.tolist())

    def _save_state(self, directory: Path) -> None:
        for member, crnn in enumerate(self.crnns_):
            crnn.save(directory / f"{crnn.name}_{member}")
        self.lld_.save(directory)
        fusion = {"exponents": self.exponents_.tolist(), "networks": len(self.crnns_)}
        (directory / _FUSION_FILE).write_text(json.dumps(fusion), encoding="utf-8")

    def _load_state(self, directory: Path) -> None:
        fusion = json.loads((directory / _FUSION_FILE).read_text(encoding="utf-8"))
        self.exponents_ = np.array(fusion["exponents"])
        self.crnns_ = [Crnn.load(directory / f"{Crnn.name}_{member}") for member in range(fusion["networks"])]
        self.lld_.load(directory)
