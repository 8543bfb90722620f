import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affetto.features.clip_features import ClipFeatures, FeatureSet, join_copies

N = 7
IDS = [f"c/{i}" for i in range(N)]


def make(name="mfcc", ids=IDS, offset=0.0):
    arrays = [np.full((3 + i, 2), float(i) + offset) for i in range(len(ids))]
    return ClipFeatures.from_arrays(name, ids, arrays, hop_s=0.01, parameters={"n": 2})


@given(st.lists(st.integers(-N, N - 1)))
def test_take_gives_the_clips_asked_for_in_that_order(indices):
    features = make()
    taken = features.take(indices)
    assert taken.clip_ids == tuple(IDS[i] for i in indices)
    assert [len(array) for array in taken] == list(taken.n_frames)
    for i, array in zip(indices, taken, strict=True):
        np.testing.assert_array_equal(array, features[i])


@given(st.permutations(IDS), st.integers(0, N))
def test_select_is_take_by_name(order, n):
    features = make()
    chosen = features.select(order[:n])
    assert chosen.clip_ids == tuple(order[:n])
    assert chosen.fingerprint == features.take([IDS.index(name) for name in order[:n]]).fingerprint


def test_clips_that_are_not_there_are_refused():
    with pytest.raises(KeyError, match="c/99"):
        make().select(["c/1", "c/99"])
    with pytest.raises(IndexError):
        make().take([N])
    with pytest.raises(IndexError):
        make()[N]
    assert make().take(np.array([True] + [False] * (N - 1))).clip_ids == ("c/0",)  # a mask


def test_stack_wants_one_vector_a_clip():
    vectors = ClipFeatures.from_arrays("v", ["a", "b"], [np.arange(3), np.arange(3) + 1])
    np.testing.assert_array_equal(vectors.stack(), [[0, 1, 2], [1, 2, 3]])
    assert vectors.take([]).stack().shape == (0, 3)
    with pytest.raises(ValueError, match="frames"):
        make().stack()


def test_fingerprint_depends_on_values_order_and_parameters():
    base = make()
    again = pickle.loads(pickle.dumps(base))
    assert again.fingerprint == base.fingerprint
    different = [
        make(offset=1.0),
        base.take([1, 0]),
        make(name="other"),
        ClipFeatures.from_arrays("mfcc", IDS, list(base), hop_s=0.01, parameters={"n": 3}),
    ]
    assert len({base.fingerprint, *(other.fingerprint for other in different)}) == 5


def test_align_keeps_common_clips_in_order():
    features = {"a": make("a"), "b": make("b", IDS[2:5])}
    assert FeatureSet.align(features).clip_ids == tuple(IDS[2:5])
    aligned = FeatureSet.align(features, ["c/4", "c/0", "c/2"])
    assert aligned.clip_ids == ("c/4", "c/2")
    assert (len(aligned), aligned.n_clips, list(aligned)) == (2, 2, ["a", "b"])


def test_set_takes_and_selects_all_features():
    features = FeatureSet({"a": make("a"), "b": make("b")})
    taken = features.take([3, 1])
    assert taken.clip_ids == taken["b"].clip_ids == ("c/3", "c/1")
    assert taken.fingerprint == features.select(["c/3", "c/1"]).fingerprint
    assert taken.fingerprint != features.take([1, 3]).fingerprint


def features(ids, offset):
    frames = [np.full((i + 1, 2), offset + i, np.float32) for i in range(len(ids))]
    return FeatureSet({"a": ClipFeatures.from_arrays("a", ids, frames, hop_s=0.01)})


def first_values(features):
    return [float(clip[0, 0]) for clip in features["a"]]


def test_copies_follow_the_clips_and_know_their_originals():
    clips = features(["x", "y", "z"], 0).take([2, 0])
    copies = {"p": features(["x", "y", "z"], 100), "q": features(["z", "other"], 200)}
    joined, origins = join_copies(clips, copies)
    assert joined.clip_ids == ("z", "x", "z#p", "x#p", "z#q")  # a clip without a copy has none
    assert origins.tolist() == [0, 1, 0, 1, 0]
    assert first_values(joined) == [2.0, 0.0, 102.0, 100.0, 200.0]
    assert joined["a"].n_frames.tolist() == [3, 1, 3, 1, 1]
    part = joined.take([4, 0, 3])
    assert part.clip_ids == ("z#q", "z", "x#p")
    assert first_values(pickle.loads(pickle.dumps(part))) == [200.0, 2.0, 100.0]
    without, origins = join_copies(clips, {})
    assert without.fingerprint == clips.fingerprint
    assert origins.tolist() == [0, 1]
