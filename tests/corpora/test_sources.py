"""Every source on a small corpus of its layout: the same contract for all, and what is particular to each."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pandas as pd
import pytest

from affetto.corpora.clips import CLIP_COLUMNS
from affetto.corpora.index import draw_clips
from affetto.corpora.parameters import READ_BY_ALL, CorpusParameters
from affetto.corpora.sources import SOURCES
from affetto.corpora.sources.files import find_recordings
from affetto.corpora.taxonomy import source_labels
from affetto.errors import AffettoError

SIDED = [(name, side) for name, source in SOURCES.items() for side in source.sides]
PUBLISHED = [name for name, source in SOURCES.items() if source.labels != "generic"]
UNLABELLED = {"gtzan", "library"}


def by_id(clips):
    return clips.set_index("clip_id")


@pytest.fixture(scope="session")
def known_clips():
    """What is known of the clips of all trees, as text; empty cells are missing values."""
    return pd.read_csv(Path(__file__).parent / "known_clips.csv", dtype="str", keep_default_na=False)


@pytest.mark.parametrize(("source", "side"), SIDED)
def test_contract_of_every_source(corpus, taxonomy, known_clips, tmp_path, source, side):
    clips = corpus(source, side)

    known = known_clips[(known_clips["corpus"] == source) & (known_clips["side"] == side)]
    text = io.StringIO(clips.assign(tags=clips["tags"].map(";".join)).to_csv(index=False))
    found = pd.read_csv(text, dtype="str", keep_default_na=False)
    pd.testing.assert_frame_equal(found, known.reset_index(drop=True))
    assert list(clips.columns) == list(CLIP_COLUMNS)
    assert clips["clip_id"].is_unique
    assert clips["clip_id"].is_monotonic_increasing
    assert clips["clip_id"].str.startswith(f"{source}/").all()
    assert (clips["side"] == side).all()
    assert clips["group"].notna().all()
    assert clips["emotion"].notna().any() == (source not in UNLABELLED)
    assert set(clips["emotion"].dropna()) <= set(taxonomy["emotions"][side])
    assert all((tmp_path / path).is_file() for path in clips["path"])
    assert all(isinstance(tags, list) for tags in clips["tags"])
    pd.testing.assert_frame_equal(clips, corpus(source, side))


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_every_source_says_where_it_comes_from(source):
    assert source.title
    assert source.licence
    assert source.group_rule
    assert source.layout
    assert set(source.sides) <= {"music", "voice"}
    published = source.name in PUBLISHED
    assert published == bool(source.citation) == bool(source.home_page)
    if published:
        assert re.match(r"@\w+\{[\w:-]+,\n", source.citation)
        assert source.citation.count("{") == source.citation.count("}")
        assert source.home_page.startswith(("https://", "http://"))


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_labels_and_counts_of_every_source(taxonomy, source):
    labels = {}
    for side in source.sides:
        assert source.labels_key(side) in taxonomy["labels"]
        labels |= source_labels(taxonomy, source.labels_key(side), side)
    if source.expected is not None:
        assert 0 < (source.expected.groups or 1) <= source.expected.clips
        assert sum(source.expected.labels.values()) <= source.expected.clips
        assert set(source.expected.labels) <= set(labels)


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_downloads_are_checked_and_encrypted(source):
    for download in source.downloads:
        assert download.url.startswith("https://")
        assert re.fullmatch(r"md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}", download.checksum)


@pytest.mark.parametrize("source", PUBLISHED)
def test_folders_around_a_corpus_change_nothing_but_paths(corpus, trees, tmp_path, source):
    files = {f"around/it/{path}": content for path, content in trees[source].items()}
    outer = corpus(source, files=files)
    inner = corpus(source, files=files, root=tmp_path / "around/it")

    assert outer["path"].tolist() == [f"around/it/{path}" for path in inner["path"]]
    pd.testing.assert_frame_equal(outer.drop(columns="path"), inner.drop(columns="path"))


def test_moods_of_panda_4q_are_themes_on_demand_and_not_independent(corpus, caplog):
    with caplog.at_level("WARNING"):
        clips = by_id(corpus("panda_4q", theme_column="moods"))
    assert clips["theme"].iloc[0] == "Greasy"
    assert "no independent evidence" in caplog.text
    with pytest.raises(AffettoError, match="genres or moods"):
        corpus("panda_4q", theme_column="mood")


def test_a_table_of_panda_4q_without_songs(corpus, trees):
    with pytest.raises(AffettoError, match=r"x_metadata\.csv has no column 'Song'"):
        corpus("panda_4q", files=trees["panda_4q"] | {"MER/x_metadata.csv": "Artist,Title\nAnn,One\n"})


def test_folders(corpus):
    clips = by_id(corpus("folders", "music", group_pattern=r"(ann|bob|loose)"))

    assert clips["emotion"].fillna("").to_dict() == {
        "folders/Relaxed/ann/1": "calm",
        "folders/Sad/ann/2": "sad",
        "folders/Sad/bob/1": "sad",
        "folders/loose": "",
    }
    assert clips["group"].tolist() == ["ann", "ann", "bob", "loose"]


def test_folders_pass_over_an_outer_folder_and_each_clip_is_its_own_group(corpus):
    clips = corpus("folders", files={"corpus/v1/angry/1.wav": "", "corpus/v1/sad/1.wav": ""})

    assert clips["emotion"].tolist() == ["anger", "sadness"]
    assert clips["group"].tolist() == clips["clip_id"].tolist()


def test_one_folder_alone_is_a_class(corpus):
    assert (
        corpus("folders", files={"angry/1.wav": "", "angry/2.wav": ""})["emotion"].tolist() == ["anger"] * 2
    )


@pytest.mark.parametrize("pattern", [r"spk(\d)|act(\d)", r"(?:spk|act)(\d)", r"(spk|act)(\d)"])
def test_any_bracket_of_the_group_pattern_may_name_the_group(corpus, pattern):
    files = {"a/spk1_x.wav": "", "a/act2_x.wav": "", "b/spk1_y.wav": ""}
    clips = corpus("folders", files=files, group_pattern=pattern, label_map={"*": "anger"})
    assert clips["group"].nunique() == 2


def test_a_bracket_that_takes_no_part_names_no_group(corpus):
    with pytest.raises(AffettoError, match=r"group_pattern .* in 1 of 2 paths: b.wav"):
        corpus("folders", files={"spk1.wav": "", "b.wav": ""}, group_pattern=r"(spk\d)?")


def test_headers_and_groups_of_tables_may_have_blanks_and_capitals(corpus):
    table = "Path, Emotion ,GROUP\na.wav,anger, ann\nb.wav,anger,ann \nc.wav,sadness,\nd.wav,anger,  \n"
    files = {**dict.fromkeys(("a.wav", "b.wav", "c.wav", "d.wav"), ""), "t.csv": table}
    clips = by_id(corpus("table", files=files))
    assert clips["emotion"].notna().all()
    assert clips["group"].tolist() == ["ann", "ann", "table/c", "table/d"]


def test_a_table_with_other_separators_is_told_so(corpus):
    with pytest.raises(AffettoError, match="separate its columns by commas"):
        corpus("table", files={"a.wav": "", "t.csv": "path;emotion\na.wav;anger\n"})


def test_a_row_twice_is_told_so(corpus):
    with pytest.raises(AffettoError, match=r"2 rows of the table are of a.wav.: delete all but one"):
        corpus("table", files={"a.wav": "", "t.csv": "path,emotion\na.wav,anger\na.wav,anger\n"})


def test_any_file_may_be_a_recording_but_what_evidently_is_none(corpus):
    files = {"angry/a.wav": "", "angry/b.m4a": "", "angry/b.3gp": "", "sad/c.unheard-of": "", "sad/d": ""}
    beside = {"notes.txt": "", "sad/c.csv": "", "sad/cover.JPG": "", "sad/c.TextGrid": "", "README.md": ""}
    clips = corpus("folders", files=files | beside)

    assert clips["path"].tolist() == sorted(files)
    assert clips["clip_id"].is_unique


def test_a_folder_without_a_recording(corpus):
    with pytest.raises(AffettoError, match=r"No recordings lie below .*set voice.corpus.root"):
        corpus("folders", files={"angry/b.txt": ""})


@pytest.mark.parametrize("pattern", [r"^[a-z]+", r"^([a-z]+)_", r"[a-z]+(?=_)"])
def test_a_pattern_that_finds_nothing_in_paths_but_the_class_is_one_of_names(corpus, pattern):
    files = {
        f"{emotion}/{who}_{n}.wav": "" for emotion in ("anger", "fear") for who in ("ann", "bo") for n in "12"
    }
    clips = corpus("folders", files=files, group_pattern=pattern)
    assert set(clips["group"]) == {"ann", "bo"}


def test_second_groups_of_folders_and_tables(corpus):
    names = ["sad/ann_s1", "sad/ann_s2", "happy/bo_s1"]
    files = {f"{name}.wav": "" for name in names}
    found = by_id(corpus("folders", files=files, group_pattern="(ann|bo)", second_group_pattern=r"_(s\d)"))
    assert found["second_group"].to_dict() == {f"folders/{name}": name[-2:] for name in names}

    rows = "".join(f"{name}.wav,{'' if index else 't1'}\n" for index, name in enumerate(names))
    tabled = by_id(corpus("table", files=files | {"t.csv": "path,Second_Group\n" + rows}))
    assert tabled["second_group"].fillna("").to_dict() == {
        "table/sad/ann_s1": "t1",
        "table/sad/ann_s2": "",
        "table/happy/bo_s1": "",
    }


def test_the_second_group_pattern_must_match_every_clip(corpus):
    with pytest.raises(AffettoError, match=r"second_group_pattern .* in 1 of 2 paths: sad/a.wav"):
        corpus("folders", files={"sad/a.wav": "", "sad/b1.wav": ""}, second_group_pattern=r"\d")


def test_group_pattern_must_match_every_clip(corpus):
    with pytest.raises(AffettoError, match=r"group_pattern .* in 2 of 3 paths: b.wav, c.wav"):
        corpus("folders", files={"a_1.wav": "", "b.wav": "", "c.wav": ""}, group_pattern=r"_(\d)")


def test_table_as_parquet_with_own_columns(corpus, tmp_path):
    table = pd.DataFrame({"file": ["a.wav", str(tmp_path / "b.wav")], "mood": ["joy", None], "who": [1, 2]})
    table.to_parquet(tmp_path / "t.parquet")

    clips = corpus(
        "table", files={}, table="t.parquet", path_column="file", emotion_column="mood", group_column="who"
    )

    assert clips["path"].tolist() == ["a.wav", "b.wav"]
    assert clips["emotion"].fillna("").tolist() == ["happiness", ""]
    assert clips["group"].tolist() == ["1", "2"]


@pytest.mark.parametrize(
    ("files", "parameters", "message"),
    [
        ({"t.csv": "file\na.wav"}, {}, "no column 'path' .it has file.: set voice.corpus.path_column"),
        ({"t.csv": "path\na.wav"}, {"emotion_column": "mood"}, "set voice.corpus.emotion_column"),
        ({"a.csv": "path\n", "b.csv": "path\n"}, {}, "holds 2 .a.csv, b.csv.: set voice.corpus.table"),
        ({"t.csv": "path\n"}, {}, "has no rows"),
        ({"t.csv": "path\n"}, {"table": "u.csv"}, "voice.corpus.table names 'u.csv'"),
        ({"t.csv": "path,emotion\n,anger\n"}, {}, "row without a path"),
        ({"t.csv": "path\n/elsewhere/a.wav\n"}, {}, "not below"),
        ({"t.csv": "path\n../../x.wav\n"}, {}, "names ../../x.wav, which is not below .* root around it"),
        ({"t.csv": "path\na/../../x.wav\n"}, {}, "names ../x.wav, which is not below"),
        ({"t.csv": "path\na.wav\nsub/../a.wav\n"}, {}, "1 clip ids occur more than once: table/a"),
        ({"t.csv": "path,start_s\na.wav,soon\n"}, {}, "as start_s what is no number of seconds"),
        ({"t.csv": "path,start_s\na.wav,-1\n"}, {}, "clip table/a@-1-end: start_s must not be negative"),
        ({"t.csv": "path,start_s,end_s\na.wav,2,1\n"}, {}, "end_s must be after start_s .it is 2 s to 1 s"),
        ({"t.csv": "path,split\na.wav,holdout\n"}, {}, "official_split must be train, validation or test"),
        ({"t.csv": "path\na.wav\na.wav\n"}, {}, "1 clip ids occur more than once: table/a"),
        ({"t.parquet": "no, not parquet"}, {}, "Cannot read the table"),
    ],
)
def test_what_is_wrong_with_a_table_is_one_sentence(corpus, files, parameters, message):
    with pytest.raises(AffettoError, match=message) as caught:
        corpus("table", files=files, **parameters)
    assert "\n" not in str(caught.value)


def test_a_path_out_of_the_root_and_back_is_one_below_it(corpus, tmp_path):
    inside = f"../{tmp_path.name}/a.wav"
    with pytest.raises(AffettoError, match="not below"):
        corpus("table", files={"t.csv": f"path\n{inside}\n"})
    clips = corpus("table", files={"t.csv": f"path\n{tmp_path}/{inside}\n./b//c.wav\n"})

    assert clips["path"].tolist() == ["a.wav", "b/c.wav"]


def test_latin_1_tables_are_read(corpus, tmp_path):
    (tmp_path / "t.csv").write_bytes("path,title\na.wav,Für Elise\n".encode("latin-1"))

    assert corpus("table", files={})["title"].tolist() == ["Für Elise"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_tables_that_excel_saves_as_unicode_text_are_read(corpus, tmp_path, encoding):
    text = "\ufeffpath\ttitle\r\na.wav\tFür Elise, 愤怒\r\n"
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))

    assert corpus("table", files={})["title"].tolist() == ["Für Elise, 愤怒"]


@pytest.mark.parametrize(
    "make", [lambda root: None, lambda root: root.mkdir(), lambda root: root.write_text("x")]
)
@pytest.mark.parametrize("source", [name for name in SOURCES if name != "demo"])
def test_a_root_that_is_missing_or_empty_is_named_with_its_parameter(corpus, tmp_path, make, source):
    root = tmp_path / "nowhere"
    make(root)

    with pytest.raises(AffettoError, match="nowhere") as caught:
        corpus(source, files={}, root=root)
    assert f"{SOURCES[source].sides[-1]}.corpus.root" in str(caught.value)


@pytest.mark.parametrize("source", [*PUBLISHED, "folders", "table"])
def test_a_folder_of_something_else_is_named(corpus, tmp_path, source):
    with pytest.raises(AffettoError, match=str(tmp_path)):
        corpus(source, files={"readme.txt": "hello"})


def test_a_source_of_the_other_side_or_of_a_mistyped_name(corpus):
    with pytest.raises(AffettoError, match=r"music.corpus.source is 'emodb', a corpus of voice: use one of"):
        corpus("emodb", "music")
    with pytest.raises(AffettoError, match="did you mean 'emodb'"):
        corpus("emo-db", "voice", files={})


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_a_source_says_which_parameters_it_reads(source):
    assert set(source.options) <= set(CorpusParameters.model_fields) - READ_BY_ALL


def test_a_parameter_that_a_source_does_not_read_is_named(corpus):
    with pytest.raises(AffettoError, match=r"voice.corpus.middle is set, but .* emodb .*: leave it out"):
        corpus("emodb", middle=0.5)
    with pytest.raises(AffettoError, match="folders does not read it: it takes group_pattern, second_"):
        corpus("folders", group_column="speaker")


def test_the_same_clip_in_two_folders_is_named(corpus):
    with pytest.raises(AffettoError, match=r"emodb/03a01Fa .the first in a/03a01Fa.wav and b/03a01Fa.wav"):
        corpus("emodb", files={"a/03a01Fa.wav": "", "b/03a01Fa.wav": ""})


def test_recordings_of_other_names_are_left_out_and_logged(corpus, caplog):
    clips = corpus("emodb", files={"03a01Fa.wav": "", "03a01Wa.wav": "", "trailer.mp3": ""})

    assert len(clips) == 2
    assert "trailer.mp3" in caplog.text


def test_loops_of_links_end_and_hidden_files_are_skipped(tmp_path, lay_out):
    lay_out(
        tmp_path,
        {"b/1.wav": "", "._1.wav": "", "__MACOSX/b/1.wav": "", ".cache/1.wav": "", "x.wav/2.WAV": ""},
    )
    (tmp_path / "b" / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a").symlink_to(tmp_path / "b", target_is_directory=True)
    (tmp_path / "itself").symlink_to(tmp_path / "itself")

    assert [path.relative_to(tmp_path).as_posix() for path in find_recordings(tmp_path)] == [
        "b/1.wav",
        "x.wav/2.WAV",
    ]


def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(AffettoError, match="Permission denied"):
        find_recordings(tmp_path)


def test_linked_folders_are_followed(tmp_path, lay_out):
    lay_out(tmp_path, {"elsewhere/1.wav": "", "root/2.wav": ""})
    (tmp_path / "root" / "link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)

    assert [path.name for path in find_recordings(tmp_path / "root")] == ["2.wav", "1.wav"]


def test_own_name_of_a_corpus(corpus):
    assert corpus("emodb", name="berlin")["clip_id"].iloc[0] == "berlin/03a01Fa"


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


def test_group_pattern_is_checked_with_the_parameters():
    with pytest.raises(ValueError, match="not a regular expression"):
        CorpusParameters(group_pattern="(")
