import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affetto.models.augmentation import (
    AugmentationParameters,
    Crops,
    borrow_means,
    hide_stripes,
    vary_levels,
    warp_bands,
)

OFF = AugmentationParameters(
    time_stretch=0, band_shift=0, band_scale=0, gain_db=0, tilt_db=0, borrow_probability=0,
    noise_probability=0, n_time_masks=0, n_band_masks=0,
)  # fmt: skip
ON = AugmentationParameters()
LENGTHS = st.lists(st.integers(1, 70), min_size=1, max_size=6)


def clips(lengths, n_bands=12, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.uniform(-60, 0, (n, n_bands)).astype(np.float32) for n in lengths]


def test_a_shift_moves_a_line_to_lower_bands():
    line = np.full((1, 8, 12), -50, np.float32)
    line[:, :, 6] = 0

    class Upmost(np.random.Generator):
        def uniform(self, low, high, size):
            return np.full(size, high)

    warped = warp_bands(line, OFF.model_copy(update={"band_shift": 2.0}), Upmost(np.random.PCG64(0)))
    assert warped[0, 0].argmax() == 4
    np.testing.assert_allclose(warped[0, :, 4], 0, atol=1e-5)
    assert warped.dtype == np.float32
    np.testing.assert_allclose(warp_bands(line, OFF, np.random.default_rng(0)), line, rtol=1e-6)


def test_noise_only_adds_and_reaches_its_ratio():
    silent = np.full((1, 10, 4), -90, np.float32)
    silent[0, :5] = 0
    noisy = vary_levels(
        silent,
        OFF.model_copy(update={"noise_probability": 1.0, "noise_snr_db": (10.0, 10.0)}),
        np.random.default_rng(0),
    )
    assert np.all(noisy >= silent - 1e-3)
    np.testing.assert_allclose(noisy[0, 9], 10 * np.log10(0.5 / 10), atol=0.01)


def test_hidden_cells_become_the_band_mean_and_no_more_than_asked():
    crops = np.stack(clips([50] * 8))
    hidden = hide_stripes(crops, ON, np.random.default_rng(0))
    changed = hidden != crops
    assert changed.any()
    means = np.broadcast_to(crops.mean(axis=1, keepdims=True), crops.shape)
    np.testing.assert_allclose(hidden[changed], means[changed], rtol=1e-5)
    assert (changed.all(axis=2).sum(axis=1) <= 2 * int(0.12 * 50)).all()
    np.testing.assert_array_equal(hide_stripes(crops, OFF, np.random.default_rng(0)), crops)


def test_borrowed_means_lie_between_the_two_clips_and_keep_the_course():
    rng = np.random.default_rng(3)
    windows = rng.normal(size=(40, 6, 5)).astype(np.float32)
    own, other = np.zeros((40, 5)), np.ones((40, 5))
    moved = borrow_means(windows, own, other, probability=0.5, offset=0.0, rng=rng)
    share = (moved - windows)[:, :1, :1]
    np.testing.assert_allclose(moved - windows, np.broadcast_to(share, windows.shape), atol=1e-6)
    assert share.min() == 0
    assert 0.5 < share.max() <= 1
    assert 0.3 < np.mean(share == 0) < 0.7


def test_a_strength_out_of_bounds_is_refused():
    with pytest.raises(ValueError, match="time_stretch"):
        AugmentationParameters(time_stretch=1.0)
    with pytest.raises(ValueError, match=r"noise_snr_db ends \(2\) below its start \(9\)"):
        AugmentationParameters(noise_snr_db=(9.0, 2.0))


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
    rng = np.random.default_rng(seed)
    crops = Crops.draw(np.array(lengths), width, stretch=stretch, rng=rng, grid=grid)
    assert np.all((crops.lengths >= 1) & (crops.lengths <= width))
    assert np.all((crops.first >= 0) & (crops.first <= np.array(lengths) - 1))
    found = crops.cut(ramps(lengths), width)
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


@settings(max_examples=40, deadline=None)
@given(lengths=LENGTHS, size=st.sampled_from([1, 2, 8]), stretch=st.floats(0, 0.5), seed=st.integers(0, 99))
def test_both_inputs_of_a_crop_tell_the_same_time(lengths, size, stretch, seed):
    width = 5 * size
    rng = np.random.default_rng(seed)
    crops = Crops.draw(np.array(lengths), width, stretch=stretch, rng=rng, grid=size)
    steps = crops.coarser(size)
    assert np.array_equal(steps.lengths, -(-crops.lengths // size))
    last = np.array([-(-n // size) - 1 for n in lengths])
    for i in range(len(lengths)):
        whole = crops.lengths[i] // size
        middles = crops.first[i] + crops.rate[i] * size * np.arange(whole)
        positions = np.minimum(steps.first[i] + steps.rate[i] * np.arange(whole), last[i])
        inside = positions < last[i]
        np.testing.assert_allclose(size * positions[inside], middles[inside])
