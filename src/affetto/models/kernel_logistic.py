"""Kernel logistic regression on statistics of a clip's frames: the statistics branch of the music model.

A radial basis function compares clips by all their numbers at once, as an SVM does, but the loss is that of a
logistic regression: probabilities come of themselves. Numbers that tell emotions apart in every group alike
count more (`relevance`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from affetto.models.base import Estimator
from affetto.models.baselines import Positive, clip_statistics
from affetto.models.calibration import softmax
from affetto.models.inner_folds import choose
from affetto.models.logistic import fit_logistic
from affetto.models.speakers import relevance
from affetto.models.specification import each_once
from affetto.models.standardiser import Standardiser

if TYPE_CHECKING:
    from affetto.features.clip_features import FeatureSet

_STANDARDISER_FILE = "standardiser.npz"
_WEIGHTS_FILE = "weights.npz"
Linear = tuple[np.ndarray, np.ndarray]
"""Weights [n_dimensions, n_classes] and biases [n_classes]."""
_RELATIVE_RANK = 1e-8
_BLOCK_CLIPS = 1_000


class KernelLogisticParameters(BaseModel):
    """What describes a clip, how clips are compared, and how strongly weights are held back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: tuple[Literal["mfcc", "midterm"], ...] = Field(
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
    pairwise: bool = Field(
        True, description="Fit a regression to every pair of emotions, and sum up; false: one to all of them."
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
    landmarks: int = Field(
        2_000,
        ge=2,
        description="Clips are compared with so many training clips, drawn at random where there are more.",
    )
    class_weights: bool = Field(True, description="Weigh clips so that every class counts the same.")

    _each_once = field_validator("features")(each_once)


class KernelLogistic(Estimator):
    """Logistic regression in the space of a radial basis function, pair by pair or multinomial.

    Zhu and Hastie, "Kernel logistic regression and the import vector machine", JCGS 14(1), 2005; with fewer
    landmarks than clips the Nyström approximation (Williams and Seeger, NIPS 2000).

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
        self.sizes_: tuple[int, ...] = ()
        self.scale_ = self.bias_ = np.zeros(0, np.float32)
        self.landmarks_ = self.weights_ = np.zeros((0, 0), np.float32)

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
        self.sizes_ = tuple(len(x[name].dimensions) for name in self.features)

        def answer(candidates: Sequence[Any], train: np.ndarray, test: np.ndarray) -> list[np.ndarray]:
            found = [np.empty(0)] * len(candidates)
            for width in {candidate.width for candidate in candidates}:
                space = self._learn_space(vectors[train], labels[train], groups[train], width)
                for i, candidate in enumerate(candidates):
                    if candidate.width == width:
                        self._regress(*space, labels[train], candidate.penalty)
                        found[i] = self._answer(vectors[test])
            return found

        choice = choose(
            self.parameters,
            ("penalty", "width"),
            answer,
            labels,
            groups,
            seed=self.seed,
            by="log_loss",
            calibrate=False,
        )
        self.history_ = choice.search
        space = self._learn_space(vectors, labels, groups, choice.parameters.width)
        self._regress(*space, labels, choice.parameters.penalty, choice.temperature)

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
        self.landmarks_ = scaled[self._choose(len(scaled))].astype(np.float32)
        return _coordinates(scaled, self.landmarks_)

    def _regress(
        self,
        coordinates: np.ndarray,
        back: np.ndarray,
        labels: np.ndarray,
        penalty: float,
        temperature: float = 1.0,
    ) -> None:
        regress = partial(fit_logistic, penalty=penalty, class_weights=self.parameters.class_weights)
        n_classes = len(self.classes_)
        if self.parameters.pairwise:
            weights, bias = _fit_pairs(coordinates, labels, n_classes, regress)
        else:
            weights, bias = regress(coordinates, labels, n_classes)
        self.weights_ = (back @ weights / temperature).astype(np.float32)
        self.bias_ = (bias / temperature).astype(np.float32)

    def _choose(self, n_clips: int) -> np.ndarray:
        if n_clips <= self.parameters.landmarks:
            return np.arange(n_clips)
        rng = np.random.default_rng(self.seed)
        return np.sort(rng.choice(n_clips, self.parameters.landmarks, replace=False))

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
        self.standardiser_.save(directory / _STANDARDISER_FILE)
        with (directory / _WEIGHTS_FILE).open("wb") as file:
            np.savez(
                file,
                sizes=self.sizes_,
                scale=self.scale_,
                landmarks=self.landmarks_,
                weights=self.weights_,
                bias=self.bias_,
            )

    def _load_state(self, directory: Path) -> None:
        self.standardiser_ = Standardiser.load(directory / _STANDARDISER_FILE)
        with np.load(directory / _WEIGHTS_FILE, allow_pickle=False) as stored:
            self.sizes_ = tuple(stored["sizes"].tolist())
            self.scale_, self.landmarks_ = stored["scale"], stored["landmarks"]
            self.weights_, self.bias_ = stored["weights"], stored["bias"]


def _fit_pairs(
    coordinates: np.ndarray, labels: np.ndarray, n_classes: int, regress: Callable[..., Linear]
) -> Linear:
    """Fit a regression to the clips of each pair of classes, and return the logits nearest to all of them.

    A pair's log odds are the difference of two classes' logits, where one model fits all: the logits whose
    differences are nearest to the log odds of all pairs (least squares, sum zero) are sums over pairs, and
    linear as well. Hastie and Tibshirani, "Classification by pairwise coupling", Annals of Statistics 26(2),
    1998, have the idea; theirs is nearest by divergence.
    """
    weights, bias = np.zeros((coordinates.shape[1], n_classes)), np.zeros(n_classes)
    for first, second in combinations(range(n_classes), 2):
        both = np.flatnonzero((labels == first) | (labels == second))
        slopes, offsets = regress(coordinates[both], (labels[both] == second).astype(np.int64), 2)
        slope, offset = (slopes[:, 1] - slopes[:, 0]) / n_classes, (offsets[1] - offsets[0]) / n_classes
        weights[:, second] += slope
        weights[:, first] -= slope
        bias[second] += offset
        bias[first] -= offset
    return weights, bias


def _alike(vectors: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return exp(-squared distance) of each vector from each landmark, float64 [n_vectors, n_landmarks]."""
    marks = landmarks.astype(np.float64)
    squares = (vectors**2).sum(axis=1)[:, None] + (marks**2).sum(axis=1) - 2 * vectors @ marks.T
    return np.asarray(np.exp(-np.maximum(squares, 0.0)))


def _weighed(vectors: np.ndarray, landmarks: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Multiply `_alike` by weights [n_landmarks, n], in blocks of vectors: the whole can be large."""
    blocks = [vectors[i : i + _BLOCK_CLIPS] for i in range(0, len(vectors), _BLOCK_CLIPS)]
    return np.concatenate([_alike(block, landmarks) @ weights for block in blocks])


def _coordinates(vectors: np.ndarray, landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Express vectors in an orthonormal basis of the space that the landmarks span.

    Returns
    -------
    tuple of numpy.ndarray
        Coordinates [n_vectors, rank], and the matrix [n_landmarks, rank] by which weights of the coordinates
        become weights of the landmarks.
    """
    values, directions = np.linalg.eigh(_alike(landmarks.astype(np.float64), landmarks))
    kept = values > _RELATIVE_RANK * values[-1]
    back = directions[:, kept] / np.sqrt(values[kept])
    return _weighed(vectors, landmarks, back), back
