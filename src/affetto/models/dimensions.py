"""Regressors of valence and arousal: kernel ridge regression, and the mean of the training clips.

They read the vectors that the classifiers read, and are tuned alike, on inner folds that keep groups whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import PositiveFloat

from affetto.corpora.clips import DIMENSIONS
from affetto.errors import AffettoError
from affetto.features.clip_features import FeatureSet
from affetto.io.configuration import Parameters
from affetto.models.estimator import Estimator
from affetto.models.kernel import KernelMachine
from affetto.models.vectors import Clips, Features, OneOrMore, Verdict


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
    """Features that describe a clip; of frames mean and deviation over a clip."""
    penalty: OneOrMore = (0.03, 0.1, 0.3, 1.0, 3.0)
    """L2 penalty, against the summed squared errors of the clips. Of several penalties or widths, those with
    the highest concordance on inner folds that keep groups whole are taken, mean of both dimensions."""
    width: OneOrMore = (0.1, 0.4)
    """Clips at the mean squared distance from one another are alike to exp(-2 × width); a narrow one is
    nearly a linear model."""
    limit: PositiveFloat = 4.0
    """Standardised numbers are clipped to ± this."""


class KernelRidge(KernelMachine, Regressor):
    """Ridge regression in the space of a radial basis function (Saunders, Gammerman and Vovk, ICML 1998).

    `history_` has a row for each pair of width and penalty, with `inner_ccc` and `chosen`.
    """

    name = "kernel_ridge"
    VERSION = 1
    Parameters = KernelRidgeParameters
    precision = np.float64
    parameters: KernelRidgeParameters

    def _weigh(self, standardised: np.ndarray, known: Clips) -> float:
        return 1.0

    def _judge(self, predicted: np.ndarray, truth: np.ndarray) -> Verdict:
        score = float(concordance(truth, predicted).mean())
        return Verdict(score, {"inner_ccc": score}, 1.0)

    def _regress(
        self, coordinates: np.ndarray, labels: np.ndarray, penalty: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Minimise the summed squared errors + penalty * the squared weights, not those of the biases."""
        middle, mean = coordinates.mean(axis=0), labels.mean(axis=0)
        centred = coordinates - middle
        gram = centred.T @ centred + penalty * np.eye(centred.shape[1])
        weights = np.linalg.solve(gram, centred.T @ (labels - mean))
        return weights, mean - middle @ weights
