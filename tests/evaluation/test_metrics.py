from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score
from sklearn.metrics import log_loss as sklearn_log_loss

from affetto.errors import AffettoError
from affetto.evaluation import metrics
from affetto.evaluation.comparison import score_model
from affetto.evaluation.parameters import EvaluationParameters

# Four clips of a, three told; two of b, one told; two of c, none told.
HAND = (list("aaaabbcc"), list("aaabbaab"))
answers = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), min_size=1, max_size=60)


@pytest.fixture
def hand(make_predictions):
    return make_predictions(*HAND)


def test_a_hand_computed_confusion_matrix(hand):
    matrix = metrics.confusion_matrix(hand)

    np.testing.assert_array_equal(matrix, [[3, 1, 0], [1, 1, 0], [1, 1, 0]])
    assert metrics.mean_score(hand) == pytest.approx((3 / 4 + 1 / 2 + 0) / 3)
    assert metrics.mean_score(hand, "wa") == pytest.approx(4 / 8)
    assert metrics.mean_score(hand, "macro_f1") == pytest.approx((2 * 3 / (4 + 5) + 2 * 1 / (2 + 3) + 0) / 3)
    assert metrics.per_class_recall(hand).to_dict() == {"a": 0.75, "b": 0.5, "c": 0.0}


@given(answers)
@settings(max_examples=40, deadline=None)
def test_scores_agree_with_scikit_learn_and_lie_in_the_unit_interval(make_predictions, pairs):
    label, predicted = zip(*pairs, strict=True)
    table = make_predictions(label, predicted)

    assert 0 <= metrics.mean_score(table) <= 1
    if set(predicted) <= set(label):
        assert metrics.mean_score(table) == pytest.approx(balanced_accuracy_score(label, predicted))
    assert metrics.mean_score(table, "wa") == pytest.approx(accuracy_score(label, predicted))
    expected = f1_score(label, predicted, average="macro", labels=sorted(set(label)), zero_division=0)
    assert metrics.mean_score(table, "macro_f1") == pytest.approx(expected)


@given(answers, st.randoms(use_true_random=False))
@settings(max_examples=15, deadline=None)
def test_the_order_of_clips_does_not_matter(make_predictions, pairs, random):
    table = make_predictions(*zip(*pairs, strict=True))
    order = list(range(len(table)))
    random.shuffle(order)

    shuffled, straight = (metrics.summarise(rows) for rows in (table.iloc[order], table))
    for score in ("uar", "wa", "macro_f1", "log_loss", "ece", *(n for n in straight if "recall" in n)):
        assert shuffled[score] == pytest.approx(straight[score])


def test_folds_are_pooled_before_scoring(make_predictions):
    # Fold 1 has no clip of b: the mean of the folds' own UAR would be (0.5 + 1) / 2.
    table = make_predictions(list("abaa"), list("aaaa"))
    table["fold"] = [0, 0, 1, 1]

    assert metrics.summarise(table)["uar"] == pytest.approx(0.5)


def test_seeds_are_averaged_and_their_spread_reported(make_predictions):
    good = make_predictions(list("aabb"), list("aabb"), seed=0)
    poor = make_predictions(list("aabb"), list("aaba"), seed=1)

    summary = metrics.summarise(pd.concat([good, poor]))

    assert summary["uar"] == pytest.approx((1 + 0.75) / 2)
    assert summary["uar_sd"] == pytest.approx(np.std([1, 0.75], ddof=1))
    assert (summary["recall_a"], summary["recall_b"]) == (1.0, 0.75)
    assert (summary["n_clips"], summary["n_seeds"]) == (4, 2)


def test_log_loss_agrees_with_scikit_learn(simulate):
    table = simulate(1.0)
    probabilities = table.filter(regex="^p_").to_numpy()

    assert metrics.log_loss(table) == pytest.approx(sklearn_log_loss(table["label"], probabilities))


def test_a_class_without_probability_costs_a_finite_log_loss(make_predictions):
    table = make_predictions(list("ab"), list("aa")).drop(columns="p_b")

    assert metrics.log_loss(table) == pytest.approx((-np.log(0.8) - np.log(1e-15)) / 2)


def test_calibration_error_of_known_bins(make_predictions):
    # Six of eight right at confidence 0.9: |0.75 - 0.9|; one of two right at 0.5: no gap.
    sure = make_predictions(["a"] * 8, ["a"] * 6 + ["b"] * 2, confidence=0.9)
    unsure = make_predictions(["a"] * 2, ["a", "b"], confidence=0.5)
    table = pd.concat([sure, unsure])

    assert metrics.expected_calibration_error(table, n_bins=10) == pytest.approx(0.8 * 0.15)
    bins = metrics.reliability(table, n_bins=10)
    assert bins["share"].sum() == pytest.approx(1)
    assert list(bins.index) == [5, 9]


def test_a_model_that_is_always_right_and_sure_is_calibrated(make_predictions):
    table = make_predictions(list("abab"), list("abab"), confidence=1.0)

    assert metrics.expected_calibration_error(table) == pytest.approx(0)
    assert metrics.log_loss(table) == pytest.approx(0)


@pytest.mark.parametrize(
    ("broken", "word"),
    [
        (lambda table: table.drop(columns="label"), "label"),
        (lambda table: table.iloc[:0], "empty"),
        (lambda table: pd.concat([table, table]), "demo/0000"),
    ],
)
def test_broken_predictions_are_named(hand, broken, word):
    with pytest.raises(AffettoError, match=word):
        metrics.summarise(broken(hand))


def test_tracked_scores_are_complete_and_not_a_number_where_they_cannot_be_known(simulate, make_predictions):
    scores = score_model(simulate(1.5, n_seeds=2), EvaluationParameters())
    single = make_predictions(["a b", "c"], ["a b", "c"], group=["g", "g"])
    of_one_group = score_model(single, EvaluationParameters())

    assert {"uar", "uar_sd", "wa", "macro_f1", "ece", "log_loss", "recall_calm"} <= set(scores)
    assert 0 < scores["uar_ci_low"] < scores["uar"] < scores["uar_ci_high"] < 1
    assert scores["ece_ci_low"] < scores["ece_ci_high"]
    assert of_one_group["recall_a_b"] == 1
    unknown = [value for name, value in of_one_group.items() if name.endswith(("_sd", "_ci_low", "_ci_high"))]
    assert np.isnan(unknown).all()


def test_the_surest_half_is_what_a_model_would_answer_if_it_might_be_silent(make_predictions):
    table = make_predictions(list("aabbb"), list("aabaa"), seed=0)  # the last two are wrong
    table["p_a"], table["p_b"] = [0.9, 0.6, 0.1, 0.7, 0.6], [0.1, 0.4, 0.9, 0.3, 0.4]
    other = make_predictions(list("aabbb"), list("bbbba"), seed=1)  # all equally sure: the first count

    half = metrics.surest(pd.concat([table, other]))
    summary = metrics.summarise(pd.concat([table, other]))

    assert half[half["seed"] == 0].index.tolist() == [0, 2, 3]
    assert half[half["seed"] == 1].index.tolist() == [0, 1, 2]
    assert summary["selective_wa"] == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert summary["selective_uar"] == pytest.approx(((1 + 1 / 2) / 2 + (0 + 1) / 2) / 2)


@given(st.integers(0, 50), st.integers(2, 20))
@settings(max_examples=20)
def test_bins_of_all_groups_give_the_calibration_error(simulate, seed, n_bins):
    table = simulate(1.0, seed, n_groups=4)

    error = metrics.binned_error(metrics.bins_by_group(table, n_bins=n_bins).sum(axis=0))

    assert error == pytest.approx([metrics.expected_calibration_error(table, n_bins=n_bins)])


def test_groups_are_scored_by_hand_and_seeds_averaged(make_predictions):
    """x has a and b, y has a alone."""
    hand = make_predictions(list("aaabaa"), list("aabbab"), group=list("xxxxyy"))
    perfect = hand.assign(seed=1, predicted=hand["label"])
    some = hand[hand["group"] == "x"].assign(seed=1)  # a seed that did not test a group does not count

    alone, both, partial = (
        metrics.score_groups({"m": pd.concat(tables)}) for tables in ([hand], [hand, perfect], [hand, some])
    )

    sizes = alone[["model", "group", "n_clips", "n_classes"]]
    assert sizes.to_numpy().tolist() == [["m", "x", 4, 2], ["m", "y", 2, 1]]
    np.testing.assert_allclose(alone["wa"], [3 / 4, 1 / 2])
    np.testing.assert_allclose(alone["uar"], [(2 / 3 + 1) / 2, 1 / 2])
    np.testing.assert_allclose(both["uar"], [(5 / 6 + 1) / 2, 3 / 4])
    assert list(both["n_clips"]) == [4, 2]
    np.testing.assert_allclose(partial["uar"], [5 / 6, 1 / 2])
    assert tuple(metrics.score_groups({}).columns) == tuple(alone.columns) == metrics.GROUP_COLUMNS


@given(
    st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from("abc"), st.sampled_from("abc")), min_size=1)
)
@settings(max_examples=20)
def test_a_group_is_scored_as_if_it_were_alone(make_predictions, clips):
    group, label, predicted = zip(*clips, strict=True)
    table = make_predictions(label, predicted, group=group)

    for _, row in metrics.score_groups({"m": table}).iterrows():
        alone = table[table["group"] == row["group"]]
        assert (row["n_clips"], row["n_classes"]) == (len(alone), alone["label"].nunique())
        assert row["uar"] == pytest.approx(metrics.mean_score(alone))
        assert row["wa"] == pytest.approx(metrics.mean_score(alone, "wa"))
