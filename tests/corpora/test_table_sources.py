"""What is particular to corpora annotated by tables, databases of other libraries, and music libraries."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pandas as pd
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from affetto.corpora.index import index_corpus
from affetto.corpora.parameters import CorpusParameters, SplitParameters
from affetto.corpora.sources import SOURCES
from affetto.corpora.sources.library import read_tags
from affetto.corpora.splits import make_folds
from affetto.errors import AffettoError
from affetto.io.paths import as_path


def by_id(clips):
    return clips.set_index("clip_id")


def test_rare_emotions_of_iemocap_come_back_by_the_label_map(corpus):
    clips = by_id(corpus("iemocap", label_map={"fru": "anger"}))

    assert clips.loc["iemocap/Ses01F_impro01_F001", "emotion"] == "anger"


def test_dialogues_of_meld_keep_the_official_split_whole(corpus):
    by_speaker, by_dialogue = corpus("meld"), corpus("meld", group_column="Dialogue_ID")

    assert by_dialogue["group"].tolist() == ["dev dialogue 0", "test dialogue 0", *["train dialogue 0"] * 2]
    assert len(official_folds(by_dialogue)) == 2 * 4
    assert "meld/train/dia0_utt0" not in set(official_folds(by_speaker)["clip_id"])  # Rachel is tested


def official_folds(clips):
    """Fold a table of which every row occurs twice, because no emotion may have one clip only."""
    twice = pd.concat([clips, clips.assign(clip_id=clips["clip_id"] + " again")], ignore_index=True)
    return make_folds(twice, SplitParameters(protocol="official"))


def test_videos_of_meld_are_no_recordings(corpus, trees):
    files = {path.replace(".wav", ".mp4"): content for path, content in trees["meld"].items()}
    videos = {path: content for path, content in files.items() if path.endswith((".csv", ".mp4"))}

    with pytest.raises(AffettoError, match=r"None of the 5 .* extract their sound first.* `ffmpeg -i"):
        corpus("meld", files=videos)


@pytest.mark.parametrize(
    ("source", "files", "message"),
    [
        ("iemocap", {"a.wav": ""}, "No annotation of IEMOCAP"),
        ("meld", {"train_sent_emo.csv": "Emotion\njoy\n"}, "no column 'Dialogue_ID'"),
        ("meld", {"dia0_utt0.wav": ""}, "None of the tables of MELD"),
        ("msp_podcast", {"labels_consensus.csv": "FileName\na.wav\n"}, "no column 'EmoClass'"),
        ("msp_podcast", {"labels_consensus.csv": "FileName,EmoClass,Split_Set\na.wav,N,Train\n"}, "Audios"),
    ],
)
def test_what_is_missing_of_an_annotated_corpus_is_one_sentence(corpus, source, files, message):
    with pytest.raises(AffettoError, match=message) as caught:
        corpus(source, files=files)
    assert "\n" not in str(caught.value)


def test_meld_is_grouped_by_two_columns_only(corpus):
    with pytest.raises(AffettoError, match=r"voice.corpus.group_column is 'Season'"):
        corpus("meld", group_column="Season")


@pytest.mark.parametrize("source", ["iemocap", "meld", "msp_podcast", "library"])
def test_annotated_corpora_and_libraries_are_read_from_other_file_systems(
    corpus, trees, taxonomy, lay_out, source, tmp_path
):
    root = as_path(f"memory://{tmp_path.name}-{source}")
    lay_out(root, trees[source])
    side = SOURCES[source].sides[0]

    clips = index_corpus(CorpusParameters(source=source, root=root), taxonomy, side=side)

    assert clips["path"].tolist() == corpus(source)["path"].tolist()
    assert clips["title"].fillna("").tolist() == corpus(source)["title"].fillna("").tolist()


@pytest.fixture
def database(tmp_path):
    """A real database of audformat: two files of two seconds, three parts, a speaker a file."""
    import audformat
    import numpy as np

    db = audformat.Database("small")
    db.schemes["emotion"] = audformat.Scheme(labels=["Anger", "neutral", "other"])
    db.splits["dev"] = audformat.Split(audformat.define.SplitType.DEVELOP)
    parts = audformat.segmented_index(["a.wav", "a.wav", "b.wav"], ["0s", "1s", "0s"], ["1s", None, None])
    db["parts"] = audformat.Table(parts, split_id="dev")
    db["parts"]["choice"] = audformat.Column(scheme_id="emotion")
    db["parts"]["choice"].set(["Anger", "neutral", "other"])
    db["files"] = audformat.Table(audformat.filewise_index(["a.wav", "b.wav"]))
    db["files"]["speaker"] = audformat.Column()
    db["files"]["speaker"].set(["ann", "bob"])
    db["files"]["set"] = audformat.Column()
    db["files"]["set"].set(["train", "test"])
    root = tmp_path / "database"
    root.mkdir()
    for name in ("a.wav", "b.wav"):
        soundfile.write(root / name, np.full(2 * 8_000, 0.1), 8_000)
    db.save(str(root))
    return root


def test_a_database_of_audformat(corpus, database):
    clips = corpus("audb", "voice", files={}, root=database)

    assert clips["clip_id"].tolist() == ["audb/a@0-1", "audb/a@1-end", "audb/b"]
    assert clips["path"].tolist() == ["a.wav", "a.wav", "b.wav"]
    assert clips["emotion"].fillna("").tolist() == ["anger", "neutral", ""]
    assert clips["group"].tolist() == ["ann", "ann", "bob"]
    assert set(clips["official_split"]) == {"validation"}


def test_audb_fetches_what_is_not_there_and_reads_it_again_without_fetching(
    corpus, database, tmp_path, monkeypatch
):
    import audb

    host = tmp_path / "host"
    (host / "repository").mkdir(parents=True)
    repository = audb.Repository("repository", str(host), "file-system")
    for name in ("CACHE_ROOT", "SHARED_CACHE_ROOT"):
        monkeypatch.setattr(audb.config, name, str(tmp_path / "cache"))
    monkeypatch.setattr(audb.config, "REPOSITORIES", [repository])
    audb.publish(str(database), "1.0.0", repository, verbose=False)

    fetched = corpus("audb", "voice", files={}, root=tmp_path / "root", database="small", version="1.0.0")
    monkeypatch.setattr(audb.config, "REPOSITORIES", [])
    again = corpus("audb", "voice", files={}, root=tmp_path / "root", database="small")

    assert (
        fetched["clip_id"].tolist() == again["clip_id"].tolist() == ["audb/a@0-1", "audb/a@1-end", "audb/b"]
    )
    assert not list((tmp_path / "root").glob("*.pkl"))
    with pytest.raises(AffettoError, match=r"audb cannot fetch small 2.0.0 .*voice.corpus.version"):
        corpus("audb", "voice", files={}, root=tmp_path / "new", database="small", version="2.0.0")
    with pytest.raises(AffettoError, match=r"holds the database small, but voice.corpus.database is large"):
        corpus("audb", "voice", files={}, root=tmp_path / "root", database="large")


def test_tables_and_columns_of_a_database_may_be_chosen(corpus, trees):
    header = trees["audb"]["db.yaml"].replace("tables:\n  emotion:", "tables:\n  acted:")
    wish = "  desired:\n    type: filewise\n    columns:\n      wish: {scheme_id: emotion}\n"
    files = trees["audb"] | {
        "db.yaml": header.replace(", labels: ['{0}', '{1}']", "") + wish,
        "db.acted.csv": trees["audb"]["db.emotion.csv"],
        "db.desired.csv": "file,wish\nwav/1.wav,sad\nwav/2.wav,joy\n",
    }

    with pytest.raises(AffettoError, match=r"2 tables .* set voice.corpus.table .* those are acted, desired"):
        corpus("audb", "voice", files=files)
    desired = corpus("audb", "voice", files=files, table="des*", emotion_column="wish")
    assert desired["emotion"].tolist() == ["sadness", "happiness"]
    acted = corpus("audb", "voice", files=files, table="acted", group_column="emotion.confidence")
    assert acted["group"].tolist() == ["0.9", "0.4", "audb/wav/3"]


def test_several_tables_of_a_database_are_joined(corpus, trees):
    header = trees["audb"]["db.yaml"].replace(
        "tables:\n  emotion:", "splits:\n  test: {type: test}\ntables:\n  emotion:"
    )
    more = "  emotion.test:\n    type: filewise\n    split_id: test\n    columns:\n      emotion: {}\n"
    files = trees["audb"] | {
        "db.yaml": header + more,
        "db.emotion.test.csv": "file,emotion\nwav/4.wav,sad\n",
        "wav/4.wav": "",
    }

    clips = corpus("audb", "voice", files=files, table="emotion*")

    assert clips["emotion"].fillna("").tolist() == ["anger", "neutral", "", "sadness"]
    assert clips["official_split"].fillna("").tolist() == ["", "", "", "test"]


def test_the_layout_of_emodb_in_audb_needs_no_parameters(corpus, trees):
    header = trees["audb"]["db.yaml"].replace(
        "tables:\n", "splits:\n  test: {type: test}\n  train: {type: train}\ntables:\n"
    )
    part = (
        "  emotion.{split}:\n    type: filewise\n    split_id: {split}\n    columns:\n      emotion: {{}}\n"
    )
    files = trees["audb"] | {
        "db.yaml": header + part.format(split="test") + part.format(split="train"),
        "db.emotion.test.csv": "file,emotion\nwav/1.wav,{0}\n",
        "db.emotion.train.csv": "file,emotion\nwav/2.wav,{1}\n",
    }

    clips = corpus("audb", "voice", files=files)

    assert clips["emotion"].fillna("").tolist() == ["anger", "neutral", ""]
    assert clips["official_split"].fillna("").tolist() == ["test", "train", ""]


def test_nothing_that_lies_in_a_database_is_executed(corpus, trees, tmp_path):
    header = trees["audb"]["db.yaml"] + "evil: !!python/object/apply:os.mkdir ['executed']\n"
    with pytest.raises(AffettoError, match="Cannot read the header"):
        corpus("audb", files=trees["audb"] | {"db.yaml": header})
    with pytest.raises(AffettoError, match=r"pickled tables .db.emotion.pkl.*delete them"):
        corpus("audb", files=trees["audb"] | {"db.emotion.pkl": b"cos\nsystem\n."})


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"table": "emotions"}, r"no such table of the database small has a column emotion"),
        ({"emotion_column": "valence"}, r"0 tables .* have a column valence: .* there are emotion, files"),
        ({"group_column": "actor"}, r"voice.corpus.group_column is 'actor', but the database small has no"),
        ({"split_column": "part"}, r"voice.corpus.split_column is 'part'"),
    ],
)
def test_what_a_database_does_not_have_is_named(corpus, parameters, message):
    with pytest.raises(AffettoError, match=message) as caught:
        corpus("audb", "voice", **parameters)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["missing", "no table"])
def test_a_table_of_a_database_that_cannot_be_read_is_named(corpus, trees, damage):
    files = dict(trees["audb"])
    if damage == "missing":
        del files["db.files.csv"]
    else:
        files["db.files.csv"] = ""

    with pytest.raises(AffettoError, match=r"The table files of the database small cannot be read") as caught:
        corpus("audb", files=files)
    assert "\n" not in str(caught.value)


def test_a_database_without_its_media(corpus, trees):
    files = {path: content for path, content in trees["audb"].items() if not path.startswith("wav/")}

    with pytest.raises(AffettoError, match="None of the 3 annotated clips of the database small"):
        corpus("audb", files=files)


def test_a_file_that_is_no_header_of_a_database(corpus):
    with pytest.raises(AffettoError, match="not the header of an audformat database"):
        corpus("audb", files={"db.yaml": "name: small\n"})


def test_mirdata_reads_a_relative_root(corpus, tmp_path, monkeypatch):
    absolute = corpus("mirdata")
    monkeypatch.chdir(tmp_path.parent)

    pd.testing.assert_frame_equal(corpus("mirdata", root=Path(tmp_path.name)), absolute)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"database": None}, "music.corpus.database is None, which is no loader of mirdata"),
        ({"database": "emopia"}, "music.corpus.database is 'emopia', which is no loader of mirdata"),
        ({"version": "9"}, "in the version 9"),
        ({"emotion_column": "feeling"}, "emotion_column is 'feeling', which tracks .* use one of album_id"),
        ({"database": "ballroom"}, r"cannot read .*: fetch .*\.download\(\)`, or put the index"),
        ({"database": "simac"}, r"cannot open its loader simac .*KeyError"),
        ({"database": "dali"}, r"cannot open its loader dali .*ModuleNotFoundError"),
    ],
)
def test_what_mirdata_does_not_have_is_named(corpus, parameters, message):
    with pytest.raises(AffettoError, match=message) as caught:
        corpus("mirdata", **parameters)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("tracks", ['{"a": {}}', '{"a": {"audio": []}}', "[1]", "null"])
@pytest.mark.parametrize("database", ["ballroom", "mridangam_stroke", "openmic2018"])
def test_whatever_a_loader_of_mirdata_raises_is_one_sentence(corpus, tmp_path, database, tracks):
    import mirdata

    index = Path(mirdata.initialize(database, data_home=str(tmp_path)).index_path).name
    with pytest.raises(AffettoError, match=rf"mirdata's loader {database} cannot read .*{index}") as caught:
        corpus("mirdata", files={index: f'{{"version": "1", "tracks": {tracks}}}'}, database=database)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("source", ["audb", "mirdata"])
def test_other_libraries_read_folders_of_this_machine(corpus, source):
    root = as_path(f"memory://{source}-elsewhere")
    root.mkdir(parents=True)
    (root / "file").write_bytes(b"")

    with pytest.raises(AffettoError, match="reads folders of this machine only"):
        corpus(source, root=root)


@pytest.mark.parametrize(("source", "package"), [("audb", "audformat"), ("mirdata", "mirdata")])
def test_a_library_that_is_not_installed(corpus, monkeypatch, source, package):
    monkeypatch.setitem(sys.modules, package, None)  # as Python marks what cannot be imported

    with pytest.raises(AffettoError, match=rf"pip install 'affetto\[{source}\]'"):
        corpus(source)


def test_tracks_without_recordings_say_how_to_get_them(corpus, trees):
    files = {path: content for path, content in trees["mirdata"].items() if not path.startswith("audios")}

    with pytest.raises(AffettoError, match=r"None of the 4 .* The audio files can be downloaded"):
        corpus("mirdata", files=files)


def flac(**tags):
    """Return the head of a FLAC file with Vorbis comments; lists are repeated comments."""
    pairs = [
        (key, text) for key, texts in tags.items() for text in ([texts] if isinstance(texts, str) else texts)
    ]
    comments = [f"{key}={text}".encode() for key, text in pairs]
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
        "cover.jpg": b"",
    }

    clips = by_id(corpus("library", files=files))

    assert clips["emotion"].isna().all()
    assert clips["group"].tolist() == ["library/5", "ann b.", "ann b.", "the trio", "library/two/4"]
    assert clips["title"].tolist() == [
        "5",
        "Ann B.: Aria",
        "ANN B.: 2",
        "The Trio: 夜曲",
        "Various Artists: Nobody's",
    ]
    assert clips["tags"].tolist() == [[], ["Folk", "Jazz", "Blues"], [], [], []]


def test_the_same_track_in_two_formats_is_two_clips(corpus):
    clips = corpus("library", files={"a.flac": "", "a.mp3": "", "b.mp3": ""})

    assert clips["clip_id"].tolist() == ["library/a.flac", "library/a.mp3", "library/b"]


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
    clips = corpus("library", files={"song.mp3": content})

    assert clips["title"].tolist() == [title]
    clips["title"].iloc[0].encode("utf-8")


def test_files_whose_tags_cannot_be_read_are_listed_and_counted(corpus, caplog, tmp_path):
    files = {
        "good.flac": flac(title="Good"),
        "bad.flac": b"fLaC\x84\xff\xff\xff",
        "text.mp3": b"hello, this is no music",
    }
    clips = corpus("library", files=files)

    assert clips["title"].tolist() == ["bad", "Good", "text"]
    assert "cannot be read; the first is" in caplog.text
    assert not read_tags(tmp_path / "missing.mp3").readable


def test_names_in_logs_stay_in_their_line(corpus, caplog):
    corpus("library", files={"a\nb.mp3": "no music"})
    corpus("emodb", files={"03a01Fa.wav": "", "x\x1b[2J\ny.wav": ""})

    assert all("\n" not in message and "\x1b" not in message for message in caplog.messages)
    assert "a\\nb.mp3" in caplog.text


def test_a_library_holds_every_file_that_may_be_music(corpus, tmp_path):
    assert len(corpus("library", files={"a.m4a": "", "b.flac": flac(), "b.jpg": "", "c.odd": ""})) == 3


def test_a_library_without_music(corpus, tmp_path):
    with pytest.raises(AffettoError, match=r"No recording lies below .*: set music.corpus.root"):
        corpus("library", files={"a.txt": ""}, root=tmp_path)


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
