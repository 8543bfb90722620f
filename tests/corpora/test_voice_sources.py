"""What is particular to each voice corpus that is labelled in names or a small table."""

from __future__ import annotations

import pytest
import yaml

from affetto.corpora.sources import SOURCES
from affetto.errors import AffettoError


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
