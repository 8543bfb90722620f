"""Tables of results as texts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from affetto.evaluation.metrics import score_groups
from affetto.evaluation.tables import PROBE_TABLES, group_tables, measure_tables


def results(*columns):
    """Return a maker of a table of results from its rows."""
    return lambda *rows: pd.DataFrame(rows, columns=list(columns))


def test_accuracy_and_macro_f1_stand_beside_their_tests(table):
    written, surest = measure_tables(table)
    rows = {row[0]: row[1:] for row in written.rows}
    svm = table.set_index("model").loc["svm"]

    assert {len(row) for row in written.rows} == {len(written.header)}
    assert rows["attentive"][1:3] == ("–", "–")
    assert rows["svm"][0].startswith(f"{svm['wa']:.3f} [")
    assert rows["svm"][4].startswith("+")
    assert {row[0]: row[1:] for row in surest.rows}["svm"][1] == f"{svm['uar']:.3f}"
    assert (table["selective_wa"] > table["wa"]).all()
    assert measure_tables(table.iloc[:0]) == []


def test_groups_are_shown_by_their_spread_and_each_where_they_are_few(make_predictions, simulate):
    hand = make_predictions(list("aaabaa"), list("aabbab"), group=list("xxxxyy"))
    spread, each = group_tables(score_groups({"m": hand, "other": hand}))
    (single, _), (many,) = (
        group_tables(score_groups({"m": table}))
        for table in (hand.assign(group="x"), simulate(1.0, n_groups=31))
    )

    numbers = ("0.667 ± 0.236", "0.500 – 0.833", "0.625 ± 0.177", "0.500 – 0.750")
    assert spread.rows[0] == ("m", *numbers, "y (0.500)")
    assert each.header == ("Group", "Clips", "Classes", "m", "other")
    x, y = "0.833 / 0.750", "0.500 / 0.500"
    assert each.rows == (("x", "4", "2", x, x), ("y", "2", "1", y, y))
    assert single.rows[0][1] == "0.800"
    assert "nan" not in str(single)
    assert many.name == "spread"
    assert group_tables(score_groups({})) == []


def test_importance_has_a_row_a_model():
    columns = ("model", "descriptors", "loss", "loss_sd", "loss_ci_low", "loss_ci_high", "n_repeats")
    table = results(*columns)(
        ("both", "energy", 12.34, 1.0, 10.0, 15.0, 2),
        ("both", "spectrogram", -0.5, 0.2, -1.0, 0.1, 2),
        ("flat", "energy", 3.0, np.nan, np.nan, np.nan, 1),
    )

    written = PROBE_TABLES["importance"](table)

    assert written.header == ("Model", "energy", "spectrogram")
    assert written.rows == (
        ("both", "12.3 ± 1.0 [10.0, 15.0]", "−0.5 ± 0.2 [−1.0, 0.1]"),
        ("flat", "3.0", "–"),
    )


def test_enrolment_has_a_row_a_model_and_size():
    columns = ("model", "n_enrolled", "uar_anyone", "uar_enrolled", "gain", "gain_ci_low", "gain_ci_high")
    table = results(*columns, "n_clips", "n_speakers", "n_repeats")(
        ("both", 5, 0.8, 0.85, 5.0, 2.0, 8.04, 90, 10, 5),
        ("both", 10, 0.8, 0.7996, -0.04, -1.0, 1.5, 80, 10, 5),
        ("lld", 5, 0.7, 0.75, 5.0, np.nan, np.nan, 90, 1, 5),
    )

    written = PROBE_TABLES["enrolment"](table)

    assert written.rows == (
        ("both", "5", "0.800", "0.850", "+5.0 [+2.0, +8.0]", "90", "10"),
        ("both", "10", "0.800", "0.800", "+0.0 [−1.0, +1.5]", "80", "10"),
        ("lld", "5", "0.700", "0.750", "+5.0", "90", "1"),
    )
    assert "mean over 5 draws" in written.note


@pytest.mark.parametrize(("p", "text"), [(0.0004, "< 0.001"), (np.nan, "cannot be tested with 4 groups")])
def test_highlights_say_how_sure_their_gain_is(p, text):
    scores = {f"uar_{name}": 0.5 for name in ("whole", "highlight", "random")}
    row = {"model": "m", "length_s": 3.0, **scores, "gain": 1.0, "gain_ci_low": 0.0, "gain_ci_high": 2.0}
    table = pd.DataFrame([{**row, "p_value": p, "n_clips": 9, "n_groups": 4, "n_random": 5}])

    (written,) = PROBE_TABLES["highlights"](table).rows

    assert written == ("m", "3 s", "0.500", "0.500", "0.500", "+1.0 [+0.0, +2.0]", text, "9")


def test_strangers_have_a_row_a_kind_and_what_is_missing_is_said():
    columns = [
        f"auroc_{measure}{end}" for measure in ("novelty", "doubt") for end in ("", "_ci_low", "_ci_high")
    ]
    unknown = (np.nan,) * 3
    table = results("strangers", "model", *columns, "n_strangers", "note")(
        ("short_ones", "linear", 1.0, 0.003, 1.0, 0.5, 0.2, 0.8, 3, ""),
        ("short_ones", "svm", *unknown, 0.5, *unknown[:2], 3, ""),
        *(("songs", model, *unknown, *unknown, 0, "there is no folder songs") for model in ("linear", "svm")),
    )

    written = PROBE_TABLES["strangers"](table)

    assert written.header == ("Strangers", "Clips", "linear: novelty", "linear: doubt", "svm: doubt")
    assert written.rows == (
        ("short ones", "3", "1.000 [0.003, 1.000]", "0.500 [0.200, 0.800]", "0.500"),
        ("songs", "0", "–", "–", "–"),
    )
    assert written.note.endswith("songs: there is no folder songs.")


def test_robustness_says_where_a_model_is_beyond_the_tolerance():
    columns = ("condition", "model", "change", "change_ci_low", "change_ci_high", "within_tolerance")
    table = results(*columns, "tolerance", "trained_on", "n_clips", "note")(
        ("rate_8_khz", "m", -5.0, -6.0, -4.0, "no", 2.0, "yes", 9, ""),
        ("mp3", "m", 0.0, -1.0, 1.0, "yes", 2.0, "no", 9, ""),
        ("rate_9_khz", "m", 0.5, -0.5, 1.5, "yes", 2.0, "yes", 9, ""),
        ("m4a", "m", np.nan, np.nan, np.nan, "", 2.0, "no", 0, "no clip could be degraded"),
    )

    written = PROBE_TABLES["robustness"](table)

    assert written.sentences == (
        "m is shown to stay within the tolerance in 2 of 3 conditions (1 of the 2 that it was trained on), "
        "but not in rate 8 khz (−5.0 [−6.0, −4.0]).",
        "m4a: no clip could be degraded.",
    )
    assert written.rows[0] == ("rate 8 khz", "±2", "−5.0 [−6.0, −4.0] ✗ †")
    assert written.rows[3][2] == "–"
