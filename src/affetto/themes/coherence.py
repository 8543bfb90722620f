"""Coherence of topics: normalised pointwise mutual information of their top words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

EPSILON = 1e-12


def top_words(topics: np.ndarray, n_words: int) -> list[np.ndarray]:
    """Return the indices of the heaviest words of every topic, heaviest first; ties by number."""
    return [np.argsort(-topic, kind="stable")[:n_words] for topic in topics]


def npmi_coherence(words: Sequence[np.ndarray], presence: np.ndarray) -> float:
    """Return the mean NPMI over pairs of a topic's words, averaged over topics.

    NPMI = log(p_ij / (p_i p_j)) / −log p_ij (Bouma, 2009), with probabilities over whole clips. This is
    gensim's `CoherenceModel(coherence="c_npmi")` with a window at least as long as a document: audio words of
    a bag have no order for a sliding window to slide over. Pairs that every clip has are left out, where
    gensim has -1: they say nothing (0 / 0).

    Parameters
    ----------
    words
        Word indices of every topic.
    presence
        Whether a clip has a word, bool [n_clips, n_words].

    Returns
    -------
    float
        Between −1 and 1; NaN without topics, clips or pairs.
    """
    if len(presence) == 0:
        return float("nan")
    scores = [score for topic in words if not np.isnan(score := _topic_npmi(topic, presence))]
    return float(np.mean(scores)) if scores else float("nan")


def _topic_npmi(words: np.ndarray, presence: np.ndarray) -> float:
    chosen = presence[:, words].astype(np.float64)
    joint = chosen.T @ chosen / len(chosen)
    single = np.diag(joint)
    with np.errstate(divide="ignore", invalid="ignore"):
        npmi = np.log((joint + EPSILON) / np.outer(single, single)) / -np.log(joint + EPSILON)
    pairs = ~np.eye(len(words), dtype=bool) & np.isfinite(npmi) & (joint < 1)
    return float(npmi[pairs].mean()) if pairs.any() else float("nan")
