import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from affetto.corpora.demo_speech import Utterance, speak
from affetto.recommendation.parameters import VoiceActivityParameters
from affetto.recommendation.voice import SAMPLE_RATE_HZ, detect_speech, frame_measures

SECONDS = 3
TIME = np.arange(SECONDS * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ


def coloured_noise(exponent, seed=0):
    """Noise with a power spectrum of 1 / f**exponent, peak 0.5."""
    rng = np.random.default_rng(seed)
    frequency = np.fft.rfftfreq(len(TIME))
    spectrum = rng.normal(size=len(frequency)) + 1j * rng.normal(size=len(frequency))
    spectrum[1:] /= frequency[1:] ** (exponent / 2)
    spectrum[0] = 0
    noise = np.fft.irfft(spectrum, len(TIME))
    return 0.5 * noise / np.abs(noise).max()


def speech_like(f0=120.0, seed=0):
    """Syllables of 180 ms: a gliding pulse train through two formants, with noise between them."""
    rng = np.random.default_rng(seed)
    phase = 2 * np.pi * np.cumsum(f0 * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * TIME))) / SAMPLE_RATE_HZ
    harmonics = np.arange(1, 25)
    gain = np.exp(-(((harmonics * f0 - 600) / 300) ** 2)) + 0.4 * np.exp(
        -(((harmonics * f0 - 1500) / 400) ** 2)
    )
    voiced = (gain[:, None] * np.sin(harmonics[:, None] * phase)).sum(axis=0)
    syllable = np.clip(np.sin(2 * np.pi * 2.8 * TIME), 0, None) ** 2
    hiss = rng.normal(size=len(TIME)) * np.clip(-np.sin(2 * np.pi * 2.8 * TIME), 0, None) ** 4
    return 0.1 * voiced * syllable + 0.01 * hiss


HUM = sum(np.sin(2 * np.pi * 100 * k * TIME) / k for k in range(1, 8))
NOT_SPEECH = {
    "nothing": np.zeros(0),
    "silence": np.zeros(len(TIME)),
    "faint noise": 1e-4 * coloured_noise(0),
    "white noise": coloured_noise(0),
    "pink noise": coloured_noise(1),
    "brown noise": coloured_noise(2),
    "swelling noise": coloured_noise(1) * (1 + np.sin(2 * np.pi * 4 * TIME)) / 2,
    "tone": 0.3 * np.sin(2 * np.pi * 220 * TIME),
    "tone that starts and stops": 0.3 * np.sin(2 * np.pi * 220 * TIME) * ((TIME > 1) & (TIME < 2)),
    "hum": 0.1 * HUM,
    "one click": np.eye(1, len(TIME), 9000)[0],
    "clicks": (np.arange(len(TIME)) % 4000 == 0) * 0.9,
    "offset": np.full(len(TIME), 0.2),
    "not a number": np.full(len(TIME), np.nan),
    "too short": speech_like()[4000:5600],
}


@pytest.mark.parametrize("name", NOT_SPEECH)
def test_other_sounds_are_no_speech(name):
    activity = detect_speech(NOT_SPEECH[name])
    assert not activity.speech
    assert activity.reason


@pytest.mark.parametrize("f0", [80, 120, 220, 350])
@pytest.mark.parametrize("level", [1.0, 0.01])
def test_speech_like_sound_is_speech(f0, level):
    assert detect_speech(level * speech_like(f0)).speech


def test_speech_is_heard_through_noise():
    clean = speech_like()
    noise = coloured_noise(1, seed=4)
    assert detect_speech(clean + noise * clean.std() / noise.std() / 10 ** (10 / 20)).speech


def test_level_is_that_of_the_rms():
    level, periodicity = frame_measures(np.sqrt(2) * 0.1 * np.sin(2 * np.pi * 200 * TIME))
    assert level == pytest.approx(-20, abs=0.01)
    assert periodicity.min() > 0.95


@given(st.integers(0, 2000))
@settings(max_examples=20)
def test_any_length_works(n):
    level, periodicity = frame_measures(np.random.default_rng(n).normal(size=n))
    assert len(level) == len(periodicity) == max(1, (max(n, 640) - 640) // 160 + 1)


def test_chunks_do_not_show():
    sound = np.tile(speech_like(), 5)
    level, periodicity = frame_measures(sound)
    late_level, late_periodicity = frame_measures(sound[160 * 777 :])
    np.testing.assert_allclose(level[777:], late_level, atol=1e-4)
    np.testing.assert_allclose(periodicity[777:], late_periodicity, atol=1e-4)


def test_thresholds_are_parameters():
    strict = VoiceActivityParameters(min_voiced_s=10)
    assert "voiced" in detect_speech(speech_like(), strict).reason


@pytest.mark.parametrize("voice", ["en-us", "de+f3"])
def test_synthetic_voices_are_speech(voice):
    pytest.importorskip("espeakng_loader")
    (spoken,) = speak([Utterance(voice, "The seven men are sitting by the sea.", 160, 80, 50, 50)])
    assert detect_speech(soxr.resample(spoken, 22_050, SAMPLE_RATE_HZ)).speech
