"""Kernel machines on vectors of clips: logistic regression, the statistics branch of the music model.

A radial basis function compares clips by all their numbers at once, as an SVM does, but the loss is that of a
logistic regression: probabilities come of themselves. Numbers that tell emotions apart in every group alike
count more (`relevance`).
"""

from __future__ import annotations

import abc
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, PositiveFloat

from affetto.io.configuration import Parameters
from affetto.models.calibration import softmax
from affetto.models.logistic import fit_logistic
from affetto.models.speakers import relevance
from affetto.models.vectors import Clips, Features, OneOrMore, Standardiser, VectorEstimator

_BLOCK_CLIPS = 1_000
_MOST_LANDMARKS = 2_000


class KernelMachine(VectorEstimator):
    """A regression in the space of a radial basis function, of which subclasses say what it minimises.

    Clips are compared with the training clips, or with 2,000 of them drawn at random: the Nyström
    approximation (Williams and Seeger, NIPS 2000).

    Attributes
    ----------
    standardiser_ : Standardiser
        Learnt on the training vectors.
    scale_ : numpy.ndarray
        What standardised numbers are multiplied by, [n_dimensions] or []; the width is in it.
    landmarks_ : numpy.ndarray
        Scaled training vectors, float32 [n_landmarks, n_dimensions].
    weights_, bias_ : numpy.ndarray
        [n_landmarks, n_outputs], [n_outputs].
    """

    tuned = ("penalty", "width")
    precision: ClassVar[type] = np.float32
    """Type of scale, weights and biases."""
    parameters: Any

    standardiser_: Standardiser
    scale_: np.ndarray
    landmarks_: np.ndarray
    weights_: np.ndarray
    bias_: np.ndarray

    @abc.abstractmethod
    def _weigh(self, standardised: np.ndarray, known: Clips) -> Any:
        """Return what counts more among the dimensions: [n_dimensions], or a number for all."""

    @abc.abstractmethod
    def _regress(
        self, coordinates: np.ndarray, labels: np.ndarray, penalty: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return weights [rank, n_outputs] and biases [n_outputs] of coordinates [n_clips, rank]."""

    @property
    def n_parameters(self) -> int:
        """Numbers of the landmarks, the weights and the biases."""
        return int(self.landmarks_.size + self.weights_.size + self.bias_.size)

    def _answers(self, candidates: list[Any], known: Clips, unseen: np.ndarray) -> Iterable[np.ndarray]:
        found = {}
        for width in {candidate.width for candidate in candidates}:
            space = self._learn_space(known, width)
            for i, candidate in enumerate(candidates):
                if candidate.width == width:
                    self._learn_weights(*space, known[1], candidate.penalty, 1.0)
                    found[i] = self._answer(unseen)
        return [found[i] for i in range(len(candidates))]

    def _fit_vectors(self, parameters: Any, known: Clips, temperature: float) -> None:
        space = self._learn_space(known, parameters.width)
        self._learn_weights(*space, known[1], parameters.penalty, temperature)

    def _learn_space(self, known: Clips, width: float) -> tuple[np.ndarray, np.ndarray]:
        """Learn what clips are compared by; return what `_coordinates` does of the training vectors."""
        self.standardiser_ = Standardiser.learn(known[0], limit=self.parameters.limit)
        standardised = self.standardiser_(known[0])
        scale = self._weigh(standardised, known)
        spread = float((standardised * scale).var(axis=0).sum())
        gamma = width / spread if spread > 0 else 0.0
        self.scale_ = np.asarray(scale * np.sqrt(gamma), dtype=self.precision)
        scaled = standardised * self.scale_
        chosen = np.arange(len(scaled))
        if len(scaled) > _MOST_LANDMARKS:
            rng = np.random.default_rng(self.seed)
            chosen = np.sort(rng.choice(len(scaled), _MOST_LANDMARKS, replace=False))
        self.landmarks_ = scaled[chosen].astype(np.float32)
        return _coordinates(scaled, self.landmarks_)

    def _learn_weights(
        self,
        coordinates: np.ndarray,
        back: np.ndarray,
        labels: np.ndarray,
        penalty: float,
        temperature: float,
    ) -> None:
        weights, bias = self._regress(coordinates, labels, penalty)
        self.weights_ = (back @ weights / temperature).astype(self.precision)
        self.bias_ = (bias / temperature).astype(self.precision)

    def _answer(self, vectors: np.ndarray) -> np.ndarray:
        scaled, weights = self.standardiser_(vectors) * self.scale_, self.weights_.astype(np.float64)
        return np.asarray(_weigh_landmarks(scaled, self.landmarks_, weights) + self.bias_)

    def _save_state(self, directory: Path) -> None:
        self.standardiser_.save(directory)
        arrays = {"weights": self.weights_, "bias": self.bias_, "landmarks": self.landmarks_}
        np.savez(directory / "weights.npz", allow_pickle=False, scale=self.scale_, **arrays)

    def _load_state(self, directory: Path) -> None:
        self.standardiser_ = Standardiser.load(directory)
        with np.load(directory / "weights.npz", allow_pickle=False) as stored:
            self.scale_, self.landmarks_ = stored["scale"], stored["landmarks"]
            self.weights_, self.bias_ = stored["weights"], stored["bias"]


class KernelLogisticParameters(Parameters):
    """What describes a clip, how clips are compared, and how strongly weights are held back."""

    features: Features = ("mfcc", "midterm")
    """Features that are compared; of frames mean and deviation over a clip."""
    penalty: OneOrMore = 0.2
    """L2 penalty, against the summed losses of the clips. Of several penalties or widths, the best for inner
    folds that keep groups whole are taken, and the probabilities are calibrated on the same folds."""
    width: OneOrMore = 1.0
    """Clips at the mean squared distance from one another are alike to exp(-2 × width)."""
    relevance: Annotated[float, Field(ge=0, le=4)] = 0.5
    """Exponent of the relevance that squares of numbers are scaled by; 0: all count alike."""
    limit: PositiveFloat = 4.0
    """Standardised numbers are clipped to ± this."""


class KernelLogistic(KernelMachine):
    """Logistic regression in the space of a radial basis function, pair by pair.

    Zhu and Hastie, "Kernel logistic regression and the import vector machine", JCGS 14(1), 2005.
    """

    name = "kernel_logistic"
    VERSION = 2
    Parameters = KernelLogisticParameters
    parameters: KernelLogisticParameters

    def _weigh(self, standardised: np.ndarray, known: Clips) -> np.ndarray:
        _, labels, groups = known
        squares = relevance(standardised, labels, groups) ** self.parameters.relevance
        return np.asarray(np.sqrt(squares))

    def _regress(
        self, coordinates: np.ndarray, labels: np.ndarray, penalty: float
    ) -> tuple[np.ndarray, np.ndarray]:
        return fit_pairs(coordinates, labels, penalty=penalty)

    def _answer(self, vectors: np.ndarray) -> np.ndarray:
        return softmax(super()._answer(vectors))


def fit_pairs(
    coordinates: np.ndarray, labels: np.ndarray, *, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    """Fit a regression to the clips of each pair of classes, and return the logits nearest to all of them.

    A pair's log odds are the difference of two classes' logits, where one model fits all: the logits whose
    differences are nearest to the log odds of all pairs (least squares, sum zero) are sums over pairs, and
    linear as well. Hastie and Tibshirani, "Classification by pairwise coupling", Annals of Statistics 26(2),
    1998, have the idea; theirs is nearest by divergence. What comes back is as of `fit_logistic`.
    """
    n_classes = int(labels.max()) + 1
    weights, bias = np.zeros((coordinates.shape[1], n_classes)), np.zeros(n_classes)
    for pair in combinations(range(n_classes), 2):
        both = np.flatnonzero(np.isin(labels, pair))
        second = (labels[both] == pair[1]).astype(np.int64)
        of_pair = fit_logistic(coordinates[both], second, penalty=penalty)
        for total, found in zip((weights, bias), of_pair, strict=True):
            difference = (found[..., 1] - found[..., 0]) / n_classes
            total[..., pair[1]] += difference
            total[..., pair[0]] -= difference
    return weights, bias


def _weigh_landmarks(vectors: np.ndarray, landmarks: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Compare vectors with landmarks by exp(-squared distance), and multiply by weights [n_landmarks, n]."""
    from sklearn.metrics.pairwise import rbf_kernel

    blocks = [vectors[i : i + _BLOCK_CLIPS] for i in range(0, len(vectors), _BLOCK_CLIPS)]  # all is large
    marks = landmarks.astype(np.float64)
    return np.concatenate([rbf_kernel(block, marks, gamma=1.0) @ weights for block in blocks])


def _coordinates(vectors: np.ndarray, landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Express vectors in an orthonormal basis of the space that the landmarks span, [n_vectors, rank].

    The matrix that comes second, [n_landmarks, rank], makes weights of the landmarks of weights of these.
    """
    from sklearn.metrics.pairwise import rbf_kernel

    values, directions = np.linalg.eigh(rbf_kernel(landmarks.astype(np.float64), gamma=1.0))
    kept = values > 1e-8 * values[-1]
    back = directions[:, kept] / np.sqrt(values[kept])
    return _weigh_landmarks(vectors, landmarks, back), back
