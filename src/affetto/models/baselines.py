"""The traditional models that others are compared with: one vector a clip, a scikit-learn classifier.

An SVM on openSMILE functionals, as in the ComParE challenges (Schuller et al., Interspeech 2016), an SVM on
statistics of a clip's frames, and a random forest on the same. Each is tuned as the proposed models are.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, PositiveFloat

from affetto.errors import AffettoError
from affetto.features.clip_features import FeatureSet
from affetto.features.table import FeatureName
from affetto.io.configuration import Parameters
from affetto.models.calibration import apply_temperature, softmax
from affetto.models.estimator import Count
from affetto.models.vectors import (
    Clips,
    Features,
    OneOrMore,
    Standardiser,
    Statistics,
    VectorEstimator,
    clip_vectors,
)

Share = Annotated[float, Field(gt=0, le=1)]
TRUSTED_TYPES = ("numpy.dtype", "sklearn.tree._tree.Tree")
"""What a saved classifier may hold beyond the types of NumPy and scikit-learn that skops trusts itself."""
_MODEL_FILE = "classifier.skops"
_STATISTICS_FILE = "statistics.npz"
_TREES_OF_A_CANDIDATE = 100


class Baseline(VectorEstimator):
    """A scikit-learn classifier on one vector a clip, in which every class counts the same.

    Subclasses turn clips into vectors and build the classifier. Where the classifier only ranks classes (an
    SVM), its scores become probabilities by a softmax whose temperature is fitted on inner folds; the
    predicted class stays the classifier's own.

    Attributes
    ----------
    classifier_
        The fitted scikit-learn classifier or pipeline.
    temperature_ : float
        Divides the scores before the softmax; 1 for classifiers with probabilities of their own.
    """

    VERSION = 2
    chosen_by = "inner_uar"
    always_calibrated = True
    classifier_: Any = None
    temperature_ = 1.0

    @abc.abstractmethod
    def _build(self, parameters: Any) -> Any:
        """Return the unfitted scikit-learn classifier or pipeline, seeded; `parameters` have no lists."""

    @property
    def n_parameters(self) -> int:
        """Numbers the fitted classifier stores: support vectors, coefficients or nodes of the trees."""
        return count_numbers(self.classifier_)

    def _answers(self, candidates: list[Any], known: Clips, unseen: np.ndarray) -> Iterable[np.ndarray]:
        vectors, labels, _ = known
        for candidate in candidates:
            yield self._opinion(self._build(candidate).fit(vectors, labels), unseen)

    def _fit_vectors(self, parameters: Any, known: Clips, temperature: float) -> None:
        vectors, labels, _ = known
        self.classifier_ = self._build(parameters).fit(vectors, labels)
        self.temperature_ = temperature

    def _answer(self, vectors: np.ndarray) -> np.ndarray:
        return apply_temperature(self._opinion(self.classifier_, vectors), self.temperature_)

    def _opinion(self, classifier: Any, vectors: np.ndarray) -> np.ndarray:
        """Return the probabilities of a fitted classifier, not calibrated."""
        scores = np.asarray(classifier.decision_function(vectors), dtype=np.float64)
        return softmax(np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores)

    def _save_state(self, directory: Path) -> None:
        import skops.io

        skops.io.dump(self.classifier_, directory / _MODEL_FILE)
        np.savez(directory / _STATISTICS_FILE, temperature=self.temperature_)

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


class FunctionalsSvmParameters(Parameters):
    """Which functionals describe a clip, and the SVM."""

    feature: FeatureName = "functionals"
    """functionals (ComParE 2016, 6,373 numbers a clip), raw_functionals (of recordings as they are, without
    preparation), egemaps (88), or another feature."""
    C: OneOrMore = 1e-3
    """Price of an error against a wide margin; of several, listed from the lowest, the one with the best UAR
    in inner folds that keep groups whole is taken."""
    limit: PositiveFloat = 4.0
    """Standardised functionals are clipped to ± this."""


class FunctionalsSvm(Baseline):
    """Linear support vector machine on standardised, clipped functionals.

    Classes are told apart pair by pair; the scores that sum up the votes become probabilities by a softmax
    with a fitted temperature, so that the most probable class is the SVM's own decision.
    """

    name = "functionals_svm"
    Parameters = FunctionalsSvmParameters
    parameters: FunctionalsSvmParameters
    tuned = ("C",)
    standardiser_: Standardiser

    @property
    def features(self) -> tuple[str, ...]:
        """The functionals that the parameters name."""
        return (self.parameters.feature,)

    def _answers(self, candidates: list[Any], known: Clips, unseen: np.ndarray) -> Iterable[np.ndarray]:
        """Answer as the class above does, with the products of all clips taken once for all candidates."""
        vectors, labels, _ = known
        standardise = Standardiser.learn(vectors, limit=self.parameters.limit)
        scaled = standardise(vectors)
        products, across = scaled @ scaled.T, standardise(unseen) @ scaled.T
        for candidate in candidates:
            yield self._opinion(self._build(candidate, "precomputed").fit(products, labels), across)

    def _fit_vectors(self, parameters: Any, known: Clips, temperature: float) -> None:
        vectors, labels, groups = known
        self.standardiser_ = Standardiser.learn(vectors, limit=self.parameters.limit)
        super()._fit_vectors(parameters, (self.standardiser_(vectors), labels, groups), temperature)

    def _answer(self, vectors: np.ndarray) -> np.ndarray:
        return super()._answer(self.standardiser_(vectors))

    def _build(self, parameters: Any, kernel: str = "linear") -> Any:
        from sklearn.svm import SVC

        return SVC(kernel=kernel, C=parameters.C, class_weight="balanced", break_ties=True)

    def _save_state(self, directory: Path) -> None:
        super()._save_state(directory)
        self.standardiser_.save(directory)

    def _load_state(self, directory: Path) -> None:
        super()._load_state(directory)
        self.standardiser_ = Standardiser.load(directory)


class StatisticsSvmParameters(Parameters):
    """What describes a clip, and the SVM; of several values the best are chosen, as for functionals."""

    features: Features = ("mfcc",)
    """Features that describe a clip; frames are summarised."""
    statistics: Statistics = ("mean", "std")
    C: OneOrMore = 3.0
    """Price of an error against a wide margin."""
    gamma: OneOrMore | Literal["scale"] = "scale"
    """Width of the radial basis function."""


class StatisticsSvm(Baseline):
    """Support vector machine with a radial basis function on standardised statistics of a clip's frames."""

    name = "statistics_svm"
    Parameters = StatisticsSvmParameters
    parameters: StatisticsSvmParameters
    tuned = ("C", "gamma")

    def _vectors(self, x: FeatureSet) -> np.ndarray:
        return clip_vectors(x, self.features, self.parameters.statistics)

    def _build(self, parameters: Any) -> Any:
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import SVC

        svm = SVC(C=parameters.C, gamma=parameters.gamma, class_weight="balanced", break_ties=True)
        return make_pipeline(StandardScaler(), svm)


class MfccForestParameters(Parameters):
    """What describes a clip, and the forest; of several values the best are chosen, as for functionals."""

    statistics: Statistics = ("mean", "std", "percentiles")
    n_trees: Count = 500
    """Trees of the forest."""
    min_leaf: Count | tuple[Count, ...] = 2
    """Fewest training clips in a leaf."""
    max_features: Literal["sqrt"] | Share | tuple[Share, ...] = "sqrt"
    """Share of the numbers that a branch may choose from; sqrt: as many as their root."""
    max_depth: Count | tuple[Count | None, ...] | None = None
    """Most branches between the root and a leaf; null: no limit."""


class MfccForest(Baseline):
    """Random forest (Breiman 2001) on statistics of MFCC frames; its probabilities are the leaves' shares."""

    name = "mfcc_forest"
    Parameters = MfccForestParameters
    parameters: MfccForestParameters
    tuned = ("min_leaf", "max_features", "max_depth")
    always_calibrated = False

    @property
    def features(self) -> tuple[str, ...]:
        """Only `mfcc`."""
        return ("mfcc",)

    def _vectors(self, x: FeatureSet) -> np.ndarray:
        return clip_vectors(x, self.features, self.parameters.statistics)

    def _answers(self, candidates: list[Any], known: Clips, unseen: np.ndarray) -> Iterable[np.ndarray]:
        """Answer as the class above does, by small forests: which trees are better shows in fewer of them."""
        n_trees = min(self.parameters.n_trees, _TREES_OF_A_CANDIDATE)
        small = [candidate.model_copy(update={"n_trees": n_trees}) for candidate in candidates]
        return super()._answers(small, known, unseen)

    def _fit_vectors(self, parameters: Any, known: Clips, temperature: float) -> None:
        super()._fit_vectors(parameters, known, temperature=1.0)

    def _opinion(self, classifier: Any, vectors: np.ndarray) -> np.ndarray:
        return np.asarray(classifier.predict_proba(vectors))

    def _build(self, parameters: Any) -> Any:
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(
            parameters.n_trees,
            min_samples_leaf=parameters.min_leaf,
            max_features=parameters.max_features,
            max_depth=parameters.max_depth,
            class_weight="balanced",
            random_state=self.seed,
            n_jobs=1,
        )


def count_numbers(classifier: Any) -> int:
    """Count the numbers that a fitted scikit-learn classifier, pipeline or forest keeps for prediction."""
    if hasattr(classifier, "steps"):
        return sum(count_numbers(step) for _, step in classifier.steps)
    if hasattr(classifier, "estimators_"):
        return sum(tree.tree_.node_count for tree in classifier.estimators_)
    arrays = ("support_vectors_", "dual_coef_", "intercept_", "mean_", "scale_")
    return sum(np.size(getattr(classifier, name, ())) for name in arrays)
