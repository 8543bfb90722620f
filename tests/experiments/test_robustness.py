import numpy as np
import pandas as pd
import pytest

from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.uncertainty import difference_interval
from affetto.experiments.robustness import robustness_row

QUICK = EvaluationParameters()
LABELS = ["calm", "sad"] * 10
GROUPS = [f"g{i // 4}" for i in range(20)]


def predictions_of(labels, predicted):
    ids = [f"toy/{i:02d}" for i in range(len(labels))]
    return pd.DataFrame(
        {"clip_id": ids, "group": GROUPS, "fold": 0, "seed": 0, "label": labels, "predicted": predicted}
    )


def row_of(changed, clean, tolerance=2.0):
    named = {"tolerance": tolerance, "trained_on": "no"}
    return robustness_row(changed, clean, QUICK, **named)


def answers(predictions, predicted):
    return predictions[["clip_id", "fold", "seed"]].assign(predicted=predicted)


def test_equal_answers_change_nothing_but_so_few_clips_cannot_show_it():
    clean = predictions_of(LABELS, LABELS[::-1])

    row, wide = (row_of(answers(clean, clean["predicted"]), clean, tolerance) for tolerance in (2.0, 90.0))

    assert row["change"] == 0
    assert row["change_ci_low"] == -row["change_ci_high"] < 0
    assert row["n_clips"] == 20
    assert (row["within_tolerance"], wide["within_tolerance"]) == ("no", "yes")  # by the whole interval


def test_the_change_is_in_points_and_paired():
    clean = predictions_of(LABELS, LABELS)
    told = np.array(LABELS, dtype=object)
    told[:2] = ["sad", "calm"]  # one of ten clips of each class

    row = row_of(answers(clean, told).sample(frac=1, random_state=0), clean)

    assert (row["uar"], row["uar_clean"]) == pytest.approx((0.9, 1.0))
    assert row["change"] == pytest.approx(-10.0)
    whole = difference_interval(clean.assign(predicted=told), clean)
    assert (row["change_ci_low"], row["change_ci_high"]) == pytest.approx((100 * whole.low, 100 * whole.high))


def test_only_degraded_clips_count_for_the_clean_score():
    predicted = LABELS[:10] + ["calm"] * 10
    clean = predictions_of(LABELS, predicted)

    row = row_of(answers(clean, predicted).iloc[:10], clean)

    assert (row["uar_clean"], row["n_clips"]) == (1.0, 10)


def test_what_has_no_interval_or_was_not_measured_is_not_within_the_tolerance():
    clean = predictions_of(LABELS, LABELS)
    alone = row_of(answers(clean, LABELS), clean.assign(group="x"))
    nothing = row_of(pd.DataFrame(), clean)

    assert np.isnan(alone["change_ci_low"])
    assert (alone["within_tolerance"], nothing["within_tolerance"]) == ("no", "")
    assert (nothing["n_clips"], nothing["note"]) == (0, "no clip could be degraded")
    assert list(nothing) == list(alone)
