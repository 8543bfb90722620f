"""Folds by corpus: what is tested is of no corpus, no group and no recording that was trained on."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affetto.corpora.audit import unite_groups_of_duplicates
from affetto.corpora.parameters import CorpusParameters, SplitParameters
from affetto.corpora.splits import check_protocol, make_folds
from affetto.errors import AffettoError

CROSS = SplitParameters(protocol="cross_corpus")
EACH = SplitParameters(protocol="leave_one_corpus_out")


def table(rows):
    """Make clips of (corpus, emotion, group, content) rows."""
    clips = pd.DataFrame(rows, columns=["corpus", "emotion", "group", "content_hash"]).astype("str")
    clips["group"] = clips["corpus"] + "/" + clips["group"]
    clips["clip_id"] = [f"{corpus}/{index}" for index, corpus in enumerate(clips["corpus"])]
    return unite_groups_of_duplicates(clips.assign(side="voice", path=clips["clip_id"]))


@st.composite
def corpora(draw):
    """Three corpora of two emotions; some recordings lie in several."""
    contents = st.one_of(st.integers(0, 4).map("shared {}".format), st.uuids().map(str))
    cell = st.tuples(
        st.sampled_from("abc"), st.sampled_from(["anger", "fear"]), st.sampled_from("1234"), contents
    )
    sure = [
        (corpus, emotion, f"own {emotion}", f"own {corpus} {emotion}")
        for corpus in "abc"
        for emotion in ("anger", "fear")
    ]
    return table([*sure, *draw(st.lists(cell, max_size=40))])


def merged(clips, folds):
    assert folds["clip_id"].is_unique
    return clips.merge(folds, on="clip_id", validate="one_to_one")


@settings(max_examples=60, deadline=None)
@given(clips=corpora(), split=st.sampled_from([CROSS, EACH]))
def test_no_group_no_recording_and_no_corpus_is_on_both_sides(clips, split):
    divided = merged(clips, make_folds(clips, split, tested="a"))

    for name in ("group", "content_hash", "corpus"):
        assert divided.groupby(name)["fold"].nunique().max() == 1
    folds = divided.drop_duplicates("corpus").set_index("corpus")["fold"].to_dict()
    assert folds == ({"a": 0, "b": -1, "c": -1} if split is CROSS else {"a": 0, "b": 1, "c": 2})
    assert set(clips.loc[clips["corpus"] == "a", "clip_id"]) <= set(divided["clip_id"])
    alone = clips.groupby("group")["corpus"].transform("nunique") == 1
    assert set(clips.loc[alone, "clip_id"]) <= set(divided["clip_id"])


def test_any_corpus_can_be_the_tested_one():
    clips = table([(corpus, emotion, "1", f"{corpus}{emotion}") for corpus in "ab" for emotion in "xy"])

    folds = make_folds(clips, CROSS, tested="b")

    assert folds["fold"].tolist() == [-1, -1, 0, 0]


def test_clips_left_out_for_their_group_are_counted(caplog):
    rows = [("a", "x", "1", "0"), ("a", "y", "1", "1"), ("b", "x", "1", "0"), ("b", "y", "1", "3")]
    clips = table([*rows, ("b", "x", "2", "4"), ("b", "y", "2", "5")])

    divided = merged(clips, make_folds(clips, CROSS, tested="a"))

    assert divided["clip_id"].tolist() == ["a/0", "a/1", "b/4", "b/5"]
    assert "2 clips share a group with another corpus" in caplog.text


@pytest.mark.parametrize("split", [CROSS, EACH])
def test_one_corpus_is_not_enough(split):
    clips = table([("a", "x", "1", "0"), ("a", "y", "2", "1")] * 2)

    with pytest.raises(AffettoError, match=r"a is the only corpus .* voice\.corpus\.training_corpora"):
        make_folds(clips, split, tested="a")


@pytest.mark.parametrize("split", [CROSS, EACH])
def test_the_same_recordings_under_another_name_are_not_enough(split):
    rows = [("x", "1", "0"), ("y", "2", "1")]
    clips = table([(corpus, *row) for corpus in "ab" for row in rows])

    with pytest.raises(AffettoError, match="fewer than two emotions are left to train on"):
        make_folds(clips, split, tested="a")


def test_a_protocol_that_knows_one_corpus_only_is_refused():
    other = CorpusParameters(source="casia", root="b")
    corpus = CorpusParameters(source="emodb", root="a", training_corpora={"casia": other})

    check_protocol(corpus, CROSS, side="voice")
    check_protocol(other, SplitParameters(), side="voice")
    with pytest.raises(AffettoError, match=r"names casia, but voice\.split\.protocol kfold does not tell"):
        check_protocol(corpus, SplitParameters(), side="voice")
