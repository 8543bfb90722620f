"""Whether topics would be found again: from another start, and with other groups of clips."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from affetto.themes.bags import Documents
from affetto.themes.parameters import TopicParameters
from affetto.themes.topics import TopicModel, fit_topics


def seed_stability(assignments: Sequence[np.ndarray]) -> float:
    """Return the mean adjusted Rand index (Hubert & Arabie, 1985) over pairs of assignments; 1 for one."""
    from sklearn.metrics import adjusted_rand_score

    scores = [adjusted_rand_score(one, other) for one, other in combinations(assignments, 2)]
    return float(np.mean(scores)) if scores else 1.0


def bootstrap_stability(
    model: TopicModel,
    documents: Documents | np.ndarray,
    groups: Sequence[str],
    parameters: TopicParameters,
) -> float:
    """Return how alike clips are divided when the topics are fitted on resampled groups.

    Groups are drawn with replacement and the topics fitted anew; all clips are then given their topic by
    both fits, and the two divisions compared by the adjusted Rand index. After Hennig, "Cluster-wise
    assessment of cluster stability", CSDA 52, 2007.

    Parameters
    ----------
    model
        Topics of the clips as they are.
    documents
        Word weights of the clips, [n_clips, n_words].
    groups
        Of every clip.
    parameters
        `n_bootstrap` resamples; none gives 1.

    Returns
    -------
    float
        Mean over resamples, -1 to 1.
    """
    from sklearn.metrics import adjusted_rand_score

    usual = model.mixtures(documents).argmax(axis=1)
    scores = []
    for number in range(parameters.n_bootstrap):
        drawn = resample_groups(groups, seed=number)
        again = fit_topics(documents[drawn], model.n_topics, parameters, seed=number)
        scores.append(adjusted_rand_score(usual, again.mixtures(documents).argmax(axis=1)))
    return float(np.mean(scores)) if scores else 1.0


def resample_groups(groups: Sequence[str], *, seed: int) -> np.ndarray:
    """Draw as many groups as there are, with replacement; return the rows of their clips, int64."""
    _, number = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    n_groups = int(number.max()) + 1 if len(number) else 0
    drawn = np.random.default_rng([seed, n_groups]).integers(0, max(1, n_groups), n_groups)
    rows: np.ndarray = np.concatenate(
        [np.zeros(0, dtype=np.int64), *(np.flatnonzero(number == group) for group in drawn)]
    )
    return rows
