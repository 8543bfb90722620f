"""One LDA over audio words: fit by gensim, inference for all documents at once, held-out bound."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, psi
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

ETA = 0.1  # prior of words in a topic
CHUNK_CLIPS = 2_048  # documents of one step
CACHED_CLIPS = 256  # documents whose inference stays in the processor's cache
START_CLIPS = 4_096  # as many as tell where the clusters are


@dataclass(frozen=True, eq=False)
class TopicModel:
    """A fitted LDA.

    Attributes
    ----------
    topic_words
        λ, the Dirichlet parameters of words in topics, float64 [n_topics, n_words].
    alpha
        Prior of topics in a clip, float64 [n_topics].
    note
        What a reader should know, such as why there is only one topic; may be empty.
    """

    topic_words: np.ndarray
    alpha: np.ndarray
    note: str = ""

    @property
    def n_topics(self) -> int:
        """Number of topics."""
        return len(self.alpha)

    @property
    def word_probabilities(self) -> np.ndarray:
        """P(word | topic), [n_topics, n_words]."""
        weights: np.ndarray = self.topic_words / self.topic_words.sum(axis=1, keepdims=True)
        return weights

    def mixtures(self, documents: np.ndarray) -> np.ndarray:
        """Infer topic mixtures, float64 [n_clips, n_topics]; the prior for a clip without words.

        The same document gives the same mixture whatever stands beside it.
        """
        beta, found = np.exp(expected_log(self.topic_words)), [np.empty((0, self.n_topics))]
        with threadpool_limits(limits=1):
            for chunk in _chunks(documents, CACHED_CLIPS):
                rows = chunk.astype(np.float64)
                gamma, _, _ = infer_gamma(rows, beta, self.alpha, iterations=200, tolerance=1e-4)
                gamma[rows.sum(axis=1) == 0] = self.alpha
                found.append(gamma / gamma.sum(axis=1, keepdims=True))
        return np.concatenate(found)

    def bound_per_word(self, documents: np.ndarray) -> float:
        """Return the held-out bound in nats a word; perplexity is exp(−bound). NaN without words."""
        total, bound, beta = 0.0, 0.0, np.exp(expected_log(self.topic_words))
        with threadpool_limits(limits=1):
            for chunk in _chunks(documents):
                total += float(chunk.sum(dtype=np.float64))
                bound += document_bound(chunk.astype(np.float64), beta, self.alpha)
        return bound / total if total else float("nan")

    def ordered(self, documents: np.ndarray) -> TopicModel:
        """Return the same model with its topics sorted by their share of `documents`, largest first."""
        order = np.argsort(-self.mixtures(documents).sum(axis=0), kind="stable")
        return TopicModel(self.topic_words[order], self.alpha[order], self.note)


def _chunks(documents: np.ndarray, size: int = CHUNK_CLIPS) -> Iterator[np.ndarray]:
    """Yield documents in chunks: a large library's lie on disk."""
    for start in range(0, len(documents), size):
        yield documents[start : start + size]


def single_topic(documents: np.ndarray, note: str = "") -> TopicModel:
    """Return the model with one topic, whose posterior is known: prior plus counts."""
    counts = np.zeros(documents.shape[1])
    for chunk in _chunks(documents):
        counts += chunk.sum(axis=0, dtype=np.float64)
    return TopicModel((ETA + counts)[None], np.ones(1), note)


def fit_topics(documents: np.ndarray, n_topics: int, passes: int, *, seed: int) -> TopicModel:
    """Fit an LDA by variational Bayes (gensim, single process, reproducible).

    Up to 2,048 documents are fitted in batch, more of them online (Hoffman, Blei & Bach, 2010). Topics start
    from clusters of the documents.

    Parameters
    ----------
    documents
        Word weights, float32 [n_clips, n_words].
    n_topics, passes, seed
        Number of topics; passes over the documents; seed of the start.
    """
    if n_topics == 1 or len(documents) == 0:
        return single_topic(documents)
    from affetto.themes.dense_lda import DenseLda

    logging.getLogger("gensim").setLevel(logging.ERROR)
    batch = len(documents) <= CHUNK_CLIPS
    model = DenseLda(
        id2word=dict.fromkeys(range(documents.shape[1]), ""),
        num_topics=n_topics,
        alpha="symmetric",
        eta=ETA,
        chunksize=CHUNK_CLIPS,
        passes=passes,
        # A decay of 0 forgets all of the previous step: plain batch EM.
        decay=0.0 if batch else 0.5,
        eval_every=None,
        iterations=10 if batch else 50,
        random_state=seed,
    )
    model.whole_corpus = batch
    model.start_from(_cluster_counts(documents, n_topics, seed))
    with threadpool_limits(limits=1):  # products with few topics: threads would only wait for each other
        model.update(documents)
    return TopicModel(model.state.get_lambda().astype(np.float64), model.alpha.astype(np.float64))


def _cluster_counts(documents: np.ndarray, n_topics: int, seed: int) -> np.ndarray:
    """Count the words of k-means clusters of bags (Hellinger geometry), smoothed to exclude no word."""
    from sklearn.cluster import KMeans

    rng = np.random.default_rng(seed)
    chosen = documents[rng.permutation(len(documents))[:START_CLIPS]]
    roots = np.sqrt(chosen)
    n_clusters = min(n_topics, len({row.tobytes() for row in roots}))
    labels = KMeans(n_clusters, n_init=1, max_iter=15, random_state=seed).fit_predict(roots)
    counts = np.eye(n_topics, dtype=np.float64)[labels].T @ chosen
    start: np.ndarray = counts + 1e-2 * rng.gamma(1.0, 1.0, counts.shape) + 0.1 * counts.mean(axis=0)
    return start


def expected_log(dirichlet: np.ndarray) -> np.ndarray:
    """Return E[log x] under Dirichlet distributions, one a row: ψ(a) − ψ(Σ a)."""
    total: np.ndarray = psi(dirichlet) - psi(dirichlet.sum(axis=1, keepdims=True))
    return total.astype(dirichlet.dtype, copy=False)


def infer_gamma(
    counts: np.ndarray,
    exp_expected_log_beta: np.ndarray,
    alpha: np.ndarray,
    *,
    iterations: int = 50,
    tolerance: float = 1e-3,
    start: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Infer the topic weights of documents (Hoffman, Blei & Bach, 2010, algorithm 2, expectation step).

    Parameters
    ----------
    counts
        Word weights of documents, [n_documents, n_words]; a row may be all zero.
    exp_expected_log_beta
        exp(E[log β]) of the topics, [n_topics, n_words].
    alpha
        Prior of the topics, [n_topics].
    iterations, tolerance
        A document is done when gamma changes by less than `tolerance` in the mean, or after so many
        iterations.
    start
        gamma to start from, [n_documents, n_topics]; None starts every document from 1.

    Returns
    -------
    tuple
        gamma [n_documents, n_topics]; exp(E[log θ]) of the same shape; its product with the topics
        [n_documents, n_words], the normaliser of the words' topics.
    """
    epsilon = np.finfo(counts.dtype).eps
    shape = (len(counts), len(alpha))
    gamma = np.ones(shape, dtype=counts.dtype) if start is None else start.astype(counts.dtype)
    active = np.arange(len(counts))
    for _ in range(iterations):
        everything = len(active) == len(counts)
        before, documents = gamma[active], counts if everything else counts[active]
        proportions = np.exp(expected_log(before))
        norms = proportions @ exp_expected_log_beta + epsilon
        after = alpha + proportions * ((documents / norms) @ exp_expected_log_beta.T)
        gamma[active] = after
        active = active[np.abs(after - before).mean(axis=1) >= tolerance]
        if len(active) == 0:
            break
    proportions = np.exp(expected_log(gamma))
    return gamma, proportions, proportions @ exp_expected_log_beta + epsilon


def document_bound(counts: np.ndarray, exp_expected_log_beta: np.ndarray, alpha: np.ndarray) -> float:
    """Return the variational lower bound on the log-likelihood of documents, given the topics, in nats.

    Σ_w n_w log Σ_k exp(E[log θ_k] + E[log β_kw]) + E[log p(θ | α)] − E[log q(θ | γ)], summed over documents:
    gensim's `bound` without the part of the topics themselves, which held-out documents cannot judge.
    """
    gamma, _, norms = infer_gamma(counts, exp_expected_log_beta, alpha, iterations=100, tolerance=1e-3)
    log_theta = expected_log(gamma)
    words = (counts * np.log(norms)).sum()
    prior = ((alpha - gamma) * log_theta).sum() + (gammaln(gamma) - gammaln(alpha)).sum()
    totals = len(gamma) * gammaln(alpha.sum()) - gammaln(gamma.sum(axis=1)).sum()
    return float(words + prior + totals)
