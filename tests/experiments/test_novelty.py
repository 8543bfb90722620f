import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from affetto.evaluation.parameters import EvaluationParameters
from affetto.experiments.novelty import stranger_row

QUICK = EvaluationParameters()
values = st.lists(st.integers(0, 5), min_size=1, max_size=30)


def answers(novelty, *, group=None, seed=0, doubt=0.5, name="c"):
    n = len(novelty)
    return pd.DataFrame(
        {
            "clip_id": [f"{name}/{i}" for i in range(n)],
            "group": list(group) if group is not None else [f"{name}{i % 3}" for i in range(n)],
            "seed": seed,
            "novelty": np.asarray(novelty, dtype=float),
            "doubt": doubt,
        }
    )


def test_the_share_of_pairs_in_which_the_stranger_is_stranger():
    row = stranger_row(answers([0.9, 0.5], name="s"), answers([0.1, 0.5, 0.6, 0.2]), QUICK, same_groups=False)

    assert row["auroc_novelty"] == pytest.approx((4 + 2.5) / 8)  # a tie counts half
    assert row["auroc_doubt"] == 0.5
    assert (row["n_strangers"], row["n_held_out"], row["note"]) == (2, 4, "")


@given(values, values)
@settings(max_examples=40, deadline=None)
def test_it_agrees_with_scikit_learn(strange, usual):
    row = stranger_row(answers(strange, name="s"), answers(usual), QUICK, same_groups=False)

    truth = [1] * len(strange) + [0] * len(usual)
    assert row["auroc_novelty"] == pytest.approx(roc_auc_score(truth, strange + usual))


def test_seeds_are_averaged_and_folds_pooled():
    strangers = pd.concat([answers([1.0], seed=0, name="s"), answers([0.0], seed=1, name="s")])
    held_out = pd.concat([answers([0.5, 0.2], seed=seed) for seed in (0, 1)])

    assert stranger_row(strangers, held_out, QUICK, same_groups=False)["auroc_novelty"] == 0.5


def test_the_interval_knows_that_clips_of_a_group_are_not_independent():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(8), 40).astype(str)
    shift = np.repeat(rng.normal(size=8), 40)  # of all strangers of a speaker
    usual, strange = rng.normal(size=320), 1 + shift + rng.normal(size=320)
    held_out, strangers = answers(usual, group=group), answers(strange, group=group, name="s")

    grouped = stranger_row(strangers, held_out, QUICK, same_groups=True)
    alone = stranger_row(
        strangers.assign(group=strangers["clip_id"]),
        held_out.assign(group=held_out["clip_id"]),
        QUICK,
        same_groups=False,
    )

    def width(row):
        return row["auroc_novelty_ci_high"] - row["auroc_novelty_ci_low"]

    assert grouped["auroc_novelty"] == pytest.approx(alone["auroc_novelty"])
    assert grouped["auroc_novelty_ci_low"] < grouped["auroc_novelty"] < grouped["auroc_novelty_ci_high"]
    assert width(grouped) > 1.3 * width(alone)


def test_what_nobody_tells_is_unknown():
    row = stranger_row(answers([np.nan] * 3, name="s"), answers([np.nan] * 3), QUICK, same_groups=False)
    single = stranger_row(
        answers([1, 2], group="gg", name="s"), answers([0, 1], group="gg"), QUICK, same_groups=True
    )

    nothing = stranger_row(pd.DataFrame(), answers([1]), QUICK, same_groups=False, reason="no folder")

    assert list(nothing) == list(row)
    assert (nothing["n_strangers"], nothing["n_held_out"], nothing["note"]) == (0, 0, "no folder")
    assert math.isnan(row["auroc_novelty"])
    assert row["auroc_doubt"] == 0.5
    assert single["auroc_novelty"] == 0.875
    assert math.isnan(single["auroc_novelty_ci_low"])
