import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, sosfilt

from affetto.corpora.demo_speech import Utterance, speak
from affetto.recommendation.frames import SAMPLE_RATE_HZ, frame_measures, measure_blocks
from affetto.recommendation.parameters import VoiceActivityParameters
from affetto.recommendation.voice import detect_speech, find_speech

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


def notes(frequencies, length_s, decay):
    """Notes of six harmonics one after the other, as an electronic instrument plays them."""
    time = np.arange(int(length_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    sound = [
        np.exp(-decay * time) * sum(np.sin(2 * np.pi * f * k * time) / k for k in range(1, 7))
        for f in frequencies
    ]
    return np.concatenate(sound) / 3


def rumble(low_hz, high_hz):
    """Noise in a narrow band, quasi-periodic, whose level moves as that of syllables does."""
    band = butter(4, [low_hz, high_hz], "bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    noise = sosfilt(band, np.random.default_rng(0).normal(size=len(TIME)))
    return 0.15 * noise / np.abs(noise).max() * (1 + 0.9 * np.sin(2 * np.pi * 4 * TIME))


MELODY = [220, 247, 262, 294, 330, 294]
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
    "plucked melody": notes(MELODY, 0.5, 5.0),
    "fast melody": notes(MELODY * 3, 0.15, 8.0),
    "held melody": notes(MELODY, 0.5, 0.0),
    "beeps": 0.3 * np.sin(2 * np.pi * 440 * TIME) * (np.sin(2 * np.pi * 2 * TIME) > 0),
    "swelling hum": 0.1 * HUM * (1 + 0.9 * np.sin(2 * np.pi * 3 * TIME)),
    "vibrato": 0.3 * np.sin(2 * np.pi * 220 * TIME + 3 * np.sin(2 * np.pi * 5 * TIME)),
    "one click": np.eye(1, len(TIME), 9000)[0],
    "clicks": (np.arange(len(TIME)) % 4000 == 0) * 0.9,
    "offset": np.full(len(TIME), 0.2),
    "deep rumble": rumble(30, 150),
    "rumble": rumble(100, 200),
    "wide rumble": rumble(100, 300),
    "not a number": np.full(len(TIME), np.nan),
    "too short": speech_like()[4000:5600],
}


@pytest.mark.parametrize("name", NOT_SPEECH)
def test_other_sounds_are_no_speech(name):
    activity = detect_speech(NOT_SPEECH[name])
    assert not activity.speech
    assert activity.reason


@pytest.mark.parametrize("name", NOT_SPEECH)
@pytest.mark.parametrize("gain", [1.9, 0.1, 0.005])
def test_nor_are_they_at_other_levels(name, gain):
    assert not detect_speech(np.clip(gain * NOT_SPEECH[name], -1.0, 1.0)).speech


@pytest.mark.parametrize("name", ["white noise", "pink noise", "hum", "clicks", "plucked melody"])
@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_nor_from_files_of_other_rates(name, rate):
    recorded = soxr.resample(NOT_SPEECH[name], SAMPLE_RATE_HZ, rate)
    assert not detect_speech(soxr.resample(recorded, rate, SAMPLE_RATE_HZ)).speech


@pytest.mark.parametrize("name", [name for name in NOT_SPEECH if len(NOT_SPEECH[name]) > SAMPLE_RATE_HZ])
def test_nor_is_any_part_of_a_long_recording_of_them(name):
    measures = frame_measures(np.tile(NOT_SPEECH[name], 7))
    assert len(find_speech(measures, VoiceActivityParameters(), context_s=3.0)) == 0


@pytest.mark.parametrize("offset", [0.003, 0.03, 0.1, -0.3])
def test_an_offset_hides_no_speech(offset):
    plain, moved = detect_speech(speech_like()), detect_speech(speech_like() + offset)
    assert moved.speech
    assert moved.voiced_s == pytest.approx(plain.voiced_s, abs=0.05)


def seconds(stretches):
    return (stretches[:, 1] - stretches[:, 0]).sum()


@pytest.mark.parametrize("other", ["silence", "white noise", "pink noise", "hum", "clicks", "plucked melody"])
def test_speech_is_found_where_it_is(other):
    between = 0.3 * NOT_SPEECH[other]
    sound = np.concatenate([between, speech_like(), speech_like(), between, speech_like(200.0), between])
    found = find_speech(frame_measures(sound), VoiceActivityParameters(), context_s=3.0)
    inside = [(3.0, 9.0), (12.0, 15.0)]
    for start, end in found:
        assert any(start >= first - 0.05 and end <= last + 0.05 for first, last in inside)
    assert seconds(found) > 0.8 * 9.0


def test_a_short_recording_of_speech_needs_no_context():
    found = find_speech(frame_measures(speech_like()), VoiceActivityParameters())
    assert seconds(found) > 0.8 * SECONDS
    assert (found >= 0).all()
    assert (found <= SECONDS).all()


def test_a_slammed_door_does_not_hide_who_speaks_softly():
    door = 0.99 * NOT_SPEECH["white noise"] / np.abs(NOT_SPEECH["white noise"]).max()
    silence = np.zeros(40 * SAMPLE_RATE_HZ)
    sound = np.concatenate([door, silence, 0.003 * speech_like()])
    assert seconds(find_speech(frame_measures(sound), VoiceActivityParameters(), context_s=3.0)) > 2.0


def test_blocks_do_not_show():
    sound = speech_like()
    whole = frame_measures(sound)
    parts, n_samples = measure_blocks(np.array_split(sound, [0, 7, 8000, 8001, 30_000]))
    assert n_samples == len(sound)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_period_is_that_of_the_pitch():
    measures = frame_measures(np.sin(2 * np.pi * 73.4 * TIME) + np.sin(2 * np.pi * 146.8 * TIME))
    assert measures.period == pytest.approx(SAMPLE_RATE_HZ / 73.4, rel=0.03)


@pytest.mark.parametrize("f0", [80, 120, 220, 350])
@pytest.mark.parametrize("level", [1.0, 0.01])
def test_speech_like_sound_is_speech(f0, level):
    assert detect_speech(level * speech_like(f0)).speech


def test_speech_is_heard_through_noise():
    clean = speech_like()
    noise = coloured_noise(1, seed=4)
    assert detect_speech(clean + noise * clean.std() / noise.std() / 10 ** (10 / 20)).speech


def test_level_is_that_of_the_rms():
    level, periodicity, *_ = frame_measures(np.sqrt(2) * 0.1 * np.sin(2 * np.pi * 200 * TIME))
    assert level == pytest.approx(-20, abs=0.01)
    assert periodicity.min() > 0.95


@given(st.integers(0, 2000))
@settings(max_examples=20)
def test_any_length_works(n):
    level, periodicity, *_ = frame_measures(np.random.default_rng(n).normal(size=n))
    assert len(level) == len(periodicity) == max(1, (max(n, 640) - 640) // 160 + 1)


def test_the_upper_level_is_that_above_600_hz():
    low, high = (np.sin(2 * np.pi * hz * TIME) for hz in (200, 1000))
    assert frame_measures(high).upper.min() > -0.1
    assert frame_measures(low).upper.max() < -60
    np.testing.assert_allclose(frame_measures(low + 0.1 * high).upper, -20.04, atol=0.5)


def test_chunks_do_not_show():
    sound = np.tile(speech_like(), 5)
    level, periodicity, *_ = frame_measures(sound)
    late_level, late_periodicity, *_ = frame_measures(sound[160 * 777 :])
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
