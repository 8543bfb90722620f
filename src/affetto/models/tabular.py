"""What all traditional models share: one vector a clip, a scikit-learn classifier."""

from __future__ import annotations

import abc
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from affetto.errors import AffettoError
from affetto.models.base import Estimator, Native
from affetto.models.calibration import apply_temperature, softmax
from affetto.models.inner_folds import choose

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from affetto.features.clip_features import FeatureSet

_MODEL_FILE = "classifier.skops"
_STATISTICS_FILE = "statistics.npz"
TRUSTED_TYPES = ("numpy.dtype", "sklearn.tree._tree.Tree")
"""What a saved classifier may hold beyond the types of NumPy and scikit-learn that skops trusts itself."""


class TabularEstimator(Estimator):
    """A scikit-learn classifier on one vector a clip.

    Subclasses turn clips into vectors and build the classifier. What the parameters list several values of is
    chosen by the UAR for inner folds that keep groups whole (`history_` has a row a candidate). Where the
    classifier only ranks classes (an SVM), its scores become probabilities by a softmax whose temperature is
    fitted on the same folds; the predicted class stays the classifier's own.

    Attributes
    ----------
    classifier_
        The fitted scikit-learn classifier or pipeline.
    temperature_ : float
        Divides the scores before the softmax; 1 for classifiers with probabilities of their own.
    """

    VERSION: ClassVar[int] = 2
    tuned: ClassVar[tuple[str, ...]]
    """Parameters of which several values may be given."""
    ranks_only: ClassVar[bool] = True
    """Whether the classifier has no probabilities of its own."""

    def __init__(self, parameters: Any, *, seed: int = 0) -> None:
        super().__init__(parameters, seed=seed)
        self.classifier_: Any = None
        self.temperature_ = 1.0

    @abc.abstractmethod
    def _vectors(self, x: FeatureSet) -> np.ndarray:
        """Return a vector a clip, [n_clips, n_dimensions]."""

    @abc.abstractmethod
    def _build(self, parameters: Any) -> Any:
        """Return the unfitted scikit-learn classifier or pipeline, seeded; `parameters` have no lists."""

    @property
    def n_parameters(self) -> int:
        """Numbers the fitted classifier stores: support vectors, coefficients or nodes of the trees."""
        return count_numbers(self.classifier_)

    def native(self) -> Native | None:
        """Return the classifier and one vector of zeros."""
        self._require_fitted()
        return "sklearn", self.classifier_, np.zeros((1, self.classifier_.n_features_in_))

    def _fit(self, x: FeatureSet, labels: np.ndarray, groups: np.ndarray) -> None:
        vectors = self._vectors(x)

        def answer(candidates: Sequence[Any], train: np.ndarray, test: np.ndarray) -> Iterator[np.ndarray]:
            return self._answers(candidates, vectors[train], labels[train], vectors[test])

        choice = choose(
            self.parameters, self.tuned, answer, labels, groups, seed=self.seed, calibrate=self.ranks_only
        )
        self.history_ = choice.search
        self.temperature_ = choice.temperature if self.ranks_only else 1.0
        self._fit_classifier(choice.parameters, vectors, labels)

    def _answers(
        self, candidates: Sequence[Any], known: np.ndarray, labels: np.ndarray, unseen: np.ndarray
    ) -> Iterator[np.ndarray]:
        """Fit each candidate to known vectors, and return its probabilities for unseen ones."""
        for candidate in candidates:
            yield self._opinion(self._build(candidate).fit(known, labels), unseen)

    def _fit_classifier(self, parameters: Any, vectors: np.ndarray, labels: np.ndarray) -> None:
        self.classifier_ = self._build(parameters).fit(vectors, labels)

    def _opinion(self, classifier: Any, vectors: np.ndarray) -> np.ndarray:
        """Return the probabilities of a fitted classifier, not calibrated."""
        if self.ranks_only:
            return softmax(class_scores(classifier, vectors))
        return np.asarray(classifier.predict_proba(vectors))

    def _predict(self, x: FeatureSet) -> np.ndarray:
        return apply_temperature(self._opinion(self.classifier_, self._vectors(x)), self.temperature_)

    def _save_state(self, directory: Path) -> None:
        import skops.io

        skops.io.dump(self.classifier_, directory / _MODEL_FILE)
        with (directory / _STATISTICS_FILE).open("wb") as file:
            np.savez(file, temperature=self.temperature_)

    def _load_state(self, directory: Path) -> None:
        import skops.io

        path = directory / _MODEL_FILE
        unknown = sorted(set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED_TYPES))
        if unknown:
            raise AffettoError(
                f"{path} holds {unknown[0]}, which no model of Affetto saves; do not trust this file."
            )
        self.classifier_ = skops.io.load(path, trusted=list(TRUSTED_TYPES))
        with np.load(directory / _STATISTICS_FILE, allow_pickle=False) as stored:
            self.temperature_ = float(stored["temperature"])


def class_scores(classifier: Any, vectors: np.ndarray) -> np.ndarray:
    """Return a score for each class, [n_clips, n_classes]; scikit-learn gives only one for two classes."""
    scores = np.asarray(classifier.decision_function(vectors), dtype=np.float64)
    return np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores


def count_numbers(classifier: Any) -> int:
    """Count the numbers that a fitted scikit-learn classifier, pipeline or forest keeps for prediction."""
    if hasattr(classifier, "steps"):
        return sum(count_numbers(step) for _, step in classifier.steps)
    if hasattr(classifier, "estimators_"):
        return sum(count_numbers(tree) for tree in np.ravel(classifier.estimators_))
    if hasattr(classifier, "tree_"):
        return int(classifier.tree_.node_count)
    names = ("support_vectors_", "dual_coef_", "coef_", "intercept_", "mean_", "scale_")
    return int(sum(np.size(getattr(classifier, name)) for name in names if _is_stored(classifier, name)))


def _is_stored(classifier: Any, name: str) -> bool:
    """Tell stored attributes from those scikit-learn derives on demand (`coef_` of a kernel SVM raises)."""
    return vars(classifier).get(name) is not None or (
        name == "dual_coef_" and hasattr(classifier, "_dual_coef_")
    )
