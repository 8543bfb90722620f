"""Playlists, voices, figures and sounds come back as they were, and their files are those people read."""

from __future__ import annotations

import base64
import json

import numpy as np
import pandas as pd
import pytest

from affetto.datasets.named_files import FiguresDataset, PlaylistDataset, SoundsDataset, VoicesDataset
from affetto.recommendation.playlist import Playlist, Track
from affetto.recommendation.voice import VoiceEmotion, VoiceResult


def answer(name, *, tracks=True):
    if not tracks:
        return Playlist(name=name, recording=f"{name}.wav", status="no_speech", message="No speech.")
    track = Track(
        rank=1, clip_id="m/x", path="music/é.wav", title="É", duration_s=9.6, score=0.5, match=0.5,
        emotion="calm", emotions=(), answers="calm", theme=None, theme_name=None, theme_probability=None,
        highlight_start_s=1, highlight_end_s=9, reasons=("Because.",),
    )  # fmt: skip
    return Playlist(name=name, recording=f"{name}.wav", status="ok", tracks=(track,))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (PlaylistDataset, {"b": answer("b"), "a": answer("a", tracks=False)}),
        (FiguresDataset, {"b": b"image of b", "a": b"image of a"}),
        (SoundsDataset, {"words/timbre/1": b"one", "a": b"two"}),
    ],
)
def test_what_is_saved_is_loaded(tmp_path, kind, values):
    more = {"shown": "b"} if kind is FiguresDataset else {}
    dataset = kind(filepath=str(tmp_path / "folder"), **more)
    assert not dataset.exists()
    dataset.save(values)
    assert dataset.exists()
    assert dataset.load() == values
    assert list(dataset.load()) == list(values)
    if more:
        assert base64.b64decode(dataset.preview()) == values["b"]


def test_playlists_are_files_for_people_and_players(tmp_path):
    PlaylistDataset(filepath=str(tmp_path)).save({"b": answer("b"), "a": answer("a", tracks=False)})
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".playlists",
        "a.json",
        "b.json",
        "b.m3u8",
        "b.xspf",
    ]
    assert json.loads((tmp_path / "b.json").read_text("utf-8"))["tracks"][0]["title"] == "É"
    assert (tmp_path / "b.m3u8").read_text("utf-8").startswith("#EXTM3U\n")


def test_files_of_the_save_before_go_and_other_files_stay(tmp_path):
    dataset = PlaylistDataset(filepath=str(tmp_path))
    dataset.save({"a": answer("a"), "b": answer("b")})
    (tmp_path / "mine.m3u8").write_text("#EXTM3U\n")
    dataset.save({"b": answer("b", tracks=False)})
    assert sorted(path.name for path in tmp_path.iterdir()) == [".playlists", "b.json", "mine.m3u8"]


def test_a_failed_save_leaves_the_one_before(tmp_path):
    dataset = PlaylistDataset(filepath=str(tmp_path))
    dataset.save({"a": answer("a")})
    with pytest.raises(Exception, match="Failed while saving"):
        dataset.save({"a": answer("a", tracks=False), "b": "not a playlist"})
    assert dataset.load() == {"a": answer("a")}
    assert not list(tmp_path.glob("*partial*"))


def test_tables_of_voices_come_back_as_they_were(tmp_path):
    table = pd.DataFrame(
        {
            "name": ["NA", "NA"],
            "start_s": [0.0, 1.0],
            "emotion": pd.Series([None, "anger"], dtype="str"),
            "unsure": pd.Series([None, True], dtype="boolean"),
            "p_anger": [np.nan, 0.4],
        }
    )
    voice = VoiceEmotion(name="NA", recording="NA.wav", status="ok")
    dataset = VoicesDataset(filepath=str(tmp_path))
    dataset.save({"NA": VoiceResult(voice, table, b"PNG"), "b": VoiceResult(voice)})
    found = dataset.load()
    pd.testing.assert_frame_equal(found["NA"].timeline, table)
    assert (found["NA"].voice, found["NA"].figure, found["b"]) == (voice, b"PNG", VoiceResult(voice))
    dataset.save({"NA": VoiceResult(voice)})
    assert {path.name for path in tmp_path.iterdir()} == {".voices", "NA.json"}
