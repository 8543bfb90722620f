"""Your own recordings by folders, by a table or by their tags."""

from __future__ import annotations

import struct

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affetto.corpora.index import draw_clips
from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources.own import read_tags
from affetto.errors import AffettoError


def groups(clips):
    return clips.set_index("clip_id")["group"].to_dict()


def test_an_outer_folder_is_passed_over_and_each_clip_is_its_own_group(corpus):
    clips = corpus("folders", files={"corpus/v1/angry/1.wav": "", "corpus/v1/sad/1.wav": ""})

    assert clips["emotion"].tolist() == ["anger", "sadness"]
    assert clips["group"].tolist() == clips["clip_id"].tolist()


@pytest.mark.parametrize("pattern", [r"spk(\d)|act(\d)", r"(?:spk|act)(\d)", r"(spk|act)(\d)"])
def test_any_bracket_of_the_group_pattern_may_name_the_group(corpus, pattern):
    files = {"a/spk1_x.wav": "", "a/act2_x.wav": "", "b/spk1_y.wav": ""}
    clips = corpus("folders", files=files, group_pattern=pattern, label_map={"*": "anger"})

    assert clips["group"].nunique() == 2


@pytest.mark.parametrize("pattern", [r"^[a-z]+", r"^([a-z]+)_", r"[a-z]+(?=_)"])
def test_a_pattern_that_finds_nothing_in_paths_but_the_class_is_one_of_names(corpus, pattern):
    files = {f"{emotion}/{who}_1.wav": "" for emotion in ("anger", "fear") for who in ("ann", "bo")}

    assert set(corpus("folders", files=files, group_pattern=pattern)["group"]) == {"ann", "bo"}


@pytest.mark.parametrize("parameter", ["group_pattern", "second_group_pattern"])
@pytest.mark.parametrize("pattern", [r"_(\d)", r"(spk\d)?"])
def test_a_pattern_must_match_every_clip(corpus, parameter, pattern):
    files = {"spk1_1.wav": "", "b.wav": "", "c.wav": ""}
    with pytest.raises(AffettoError, match=rf"voice.corpus.{parameter} .* in 2 of 3 paths: b.wav, c.wav"):
        corpus("folders", files=files, **{parameter: pattern})
    with pytest.raises(ValueError, match="not a regular expression"):
        CorpusParameters(**{parameter: "("})


def test_any_file_may_be_a_recording_but_what_evidently_is_none(corpus):
    files = {"angry/a.wav": "", "angry/b.m4a": "", "angry/b.3gp": "", "sad/c.unheard-of": "", "sad/d": ""}
    beside = {"notes.txt": "", "sad/c.csv": "", "sad/cover.JPG": "", "sad/c.TextGrid": "", "README.md": ""}
    clips = corpus("folders", files=files | beside)

    assert clips["path"].tolist() == sorted(files)
    assert clips["clip_id"].is_unique


def test_second_groups_of_folders_and_tables(corpus):
    names = ["happy/bo_s1", "sad/ann_s1", "sad/ann_s2"]
    files = {f"{name}.wav": "" for name in names}
    found = corpus("folders", files=files, group_pattern="(ann|bo)", second_group_pattern=r"_(s\d)")
    assert found["second_group"].tolist() == ["s1", "s1", "s2"]

    rows = "".join(f"{name}.wav,{'' if index else 't1'}\n" for index, name in enumerate(names))
    tabled = corpus("table", files=files | {"t.csv": "path,Second_Group\n" + rows})
    assert tabled["second_group"].fillna("").tolist() == ["t1", "", ""]


def test_headers_and_groups_of_tables_may_have_blanks_and_capitals(corpus):
    table = "Path, Emotion ,GROUP\na.wav,anger, ann\nb.wav,anger,ann \nc.wav,sadness,\nd.wav,anger,  \n"
    clips = corpus("table", files={"t.csv": table})

    assert clips["emotion"].notna().all()
    assert clips["group"].tolist() == ["ann", "ann", "table/c", "table/d"]


def test_parts_of_a_file_are_one_group_where_no_other_is_given(corpus):
    table = "path,start_s,end_s,emotion,group\na.wav,0,2,anger,\na.wav,2,4,sad,\na.wav,1,3,anger,anna\n"

    assert groups(corpus("table", files={"clips.csv": table + "b.wav,,,anger,\n"})) == {
        "table/a@0-2": "table/a",
        "table/a@2-4": "table/a",
        "table/a@1-3": "anna",
        "table/b": "table/b",
    }


def test_table_as_parquet_with_own_columns(corpus, tmp_path):
    table = pd.DataFrame({"file": ["a.wav", str(tmp_path / "b.wav")], "mood": ["joy", None], "who": [1, 2]})
    table.to_parquet(tmp_path / "t.parquet")

    columns = {"path_column": "file", "emotion_column": "mood", "group_column": "who"}
    clips = corpus("table", files={}, table="t.parquet", **columns)

    assert clips["path"].tolist() == ["a.wav", "b.wav"]
    assert clips["emotion"].fillna("").tolist() == ["happiness", ""]
    assert clips["group"].tolist() == ["1", "2"]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8-sig"])
def test_tables_of_other_encodings_are_read(corpus, tmp_path, encoding):
    (tmp_path / "t.csv").write_bytes("path,title\na.wav,Für Elise\n".encode(encoding))

    assert corpus("table", files={})["title"].tolist() == ["Für Elise"]


def test_what_excel_saves_as_unicode_text_is_read(corpus, tmp_path):
    (tmp_path / "t.csv").write_bytes("path\temotion\na.wav\tanger\n".encode("utf-16"))

    assert corpus("table", files={})["emotion"].tolist() == ["anger"]


def test_only_the_empty_cell_is_missing(corpus):
    clips = corpus("table", files={"t.csv": "path,title,group\na.wav,NA,None\nb.wav,,\n"})

    assert clips["title"].fillna("").tolist() == ["NA", ""]
    assert clips["group"].tolist() == ["None", "table/b"]


@pytest.mark.parametrize(
    ("files", "parameters", "message"),
    [
        ({"t.csv": "recs\na.wav"}, {}, "no column 'path' .it has recs.: set voice.corpus.path_column"),
        ({"t.csv": "path emotion\na.wav anger\n"}, {}, "no column 'path' .it has path emotion.: set voice"),
        ({"t.csv": "path\na.wav"}, {"emotion_column": "mood"}, "set voice.corpus.emotion_column"),
        ({"a.csv": "path\n", "b.csv": "path\n"}, {}, "holds 2 .a.csv, b.csv.: set voice.corpus.table"),
        ({"t.csv": "path\n"}, {}, "has no rows"),
        ({"t.csv": "path\n"}, {"table": "u.csv"}, "one table named 'u.csv' .* set voice.corpus.table"),
        ({"t.csv": "path,emotion\n,anger\n"}, {}, "row without a path"),
        ({"t.csv": "path\n/elsewhere/a.wav\n"}, {}, "not below"),
        ({"t.csv": "path\na/../../x.wav\n"}, {}, "names ../x.wav, which is not below .* root around it"),
        ({"t.csv": "path\na.wav\nsub/../a.wav\n"}, {}, "1 clip ids occur more than once: table/a"),
        ({"t.csv": "path\na.wav\na.wav\n"}, {}, "2 rows of the table are of a.wav: delete all but one"),
        ({"t.csv": "path,start_s\na.wav,soon\n"}, {}, "as start_s what is no number of seconds"),
        ({"t.csv": "path,start_s\na.wav,-1\n"}, {}, "clip table/a@-1-end: start_s must not be negative"),
        ({"t.csv": "path,start_s,end_s\na.wav,2,1\n"}, {}, "clip table/a@2-1: end_s must be after start_s"),
        ({"t.csv": "path,split\na.wav,holdout\n"}, {}, "official_split must be train, validation or test"),
        ({"t.parquet": "no, not parquet"}, {}, "Cannot read the table"),
    ],
)
def test_what_is_wrong_with_a_table_is_one_sentence(corpus, files, parameters, message):
    with pytest.raises(AffettoError, match=message):
        corpus("table", files=files, **parameters)


def test_a_path_out_of_the_root_and_back_is_one_below_it(corpus, tmp_path):
    inside = f"{tmp_path}/../{tmp_path.name}/a.wav"
    clips = corpus("table", files={"t.csv": f"path\n{inside}\n./b//c.wav\nd\\e.wav\n"})

    assert clips["path"].tolist() == ["a.wav", "b/c.wav", "d/e.wav"]


def test_limit_draws_in_proportion_and_by_seed():
    emotions = ["anger"] * 60 + ["fear"] * 30 + [None] * 10
    clips = pd.DataFrame({"clip_id": [f"c/{index:03}" for index in range(100)], "emotion": emotions})
    clips = clips.astype("str")

    drawn = draw_clips(clips, 20, seed=1)

    assert drawn["emotion"].value_counts(dropna=False).tolist() == [12, 6, 2]
    assert drawn["clip_id"].is_monotonic_increasing
    pd.testing.assert_frame_equal(drawn, draw_clips(clips, 20, seed=1))
    assert set(drawn["clip_id"]) != set(draw_clips(clips, 20, seed=2)["clip_id"])
    assert len(draw_clips(clips, 1_000, seed=0)) == 100


def flac(**tags):
    """Return the head of a FLAC file with Vorbis comments; lists are repeated comments."""
    comments = [f"{key}={text}".encode() for key, texts in tags.items() for text in np.atleast_1d(texts)]
    block = struct.pack("<II", 0, len(comments)) + b"".join(struct.pack("<I", len(c)) + c for c in comments)
    return b"fLaC\x00\x00\x00\x22" + bytes(34) + b"\x84" + len(block).to_bytes(3, "big") + block


def id3(encoding, **frames):
    """Return an ID3v2.3 tag whose texts are written as they are, under the given encoding byte."""
    body = b"".join(
        name.encode() + (len(text) + 1).to_bytes(4, "big") + b"\0\0" + bytes([encoding]) + text
        for name, text in frames.items()
    )
    return b"ID3\x03\x00\x00\x00\x00" + bytes([len(body) >> 7, len(body) & 127]) + body + bytes(64)


def test_a_library_is_unlabelled_and_grouped_by_artist(corpus):
    files = {
        "one/1.flac": flac(artist="Ann B.", title="Aria", genre=["Folk; Jazz", "Blues/Folk"], album="First"),
        "two/2.flac": flac(artist="ANN B.", albumartist="Someone"),
        "two/3.flac": flac(albumartist="The Trio", title="夜曲"),
        "two/4.flac": flac(albumartist="Various Artists", title="Nobody's"),
        "5.mid": b"MThd",
        "6.m4a": b"",
        "6.odd": b"",
        "cover.jpg": b"",
    }

    clips = corpus("library", files=files)

    assert clips["emotion"].isna().all()
    assert groups(clips) == {
        "library/5": "library/5",
        "library/6.m4a": "library/6.m4a",
        "library/6.odd": "library/6.odd",
        "library/one/1": "ann b.",
        "library/two/2": "ann b.",
        "library/two/3": "the trio",
        "library/two/4": "library/two/4",
    }
    titles = ["5", "6", "6", "Ann B.: Aria", "ANN B.: 2", "The Trio: 夜曲", "Various Artists: Nobody's"]
    assert clips["title"].tolist() == titles
    assert clips["tags"].tolist() == [[], [], [], ["Folk", "Jazz", "Blues"], [], [], []]


@pytest.mark.parametrize(
    ("content", "title"),
    [
        (id3(0, TIT2="Für Elise".encode("latin-1")), "Für Elise"),
        (id3(1, TIT2="月光".encode("utf-16")), "月光"),
        (id3(1, TIT2=b"\xff\xfe\x00\xd8a\x00"), "\N{REPLACEMENT CHARACTER}a"),  # half of a surrogate pair
        (flac(title=" Two\0 halves "), "Two halves"),
        (b"", "song"),
    ],
)
def test_titles_of_any_encoding_become_text_that_tables_can_hold(corpus, content, title):
    assert corpus("library", files={"song.mp3": content})["title"].tolist() == [title]


def test_files_whose_tags_cannot_be_read_are_listed_and_counted_in_one_line(corpus, caplog, tmp_path):
    files = {"good.flac": flac(title="Good"), "bad\nname.flac": b"fLaC\x84\xff\xff\xff", "text.mp3": "hello"}
    clips = corpus("library", files=files)

    assert clips["title"].tolist() == ["bad\nname", "Good", "text"]
    assert "of 3 files cannot be read: bad\\nname.flac" in caplog.messages[-1]
    assert not read_tags(tmp_path / "missing.mp3").readable


@given(
    head=st.sampled_from(
        [flac(title="Title", genre=["Folk", "Jazz"]), id3(1, TIT2="月光".encode("utf-16")), b""]
    ),
    cuts=st.lists(st.tuples(st.integers(0, 90), st.binary(max_size=12)), max_size=4),
    suffix=st.sampled_from([".mp3", ".flac", ".ogg", ".wav", ".aiff", ".xi"]),
)
def test_no_damaged_file_stops_a_library(tmp_path_factory, head, cuts, suffix):
    content = bytearray(head)
    for start, replacement in cuts:
        content[start : start + len(replacement)] = replacement
    path = tmp_path_factory.getbasetemp() / f"damaged{suffix}"
    path.write_bytes(content)

    tags = read_tags(path)

    for text in (tags.title, tags.artist, *tags.genres):
        assert text is None or (text.strip() and text.encode("utf-8"))
