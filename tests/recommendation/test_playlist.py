import os
import xml.etree.ElementTree as Xml
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affetto.recommendation.playlist import HIGHLIGHT, Playlist, Track, to_m3u8, to_xspf


def track(path, title="Title", start_s=1.25, duration_s=29.6):
    return Track(
        rank=1, clip_id="m/x", path=path, title=title, duration_s=duration_s, score=0.5, match=0.5,
        emotion="calm", emotions=(), answers="calm", theme=None, theme_name=None, theme_probability=None,
        highlight_start_s=start_s, highlight_end_s=16.25, reasons=("Because.",),
    )  # fmt: skip


def playlist(*tracks):
    return Playlist(name="me", recording="me.wav", status="ok", tracks=tracks)


def parse(text, folder):
    """Read a playlist like a player does: comments start with #, an address is one, the rest is a path."""
    lines = text.split("\n")
    assert lines[0] == "#EXTM3U"
    found = []
    for line in lines:
        if line.startswith("file://"):
            found.append(Path(unquote(urlparse(line).path)))
        elif line and not line.startswith("#"):
            found.append(Path(os.path.normpath(folder / line)))
    return found


def test_the_text_of_a_playlist(tmp_path):
    text = to_m3u8(playlist(track(str(tmp_path / "music/a.wav"), "A – B")), tmp_path / "lists")
    assert text == ("#EXTM3U\n#PLAYLIST:me\n#EXTINF:30,A – B\n#EXTVLCOPT:start-time=1.25\n../music/a.wav\n")


def test_a_part_of_a_file_stops_where_it_ends(tmp_path):
    part = track(str(tmp_path / "a.wav"), start_s=65.5, duration_s=30.0)
    part = part.model_copy(update={"start_s": 60.0, "end_s": 90.0})
    lines = to_m3u8(playlist(part), tmp_path).splitlines()
    assert lines[2:] == [
        "#EXTINF:30,Title",
        "#EXTVLCOPT:start-time=65.50",
        "#EXTVLCOPT:stop-time=90.00",
        "a.wav",
    ]


@given(st.text(st.characters(exclude_characters="/\x00", exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_any_name_comes_back(name):
    if name in {".", ".."}:
        return
    folder = Path("/lists/here")
    (found,) = parse(to_m3u8(playlist(track(f"/music/{name}", title=name)), folder), folder)
    assert found == Path(f"/music/{name}")


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("memory://music/a b.wav", "memory://music/a b.wav"),
        ("memory://music/a\nb.wav", "memory://music/a%0Ab.wav"),
    ],
)
def test_an_address_stays_one(tmp_path, path, line):
    assert to_m3u8(playlist(track(path)), tmp_path).split("\n")[4:] == [line, ""]


def test_without_a_folder_paths_are_absolute(tmp_path):
    text = to_m3u8(playlist(track(str(tmp_path / "a.wav"))), None)
    assert text.splitlines()[-1] == str(tmp_path / "a.wav")


def test_any_title_is_well_formed_xml_with_its_highlight(tmp_path):
    title = "<A & B>\n\x00\uffff“é”"
    root = Xml.fromstring(to_xspf(playlist(track(str(tmp_path / "a b.wav"), title))))
    names = {"x": "http://xspf.org/ns/0/"}
    (found,) = root.findall("x:trackList/x:track", names)
    assert found.findtext("x:location", namespaces=names) == (tmp_path / "a b.wav").as_uri()
    assert found.findtext("x:title", namespaces=names) == "<A & B> \ufffd“é”"
    assert found.findtext("x:duration", namespaces=names) == "29600"
    assert found.find("x:meta", names).attrib == {"rel": HIGHLIGHT}
    assert found.findtext("x:meta", namespaces=names) == "1.25"
