"""What is particular to each voice corpus that is labelled in names or a small table."""

from __future__ import annotations

import pytest
import yaml

from affetto.corpora.sources import SOURCES
from affetto.errors import AffettoError


def by_id(clips, column):
    ids = clips["clip_id"].str.removeprefix(clips["corpus"].iloc[0] + "/")
    return dict(zip(ids, clips[column], strict=True))


@pytest.mark.parametrize(
    ("source", "expected"),
    {
        "ravdess_song": {
            "03-02-01-01-01-01-24": ("neutral", "24"),
            "03-02-04-01-01-01-02": ("sadness", "02"),
            "03-02-04-01-01-02-02": ("sadness", "02"),
        },
        "cremad": {
            "1001_DFA_ANG_XX": ("anger", "1001"),
            "1001_IEO_SAD_HI": ("sadness", "1001"),
            "1040_ITH_SAD_X": ("sadness", "1040"),
        },
        "savee": {
            "DC_a01": ("anger", "DC"),
            "DC_sa01": ("sadness", "DC"),
            "JE_su15": ("surprise", "JE"),
            "JK_d07": ("disgust", "JK"),
            "KL_n30": ("neutral", "KL"),
        },
        "tess": {
            "OAF_back_fear": ("fear", "OAF"),
            "OA_bite_neutral": ("neutral", "OAF"),
            "YAF_back_ps": ("surprise", "YAF"),
            "YAF_germ_Angry": ("anger", "YAF"),
        },
        "casia": {
            "ZhaoZuoxiang/angry/201": ("anger", "ZhaoZuoxiang"),
            "ZhaoZuoxiang/surprise/250": ("surprise", "ZhaoZuoxiang"),
            "liuchanhg/angry/201": ("anger", "liuchanhg"),
            "liuchanhg/sad/201": ("sadness", "liuchanhg"),
        },
        "esd": {
            "0001_000351": ("anger", "0001"),
            "0001_000371": ("anger", "0001"),
            "0001_001431": ("surprise", "0001"),
            "0011_000001": ("neutral", "0011"),
        },
        "emovo": {
            "dis-f1-b1": ("disgust", "f1"),
            "gio-m3-n5": ("happiness", "m3"),
            "tri-M3-l2": ("sadness", "m3"),
        },
        "nemo": {"EB0_anger_1": ("anger", "EB0"), "WR0_surprised_64": ("surprise", "WR0")},
        "shemo": {
            "F01W12": ("surprise", "F01"),
            "F21N05": ("neutral", "F21"),
            "M21A05": ("anger", "M21"),
        },
        "urdu": {
            "SF1_F10_H010": ("happiness", "SF1"),
            "SM1_F10_A010": ("anger", "SM1"),
            "SM5_F72_N0100": ("neutral", "SM5"),
        },
        "ased": {
            "S4-01-02-01-03": ("sadness", "03"),
            "a5-03-01-02-50": ("anger", "50"),
            "f-01-02-01-01": ("fear", "01"),
        },
        "jl_corpus": {
            "female1_apologetic_15b_2": ("", "female1"),
            "female2_excited_1a_1": ("happiness", "female2"),
            "male1_angry_10a_1": ("anger", "male1"),
        },
        "aesdd": {
            "a01 (1)": ("anger", "1"),
            "a06 (5)": ("anger", "5"),
            "a06 (5)b": ("anger", "5"),
            "f10 (01)": ("fear", "1"),
        },
    }.items(),
)
def test_emotions_and_speakers(corpus, source, expected):
    clips = corpus(source)

    found = zip(clips["emotion"].fillna(""), clips["group"], strict=True)
    assert by_id(clips.assign(found=list(found)), "found") == expected


@pytest.mark.parametrize(
    ("source", "seconds"),
    [
        ("emodb", {"a01", "a02", "b10"}),
        ("ravdess", {"01"}),
        ("cremad", {"DFA", "IEO", "ITH"}),
        ("nemo", {"Lubię czytać.", "„Ród smoka”, serial."}),
        ("savee", set()),
    ],
)
def test_sentences_are_second_groups_where_names_or_tables_tell_them(corpus, source, seconds):
    assert set(corpus(source)["second_group"].dropna()) == seconds


@pytest.mark.parametrize(
    ("source", "column", "expected"),
    [
        (
            "cremad",
            "tags",
            {
                "1001_DFA_ANG_XX": ["sentence DFA"],
                "1001_IEO_SAD_HI": ["sentence IEO", "high intensity"],
                "1040_ITH_SAD_X": ["sentence ITH"],
            },
        ),
        (
            "esd",
            "official_split",
            {
                "0001_000351": "validation",
                "0001_000371": "train",
                "0001_001431": "test",
                "0011_000001": "",
            },
        ),
        ("nemo", "title", {"EB0_anger_1": "Lubię czytać.", "WR0_surprised_64": "„Ród smoka”, serial."}),
        ("nemo", "tags", {"EB0_anger_1": ["female"], "WR0_surprised_64": ["male"]}),
    ],
)
def test_what_else_the_names_tell(corpus, source, column, expected):
    assert by_id(corpus(source).fillna({column: ""}), column) == expected


def test_speakers_of_esd_have_a_language(corpus):
    tags = by_id(corpus("esd"), "tags")

    assert tags["0001_000351"] == ["Mandarin"]
    assert tags["0011_000001"] == ["English"]


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


def test_clips_that_only_share_a_name_are_named(corpus):
    files = {"a/YAF_back_sad.wav": "take", "b/YAF_back_sad.wav": "another take"}

    with pytest.raises(AffettoError, match=r"tess/YAF_back_sad .the first in a/.* and b/"):
        corpus("tess", files=files)


def test_mp3s_of_cremad_are_read_where_there_is_nothing_else(corpus):
    clips = corpus("cremad", files={"AudioMP3/1001_DFA_ANG_XX.mp3": "", "AudioWAV/1002_DFA_ANG_XX.wav": ""})

    assert clips["path"].tolist() == ["AudioMP3/1001_DFA_ANG_XX.mp3", "AudioWAV/1002_DFA_ANG_XX.wav"]


HEADER = "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage\n"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, r"No data.tsv of nEMO lies below .*: take it from https://github.com/amu-cai/nEMO"),
        ({"data.tsv": "file_id\temotion\nEB0_anger_1.wav\tanger\n"}, "data.tsv has no column 'raw_text'"),
        (
            {"data.tsv": f"{HEADER}EB0_anger_2.wav\tanger\tTak.\ttak\tEB0\tfemale\t27\n"},
            "None of the 1 annotated clips of nEMO has its recording",
        ),
        (
            {"data.tsv": HEADER + "EB0_anger_1.wav\tanger\tTak.\ttak\tEB0\tfemale\t27\n" * 2},
            "1 clip ids occur more than once: nemo/EB0_anger_1",
        ),
    ],
)
def test_what_is_wrong_with_the_table_of_nemo_is_one_sentence(corpus, table, message):
    with pytest.raises(AffettoError, match=message) as caught:
        corpus("nemo", files={"samples/EB0_anger_1.wav": "", **table})
    assert "\n" not in str(caught.value)


def test_the_taxonomy_writes_its_labels_as_text(request):
    """A bare `n` or `N` is false in YAML 1.1: quoted, it stays a letter."""
    text = (request.config.rootpath / "conf/base/taxonomy.yml").read_text(encoding="utf-8")
    labels = yaml.safe_load(text)["taxonomy"]["labels"]

    for name in SOURCES:
        assert all(isinstance(label, str) for label in labels.get(name, {}))
