import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affetto.models.crops import Crops, cut, draw_crops, interpolate

LENGTHS = st.lists(st.integers(1, 70), min_size=1, max_size=6)


def ramps(lengths):
    """Clips whose values are the numbers of their frames."""
    return [np.tile(np.arange(n, dtype=np.float32)[:, None], (1, 2)) for n in lengths]


@settings(max_examples=60, deadline=None)
@given(
    lengths=LENGTHS,
    width=st.integers(1, 50),
    stretch=st.sampled_from([0.0, 0.2, 0.8]),
    grid=st.sampled_from([None, 1, 4, 8]),
    seed=st.integers(0, 99),
)
def test_crops_have_the_width_and_stay_within_the_clip(lengths, width, stretch, grid, seed):
    generator = np.random.default_rng(seed)
    crops = draw_crops(np.array(lengths), width, stretch=stretch, generator=generator, grid=grid)
    assert np.all((crops.lengths >= 1) & (crops.lengths <= width))
    assert np.all((crops.first >= 0) & (crops.first <= np.array(lengths) - 1))
    found = cut(ramps(lengths), crops, width)
    assert found.shape == (len(lengths), width, 2)
    assert found.dtype == np.float32
    for row, n, first, rate, length in zip(
        found, lengths, crops.first, crops.rate, crops.lengths, strict=True
    ):
        expected = np.minimum(first + rate * np.arange(length), n - 1)
        np.testing.assert_allclose(row[:length, 0], expected, atol=1e-4)
        np.testing.assert_allclose(row[length:, 0], expected.mean(), rtol=1e-4, atol=1e-4)
    if grid is not None:
        assert np.all(crops.first % grid == 0)


def test_every_start_on_the_grid_is_drawn_and_the_last_one_reaches_the_end():
    generator = np.random.default_rng(0)
    crops = draw_crops(np.full(500, 175), 128, stretch=0.0, generator=generator, grid=8)
    assert set(crops.first) == {0, 8, 16, 24, 32, 40, 48}
    assert set(crops.lengths[crops.first == 48]) == {127}
    assert set(crops.lengths[crops.first < 48]) == {128}


def test_a_short_clip_comes_back_and_its_mean_fills_the_rest():
    crops = draw_crops(np.array([9]), 16, stretch=0.0, generator=np.random.default_rng(0))
    found = cut(ramps([9]), crops, 16)
    np.testing.assert_array_equal(found[0, :9], ramps([9])[0])
    np.testing.assert_array_equal(found[0, 9:], np.full((7, 2), 4.0))
    assert crops.lengths.tolist() == [9]


@settings(max_examples=40, deadline=None)
@given(lengths=LENGTHS, size=st.sampled_from([1, 2, 8]), stretch=st.floats(0, 0.5), seed=st.integers(0, 99))
def test_both_inputs_of_a_crop_tell_the_same_time(lengths, size, stretch, seed):
    width = 5 * size
    generator = np.random.default_rng(seed)
    crops = draw_crops(np.array(lengths), width, stretch=stretch, generator=generator, grid=size)
    steps = crops.coarser(size)
    assert np.array_equal(steps.lengths, -(-crops.lengths // size))
    last = np.array([-(-n // size) - 1 for n in lengths])
    for i in range(len(lengths)):
        whole = crops.lengths[i] // size
        middles = crops.first[i] + crops.rate[i] * size * np.arange(whole)
        positions = np.minimum(steps.first[i] + steps.rate[i] * np.arange(whole), last[i])
        inside = positions < last[i]
        np.testing.assert_allclose(size * positions[inside], middles[inside])


def test_unstretched_windows_are_those_of_the_first_step():
    crops = Crops(np.array([16.0]), np.ones(1), np.array([33], np.int32))
    np.testing.assert_array_equal(cut(ramps([22]), crops.coarser(8), 6)[0, :5, 0], [2, 3, 4, 5, 6])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 9), min_size=1, max_size=20))
def test_interpolation_of_a_ramp_is_exact(positions):
    found = interpolate(ramps([10])[0], np.array(positions))
    np.testing.assert_allclose(found, np.tile(np.array(positions)[:, None], (1, 2)), atol=1e-5)


def test_the_same_seed_draws_the_same_crops():
    first, again, other = (
        draw_crops(np.full(9, 90), 32, stretch=0.2, generator=np.random.default_rng(seed))
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first.first, again.first)
    assert not np.array_equal(first.first, other.first)
    assert first.rate.min() == pytest.approx(1, abs=0.2)
