import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affetto.audio.conditions import (
    Background,
    Level,
    Offset,
    Pause,
    PinkNoise,
    Silence,
    Stereo,
    Surround,
    Telephone,
)
from affetto.audio.level import active_power, pink_noise, seed_of

RATE = 16_000


def tone(hz, seconds=1.0, peak=0.5):
    time = np.arange(round(seconds * RATE)) / RATE
    return (peak * np.sin(2 * np.pi * hz * time)).astype(np.float32)


def degraded(condition, samples):
    return condition.degrade(samples, RATE).samples


def decibels(power):
    return 10 * np.log10(power)


@given(st.floats(-60, 0), st.floats(1e-3, 1.0))
def test_the_peak_is_the_one_asked_for_and_the_shape_stays(peak_dbfs, peak):
    samples = tone(440, 0.1, peak)

    scaled = degraded(Level(peak_dbfs=peak_dbfs), samples)

    assert 20 * np.log10(np.abs(scaled).max()) == pytest.approx(peak_dbfs, abs=1e-3)
    np.testing.assert_allclose(scaled / scaled[10], samples / samples[10], rtol=1e-4, atol=1e-5)


@given(st.floats(-0.5, 0.5), st.floats(0.1, 1.0))
def test_an_offset_moves_a_clip_inside_full_scale(offset, peak):
    clip = tone(440, 0.1, peak)

    moved = degraded(Offset(offset=offset), clip)

    assert np.abs(moved).max() <= 1.0
    np.testing.assert_allclose(moved, np.ptp(moved) / np.ptp(clip) * (clip + offset), atol=1e-4)


def test_the_noise_beside_a_voice_does_not_grow_with_its_offset():
    clip, moved = tone(200), tone(200) + np.float32(0.3)
    noises = [degraded(PinkNoise(snr_db=20.0), samples) - samples for samples in (clip, moved)]

    assert np.std(noises[1]) == pytest.approx(np.std(noises[0]), rel=0.05)


def test_silence_has_no_level_to_change():
    assert not degraded(Level(peak_dbfs=-30.0), np.zeros(10, np.float32)).any()
    assert degraded(Level(peak_dbfs=-30.0), np.zeros(0, np.float32)).size == 0


def test_the_second_channel_is_softer_by_what_was_asked():
    first, second = degraded(Stereo(second_db=-6.0), tone(440))

    np.testing.assert_array_equal(first, tone(440))
    assert decibels(np.mean(second**2) / np.mean(first**2)) == pytest.approx(-6.0, abs=1e-3)


@given(st.floats(0.001, 1.0), st.integers(0, 4_000))
def test_silence_lengthens_a_clip_on_both_sides_and_leaves_it_as_it_is(seconds, n):
    samples = np.full(n, 0.25, np.float32)

    longer = degraded(Silence(seconds=seconds), samples)

    side = round(seconds * RATE)
    assert len(longer) == n + 2 * side
    np.testing.assert_array_equal(longer[side : side + n], samples)
    assert not longer[:side].any() and not longer[side + n :].any()


def test_the_floor_of_the_silence_has_the_level_asked_for():
    longer = degraded(Silence(seconds=2.0, floor_dbfs=-60.0), tone(440))

    assert decibels(np.mean(longer[: 2 * RATE] ** 2)) == pytest.approx(-60.0, abs=0.2)


def test_pink_noise_falls_by_3_db_an_octave():
    power = np.abs(np.fft.rfft(pink_noise(2**18, seed=3))) ** 2
    octaves = [2**k for k in range(10, 17)]
    levels = [decibels(power[low : 2 * low].mean()) for low in octaves]

    np.testing.assert_allclose(np.diff(levels), -3.0103, atol=0.5)
    assert np.polyfit(range(len(levels)), levels, 1)[0] == pytest.approx(-3.0103, abs=0.1)
    assert np.mean(pink_noise(2**18, seed=3) ** 2) == pytest.approx(1.0, rel=1e-4)


@pytest.mark.parametrize("snr_db", [0.0, 20.0, 40.0])
def test_the_snr_is_that_of_active_speech_and_pauses_do_not_change_it(snr_db):
    speech = tone(440, 1.0, 0.1)
    with_pauses = degraded(Silence(seconds=2.0), speech)

    noise = degraded(PinkNoise(snr_db=snr_db), with_pauses) - with_pauses

    measured = decibels(np.mean(speech**2) / np.mean(noise**2))
    assert measured == pytest.approx(snr_db, abs=0.1)


def test_a_clip_meets_the_same_noise_each_time_and_another_clip_another():
    first, again, other = (degraded(PinkNoise(snr_db=10.0), tone(hz)) - tone(hz) for hz in (440, 440, 450))

    np.testing.assert_array_equal(first, again)
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.5
    assert seed_of(tone(440)) == seed_of(tone(440).copy()) != seed_of(tone(450))


def test_noise_never_clips_a_loud_clip():
    noisy = degraded(PinkNoise(snr_db=0.0), tone(440, peak=1.0))

    assert np.abs(noisy).max() <= 32_767 / 32_768 + 1e-6  # a step of float32
    assert not degraded(PinkNoise(snr_db=20.0), np.zeros(100, np.float32)).any()
    assert degraded(PinkNoise(snr_db=20.0), np.zeros(0, np.float32)).size == 0


@pytest.mark.parametrize("sound", ["clicks", "beep", "knocks", "handling", "hum", "music"])
def test_other_sounds_lie_around_a_clip_or_below_it(sound):
    speech = tone(440, 1.0, 0.1)

    around = degraded(Surround(sound=sound, before_s=1.0, behind_s=2.0, level_db=6.0), speech)
    below = degraded(Background(sound=sound, snr_db=10.0), speech) - speech

    np.testing.assert_array_equal(around[RATE : -2 * RATE], speech)
    for side in (around[:RATE], around[-2 * RATE :]):
        assert np.abs(side).max() == pytest.approx(0.2, rel=0.01)
    assert decibels(np.mean(speech**2) / np.mean(below**2)) == pytest.approx(10.0, abs=0.1)
    again = degraded(Surround(sound=sound, before_s=1.0, behind_s=2.0, level_db=6.0), speech)
    np.testing.assert_array_equal(again, around)
    assert (
        degraded(Surround(sound=sound, before_s=0.0, behind_s=0.0, level_db=0.0), speech).size == speech.size
    )


def test_a_pause_lies_at_the_softest_moment_in_the_middle():
    speech = tone(440, 0.9, 0.1)
    at = round(0.4 * RATE)
    speech[at : at + 1_600] *= 0.01

    paused = degraded(Pause(seconds=2.0, floor_dbfs=-70.0), speech)

    start = int(np.flatnonzero(paused[: len(speech)] != speech)[0])
    assert at <= start <= at + 1_600
    assert decibels(np.mean(paused[start : start + 2 * RATE] ** 2)) == pytest.approx(-70.0, abs=0.2)
    np.testing.assert_array_equal(np.delete(paused, np.s_[start : start + 2 * RATE]), speech)
    assert degraded(Pause(seconds=1.0, floor_dbfs=-70.0), speech[:10]).size == 10 + RATE


def test_active_power_leaves_pauses_out():
    speech = tone(500, 1.0)

    paused = active_power(degraded(Silence(seconds=1.0), speech), RATE)

    assert paused == pytest.approx(0.125, rel=0.01)
    assert active_power(speech, RATE) == pytest.approx(0.125, rel=0.01)


@pytest.mark.parametrize("hz", [400, 1_000, 2_000, 3_300])
def test_the_telephone_lets_its_band_through(hz):
    passed = degraded(Telephone(), tone(hz))[2_000:6_000]

    assert len(degraded(Telephone(), tone(hz))) == 8_000
    assert decibels(np.mean(passed**2) / 0.125) == pytest.approx(0.0, abs=0.3)


@pytest.mark.parametrize("hz", [50, 100, 200, 3_700, 3_900, 5_000, 7_000])
def test_the_telephone_takes_away_what_is_outside_its_band(hz):
    passed = degraded(Telephone(), tone(hz))[2_000:6_000]

    assert decibels(np.mean(passed**2) / 0.125) < -35.0
