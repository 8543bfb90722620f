"""Thumbs, arcs and minutes keep what their formulas promise, whatever the library."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from affetto.recommendation.arc import fill_minutes, order_as_arc, points_of_library
from affetto.recommendation.likes import LIKED, THEMES, taste
from affetto.recommendation.ranking import LibraryIndex

EMOTIONS = ("calm", "sad")
PAIRS = (("calm", "calm/0"), ("calm", "calm/1"), ("sad", "sad/0"))


def index(seed, n):
    rng = np.random.default_rng(seed)
    mixtures = rng.dirichlet(np.full(len(PAIRS), 0.3), n)
    pair_emotions = np.array([0, 0, 1])
    probabilities = np.stack([mixtures[:, pair_emotions == e].sum(axis=1) for e in (0, 1)], axis=1)
    return LibraryIndex(EMOTIONS, PAIRS, pair_emotions, probabilities, mixtures, np.arange(n) // 2)


@given(st.integers(0, 1000), st.dictionaries(st.integers(0, 11), st.booleans(), min_size=1))
def test_thumbs_do_what_is_documented(seed, thumbs):
    library, names = index(seed, 12), [f"m/{number}" for number in range(12)]
    likes = {names[row]: like for row, like in thumbs.items()}
    factors = taste(library, names, {**likes, "another/library": True})
    down = {row // 2 for row, like in thumbs.items() if not like}
    for row, factor in enumerate(factors):
        if row // 2 in down:  # two rows are one recording
            assert factor == 0
        else:
            own = LIKED if thumbs.get(row) else 1.0
            assert own * (1 - THEMES) <= factor <= own * (1 + THEMES)
    # One thumb up more raises the track itself, and lowers no other.
    for row in set(range(12)) - set(thumbs):
        if row // 2 not in down:
            more = taste(library, names, {**likes, names[row]: True})
            assert more[row] > factors[row]
            assert (more >= factors - 1e-12).all()
    assert taste(library, names, {"another/library": False}) is None


def test_the_same_theme_gains_from_a_thumb_and_another_does_not():
    mixtures = np.eye(3)[[0, 0, 1, 2]]
    library = LibraryIndex(EMOTIONS, PAIRS, np.array([0, 0, 1]), np.zeros((4, 2)), mixtures, np.arange(4))
    gain = THEMES * np.tanh(1)
    names = list("abcd")
    np.testing.assert_allclose(taste(library, names, {"a": True}), [1.5 * (1 + gain), 1 + gain, 1, 1])
    np.testing.assert_allclose(taste(library, names, {"a": False}), [0, 1 - gain, 1, 1])


point = st.tuples(st.floats(-1, 1), st.floats(-1, 1)).map(np.array)


@given(st.lists(point, min_size=1, max_size=20).map(np.array), point, point)
def test_an_arc_only_moves_towards_its_target(points, start, target):
    order = order_as_arc(points, start, target)
    assert sorted(order) == list(range(len(points)))
    along = points[order] @ (target - start)
    assert (np.diff(along) >= -1e-9).all()
    np.testing.assert_array_equal(order_as_arc(points, start, start), np.arange(len(points)))


@given(st.lists(st.floats(1, 1000), min_size=1, max_size=30), st.floats(0.1, 100))
def test_no_number_of_tracks_comes_nearer_to_the_minutes(durations, minutes):
    lengths = np.cumsum(durations) / 60
    missed = np.abs(lengths - minutes)
    assert missed[fill_minutes(np.array(durations), minutes) - 1] == missed.min()


def test_the_plane_is_that_of_the_library_where_it_tells():
    table = pd.DataFrame({"p_happy": [1.0, 0.5], "p_sad": [0.0, 0.5], "valence": [np.nan, 0.25]})
    np.testing.assert_array_equal(points_of_library(table), [[1, 1], [0.25, 0]])
