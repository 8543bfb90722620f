"""What thumbs up and down make of the scores of tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from affetto.recommendation.ranking import LibraryIndex

LIKED = 1.5
"""A track with a thumb up has its score multiplied by so much."""
THEMES = 0.3
"""Themes that are liked without end raise a track's score by so much at most, or lower it."""


def taste(index: LibraryIndex, clip_ids: Sequence[str], likes: Mapping[str, bool]) -> np.ndarray | None:
    """Say by how much thumbs multiply the score of every track.

    Let `v(t)` be the vote on theme t: the sum of P(t | track) over the tracks with a thumb up, less that over
    those with a thumb down. A track's factor is `1 + 0.3 Σ_t P(t | track) tanh v(t)`; with a thumb up of its
    own it is 1.5 times that, and with a thumb down on it, or on another part or copy of its recording, 0.

    Parameters
    ----------
    index
        The library.
    clip_ids
        Its tracks, in the order of the index [n_tracks].
    likes
        Clip id → thumb up or down; those of other libraries are passed over.

    Returns
    -------
    numpy.ndarray or None
        float64 [n_tracks]; between 0.7 and 1.95, or 0. None where no thumb changes anything.
    """
    rows = {name: row for row, name in enumerate(clip_ids) if name in likes}
    if not rows:
        return None
    up = np.array([row for name, row in rows.items() if likes[name]], dtype=np.int64)
    down = np.array([row for name, row in rows.items() if not likes[name]], dtype=np.int64)
    votes = index.mixtures[up].sum(axis=0) - index.mixtures[down].sum(axis=0)
    factors: np.ndarray = 1.0 + THEMES * (index.mixtures @ np.tanh(votes))
    factors[up] *= LIKED
    factors[np.isin(index.recordings, index.recordings[down])] = 0.0
    return factors
