"""The ways to find themes without labels that are compared: topics, and clusters of clips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from affetto.themes.parameters import TopicParameters
from affetto.themes.statistics import standardise
from affetto.themes.topics import fit_topics

RESTARTS = 3


@dataclass(frozen=True, eq=False)
class ClipViews:
    """What models may know of clips of one emotion; rows are clips.

    Attributes
    ----------
    documents
        Word weights for topics, float32 [n_clips, n_words].
    bags
        Weighted bags of audio words, float64 [n_clips, n_words].
    statistics
        Means and deviations of the baselines' dimensions (MFCC), float64 [n_clips, n_statistics].
    all_statistics
        The same of all dimensions that the codebook reads.
    """

    documents: np.ndarray
    bags: np.ndarray
    statistics: np.ndarray
    all_statistics: np.ndarray

    def take(self, indices: np.ndarray) -> ClipViews:
        """Return the clips at `indices`."""
        return ClipViews(
            self.documents[indices],
            self.bags[indices],
            self.statistics[indices],
            self.all_statistics[indices],
        )


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


def lda_audio_words(
    train: ClipViews, test: ClipViews, number: int, seed: int, topics: TopicParameters
) -> Clusters:
    """Give clips their likeliest topic; the start of best bound on training clips is kept."""
    starts = [fit_topics(train.documents, number, topics, seed=RESTARTS * seed + n) for n in range(RESTARTS)]
    model = max(starts, key=lambda start: start.bound_per_word(train.documents))
    return Clusters.of_shares(model.mixtures(train.documents), model.mixtures(test.documents))


def nmf_audio_words(
    train: ClipViews, test: ClipViews, number: int, seed: int, topics: TopicParameters
) -> Clusters:
    """Give clips their largest component of a Kullback-Leibler NMF (Lee & Seung, 2001)."""
    import warnings

    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning

    model = NMF(
        number, beta_loss="kullback-leibler", solver="mu", init="random", random_state=seed, max_iter=150
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        weights = model.fit_transform(train.documents.astype(np.float64))
        unseen = model.transform(test.documents.astype(np.float64))
    sizes = model.components_.sum(axis=1)
    return Clusters.of_shares(_shares(weights * sizes), _shares(unseen * sizes))


def kmeans_audio_words(
    train: ClipViews, test: ClipViews, number: int, seed: int, topics: TopicParameters
) -> Clusters:
    """Cluster bags of audio words by k-means."""
    return _kmeans(train.bags, test.bags, number, seed)


def kmeans_statistics(
    train: ClipViews, test: ClipViews, number: int, seed: int, topics: TopicParameters
) -> Clusters:
    """Cluster standardised clip statistics by k-means."""
    return _kmeans(*standardise(train.statistics, test.statistics), number, seed)


def kmeans_all_statistics(
    train: ClipViews, test: ClipViews, number: int, seed: int, topics: TopicParameters
) -> Clusters:
    """Cluster standardised statistics of all dimensions that the codebook reads by k-means."""
    return _kmeans(*standardise(train.all_statistics, test.all_statistics), number, seed)


def gmm_statistics(
    train: ClipViews, test: ClipViews, number: int, seed: int, topics: TopicParameters
) -> Clusters:
    """Cluster standardised clip statistics by a Gaussian mixture with diagonal covariances."""
    from sklearn.mixture import GaussianMixture

    known, unseen = standardise(train.statistics, test.statistics)
    model = GaussianMixture(
        number, covariance_type="diag", n_init=RESTARTS, reg_covar=1e-3, random_state=seed
    )
    model.fit(known)
    return Clusters.of_shares(model.predict_proba(known), model.predict_proba(unseen))


def _kmeans(train: np.ndarray, test: np.ndarray, number: int, seed: int) -> Clusters:
    from sklearn.cluster import KMeans

    number = min(number, len(np.unique(train, axis=0)))
    model = KMeans(number, n_init=10, random_state=seed).fit(train)
    return Clusters(model.labels_, model.predict(test), model.transform(train), model.transform(test))


def _shares(weights: np.ndarray) -> np.ndarray:
    total = weights.sum(axis=1, keepdims=True)
    shares: np.ndarray = np.where(total > 0, weights / np.where(total > 0, total, 1), 1 / weights.shape[1])
    return shares


Clusterer = Callable[[ClipViews, ClipViews, int, int, TopicParameters], Clusters]

CLUSTERERS: dict[str, Clusterer] = {
    "lda_audio_words": lda_audio_words,
    "kmeans_audio_words": kmeans_audio_words,
    "nmf_audio_words": nmf_audio_words,
    "kmeans_all_statistics": kmeans_all_statistics,
    "kmeans_statistics": kmeans_statistics,
    "gmm_statistics": gmm_statistics,
}
"""Discovery models: the first is proposed, the last two are the baselines, the others ablations."""

DISCOVERY_ROLES: dict[str, str] = {
    "lda_audio_words": "proposed",
    "kmeans_audio_words": "baseline",
    "nmf_audio_words": "baseline",
    "kmeans_all_statistics": "baseline",
    "kmeans_statistics": "baseline",
    "gmm_statistics": "baseline",
}
"""What each discovery model stands for in a comparison."""
