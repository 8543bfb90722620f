import numpy as np
import pandas as pd
import pytest

from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.uncertainty import difference_interval
from affetto.experiments.robustness import (
    ROBUSTNESS_COLUMNS,
    judge,
    robustness_metrics,
    robustness_row,
    unknown_row,
)

QUICK = EvaluationParameters()
LABELS = ["calm", "sad"] * 10
GROUPS = [f"g{i // 4}" for i in range(20)]


def predictions_of(labels, predicted):
    ids = [f"toy/{i:02d}" for i in range(len(labels))]
    return pd.DataFrame(
        {"clip_id": ids, "group": GROUPS, "fold": 0, "seed": 0, "label": labels, "predicted": predicted}
    )


def answers(predictions, predicted):
    return predictions[["clip_id", "fold", "seed"]].assign(predicted=predicted)


def rows(changes):
    """A table of `condition, model, change`, tolerance 2."""
    shared = {"family": "packaging", "role": "proposed", "tolerance": 2.0, "trained_on": "no"}
    scores = {"uar": 0.5, "n_clips": 9}
    return judge(
        pd.DataFrame(
            [
                {**unknown_row("not decodable here"), **shared, "condition": condition, "model": model}
                if change is None
                else {
                    **unknown_row(""),
                    **shared,
                    **scores,
                    "condition": condition,
                    "model": model,
                    "change": change,
                    "change_ci_low": change - 1.0,
                    "change_ci_high": change + 1.0,
                    "trained_on": "yes" if condition.startswith("rate") else "no",
                }
                for condition, model, change in changes
            ],
            columns=list(ROBUSTNESS_COLUMNS),
        )
    )


def test_equal_answers_change_nothing():
    clean = predictions_of(LABELS, LABELS[::-1])

    row = robustness_row(answers(clean, clean["predicted"]), clean, QUICK)

    assert row["change"] == 0
    assert row["change_ci_low"] == -row["change_ci_high"] < 0  # so many clips cannot show that none would
    assert row["n_clips"] == 20


def test_the_change_is_in_points_and_paired():
    clean = predictions_of(LABELS, LABELS)
    told = np.array(LABELS, dtype=object)
    told[:2] = ["sad", "calm"]  # one of ten clips of each class

    row = robustness_row(answers(clean, told).sample(frac=1, random_state=0), clean, QUICK)

    assert (row["uar"], row["uar_clean"]) == pytest.approx((0.9, 1.0))
    assert row["change"] == pytest.approx(-10.0)
    whole = difference_interval(clean.assign(predicted=told), clean)
    assert (row["change_ci_low"], row["change_ci_high"]) == pytest.approx((100 * whole.low, 100 * whole.high))


def test_only_degraded_clips_count_for_the_clean_score():
    predicted = LABELS[:10] + ["calm"] * 10
    clean = predictions_of(LABELS, predicted)

    row = robustness_row(answers(clean, predicted).iloc[:10], clean, QUICK)

    assert row["uar_clean"] == 1.0
    assert row["n_clips"] == 10


def test_a_change_is_judged_by_its_interval_and_what_is_unknown_is_not_judge():
    """The change of b is within the two points of tolerance, its interval [0.5, 2.5] is not."""
    table = rows([("a", "m", -1.0), ("b", "m", 1.5), ("c", "m", None)])
    alone = judge(table.assign(change_ci_low=np.nan, change_ci_high=np.nan))

    assert list(table["within_tolerance"]) == ["yes", "no", ""]
    assert list(alone["within_tolerance"]) == ["no", "no", ""]
    assert robustness_metrics(table, "m") == {
        "robustness_a_change": -1.0,
        "robustness_b_change": 1.5,
        "robustness_within": 0.5,
    }
    assert robustness_metrics(table, "other") == {}
