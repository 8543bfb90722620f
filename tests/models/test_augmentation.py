import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affetto.models.augmentation import (
    AugmentationParameters,
    borrow_means,
    borrow_spectra,
    hide_stripes,
    mix,
    vary_levels,
    warp_bands,
)

OFF = AugmentationParameters.none()
ON = AugmentationParameters()


def clips(lengths, n_bands=12, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.uniform(-60, 0, (n, n_bands)).astype(np.float32) for n in lengths]


def everything(seed):
    rng = np.random.default_rng(seed)
    crops = warp_bands(np.stack(clips([32] * 3)), ON, rng)
    crops = hide_stripes(vary_levels(crops, ON, rng), ON, rng)
    crops = borrow_means(
        crops, crops.mean(axis=1), crops[::-1].mean(axis=1), probability=0.5, offset=0.2, generator=rng
    )
    batch, targets = mix({"log_mel": crops}, np.eye(3, dtype=np.float32), alpha=0.4, generator=rng)
    return batch["log_mel"], targets


def test_same_seed_same_batch_and_another_seed_another():
    first, again, other = everything(3), everything(3), everything(4)
    for left, right in zip(first, again, strict=True):
        np.testing.assert_array_equal(left, right)
    assert not np.array_equal(first[0], other[0])


@settings(max_examples=40, deadline=None)
@given(shift=st.floats(0, 20), scale=st.floats(0, 0.8), n_bands=st.integers(1, 12), seed=st.integers(0, 99))
def test_warped_bands_stay_within_those_they_are_read_from(shift, scale, n_bands, seed):
    crops = np.stack(clips([5, 5], n_bands, seed=seed))
    strengths = OFF.model_copy(update={"band_shift": shift, "band_scale": scale})
    warped = warp_bands(crops, strengths, np.random.default_rng(seed))
    assert warped.dtype == np.float32
    assert np.all(warped.min(axis=2) >= crops.min(axis=2) - 1e-3)
    assert np.all(warped.max(axis=2) <= crops.max(axis=2) + 1e-3)
    np.testing.assert_allclose(warp_bands(crops, OFF, np.random.default_rng(seed)), crops, rtol=1e-6)


def test_a_shift_moves_a_line_to_lower_bands():
    line = np.full((1, 8, 12), -50, np.float32)
    line[:, :, 6] = 0

    class Upmost(np.random.Generator):
        def uniform(self, low, high, size):
            return np.full(size, high)

    warped = warp_bands(line, OFF.model_copy(update={"band_shift": 2.0}), Upmost(np.random.PCG64(0)))
    assert warped[0, 0].argmax() == 4
    np.testing.assert_allclose(warped[0, :, 4], 0, atol=1e-5)


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
    batch = {"log_mel": crops, "log_mel_lengths": lengths}
    mixed, blended = mix(batch, targets, alpha=alpha, generator=rng)
    np.testing.assert_allclose(blended.sum(axis=1), 1, atol=1e-5)
    assert np.all(mixed["log_mel_lengths"] >= lengths)
    assert mixed["log_mel"].shape == crops.shape
    assert np.abs(mixed["log_mel"]).max() <= np.abs(crops).max() + 1e-5


def test_all_inputs_are_mixed_with_the_same_partner_by_the_same_share():
    identity = np.eye(8, dtype=np.float32)
    batch = {name: np.repeat(identity[:, None], width, axis=1) for name, width in (("a", 5), ("b", 2))}
    mixed, targets = mix(batch, identity, alpha=1.0, generator=np.random.default_rng(2))
    assert np.any(targets != identity)
    for name in batch:
        np.testing.assert_allclose(mixed[name], np.broadcast_to(targets[:, None], mixed[name].shape))


def test_borrowed_means_lie_between_the_two_clips_and_keep_the_course():
    rng = np.random.default_rng(3)
    windows = rng.normal(size=(40, 6, 5)).astype(np.float32)
    own, other = np.zeros((40, 5)), np.ones((40, 5))
    moved = borrow_means(windows, own, other, probability=0.5, offset=0.0, generator=rng)
    share = (moved - windows)[:, :1, :1]
    np.testing.assert_allclose(moved - windows, np.broadcast_to(share, windows.shape), atol=1e-6)
    assert share.min() == 0
    assert 0.5 < share.max() <= 1
    assert 0.3 < np.mean(share == 0) < 0.7


def test_an_offset_is_the_same_in_all_steps_of_a_crop():
    still = np.zeros((200, 3, 20), np.float32)
    rng = np.random.default_rng(4)
    moved = borrow_means(still, still[:, 0], still[:, 0], probability=0.0, offset=0.2, generator=rng)
    assert np.ptp(moved, axis=1).max() == 0
    assert moved.std() == pytest.approx(0.2, rel=0.1)


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
