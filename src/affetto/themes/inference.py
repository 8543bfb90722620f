"""Variational inference of an LDA's topic mixtures, for all documents at once."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln, psi


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
    """Return the variational lower bound on the log-likelihood of documents, given the topics.

    Σ_w n_w log Σ_k exp(E[log θ_k] + E[log β_kw]) + E[log p(θ | α)] − E[log q(θ | γ)], summed over documents:
    gensim's `bound` without the part of the topics themselves, which held-out documents cannot judge.

    Returns
    -------
    float
        Nats.
    """
    gamma, _, norms = infer_gamma(counts, exp_expected_log_beta, alpha, iterations=100, tolerance=1e-3)
    log_theta = expected_log(gamma)
    words = (counts * np.log(norms)).sum()
    prior = ((alpha - gamma) * log_theta).sum() + (gammaln(gamma) - gammaln(alpha)).sum()
    totals = len(gamma) * gammaln(alpha.sum()) - gammaln(gamma.sum(axis=1)).sum()
    return float(words + prior + totals)
