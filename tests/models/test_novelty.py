"""Novelty is the share of unseen speakers' clips that lie nearer to the training clips."""

import numpy as np
import pytest

from affetto.models.novelty import Novelty

RNG = np.random.default_rng(0)
LABELS = np.tile([0, 1, 2], 80)
GROUPS = np.repeat([f"s{i}" for i in range(12)], 20)


def clips(n, offset=0.0, seed=1):
    return np.random.default_rng(seed).normal(size=(n, 30)) + offset


@pytest.fixture(scope="module")
def novelty():
    return Novelty.learn(clips(240, seed=0), LABELS, GROUPS, seed=0)


def test_clips_like_the_training_clips_are_spread_from_0_to_1(novelty):
    found = novelty(clips(1_000))
    assert 0.2 < np.median(found) < 0.7
    assert (found > 0.95).mean() < 0.15


def test_what_lies_farther_is_more_novel_and_beyond_all_it_exceeds_1(novelty):
    found = [novelty(clips(1, offset)).item() for offset in (0.0, 1.0, 3.0, 10.0, 1e6)]
    assert found == sorted(found)
    assert found[2] > 1
    assert found[4] == pytest.approx(2.0, abs=1e-3)


def test_a_direction_in_which_training_clips_never_vary_does_not_count():
    vectors = clips(240, seed=0)
    vectors[:, 3] = 0.0
    novelty = Novelty.learn(vectors, LABELS, GROUPS, seed=0)
    one = clips(1)
    one[:, 3] = 0.0
    moved = one.copy()
    moved[:, 3] = 100.0
    np.testing.assert_allclose(novelty(one), novelty(moved), atol=1e-6)


def test_a_single_group_still_gives_an_answer():
    novelty = Novelty.learn(clips(60), LABELS[:60], np.array(["one"] * 60), seed=0)
    assert np.isfinite(novelty(clips(3))).all()
