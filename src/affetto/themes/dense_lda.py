"""gensim's LDA with an expectation step by matrix products; imported only where an LDA is fitted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from gensim.models import LdaModel

from affetto.themes.topics import infer_gamma


class DenseLda(LdaModel):  # type: ignore[misc]
    """`gensim.models.LdaModel` whose documents are rows of a dense matrix.

    Bags of audio words are short and dense (some hundred words, most of them used), so the expectation step
    over all documents of a chunk at once is more than ten times faster than gensim's loop over documents; the
    mathematics is the same (Hoffman, Blei & Bach, 2010), except that documents start from gamma = 1 and not
    from random numbers, and, where the chunk is the whole corpus, from the gamma of the previous pass: few
    iterations then suffice.
    """

    whole_corpus = False
    _previous: np.ndarray | None = None

    def inference(
        self, chunk: Sequence[np.ndarray], collect_sstats: bool = False
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Infer gamma, [n_documents, n_topics], and when asked the expected word counts [n_topics, n_words].

        `chunk` has a row of word weights a document, each [n_words].
        """
        counts = np.asarray(chunk, dtype=self.dtype)
        gamma, proportions, norms = infer_gamma(
            counts,
            self.expElogbeta,
            self.alpha,
            iterations=self.iterations,
            tolerance=self.gamma_threshold,
            start=self._previous,
        )
        self._previous = gamma if self.whole_corpus and collect_sstats else None
        if not collect_sstats:
            return gamma, None
        return gamma, (proportions.T @ (counts / norms)) * self.expElogbeta

    def start_from(self, expected_counts: np.ndarray) -> None:
        """Start from topics with these word counts instead of random ones, [n_topics, n_words]."""
        self.state.sstats[...] = expected_counts
        self.sync_state()
