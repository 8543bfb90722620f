"""Every source on a small corpus of its layout: the same contract for all, and what is wrong with a copy."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from affetto.corpora.clips import CLIP_COLUMNS
from affetto.corpora.describe import describe_source
from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources import SOURCES
from affetto.corpora.sources.files import find_recordings
from affetto.corpora.sources.music_tags import JAMENDO_THEMES
from affetto.corpora.sources.tables import QUADRANTS, name_quadrants, scale_ratings
from affetto.errors import AffettoError
from affetto.io.paths import as_path

SIDED = [(name, side) for name, source in SOURCES.items() for side in source.sides]
PUBLISHED = [name for name, source in SOURCES.items() if source.labels != "generic"]


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
    assert clips["group"].notna().all()
    assert clips["emotion"].notna().any() == (source not in {"gtzan", "library"})
    assert set(clips["emotion"].dropna()) <= set(taxonomy["emotions"][side])
    assert all((tmp_path / path).is_file() for path in clips["path"])
    pd.testing.assert_frame_equal(clips, corpus(source, side))


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_what_every_source_declares(taxonomy, source):
    described = describe_source(source, taxonomy)

    assert all(described[name] for name in ("title", "licence", "group_rule", "layout"))
    assert set(described["labels"]) == set(source.sides) <= {"music", "voice"}
    assert (source.name in PUBLISHED) == bool(source.citation) == bool(source.home_page)
    assert not source.citation or re.match(r"@\w+\{[\w:-]+,\n", source.citation)
    assert source.citation.count("{") == source.citation.count("}")
    assert set(source.options) <= set(CorpusParameters.model_fields)
    if source.expected is not None:
        assert 0 < (source.expected.groups or 1) <= source.expected.clips
        assert sum(source.expected.labels.values()) <= source.expected.clips
        assert set(source.expected.labels) <= set().union(*described["labels"].values())
    names = [Path(download.url.partition("?")[0]).name for download in source.downloads]
    assert len(set(names)) == len(names)
    assert all(name.endswith(".zip") for name in names)  # the archives that are unpacked
    for download in source.downloads:
        assert download.url.startswith("https://")
        assert re.fullmatch(r"md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}", download.checksum)


@pytest.mark.parametrize("source", PUBLISHED)
def test_a_published_corpus_is_read_with_folders_around_it_and_elsewhere(
    corpus, trees, lay_out, tmp_path, source
):
    files = {f"around/it/{path}": content for path, content in trees[source].items()}
    outer = corpus(source, files=files)
    inner = corpus(source, files={}, root=tmp_path / "around/it")
    elsewhere = lay_out(as_path(f"memory://{tmp_path.name}"), trees[source])

    assert outer["path"].tolist() == [f"around/it/{path}" for path in inner["path"]]
    pd.testing.assert_frame_equal(outer.drop(columns="path"), inner.drop(columns="path"))
    pd.testing.assert_frame_equal(corpus(source, files={}, root=elsewhere), inner)


def emotions(clips):
    stems = clips["clip_id"].str.split("/", n=1).str[1]
    return dict(zip(stems, clips["emotion"].fillna(""), strict=True))


@pytest.mark.parametrize(
    ("source", "left"),
    [
        ("ravdess_song", "03-01-01-01-01-01-24.wav"),
        ("tess", "readme.mp3"),
        ("casia", "1 recordings are not named as CASIA names its clips and are left out: 201.wav"),
        ("esd", "0012_000001.wav"),
        ("emovo", "notes.wav"),
        ("nemo", "MP0_sadness_3"),
        ("nemo", "WR0_fear_2"),
        ("meld", "1 of 5 annotated clips of MELD have no recording and are left out: train/dia1_utt0"),
        ("msp_podcast", "1 of 6 annotated clips of MSP-Podcast have no recording"),
        ("mirdata", "1 of 4 annotated clips of mirdata's"),
    ],
)
def test_what_does_not_belong_is_left_out_and_logged(corpus, caplog, source, left):
    clips = corpus(source)

    assert left in caplog.text
    assert not clips["path"].str.contains(left, regex=False).any()


@pytest.mark.parametrize(
    ("source", "name"),
    [("tess", "YAF_sad/YAF_back_sad.wav"), ("ravdess", "Actor_01/03-01-05-01-01-01-01.wav")],
)
def test_an_archive_that_holds_its_tree_twice_is_read_once(corpus, caplog, source, name):
    clips = corpus(source, files={f"data/data/{name}": "take", f"data/{name}": "take"})

    assert clips["path"].tolist() == [f"data/{name}"]
    assert "1 recordings of" in caplog.text


def test_mp3s_of_cremad_are_read_where_there_is_nothing_else(corpus):
    clips = corpus("cremad", files={"AudioMP3/1001_DFA_ANG_XX.mp3": "", "AudioWAV/1002_DFA_ANG_XX.wav": ""})

    assert clips["path"].tolist() == ["AudioMP3/1001_DFA_ANG_XX.mp3", "AudioWAV/1002_DFA_ANG_XX.wav"]


def test_moods_of_panda_4q_are_themes_on_demand_and_not_independent(corpus, caplog):
    assert corpus("panda_4q", theme_column="moods")["theme"].iloc[0] == "Greasy"
    assert "no independent evidence" in caplog.text


def test_rare_emotions_of_iemocap_come_back_by_the_label_map(corpus):
    assert emotions(corpus("iemocap", label_map={"fru": "anger"}))["Ses01F_impro01_F001"] == "anger"


def test_dialogues_of_meld_are_groups_on_demand(corpus):
    clips = corpus("meld", group_column="Dialogue_ID")

    assert clips["group"].tolist() == ["dev dialogue 0", "test dialogue 0", *["train dialogue 0"] * 2]


def test_the_middle_of_deam_is_left_unlabelled(corpus):
    # Song 1001 is 0.1 of half the scale from the centre in valence, 2001 is 0.25.
    assert emotions(corpus("deam", middle=0.2)) == {"1001": "", "2": "sad", "2001": "tense", "7": "calm"}
    assert emotions(corpus("deam", middle=0.3)) == {"1001": "", "2": "sad", "2001": "", "7": ""}


def test_what_is_optional_in_a_release(corpus, trees):
    deam = {name: text for name, text in trees["deam"].items() if "metadata" not in name}
    clips = corpus("deam", files=deam)
    assert clips["group"].tolist() == clips["clip_id"].tolist()
    assert clips["emotion"].notna().all()


def test_no_theme_of_mtg_jamendo_carries_an_emotion(taxonomy):
    meanings = taxonomy["labels"]["mtg_jamendo"]
    assert len(meanings) == 59
    assert {meanings[theme] for theme in JAMENDO_THEMES} == {None}


NEMO = "file_id\temotion\traw_text\tspeaker_id\tgender\nEB0_anger_2.wav\tanger\tTak.\tEB0\tfemale\n"


@pytest.mark.parametrize(
    ("source", "table", "text", "message"),
    [
        ("vgmidi", "vgmidi_labelled.csv", None, "holds no vgmidi_labelled.csv: put that file of VGMIDI"),
        ("vgmidi", "vgmidi_labelled.csv", "label,id,filepath\n1,2,a\n", "has no column 'midi'"),
        ("vgmidi", "vgmidi_labelled.csv", "midi,game,piece,valence,arousal\nx,a,b,1,1\n", "name none of"),
        ("deam", "1_2000.csv", "song_id,valence_mean,arousal_mean\n2,55,3\n", "valence_mean is '55'"),
        ("pmemo", "static_annotations.csv", None, "holds no static_annotations.csv"),
        ("emotify", "data.csv", "track id, genre\n1,rock\n", "has no column 'amazement'"),
        ("mtg_jamendo", "data/autotagging_moodtheme.tsv", "", "does not begin with TRACK_ID ARTIST_ID"),
        ("soundtracks", "set1.csv", "number\n1\n", "has no column 'TARGET'"),
        ("cal500", "hardAnnotations.txt", "1,0\n", "not a row for each of the 4 songs"),
        ("cal500", "hardAnnotations.txt", "1,no\n", "hardAnnotations.txt is damaged"),
        ("cal500", "vocab.txt", None, "holds no vocab.txt"),
        ("panda_4q", "x_metadata.csv", "Artist,Title\nAnn,One\n", "x_metadata.csv has no column 'Song'"),
        ("nemo", "data.tsv", None, "holds no data.tsv"),
        ("nemo", "data.tsv", "file_id\temotion\nEB0_anger_1.wav\tanger\n", "has no column 'raw_text'"),
        ("nemo", "data.tsv", NEMO, "None of the 1 annotated clips of nEMO has its recording"),
        ("meld", "train_sent_emo.csv", "Emotion\njoy\n", "no column 'Dialogue_ID'"),
        ("msp_podcast", "consensus.csv", "FileName\na.wav\n", "no column 'EmoClass'"),
    ],
)
def test_what_is_wrong_with_a_release_is_one_sentence(corpus, trees, source, table, text, message):
    name = next(name for name in trees[source] if name.endswith(table))
    files = {**trees[source], name: text}

    with pytest.raises(AffettoError, match=message):
        corpus(source, files={key: value for key, value in files.items() if value is not None})


@pytest.mark.parametrize(
    ("source", "files", "parameters", "message"),
    [
        ("emodb", {"speech.zip": "", "a.wav": ""}, {}, "No clip of EmoDB .*1 recordings .*unpack speech.zip"),
        ("emodb", {"a/03a01Fa.wav": "", "b/03a01Fa.wav": ""}, {}, "emodb/03a01Fa .the first in a/.* and b/"),
        ("tess", {"a/YAF_a_sad.wav": "1", "b/YAF_a_sad.wav": "22"}, {}, "tess/YAF_a_sad .the first in a/"),
        ("emodb", {"03a01Fa.wav": ""}, {"middle": 0.5}, "voice.corpus.middle is set, but .*: leave it out"),
        ("panda_4q", {"MT1.mp3": ""}, {"theme_column": "mood"}, "genres or moods"),
        ("iemocap", {"a.wav": ""}, {}, "holds no EmoEvaluation"),
        ("meld", {"dia0_utt0.wav": ""}, {}, "None of the tables of MELD"),
        ("meld", {"a.wav": ""}, {"group_column": "Season"}, "voice.corpus.group_column is 'Season'"),
        ("soundtracks", {"Set1/001.mp3": ""}, {}, r"neither mean_ratings_set1\.csv nor"),
        ("folders", {"angry/b.txt": ""}, {}, "No recordings lie below"),
        ("library", {"a.txt": ""}, {}, "No recordings lie below"),
    ],
)
def test_what_is_missing_or_asked_for_in_vain_is_one_sentence(corpus, source, files, parameters, message):
    with pytest.raises(AffettoError, match=message):
        corpus(source, files=files, **parameters)


@pytest.mark.parametrize(
    ("source", "side", "message"),
    [
        ("emo_db", "voice", "voice.corpus.source is 'emo_db': there is no source .* did you mean 'emodb'"),
        ("emodb", "music", "no source 'emodb' of music: .*"),
        ("xyz", "voice", "`affetto corpora list` names them all"),
    ],
)
def test_a_source_that_is_none_of_this_side(taxonomy, tmp_path, source, side, message):
    from affetto.corpora.index import index_corpora

    with pytest.raises(AffettoError, match=message):
        index_corpora(CorpusParameters(source=source, root=tmp_path), taxonomy, side=side)


def quadrants(valence, arousal, scale=(-1.0, 1.0), middle=0.0):
    table = pd.DataFrame({"v": valence, "a": arousal}, dtype="float64").map(repr)
    table = table.where(table != "nan")
    ratings = scale_ratings(table, Path("t.csv"), valence="v", arousal="a", scale=scale)
    return name_quadrants(ratings, middle=middle)


def test_quadrants_are_those_of_russell_and_the_centre_counts_as_pleasant_and_aroused():
    assert quadrants([8, 2, 2, 8], [8, 8, 2, 2], (1, 9)) == list(QUADRANTS)
    assert quadrants([5, 4.99, 5], [5, 5, 4.99], (1, 9)) == ["Q1", "Q2", "Q4"]
    assert quadrants([0.5, 0.49, 0.9], [0.9, 0.9, -0.49], middle=0.5) == ["Q1", None, None]
    assert quadrants([np.nan, 1], [1, np.nan]) == [None, None]


@pytest.mark.parametrize(
    ("given", "scale", "expected"),
    [
        (["0.2", "1", None], None, [-0.6, 1, np.nan]),
        (["-0.5", "1", ""], None, [-0.5, 1, np.nan]),
        (["4.5", "1", "3"], None, [0.75, -1, 0]),
        (["5.5", "7", "1"], None, [0.5, 1, -1]),
        ([" 25 ", "100", "0"], (0.0, 100.0), [-0.5, 1, -1]),
    ],
)
def test_the_scale_of_ratings_is_given_or_found_and_said(caplog, given, scale, expected):
    ratings = scale_ratings(pd.DataFrame({"v": given}), Path("v.csv"), valence="v", arousal="v", scale=scale)

    np.testing.assert_allclose(ratings["valence"], expected)
    assert ("v.csv: ratings from" in caplog.text) == (scale is None)


def test_ratings_of_no_usual_scale_ask_for_it():
    with pytest.raises(AffettoError, match=r"to 100, which is no usual scale: set corpus\.rating_scale"):
        scale_ratings(pd.DataFrame({"v": ["0", "100"]}), Path("v"), valence="v", arousal="v", scale=None)


def test_a_table_of_ratings_alone_is_labelled_by_quadrants_on_the_music_side(corpus):
    files = {"t.csv": "path,Valence,Arousal\n1.wav,8,9\n2.wav,2,1\n3.wav,5.2,9\n4.wav,,\n", "1.wav": ""}

    clips = corpus("table", "music", files, middle=0.1)

    assert emotions(clips) == {"1": "happy", "2": "sad", "3": "", "4": ""}
    np.testing.assert_allclose(clips["valence"], [0.75, -0.75, 0.05, np.nan])
    voice = corpus("table", "voice", files, rating_scale=(1, 9))
    assert voice["emotion"].isna().all()
    pd.testing.assert_series_equal(voice["arousal"], clips["arousal"])


def test_loops_of_links_end_and_hidden_files_are_skipped(tmp_path, lay_out):
    lay_out(
        tmp_path,
        {"b/1.wav": "", "._1.wav": "", "__MACOSX/b/1.wav": "", ".cache/1.wav": "", "x.wav/2.WAV": ""},
    )
    (tmp_path / "b" / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a").symlink_to(tmp_path / "b", target_is_directory=True)
    (tmp_path / "itself").symlink_to(tmp_path / "itself")

    found = [path.relative_to(tmp_path).as_posix() for path in find_recordings(tmp_path)]
    assert found == ["b/1.wav", "x.wav/2.WAV"]


def test_linked_folders_are_followed(tmp_path, lay_out):
    lay_out(tmp_path, {"elsewhere/1.wav": "", "root/2.wav": ""})
    (tmp_path / "root" / "link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)

    assert [path.name for path in find_recordings(tmp_path / "root")] == ["2.wav", "1.wav"]
