"""Kinds of voices: found without being told, told from single clips, and taken off."""

import numpy as np
import pytest

from affetto.models.speakers import VoiceTypes, group_offsets

LOW, HIGH = -3.0, 3.0


def clips(pitches, *, n=40, seed=0):
    """Clips of speakers: number 0 is pitch and emotion, number 1 timbre, the rest noise."""
    rng = np.random.default_rng(seed)
    groups = np.repeat([f"s{i}" for i in range(len(pitches))], n)
    labels = rng.integers(0, 2, len(groups))
    vectors = rng.normal(size=(len(groups), 6))
    vectors[:, 0] += np.repeat(pitches, n) + 2.0 * labels
    vectors[:, 1] += 2 * np.repeat(pitches, n)
    return vectors, labels, groups


def learn(vectors, labels, groups, n_types=2):
    scale = np.full(vectors.shape[1], 0.4)
    return VoiceTypes.learn(vectors, labels, groups, scale=scale, n_types=n_types, penalty=0.1)


@pytest.mark.parametrize(
    ("vectors", "labels", "groups", "expected"),
    [
        # label 0: mean 1, label 1: mean 40 / 3, where group 1 has the mean 15
        ([0, 2, 10, 14, 16], [0, 0, 1, 1, 1], [0, 1, 0, 1, 1], [(9 - 40 / 3) / 2, (16 - 40 / 3) / 2]),
        ([0, 2, 90, 7], [0, 0, 1, 2], [0, 1, 1, 2], [-1, 1, 0]),  # labels of one group alone say nothing
        ([0, 0, 5, 5, 5], [0, 0, 1, 1, 1], [0, 1, 0, 2, 2], [0, 0, 0]),  # which labels a group has, neither
    ],
)
def test_offsets_of_groups_compare_clips_of_one_label(vectors, labels, groups, expected):
    found = group_offsets(np.array(vectors, float)[:, None], np.array(labels), np.array(groups))
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-12)


def test_the_voice_of_an_unknown_speaker_is_told_from_one_clip_and_taken_off():
    types = learn(*clips([LOW, HIGH, LOW + 0.5, HIGH - 0.5, LOW]))
    vectors, labels, groups = clips([LOW, HIGH], seed=1)
    shares = types.shares(vectors)
    low = shares[groups == "s0"].mean(axis=0).argmax()
    assert np.mean(shares[groups == "s0"].argmax(axis=1) == low) > 0.99
    assert np.mean(shares[groups == "s1"].argmax(axis=1) == 1 - low) > 0.99
    relative = (vectors - types.offset(vectors))[:, 0]
    of_label = {
        (speaker, label): relative[(groups == speaker) & (labels == label)].mean()
        for speaker in ("s0", "s1")
        for label in (0, 1)
    }
    assert abs(of_label["s0", 0] - of_label["s1", 0]) < 1 < of_label["s0", 1] - of_label["s0", 0]


@pytest.mark.parametrize(("pitches", "n_types"), [([LOW, HIGH, LOW], 1), ([LOW, HIGH], 2), ([LOW], 2)])
def test_one_kind_or_few_speakers_change_nothing(pitches, n_types):
    vectors, labels, groups = clips(pitches)
    types = learn(vectors, labels, groups, n_types)
    np.testing.assert_array_equal(types.offset(vectors), np.zeros_like(vectors))
    np.testing.assert_array_equal(types.shares(vectors), np.ones((len(vectors), 1)))


@pytest.mark.parametrize("n_types", [2, 3])
def test_speakers_who_cannot_be_compared_are_of_one_kind(n_types):
    vectors, labels, _ = clips([LOW, HIGH, LOW, HIGH])
    alone = learn(vectors, labels, np.array([f"clip {i}" for i in range(len(vectors))]), n_types)
    np.testing.assert_array_equal(alone.offset(vectors), np.zeros_like(vectors))
    labels = np.arange(len(vectors)) // 20  # each speaker in emotions of their own
    own = learn(vectors, labels, np.array([f"s{i // 40}" for i in range(len(vectors))]), n_types)
    np.testing.assert_array_equal(own.offset(vectors), np.zeros_like(vectors))
