"""What a run says at its end."""

from __future__ import annotations

import json

import fsspec
import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline

from affetto.corpora.parameters import CorpusParameters
from affetto.evaluation.comparison import compare
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.wording import comparison_text
from affetto.hooks import RunFolderHook


def predictions(right, groups):
    labels = np.array(["anger", "sadness"] * (len(groups) // 2))
    predicted = np.where(np.arange(len(groups)) < right, labels, "anger")
    return pd.DataFrame(
        {
            "clip_id": [f"c{number}" for number in range(len(groups))],
            "group": groups, "fold": 0, "seed": 0, "label": labels, "predicted": predicted,
            "p_anger": np.where(predicted == "anger", 0.9, 0.1),
            "p_sadness": np.where(predicted == "anger", 0.1, 0.9),
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("groups", "size"),
    [(list("aabbccdd"), "8 clips of 4 groups"), (list("abcdefgh"), "8 clips, each its own group")],
)
def test_the_table_on_the_terminal(groups, size):
    tables = {"ours": predictions(8, groups), "theirs": predictions(0, groups)}
    roles = {"ours": "proposed", "theirs": "baseline"}
    quick = EvaluationParameters(n_permutations=100)
    compared = compare(
        tables, roles, protocol="kfold", corpus="folders (mine)", task="voice_emotion", parameters=quick
    )
    head, names, ours, theirs, summary = comparison_text(compared, "voice_emotion").splitlines()
    assert head.startswith("Voice emotion: ") and size in head and "folders (mine), kfold" in head
    assert names.split()[:2] == ["model", "role"]
    assert ours.split()[:3] == ["ours", "proposed", "1.000"]
    assert theirs.split()[:3] == ["theirs", "baseline", "0.500"]
    assert summary.startswith("The proposed model ours reaches a UAR of 1.000")


def test_a_task_without_labels_is_named():
    told = comparison_text(pd.DataFrame(), "theme")
    assert told == "Themes: No clip with a label was scored."


@pytest.mark.parametrize("place", ["folder", "memory:///project"])
def test_every_run_keeps_its_report_and_predictions(tmp_path, place):
    root = f"{tmp_path if place == 'folder' else place}/08_reporting/data"  # a folder above named alike
    results = "affetto.datasets.results.ResultsDataset"
    catalog = DataCatalog.from_config(
        {
            "t.tables": {"type": results, "filepath": f"{root}/08_reporting/t", "tables": ".csv"},
            "t.results": {"type": results, "filepath": f"{root}/07_model_output/t/results"},
        }
    )
    pipeline = Pipeline(
        [Node(lambda results, corpus: results, ["t.results", "params:voice.corpus"], "t.tables", name="draw")]
    )
    hook, kept = RunFolderHook(), f"{root}/08_reporting/runs"
    for number, source in enumerate(("demo", "emodb")):
        catalog["params:voice.corpus"] = CorpusParameters(source=source)
        catalog["parameters"] = {"voice": {"corpus": CorpusParameters(source=source)}}
        catalog.save("t.results", {"predictions": pd.DataFrame({"clip_id": [f"{source}/a"]})})
        catalog.save("t.tables", {"comparison": pd.DataFrame({"uar": [number]})})
        hook.after_pipeline_run({"run_id": f"2026-0{number}", "pipeline_names": ["voice"]}, pipeline, catalog)

    for number, source in enumerate(("demo", "emodb")):
        run = f"{kept}/2026-0{number}-voice-{source}"
        predictions = pd.read_parquet(f"{run}/t/results/predictions.parquet")
        assert predictions["clip_id"].tolist() == [f"{source}/a"]
        assert pd.read_csv(f"{run}/t/comparison.csv")["uar"].tolist() == [number]
        with fsspec.open(f"{run}/settings.json") as file:
            assert json.load(file)["parameters"]["voice"]["corpus"]["source"] == source
    assert catalog.load("t.tables")["comparison"]["uar"].tolist() == [1]
