"""The library as matrices, ready for ranking."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from affetto.recommendation.library import PROBABILITY, emotions_of

NO_THEME = ""


@dataclass(frozen=True)
class LibraryIndex:
    """What ranking reads of a library.

    Attributes
    ----------
    clip_ids
        str [n_tracks].
    emotions
        Emotions of the music, [n_emotions].
    pairs
        (emotion, theme) of each column of `mixtures`; an emotion without themes has the one theme "".
    emotion_of_pair
        int64 [n_pairs], index into `emotions`.
    probabilities
        float64 [n_tracks, n_emotions], P(emotion | track).
    mixtures
        float64 [n_tracks, n_pairs], P(emotion, theme | track): the product of P(emotion | track) and
        P(theme | emotion, track).
    tie_order
        int64 [n_tracks], place of each track in the order of the clip ids: breaks ties.
    recordings
        int64 [n_tracks], number of the recording that each track is, or is a part of; files of the same
        samples are one recording.
    """

    clip_ids: np.ndarray
    emotions: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    emotion_of_pair: np.ndarray
    probabilities: np.ndarray
    mixtures: np.ndarray
    tie_order: np.ndarray
    recordings: np.ndarray

    @cached_property
    def library_shares(self) -> np.ndarray:
        """Share of each theme in the music of its emotion, float64 [n_pairs]; sums to 1 in each emotion."""
        mass = self.mixtures.sum(axis=0)
        totals = np.bincount(self.emotion_of_pair, weights=mass, minlength=len(self.emotions))
        counts = np.bincount(self.emotion_of_pair, minlength=len(self.emotions))
        total = totals[self.emotion_of_pair]
        even: np.ndarray = 1.0 / counts[self.emotion_of_pair]
        return np.where(total > 0, mass / np.where(total > 0, total, 1.0), even)


def index_library(library: pd.DataFrame, theme_mixtures: pd.DataFrame) -> LibraryIndex:
    """Bring a library into matrix form.

    Parameters
    ----------
    library
        Table of `affetto.recommendation.library.build_library`.
    theme_mixtures
        `clip_id, emotion, theme, probability`: P(theme | emotion, track). A track without rows for an emotion
        has all themes of that emotion alike.

    Returns
    -------
    LibraryIndex
        Rows in the order of `library`; pairs in the order of emotions, then themes.
    """
    emotions = emotions_of(library)
    clip_ids = library["clip_id"].to_numpy(dtype=object)
    probabilities = library[[f"{PROBABILITY}{emotion}" for emotion in emotions]].to_numpy(dtype=np.float64)
    pairs = _pairs(emotions, theme_mixtures)
    emotion_of_pair = np.array([emotions.index(emotion) for emotion, _ in pairs], dtype=np.int64)
    conditional = _conditional(clip_ids, pairs, emotion_of_pair, theme_mixtures)
    order = np.empty(len(clip_ids), dtype=np.int64)
    order[np.argsort(clip_ids.astype(str), kind="stable")] = np.arange(len(clip_ids))
    mixtures = probabilities[:, emotion_of_pair] * conditional
    return LibraryIndex(
        clip_ids, emotions, pairs, emotion_of_pair, probabilities, mixtures, order, _recordings(library)
    )


def _recordings(library: pd.DataFrame) -> np.ndarray:
    """Return which recording each track is of: a file, its parts and files of the same samples are one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    files = library.groupby(["root", "path"], sort=False).ngroup().to_numpy()
    if "content_hash" not in library:
        return files
    contents = library["content_hash"].fillna(library["clip_id"])
    places = files.max(initial=-1) + 1 + pd.factorize(contents)[0]
    size = places.max(initial=-1) + 1
    links = coo_array((np.ones(len(files)), (files, places)), shape=(size, size))
    _, component = connected_components(links, directed=False)
    return np.asarray(pd.factorize(component[files])[0])


def _pairs(emotions: tuple[str, ...], mixtures: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    found = mixtures[["emotion", "theme"]].drop_duplicates()
    pairs = []
    for emotion in emotions:
        themes = sorted(
            {str(theme) for theme in found.loc[found["emotion"] == emotion, "theme"]}, key=_natural
        )
        pairs += [(emotion, theme) for theme in themes or [NO_THEME]]
    return tuple(pairs)


def _natural(theme: str) -> tuple[tuple[bool, int, str], ...]:
    """Sort calm/2 before calm/10, and numbers before names."""
    parts = re.split(r"([0-9]+)", theme)
    return tuple((not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts)


def _conditional(
    clip_ids: np.ndarray,
    pairs: tuple[tuple[str, str], ...],
    emotion_of_pair: np.ndarray,
    mixtures: pd.DataFrame,
) -> np.ndarray:
    """Return P(theme | emotion, track), float64 [n_tracks, n_pairs]; sums to 1 in each emotion."""
    keys = pd.MultiIndex.from_tuples(pairs)
    columns = keys.get_indexer(
        pd.MultiIndex.from_arrays([mixtures["emotion"], mixtures["theme"].astype(str)])
    )
    rows = pd.Index(clip_ids).get_indexer(pd.Index(mixtures["clip_id"]))
    known = (rows >= 0) & (columns >= 0)
    given = np.zeros((len(clip_ids), len(pairs)))
    np.add.at(given, (rows[known], columns[known]), mixtures["probability"].to_numpy(dtype=np.float64)[known])
    for emotion in np.unique(emotion_of_pair):
        of_emotion = emotion_of_pair == emotion
        total = given[:, of_emotion].sum(axis=1, keepdims=True)
        even = 1.0 / of_emotion.sum()
        given[:, of_emotion] = np.where(
            total > 0, given[:, of_emotion] / np.where(total > 0, total, 1.0), even
        )
    return given
