import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affetto.models.augmentation import (
    AugmentationParameters,
    borrow_spectra,
    hide_stripes,
    interpolate,
    mix,
    random_crops,
    vary_levels,
)

OFF = AugmentationParameters.none()
ON = AugmentationParameters()


def clips(lengths, n_bands=12, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.uniform(-60, 0, (n, n_bands)).astype(np.float32) for n in lengths]


def everything(seed):
    rng = np.random.default_rng(seed)
    crops, lengths = random_crops(clips([3, 40, 90]), 32, ON, rng)
    crops = hide_stripes(vary_levels(crops, ON, rng), ON, rng)
    return mix(crops, lengths, np.eye(3, dtype=np.float32), alpha=0.4, generator=rng)


def test_same_seed_same_batch_and_another_seed_another():
    first, again, other = everything(3), everything(3), everything(4)
    for left, right in zip(first, again, strict=True):
        np.testing.assert_array_equal(left, right)
    assert not np.array_equal(first[0], other[0])


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 70), min_size=1, max_size=6),
    width=st.integers(1, 50),
    seed=st.integers(0, 99),
)
def test_crops_have_the_width_and_stay_within_the_clip(lengths, width, seed):
    found = clips(lengths, seed=seed)
    crops, real = random_crops(found, width, ON, np.random.default_rng(seed))
    assert crops.shape == (len(lengths), width, 12)
    assert crops.dtype == np.float32
    assert np.all((real >= 1) & (real <= width))
    for clip, crop in zip(found, crops, strict=True):
        assert crop.min() >= clip.min() - 1e-3
        assert crop.max() <= clip.max() + 1e-3


def test_without_augmentation_a_short_clip_comes_back_and_its_mean_fills_the_rest():
    clip = clips([9])[0]
    crops, lengths = random_crops([clip], 16, OFF, np.random.default_rng(0))
    np.testing.assert_allclose(crops[0, :9], clip, atol=1e-4)
    np.testing.assert_allclose(crops[0, 9:], np.tile(clip.mean(axis=0), (7, 1)), atol=1e-4)
    assert lengths.tolist() == [9]


def test_a_shift_moves_a_line_to_lower_bands():
    line = np.full((8, 12), -50, np.float32)
    line[:, 6] = 0
    found = interpolate(line, np.arange(12) + 2.0 - 2.0 * (np.arange(12) > 9), axis=1)
    assert found[0].argmax() == 4


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 9), min_size=1, max_size=20))
def test_interpolation_of_a_ramp_is_exact(positions):
    ramp = np.tile(np.arange(10, dtype=np.float32)[:, None], (1, 3))
    found = interpolate(ramp, np.array(positions), axis=0)
    np.testing.assert_allclose(found, np.tile(np.array(positions)[:, None], (1, 3)), atol=1e-5)


def test_gain_changes_every_cell_alike():
    crops = np.stack(clips([20, 20]))
    varied = vary_levels(crops, OFF.model_copy(update={"gain_db": 6.0}), np.random.default_rng(1))
    change = (varied - crops).reshape(2, -1)
    assert np.ptp(change, axis=1).max() < 1e-4
    assert np.all(np.abs(change) <= 6 + 1e-4)


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


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 9), n_classes=st.integers(2, 5), alpha=st.floats(0, 2), seed=st.integers(0, 99))
def test_mixed_targets_still_sum_to_one(n, n_classes, alpha, seed):
    rng = np.random.default_rng(seed)
    crops, lengths = rng.normal(size=(n, 6, 3)).astype(np.float32), rng.integers(1, 7, n)
    targets = np.eye(n_classes, dtype=np.float32)[rng.integers(0, n_classes, n)]
    mixed, longer, blended = mix(crops, lengths, targets, alpha=alpha, generator=rng)
    np.testing.assert_allclose(blended.sum(axis=1), 1, atol=1e-5)
    assert np.all(longer >= lengths)
    assert mixed.shape == crops.shape
    assert np.abs(mixed).max() <= np.abs(crops).max() + 1e-5


def test_borrowing_everything_gives_the_other_clips_spectrum():
    crops = np.stack(clips([40, 40], seed=2))
    own = np.stack([[crop.mean(axis=0), crop.std(axis=0)] for crop in crops])

    class Always(np.random.Generator):
        def random(self, size):
            return np.linspace(1, 0, size)

    generator = Always(np.random.PCG64(0))
    kept = borrow_spectra(crops, own, own[::-1], probability=0.0, generator=generator)
    np.testing.assert_allclose(kept, crops, atol=1e-4)
    moved = borrow_spectra(crops, own, own[::-1], probability=1.1, generator=generator)
    np.testing.assert_allclose(moved[0].mean(axis=0), own[1, 0], atol=1e-3)
    np.testing.assert_allclose(moved[0].std(axis=0), own[1, 1], rtol=1e-3)


def test_a_strength_out_of_bounds_is_refused():
    with pytest.raises(ValueError, match="time_stretch"):
        AugmentationParameters(time_stretch=1.0)
