"""Splits: no group straddles, all is tested as often as the protocol says, mistakes are one sentence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from affetto.corpora.audit import unite_groups_of_duplicates
from affetto.corpora.clips import OFFICIAL_SPLITS
from affetto.corpora.parameters import SplitParameters
from affetto.corpora.splits import _fill_empty_folds, make_folds, make_random_folds, trained_on
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


@settings(deadline=None, max_examples=25)
@given(clips=corpora(), n_folds=st.integers(2, 5), seed=st.integers(0, 3))
def test_kfold_tests_every_labelled_clip_once_and_no_group_straddles(clips, n_folds, seed):
    labelled = clips[clips["emotion"].notna()]
    assume(n_folds <= min(labelled["group"].nunique(), labelled["emotion"].value_counts().max()))
    split = SplitParameters(protocol="kfold", n_folds=n_folds, seed=seed)

    folds = make_folds(clips, split)

    assert folds["clip_id"].tolist() == labelled["clip_id"].tolist()
    assert set(folds["fold"]) == set(range(n_folds))
    assert joined(clips, folds).groupby("group")["fold"].nunique().max() == 1
    pd.testing.assert_frame_equal(folds, make_folds(clips, split))


@settings(deadline=None, max_examples=15)
@given(clips=corpora())
def test_leave_one_group_out_has_a_fold_a_group_in_order(clips):
    merged = joined(clips, make_folds(clips, SplitParameters(protocol="leave_one_group_out")))

    assert len(merged) == clips["emotion"].notna().sum()
    by_group = merged.groupby("group")["fold"].unique()
    assert [list(folds) for folds in by_group] == [[index] for index in range(len(by_group))]


@settings(deadline=None, max_examples=15)
@given(clips=corpora(), fraction=st.sampled_from([0.1, 0.25, 0.5]))
def test_holdout_has_one_test_part_by_group(clips, fraction):
    labelled = clips[clips["emotion"].notna()]
    assume(labelled["emotion"].value_counts().max() >= min(round(1 / fraction), labelled["group"].nunique()))

    merged = joined(clips, make_folds(clips, SplitParameters(protocol="holdout", test_fraction=fraction)))

    assert set(merged["fold"]) == {0, -1}
    assert merged.groupby("group")["fold"].nunique().max() == 1


def test_holdout_is_as_large_as_asked_where_groups_allow():
    folds = make_folds(balanced(20, 6), SplitParameters(protocol="holdout", test_fraction=0.2))

    assert (folds["fold"] == 0).mean() == pytest.approx(0.2, abs=0.05)


def test_kfold_is_stratified_where_groups_allow():
    clips = balanced(9, 6)

    merged = joined(clips, make_folds(clips, SplitParameters(n_folds=3)))

    assert (pd.crosstab(merged["emotion"], merged["fold"]) == 6).to_numpy().all()


def test_seeds_give_other_folds():
    clips = balanced(12, 6)
    folds = [make_folds(clips, SplitParameters(n_folds=3, seed=seed))["fold"].tolist() for seed in range(4)]

    assert len(set(map(tuple, folds))) > 1


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


@settings(deadline=None, max_examples=25)
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


def test_the_folds_of_test_groups_are_those_of_the_whole_where_groups_are_left_out_one_by_one():
    clips = balanced(5)

    every = joined(clips, make_folds(clips, SplitParameters(protocol="leave_one_group_out")))
    some = SplitParameters(protocol="leave_one_group_out", test_groups=("g1", "g4"))
    chosen = joined(clips, make_folds(clips, some))

    assert dict(chosen[["group", "fold"]].drop_duplicates().to_numpy()) == {
        **dict.fromkeys(["g0", "g2", "g3"], -1),
        "g1": 0,
        "g4": 1,
    }
    tested = chosen["fold"] >= 0
    assert set(every.loc[every["group"] == "g4", "clip_id"]) == set(
        chosen.loc[chosen["fold"] == 1, "clip_id"]
    )
    assert tested.sum() == 12


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"test_groups": ["03"], "protocol": "holdout"}, "needs the protocol kfold or leave_one_group_out"),
        ({"test_groups": [3]}, "names in quotes"),
        ({"test_groups": "03"}, "names in quotes"),
    ],
)
def test_test_groups_that_mean_nothing_are_refused(given_, message):
    with pytest.raises(ValueError, match=message):
        SplitParameters.model_validate(given_)


def crossed(n_groups=4, n_seconds=4, times=1):
    """Every speaker says every sentence in every emotion, so often."""
    spoken = [(e, g, s) for g in range(n_groups) for s in range(n_seconds) for e in EMOTIONS] * times
    clips = table([emotion for emotion, _, _ in spoken], [f"g{group}" for _, group, _ in spoken])
    return clips.assign(second_group=[f"s{second}" for _, _, second in spoken])


@settings(deadline=None, max_examples=40)
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


def test_each_pair_of_speaker_and_sentence_is_a_fold_that_trains_on_all_others_of_both():
    clips = crossed(4, 5)
    folds = make_folds(clips, SplitParameters(protocol="leave_one_group_out", second_folds="each"))

    cells = clips.merge(folds, on="clip_id").groupby("fold")[["group", "second_group"]].agg(set)
    pairs = [(group, second) for group in range(4) for second in range(5)]
    assert cells["group"].tolist() == [{f"g{group}"} for group, _ in pairs]
    assert cells["second_group"].tolist() == [{f"s{second}"} for _, second in pairs]
    assert {int(trained_on(folds, fold).sum()) for fold in range(20)} == {3 * 4 * len(EMOTIONS)}


def test_second_groups_are_dealt_into_folds_balanced_in_emotions():
    clips = crossed(3, 6)
    folds = make_folds(clips, SplitParameters(protocol="leave_one_group_out", second_folds=2))

    merged = clips.merge(folds, on="clip_id")
    assert folds["fold"].nunique() == 6
    assert merged.groupby("second_group")["second_fold"].nunique().eq(1).all()
    assert (pd.crosstab(merged["emotion"], merged["fold"]) == 3).to_numpy().all()


def test_without_second_folds_training_is_all_that_is_not_tested():
    folds = make_folds(crossed(), SplitParameters(n_folds=3))

    for fold in range(3):
        assert (trained_on(folds, fold) == (folds["fold"] != fold)).all()


def test_clips_without_a_second_group_are_counted_and_apart_by_their_group_alone(caplog):
    clips = crossed()
    some = clips.assign(second_group=clips["second_group"].where(clips.index != 7))
    make_folds(some, SplitParameters(protocol="leave_one_group_out", second_folds=2))

    assert "c: 1 clips have no second group" in caplog.text


def test_second_folds_need_a_protocol_that_deals_groups():
    with pytest.raises(ValueError, match="second_folds needs the protocol kfold or leave_one_group_out"):
        SplitParameters(protocol="holdout", second_folds=5)
    for wrong in (1, "all", 2.5, True):
        with pytest.raises(ValueError, match=r"1 validation error.*\n.*\n.*from 2, each, or null"):
            SplitParameters(second_folds=wrong)


def test_emotions_that_cannot_be_trained_are_logged(caplog):
    make_folds(
        table([*"aabbcc"], ["1", "2", "1", "2", "3", "3"]), SplitParameters(protocol="leave_one_group_out")
    )

    assert "c: fold 2 has no training clip of c" in caplog.text


@pytest.mark.parametrize(
    ("clips", "split", "message"),
    [
        (table([None] * 4, [*"wxyz"]), {}, "No clip of c has an emotion"),
        (
            table(["anger"] * 4, [*"wxyz"]),
            {},
            "All 4 labelled clips of c are anger: a model needs two emotions",
        ),
        (
            table([*"aab"], [*"xyz"]),
            {},
            "One clip only of c is labelled b, .* null in voice.corpus.label_map",
        ),
        (table([*"aabb"], ["x"] * 4), {}, "All labelled clips of c are of one group .x."),
        (table([*"aabb"], ["x"] * 4), {"protocol": "leave_one_group_out"}, "of one group"),
        (table([*"aabb"], ["x"] * 4), {"protocol": "holdout"}, "of one group"),
        (balanced(3), {"n_folds": 4}, "voice.split.n_folds is 4, .* 3 groups: set it to 3 or less"),
        (
            balanced(3),
            {"n_folds": 2, "test_groups": ["g1", "h", "i"]},
            "names h, i, .* groups are g0, g1, g2",
        ),
        (balanced(14), {"n_folds": 2, "test_groups": ["h"]}, "groups are g0, g1, g10, .*, g5, …"),
        (
            balanced(4),
            {"test_groups": ["g1", "g2"]},
            "is 5, but voice.split.test_groups are of 2 .* it to 2 or",
        ),
        (balanced(4), {"test_groups": ["g1"]}, "of 1 groups: set the protocol to leave_one_group_out"),
        (
            table([*"aabb"], [*"wxyz"]),
            {"n_folds": 3},
            "3 folds are too many for c, .* set voice.split.n_folds to 2",
        ),
        (balanced(), {"protocol": "official"}, "no published split"),
        (table([*"aabb"], [*"wxyz"], ["test"] * 4), {"protocol": "official"}, "no published split"),
        (
            table([*"aabb"], [*"wxyz"], ["train", "train", "test", "test"]),
            {"protocol": "official"},
            "training part of c has fewer than two emotions",
        ),
        (
            table([*"aabb"], [*"wwxx"]),
            {"protocol": "leave_one_group_out"},
            "Fold 0 of c leaves only b to train on, .* voice.split.protocol",
        ),
        (
            balanced(),
            {"second_folds": 5},
            "second_folds is 5, but no clip of c has a second group: set voice.corpus.second_group_pattern",
        ),
        (
            crossed(5, 3),
            {"second_folds": 5},
            "second_folds is 5, .* of 3 second groups: set second_folds to 3 or less",
        ),
        (crossed(5, 1), {"second_folds": "each"}, "of 1 second groups: set second_folds to null"),
        (
            table([*"aabb"], [*"wxyz"]).assign(second_group=[*"tuvw"]),
            {"n_folds": 2, "second_folds": 3},
            "3 folds are too many for c, .* set voice.split.second_folds to 2",
        ),
        (
            table([*"aabb"], [*"wxwx"]).assign(second_group=[*"sstt"]),
            {"protocol": "leave_one_group_out", "second_folds": "each"},
            "Fold 0 of c leaves only b to train on",
        ),
    ],
)
def test_what_the_clips_do_not_allow_is_one_sentence(clips, split, message):
    with pytest.raises(AffettoError, match=message) as caught:
        make_folds(clips, SplitParameters(**split))
    assert "\n" not in str(caught.value)


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


def test_random_folds_beside_second_groups_train_on_as_much():
    clips = balanced(6, 24).assign(second_group=[f"s{index % 4}" for index in range(6 * 24)])
    assert at_random(clips, second_folds=4)["fold"].nunique() == 3  # 1 / (1 - 5/6 * 3/4), rounded


def test_a_rare_emotion_makes_no_fewer_random_folds():
    assert set(dealt(table([*"aaaaabb"], [*"1234567"]), 5)["fold"]) == {0, 1, 2, 3, 4}


def test_random_folds_refuse_what_cannot_be_stratified():
    with pytest.raises(AffettoError, match="labelled b"):
        dealt(table([*"aaab"], [*"1234"]), 2)


def test_a_fold_left_empty_gets_the_smallest_group_of_the_most_crowded_one():
    folds, groups = np.array([0, 0, 0, 1, 0]), pd.Series([*"aabcd"])

    filled = _fill_empty_folds(folds, groups, 4)

    assert sorted(set(filled.tolist())) == [0, 1, 2, 3]
    assert filled[0] == filled[1] == 0
    assert filled[3] == 1


def test_random_folds_keep_overlapping_segments_of_a_recording_together():
    segments = balanced(1, 40).assign(path=[f"{index // 4}.wav" for index in range(40)])
    segments = segments.assign(emotion=[EMOTIONS[index // 4 % 2] for index in range(40)])

    merged = joined(segments, dealt(segments, 5))

    assert len(merged[["path", "fold"]].drop_duplicates()) == 10
    assert (pd.crosstab(merged["emotion"], merged["fold"]) == 4).to_numpy().all()


def test_random_folds_keep_together_what_files_and_contents_connect():
    paths, contents = [*"aabbcdefgh"], [*"1223345678"]
    clips = table([*"xxxxxyyxyx"], [*"0123456789"]).assign(path=paths, content_hash=contents)

    merged = joined(clips, dealt(clips, 2))

    assert len(set(merged.loc[merged["path"].isin([*"abcd"]), "fold"])) == 1
    assert set(merged["fold"]) == {0, 1}


@pytest.mark.parametrize(("paths", "folds"), [("xxyy", [0, 0, 1, 1]), ("xyxy", None), ("xxxx", None)])
def test_random_folds_of_one_or_two_recordings(paths, folds):
    made = dealt(table([*"aabb"], [*"1234"]).assign(path=[*paths]), 2)

    assert made["fold"].nunique() == 2
    assert folds is None or made["fold"].tolist() == folds


def one_side(clips, folds):
    """Whether all clips of the same content are tested in the same fold, or never."""
    tested = clips.merge(folds, on="clip_id")
    return len(tested[["content_hash", "fold"]].drop_duplicates()) == tested["content_hash"].nunique()


@settings(deadline=None, max_examples=40)
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
