import os
import struct

import mutagen
import numpy as np
import pandas as pd
import pytest
import soundfile
from kedro.io import DatasetError

from affetto.datasets.tagged_tracks import TaggedTracksDataset
from affetto.errors import AffettoError
from affetto.recommendation.tagging import TAG_COLUMNS, check_output, plan_tags, tag_copy

TAGS = {
    "mood": "happy",
    "theme": "happy/2",
    "theme_name": "fast · bright",
    "highlight": "3.0-18.0",
    "confidence": "0.41",
}


@pytest.fixture
def music(tmp_path):
    folder = tmp_path / "music"
    (folder / "album").mkdir(parents=True)
    samples = 0.1 * np.sin(np.arange(22_050) / 10)
    for name in ("a.mp3", "b.flac", "c.ogg", "album/d.wav", "e.opus"):
        rate = 48_000 if name.endswith("opus") else 22_050
        options = {"format": "OGG", "subtype": "OPUS"} if name.endswith("opus") else {}
        soundfile.write(folder / name, samples, rate, **options)
    (folder / "f.mid").write_bytes(b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk\0\0\0\4\0\xff\x2f\0")
    return folder


def atom(name, *inside):
    content = b"".join(inside)
    return struct.pack(">I4s", 8 + len(content), name) + content


def m4a():
    """Return the least that is an MP4 file with a track of sound: one second at 22,050 Hz."""
    header = atom(b"mdhd", bytes(12), struct.pack(">II", 22_050, 22_050), bytes(4))
    handler = atom(b"hdlr", bytes(8), b"soun", bytes(13))
    return atom(b"ftyp", b"M4A ", bytes(4)) + atom(b"moov", atom(b"trak", atom(b"mdia", header, handler)))


def plan(folder, names):
    rows = [{"clip_id": f"library/{name}", "root": str(folder), "path": name, **TAGS} for name in names]
    return pd.DataFrame(rows, columns=list(TAG_COLUMNS))


@pytest.mark.parametrize("name", ["a.mp3", "b.flac", "c.ogg", "album/d.wav", "e.opus"])
def test_copies_have_the_tags_and_still_the_sound(music, tmp_path, name):
    source, target = music / name, tmp_path / "out" / name
    before = source.read_bytes(), source.stat().st_mtime_ns
    assert tag_copy(source, target, TAGS) is None
    assert (source.read_bytes(), source.stat().st_mtime_ns) == before
    written = str(mutagen.File(target).tags.pprint())
    for value in TAGS.values():
        assert value in written
    np.testing.assert_array_equal(soundfile.read(target)[0], soundfile.read(source)[0])
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_m4a_has_free_form_fields(music, tmp_path):
    (music / "g.m4a").write_bytes(m4a())
    target = tmp_path / "out" / "g.m4a"
    assert tag_copy(music / "g.m4a", target, TAGS) is None
    assert (music / "g.m4a").read_bytes() == m4a()
    tags = mutagen.File(target).tags
    assert tags["----:com.apple.iTunes:AFFETTO_THEME_NAME"] == [TAGS["theme_name"].encode()]
    first = target.stat().st_mtime_ns
    assert tag_copy(music / "g.m4a", target, TAGS) is None
    assert target.stat().st_mtime_ns == first


def test_a_copy_that_is_up_to_date_stays(music, tmp_path):
    target = tmp_path / "out" / "a.mp3"
    tag_copy(music / "a.mp3", target, TAGS)
    first = target.stat().st_mtime_ns
    assert tag_copy(music / "a.mp3", target, TAGS) is None
    assert target.stat().st_mtime_ns == first
    tag_copy(music / "a.mp3", target, {**TAGS, "theme": "happy/1"})
    written = mutagen.File(target).tags.pprint()
    assert "happy/1" in written
    assert "happy/2" not in written


def test_copies_of_the_library_before_are_taken_away(music, tmp_path):
    dataset = TaggedTracksDataset(filepath=str(tmp_path / "out"))
    dataset.save(plan(music, ["a.mp3", "b.flac"]))
    (tmp_path / "out" / "mine.txt").touch()
    dataset.save(plan(music, ["b.flac"]))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["b.flac", "mine.txt", "tagged.csv"]


def test_a_copy_older_than_its_original_is_made_again(music, tmp_path):
    source, target = music / "b.flac", tmp_path / "out" / "b.flac"
    tag_copy(source, target, TAGS)
    soundfile.write(source, np.full(500, 0.1), 22_050)
    os.utime(source, ns=(0, target.stat().st_mtime_ns + 1))
    assert tag_copy(source, target, TAGS) is None
    assert soundfile.info(target).frames == 500


def test_what_cannot_be_tagged_is_said_and_leaves_nothing(music, tmp_path):
    (music / "broken.mp3").write_bytes(b"no music at all")
    folder = tmp_path / "out"
    TaggedTracksDataset(filepath=str(folder)).save(plan(music, ["a.mp3", "f.mid", "broken.mp3", "gone.flac"]))
    report = TaggedTracksDataset(filepath=str(folder)).load().set_index("path")
    assert report["tagged"].tolist() == [True, False, False, False]
    assert "tags" in report.loc["f.mid", "reason"]
    assert "gone.flac" in report.loc["gone.flac", "reason"]
    assert sorted(path.name for path in folder.iterdir()) == ["a.mp3", "tagged.csv"]


def test_originals_are_out_of_reach(music, tmp_path):
    for folder in (music, music / "tagged", tmp_path):
        with pytest.raises(AffettoError, match="outside the library"):
            check_output(folder, music)
        with pytest.raises(DatasetError, match="outside the library"):
            TaggedTracksDataset(filepath=str(folder)).save(plan(music, ["a.mp3"]))
    check_output(tmp_path / "music_tagged", music)


def test_plans_are_of_whole_files():
    tracks = pd.DataFrame(
        {
            "clip_id": ["l/a", "l/b"],
            "root": "r",
            "path": ["a.mp3", "b.mp3"],
            "start_s": [np.nan, 30.0],
            "emotion": "calm",
            "theme": [None, "calm/1"],
            "theme_name": [None, "slow"],
            "highlight_start_s": 1.04,
            "highlight_end_s": 16.04,
            "emotion_probability": 0.8,
            "confidence": np.nan,
        }
    )
    (row,) = plan_tags(tracks).to_dict("records")
    assert row == {
        "clip_id": "l/a",
        "root": "r",
        "path": "a.mp3",
        "mood": "calm",
        "theme": "",
        "theme_name": "",
        "highlight": "1.0-16.0",
        "confidence": "0.80",
    }
