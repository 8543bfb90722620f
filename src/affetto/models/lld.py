"""The LLD branch of the voice model: a strongly regularised linear classifier on statistics of the LLD.

It reads the functionals of each descriptor and the rank correlations of each pair: how they are spread in a
clip and how they move together. These are far more numbers (6,373 and 2,080) than there are training clips.
The penalty must therefore be strong, and lighter on numbers that tell emotions apart in every speaker alike
(`relevance`), and what every voice of a kind has, low or high, is taken off before (`voice_types`). The
weights of the best linear model lie in the span of the training clips: the fit takes place in that small
space (`span`), which is exact and ten times faster.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from affetto.errors import AffettoError
from affetto.models.base import Estimator
from affetto.models.calibration import softmax
from affetto.models.logistic import fit_logistic
from affetto.models.speakers import less_group_means, relevance, several_labels
from affetto.models.specification import each_once
from affetto.models.standardiser import Standardiser
from affetto.models.voice_types import VoiceTypeCount, VoiceTypes

if TYPE_CHECKING:
    from affetto.features.clip_features import FeatureSet
    from affetto.models.graph import InferenceGraph

_STANDARDISER_FILE = "functionals_standardiser.npz"
_WEIGHTS_FILE = "functionals_weights.npz"


class LldParameters(BaseModel):
    """Which vectors describe a clip, and how strongly their weights are held back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: tuple[Literal["functionals", "egemaps", "correlations"], ...] = Field(
        ("functionals", "correlations"),
        min_length=1,
        description="functionals (ComParE 2016, 6,373 numbers a clip), egemaps (88), correlations (2,080).",
    )
    penalty: float = Field(
        0.03,
        gt=0,
        description="L2 penalty on the weights, against the summed losses of clips and copies; each feature "
        "is scaled before, so that all features count alike.",
    )
    relevance: float = Field(
        1.0,
        ge=0,
        le=4,
        description="Exponent of the relevance that squares of numbers are scaled by; 0: all count alike.",
    )
    limit: float = Field(4.0, gt=0, description="Standardised numbers are clipped to ± this.")
    class_weights: bool = Field(True, description="Weigh clips so that every class counts the same.")
    voice_types: VoiceTypeCount = 2
    enrolment_prior: float = Field(
        2.0,
        ge=0,
        description="So many clips of an average voice of the kind count into the mean of an enrolled one.",
    )

    _each_once = field_validator("features")(each_once)


@dataclass(frozen=True)
class Linear:
    """Weights [n_dimensions, n_classes] and biases [n_classes], float64."""

    weights: np.ndarray
    bias: np.ndarray

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """Return the logits of vectors [n_clips, n_dimensions], float64 [n_clips, n_classes]."""
        return np.asarray(vectors @ self.weights + self.bias)


class Lld(Estimator):
    """A multinomial logistic regression on the vectors of a clip, relative to the kind of its voice.

    A second regression, on vectors relative to the mean of their speaker, answers where a few clips of a new
    speaker tell that mean (`enrolment`).

    Attributes
    ----------
    standardiser_ : Standardiser
        Learnt on the training vectors.
    sizes_ : tuple of int
        Numbers of each feature.
    types_ : VoiceTypes
        Kinds of voices, told apart by the standardised vectors.
    anyone_ : Linear
        The regression on standardised vectors relative to the kind of voice.
    enrolled_ : Linear or None
        That on vectors relative to their speaker; None where every speaker was heard in one emotion alone.
    """

    name: ClassVar[str] = "lld"
    can_enrol: ClassVar[bool] = True
    Parameters: ClassVar[type[BaseModel]] = LldParameters
    parameters: LldParameters

    def __init__(self, parameters: Any, *, seed: int = 0) -> None:
        super().__init__(parameters, seed=seed)
        self.standardiser_: Standardiser
        self.sizes_: tuple[int, ...] = ()
        self.types_: VoiceTypes
        self.anyone_ = Linear(np.zeros((0, 0)), np.zeros(0))
        self.enrolled_: Linear | None = None

    @property
    def features(self) -> tuple[str, ...]:
        """The vectors that the parameters name."""
        return self.parameters.features

    @property
    def n_parameters(self) -> int:
        """Weights, biases and offsets that answer without an enrolment."""
        return int(self.anyone_.weights.size + self.anyone_.bias.size) + self.types_.n_parameters

    def inference_graph(self) -> InferenceGraph:
        """Return standardisation, weights and softmax."""
        from affetto.models.graph import linear_graph

        self._require_fitted()
        sizes: dict[str, int] = dict(zip(self.features, self.sizes_, strict=True))
        return linear_graph(sizes, self.standardiser_, self.types_, self.anyone_.weights, self.anyone_.bias)

    def _fit(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> None:
        vectors = self._vectors(x)
        self.standardiser_ = Standardiser.learn(vectors, limit=self.parameters.limit)
        self.sizes_ = tuple(len(x[name].dimensions) for name in self.features)
        standardised = self.standardiser_(vectors)
        self.types_ = self._learn_types(standardised, labels, groups)
        self.anyone_ = self._regress(self._less_type(standardised), labels, groups)
        self.enrolled_ = None
        if several_labels(labels, groups):
            self.enrolled_ = self._regress(less_group_means(standardised, groups), labels, groups)

    def _learn_types(self, standardised: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> VoiceTypes:
        return VoiceTypes.learn(
            standardised,
            labels,
            groups,
            scale=self._scale(np.ones(standardised.shape[1])),
            n_types=self.parameters.voice_types,
            penalty=self.parameters.penalty,
        )

    def _less_type(self, standardised: np.ndarray) -> np.ndarray:
        """Subtract from standardised vectors what they owe to the kind of voice."""
        return np.asarray(standardised - self.types_.offset(standardised))

    def _regress(self, relative: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> Linear:
        scale = self._scale(relevance(relative, labels, groups))
        weights, bias = fit_logistic(
            relative * scale,
            labels,
            len(self.classes_),
            penalty=self.parameters.penalty,
            class_weights=self.parameters.class_weights,
        )
        rounded = (weights * scale[:, None]).astype(np.float32)  # as they are saved: loading changes nothing
        return Linear(rounded.astype(np.float64), bias)

    def _scale(self, relevances: np.ndarray) -> np.ndarray:
        """Return what each number is multiplied by, so that the squares of every feature sum to 1."""
        squares = relevances**self.parameters.relevance
        totals = np.add.reduceat(squares, np.cumsum([0, *self.sizes_[:-1]]))
        least = np.finfo(np.float64).tiny
        return np.asarray(np.sqrt(squares / np.repeat(np.maximum(totals, least), self.sizes_)))

    def _vectors(self, x: FeatureSet) -> np.ndarray:
        return np.concatenate([x[name].stack() for name in self.features], axis=1)

    def _predict(self, x: FeatureSet) -> np.ndarray:
        return softmax(self.anyone_(self._less_type(self.standardiser_(self._vectors(x)))))

    def _predict_enrolled(self, x: FeatureSet, enrolment: FeatureSet) -> np.ndarray:
        if self.enrolled_ is None:
            raise AffettoError(
                "Nobody can be enrolled: no speaker of the training clips was heard in several emotions. Say "
                "who speaks (a column group, or corpus.group_pattern) and train again."
            )
        heard = self.standardiser_(self._vectors(enrolment))
        trust = len(heard) / (len(heard) + self.parameters.enrolment_prior)
        speaker = trust * heard.mean(axis=0) + (1 - trust) * self.types_.offset(heard).mean(axis=0)
        return softmax(self.enrolled_(self.standardiser_(self._vectors(x)) - speaker))

    def _save_state(self, directory: Path) -> None:
        self.standardiser_.save(directory / _STANDARDISER_FILE)
        with (directory / _WEIGHTS_FILE).open("wb") as file:
            np.savez(
                file,
                sizes=self.sizes_,
                weights=self.anyone_.weights.astype(np.float32),
                bias=self.anyone_.bias,
                **dict[str, Any](self.types_.arrays()),
                **self._enrolled_arrays(),
            )

    def _load_state(self, directory: Path) -> None:
        self.standardiser_ = Standardiser.load(directory / _STANDARDISER_FILE)
        with np.load(directory / _WEIGHTS_FILE, allow_pickle=False) as stored:
            self.sizes_ = tuple(stored["sizes"].tolist())
            self.types_ = VoiceTypes.from_arrays(stored)
            self.anyone_ = Linear(stored["weights"].astype(np.float64), stored["bias"])
            self.enrolled_ = None
            if "enrolled_weights" in stored:
                weights = stored["enrolled_weights"].astype(np.float64)
                self.enrolled_ = Linear(weights, stored["enrolled_bias"])

    def _enrolled_arrays(self) -> dict[str, Any]:
        if self.enrolled_ is None:
            return {}
        weights, bias = self.enrolled_.weights.astype(np.float32), self.enrolled_.bias
        return {"enrolled_weights": weights, "enrolled_bias": bias}
