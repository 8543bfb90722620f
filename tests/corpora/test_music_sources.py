"""What is particular to the music corpora; the contract of all sources is in `test_sources.py`."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affetto.corpora.index import index_corpus
from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources import files
from affetto.corpora.sources.music_tags import JAMENDO_THEMES
from affetto.corpora.sources.tables import (
    QUADRANTS,
    join_titles,
    label_ratings,
    leading_tags,
    quadrant,
    read_ragged,
)
from affetto.errors import AffettoError
from affetto.io.paths import as_path

SCALES = st.sampled_from([(-1.0, 1.0), (0.0, 1.0), (1.0, 9.0)])
SHARES = st.floats(min_value=-1, max_value=1, allow_nan=False)
OPPOSITE = {"Q1": "Q3", "Q2": "Q4", "Q3": "Q1", "Q4": "Q2"}


def by_stem(clips):
    return clips.set_index(clips["clip_id"].str.split("/", n=1).str[1])


def emotions(clips):
    return by_stem(clips)["emotion"].fillna("").to_dict()


@pytest.mark.parametrize(
    ("valence", "arousal", "expected"), [(8, 8, "Q1"), (2, 8, "Q2"), (2, 2, "Q3"), (8, 2, "Q4")]
)
def test_quadrants_are_those_of_russell(valence, arousal, expected):
    assert quadrant(valence, arousal, low=1, high=9) == expected


def test_the_centre_counts_as_pleasant_and_as_aroused():
    assert quadrant(5, 5, low=1, high=9) == "Q1"
    assert quadrant(4.99, 5, low=1, high=9) == "Q2"
    assert quadrant(5, 4.99, low=1, high=9) == "Q4"


def test_the_middle_ends_where_it_says():
    assert quadrant(0.5, 0.9, low=-1, high=1, middle=0.5) == "Q1"
    assert quadrant(0.49, 0.9, low=-1, high=1, middle=0.5) is None
    assert quadrant(0.9, -0.49, low=-1, high=1, middle=0.5) is None


@given(SHARES, SHARES, SCALES, st.floats(min_value=0, max_value=0.99))
def test_quadrants_do_not_depend_on_the_scale(valence, arousal, scale, middle):
    low, high = scale
    # A rating on the border may fall to either side once it is rounded.
    nearest = min(abs(share - border) for share in (valence, arousal) for border in (0, middle, -middle))
    if nearest < 1e-9:
        return
    ratings = [low + (share + 1) / 2 * (high - low) for share in (valence, arousal)]

    assert quadrant(*ratings, low=low, high=high, middle=middle) == quadrant(
        valence, arousal, low=-1, high=1, middle=middle
    )


@given(SHARES.filter(bool), SHARES.filter(bool), st.floats(min_value=0, max_value=0.99))
def test_the_opposite_rating_is_in_the_opposite_quadrant(valence, arousal, middle):
    here = quadrant(valence, arousal, low=-1, high=1, middle=middle)
    there = quadrant(-valence, -arousal, low=-1, high=1, middle=middle)

    assert there == (None if here is None else OPPOSITE[here])


@given(SHARES, SHARES, st.floats(min_value=0, max_value=0.99), st.floats(min_value=0, max_value=0.99))
def test_a_wider_middle_only_takes_labels_away(valence, arousal, one, other):
    narrow, wide = (quadrant(valence, arousal, low=-1, high=1, middle=m) for m in sorted((one, other)))

    assert wide in {None, narrow}
    assert quadrant(valence, arousal, low=-1, high=1) in QUADRANTS


@pytest.mark.parametrize("rating", [(math.nan, 1), (1, math.nan), (math.nan, math.nan)])
def test_no_rating_no_quadrant(rating):
    assert quadrant(*rating, low=-1, high=1) is None


@pytest.mark.parametrize("rating", ["9.5", "0", "high"])
def test_a_rating_outside_its_scale_is_named_with_its_table(tmp_path, rating):
    table = pd.DataFrame({"valence_mean": ["5", rating, None]})

    with pytest.raises(AffettoError, match=f"v.csv has a valence_mean of '{rating}'.* from 1 to 9"):
        label_ratings(
            table, tmp_path / "v.csv", valence="valence_mean", arousal="valence_mean", low=1, high=9, middle=0
        )


def test_the_leading_tag_is_the_most_frequent_of_the_corpus():
    tags = [["Jazz", "Blues"], ["Blues"], ["Pop/Rock"], [], ["Latin", "Folk"], ["Pop/Rock", "Jazz"], ["Jazz"]]

    leading = leading_tags(tags, apart=("Pop/Rock",))

    assert leading == ["Jazz", "Blues", None, None, "Folk", "Jazz", "Jazz"]


def test_titles_leave_out_what_is_missing():
    assert join_titles(["Ann ", None, "Bob", None], ["One", "Two", None, None]) == [
        "Ann: One",
        "Two",
        "Bob",
        None,
    ]


def test_ragged_tables_in_latin_1(tmp_path):
    (tmp_path / "t.csv").write_bytes('a,b\n\n"Für, Elise", x ,y\n'.encode("latin-1"))

    assert read_ragged(tmp_path / "t.csv") == [["a", "b"], ["Für, Elise", "x", "y"]]


def test_the_middle_of_deam_is_left_unlabelled(corpus):
    # Song 1001 is 0.1 of half the scale from the centre in valence, 2001 is 0.25.
    assert emotions(corpus("deam", middle=0.2)) == {"1001": "", "2": "sad", "2001": "tense", "7": "calm"}
    assert emotions(corpus("deam", middle=0.3)) == {"1001": "", "2": "sad", "2001": "", "7": ""}


def test_deam_without_metadata(corpus, trees):
    files = {name: text for name, text in trees["deam"].items() if "metadata" not in name}

    clips = corpus("deam", files=files)

    assert clips["group"].tolist() == clips["clip_id"].tolist()
    assert clips["emotion"].notna().all()


def test_emotify_with_its_own_nine_classes(lay_out, trees, taxonomy, tmp_path):
    root = lay_out(tmp_path, trees["emotify"])
    names = taxonomy["labels"]["emotify"]
    nine = {**taxonomy, "emotions": {**taxonomy["emotions"], "music": list(names)}}
    nine["labels"] = {"emotify": {name: name for name in names}}

    clips = index_corpus(CorpusParameters(source="emotify", root=root), nine, side="music")

    assert clips["emotion"].fillna("").tolist() == ["", "", "power", ""]


def test_no_theme_of_mtg_jamendo_carries_an_emotion(taxonomy):
    meanings = taxonomy["labels"]["mtg_jamendo"]
    assert len(meanings) == 59
    assert {meanings[theme] for theme in JAMENDO_THEMES} == {None}


def test_one_set_of_the_soundtracks_is_enough(corpus, trees):
    files = {name: text for name, text in trees["soundtracks"].items() if "et2" in name}

    assert emotions(corpus("soundtracks", files=files)) == {"set2/001": "tense", "set2/105": ""}


def test_words_of_cal500_are_spelt_as_in_its_vocabulary(taxonomy):
    assert "Angry / Agressive" in taxonomy["labels"]["cal500"]
    assert len(taxonomy["labels"]["cal500"]) == 18


@pytest.mark.parametrize(
    ("source", "table", "text", "message"),
    [
        ("vgmidi", "vgmidi_labelled.csv", None, r"holds no vgmidi_labelled.csv: put that file of VGMIDI"),
        ("vgmidi", "vgmidi_labelled.csv", "label,id,filepath\n1,2,a\n", "has no column 'midi'"),
        ("deam", "1_2000.csv", "song_id,valence_mean,arousal_mean\n2,55,3\n", "valence_mean of '55'"),
        ("pmemo", "static_annotations.csv", None, "holds no static_annotations.csv"),
        ("emotify", "data.csv", "track id, genre\n1,rock\n", "has no column 'amazement'"),
        ("mtg_jamendo", "data/autotagging_moodtheme.tsv", "", "does not begin with TRACK_ID ARTIST_ID"),
        ("soundtracks", "set1.csv", "number\n1\n", "has no column 'TARGET'"),
        ("cal500", "hardAnnotations.txt", "1,0\n", r"not a row for each of the 4 songs"),
        ("cal500", "hardAnnotations.txt", "1,no\n", "hardAnnotations.txt is damaged"),
        ("cal500", "vocab.txt", None, "holds no vocab.txt"),
    ],
)
def test_what_is_wrong_with_a_release_is_one_sentence(corpus, trees, source, table, text, message):
    name = next(name for name in trees[source] if name.endswith(table))
    files = {**trees[source], name: text}

    with pytest.raises(AffettoError, match=message) as caught:
        corpus(source, files={key: value for key, value in files.items() if value is not None})
    assert "\n" not in str(caught.value)


def test_soundtracks_without_ratings(corpus):
    with pytest.raises(AffettoError, match=r"neither mean_ratings_set1\.csv nor"):
        corpus("soundtracks", files={"Set1/001.mp3": ""})


def test_emotify_with_votes_that_are_no_numbers(corpus, trees):
    table = trees["emotify"]["emotify/data.csv"].replace("200,rock,1", "200,rock,yes")

    with pytest.raises(AffettoError, match=r"data\.csv is damaged"):
        corpus("emotify", files={**trees["emotify"], "emotify/data.csv": table})


@pytest.mark.parametrize(
    ("source", "table", "recording"),
    [
        ("vgmidi", "vgmidi/vgmidi_labelled.csv", "Other_1.mid"),
        ("mtg_jamendo", "jamendo/data/autotagging_moodtheme.tsv", "57/1376257.mp3"),
        ("emotify", "emotify/data.csv", "1.mp3"),
        ("soundtracks", "osf/mean_ratings_set1.csv", "1min/001.mp3"),
    ],
)
def test_recordings_that_no_table_names(corpus, trees, source, table, recording):
    with pytest.raises(AffettoError, match=r"No clip of .* its tables name none of the recordings there"):
        corpus(source, files={table: trees[source][table], recording: ""})


@pytest.mark.parametrize(
    "source",
    [
        "panda_4q",
        "emopia",
        "vgmidi",
        "deam",
        "pmemo",
        "emotify",
        "mtg_jamendo",
        "gtzan",
        "soundtracks",
        "cal500",
    ],
)
def test_a_root_elsewhere_is_read_like_one_here(corpus, trees, lay_out, tmp_path, source):
    here = corpus(source)
    elsewhere = lay_out(as_path(f"memory://{tmp_path.name}"), trees[source])

    pd.testing.assert_frame_equal(corpus(source, root=elsewhere), here)


@pytest.mark.parametrize("source", ["deam", "mtg_jamendo", "soundtracks"])
def test_a_tree_is_walked_once_for_tables_and_once_for_recordings(corpus, tmp_path, monkeypatch, source):
    listed = []
    entries = files.list_entries
    monkeypatch.setattr(files, "list_entries", lambda folder: listed.append(folder) or entries(folder))

    corpus(source)

    assert listed.count(tmp_path) == 2
