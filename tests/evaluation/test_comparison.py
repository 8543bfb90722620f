from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from affetto.evaluation.comparison import COMPARISON_COLUMNS, compare, leakage, score_kinds
from affetto.evaluation.metrics import mean_score
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.report import render_report
from affetto.evaluation.tables import kind_tables
from affetto.evaluation.uncertainty import holm, permutation_test
from affetto.evaluation.wording import (
    comparison_text,
    interval,
    number,
    p_value,
    sentences_on_tests,
    summary_sentence,
)

QUICK = EvaluationParameters(n_permutations=500)


def compared(predictions, roles):
    return compare(predictions, roles, protocol="kfold", corpus="c", task="t", parameters=QUICK)


def test_one_row_a_model_in_the_order_of_roles(table):
    assert tuple(table.columns) == COMPARISON_COLUMNS
    assert list(table["role"]) == ["proposed", "ablation", "baseline"]
    assert set(table["n_clips"]) == {120} and table["n_clips"].dtype == "int64"
    assert set(table["n_groups"]) == {12}
    assert (table["uar_ci_low"] < table["uar"]).all()
    assert (table["uar"] < table["uar_ci_high"]).all()


@pytest.mark.parametrize(("name", "prefix"), [("uar", ""), ("wa", "wa_"), ("macro_f1", "macro_f1_")])
def test_the_proposed_model_is_tested_against_each_other_one(table, models, name, prefix):
    rows = table.set_index("model")
    ours, theirs = (mean_score(models[model], name) for model in ("attentive", "svm"))
    svm, p_values = rows.loc["svm"], rows[f"{prefix}p_permutation"]

    assert svm[name] == pytest.approx(theirs)
    assert svm[f"{name}_ci_low"] < theirs < svm[f"{name}_ci_high"]
    assert svm[f"{prefix}difference"] == pytest.approx(ours - theirs)
    assert svm[f"{prefix}difference_ci_low"] < ours - theirs < svm[f"{prefix}difference_ci_high"]
    expected = permutation_test(models["attentive"], models["svm"], metric=name, n_permutations=500)
    assert p_values["svm"] == expected
    assert np.isnan(p_values["attentive"])
    np.testing.assert_allclose(rows[f"{prefix}p_permutation_holm"], holm(p_values.to_numpy()))


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
    few = compared(predictions, roles)
    told = "cannot be tested with 4 groups"

    assert list(few["verdict"].fillna("")) == ["", "untestable", "untestable"]
    assert few[[name for name in few if "p_permutation" in name]].isna().all(axis=None)
    assert few["difference_ci_low"].notna().sum() == 2
    assert sentences_on_tests(few)[1].startswith(f"Whether attentive beats svm {told}: UAR ")
    assert summary_sentence(few).endswith(f"whether it beats a baseline {told}.")
    assert few["n_groups"].iloc[0] == 4
    named = {"task": "t", "corpus": "c", "protocol": "kfold", "parameters": QUICK}
    page = render_report(few, predictions, {}, **named)
    for text in (comparison_text(few, "t"), page):
        assert told in text
        assert "nan" not in text.lower().split()


def test_a_proposed_model_can_lose_or_beat_only_some_baselines(models):
    lost = compared(models, {"attentive": "baseline", "plain": "baseline", "svm": "proposed"})
    mixed = compared(models, {"attentive": "proposed", "plain": "baseline", "svm": "baseline"})

    assert set(lost["verdict"].dropna()) == {"worse"}
    assert "svm is worse than attentive" in " ".join(sentences_on_tests(lost))
    assert "do not show that it beats" in summary_sentence(lost)
    assert summary_sentence(mixed).endswith("and beats svm, but not every baseline.")


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
    scored = compared(models, dict.fromkeys(models, "baseline"))

    assert scored["difference"].isna().all()
    assert sentences_on_tests(scored) == []
    assert "(attentive)" in summary_sentence(scored)


def test_numbers_are_written_for_readers():
    assert [number(0.5), number(-0.0314, signed=True), number(np.nan)] == ["0.500", "−0.031", "–"]
    assert [p_value(0.0004), p_value(0.04), p_value(np.nan)] == ["< 0.001", "0.040", "–"]
    assert interval(0.1, 0.25) == "[0.100, 0.250]"
    assert interval(np.nan, 0.2) == ""


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
    both = compared(rivals, roles)

    assert summary_sentence(both).startswith("The proposed model attentive reaches")
    assert summary_sentence(both).endswith("and beats svm, but not every baseline.")
    assert len(sentences_on_tests(both)) == 4


def test_kinds_of_speakers_are_tags_that_all_clips_of_a_speaker_bear(models):
    """Tags of single clips, of all speakers and of one speaker are no kinds."""
    rows = models["attentive"].drop_duplicates("clip_id").sort_values("group")
    groups = sorted(set(rows["group"]))
    women = set(groups[:5])
    tags = [
        ["anyone", "female" if group in women else "male", *(["once"] if place % 7 == 0 else [])]
        + (["lonely"] if group == groups[0] else [])
        for place, group in enumerate(rows["group"])
    ]
    clips = pd.DataFrame({"group": rows["group"].to_numpy(), "tags": tags})
    predictions = pd.concat([table.assign(model=name) for name, table in models.items()])

    kinds = score_kinds(predictions, clips)

    assert list(kinds["kind"].unique()) == ["female", "male"]
    assert set(kinds["n_groups"]) == {5, len(groups) - 5}
    told = kinds.set_index(["model", "kind"]).loc[("svm", "female")]
    own = models["svm"][models["svm"]["group"].isin(women)]
    assert told["uar"] == pytest.approx(mean_score(own))
    assert told["uar_ci_low"] < told["uar"] < told["uar_ci_high"]
    (table,) = kind_tables(kinds)
    assert [row[0] for row in table.rows] == ["female", "male"]
    assert kind_tables(score_kinds(predictions, clips.assign(tags=[[]] * len(clips)))) == []
