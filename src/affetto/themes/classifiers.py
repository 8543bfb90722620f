"""The classifiers of themes inside an emotion that are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.special import softmax

from affetto.themes.clustering import ClipViews
from affetto.themes.parameters import ThemeEvaluationParameters, TopicParameters
from affetto.themes.statistics import standardise
from affetto.themes.topics import fit_topics

INNER_FOLDS = 3

Matrices = tuple[np.ndarray, np.ndarray]
View = Callable[[ClipViews, ClipViews, ThemeEvaluationParameters, TopicParameters], Matrices]


def words_and_topics(
    train: ClipViews, test: ClipViews, evaluation: ThemeEvaluationParameters, topics: TopicParameters
) -> Matrices:
    """Join bags of audio words with the square roots of the topic mixture of an LDA of the training clips."""
    number = max(1, min(evaluation.n_topics, len(train.documents) // 2))
    model = fit_topics(train.documents, number, topics, seed=0)
    known, unseen = (evaluation.topic_weight * np.sqrt(model.mixtures(v.documents)) for v in (train, test))
    return np.hstack([train.bags, known]), np.hstack([test.bags, unseen])


def words_only(
    train: ClipViews, test: ClipViews, evaluation: ThemeEvaluationParameters, topics: TopicParameters
) -> Matrices:
    """Bags of audio words."""
    return train.bags, test.bags


def statistics_only(
    train: ClipViews, test: ClipViews, evaluation: ThemeEvaluationParameters, topics: TopicParameters
) -> Matrices:
    """Standardised clip statistics."""
    return standardise(train.statistics, test.statistics)


def all_statistics(
    train: ClipViews, test: ClipViews, evaluation: ThemeEvaluationParameters, topics: TopicParameters
) -> Matrices:
    """Standardised statistics of all dimensions that the codebook reads."""
    return standardise(train.all_statistics, test.all_statistics)


CLASSIFIERS: dict[str, tuple[View, str]] = {
    "lda_audio_words": (words_and_topics, "svm"),
    "svm_audio_words": (words_only, "svm"),
    "svm_all_statistics": (all_statistics, "svm"),
    "svm_statistics": (statistics_only, "svm"),
    "knn_statistics": (statistics_only, "knn"),
}
"""Discrimination models by name: what they see, and the classifier."""


DISCRIMINATION_ROLES: dict[str, str] = {
    "lda_audio_words": "proposed",
    "svm_audio_words": "ablation",
    "svm_all_statistics": "baseline",
    "svm_statistics": "baseline",
    "knn_statistics": "baseline",
}
"""What each discrimination model stands for in a comparison."""


def classify(
    train: np.ndarray,
    labels: Sequence[str],
    groups: Sequence[str],
    test: np.ndarray,
    *,
    kind: str,
    evaluation: ThemeEvaluationParameters,
) -> tuple[list[str], np.ndarray]:
    """Fit a classifier on training clips, its one parameter chosen by groups inside them, and apply it.

    Parameters
    ----------
    train, test
        Rows of clips.
    labels, groups
        Of the training clips.
    kind
        `svm` (RBF kernel; class scores are the softmax of its one-against-rest decision values, an order and
        not calibrated probabilities) or `knn` (shares of neighbours, weighted by distance).
    evaluation
        Candidates of C and k.

    Returns
    -------
    tuple
        Sorted classes of `labels`, and scores [n_test, n_classes] whose rows sum to 1.
    """
    classes = sorted(set(labels))
    if len(classes) == 1 or len(test) == 0:
        return classes, np.full((len(test), len(classes)), 1 / len(classes))
    model = _search(kind, labels, groups, evaluation)
    model.fit(train, list(labels), groups=list(groups)) if _has_groups(model) else model.fit(
        train, list(labels)
    )
    if kind == "knn":
        return classes, model.predict_proba(test)
    decision = model.decision_function(test)
    return classes, softmax(
        np.column_stack([-decision, decision]) if decision.ndim == 1 else decision, axis=1
    )


def _search(
    kind: str, labels: Sequence[str], groups: Sequence[str], evaluation: ThemeEvaluationParameters
) -> Any:
    from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC

    name, values = ("C", evaluation.costs) if kind == "svm" else ("n_neighbors", evaluation.neighbours)
    estimator = SVC() if kind == "svm" else KNeighborsClassifier(weights="distance")
    most = len(labels) if kind == "svm" else len(labels) * (INNER_FOLDS - 1) // INNER_FOLDS // 2
    values = tuple(value for value in values if name == "C" or value <= most) or (1,)
    pairs = set(zip(labels, groups, strict=True))
    fewest = min(sum(label == other for other, _ in pairs) for label in set(labels))
    if len(values) == 1 or fewest < INNER_FOLDS:
        return estimator.set_params(**{name: values[len(values) // 2]})
    split = StratifiedGroupKFold(INNER_FOLDS)
    return GridSearchCV(estimator, {name: list(values)}, cv=split, scoring="accuracy")


def _has_groups(model: Any) -> bool:
    return hasattr(model, "param_grid")
