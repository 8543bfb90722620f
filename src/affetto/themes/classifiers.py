"""The classifiers of themes inside an emotion that are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import softmax

from affetto.themes.clustering import ClipViews
from affetto.themes.parameters import ThemeEvaluationParameters, TopicParameters
from affetto.themes.topics import fit_topics

INNER_FOLDS = 3

TOPICS = "bags and topics"
CLASSIFIERS: dict[str, tuple[str, str]] = {
    "lda_audio_words": (TOPICS, "svm"),
    "svm_audio_words": ("bags", "svm"),
    "svm_all_statistics": ("all_statistics", "scaled svm"),
    "svm_statistics": ("statistics", "scaled svm"),
    "knn_statistics": ("statistics", "scaled knn"),
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


def seen(
    view: str,
    train: ClipViews,
    test: ClipViews,
    evaluation: ThemeEvaluationParameters,
    topics: TopicParameters,
) -> tuple[np.ndarray, np.ndarray]:
    """Return what a classifier sees of training and test clips, a row a clip.

    It is what `ClipViews` has under the name `view`, or `TOPICS`: bags of audio words joined with the square
    roots of the topic mixture of an LDA of the training clips.
    """
    if view != TOPICS:
        return getattr(train, view), getattr(test, view)
    number = max(1, min(evaluation.n_topics, len(train.documents) // 2))
    model = fit_topics(train.documents, number, topics, seed=0)
    known, unseen = (evaluation.topic_weight * np.sqrt(model.mixtures(v.documents)) for v in (train, test))
    return np.hstack([train.bags, known]), np.hstack([test.bags, unseen])


def classify(
    train: np.ndarray,
    labels: Sequence[str],
    groups: Sequence[str],
    test: np.ndarray,
    *,
    kind: str,
    evaluation: ThemeEvaluationParameters,
) -> tuple[list[str], np.ndarray, dict[str, float]]:
    """Fit a classifier on training clips, its parameters chosen by groups inside them, and apply it.

    Parameters
    ----------
    train, test
        Rows of clips.
    labels, groups
        Of the training clips.
    kind
        `svm` (RBF kernel; class scores are the softmax of its one-against-rest decision values, an order and
        not calibrated probabilities) or `knn` (shares of neighbours, weighted by distance); `scaled` before
        it: numbers are standardised by the clips that the classifier is fitted on, in the search too.
    evaluation
        Candidates of C, gamma and k.

    Returns
    -------
    tuple
        Sorted classes of `labels`; scores [n_test, n_classes] whose rows sum to 1; what was chosen: `C` and
        `gamma` (a multiple, as in `evaluation.gammas`), or `n_neighbors`.
    """
    classes = sorted(set(labels))
    if len(classes) == 1 or len(test) == 0:
        return classes, np.full((len(test), len(classes)), 1 / len(classes)), {}
    model, chosen = _tuned(kind, train, labels, groups, evaluation)
    if kind.endswith("knn"):
        return classes, model.predict_proba(test), chosen
    decision = model.decision_function(test)
    both = np.column_stack([-decision, decision]) if decision.ndim == 1 else decision
    return classes, softmax(both, axis=1), chosen


def _tuned(
    kind: str,
    train: np.ndarray,
    labels: Sequence[str],
    groups: Sequence[str],
    evaluation: ThemeEvaluationParameters,
) -> tuple[Any, dict[str, float]]:
    """Return the fitted classifier, and the values that were chosen for it."""
    from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    scaled = kind.startswith("scaled")
    scale = 1 / (
        train.shape[1] * (1.0 if scaled else float(train.var()) or 1.0)
    )  # SVC's own, but of all clips
    if kind.endswith("svm"):
        classifier: Any = SVC()
        grid = {"C": list(evaluation.costs), "gamma": [factor * scale for factor in evaluation.gammas]}
    else:
        classifier = KNeighborsClassifier(weights="distance")
        most = len(labels) * (INNER_FOLDS - 1) // INNER_FOLDS // 2
        grid = {"n_neighbors": [k for k in evaluation.neighbours if k <= most] or [1]}
    step = type(classifier).__name__.lower()
    model = make_pipeline(StandardScaler() if scaled else "passthrough", classifier)
    values = {f"{step}__{name}": candidates for name, candidates in grid.items()}
    middle = {name: candidates[len(candidates) // 2] for name, candidates in values.items()}
    pairs = set(zip(labels, groups, strict=True))
    fewest = min(sum(label == other for other, _ in pairs) for label in set(labels))
    if fewest >= INNER_FOLDS:
        split = StratifiedGroupKFold(INNER_FOLDS)
        search = GridSearchCV(model, values, cv=split, scoring="accuracy")
        search.fit(train, list(labels), groups=list(groups))
        model, middle = search.best_estimator_, search.best_params_
    else:
        model.set_params(**middle).fit(train, list(labels))
    chosen = {name.partition("__")[2]: float(value) for name, value in middle.items()}
    if "gamma" in chosen:
        chosen["gamma"] = round(chosen["gamma"] / scale, 6)
    return model, chosen
