"""A strongly regularised linear classifier on vectors that describe a clip.

It is the LLD branch of the voice model, where it reads the functionals of each descriptor and the rank
correlations of each pair, and the head on the embedding of a pre-trained encoder. These are more numbers
(6,373, 2,080 and 768) than there are training clips. The penalty must therefore be strong, and lighter on
numbers that tell emotions apart in every speaker alike (`relevance`), and what every voice of a kind has, low
or high, is taken off before (`voice_types`). The weights of the best linear model lie in the span of the
training clips: the fit takes place in that small space (`span`), which is exact and ten times faster.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat

from affetto.errors import AffettoError
from affetto.features.clip_features import FeatureSet
from affetto.io.configuration import Parameters
from affetto.models.calibration import softmax
from affetto.models.logistic import fit_logistic
from affetto.models.novelty import Novelty
from affetto.models.speakers import VoiceTypeCount, VoiceTypes, less_group_means, relevance, several_labels
from affetto.models.vectors import Clips, Features, OneOrMore, Standardiser, VectorEstimator, clip_vectors

Regression = tuple[np.ndarray, np.ndarray]
"""Weights, float32 [n_dimensions, n_classes], and biases, float64 [n_classes]."""


class LinearParameters(Parameters):
    """Which vectors describe a clip, and how strongly their weights are held back."""

    features: Features = ("functionals", "correlations")
    """Features that describe a clip, such as functionals (ComParE 2016, 6,373 numbers), egemaps (88),
    correlations (2,080) or encoder (statistics of a pre-trained encoder, 768)."""
    penalty: OneOrMore = 0.03
    """L2 penalty on the weights, against the summed losses of clips and copies; each feature is scaled
    before, so that all features count alike. Of several, the best for inner folds that keep groups whole is
    taken (list the highest first), and the same folds calibrate the probabilities."""
    relevance: Annotated[float, Field(ge=0, le=4)] = 1.0
    """Exponent of the relevance that squares of numbers are scaled by; 0: all count alike."""
    limit: PositiveFloat = 4.0
    """Standardised numbers are clipped to ± this."""
    voice_types: VoiceTypeCount = 2
    novelty: bool = False
    """Also learn how far a clip lies from the training clips (`Linear.novelty`)."""
    enrolment_prior: NonNegativeFloat = 2.0
    """So many clips of an average voice of the kind count into the mean of an enrolled one."""


class Linear(VectorEstimator):
    """A multinomial logistic regression on the vectors of a clip, relative to the kind of its voice.

    A second regression, on vectors relative to the mean of their speaker, answers where a few clips of a new
    speaker tell that mean (`enrolment`).

    Attributes
    ----------
    standardiser_ : Standardiser
        Learnt on the training vectors.
    sizes_ : list of int
        Numbers of each feature.
    types_ : VoiceTypes
        Kinds of voices, told apart by the standardised vectors.
    anyone_ : tuple of numpy.ndarray
        Weights and biases of the regression on standardised vectors relative to the kind of voice.
    enrolled_ : tuple of numpy.ndarray or None
        Those on vectors relative to their speaker; None where every speaker was heard in one emotion alone.
    novelty_ : Novelty or None
        What tells clips unlike all training clips, where the parameters ask for it.
    """

    name = "linear"
    VERSION = 2
    can_enrol = True
    tuned = ("penalty",)
    Parameters = LinearParameters
    parameters: LinearParameters

    standardiser_: Standardiser
    sizes_: list[int]
    types_: VoiceTypes
    anyone_: Regression
    enrolled_: Regression | None = None
    novelty_: Novelty | None = None

    @property
    def n_parameters(self) -> int:
        """Weights, biases and offsets that answer without an enrolment."""
        return sum(each.size for each in self.anyone_) + self.types_.n_parameters

    def novelty(self, x: FeatureSet) -> np.ndarray | None:
        """Return how far clips lie from the training clips; see `Estimator.novelty`."""
        self._require_compatible(x)
        if self.novelty_ is None:
            return None
        return self.novelty_(self.standardiser_(self._vectors(x)))

    def _answers(self, candidates: list[Any], known: Clips, unseen: np.ndarray) -> Iterable[np.ndarray]:
        for candidate in candidates:
            self._fit_anyone(candidate.penalty, known, 1.0)
            yield self._answer(unseen)

    def _fit_vectors(self, parameters: Any, known: Clips, temperature: float) -> None:
        _, labels, groups = known
        standardised = self._fit_anyone(parameters.penalty, known, temperature)
        self.enrolled_ = self.novelty_ = None
        if several_labels(labels, groups):
            relative = less_group_means(standardised, groups), labels, groups
            self.enrolled_ = self._regress(relative, parameters.penalty, temperature)
        if parameters.novelty:
            self.novelty_ = Novelty.learn(standardised, labels, groups, seed=self.seed)

    def _fit_anyone(self, penalty: float, known: Clips, temperature: float) -> np.ndarray:
        """Fit everything that answers without an enrolment; return the standardised vectors."""
        vectors, labels, groups = known
        self.standardiser_ = Standardiser.learn(vectors, limit=self.parameters.limit)
        standardised = self.standardiser_(vectors)
        self.types_ = VoiceTypes.learn(
            standardised,
            labels,
            groups,
            scale=self._scale(np.ones(standardised.shape[1])),
            n_types=self.parameters.voice_types,
            penalty=penalty,
        )
        relative = standardised - self.types_.offset(standardised), labels, groups
        self.anyone_ = self._regress(relative, penalty, temperature)
        return standardised

    def _regress(self, known: Clips, penalty: float, temperature: float) -> Regression:
        relative, labels, _ = known
        scale = self._scale(relevance(*known))
        weights, bias = fit_logistic(relative * scale, labels, penalty=penalty)
        weights = weights * scale[:, None] / temperature
        return weights.astype(np.float32), bias / temperature

    def _scale(self, relevances: np.ndarray) -> np.ndarray:
        """Return what each number is multiplied by, so that the squares of every feature sum to 1."""
        squares = relevances**self.parameters.relevance
        totals = np.add.reduceat(squares, np.cumsum([0, *self.sizes_[:-1]]))
        totals = np.maximum(totals, np.finfo(np.float64).tiny)
        return np.asarray(np.sqrt(squares / np.repeat(totals, self.sizes_)))

    def _vectors(self, x: FeatureSet) -> np.ndarray:
        blocks = [clip_vectors(x, [name]) for name in self.features]
        self.sizes_ = [block.shape[1] for block in blocks]
        return np.concatenate(blocks, axis=1)

    def _answer(self, vectors: np.ndarray) -> np.ndarray:
        standardised = self.standardiser_(vectors)
        return _probabilities(standardised - self.types_.offset(standardised), self.anyone_)

    def _predict(self, x: FeatureSet, enrolment: FeatureSet | None) -> np.ndarray:
        if enrolment is None:
            return super()._predict(x, None)
        if self.enrolled_ is None:
            raise AffettoError(
                "Nobody can be enrolled: no speaker of the training clips was heard in "
                "several emotions. Say who speaks in each clip, and train again."
            )
        heard = self.standardiser_(self._vectors(enrolment))
        trust = len(heard) / (len(heard) + self.parameters.enrolment_prior)
        usual = self.types_.offset(heard).mean(axis=0)
        speaker = trust * heard.mean(axis=0) + (1 - trust) * usual
        vectors = self.standardiser_(self._vectors(x))
        return _probabilities(vectors - speaker, self.enrolled_)

    def _save_state(self, directory: Path) -> None:
        self.standardiser_.save(directory)
        weights, bias = self.anyone_
        arrays = {"sizes": self.sizes_, "weights": weights, "bias": bias, **vars(self.types_)}
        if self.enrolled_:
            arrays["enrolled_weights"], arrays["enrolled_bias"] = self.enrolled_
        if self.novelty_:
            arrays |= vars(self.novelty_)
        np.savez(directory / "weights.npz", **arrays)

    def _load_state(self, directory: Path) -> None:
        self.standardiser_ = Standardiser.load(directory)
        with np.load(directory / "weights.npz", allow_pickle=False) as file:
            stored = dict(file)
        self.sizes_ = stored["sizes"].tolist()
        self.types_ = VoiceTypes.from_arrays(stored)
        self.anyone_ = stored["weights"], stored["bias"]
        if "enrolled_weights" in stored:
            self.enrolled_ = stored["enrolled_weights"], stored["enrolled_bias"]
        if self.parameters.novelty:
            self.novelty_ = Novelty.from_arrays(stored)


def _probabilities(vectors: np.ndarray, regression: Regression) -> np.ndarray:
    weights, bias = regression
    return softmax(vectors @ weights.astype(np.float64) + bias)
