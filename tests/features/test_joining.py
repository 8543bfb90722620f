"""Copies of clips are put behind the clips themselves."""

import numpy as np

from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.features.joining import join_copies


def features(ids, offset):
    frames = [np.full((i + 1, 2), offset + i, np.float32) for i in range(len(ids))]
    return FeatureSet({"a": ClipFeatures.from_arrays("a", ids, frames, hop_s=0.01)})


def test_copies_follow_the_clips_and_know_their_originals():
    clips = features(["x", "y", "z"], 0).take([2, 0])
    joined, origins = join_copies(clips, {"noisy": features(["x", "y", "z"], 100)})
    assert joined.clip_ids == ("z", "x", "z#noisy", "x#noisy")
    assert origins.tolist() == [0, 1, 0, 1]
    assert [float(clip[0, 0]) for clip in joined["a"]] == [2.0, 0.0, 102.0, 100.0]
    assert joined["a"].n_frames.tolist() == [3, 1, 3, 1]


def test_a_clip_without_a_copy_has_none_and_copies_of_other_clips_are_left_out():
    joined, origins = join_copies(features(["x", "y"], 0), {"noisy": features(["y", "other"], 100)})
    assert joined.clip_ids == ("x", "y", "y#noisy")
    assert origins.tolist() == [0, 1, 1]


def test_a_part_of_what_was_joined_reads_the_right_clips():
    joined, _ = join_copies(
        features(["x", "y"], 0), {"p": features(["x", "y"], 10), "q": features(["y"], 20)}
    )
    part = joined.take([4, 0, 3])
    assert part.clip_ids == ("y#q", "x", "y#p")
    assert [float(clip[0, 0]) for clip in part["a"]] == [20.0, 0.0, 11.0]
    assert part.fingerprint != joined.fingerprint


def test_without_copies_the_values_are_the_clips_own():
    clips = features(["x", "y"], 0)
    joined, origins = join_copies(clips, {})
    assert joined.fingerprint == clips.fingerprint
    assert origins.tolist() == [0, 1]
