from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affetto.evaluation.exchange import exchange, same_moments
from affetto.evaluation.exchange_inquiry import AS_IS, ask_exchanged, deal
from affetto.features.clip_features import ClipFeatures, FeatureSet

IDS = ("a", "b", "c")


@pytest.fixture
def features():
    vectors = [np.array([10.0 * i, 10.0 * i + 1]) for i in range(3)]
    lengths = (2, 4, 3)
    frames = [
        np.stack([100.0 * i + np.arange(n), -np.arange(float(n))], axis=1) for i, n in enumerate(lengths)
    ]
    return FeatureSet(
        {
            "functionals": ClipFeatures.from_arrays("functionals", IDS, vectors),
            "lld": ClipFeatures.from_arrays("lld", IDS, frames, hop_s=0.01),
        }
    )


def test_columns_come_from_the_same_donor_in_all_features(features):
    swapped = exchange(
        features, {"functionals": np.array([1]), "lld": np.array([0])}, donors=np.array([1, 2, 0])
    )

    np.testing.assert_array_equal(swapped["functionals"].stack(), [[0, 11], [10, 21], [20, 1]])
    # Two frames of a from the four of b, four of b from the three of c, three of c from the two of a.
    np.testing.assert_array_equal(swapped["lld"][0], [[101, 0], [103, -1]])
    np.testing.assert_array_equal(swapped["lld"][1][:, 0], [200, 201, 201, 202])
    np.testing.assert_array_equal(swapped["lld"][2][:, 0], [0, 1, 1])
    np.testing.assert_array_equal(swapped["lld"][1][:, 1], features["lld"][1][:, 1])


def test_the_clips_themselves_stay_as_they_are(features):
    exchange(features, {"lld": np.array([0, 1])}, np.array([2, 0, 1]))["lld"][0][:] = 0

    assert features["lld"][0][1, 0] == 1


def test_what_is_not_named_is_the_very_same(features):
    assert (
        exchange(features, {"lld": np.array([0])}, np.array([0, 1, 2]))["functionals"]
        is features["functionals"]
    )


def test_exchanged_clips_have_a_fingerprint_of_their_own(features):
    columns = {"functionals": np.array([0])}
    fingerprints = {
        features.fingerprint,
        *(exchange(features, columns, np.roll(np.arange(3), shift)).fingerprint for shift in (1, 2)),
        exchange(features, {"functionals": np.array([1])}, np.array([1, 2, 0])).fingerprint,
    }

    assert len(fingerprints) == 4


def test_exchanged_clips_can_be_selected(features):
    swapped = exchange(features, {"functionals": np.array([0])}, np.array([1, 2, 0])).select(["c", "a"])

    np.testing.assert_array_equal(swapped["functionals"].stack(), [[0, 21], [10, 1]])


@given(st.integers(1, 50), st.integers(1, 50))
def test_moments_are_in_order_and_of_the_donor(n_frames, n_donor_frames):
    moments = same_moments(n_frames, n_donor_frames)

    assert len(moments) == n_frames
    assert np.all(np.diff(moments) >= 0)
    assert moments.min() >= 0
    assert moments.max() < n_donor_frames
    if n_frames == n_donor_frames:
        np.testing.assert_array_equal(moments, np.arange(n_frames))
    # As far from the start as from the end, to a frame.
    assert abs(moments[0] - (n_donor_frames - 1 - moments[-1])) <= 1


@given(st.integers(1, 20), st.integers(1, 6), st.integers(0, 9))
def test_deals_are_permutations_that_the_seed_decides(n_clips, n_repeats, seed):
    donors = deal(n_clips, n_repeats, seed)

    assert donors.shape == (n_repeats, n_clips)
    for row in donors:
        assert sorted(row) == list(range(n_clips))
    np.testing.assert_array_equal(donors, deal(n_clips, n_repeats, seed))
    np.testing.assert_array_equal(donors[:1], deal(n_clips, 1, seed))


def test_answers_in_one_go_are_those_of_each_repeat(features, monkeypatch):
    def predict(x):
        return np.stack([clip[0] for clip in x["functionals"]]) * [1, -1]

    columns = {"first": {"functionals": np.array([0])}, "both": {"functionals": np.array([0, 1])}}
    together = ask_exchanged(predict, features, columns, n_repeats=4, seed=1)
    monkeypatch.setattr("affetto.evaluation.exchange_inquiry._CLIPS_AT_ONCE", 1)
    alone = ask_exchanged(predict, features, columns, n_repeats=4, seed=1)

    assert {name: told.shape for name, told in together.items()} == {
        AS_IS: (1, 3),
        "first": (4, 3),
        "both": (4, 3),
    }
    for name, told in together.items():
        np.testing.assert_array_equal(told, alone[name])
