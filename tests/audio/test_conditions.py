import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import TypeAdapter, ValidationError

from affetto.audio.conditions import Condition, Excerpt, NoiseAlone
from affetto.audio.decode import read_audio
from affetto.audio.encode import Copy, write_copy
from affetto.audio.speech import FoundSpeech
from affetto.errors import AffettoError
from affetto.evaluation.parameters import EvaluationParameters, RobustnessParameters

RATE = 16_000
TIME = np.arange(RATE) / RATE
VOICE = (0.3 * np.sin(2 * np.pi * 300 * TIME) + 0.1 * np.sin(2 * np.pi * 1_700 * TIME)).astype(np.float32)


def condition(**entry):
    return TypeAdapter(Condition).validate_python(entry)


def heard(tmp_path, copy, **options):
    return read_audio(write_copy(copy, tmp_path), **options)


@given(arrays(np.int16, st.integers(1, 500)))
def test_flac_and_wav_give_back_every_16_bit_sample(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("copies")
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
    error = again[4_000:12_000] - VOICE[4_000:12_000]
    assert 0 < np.mean(error**2) < 0.01 * np.mean(VOICE**2)


def test_the_loudest_samples_do_not_wrap_around(tmp_path):
    extremes = np.array([1.0, -1.0, 1.5, -1.5] * 100, np.float32)

    for name in ("wav", "flac", "mu_law"):
        again, _ = heard(tmp_path, Copy(extremes, RATE, name))
        np.testing.assert_allclose(again, np.sign(extremes), atol=0.03)


def test_a_format_takes_the_next_rate_that_it_allows(tmp_path):
    assert heard(tmp_path, Copy(VOICE, 17_000, "mp3"))[1] == 22_050
    assert heard(tmp_path, Copy(VOICE, 96_000, "mp3"))[1] == 48_000


def test_a_format_that_cannot_be_made_here_is_said_to_be_so(tmp_path, monkeypatch):
    assert condition(kind="codec", format="ogg").unavailable() is None
    assert condition(kind="codec", format="m4a").unavailable() is None
    monkeypatch.setattr("av.codecs_available", frozenset())
    assert "not decodable here" in condition(kind="codec", format="m4a").unavailable()
    with pytest.raises(AffettoError, match="leave out the condition"):
        write_copy(Copy(VOICE, RATE, "m4a"), tmp_path)


@pytest.mark.parametrize("name", ["ogg", "opus", "mp3", "flac", "wav"])
def test_long_recordings_are_encoded_whole(tmp_path, name):
    noise = 0.1 * np.random.default_rng(0).standard_normal(200 * RATE).astype(np.float32)

    info = soundfile.info(write_copy(Copy(noise, RATE, name), tmp_path))

    assert info.frames / info.samplerate == pytest.approx(200, abs=0.2)


@pytest.mark.parametrize(
    ("entry", "rate", "n_channels", "seconds"),
    [
        ({"kind": "level", "peak_dbfs": -30.0}, RATE, 1, 1.0),
        ({"kind": "stereo", "second_db": -6.0}, RATE, 2, 1.0),
        ({"kind": "rate", "sample_rate_hz": 8_000}, 8_000, 1, 1.0),
        ({"kind": "rate", "sample_rate_hz": 44_100}, 44_100, 1, 1.0),
        ({"kind": "speed", "factor": 1.25}, 20_000, 1, 0.8),
        ({"kind": "silence", "seconds": 0.5}, RATE, 1, 2.0),
        ({"kind": "silence", "floor_dbfs": -60.0}, RATE, 1, 2.0),
        ({"kind": "offset", "offset": 0.1}, RATE, 1, 1.0),
        ({"kind": "pink_noise", "snr_db": 20.0}, RATE, 1, 1.0),
        ({"kind": "surround", "sound": "clicks"}, RATE, 1, 4.0),
        ({"kind": "surround", "sound": "beep", "behind_s": 0.0}, RATE, 1, 2.5),
        ({"kind": "pause"}, RATE, 1, 3.0),
        ({"kind": "background", "sound": "hum", "snr_db": 20.0}, RATE, 1, 1.0),
        ({"kind": "telephone"}, 8_000, 1, 1.0),
        ({"kind": "telephone", "mu_law": True}, 8_000, 1, 1.0),
    ],
)
def test_the_file_of_a_condition_is_what_its_name_says(tmp_path, entry, rate, n_channels, seconds):
    path = write_copy(condition(**entry).degrade(VOICE, RATE), tmp_path)

    info = soundfile.info(path)
    assert (info.samplerate, info.channels) == (rate, n_channels)
    assert info.frames / info.samplerate == pytest.approx(seconds)
    assert info.subtype == ("ULAW" if entry.get("mu_law") else "PCM_16")


def test_the_file_of_a_level_has_that_level(tmp_path):
    samples, _ = heard(tmp_path, condition(kind="level", peak_dbfs=-30.0).degrade(VOICE, RATE))

    assert 20 * np.log10(np.abs(samples).max()) == pytest.approx(-30.0, abs=0.01)


@pytest.mark.parametrize("factor", [0.8, 1.5])
def test_another_speed_changes_tempo_and_pitch(tmp_path, factor):
    tone = np.sin(2 * np.pi * 300 * TIME).astype(np.float32)

    samples, _ = heard(
        tmp_path, condition(kind="speed", factor=factor).degrade(tone, RATE), sample_rate_hz=RATE
    )

    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    assert spectrum.argmax() * RATE / len(samples) == pytest.approx(300 * factor, abs=2)
    assert len(samples) == pytest.approx(RATE / factor, abs=1)


def test_tolerances_belong_to_families_unless_a_condition_has_its_own():
    parameters = RobustnessParameters.model_validate(
        {
            "conditions": {
                "mp3": {"kind": "codec", "format": "mp3"},
                "noise": {"kind": "pink_noise", "snr_db": 20},
                "line": {"kind": "telephone"},
                "tape": {"kind": "speed", "factor": 0.95},
                "own": {"kind": "stereo", "tolerance": 0.5},
                "none": None,
            }
        }
    )

    chosen = parameters.chosen
    assert {name: parameters.tolerance_of(each) for name, each in chosen.items()} == {
        "mp3": 2.0,
        "noise": 8.0,
        "line": 10.0,
        "tape": 8.0,
        "own": 0.5,
    }
    assert EvaluationParameters().robustness.chosen == {}


@pytest.mark.parametrize(
    "conditions",
    [
        {"Mp 3": {"kind": "stereo"}},
        {"x": {"kind": "level", "peak_dbfs": 3.0}},
        {"x": {"kind": "codec", "format": "wma"}},
        {"x": {"kind": "stereo", "loud": 1}},
        {"x": {"kind": "speed", "factor": 0.0}},
        {"x": {"kind": "offset", "offset": 0.9}},
        {"x": {"kind": "reverberation"}},
    ],
)
def test_what_makes_no_sense_is_refused(conditions):
    with pytest.raises(ValidationError):
        RobustnessParameters.model_validate({"conditions": conditions})


def test_an_excerpt_is_the_middle_of_the_recording_where_nobody_speaks():
    ramp = np.arange(RATE, dtype=np.float32) / RATE

    for of in ("recording", "speech"):
        piece = Excerpt(seconds=0.4, of=of).degrade(ramp, RATE).samples
        assert len(piece) == round(0.4 * RATE)
        assert piece.mean() == pytest.approx(0.5, abs=1e-3)
    assert len(Excerpt(seconds=3.0).degrade(ramp, RATE).samples) == RATE


def test_an_excerpt_of_speech_is_where_half_of_the_speech_is_over(monkeypatch):
    spoken = FoundSpeech(np.array([[0.1, 0.2], [0.6, 0.9]]), 1.0)  # half of 0.4 s is over at 0.7 s
    monkeypatch.setattr("affetto.audio.conditions.find_speech", lambda *_: spoken)

    piece = Excerpt(seconds=0.2).degrade(np.arange(RATE, dtype=np.float32) / RATE, RATE).samples

    assert piece[0] == pytest.approx(0.6, abs=1e-3)
    assert len(piece) == round(0.2 * RATE)


def test_noise_stands_for_the_clip_as_long_and_as_loud_as_its_speech():
    clip = np.concatenate([VOICE, np.zeros(RATE, np.float32)])

    noise = NoiseAlone().degrade(clip, RATE).samples

    assert len(noise) == len(clip)
    assert np.mean(noise**2) == pytest.approx(np.mean(VOICE**2), rel=0.02)
    assert abs(np.corrcoef(noise[:RATE], VOICE)[0, 1]) < 0.1
    np.testing.assert_array_equal(noise, NoiseAlone().degrade(clip, RATE).samples)
