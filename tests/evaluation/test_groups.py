from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affetto.evaluation import metrics
from affetto.evaluation.figures import MANY_GROUPS
from affetto.evaluation.metrics import GROUP_COLUMNS, score_groups
from affetto.evaluation.probe_figures import groups_figure
from affetto.evaluation.tables import group_tables

answers = st.lists(
    st.tuples(st.sampled_from("xyz"), st.sampled_from("abc"), st.sampled_from("abc")),
    min_size=1,
    max_size=40,
)


@pytest.fixture
def hand(make_predictions):
    """x has a and b, y has a alone."""
    return make_predictions(list("aaabaa"), list("aabbab"), group=list("xxxxyy"))


@pytest.fixture
def scores(hand):
    return score_groups({"m": hand})


def test_groups_scored_by_hand(scores):
    assert tuple(scores.columns) == GROUP_COLUMNS
    assert scores[["model", "group", "n_clips", "n_classes"]].to_numpy().tolist() == [
        ["m", "x", 4, 2],
        ["m", "y", 2, 1],
    ]
    np.testing.assert_allclose(scores["wa"], [3 / 4, 1 / 2])
    np.testing.assert_allclose(scores["uar"], [(2 / 3 + 1) / 2, 1 / 2])


@given(answers)
@settings(max_examples=30)
def test_a_group_is_scored_as_if_it_were_alone(make_predictions, clips):
    group, label, predicted = zip(*clips, strict=True)
    table = make_predictions(label, predicted, group=group)

    for _, row in score_groups({"m": table}).iterrows():
        alone = table[table["group"] == row["group"]]
        assert row["n_clips"] == len(alone)
        assert row["n_classes"] == alone["label"].nunique()
        assert row["uar"] == pytest.approx(metrics.mean_score(alone))
        assert row["wa"] == pytest.approx(metrics.mean_score(alone, "wa"))


def test_seeds_are_averaged(hand):
    perfect = hand.assign(seed=1, predicted=hand["label"])

    both = score_groups({"m": pd.concat([hand, perfect])})

    np.testing.assert_allclose(both["uar"], [(5 / 6 + 1) / 2, 3 / 4])
    assert list(both["n_clips"]) == [4, 2]


def test_a_seed_that_did_not_test_a_group_does_not_count(hand):
    some = hand[hand["group"] == "x"].assign(seed=1)

    np.testing.assert_allclose(score_groups({"m": pd.concat([hand, some])})["uar"], [5 / 6, 1 / 2])


def test_one_group_has_no_deviation(hand):
    scores = score_groups({"m": hand.assign(group="x")})

    assert group_tables(scores)[0].rows[0][1] == "0.800"
    assert "nan" not in str(group_tables(scores))


def test_tables_show_spread_and_each_group(scores):
    spread, each = group_tables(pd.concat([scores, scores.assign(model="other")]))

    assert spread.rows[0] == (
        "m",
        "0.667 ± 0.236",
        "0.500 – 0.833",
        "0.625 ± 0.177",
        "0.500 – 0.750",
        "y (0.500)",
    )
    assert each.header == ("Group", "Clips", "Classes", "m", "other")
    assert each.rows == (
        ("x", "4", "2", "0.833 / 0.750", "0.833 / 0.750"),
        ("y", "2", "1", "0.500 / 0.500", "0.500 / 0.500"),
    )


def test_many_groups_are_shown_by_their_distribution(simulate):
    tables = {"m": simulate(1.0, n_groups=MANY_GROUPS + 1), "n": simulate(2.0, n_groups=MANY_GROUPS + 1)}
    scores = score_groups(tables)

    assert [table.name for table in group_tables(scores)] == ["spread"]
    figure = groups_figure(scores)
    assert [axes.get_title() for axes in figure.axes] == ["m", "n"]
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == MANY_GROUPS + 1


def test_few_groups_are_a_dot_each(models):
    (axes,) = groups_figure(score_groups(models)).axes

    dots = [marks.get_offsets() for marks in axes.collections if len(marks.get_offsets()) == 12]
    assert len(dots) == len(models)
    assert all(np.all(np.abs(dots[place][:, 0] - place) < 0.5) for place in range(3))
    assert [tick.get_text() for tick in axes.get_xticklabels()] == list(models)


def test_nothing_scored_is_said():
    empty = score_groups({})

    assert tuple(empty.columns) == GROUP_COLUMNS
    assert "No clip" in groups_figure(empty).texts[0].get_text()
    assert group_tables(empty) == []
