"""Tracks in the plane of valence and arousal, and playlists that cross it from one mood to another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from affetto.corpora.clips import DIMENSIONS
from affetto.recommendation.voice import PROBABILITY, emotions_of

QUADRANTS = {"happy": (1.0, 1.0), "tense": (-1.0, 1.0), "sad": (-1.0, -1.0), "calm": (1.0, -1.0)}
"""Valence and arousal of the quadrants of the circumplex (Russell, J. Pers. Soc. Psychol. 1980)."""


def points_of_emotions(emotions: Sequence[str]) -> np.ndarray:
    """Return valence and arousal of emotions of music, float64 [n, 2]; unknown ones lie in the middle."""
    return np.array([QUADRANTS.get(name, (0.0, 0.0)) for name in emotions]).reshape(-1, 2)


def points_of_library(library: pd.DataFrame) -> np.ndarray:
    """Return valence and arousal of every track, float64 [n_tracks, 2].

    They are those of the library where it has them, else the mean of the quadrants, each weighted by the
    probability of its emotion.
    """
    emotions = emotions_of(library)
    columns = [f"{PROBABILITY}{name}" for name in emotions]
    points: np.ndarray = library[columns].to_numpy(dtype=np.float64) @ points_of_emotions(emotions)
    for column, name in enumerate(DIMENSIONS):
        if name in library:
            known = library[name].to_numpy(dtype=np.float64)
            points[:, column] = np.where(np.isnan(known), points[:, column], known)
    return points


def order_as_arc(points: np.ndarray, start: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Order tracks on the way from one mood to another.

    Music therapy calls it the iso principle: begin where the listener is, and move on by degrees (Altshuler
    1948; Heiderscheit and Madson, Music Therapy Perspectives 2015). Tracks go by how far along the straight
    line from `start` to `target` they lie; equals, and all tracks where both are one point, keep their order.

    Parameters
    ----------
    points
        float [n, 2], valence and arousal of the tracks.
    start, target
        float [2] each.

    Returns
    -------
    numpy.ndarray
        int64 [n], positions in the order of the arc.
    """
    along = np.round(points @ (np.asarray(target) - np.asarray(start)), 12)
    return np.argsort(along, kind="stable")


def fill_minutes(durations_s: np.ndarray, minutes: float) -> int:
    """Return how many tracks from the first on come nearest to a length in all; at least one."""
    total = np.cumsum(durations_s) / 60.0
    return int(np.argmin(np.abs(total - minutes))) + 1 if len(total) else 0
