import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from affetto.models import sequences

frames_strategy = st.tuples(st.integers(1, 60), st.integers(1, 4)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.floats(-1e3, 1e3, width=32))
)


def naive_windows(frames, window, hop):
    rows, start = [], 0
    while start == 0 or start + window <= len(frames):
        part = frames[start : start + window].astype(np.float64)
        rows.append(np.concatenate([part.mean(axis=0), part.std(axis=0)]))
        start += hop
    return np.array(rows)


@given(frames_strategy, st.integers(1, 20), st.integers(1, 20))
def test_texture_windows_equal_a_plain_loop(frames, window, hop):
    found = sequences.texture_windows(frames, window, hop)
    expected = naive_windows(frames, window, hop)
    assert found.dtype == np.float32
    assert len(found) == len(sequences.window_starts(len(frames), window, hop))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_large_offset_keeps_its_small_deviation():
    frames = (1e4 + np.tile([[0.0], [1.0]], (500, 1))).astype(np.float32)
    np.testing.assert_allclose(sequences.texture_windows(frames, 10, 5)[:, 1], 0.5, rtol=1e-4)


def test_no_frames_give_one_window_of_zeros():
    np.testing.assert_array_equal(
        sequences.texture_windows(np.zeros((0, 3), np.float32), 5, 2), np.zeros((1, 6))
    )


@pytest.mark.parametrize(("seconds", "frames"), [(1.2, 52), (0.0, 1), (0.01, 1)])
def test_window_frames(seconds, frames):
    assert sequences.window_frames(seconds, 512 / 22050) == frames


def test_standardised_training_clips_have_mean_0_and_deviation_1():
    rng = np.random.default_rng(0)
    clips = [rng.normal([3, -2, 7], [2, 0.5, 0], (n, 3)).astype(np.float32) for n in (40, 60)]
    mean, deviation = sequences.standardisation(clips)
    assert deviation[2] == 1
    together = np.concatenate(sequences.standardise(clips, mean, deviation))
    np.testing.assert_allclose(together.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(together.std(axis=0), [1, 1, 0], atol=1e-3)
    assert np.abs(sequences.standardise([np.full((1, 3), 1e9)], mean, deviation)[0]).max() == 5


@given(st.lists(st.integers(1, 12), min_size=1, max_size=5), st.floats(0.1, 1), st.integers(0, 99))
def test_crops_are_stretches_of_the_clips(lengths, shortest, seed):
    batch = np.zeros((len(lengths), max(lengths), 1), np.float32)
    for row, length in enumerate(lengths):
        batch[row, :length, 0] = np.arange(1, length + 1)
    kept = np.array(lengths, np.int32)
    sequences.crop_steps(batch, kept, shortest, np.random.default_rng(seed))
    for row, length in enumerate(lengths):
        n = kept[row]
        assert np.ceil(shortest * length) - 1 <= n <= length
        assert n >= 1
        np.testing.assert_array_equal(np.diff(batch[row, :n, 0]), 1)
        assert batch[row, n - 1, 0] <= length
        assert not batch[row, n:].any()


def test_nearest_rows_lie_around_the_middle_of_each_window():
    rows = sequences.nearest_rows(6, window_s=1.2, hop_s=0.6, row_hop_s=0.5)
    middles = 0.6 + 0.6 * np.arange(6)
    assert np.all(np.abs(rows * 0.5 - middles) <= 0.25 + 1e-9)
    np.testing.assert_array_equal(
        sequences.nearest_rows(4, window_s=0.0, hop_s=0.8, row_hop_s=0.8), np.arange(4)
    )
