"""Conditions: the copies that they make of a clip, and the files that these come in."""

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import TypeAdapter, ValidationError

from affetto.audio.conditions import Condition, Copy, Excerpt, NoiseAlone, write_copy
from affetto.audio.decode import read_audio
from affetto.audio.sounds import pink_noise
from affetto.evaluation.parameters import EvaluationParameters, RobustnessParameters

RATE = 16_000
SOUNDS = ["clicks", "beep", "knocks", "handling", "hum", "music"]


def tone(hz, seconds=1.0, peak=0.5):
    time = np.arange(round(seconds * RATE)) / RATE
    return (peak * np.sin(2 * np.pi * hz * time)).astype(np.float32)


VOICE = tone(300, peak=0.3) + tone(1_700, peak=0.1)


def decibels(power):
    return 10 * np.log10(power)


def copied(samples, **entry):
    return TypeAdapter(Condition).validate_python(entry).degrade(samples, RATE)


def degraded(samples, kind, **entry):
    return copied(samples, kind=kind, **entry).samples


def heard(tmp_path, copy, **options):
    return read_audio(write_copy(copy, tmp_path), **options)


@given(arrays(np.int16, st.integers(1, 500)))
def test_flac_and_wav_give_back_every_16_bit_sample(tmp_path_factory, steps):
    folder = tmp_path_factory.getbasetemp()
    samples = (steps / 32_768).astype(np.float32)

    for name in ("flac", "wav"):
        again, rate = heard(folder, Copy(samples, RATE, name))
        np.testing.assert_array_equal(again, samples)
        assert rate == RATE


@pytest.mark.parametrize("name", ["mp3", "ogg", "opus", "mu_law", "m4a", "webm"])
def test_lossy_formats_are_really_encoded_and_sound_alike(tmp_path, name):
    again, rate = heard(tmp_path, Copy(VOICE, RATE, name), sample_rate_hz=RATE)

    assert rate == RATE
    assert abs(len(again) - len(VOICE)) < 0.1 * RATE
    if name == "mp3":  # a format takes the next rate that it allows
        assert heard(tmp_path, Copy(VOICE, 17_000, name))[1] == 22_050
        assert heard(tmp_path, Copy(VOICE, 96_000, name))[1] == 48_000
    error = again[4_000:12_000] - VOICE[4_000:12_000]
    assert 0 < np.mean(error**2) < 0.01 * np.mean(VOICE**2)


def test_the_loudest_samples_do_not_wrap_around(tmp_path):
    extremes = np.array([1.0, -1.0, 1.5, -1.5] * 100, np.float32)

    for name in ("wav", "flac", "mu_law"):
        again, _ = heard(tmp_path, Copy(extremes, RATE, name))
        np.testing.assert_allclose(again, np.sign(extremes), atol=0.03)


@pytest.mark.parametrize(
    ("entry", "rate", "n_channels", "seconds"),
    [
        ({"kind": "level", "peak_dbfs": -30.0}, RATE, 1, 1.0),
        ({"kind": "stereo", "second_db": -6.0}, RATE, 2, 1.0),
        ({"kind": "rate", "sample_rate_hz": 44_100}, 44_100, 1, 1.0),
        ({"kind": "speed", "factor": 1.25}, 20_000, 1, 0.8),
        ({"kind": "silence", "floor_dbfs": -60.0}, RATE, 1, 2.0),
        ({"kind": "offset", "offset": 0.1}, RATE, 1, 1.0),
        ({"kind": "pink_noise", "snr_db": 20.0}, RATE, 1, 1.0),
        ({"kind": "surround", "sound": "beep", "behind_s": 0.0}, RATE, 1, 2.5),
        ({"kind": "pause"}, RATE, 1, 3.0),
        ({"kind": "background", "sound": "hum", "snr_db": 20.0}, RATE, 1, 1.0),
        ({"kind": "telephone", "mu_law": True}, 8_000, 1, 1.0),
    ],
)
def test_the_file_of_a_condition_is_what_its_name_says(tmp_path, entry, rate, n_channels, seconds):
    copy = copied(VOICE, **entry)
    info = soundfile.info(write_copy(copy, tmp_path))

    assert (info.samplerate, info.channels) == (rate, n_channels)
    assert info.frames / info.samplerate == pytest.approx(seconds)
    assert info.subtype == ("ULAW" if entry.get("mu_law") else "PCM_16")
    if entry["kind"] == "stereo":
        np.testing.assert_array_equal(copy.samples[0], VOICE)
        np.testing.assert_allclose(copy.samples[1], VOICE * 10 ** (-6 / 20), rtol=1e-5)
    if entry["kind"] == "silence":
        assert decibels(np.mean(copy.samples[: RATE // 2] ** 2)) == pytest.approx(-60.0, abs=0.2)


@pytest.mark.parametrize("factor", [0.8, 1.5])
def test_another_speed_changes_tempo_and_pitch(tmp_path, factor):
    samples, _ = heard(tmp_path, copied(tone(300), kind="speed", factor=factor), sample_rate_hz=RATE)

    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    assert spectrum.argmax() * RATE / len(samples) == pytest.approx(300 * factor, abs=2)
    assert len(samples) == pytest.approx(RATE / factor, abs=1)


@given(st.floats(-60, 0), st.floats(1e-3, 1.0))
def test_the_peak_is_the_one_asked_for_and_the_shape_stays(peak_dbfs, peak):
    samples = tone(440, 0.1, peak)

    scaled = degraded(samples, "level", peak_dbfs=peak_dbfs)

    assert 20 * np.log10(np.abs(scaled).max()) == pytest.approx(peak_dbfs, abs=1e-3)
    np.testing.assert_allclose(scaled / scaled[10], samples / samples[10], rtol=1e-4, atol=1e-5)


def test_pink_noise_falls_by_3_db_an_octave():
    power = np.abs(np.fft.rfft(pink_noise(2**18, seed=3))) ** 2
    levels = [decibels(power[low : 2 * low].mean()) for low in 2 ** np.arange(10, 17)]

    np.testing.assert_allclose(np.diff(levels), -3.0103, atol=0.5)
    assert np.mean(pink_noise(2**18, seed=3) ** 2) == pytest.approx(1.0, rel=1e-4)


@pytest.mark.parametrize("snr_db", [0.0, 40.0])
def test_the_snr_is_that_of_active_speech_whatever_pauses_and_offsets_there_are(snr_db):
    paused = degraded(tone(440, peak=0.1), "silence", seconds=2.0)
    for clip in (tone(440, peak=0.1), paused, paused + np.float32(0.05)):
        noise = degraded(clip, "pink_noise", snr_db=snr_db) - clip
        assert decibels(0.005 / np.mean(noise**2)) == pytest.approx(snr_db, abs=0.2)


def test_noise_never_clips_and_silence_and_nothing_have_no_level():
    noisy = degraded(tone(440, peak=1.0), "pink_noise", snr_db=0.0)
    assert np.abs(noisy).max() <= 32_767 / 32_768 + 1e-6  # a step of float32
    for entry in ({"kind": "pink_noise", "snr_db": 20.0}, {"kind": "level", "peak_dbfs": -30.0}):
        assert not degraded(np.zeros(100, np.float32), **entry).any()
        assert degraded(np.zeros(0, np.float32), **entry).size == 0


@pytest.mark.parametrize("sound", SOUNDS)
def test_other_sounds_lie_around_a_clip_or_below_it(sound):
    speech = tone(440, 1.0, 0.1)
    surround = {"sound": sound, "before_s": 1.0, "behind_s": 2.0, "level_db": 6.0}

    around = degraded(speech, "surround", **surround)
    below = degraded(speech, "background", sound=sound, snr_db=10.0) - speech

    np.testing.assert_array_equal(around[RATE : -2 * RATE], speech)
    for side in (around[:RATE], around[-2 * RATE :]):
        assert np.abs(side).max() == pytest.approx(0.2, rel=0.01)
    assert decibels(np.mean(speech**2) / np.mean(below**2)) == pytest.approx(10.0, abs=0.1)
    np.testing.assert_array_equal(degraded(speech, "surround", **surround), around)
    assert degraded(speech, "surround", sound=sound, before_s=0.0, behind_s=0.0).size == speech.size


def test_a_pause_lies_at_the_softest_moment_in_the_middle():
    speech = tone(440, 0.9, 0.1)
    at = round(0.4 * RATE)
    speech[at : at + 1_600] *= 0.01

    paused = degraded(speech, "pause", seconds=2.0, floor_dbfs=-70.0)

    start = int(np.flatnonzero(paused[: len(speech)] != speech)[0])
    assert at <= start <= at + 1_600
    assert decibels(np.mean(paused[start : start + 2 * RATE] ** 2)) == pytest.approx(-70.0, abs=0.2)
    np.testing.assert_array_equal(np.delete(paused, np.s_[start : start + 2 * RATE]), speech)
    assert degraded(speech[:10], "pause", seconds=1.0).size == 10 + RATE


@pytest.mark.parametrize("hz", [400, 1_000, 3_300, 50, 200, 3_700, 5_000, 7_000])
def test_the_telephone_lets_its_band_through_and_nothing_else(hz):
    passed = degraded(tone(hz), "telephone")

    assert len(passed) == 8_000
    level = decibels(np.mean(passed[2_000:6_000] ** 2) / 0.125)
    assert level == pytest.approx(0.0, abs=0.3) if 300 < hz < 3_400 else level < -35.0


def test_an_excerpt_is_the_middle_of_the_recording_where_nobody_speaks():
    ramp = np.arange(RATE, dtype=np.float32) / RATE

    for of in ("recording", "speech"):
        piece = Excerpt(seconds=0.4, of=of).degrade(ramp, RATE).samples
        assert len(piece) == round(0.4 * RATE)
        assert piece.mean() == pytest.approx(0.5, abs=1e-3)
    assert len(Excerpt(seconds=3.0).degrade(ramp, RATE).samples) == RATE


def test_noise_stands_for_the_clip_as_long_and_as_loud_as_its_speech():
    clip = np.concatenate([VOICE, np.zeros(RATE, np.float32)])

    noise = NoiseAlone().degrade(clip, RATE).samples

    assert len(noise) == len(clip)
    assert np.mean(noise**2) == pytest.approx(np.mean(VOICE**2), rel=0.02)
    assert abs(np.corrcoef(noise[:RATE], VOICE)[0, 1]) < 0.1
    np.testing.assert_array_equal(noise, NoiseAlone().degrade(clip, RATE).samples)


def test_tolerances_belong_to_families_unless_a_condition_has_its_own():
    entries = {
        "mp3": {"kind": "codec", "format": "mp3"},
        "noise": {"kind": "pink_noise", "snr_db": 20},
        "line": {"kind": "telephone"},
        "own": {"kind": "stereo", "tolerance": 0.5},
        "none": None,
    }
    parameters = RobustnessParameters.model_validate({"conditions": entries})

    tolerances = {name: parameters.tolerance_of(each) for name, each in parameters.chosen.items()}
    assert tolerances == {"mp3": 2.0, "noise": 8.0, "line": 10.0, "own": 0.5}
    assert EvaluationParameters().robustness.chosen == {}


@pytest.mark.parametrize(
    "conditions",
    [
        {"x": {"kind": "level", "peak_dbfs": 3.0}},
        {"x": {"kind": "codec", "format": "wma"}},
        {"x": {"kind": "stereo", "loud": 1}},
        {"Mp 3": {"kind": "stereo"}},
    ],
)
def test_what_makes_no_sense_is_refused(conditions):
    with pytest.raises(ValidationError):
        RobustnessParameters.model_validate({"conditions": conditions})
