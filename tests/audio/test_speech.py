"""Voices are brought to common terms: what is around the speech, its level and its channel do not count."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affetto.audio.degradation import active_power
from affetto.audio.speech import SpeechParameters, cut_to_speech, prepare_speech

RATE_HZ = 16_000
LEVEL_DB = -26.0


def voice(seconds=1.0, *, seed=0):
    """Noise whose level goes up and down four times a second, as syllables do."""
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    noise = np.random.default_rng(seed).standard_normal(len(time))
    return (0.1 * noise * (0.2 + np.abs(np.sin(2 * np.pi * 2 * time + 0.3)))).astype(np.float32)


def prepared(samples, **parameters):
    return prepare_speech(samples, RATE_HZ, SpeechParameters(**parameters))


def decibels(power):
    return 10 * np.log10(power)


@settings(max_examples=30, deadline=None)
@given(
    gain_db=st.floats(-40, 15),
    before=st.integers(0, 200),
    behind=st.integers(0, 16_000),
)
def test_gain_and_silence_around_do_not_count(gain_db, before, behind):
    samples = voice()
    moved = np.pad(samples * np.float32(10 ** (gain_db / 20)), (before * 160, behind))
    np.testing.assert_allclose(prepared(moved), prepared(samples), atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(offset=st.floats(-0.3, 0.3), before=st.integers(0, 50), behind=st.integers(0, 16_000))
def test_an_offset_is_no_sound(offset, before, behind):
    samples = voice()
    moved = np.pad(samples, (before * 160, behind)) + np.float32(offset)
    np.testing.assert_allclose(prepared(moved), prepared(samples), atol=1e-3)  # the mean of the sound itself
    constant = prepared(np.full(8_000, offset, np.float32))
    np.testing.assert_allclose(constant, prepared(np.zeros(8_000, np.float32)), atol=1e-6)


@pytest.mark.parametrize("level_dbfs", [-26.0, -35.0])
def test_the_level_of_active_speech_is_the_one_wanted(level_dbfs):
    found = prepared(voice(3.0), level_dbfs=level_dbfs, noise_db=None)
    assert decibels(active_power(found, RATE_HZ)) == pytest.approx(level_dbfs, abs=0.01)


def test_the_floor_lies_as_far_below_as_wanted_and_is_the_same_for_all():
    floors = []
    for seed in (1, 2):
        samples = voice(2.0, seed=seed)
        floors.append(prepared(samples, noise_db=30.0) - prepared(samples, noise_db=None))
    n = min(map(len, floors))
    np.testing.assert_allclose(floors[0][:n], floors[1][:n], atol=1e-6)
    assert decibels(np.mean(floors[0] ** 2)) == pytest.approx(LEVEL_DB - 30.0, abs=1.0)


def test_what_is_left_around_speech_is_always_as_long():
    speech = np.tile(np.array([0.5, -0.5], np.float32), 800)
    for around in (0, 100, 5000):
        found = cut_to_speech(np.pad(speech, around), RATE_HZ, range_db=40.0, padding_s=0.05)
        first, last = np.flatnonzero(found)[[0, -1]]
        # the level is smoothed over three frames: one of them may be kept on each side
        assert 800 <= first <= 800 + 2 * 160
        assert 800 <= len(found) - 1 - last <= 800 + 2 * 160


def test_pauses_inside_are_kept():
    samples = np.concatenate([voice(0.5), np.zeros(RATE_HZ, np.float32), voice(0.5)])
    found = cut_to_speech(samples, RATE_HZ, range_db=40.0, padding_s=0.0)
    assert len(found) == pytest.approx(2 * RATE_HZ, abs=800)


@pytest.mark.parametrize("samples", [np.zeros(5000, np.float32), np.zeros(1, np.float32), voice()[:3]])
def test_silence_and_specks_stay_finite(samples):
    found = prepared(samples)
    assert np.isfinite(found).all()
    assert len(found) >= 1
    assert np.abs(found).max() <= 1.0


def test_nothing_leaves_full_scale():
    click = np.zeros(RATE_HZ, np.float32)
    click[8000] = 1.0
    found = prepared(click + 1e-4 * voice(), level_dbfs=0.0)
    assert found.min() >= -1.0
    assert found.max() <= 32_767 / 32_768


def test_another_sample_rate_gets_the_same_floor():
    quiet = prepare_speech(np.zeros(8000, np.float32), 8000, SpeechParameters())
    assert decibels(np.mean(quiet.astype(np.float64) ** 2)) == pytest.approx(LEVEL_DB - 30.0, abs=1.5)
