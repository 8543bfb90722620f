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


def test_clips_are_selected_by_name_and_those_that_are_not_there_refused():
    features = make()
    assert features.select(["c/4", "c/1"]).fingerprint == features.take([4, 1]).fingerprint
    assert features.take(np.array([True] + [False] * (N - 1))).clip_ids == ("c/0",)  # a mask
    with pytest.raises(KeyError, match="c/99"):
        features.select(["c/1", "c/99"])
    for fail in (lambda: features.take([N]), lambda: features[N]):
        with pytest.raises(IndexError):
            fail()


def test_a_set_keeps_common_clips_in_order():
    features = {"a": make("a"), "b": make("b", IDS[2:5])}
    assert FeatureSet.align(features).clip_ids == tuple(IDS[2:5])
    aligned = FeatureSet.align(features, ["c/4", "c/0", "c/2"])
    assert aligned["b"].clip_ids == aligned.clip_ids == ("c/4", "c/2")
    assert (len(aligned), aligned.n_clips, list(aligned)) == (2, 2, ["a", "b"])
    assert aligned.take([1, 0]).fingerprint == aligned.select(["c/2", "c/4"]).fingerprint
    assert aligned.take([1, 0]).fingerprint != aligned.fingerprint


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


def first_values(features):
    return [float(clip[0, 0]) for clip in features["mfcc"]]


def test_copies_follow_the_clips_and_know_their_originals():
    every, copied, others = (FeatureSet({"mfcc": make(offset=step)}) for step in (0, 100, 200))
    clips = every.take([2, 0])
    joined, origins = join_copies(clips, {"p": copied, "q": others.take([3, 2])})
    assert joined.clip_ids == ("c/2", "c/0", "c/2#p", "c/0#p", "c/2#q")  # a clip without a copy has none
    assert origins.tolist() == [0, 1, 0, 1, 0]
    assert first_values(joined) == [2.0, 0.0, 102.0, 100.0, 202.0]
    assert joined["mfcc"].n_frames.tolist() == [5, 3, 5, 3, 5]
    part = joined.take([4, 0, 3])
    assert part.clip_ids == ("c/2#q", "c/2", "c/0#p")
    assert first_values(pickle.loads(pickle.dumps(part))) == [202.0, 2.0, 100.0]
    assert join_copies(clips, {})[0].fingerprint == clips.fingerprint
