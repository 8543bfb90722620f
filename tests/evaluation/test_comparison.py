from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from affetto.evaluation.comparison import COMPARISON_COLUMNS, compare, leakage
from affetto.evaluation.metrics import mean_score
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.report import render_report
from affetto.evaluation.tables import measure_tables
from affetto.evaluation.uncertainty import holm, permutation_test
from affetto.evaluation.wording import (
    comparison_text,
    interval,
    number,
    p_value,
    protocol_sentence,
    sentences_on_tests,
    summary_sentence,
)

QUICK = EvaluationParameters(n_permutations=500)


@pytest.fixture(scope="module")
def table(models, roles, simulate):
    flattered = {name: simulate(3.0, 7) for name in ("attentive", "plain")}
    return compare(
        models,
        roles,
        protocol="kfold",
        corpus="demo",
        task="music_emotion",
        random_predictions={**flattered, "svm": pd.DataFrame()},
        parameters=QUICK,
    )


def test_one_row_a_model_in_the_order_of_roles(table):
    assert tuple(table.columns) == COMPARISON_COLUMNS
    assert list(table["role"]) == ["proposed", "ablation", "baseline"]
    assert set(table["n_clips"]) == {120} and table["n_clips"].dtype == "int64"
    assert set(table["n_groups"]) == {12}
    assert (table["uar_ci_low"] < table["uar"]).all()
    assert (table["uar"] < table["uar_ci_high"]).all()


def test_the_proposed_model_is_tested_against_each_other_one(table, models):
    rows = table.set_index("model")

    assert np.isnan(rows.loc["attentive", "p_permutation"])
    assert rows.loc["svm", "p_permutation"] == permutation_test(
        models["attentive"], models["svm"], n_permutations=500
    )
    expected = rows.loc["attentive", "uar"] - rows.loc["svm", "uar"]
    assert rows.loc["svm", "difference"] == pytest.approx(expected)
    assert rows.loc["svm", "difference_ci_low"] < expected < rows.loc["svm", "difference_ci_high"]
    np.testing.assert_allclose(rows["p_permutation_holm"], holm(rows["p_permutation"].to_numpy()))


@pytest.mark.parametrize("name", ["wa", "macro_f1"])
def test_accuracy_and_macro_f1_are_tested_like_the_uar(table, models, name):
    rows, prefix = table.set_index("model"), f"{name}_"
    ours, theirs = (mean_score(models[model], name) for model in ("attentive", "svm"))

    assert rows.loc["svm", name] == pytest.approx(theirs)
    assert rows.loc["svm", f"{prefix}ci_low"] < theirs < rows.loc["svm", f"{prefix}ci_high"]
    assert rows.loc["svm", f"{prefix}difference"] == pytest.approx(ours - theirs)
    assert rows.loc["svm", f"{prefix}p_permutation"] == permutation_test(
        models["attentive"], models["svm"], metric=name, n_permutations=500
    )
    np.testing.assert_allclose(
        rows[f"{prefix}p_permutation_holm"], holm(rows[f"{prefix}p_permutation"].to_numpy())
    )


def test_the_report_writes_them_beside_their_tests(table, models):
    written, surest = measure_tables(table)
    rows = {row[0]: row[1:] for row in written.rows}

    assert {len(row) for row in written.rows} == {len(written.header)}
    assert rows["attentive"][1:3] == ("–", "–")
    assert rows["svm"][0].startswith(f"{mean_score(models['svm'], 'wa'):.3f} [")
    assert rows["svm"][4].startswith("+")
    assert measure_tables(table.iloc[:0]) == []
    of_svm = table.set_index("model").loc["svm"]
    assert {row[0]: row[1:] for row in surest.rows}["svm"][1] == f"{of_svm['uar']:.3f}"
    assert (table["selective_wa"] > table["wa"]).all()


def test_the_verdict_follows_the_corrected_permutation_test(table):
    verdict = table.set_index("model")["verdict"]

    assert verdict["svm"] == "better"
    assert verdict["plain"] == "undecided"
    assert pd.isna(verdict["attentive"])


def test_few_groups_cannot_be_tested_and_every_text_says_so(simulate, roles):
    """SAVEE and CASIA have four speakers, TESS two: no swap of so few is rare enough."""
    predictions = {
        name: simulate(skill, i, n_groups=4)
        for i, (name, skill) in enumerate({"attentive": 5.0, "plain": 4.0, "svm": 0.1}.items())
    }
    few = compare(predictions, roles, protocol="kfold", corpus="c", task="t", parameters=QUICK)
    told = "cannot be tested with 4 groups"

    assert list(few["verdict"].fillna("")) == ["", "untestable", "untestable"]
    assert few[[name for name in few if "p_permutation" in name]].isna().all(axis=None)
    assert few["difference_ci_low"].notna().sum() == 2
    assert sentences_on_tests(few)[1].startswith(f"Whether attentive beats svm {told}: UAR ")
    assert summary_sentence(few).endswith(f"whether it beats a baseline {told}.")
    assert few["n_groups"].iloc[0] == 4
    page = render_report(few, predictions, {}, task="t", corpus="c", protocol="kfold")
    for text in (comparison_text(few, "t"), page):
        assert told in text
        assert "nan" not in text.lower().split()


def test_a_proposed_model_can_lose(models):
    lost = compare(
        models,
        {"attentive": "baseline", "plain": "baseline", "svm": "proposed"},
        protocol="kfold",
        corpus="demo",
        task="t",
        parameters=QUICK,
    )

    assert set(lost["verdict"].dropna()) == {"worse"}
    assert "svm is worse than attentive" in " ".join(sentences_on_tests(lost))
    assert "do not show that it beats" in summary_sentence(lost)


def test_leakage_gap_is_taken_on_common_clips_and_seeds(make_predictions):
    grouped = pd.concat(
        [make_predictions(list("aabb"), told, seed=i) for i, told in enumerate(["aaba", "bbaa"])]
    )
    random = make_predictions(list("aabb"), list("aabb")).iloc[[0, 2, 3]]

    assert leakage(grouped, random) == pytest.approx({"uar_random": 1.0, "leakage_gap": 0.25})
    assert np.isnan(leakage(grouped, None)["leakage_gap"])


def test_the_leakage_gap_is_missing_where_it_was_switched_off(table):
    gaps = table.set_index("model")["leakage_gap"]

    assert gaps["attentive"] == pytest.approx(table["uar_random"].iloc[0] - table["uar"].iloc[0])
    assert np.isnan(gaps["svm"])


def test_beats_is_said_only_of_what_the_test_shows(table):
    shaky, clear = sentences_on_tests(table)

    assert shaky.startswith("No difference between attentive and plain is shown: UAR")
    assert clear.startswith("attentive beats svm: UAR")
    assert summary_sentence(table).endswith("and beats its only baseline.")


def test_models_without_a_proposed_one_are_only_scored(models):
    scored = compare(
        models, dict.fromkeys(models, "baseline"), protocol="holdout", corpus="c", task="t", parameters=QUICK
    )

    assert scored["difference"].isna().all()
    assert sentences_on_tests(scored) == []
    assert "(attentive)" in summary_sentence(scored)


def test_numbers_are_written_for_readers():
    assert [number(0.5), number(-0.0314, signed=True), number(np.nan)] == ["0.500", "−0.031", "–"]
    assert [p_value(0.0004), p_value(0.04), p_value(np.nan)] == ["< 0.001", "0.040", "–"]
    assert interval(0.1, 0.25) == "[0.100, 0.250]"
    assert interval(np.nan, 0.2) == ""


@pytest.mark.parametrize(
    "protocol",
    [
        "holdout",
        "kfold",
        "leave_one_group_out",
        "official",
        "cross_corpus",
        "leave_one_corpus_out",
        "new",
        "kfold_and_second_group",
    ],
)
def test_every_protocol_is_a_sentence(protocol):
    sentence = protocol_sentence(protocol, n_folds=5)

    assert sentence.endswith(".")
    assert "{" not in sentence


def test_every_model_that_is_no_part_of_the_proposed_one_is_a_baseline(models, simulate):
    """Two proposed models: the second, which is better, is one that the first does not beat."""
    rivals = {**models, "second": simulate(2.6, 4), "encoder": simulate(6.0, 5)}
    roles = {
        "attentive": "proposed",
        "plain": "ablation",
        "svm": "baseline",
        "second": "proposed",
        "encoder": "pretrained",
    }
    both = compare(rivals, roles, protocol="kfold", corpus="demo", task="t", parameters=QUICK)

    assert summary_sentence(both).startswith("The proposed model attentive reaches")
    assert summary_sentence(both).endswith("and beats svm, but not every baseline.")
    assert len(sentences_on_tests(both)) == 4


def test_a_proposed_model_that_beats_only_some_baselines_says_so(models):
    mixed = compare(
        models,
        {"attentive": "proposed", "plain": "baseline", "svm": "baseline"},
        protocol="kfold",
        corpus="demo",
        task="t",
        parameters=QUICK,
    )

    assert summary_sentence(mixed).endswith("and beats svm, but not every baseline.")
