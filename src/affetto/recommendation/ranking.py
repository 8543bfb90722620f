"""The library as matrices: which tracks fit the wanted emotions, and which of them make a varied playlist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from affetto.corpora.duplicates import first_of_sets
from affetto.errors import AffettoError
from affetto.recommendation.parameters import RecommendParameters
from affetto.recommendation.voice import PROBABILITY, emotions_of

NO_THEME = ""
PREFERENCE = 0.8  # share of the weight of an emotion that its preferred themes take
_DECIMALS = 12


@dataclass(frozen=True)
class LibraryIndex:
    """What ranking reads of a library.

    Attributes
    ----------
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
    recordings
        int64 [n_tracks], number of the recording that each track is, or is a part of; copies of one take are
        one recording.
    """

    emotions: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    emotion_of_pair: np.ndarray
    probabilities: np.ndarray
    mixtures: np.ndarray
    recordings: np.ndarray

    @cached_property
    def library_shares(self) -> np.ndarray:
        """Share of each theme in the music of its emotion, float64 [n_pairs]; sums to 1 in each emotion."""
        mass = self.mixtures.sum(axis=0)
        return _divide(mass, self.sum_by_emotion(mass), 1.0 / self.sum_by_emotion(np.ones(len(mass))))

    def take(self, rows: np.ndarray) -> LibraryIndex:
        """Return the index of some of the tracks, rows of this one."""
        _, recordings = np.unique(self.recordings[rows], return_inverse=True)
        chosen = {"probabilities": self.probabilities[rows], "mixtures": self.mixtures[rows]}
        return replace(self, **chosen, recordings=recordings)

    def sum_by_emotion(self, values: np.ndarray) -> np.ndarray:
        """Sum over the pairs of each emotion, and give every pair the sum of its own, [n_pairs]."""
        sums: np.ndarray = np.bincount(self.emotion_of_pair, weights=values)[self.emotion_of_pair]
        return sums


def _divide(values: np.ndarray, total: np.ndarray, otherwise: float | np.ndarray) -> np.ndarray:
    """Divide by totals; where there is none, what is given instead."""
    return np.where(total > 0, values / np.where(total > 0, total, 1.0), otherwise)


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
    probabilities = library[[f"{PROBABILITY}{emotion}" for emotion in emotions]].to_numpy(dtype=np.float64)
    pairs = []
    for emotion in emotions:
        themes = set(theme_mixtures.loc[theme_mixtures["emotion"] == emotion, "theme"].astype(str))
        pairs += [(emotion, theme) for theme in sorted(themes) or [NO_THEME]]
    emotion_of_pair = np.array([emotions.index(emotion) for emotion, _ in pairs], dtype=np.int64)

    keys = pd.MultiIndex.from_arrays([theme_mixtures["emotion"], theme_mixtures["theme"].astype(str)])
    columns = pd.MultiIndex.from_tuples(pairs).get_indexer(keys)
    rows = pd.Index(library["clip_id"].astype(object)).get_indexer(pd.Index(theme_mixtures["clip_id"]))
    known = (rows >= 0) & (columns >= 0)
    values = theme_mixtures["probability"].to_numpy(dtype=np.float64)[known]
    conditional = np.zeros((len(library), len(pairs)))
    np.add.at(conditional, (rows[known], columns[known]), values)
    for emotion_index in range(len(emotions)):
        own = emotion_of_pair == emotion_index
        total = conditional[:, own].sum(axis=1, keepdims=True)
        conditional[:, own] = _divide(conditional[:, own], total, 1.0 / own.sum())
    return LibraryIndex(
        emotions=emotions,
        pairs=tuple(pairs),
        emotion_of_pair=emotion_of_pair,
        probabilities=probabilities,
        mixtures=probabilities[:, emotion_of_pair] * conditional,
        recordings=_recordings(library),
    )


def _recordings(library: pd.DataFrame) -> np.ndarray:
    """Return which recording each track is of: a file, its parts and the copies of its take are one."""
    files = library.groupby(["root", "path"], sort=False).ngroup().to_numpy()
    if "take" not in library:
        return files
    takes = library["take"].fillna(library["clip_id"])
    return np.asarray(pd.factorize(first_of_sets(files, takes))[0])


class Ranking(NamedTuple):
    """The tracks of a playlist, first to last.

    Attributes
    ----------
    tracks
        int64 [n], rows of the library.
    scores
        float64 [n], score of each of these tracks.
    places
        int64 [n], place of each of them by score alone, from 1; differs from its place here through
        diversity.
    """

    tracks: np.ndarray
    scores: np.ndarray
    places: np.ndarray


def rank_tracks(
    index: LibraryIndex,
    wanted: np.ndarray,
    parameters: RecommendParameters,
    weights: np.ndarray,
    factors: np.ndarray | None = None,
) -> Ranking:
    """Choose the tracks of a playlist.

    The score of a track is `Σ_m Σ_t P(m wanted) · weight(t | m) · P(m, t | track)`, times its factor, rounded
    to 12 decimals so that equal tracks tie whatever the order of summation; equals go in the order of the
    library.

    Parameters
    ----------
    index
        The library.
    wanted
        float [n_emotions], P(emotion wanted), in the order of `index.emotions`.
    parameters
        `top`, `pool` and `diversity` are read.
    weights
        float [n_pairs] of `theme_weights`.
    factors
        float [n_tracks] of `affetto.recommendation.likes.taste`; tracks with 0 are left out. None: all 1.

    Returns
    -------
    Ranking
        `parameters.top` tracks, or all of a smaller library; of the parts and copies of a recording only
        the best.
    """
    scores = index.mixtures @ (np.asarray(wanted)[index.emotion_of_pair] * weights)
    scores = np.round(scores if factors is None else scores * factors, _DECIMALS)
    best = _best_parts(scores, index.recordings)
    best = best if factors is None else best[factors[best] > 0]
    pool = best[_largest(scores[best], max(parameters.pool, parameters.top))]
    taken = diversify(scores[pool], index.mixtures[pool], parameters.top, diversity=parameters.diversity)
    tracks = pool[taken]
    return Ranking(tracks, scores[tracks], taken + 1)


def _largest(scores: np.ndarray, n: int) -> np.ndarray:
    """Return the places of the n largest, largest first, equals in order (as pandas' `nlargest`, sooner)."""
    places = np.arange(len(scores))
    if len(scores) > n:
        places = np.flatnonzero(scores >= np.partition(scores, -n)[-n])
    return places[np.argsort(-scores[places], kind="stable")[:n]]


def _best_parts(scores: np.ndarray, recordings: np.ndarray) -> np.ndarray:
    """Return the row of the best track of each recording, in the order of rows."""
    best = np.full(recordings.max(initial=-1) + 1, -np.inf)
    if len(best) == len(scores):
        return np.arange(len(scores))
    np.maximum.at(best, recordings, scores)
    rows = np.flatnonzero(scores == best[recordings])
    _, first = np.unique(recordings[rows], return_index=True)
    return np.sort(rows[first])


def theme_weights(index: LibraryIndex, preferred: np.ndarray | None = None) -> np.ndarray:
    """Say how much each theme counts inside its emotion, float64 [n_pairs].

    Let `L(t | m)` be the share of theme t in the library's music of emotion m. The wanted shares `q(t | m)`
    are `L` itself: typical music first. In an emotion with preferred themes these take 0.8 of the weight, in
    the proportions of L, and the rest follows L. The weight is `q(t | m) / Σ_t L(t | m) q(t | m)`: a track
    that mixes its themes like the library does is then scored by its emotion alone, however many themes an
    emotion has.

    Parameters
    ----------
    index
        The library.
    preferred
        bool [n_pairs], the themes to favour; None for none.
    """
    shares = wanted = index.library_shares
    if preferred is not None:
        onto, number = np.where(preferred, shares, 0.0), index.sum_by_emotion(preferred)
        focus = _divide(onto, index.sum_by_emotion(onto), _divide(preferred, number, preferred))
        wanted = np.where(number > 0, (1.0 - PREFERENCE) * shares + PREFERENCE * focus, shares)
    return _divide(wanted, index.sum_by_emotion(shares * wanted), 1.0)


def diversify(scores: np.ndarray, mixtures: np.ndarray, n: int, *, diversity: float) -> np.ndarray:
    """Pick a varied selection by maximal marginal relevance.

    Each step takes the track with the greatest `(1 - diversity) · score / best score - diversity · s`, where
    s is the greatest cosine similarity of its mixture with one already taken (Carbonell & Goldstein, SIGIR
    1998). The first track is the best one. Ties go to the track that comes first.

    Parameters
    ----------
    scores
        float [n_pool], not negative, best first.
    mixtures
        float [n_pool, n_pairs], not negative.
    n
        Number of tracks to take.
    diversity
        0: by score alone … 1: by difference alone.

    Returns
    -------
    numpy.ndarray
        int64 [min(n, n_pool)], positions in the pool in the order they were taken.
    """
    n = min(n, len(scores))
    if diversity == 0 or n == 0:
        return np.arange(n)
    lengths = np.linalg.norm(mixtures, axis=1, keepdims=True)
    directions = mixtures / np.where(lengths > 0, lengths, 1.0)
    relevance = (1.0 - diversity) * scores / (scores.max() or 1.0)
    nearest = np.zeros(len(scores))
    left = np.ones(len(scores), dtype=bool)
    taken = np.zeros(n, dtype=np.int64)
    for place in range(n):
        gain = np.round(relevance - diversity * nearest, _DECIMALS)
        taken[place] = np.argmax(np.where(left, gain, -np.inf)) if place else 0
        left[taken[place]] = False
        nearest = np.maximum(nearest, directions @ directions[taken[place]])
    return taken


def find_themes(
    index: LibraryIndex, names: dict[tuple[str, str], str], preferred: Sequence[str]
) -> np.ndarray:
    """Find the themes that a user named, bool [n_pairs].

    Parameters
    ----------
    index
        The library.
    names
        (emotion, theme) → readable name.
    preferred
        Readable names, with their emotion or without (then of all emotions that have it), themes as the
        library numbers them, or `<emotion>/<theme>`; case does not matter.

    Raises
    ------
    AffettoError
        When no theme of the library has such a name.
    """
    labels = []
    for emotion, theme in index.pairs:
        name = names.get((emotion, theme), theme)
        known = (theme, f"{emotion}/{theme}", name, name.removeprefix(f"{emotion}: "))
        labels.append({label.casefold() for label in known})
    chosen = np.zeros(len(index.pairs), dtype=bool)
    for wanted in preferred:
        hits = np.array([wanted.casefold() in own for own in labels])
        if not hits.any():
            themes = ", ".join(sorted(t if "/" in t else f"{e}/{t}" for e, t in index.pairs if t))
            raise AffettoError(f"The library has no theme {wanted!r}: it has {themes}.")
        chosen |= hits
    return chosen
