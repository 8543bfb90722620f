import json

import pytest

from affetto.datasets.playlist import PlaylistDataset
from affetto.recommendation.playlist import Playlist, Track


def answer(name, *, tracks=True):
    if not tracks:
        return Playlist(name=name, recording=f"{name}.wav", status="no_speech", message="No speech.")
    track = Track(
        rank=1, clip_id="m/x", path="music/é.wav", title="É", duration_s=9.6, score=0.5, match=0.5,
        emotion="calm", emotions=(), answers="calm", theme=None, theme_name=None, theme_probability=None,
        highlight_start_s=1, highlight_end_s=9, reasons=("Because.",),
    )  # fmt: skip
    return Playlist(name=name, recording=f"{name}.wav", status="ok", tracks=(track,))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "playlists"


def test_what_is_saved_is_loaded(folder):
    saved = {"b": answer("b"), "a": answer("a", tracks=False)}
    dataset = PlaylistDataset(filepath=str(folder))
    assert not dataset.exists()
    dataset.save(saved)
    assert dataset.exists()
    assert dataset.load() == saved
    assert list(dataset.load()) == ["b", "a"]


def test_files_for_people_and_players(folder):
    PlaylistDataset(filepath=str(folder)).save({"b": answer("b"), "a": answer("a", tracks=False)})
    assert sorted(path.name for path in folder.iterdir()) == [".playlists", "a.json", "b.json", "b.m3u8"]
    assert json.loads((folder / "b.json").read_text("utf-8"))["tracks"][0]["title"] == "É"
    assert (folder / "b.m3u8").read_text("utf-8").startswith("#EXTM3U\n")


def test_answers_of_the_save_before_go_and_other_files_stay(folder):
    dataset = PlaylistDataset(filepath=str(folder))
    dataset.save({"a": answer("a"), "b": answer("b")})
    (folder / "mine.m3u8").write_text("#EXTM3U\n")
    dataset.save({"b": answer("b", tracks=False)})
    assert sorted(path.name for path in folder.iterdir()) == [".playlists", "b.json", "mine.m3u8"]


def test_a_failed_save_leaves_the_one_before(folder):
    dataset = PlaylistDataset(filepath=str(folder))
    dataset.save({"a": answer("a")})
    with pytest.raises(Exception, match="Failed while saving"):
        dataset.save({"a": answer("a", tracks=False), "b": "not a playlist"})
    assert dataset.load() == {"a": answer("a")}
    assert not list(folder.glob("*partial*"))
