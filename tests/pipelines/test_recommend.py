"""Recordings of a person, from files to emotions and playlists, with a model that is easy to foresee."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from affetto.corpora.parameters import CorpusParameters
from affetto.datasets.named_files import PlaylistDataset, VoicesDataset
from affetto.errors import AffettoError
from affetto.pipelines.recommend import nodes
from affetto.pipelines.recommend.pipeline import (
    create_hear_pipeline,
    create_playlist_pipeline,
    create_summary_pipeline,
)
from affetto.pipelines.theme.nodes import assemble_library
from affetto.recommendation.parameters import RecommendParameters
from affetto.recommendation.timeline import pool_posteriors

RATE_HZ = 16_000
TAXONOMY = {
    "emotions": {"music": ["happy", "tense", "sad", "calm"]},
    "bridges": {"uplift": {"anger": {"calm": 1.0}, "sadness": {"happy": 1.0}}},
}


@pytest.fixture
def speech(voice_of):
    return lambda level=0.3, duration_s=4: voice_of(duration_s, level)


def silence(duration_s):
    return np.zeros(duration_s * RATE_HZ)


def noise(duration_s):
    return 0.05 * np.random.default_rng(0).normal(size=duration_s * RATE_HZ)


@pytest.fixture
def voice(tmp_path):
    folder = tmp_path / "voice"
    folder.mkdir()
    return folder


@pytest.fixture
def hear(run, tmp_path, monkeypatch, level_model):
    """Return what tells the voices, the steps over time of those with speech, and the summary."""

    def hear(voice, **parameters):
        monkeypatch.setattr(nodes, "load_estimator", {Path("fits/level"): level_model}.__getitem__)
        given = {
            "params:recommend": RecommendParameters(voice=str(voice), **parameters),
            "voice.emotion.level.model": Path("fits/level"),
        }
        stored = {"hear.voices": VoicesDataset(filepath=str(tmp_path / "voices"))}
        catalog = run(create_hear_pipeline("level") + create_summary_pipeline(), given, stored)
        heard = catalog.load("hear.voices")
        timelines = {name: one.timeline for name, one in heard.items() if one.timeline is not None}
        voices = {name: one.voice for name, one in heard.items()}
        return voices, timelines, catalog.load("hear.summary")

    return hear


def test_what_cannot_be_answered_replaces_the_answer_of_before(hear, voice, tmp_path, speech, level_model):
    sf.write(voice / "a.wav", speech(), RATE_HZ)
    hear(voice)
    for sound in (silence(3), noise(20)):
        sf.write(voice / "a.wav", sound, RATE_HZ)
        with pytest.raises(AffettoError, match=r"No speech was found in a\.wav"):
            hear(voice / "a.wav")
        assert json.loads((tmp_path / "voices" / "a.json").read_text())["status"] == "no_speech"
        assert [path.name for path in (tmp_path / "voices").glob("a.*")] == ["a.json"]
    assert len(level_model.batches) == 1  # it is not asked without speech


def test_a_long_recording_has_gaps_where_nobody_speaks(hear, voice, tmp_path, speech):
    parts = [silence(3), speech(), silence(1), noise(2), silence(2), speech(0.003), silence(4)]
    sf.write(voice / "mixed.wav", np.concatenate(parts), RATE_HZ)
    voices, timelines, summary = hear(voice)
    table = timelines["mixed"]
    heard = table["emotion"].notna().to_numpy()
    np.testing.assert_array_equal(np.flatnonzero(heard), [3, 4, 5, 6, 12, 13, 14, 15])
    assert set(table["emotion"][3:7]) == {"anger"}
    assert set(table["emotion"][12:16]) == {"sadness"}
    assert (table["end_s"].iloc[-1], len(table)) == (20.0, 20)
    assert table["speech_s"][3:7].sum() == pytest.approx(4.0, abs=0.6)
    np.testing.assert_allclose(table.loc[heard, ["p_anger", "p_sadness"]].sum(axis=1), 1.0, atol=2e-6)
    pooled = pool_posteriors(table[["p_anger", "p_sadness"]].to_numpy(), table["speech_s"].to_numpy())
    found = {entry.emotion: entry.probability for entry in voices["mixed"].emotions}
    assert found == pytest.approx({"anger": pooled[0], "sadness": pooled[1]}, abs=1e-6)
    assert [span.emotion for span in voices["mixed"].timeline.spans] == [None, "anger", None, "sadness", None]
    assert "mixed: 0:00-0:03 no speech, 0:03-0:07 anger" in summary
    files = sorted(file.name for file in (tmp_path / "voices").iterdir() if file.suffix)
    assert files == ["mixed.csv", "mixed.json", "mixed.png"]


def test_windows_are_predicted_in_batches_and_short_recordings_as_a_whole(hear, voice, speech, level_model):
    sf.write(voice / "long.wav", speech(0.3, 9), RATE_HZ)
    sf.write(voice / "soft.wav", speech(0.003, 4), RATE_HZ)
    voices, timelines, _ = hear(voice, timeline={"batch": 4})
    assert [voices[name].emotion for name in ("long", "soft")] == ["anger", "sadness"]
    assert voices["soft"].timeline is None
    assert len(timelines["soft"]) == 1
    first, second, third = level_model.batches
    assert [len(first), len(second), len(third)] == [4, 4, 2]
    assert max(first + second) <= 1 + 3 * 22_050 // 512
    assert third[-1] == 1 + 4 * 22_050 // 512  # the whole recording
    assert hear(voice)[0] == voices


def test_what_cannot_be_read_is_a_row_and_what_is_damaged_is_said(hear, voice, speech):
    sf.write(voice / "good.wav", speech(), RATE_HZ)
    broken = speech(0.3, 9)
    broken[40_000:40_100] = np.nan
    sf.write(voice / "some.wav", broken, RATE_HZ, subtype="FLOAT")
    broken[40_000:60_000] = np.nan
    sf.write(voice / "nan.wav", broken, RATE_HZ, subtype="FLOAT")
    for name in ("1.3gp", "2.odd"):
        (voice / name).write_text("version https://git-lfs.github.com/spec/v1")
    voices, timelines, summary = hear(voice)
    status = {"good": "ok", "some": "ok", "nan": "unreadable", "1": "unreadable", "2": "unreadable"}
    assert {name: heard.status for name, heard in voices.items()} == status
    assert "not finite" in voices["nan"].message
    assert "100 of 144000 samples are not finite" in voices["some"].message
    assert list(timelines) == ["good", "some"]
    assert f"2 files in {voice}: each is a Git LFS pointer" in summary


def test_enrolment_reaches_the_model(hear, voice, tmp_path, speech, level_model, monkeypatch):
    def predict(x, enrolment=None):
        share = 0.0 if enrolment is None else 1 / (1 + len(enrolment.clip_ids))
        return np.tile([share, 1 - share], (len(x.clip_ids), 1))

    monkeypatch.setattr(level_model, "predict_proba", predict)
    sf.write(voice / "a.wav", speech(), RATE_HZ)
    (tmp_path / "mine").mkdir()
    sf.write(tmp_path / "mine/short.wav", speech(), RATE_HZ)
    sf.write(tmp_path / "mine/long.wav", speech(0.3, 9), RATE_HZ)
    sf.write(tmp_path / "mine/noise.wav", noise(3), RATE_HZ)
    alone = hear(voice)[0]["a"]
    assert (alone.emotions[0].probability, alone.enrolled) == (1.0, 0)
    enrolled = hear(voice, enrol=str(tmp_path / "mine"))[0]["a"]
    # The short one and three windows of the long one that do not overlap.
    assert enrolled.emotions[0].probability == pytest.approx(0.8)
    assert enrolled.enrolled == 2


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("gone", "There is no enrolment recording at"),
        ("noise", r"None of the 1 enrolment recordings in .*: No speech was found in noise\.wav"),
        ("speech", "level cannot be enrolled"),
    ],
)
def test_enrolment_that_cannot_be_used_is_one_sentence(
    hear, voice, tmp_path, folder, said, speech, level_model, monkeypatch
):
    def refuse(x, enrolment=None):
        raise AffettoError("level cannot be enrolled: leave it out.")

    monkeypatch.setattr(level_model, "predict_proba", refuse)
    sf.write(voice / "a.wav", speech(), RATE_HZ)
    for name, sound in {"noise": noise(3), "speech": speech()}.items():
        (tmp_path / name).mkdir()
        sf.write(tmp_path / name / f"{name}.wav", sound, RATE_HZ)
    with pytest.raises(AffettoError, match=said):
        hear(voice, enrol=str(tmp_path / folder))


@pytest.fixture
def library():
    """Two tracks, a calm and a happy one."""
    table = {"clip_id": ["d/a", "d/b"], "corpus": "d", "path": ["a.wav", "b.wav"]}
    clips = pd.DataFrame({**table, "start_s": np.nan, "end_s": np.nan, "duration_s": [20.0, 10.0]})
    emotions = pd.DataFrame({"clip_id": clips["clip_id"], "p_calm": [0.9, 0.2], "p_happy": [0.1, 0.8]})
    themes = {"emotion": "calm", "theme": "calm/0", "probability": 1.0}
    return assemble_library(
        RecommendParameters(voice="voices"),
        CorpusParameters(root="music"),
        clips,
        {"emotions": emotions, "attention": pd.DataFrame({"clip_id": [], "times": [], "weights": []})},
        pd.DataFrame({"clip_id": clips["clip_id"], **themes}),
        [{"theme": "calm/0", "emotion": "calm", "name": "soft"}],
        {},
    )


def test_every_recording_gets_its_answer(run, hear, voice, tmp_path, speech, library):
    sf.write(voice / "loud.wav", speech(0.3, 2), RATE_HZ)
    sf.write(voice / "soft.wav", speech(0.003, 2), RATE_HZ)
    sf.write(voice / "silence.wav", silence(1), RATE_HZ)
    (voice / "broken.wav").write_bytes(b"RIFF, but no more")
    hear(voice)
    given = {
        "params:recommend": RecommendParameters(voice=str(voice), bridge="uplift", top=1, diversity=0.0),
        "params:taxonomy": TAXONOMY,
        "hear.voices": VoicesDataset(filepath=str(tmp_path / "voices")).load(),
        "music.library": library,
    }
    stored = {"recommend.playlists": PlaylistDataset(filepath=str(tmp_path / "playlists"))}

    catalog = run(create_playlist_pipeline(), given, stored)

    playlists = catalog.load("recommend.playlists")
    answered = {"broken": "unreadable", "loud": "ok", "silence": "no_speech", "soft": "ok"}
    assert {name: answer.status for name, answer in playlists.items()} == answered
    assert (playlists["loud"].emotion, playlists["loud"].tracks[0].clip_id) == ("anger", "d/a")
    assert (playlists["soft"].emotion, playlists["soft"].tracks[0].clip_id) == ("sadness", "d/b")
    assert playlists["loud"].tracks[0].theme_name == "soft"
    assert playlists["soft"].tracks[0].theme is None
    for name in ("silence", "broken"):
        assert playlists[name].tracks == ()
        assert name in playlists[name].message
    assert "the voice is anger" in catalog.load("recommend.summary")


def test_only_bad_recordings_are_an_error(hear, voice):
    sf.write(voice / "silence.wav", silence(1), RATE_HZ)
    (voice / "broken.wav").write_bytes(b"RIFF, but no more")
    with pytest.raises(AffettoError, match="None of the 2 recordings"):
        hear(voice)
