"""Kernel logistic regression on statistics of a clip's frames: the statistics branch of the music model.

A radial basis function compares clips by all their numbers at once, as an SVM does, but the loss is that of a
logistic regression: probabilities come of themselves. Numbers that tell emotions apart in every group alike
count more (`relevance`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, Field

from affetto.models.calibration import choose, softmax
from affetto.models.estimator import Estimator, ModelParameters
from affetto.models.logistic import EachOnce, Positive, Standardiser, clip_statistics, fit_logistic
from affetto.models.speakers import relevance

if TYPE_CHECKING:
    from affetto.features.clip_features import FeatureSet

_RELATIVE_RANK = 1e-8
_BLOCK_CLIPS = 1_000
_MOST_LANDMARKS = 2_000
_ARRAYS = ("scale", "landmarks", "weights", "bias")


class KernelLogisticParameters(ModelParameters):
    """What describes a clip, how clips are compared, and how strongly weights are held back."""

    features: Annotated[tuple[Literal["mfcc", "midterm"], ...], EachOnce] = Field(
        ("mfcc", "midterm"),
        min_length=1,
        description="Features whose mean and deviation over a clip are compared.",
    )
    penalty: Positive | tuple[Positive, ...] = Field(
        0.2,
        description="L2 penalty, against the summed losses of the clips. Of several penalties or widths, the "
        "best for inner folds that keep groups whole are taken, and the probabilities are calibrated on the "
        "same folds.",
    )
    width: Positive | tuple[Positive, ...] = Field(
        1.0,
        description="Clips at the mean squared distance from one another are alike to exp(-2 × width).",
    )
    relevance: float = Field(
        0.5,
        ge=0,
        le=4,
        description="Exponent of the relevance that squares of numbers are scaled by; 0: all count alike.",
    )
    limit: float = Field(4.0, gt=0, description="Standardised numbers are clipped to ± this.")


class KernelLogistic(Estimator):
    """Logistic regression in the space of a radial basis function, pair by pair.

    Zhu and Hastie, "Kernel logistic regression and the import vector machine", JCGS 14(1), 2005. Clips are
    compared with the training clips, or with 2,000 of them drawn at random: the Nyström approximation
    (Williams and Seeger, NIPS 2000).

    Attributes
    ----------
    standardiser_ : Standardiser
        Learnt on the training vectors.
    scale_ : numpy.ndarray
        What standardised numbers are multiplied by, float32 [n_dimensions]; the width is in it.
    landmarks_ : numpy.ndarray
        Scaled training vectors, float32 [n_landmarks, n_dimensions].
    weights_, bias_ : numpy.ndarray
        float32 [n_landmarks, n_classes], [n_classes].
    """

    name: ClassVar[str] = "kernel_logistic"
    VERSION: ClassVar[int] = 2
    Parameters: ClassVar[type[BaseModel]] = KernelLogisticParameters
    parameters: KernelLogisticParameters

    def __init__(self, parameters: Any, *, seed: int = 0) -> None:
        super().__init__(parameters, seed=seed)
        self.standardiser_: Standardiser
        self.scale_: np.ndarray
        self.landmarks_: np.ndarray
        self.weights_: np.ndarray
        self.bias_: np.ndarray

    @property
    def features(self) -> tuple[str, ...]:
        """The features that the parameters name."""
        return self.parameters.features

    @property
    def n_parameters(self) -> int:
        """Numbers of the landmarks, the weights and the biases."""
        return int(self.landmarks_.size + self.weights_.size + self.bias_.size)

    def _fit(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> None:
        vectors = self._vectors(x)

        def answer(candidates: Sequence[Any], train: np.ndarray, test: np.ndarray) -> list[np.ndarray]:
            found = [np.empty(0)] * len(candidates)
            for width in {candidate.width for candidate in candidates}:
                space = self._learn_space(vectors[train], labels[train], groups[train], width)
                for i, candidate in enumerate(candidates):
                    if candidate.width == width:
                        self._regress(*space, labels[train], candidate.penalty)
                        found[i] = self._answer(vectors[test])
            return found

        chosen, temperature, self.history_ = choose(
            self.parameters, ("penalty", "width"), answer, labels, groups,
            seed=self.seed, by="log_loss", calibrate=False,
        )  # fmt: skip
        space = self._learn_space(vectors, labels, groups, chosen.width)
        self._regress(*space, labels, chosen.penalty, temperature)

    def _learn_space(
        self, vectors: np.ndarray, labels: np.ndarray, groups: np.ndarray, width: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Learn what clips are compared by; return what `_coordinates` does of the training vectors."""
        self.standardiser_ = Standardiser.learn(vectors, limit=self.parameters.limit)
        standardised = self.standardiser_(vectors)
        scale = np.sqrt(relevance(standardised, labels, groups) ** self.parameters.relevance)
        spread = float((standardised * scale).var(axis=0).sum())
        gamma = width / spread if spread > 0 else 0.0
        self.scale_ = (scale * np.sqrt(gamma)).astype(np.float32)
        scaled = standardised * self.scale_.astype(np.float64)
        chosen = np.arange(len(scaled))
        if len(scaled) > _MOST_LANDMARKS:
            rng = np.random.default_rng(self.seed)
            chosen = np.sort(rng.choice(len(scaled), _MOST_LANDMARKS, replace=False))
        self.landmarks_ = scaled[chosen].astype(np.float32)
        return _coordinates(scaled, self.landmarks_)

    def _regress(
        self,
        coordinates: np.ndarray,
        back: np.ndarray,
        labels: np.ndarray,
        penalty: float,
        temperature: float = 1.0,
    ) -> None:
        weights, bias = fit_pairs(coordinates, labels, penalty=penalty)
        self.weights_ = (back @ weights / temperature).astype(np.float32)
        self.bias_ = (bias / temperature).astype(np.float32)

    def _vectors(self, x: FeatureSet) -> np.ndarray:
        return np.concatenate(
            [
                np.stack([clip_statistics(clip, ("mean", "std")) for clip in x[name]])
                for name in self.features
            ],
            axis=1,
        )

    def _predict(self, x: FeatureSet) -> np.ndarray:
        return self._answer(self._vectors(x))

    def _answer(self, vectors: np.ndarray) -> np.ndarray:
        scaled = self.standardiser_(vectors) * self.scale_.astype(np.float64)
        scores = _weighed(scaled, self.landmarks_, self.weights_.astype(np.float64))
        return softmax(scores + self.bias_.astype(np.float64))

    def _save_state(self, directory: Path) -> None:
        self.standardiser_.save(directory)
        arrays = {name: getattr(self, f"{name}_") for name in _ARRAYS}
        np.savez(directory / "weights.npz", **arrays)

    def _load_state(self, directory: Path) -> None:
        self.standardiser_ = Standardiser.load(directory)
        with np.load(directory / "weights.npz", allow_pickle=False) as stored:
            for name in _ARRAYS:
                setattr(self, f"{name}_", stored[name])


def fit_pairs(
    coordinates: np.ndarray, labels: np.ndarray, *, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    """Fit a regression to the clips of each pair of classes, and return the logits nearest to all of them.

    A pair's log odds are the difference of two classes' logits, where one model fits all: the logits whose
    differences are nearest to the log odds of all pairs (least squares, sum zero) are sums over pairs, and
    linear as well. Hastie and Tibshirani, "Classification by pairwise coupling", Annals of Statistics 26(2),
    1998, have the idea; theirs is nearest by divergence.

    Returns
    -------
    tuple of numpy.ndarray
        Weights [n_dimensions, n_classes] and biases [n_classes].
    """
    n_classes = int(labels.max()) + 1
    weights, bias = np.zeros((coordinates.shape[1], n_classes)), np.zeros(n_classes)
    for pair in combinations(range(n_classes), 2):
        both = np.flatnonzero(np.isin(labels, pair))
        of_pair = fit_logistic(coordinates[both], (labels[both] == pair[1]).astype(np.int64), penalty=penalty)
        for total, found in zip((weights, bias), of_pair, strict=True):
            difference = (found[..., 1] - found[..., 0]) / n_classes
            total[..., pair[1]] += difference
            total[..., pair[0]] -= difference
    return weights, bias


def _weighed(vectors: np.ndarray, landmarks: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Compare vectors with landmarks by exp(-squared distance), and multiply by weights [n_landmarks, n]."""
    from sklearn.metrics.pairwise import rbf_kernel

    marks = landmarks.astype(np.float64)
    blocks = [vectors[i : i + _BLOCK_CLIPS] for i in range(0, len(vectors), _BLOCK_CLIPS)]  # all is large
    return np.concatenate([rbf_kernel(block, marks, gamma=1.0) @ weights for block in blocks])


def _coordinates(vectors: np.ndarray, landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Express vectors in an orthonormal basis of the space that the landmarks span.

    Returns
    -------
    tuple of numpy.ndarray
        Coordinates [n_vectors, rank], and the matrix [n_landmarks, rank] by which weights of the coordinates
        become weights of the landmarks.
    """
    from sklearn.metrics.pairwise import rbf_kernel

    values, directions = np.linalg.eigh(rbf_kernel(landmarks.astype(np.float64), gamma=1.0))
    kept = values > _RELATIVE_RANK * values[-1]
    back = directions[:, kept] / np.sqrt(values[kept])
    return _weighed(vectors, landmarks, back), back
