"""Measures of playlists with known answers; the comparison is tested with its pipeline."""

from __future__ import annotations

from dataclasses import replace
from math import comb, log2

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affetto.recommendation.evaluation import MEASURES, _shuffled, measure_lists, playlists, true_library
from affetto.recommendation.parameters import RecommendParameters

NO_MIXTURES = pd.DataFrame(columns=["clip_id", "emotion", "theme", "probability"])
EMOTIONS = ["calm", "happy", "sad"]
TEN = RecommendParameters(voice="x", diversity=0.0)


def library_of(*labels):
    """The true library of tracks with labels `emotion/theme`, in which no two are of one recording."""
    emotions, themes = zip(*(label.split("/") for label in labels), strict=True)
    ids = [f"m/{place:03d}" for place in range(len(labels))]
    tracks = pd.DataFrame({"clip_id": ids, "root": "m", "path": ids, "emotion": emotions, "theme": themes})
    return true_library(tracks.assign(**{f"p_{name}": 1 / 3 for name in EMOTIONS}), NO_MIXTURES)


def measured(lists, wanted, truth):
    values = measure_lists(np.asarray(lists), np.asarray(wanted, dtype=float), truth)
    return [dict(zip(MEASURES, row, strict=True)) for row in values]


def test_measures_of_a_list_of_two_by_hand():
    truth = library_of("calm/jig", "calm/reel", "happy/jig", "sad/jig")
    asked = [[0.75, 0.25, 0.0]] * 3
    mixed, best, worst = measured([[2, 0], [0, 1], [3, 3]], asked, truth)

    second = 1 / log2(3)
    assert mixed["ndcg_at_10"] == pytest.approx((0.25 + 0.75 * second) / (0.75 + 0.75 * second))
    assert (mixed["hit_at_1"], mixed["hit_at_3"]) == (0, 1)
    # A theme of calm is worth 3/8, the only one of happy 1/4: two tracks can cover 3/4.
    assert mixed["theme_coverage"] == pytest.approx((3 / 8 + 1 / 4) / (3 / 4))
    assert mixed["diversity"] == 1

    def bits(*shares):
        return -sum(share * log2(share) for share in shares)

    divergence = bits(5 / 8, 3 / 8) - (bits(3 / 4, 1 / 4) + bits(1 / 2, 1 / 2)) / 2
    assert mixed["calibration"] == pytest.approx(1 - divergence)
    assert best["ndcg_at_10"] == best["hit_at_1"] == best["theme_coverage"] == 1
    assert worst == pytest.approx(dict.fromkeys(MEASURES, 0.0), abs=1e-9)


@given(st.lists(st.sampled_from(EMOTIONS), min_size=1, max_size=30), st.integers(0, 99))
@settings(max_examples=30)
def test_who_ranks_by_the_labels_is_perfect(labels, seed):
    truth = library_of(*(f"{label}/{place % 4}" for place, label in enumerate(labels)))
    wanted = np.random.default_rng(seed).dirichlet(np.ones(3), size=2)
    alike = replace(truth, emotion_of_pair=np.arange(3), mixtures=truth.probabilities)

    for row in measured(playlists(alike, wanted, TEN), wanted, truth):
        assert row["ndcg_at_10"] == pytest.approx(1)
        assert row["hit_at_1"] == row["hit_at_3"] == 1


def test_shuffled_tracks_are_as_good_as_chance():
    truth = library_of(*["calm/a"] * 10, *["happy/a"] * 20, *["sad/a"] * 10)
    lists = _shuffled(truth, TEN)
    wanted = np.tile([1.0, 0.0, 0.0], (len(lists), 1))
    told = pd.DataFrame(measured(lists, wanted, truth)).mean()

    assert told["ndcg_at_10"] == pytest.approx(1 / 4, abs=0.03)  # every place has the mean gain
    assert told["hit_at_1"] == pytest.approx(1 / 4, abs=0.08)
    assert told["hit_at_3"] == pytest.approx(1 - comb(30, 3) / comb(40, 3), abs=0.08)
    alike = (10 * 9 + 20 * 19 + 10 * 9) / (40 * 39)
    assert told["diversity"] == pytest.approx(1 - alike, abs=0.02)
    assert all(len(set(row)) == len(row) for row in lists)
