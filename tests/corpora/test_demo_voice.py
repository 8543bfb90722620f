import hashlib
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
import soundfile

from affetto.corpora.demo.voice import (
    RULES,
    SENTENCES,
    SPEAKERS,
    Prosody,
    build_demo_voice,
    draw_prosody,
    ratings_of,
    speak,
)
from affetto.errors import AffettoError

NEUTRAL_HABITS = Prosody(0.0, 0.0, 0.0, 0.0, 0.0)


def folder_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.wav")):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    folder = tmp_path_factory.mktemp("voice")
    return folder, build_demo_voice(folder, speakers=SPEAKERS[:2], sentences=SENTENCES[:2])


def mean_pitch_hz(samples: np.ndarray) -> float:
    """Pitch by the autocorrelation of the frames above the median energy."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, 1024)[::512]
    energy = np.sum(frames**2, axis=1)
    peaks = []
    for frame in frames[energy > np.median(energy)]:
        correlation = np.correlate(frame, frame, "full")[1023:]
        low, high = 22050 // 500, 22050 // 60
        peaks.append(22050 / (low + int(np.argmax(correlation[low:high]))))
    return float(np.median(peaks))


def test_every_speaker_says_every_sentence_in_every_emotion(voice):
    folder, rows = voice
    assert len(rows) == 2 * len(RULES) * 2
    assert {row["group"] for row in rows} == {"alan", "bruce"}
    assert {row["emotion"] for row in rows} == {"anger", "fear", "happiness", "neutral", "sadness"}
    assert all(row["theme"] == "" for row in rows)
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.wav")} == {
        row["file"] for row in rows
    }


def test_building_again_gives_the_same_bytes(voice, tmp_path):
    folder, rows = voice
    again = build_demo_voice(tmp_path, speakers=SPEAKERS[:2], sentences=SENTENCES[:2])
    assert again == rows
    assert folder_hash(tmp_path) == folder_hash(folder)


def test_speakers_do_not_depend_on_each_other_and_seeds_matter(voice, tmp_path):
    folder, _ = voice
    build_demo_voice(tmp_path / "one", speakers=SPEAKERS[1:2], sentences=SENTENCES[:2])
    assert folder_hash(tmp_path / "one" / "bruce") == folder_hash(folder / "bruce")
    build_demo_voice(tmp_path / "two", speakers=SPEAKERS[1:2], sentences=SENTENCES[:2], seed=1)
    assert folder_hash(tmp_path / "two" / "bruce") != folder_hash(folder / "bruce")


def test_unknown_voice_is_an_error_that_names_it():
    with pytest.raises(AffettoError, match=r"zz\+nobody"):
        speak([("zz+nobody", "The books.", 175, 100, 50, 50)])


@pytest.mark.parametrize(
    ("cue", "order"),
    [
        ("rate_octaves", ("sadness", "neutral", "happiness")),
        ("rate_octaves", ("sadness", "neutral", "anger")),
        ("pitch_st", ("sadness", "neutral", "anger", "happiness", "fear")),
        ("range_octaves", ("sadness", "neutral", "anger", "happiness")),
        ("level_db", ("sadness", "neutral", "happiness", "anger")),
        ("tension", ("sadness", "neutral", "anger")),
    ],
)
def test_drawn_prosody_keeps_the_published_order(cue, order):
    def mean(emotion):
        generator = np.random.default_rng(0)
        return np.mean([getattr(draw_prosody(emotion, NEUTRAL_HABITS, generator), cue) for _ in range(400)])

    means = [mean(emotion) for emotion in order]
    assert all(np.diff(means) > 0)


def test_spoken_emotions_differ_as_the_rules_say(voice):
    folder, rows = voice

    def measure(function, emotion):
        chosen = [soundfile.read(folder / row["file"])[0] for row in rows if row["emotion"] == emotion]
        return np.mean([function(samples) for samples in chosen])

    assert measure(len, "sadness") > 1.2 * measure(len, "happiness")
    assert measure(mean_pitch_hz, "fear") > 1.2 * measure(mean_pitch_hz, "neutral")
    assert measure(np.std, "anger") > 1.5 * measure(np.std, "sadness")


def test_ratings_are_those_of_the_emotion_to_the_degree_that_is_heard():
    full, half = (Prosody(*(share * np.array(astuple(RULES["anger"])))) for share in (1.0, 0.5))

    assert ratings_of("anger", full) == {"valence": "-0.600", "arousal": "0.700"}
    assert ratings_of("anger", half) == {"valence": "-0.300", "arousal": "0.350"}
    assert ratings_of("neutral", full) == {"valence": "0.000", "arousal": "0.000"}
