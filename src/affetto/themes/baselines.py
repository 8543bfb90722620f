"""The ways to find themes without labels, and to tell labelled ones, that are compared with each other."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import softmax

from affetto.themes.codebook import resolve_descriptors
from affetto.themes.parameters import CodebookParameters, ThemeParameters
from affetto.themes.topics import fit_topics

if TYPE_CHECKING:
    from affetto.features.clip_features import ClipFeatures, FeatureSet

RESTARTS = 3
INNER_FOLDS = 3
COSTS = (0.3, 1.0, 3.0, 10.0)
NEIGHBOURS = (3, 7, 15)
"""Candidates of the SVMs' C and of k-NN's k, chosen by groups inside the training clips."""
TOPIC_WEIGHT = 0.5  # of the topic mixture beside the bag of each descriptor
TOPICS = "bags and topics"

DISCOVERY_ROLES: dict[str, str] = {
    "lda_audio_words": "proposed",
    "kmeans_audio_words": "baseline",
    "nmf_audio_words": "baseline",
    "kmeans_all_statistics": "baseline",
    "kmeans_statistics": "baseline",
    "gmm_statistics": "baseline",
}
"""Models that find themes without labels, and what each stands for in a comparison."""

CLASSIFIERS: dict[str, tuple[str, str]] = {
    "lda_audio_words": (TOPICS, "svm"),
    "svm_audio_words": ("bags", "svm"),
    "svm_all_statistics": ("all_statistics", "scaled svm"),
    "svm_statistics": ("statistics", "scaled svm"),
    "knn_statistics": ("statistics", "scaled knn"),
}
"""Models that tell labelled themes: what they see, and the classifier."""

DISCRIMINATION_ROLES: dict[str, str] = {
    **dict.fromkeys(CLASSIFIERS, "baseline"),
    "lda_audio_words": "proposed",
    "svm_audio_words": "ablation",
}
"""What each of them stands for in a comparison."""

ENCODER = "encoder"
"""The feature of a frozen embedding, which others trained: where it is there, two models that read it join
the others, and stand apart."""
ENCODER_CLUSTERS, ENCODER_CLASSIFIER = "kmeans_encoder", "svm_encoder"
ENCODER_ROLES = {ENCODER_CLUSTERS: "pretrained", ENCODER_CLASSIFIER: "pretrained"}

Views = dict[str, np.ndarray]
"""What models may know of clips, a row a clip: `documents` (word weights for topics, float32), `bags`
(weighted bags of audio words), `statistics` (means and deviations of the baselines' dimensions),
`all_statistics` (the same of all dimensions that the codebook reads) and, where there is one, `encoder` (of
the frozen embedding)."""


def discovery_models(features: Iterable[str]) -> list[str]:
    """Name the models that find themes in these features."""
    return [*DISCOVERY_ROLES, *([ENCODER_CLUSTERS] if ENCODER in features else [])]


def classifiers(features: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return the models that tell labelled themes by these features: what they see, and the classifier."""
    return {**CLASSIFIERS, **({ENCODER_CLASSIFIER: (ENCODER, "scaled svm")} if ENCODER in features else {})}


def roles_of(results: Mapping[str, Any], roles: Mapping[str, str]) -> dict[str, str]:
    """Return `roles` and those of the models on an embedding, of the models that there are results of."""
    return {name: role for name, role in {**roles, **ENCODER_ROLES}.items() if name in results}


class Clusters(NamedTuple):
    """What a model says of training and of test clips.

    Attributes
    ----------
    known, found
        Cluster numbers from 0.
    known_places, found_places
        Where the clips lie among the clusters, [n_clips, n_clusters]; clips are as alike as these rows are
        near (Euclidean). Square roots of a mixture or of posteriors (Hellinger distance), or distances to
        the centres.
    """

    known: np.ndarray
    found: np.ndarray
    known_places: np.ndarray
    found_places: np.ndarray

    @classmethod
    def of_shares(cls, known: np.ndarray, found: np.ndarray) -> Clusters:
        """Make them of shares or posteriors, rows that sum to 1: the largest is the cluster."""
        return cls(known.argmax(axis=1), found.argmax(axis=1), np.sqrt(known), np.sqrt(found))


def cluster(model: str, train: Views, test: Views, number: int, seed: int, passes: int) -> Clusters:
    """Cluster training clips without labels, and assign test clips.

    Parameters
    ----------
    model
        One of `discovery_models`: topics of an LDA (of three starts that of best bound on the training
        clips), components of a Kullback-Leibler NMF (Lee & Seung, 2001), a Gaussian mixture with diagonal
        covariances, or k-means.
    train, test
        Views of the clips; statistics are standardised by the training clips.
    number
        Clusters wanted.
    seed, passes
        Seed of the model, and passes of the LDA.
    """
    from sklearn.cluster import KMeans
    from sklearn.mixture import GaussianMixture

    if model == "lda_audio_words":
        documents = train["documents"]
        starts = [fit_topics(documents, number, passes, seed=RESTARTS * seed + n) for n in range(RESTARTS)]
        lda = max(starts, key=lambda start: start.bound_per_word(documents))
        return Clusters.of_shares(lda.mixtures(documents), lda.mixtures(test["documents"]))
    if model == "nmf_audio_words":
        return Clusters.of_shares(*_nmf(train["documents"], test["documents"], number, seed))
    if model == "kmeans_audio_words":
        known, unseen = train["bags"], test["bags"]
    else:
        view = model.split("_", 1)[1]
        mean, scale = train[view].mean(axis=0), train[view].std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        known, unseen = ((clips[view] - mean) / scale for clips in (train, test))
    if model == "gmm_statistics":
        mixture = GaussianMixture(
            number, covariance_type="diag", n_init=RESTARTS, reg_covar=1e-3, random_state=seed
        ).fit(known)
        return Clusters.of_shares(mixture.predict_proba(known), mixture.predict_proba(unseen))
    number = min(number, len(np.unique(known, axis=0)))
    kmeans = KMeans(number, n_init=10, random_state=seed).fit(known)
    return Clusters(kmeans.labels_, kmeans.predict(unseen), kmeans.transform(known), kmeans.transform(unseen))


def _nmf(train: np.ndarray, test: np.ndarray, number: int, seed: int) -> list[np.ndarray]:
    """Return the shares of each component in training and in test clips, equal ones without any."""
    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning

    options = {"beta_loss": "kullback-leibler", "solver": "mu", "init": "random", "max_iter": 150}
    model = NMF(number, random_state=seed, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        known = model.fit_transform(train.astype(np.float64))
        found = model.transform(test.astype(np.float64))
    shares = []
    for rows in (known, found):
        weights = rows * model.components_.sum(axis=1)
        total = weights.sum(axis=1, keepdims=True)
        shares.append(np.where(total > 0, weights / np.where(total > 0, total, 1), 1 / weights.shape[1]))
    return shares


def classify(
    train: np.ndarray,
    labels: Sequence[str],
    groups: Sequence[str],
    test: np.ndarray,
    *,
    kind: str,
    gammas: Sequence[float],
) -> tuple[list[str], np.ndarray]:
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
    gammas
        Candidates of the SVM's gamma, as multiples of scikit-learn's `scale`.

    Returns
    -------
    tuple
        Sorted classes of `labels`, and scores [n_test, n_classes] whose rows sum to 1.
    """
    from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    classes = sorted(set(labels))
    if len(classes) == 1 or len(test) == 0:
        return classes, np.full((len(test), len(classes)), 1 / len(classes))
    scaled = kind.startswith("scaled")
    values: dict[str, list[Any]]
    if kind.endswith("svm"):
        classifier: Any = SVC()
        variance = 1.0 if scaled else float(train.var()) or 1.0
        scale = 1 / (train.shape[1] * variance)  # SVC's own, but of all clips
        values = {"svc__C": list(COSTS), "svc__gamma": [factor * scale for factor in gammas]}
    else:
        classifier = KNeighborsClassifier(weights="distance")
        most = len(labels) * (INNER_FOLDS - 1) // INNER_FOLDS // 2
        values = {"kneighborsclassifier__n_neighbors": [k for k in NEIGHBOURS if k <= most] or [1]}
    model = make_pipeline(StandardScaler() if scaled else "passthrough", classifier)
    pairs = set(zip(labels, groups, strict=True))
    if min(sum(label == other for other, _ in pairs) for label in classes) >= INNER_FOLDS:
        search = GridSearchCV(model, values, cv=StratifiedGroupKFold(INNER_FOLDS), scoring="accuracy")
        model = search.fit(train, list(labels), groups=list(groups)).best_estimator_
    else:  # too few groups to choose by
        middle = {name: candidates[len(candidates) // 2] for name, candidates in values.items()}
        model.set_params(**middle).fit(train, list(labels))
    if kind.endswith("knn"):
        return classes, model.predict_proba(test)
    decision = model.decision_function(test)
    both = np.column_stack([-decision, decision]) if decision.ndim == 1 else decision
    return classes, softmax(both, axis=1)


def classifier_views(
    view: str, train: Views, test: Views, parameters: ThemeParameters
) -> tuple[np.ndarray, np.ndarray]:
    """Return what a classifier sees of training and test clips, a row a clip.

    It is the view of this name, or `TOPICS`: bags of audio words joined with the square roots of the topic
    mixture of an LDA of the training clips.
    """
    if view != TOPICS:
        return train[view], test[view]
    number = max(1, min(parameters.evaluation.n_topics, len(train["documents"]) // 2))
    model = fit_topics(train["documents"], number, parameters.topics.passes, seed=0)
    known, unseen = (
        np.hstack([clips["bags"], TOPIC_WEIGHT * np.sqrt(model.mixtures(clips["documents"]))])
        for clips in (train, test)
    )
    return known, unseen


def clip_statistics(features: ClipFeatures, columns: Sequence[int]) -> np.ndarray:
    """Return mean and deviation over frames of some columns, [n_clips, 2 × n_columns]; zeros without any."""
    rows = np.zeros((len(features), 2 * len(columns)))
    for index, clip in enumerate(features):
        frames = clip[:, columns]
        frames = frames[np.isfinite(frames).all(axis=1)].astype(np.float64)
        if len(frames):
            rows[index] = np.concatenate([frames.mean(axis=0), frames.std(axis=0)])
    return rows


def encoder_statistics(feature: ClipFeatures) -> np.ndarray:
    """Return mean and deviation of an embedding, a row a clip; they are what it holds if it has no frames."""
    if feature.hop_s is None:
        return feature.stack().astype(np.float64)
    return clip_statistics(feature, range(len(feature.dimensions)))


def codebook_statistics(features: FeatureSet, parameters: CodebookParameters) -> np.ndarray:
    """Return `clip_statistics` of all dimensions that any of the codebook's descriptors reads."""
    dimensions = {name: feature.dimensions for name, feature in features.items()}
    read: dict[str, set[int]] = {}
    for name, indices in resolve_descriptors(dimensions, parameters.descriptors).items():
        read.setdefault(parameters.descriptors[name].feature, set()).update(indices)
    return np.hstack([clip_statistics(features[name], sorted(columns)) for name, columns in read.items()])
