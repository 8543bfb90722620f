"""Splits: no group straddles, all is tested as often as the protocol says, mistakes are one sentence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from affetto.corpora.audit import unite_groups_of_duplicates
from affetto.corpora.clips import OFFICIAL_SPLITS
from affetto.corpora.parameters import CorpusParameters, SplitParameters
from affetto.corpora.splits import check_protocol, make_folds, make_random_folds, trained_on
from affetto.errors import AffettoError

EMOTIONS = ("anger", "fear", "sadness")


def table(emotions, groups, splits=None):
    rows = {
        "clip_id": [f"c/{index:04}" for index in range(len(emotions))],
        "path": [f"{index}.wav" for index in range(len(emotions))],
        "corpus": "c",
        "side": "voice",
        "emotion": emotions,
        "group": groups,
        "official_split": splits,
    }
    return pd.DataFrame(rows).astype("str")


def balanced(n_groups=8, clips_each=6):
    emotions = [EMOTIONS[index % 3] for _ in range(n_groups) for index in range(clips_each)]
    return table(emotions, [f"g{group}" for group in range(n_groups) for _ in range(clips_each)])


@st.composite
def corpora(draw):
    sure = [(emotion, group) for emotion in EMOTIONS[:2] for group in (0, 1)]
    more = draw(
        st.lists(st.tuples(st.sampled_from([*EMOTIONS, None]), st.integers(0, 9)), min_size=4, max_size=60)
    )
    made = table([emotion for emotion, _ in sure + more], [f"g{group}" for _, group in sure + more])
    single = made["emotion"].map(made["emotion"].value_counts()) == 1
    made.loc[single, "emotion"] = None
    return made


def joined(clips, folds):
    assert folds["clip_id"].is_unique
    assert list(folds.columns) == ["clip_id", "fold"]
    return clips.merge(folds, on="clip_id", validate="one_to_one")


@settings(deadline=None, max_examples=20)
@given(
    clips=corpora(),
    n_folds=st.integers(2, 5),
    protocol=st.sampled_from(["kfold", "leave_one_group_out", "holdout"]),
    seed=st.integers(0, 3),
)
def test_every_labelled_clip_is_tested_or_trained_on_and_no_group_straddles(clips, n_folds, protocol, seed):
    labelled = clips[clips["emotion"].notna()]
    n_groups = labelled["group"].nunique()
    assume(n_folds <= min(n_groups, labelled["emotion"].value_counts().max()))
    split = SplitParameters(protocol=protocol, n_folds=n_folds, test_fraction=1 / n_folds, seed=seed)
    try:
        folds = make_folds(clips, split)
    except AffettoError as error:
        assert "to train on" in str(error)
        return

    assert folds["clip_id"].tolist() == labelled["clip_id"].tolist()
    expected = {"kfold": range(n_folds), "leave_one_group_out": range(n_groups), "holdout": (0, -1)}
    assert set(folds["fold"]) == set(expected[protocol])
    by_group = joined(clips, folds).groupby("group")["fold"]
    assert by_group.nunique().max() == 1
    if protocol == "leave_one_group_out":
        assert by_group.first().tolist() == list(range(n_groups))  # in the order of their names
    pd.testing.assert_frame_equal(folds, make_folds(clips, split))


def test_official_split_keeps_the_published_test_part_and_lets_no_group_straddle(caplog):
    splits = ["train", "train", "validation", "train", "test", "test", None]
    clips = table([*"ababab", "a"], ["g1", "g2", "g3", "g5", "g4", "g5", "g6"], splits)

    folds = make_folds(clips, SplitParameters(protocol="official"))

    assert dict(zip(folds["clip_id"].str[-1], folds["fold"], strict=True)) == {
        "0": -1,
        "1": -1,
        "2": -1,
        "4": 0,
        "5": 0,
    }
    assert "1 training clips share a group with the test part" in caplog.text


@settings(deadline=None, max_examples=15)
@given(clips=corpora(), data=st.data(), protocol=st.sampled_from(["kfold", "leave_one_group_out"]))
def test_only_the_test_groups_are_tested_and_all_others_are_in_training(clips, data, protocol):
    labelled = clips[clips["emotion"].notna()]
    groups = sorted(set(labelled["group"]))
    chosen = data.draw(st.lists(st.sampled_from(groups), min_size=2, unique=True))
    tested = labelled["group"].isin(chosen)
    assume(labelled[tested]["emotion"].value_counts().max() >= 2)

    folds = make_folds(clips, SplitParameters(protocol=protocol, n_folds=2, test_groups=chosen))

    assert folds["clip_id"].tolist() == labelled["clip_id"].tolist()
    assert ((folds["fold"] >= 0).to_numpy() == tested.to_numpy()).all()
    assert joined(clips, folds).groupby("group")["fold"].nunique().max() == 1
    assert folds["fold"].nunique() - (not tested.all()) == (2 if protocol == "kfold" else len(chosen))


def crossed(n_groups=4, n_seconds=4, times=1):
    """Every speaker says every sentence in every emotion, so often."""
    spoken = [(e, g, s) for g in range(n_groups) for s in range(n_seconds) for e in EMOTIONS] * times
    clips = table([emotion for emotion, _, _ in spoken], [f"g{group}" for _, group, _ in spoken])
    return clips.assign(second_group=[f"s{second}" for _, _, second in spoken])


@settings(deadline=None, max_examples=20)
@given(
    clips=corpora(),
    seconds=st.lists(st.integers(0, 5) | st.none(), min_size=64, max_size=64),
    protocol=st.sampled_from(["kfold", "leave_one_group_out"]),
    second_folds=st.sampled_from([2, 3, "each"]),
    tested=st.sampled_from([(), ("g0", "g1")]),
)
def test_no_training_clip_shares_a_group_or_a_second_group_with_the_tested_ones(
    clips, seconds, protocol, second_folds, tested
):
    clips = clips.assign(second_group=[None if s is None else f"s{s}" for s in seconds[: len(clips)]])
    split = {"protocol": protocol, "n_folds": 2, "test_groups": tested}
    try:
        folds = make_folds(clips, SplitParameters(**split, second_folds=second_folds))
    except AffettoError as error:  # too few emotions or second groups are left
        event(str(error)[:12])
        return
    labelled = clips[clips["emotion"].notna()]
    assert folds["clip_id"].tolist() == labelled["clip_id"].tolist()
    assert folds["fold"].ge(0).tolist() == [not tested or group in tested for group in labelled["group"]]
    by_group = make_folds(clips, SplitParameters(**split))
    assert folds["group_fold"].tolist() == by_group["fold"].tolist()

    merged = clips.merge(folds, on="clip_id", validate="one_to_one")
    for fold in set(folds["fold"]) - {-1}:
        cell, trained = merged[merged["fold"] == fold], merged[trained_on(merged, fold)]
        assert not set(cell["group"]) & set(trained["group"])
        assert not set(cell["second_group"].dropna()) & set(trained["second_group"].dropna())
        # Nor is any clip left out that shares neither fold.
        apart = ~merged["group_fold"].isin(cell["group_fold"]) & ~merged["second_fold"].isin(
            cell["second_fold"]
        )
        assert set(trained["clip_id"]) == set(merged.loc[apart, "clip_id"])


def test_second_groups_are_dealt_into_folds_balanced_in_emotions():
    clips = crossed(3, 6)
    folds = make_folds(clips, SplitParameters(protocol="leave_one_group_out", second_folds=2))

    merged = clips.merge(folds, on="clip_id")
    assert folds["fold"].nunique() == 6
    assert merged.groupby("second_group")["second_fold"].nunique().eq(1).all()
    assert (pd.crosstab(merged["emotion"], merged["fold"]) == 3).to_numpy().all()


def test_emotions_that_cannot_be_trained_are_logged(caplog):
    make_folds(
        table([*"aabbcc"], ["1", "2", "1", "2", "3", "3"]), SplitParameters(protocol="leave_one_group_out")
    )

    assert "c: fold 2 has no training clip of c" in caplog.text


@pytest.mark.parametrize(
    ("clips", "split", "n_folds", "setting"),
    [
        (balanced(2), {"n_folds": 3}, 2, "n_folds"),
        (balanced(4), {"test_groups": ["g1", "g2"]}, 2, "n_folds"),
        (table([*"aabb"], [*"wxyz"]), {"n_folds": 3}, 2, "n_folds"),
        (crossed(5, 3), {"n_folds": 5, "second_folds": 5}, 15, "second_folds"),
    ],
)
def test_fewer_folds_are_made_and_said_where_there_are_fewer_groups(clips, split, n_folds, setting, caplog):
    folds = make_folds(clips, SplitParameters(**split))

    assert folds.loc[folds["fold"] >= 0, "fold"].nunique() == n_folds
    assert f"folds are made and not {split.get(setting, 5)} (voice.split.{setting})" in caplog.text


@pytest.mark.parametrize(
    ("clips", "split", "message"),
    [
        (table([None] * 4, [*"wxyz"]), {}, "No clip of c has an emotion, and a model needs two"),
        (table(["anger"] * 4, [*"wxyz"]), {}, "All 4 labelled clips of c are anger, and a model needs two"),
        (table([*"aab"], [*"xyz"]), {}, "One clip only of c is labelled b, .* voice.corpus.label_map"),
        (table([*"aabb"], ["x"] * 4), {}, "All labelled clips of c are of one group, x"),
        (balanced(3), {"n_folds": 2, "test_groups": ["h", "i"]}, "names h, i, .* groups are g0, g1, g2"),
        (balanced(4), {"test_groups": ["g1"]}, "voice.split.n_folds asks for 5 .* has 1 groups to test"),
        (balanced(), {"protocol": "official"}, "no published split"),
        (
            table([*"aabb"], [*"wxyz"], ["train", "train", "test", "test"]),
            {"protocol": "official"},
            "Fold 0 of c leaves a to train on",
        ),
        (
            table([*"aabb"], [*"wwxx"]),
            {"protocol": "leave_one_group_out"},
            "Fold 0 of c leaves b to train on, .* voice.split",
        ),
        (balanced(), {"second_folds": 5}, "second_folds is 5, but c has 0 second groups"),
        (crossed(5, 1), {"second_folds": "each"}, "has 1 second groups: set second_folds to null"),
        (
            balanced(),
            {"protocol": "cross_corpus"},
            r"c is the only corpus .* voice\.corpus\.training_corpora",
        ),
    ],
)
def test_what_the_clips_do_not_allow_is_one_sentence(clips, split, message):
    with pytest.raises(AffettoError, match=message):
        make_folds(clips, SplitParameters(**split))


def at_random(clips, seed=0, **split):
    """Random folds beside grouped ones: of as many parts, or of another protocol."""
    split = {"protocol": "leave_one_group_out"} | split
    return make_random_folds(clips, make_folds(clips, SplitParameters(**split)), seed=seed)


def dealt(clips, n_folds, seed=0):
    """Random folds beside grouped ones of any clips."""
    grouped = clips.loc[clips["emotion"].notna(), ["clip_id"]]
    return make_random_folds(clips, grouped.assign(fold=np.arange(len(grouped)) % n_folds), seed=seed)


def test_random_folds_are_stratified_and_ignore_groups():
    clips = balanced(4, 30)

    merged = joined(clips, dealt(clips, 5))

    assert (pd.crosstab(merged["emotion"], merged["fold"]) == 8).to_numpy().all()
    assert merged.groupby("group")["fold"].nunique().min() == 5
    pd.testing.assert_frame_equal(dealt(clips, 5), merged[["clip_id", "fold"]])


@pytest.mark.parametrize(
    ("split", "n_folds"),
    [
        ({}, 8),
        ({"protocol": "kfold", "n_folds": 4}, 4),
        ({"test_groups": ("g0", "g1", "g2")}, 3),
        ({"protocol": "holdout", "test_fraction": 0.25}, 4),
    ],
)
def test_random_folds_train_on_as_much_as_grouped_ones(split, n_folds):
    """Ten grouped folds beside five random ones: the random models had learnt from fewer clips."""
    clips = balanced(8, 24)
    grouped = make_folds(clips, SplitParameters(**{"protocol": "leave_one_group_out"} | split))

    random = at_random(clips, **split)

    shares = [
        {trained_on(folds, fold).mean() for fold in set(folds["fold"]) - {-1}} for folds in (grouped, random)
    ]
    assert len(set(random["fold"]) - {-1}) == n_folds
    assert sorted(shares[1]) == pytest.approx(sorted(shares[0]))
    if n_folds != 4 or "n_folds" in split:
        assert set(random.loc[random["fold"] == -1, "clip_id"]) == set(
            grouped.loc[grouped["fold"] == -1, "clip_id"]
        )


@pytest.mark.parametrize(("paths", "folds"), [("xxyy", [0, 0, 1, 1]), ("xyxy", None), ("xxxx", None)])
def test_random_folds_of_one_or_two_recordings(paths, folds):
    made = dealt(table([*"aabb"], [*"1234"]).assign(path=[*paths]), 2)

    assert made["fold"].nunique() == 2
    assert folds is None or made["fold"].tolist() == folds


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"test_groups": ["03"], "protocol": "holdout"}, "needs the protocol kfold or leave_one_group_out"),
        ({"second_folds": 5, "protocol": "holdout"}, "needs the protocol kfold or leave_one_group_out"),
        ({"test_groups": [3]}, "should be a valid string"),
        *(({"second_folds": wrong}, "must be a number from 2, each, or null") for wrong in (1, "all", True)),
    ],
)
def test_parameters_that_mean_nothing_are_refused(given_, message):
    with pytest.raises(ValueError, match=message):
        SplitParameters.model_validate(given_)


def test_clips_of_equal_recordings_and_groups_of_several_corpora_are_united_before(caplog):
    """A recording in two corpora makes their groups one, which keeps its clips in the tested corpus alone."""
    clips = in_corpora(
        [("a", "x", "1", "0"), ("a", "y", "1", "1"), ("b", "x", "1", "0"), ("b", "y", "1", "3")]
    )
    more = in_corpora([("b", "x", "2", "4"), ("b", "y", "2", "5")], first=4)

    folds = make_folds(pd.concat([clips, more], ignore_index=True), CROSS, tested="a")

    assert folds["clip_id"].tolist() == ["a/0", "a/1", "b/4", "b/5"]
    assert "2 clips share a group with another corpus" in caplog.text
    with pytest.raises(AffettoError, match="Fold 0 of a leaves no emotion to train on"):
        make_folds(clips, CROSS, tested="a")


CROSS = SplitParameters(protocol="cross_corpus")
EACH = SplitParameters(protocol="leave_one_corpus_out")


def in_corpora(rows, first=0):
    """Make clips of (corpus, emotion, group, content) rows."""
    clips = pd.DataFrame(rows, columns=["corpus", "emotion", "group", "content_hash"]).astype("str")
    clips["group"] = clips["corpus"] + "/" + clips["group"]
    clips["clip_id"] = [f"{corpus}/{index + first}" for index, corpus in enumerate(clips["corpus"])]
    return unite_groups_of_duplicates(clips.assign(side="voice", path=clips["clip_id"]))


@st.composite
def several_corpora(draw):
    """Three corpora of two emotions; some recordings lie in several."""
    contents = st.one_of(st.integers(0, 4).map("shared {}".format), st.uuids().map(str))
    cell = st.tuples(
        st.sampled_from("abc"), st.sampled_from(["anger", "fear"]), st.sampled_from("1234"), contents
    )
    sure = [(corpus, e, f"own {e}", f"own {corpus} {e}") for corpus in "abc" for e in ("anger", "fear")]
    return in_corpora([*sure, *draw(st.lists(cell, max_size=40))])


@settings(max_examples=25, deadline=None)
@given(clips=several_corpora(), split=st.sampled_from([CROSS, EACH]))
def test_no_group_no_recording_and_no_corpus_is_on_both_sides(clips, split):
    divided = clips.merge(make_folds(clips, split, tested="a"), on="clip_id", validate="one_to_one")

    for name in ("group", "content_hash", "corpus"):
        assert divided.groupby(name)["fold"].nunique().max() == 1
    folds = divided.drop_duplicates("corpus").set_index("corpus")["fold"].to_dict()
    assert folds == ({"a": 0, "b": -1, "c": -1} if split is CROSS else {"a": 0, "b": 1, "c": 2})
    assert set(clips.loc[clips["corpus"] == "a", "clip_id"]) <= set(divided["clip_id"])
    alone = clips.groupby("group")["corpus"].transform("nunique") == 1
    assert set(clips.loc[alone, "clip_id"]) <= set(divided["clip_id"])


def test_a_protocol_that_knows_one_corpus_only_is_refused():
    other = CorpusParameters(source="casia", root="b")
    corpus = CorpusParameters(source="emodb", root="a", training_corpora={"casia": other})

    check_protocol(corpus, CROSS, side="voice")
    check_protocol(other, SplitParameters(), side="voice")
    with pytest.raises(AffettoError, match=r"names casia, but voice\.split\.protocol kfold does not tell"):
        check_protocol(corpus, SplitParameters(), side="voice")


def one_side(clips, folds):
    """Whether all clips of the same content are tested in the same fold, or never."""
    tested = clips.merge(folds, on="clip_id")
    return len(tested[["content_hash", "fold"]].drop_duplicates()) == tested["content_hash"].nunique()


def test_published_folds_are_each_tested_once_without_groups_that_lie_in_several(caplog):
    splits = ["fold 2", "fold 2", "fold 10", "fold 10", "fold 10", "fold 3", "fold 3", "fold 3", None]
    clips = table([*"ababaaba", "a"], ["g1", "g1", "g2", "g2", "g3", "g4", "g4", "g3", "g6"], splits)

    folds = make_folds(clips, SplitParameters(protocol="official"))

    assert folds["clip_id"].str[-1].tolist() == ["0", "1", "2", "3", "5", "6"]
    assert folds["fold"].tolist() == [0, 0, 2, 2, 1, 1]
    assert "2 clips are of groups that lie in several published folds" in caplog.text


@settings(deadline=None, max_examples=15)
@given(
    clips=corpora(),
    contents=st.lists(st.integers(0, 12), min_size=64, max_size=64),
    published=st.lists(st.sampled_from(OFFICIAL_SPLITS), min_size=64, max_size=64),
    n_folds=st.integers(2, 4),
)
def test_equal_recordings_are_on_one_side_of_every_split(clips, contents, published, n_folds):
    """After the audit, which unites their groups; random folds have no groups and keep them together, too."""
    some = [f"{content}" if content < 6 else f"own {row}" for row, content in enumerate(contents)]
    clips = clips.assign(content_hash=some[: len(clips)], official_split=published[: len(clips)])
    clips = unite_groups_of_duplicates(clips)
    protocols = [
        SplitParameters(protocol="kfold", n_folds=n_folds),
        SplitParameters(protocol="leave_one_group_out"),
        SplitParameters(protocol="holdout"),
        SplitParameters(protocol="official"),
    ]
    made = 0
    for split in protocols:
        try:
            folds = make_folds(clips, split)
        except AffettoError:  # too few groups are left
            continue
        made += 1
        assert one_side(clips, folds)
    assert one_side(clips, dealt(clips, n_folds))
    event(f"{made} of {len(protocols)} protocols")
