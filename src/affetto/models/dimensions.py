"""Regressors of valence and arousal: kernel ridge regression, and the mean of the training clips.

They read the vectors that the classifiers read, and are tuned alike, on inner folds that keep groups whole.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, PositiveFloat

from affetto.corpora.clips import DIMENSIONS
from affetto.errors import AffettoError
from affetto.features.clip_features import FeatureSet
from affetto.io.configuration import Parameters
from affetto.models.calibration import inner_folds
from affetto.models.estimator import Estimator
from affetto.models.kernel import choose_landmarks, kernel_coordinates, weigh_landmarks
from affetto.models.vectors import EachOnce, OneOrMore, Standardiser, clip_statistics

Feature = Literal["functionals", "egemaps", "correlations", "encoder", "mfcc", "midterm"]
Features = Annotated[tuple[Feature, ...], Field(min_length=1), EachOnce]
_INNER_FOLDS = 4


def concordance(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Concordance correlation coefficient (Lin, Biometrics 45, 1989) of each column; 0 where nothing varies.

    It is 2 cov / (var + var + (difference of the means)^2): the correlation, reduced where predictions have
    another mean or spread than the truth. Both are [n_clips, n].
    """
    centred, told = truth - truth.mean(axis=0), predicted - predicted.mean(axis=0)
    apart = (truth.mean(axis=0) - predicted.mean(axis=0)) ** 2
    total = (centred**2).mean(axis=0) + (told**2).mean(axis=0) + apart
    common = 2 * (centred * told).mean(axis=0)
    return np.asarray(np.divide(common, total, out=np.zeros_like(total), where=total > 0))


class Regressor(Estimator):
    """A regressor of clips: features in, valence and arousal of each out, from -1 to 1.

    It is checked, saved and loaded as classifiers are; `classes_` are the names of the dimensions.
    """

    targets = DIMENSIONS

    def predict(self, x: FeatureSet) -> np.ndarray:
        """Return valence and arousal of clips, float64 [n_clips, 2].

        Raises
        ------
        AffettoError
            When the model is not fitted, or clips were extracted with other parameters than the training
            clips.
        """
        self._require_compatible(x)
        if not len(x.clip_ids):
            return np.zeros((0, len(DIMENSIONS)))
        return np.clip(np.asarray(self._predict(x, None), dtype=np.float64), -1, 1)

    def predict_proba(self, x: FeatureSet, enrolment: FeatureSet | None = None) -> np.ndarray:
        """Refuse: a regressor knows of no classes."""
        raise AffettoError(f"{self.name} tells valence and arousal, no emotion: list it under dimensions.")

    def _encode(self, y: Sequence[Any]) -> tuple[tuple[str, ...], np.ndarray]:
        ratings = np.asarray(y, dtype=np.float64).reshape(-1, len(DIMENSIONS))
        if len(ratings) < 2 or not np.isfinite(ratings).all():  # noqa: PLR2004
            raise AffettoError(f"{self.name} needs two or more clips, each with valence and arousal.")
        return DIMENSIONS, ratings

    @abc.abstractmethod
    def _fit(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> None:
        """Fit on checked data; `labels` are the ratings, float64 [n_clips, 2]."""


class MeanRatingParameters(Parameters):
    """What the mean has to choose from: nothing."""

    features: Features = ("mfcc",)
    """Not read, but for which clips there are."""


class MeanRating(Regressor):
    """The mean of the training clips, whatever the clip: what a regressor must beat to have learnt anything.

    Attributes
    ----------
    mean_ : numpy.ndarray
        float64 [2].
    """

    name = "mean_rating"
    VERSION = 1
    Parameters = MeanRatingParameters
    mean_: np.ndarray

    @property
    def n_parameters(self) -> int:
        """Two means."""
        return len(DIMENSIONS)

    def _fit(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> None:
        self.mean_ = labels.mean(axis=0)

    def _predict(self, x: FeatureSet, enrolment: FeatureSet | None) -> np.ndarray:
        return np.tile(self.mean_, (len(x.clip_ids), 1))

    def _save_state(self, directory: Path) -> None:
        np.savez(directory / "weights.npz", mean=self.mean_)

    def _load_state(self, directory: Path) -> None:
        with np.load(directory / "weights.npz", allow_pickle=False) as stored:
            self.mean_ = stored["mean"]


class KernelRidgeParameters(Parameters):
    """What describes a clip, how clips are compared, and how strongly weights are held back."""

    features: Features = ("mfcc", "midterm")
    """Vectors of a clip (functionals, egemaps, correlations, encoder), or features whose mean and deviation
    over a clip are taken (mfcc, midterm)."""
    penalty: OneOrMore = (0.03, 0.1, 0.3, 1.0, 3.0)
    """L2 penalty, against the summed squared errors of the clips. Of several penalties or widths, those with
    the highest concordance on inner folds that keep groups whole are taken, mean of both dimensions."""
    width: OneOrMore = (0.1, 0.4)
    """Clips at the mean squared distance from one another are alike to exp(-2 × width); a narrow one is
    nearly a linear model."""
    limit: PositiveFloat = 4.0
    """Standardised numbers are clipped to ± this."""


class KernelRidge(Regressor):
    """Ridge regression in the space of a radial basis function (Saunders, Gammerman and Vovk, ICML 1998).

    Clips are compared with the training clips, or with 2,000 of them, as in `KernelLogistic`.

    Attributes
    ----------
    standardiser_ : Standardiser
        Learnt on the training vectors.
    scale_ : float
        What standardised numbers are multiplied by; the width is in it.
    landmarks_ : numpy.ndarray
        Scaled training vectors, float32 [n_landmarks, n_dimensions].
    weights_, bias_ : numpy.ndarray
        float64 [n_landmarks, 2], [2].
    """

    name = "kernel_ridge"
    VERSION = 1
    Parameters = KernelRidgeParameters
    parameters: KernelRidgeParameters

    standardiser_: Standardiser
    scale_: float
    landmarks_: np.ndarray
    weights_: np.ndarray
    bias_: np.ndarray

    @property
    def n_parameters(self) -> int:
        """Numbers of the landmarks, the weights and the biases."""
        return int(self.landmarks_.size + self.weights_.size + self.bias_.size)

    def _fit(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> None:
        vectors, own = self._vectors(x), self.parameters
        widths, penalties = (np.atleast_1d(each).tolist() for each in (own.width, own.penalty))
        rows = [{"width": width, "penalty": penalty} for width, penalty in product(widths, penalties)]
        best, truth, told = 0, [], []
        if len(rows) > 1:
            for train, test in inner_folds(np.zeros(len(groups)), groups, _INNER_FOLDS, self.seed):
                truth.append(labels[test])
                answers = self._answers(vectors[train], labels[train], vectors[test], widths, penalties)
                told.append(list(answers))
        if truth:
            pooled = [np.concatenate(each) for each in zip(*told, strict=True)]
            scores = [float(concordance(np.concatenate(truth), each).mean()) for each in pooled]
            best = int(np.argmax(scores))
            self.history_ = [
                {**row, "inner_ccc": score, "chosen": place == best}
                for place, (row, score) in enumerate(zip(rows, scores, strict=True))
            ]
        space = self._learn_space(vectors, rows[best]["width"])
        self._regress(*space, labels, rows[best]["penalty"])

    def _answers(
        self,
        vectors: np.ndarray,
        ratings: np.ndarray,
        unseen: np.ndarray,
        widths: Sequence[float],
        penalties: Sequence[float],
    ) -> Iterator[np.ndarray]:
        """Fit each width with each penalty, scaling too; yield the answers for unseen vectors."""
        for width in widths:
            space = self._learn_space(vectors, width)
            for penalty in penalties:
                self._regress(*space, ratings, penalty)
                yield self._answer(unseen)

    def _learn_space(self, vectors: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
        """Learn what clips are compared by; return what `kernel_coordinates` does of the training vectors."""
        self.standardiser_ = Standardiser.learn(vectors, limit=self.parameters.limit)
        standardised = self.standardiser_(vectors)
        spread = float(standardised.var(axis=0).sum())
        self.scale_ = float(np.sqrt(width / spread)) if spread > 0 else 0.0
        scaled = standardised * self.scale_
        self.landmarks_ = choose_landmarks(scaled, self.seed)
        return kernel_coordinates(scaled, self.landmarks_)

    def _regress(
        self, coordinates: np.ndarray, back: np.ndarray, ratings: np.ndarray, penalty: float
    ) -> None:
        """Minimise the summed squared errors + penalty * the squared weights, not those of the biases."""
        middle, mean = coordinates.mean(axis=0), ratings.mean(axis=0)
        centred = coordinates - middle
        gram = centred.T @ centred + penalty * np.eye(centred.shape[1])
        weights = np.linalg.solve(gram, centred.T @ (ratings - mean))
        self.weights_, self.bias_ = back @ weights, mean - middle @ weights

    def _answer(self, vectors: np.ndarray) -> np.ndarray:
        scaled = self.standardiser_(vectors) * self.scale_
        told: np.ndarray = weigh_landmarks(scaled, self.landmarks_, self.weights_) + self.bias_
        return told

    def _predict(self, x: FeatureSet, enrolment: FeatureSet | None) -> np.ndarray:
        return self._answer(self._vectors(x))

    def _vectors(self, x: FeatureSet) -> np.ndarray:
        """Return a vector a clip, float32 [n_clips, n_dimensions]."""
        blocks = [
            x[name].stack() if x[name].hop_s is None else clip_statistics(x, [name], ("mean", "std"))
            for name in self.features
        ]
        return np.concatenate(blocks, axis=1)

    def _save_state(self, directory: Path) -> None:
        self.standardiser_.save(directory)
        arrays = {"landmarks": self.landmarks_, "weights": self.weights_, "bias": self.bias_}
        np.savez(directory / "weights.npz", allow_pickle=False, scale=self.scale_, **arrays)

    def _load_state(self, directory: Path) -> None:
        self.standardiser_ = Standardiser.load(directory)
        with np.load(directory / "weights.npz", allow_pickle=False) as stored:
            self.scale_, self.landmarks_ = float(stored["scale"]), stored["landmarks"]
            self.weights_, self.bias_ = stored["weights"], stored["bias"]
