"""`affetto results` and `affetto compare` read what runs have left."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from affetto.evaluation.comparison import compare
from affetto.evaluation.parameters import EvaluationParameters

CLASSES = ("anger", "sadness")


def predictions(right):
    """Ten speakers, eight clips each, of which a share is recognised."""
    rows = []
    for number in range(80):
        label = CLASSES[number % 2]
        hit = number % 8 < round(8 * right)
        told = label if hit else CLASSES[1 - number % 2]
        row = {"clip_id": f"c{number:02d}", "group": f"g{number // 8}", "fold": 0, "seed": 0, "label": label}
        rows.append(
            row | {"predicted": told, **{f"p_{name}": 0.9 * (told == name) + 0.05 for name in CLASSES}}
        )
    return pd.DataFrame(rows)


@pytest.fixture
def compared(project):
    """A project with a comparison and the predictions of two of its models."""
    tables = {"crnn_lld": predictions(1.0), "functionals_svm": predictions(0.5)}
    roles = dict(zip(tables, ("proposed", "baseline"), strict=True))
    told = {"protocol": "10 folds", "corpus": "Own", "task": "voice_emotion"}
    table = compare(tables, roles, parameters=EvaluationParameters(), **told)
    folder = project / "data/08_reporting/voice_emotion"
    folder.mkdir(parents=True)
    table.to_csv(folder / "comparison.csv", index=False)
    for name, rows in tables.items():
        folder = project / f"data/07_model_output/voice/emotion/{name}"
        folder.mkdir(parents=True)
        rows.to_parquet(folder / "predictions.parquet")
    return project


def test_figures_are_shown_with_tests_and_as_json(call, compared):
    told = call("results").stdout
    assert "80 clips of 10 groups (Own, 10 folds)" in told
    assert "crnn_lld" in told
    assert "beats its only baseline" in told
    rows = json.loads(call("results", "voice_emotion", "--json").stdout)["voice_emotion"]
    assert [row["uar"] for row in rows] == [1.0, 0.5]
    assert rows[0]["difference"] is None


def test_two_models_are_tested_on_what_both_predicted(call, compared, tmp_path):
    older = tmp_path / "older.csv"
    predictions(0.5).iloc[:72].to_csv(older, index=False)
    better = call("compare", "crnn_lld", older, "--fail-if-worse")
    assert better.exit_code == 0
    assert "72 clips of 9 groups" in better.stdout
    assert f"crnn_lld beats {older}: UAR 1.000 against 0.500" in better.stdout
    folder = compared / "data/07_model_output/voice/emotion/functionals_svm"
    worse = call("compare", folder, "crnn_lld", "--json", "--fail-if-worse")
    assert worse.exit_code == 1
    (row,) = [row for row in json.loads(worse.stdout) if row["verdict"]]
    assert row["verdict"] == "worse"
    assert np.isclose(row["difference"], -0.5)
    assert call("compare", folder, "crnn_lld").exit_code == 0
    same = call("compare", "crnn_lld", "crnn_lld", "--fail-if-worse")
    assert same.exit_code == 0
    assert "No difference between crnn_lld (new) and crnn_lld (old) is shown" in same.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("results", "--env", "ready"), "There are no results yet"),
        (("compare", "crnn_lld", "nothing"), "There are no predictions of nothing"),
        (("compare", "crnn_lld", "no/file.csv"), "There is no file no/file.csv"),
        (("compare", "0" * 32, "crnn_lld"), "cannot be used"),
    ],
)
@pytest.mark.usefixtures("compared")
def test_what_is_not_there_is_one_sentence(call, sentence, arguments, said):
    assert said in sentence(call(*arguments))


def test_every_help_ends_with_examples(call):
    for command in ("hear", "recommend", "library", "corpora", "train", "results", "compare", "cache"):
        assert f"Examples:\n    affetto {command}" in call(command, "--help").stdout
    told = call("--help").stdout
    assert told.index("Listen and answer:") < told.index("  hear") < told.index("Keep house:")
