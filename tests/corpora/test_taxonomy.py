"""Labels to canonical emotions, and the taxonomy file itself."""

from __future__ import annotations

import pandas as pd
import pytest

from affetto.corpora.sources import SOURCES
from affetto.corpora.taxonomy import canonical_emotions, map_labels, source_labels
from affetto.errors import AffettoError

TAXONOMY = {
    "emotions": {"voice": ["anger", "sadness"], "music": ["calm"]},
    "labels": {"emodb": {"W": "anger", "T": "sadness", "X": None}, "generic_voice": {"angry": "anger"}},
}


def mapped(labels, key="emodb", taxonomy=TAXONOMY, **label_map):
    series = pd.Series(labels, dtype="str", index=range(10, 10 + len(labels)))
    result = map_labels(series, taxonomy=taxonomy, key=key, side="voice", label_map=label_map)
    assert result.index.equals(series.index)
    return result.fillna("").tolist()


def test_everyday_labels_are_compared_without_case_and_canonical_ones_mean_themselves():
    assert mapped([" Angry", "ANGER", "sadness"], "generic_voice") == ["anger", "anger", "sadness"]


@pytest.mark.parametrize(
    ("cell", "emotion"),
    [
        (["W"], "anger"),
        (["W", "W2"], "anger"),  # agreed
        (["W", "X"], "anger"),  # what means nothing does not disagree
        (["W", "T"], None),
        (["W", "T", "X"], None),
        (["X"], None),
        ([], None),
    ],
)
def test_of_several_labels_the_emotion_is_the_one_they_agree_on(cell, emotion):
    labels = pd.Series([cell, None, "T"], index=[3, 4, 5])
    own = {"W2": "anger"}

    result = map_labels(labels, taxonomy=TAXONOMY, key="emodb", side="voice", label_map=own)

    assert result.index.equals(labels.index)
    assert [None if pd.isna(value) else value for value in result] == [emotion, None, "sadness"]


def test_own_meanings_go_first_and_a_star_stands_for_the_rest():
    assert mapped(["W", "T", "Q"], W="sadness", Q=None) == ["sadness", "sadness", ""]
    assert mapped(["W", "Q", "R"], **{"*": None}) == ["anger", "", ""]
    assert mapped(["Fuzzy", "angry"], "generic_voice", Fuzzy="sadness") == ["sadness", "anger"]


def test_unknown_labels_are_listed_with_counts_and_the_key_to_add():
    with pytest.raises(AffettoError) as caught:
        mapped(["Q", "W", "R", "Q"])
    message = str(caught.value)
    assert "'Q' (2 clips), 'R' (1 clips)" in message
    assert "taxonomy.labels.emodb.Q" in message
    assert "voice.corpus.label_map" in message


@pytest.mark.parametrize(
    ("taxonomy", "message"),
    [
        ({}, "taxonomy.emotions.voice is missing"),
        ({"emotions": {"voice": ["anger"]}}, "taxonomy.labels.emodb is missing"),
        (
            {"emotions": {"voice": ["anger"]}, "labels": {"emodb": {"W": "angst"}}},
            "taxonomy.labels.emodb.W is 'angst', which is no emotion of the voice side: use one of anger",
        ),
    ],
)
def test_mistakes_in_the_taxonomy_name_the_key(taxonomy, message):
    with pytest.raises(AffettoError, match=message):
        mapped(["W"], taxonomy=taxonomy)


def test_a_mistake_in_the_label_map_names_the_key():
    with pytest.raises(AffettoError, match=r"voice.corpus.label_map.W is 'angst'"):
        mapped(["W"], W="angst")


def test_shipped_labels_mean_emotions_of_their_side(taxonomy):
    sides = {source.labels_key(side): side for source in SOURCES.values() for side in source.sides}
    assert set(taxonomy["labels"]) == set(sides)
    for key, side in sides.items():
        assert all(isinstance(label, str) for label in taxonomy["labels"][key])
        meanings = source_labels(taxonomy, key, side)
        assert set(meanings.values()) <= {*canonical_emotions(taxonomy, side), None}
        if key.startswith("generic"):
            assert all(label == label.lower() for label in meanings)


def test_shipped_bridges_have_a_row_an_emotion_that_sums_to_one(taxonomy):
    assert set(taxonomy["bridges"]) == {"congruent", "uplift"}
    for bridge in taxonomy["bridges"].values():
        assert set(bridge) == set(canonical_emotions(taxonomy, "voice"))
        for row in bridge.values():
            assert set(row) <= set(canonical_emotions(taxonomy, "music"))
            assert sum(row.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("key", "labels", "own", "expected"),
    [
        ("emodb", ["L", "W"], {"boredom": None}, ["", "anger"]),
        ("emodb", ["L", "W"], {"boredom": "neutral"}, ["neutral", "anger"]),
        ("emodb", ["L", "W"], {"boredom": None, "L": "calm"}, ["calm", "anger"]),
        ("generic_voice", ["bored", "Boredom", "anger"], {"boredom": None}, ["", "", "anger"]),
        ("generic_voice", ["bored", "boredom"], {" Boredom ": None}, ["", ""]),
        ("generic_voice", ["afraid", "fear"], {"fear": "anger", "anger": "fear"}, ["anger", "anger"]),
    ],
)
def test_an_emotion_in_the_label_map_stands_for_all_its_labels(key, labels, own, expected, taxonomy):
    found = map_labels(pd.Series(labels), taxonomy=taxonomy, key=key, side="voice", label_map=own)
    assert found.fillna("").tolist() == expected
