"""What was scored becomes figures, a table for people and a page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from kedro.io import DataCatalog
from kedro.runner import SequentialRunner

from affetto.corpora.parameters import CorpusParameters, SplitParameters
from affetto.evaluation.comparison import score_task
from affetto.evaluation.parameters import EvaluationParameters
from affetto.features.clip_features import ClipFeatures
from affetto.pipelines.reports.pipeline import create_pipeline
from affetto.pipelines.theme.nodes import score_themes
from affetto.themes.baselines import DISCOVERY_ROLES, DISCRIMINATION_ROLES

CATALOG = Path(__file__).parents[2] / "conf/base/catalog/evaluation.yml"
ROLES = {"svm": "baseline", "crnn": "proposed"}
QUICK = EvaluationParameters(n_permutations=1000)
CORPUS, SPLIT = CorpusParameters(source="demo"), SplitParameters(protocol="kfold")


def predictions(skill):
    rng, label = np.random.default_rng(1), np.array(["anger", "fear", "sadness"] * 10)
    told = np.where(rng.random(30) < skill, label, "anger")
    table = pd.DataFrame({"clip_id": [f"demo/{i}" for i in range(30)], "label": label, "predicted": told})
    table = table.assign(group=[f"0{i % 10}" for i in range(30)], fold=np.arange(30) % 3, seed=0)
    return table.assign(**{f"p_{name}": np.where(told == name, 0.8, 0.1) for name in sorted(set(label))})


def probes():
    """Return what the probes of one model might have found."""
    importance = {"model": "crnn", "descriptors": ["voicing", "energy"], "loss": [30.0, 1.0], "n_repeats": 3}
    importance |= {"uar": 0.9, "loss_sd": 1.0, "loss_ci_low": 0.0, "loss_ci_high": 40.0}
    enrolment = {"model": "crnn", "n_enrolled": [4, 8], "gain": [5.0, 7.0], "n_speakers": 6, "n_repeats": 2}
    enrolment |= {"uar_anyone": 0.6, "uar_enrolled": 0.7, "gain_ci_low": 1.0, "gain_ci_high": 9.0}
    robust = {"condition": "drowned", "family": "noise", "model": "crnn", "role": "proposed", "change": -20.0}
    robust |= {"uar": [0.7], "uar_clean": 0.9, "change_ci_low": -30.0, "change_ci_high": -10.0}
    robust |= {"tolerance": 3.0, "within_tolerance": "no", "trained_on": "no", "note": ""}
    found = {"importance": importance, "enrolment": enrolment, "robustness": robust}
    return {name: pd.DataFrame({**values, "n_clips": 30}) for name, values in found.items()}


def scored(**probed):
    """Return the scores of two models, one of which trains in epochs and attends."""
    tables = {"crnn": predictions(1.0), "svm": predictions(0.3)}
    compared = {"protocol": SPLIT.title, "corpus": CORPUS.title, "task": "voice_emotion"}
    histories = {"model": "crnn", "fold": 0, "seed": 0, "epoch": [0, 1], "loss": [1.0, 0.5]}
    attention = tables["crnn"][["clip_id"]].assign(times=[np.arange(4)] * 30, weights=[np.full(4, 0.25)] * 30)
    return {
        **score_task(tables, ROLES, parameters=QUICK, **compared),
        "histories": pd.DataFrame(histories),
        "attention": attention,
        **probed,
    }


@pytest.fixture
def report(tmp_path):
    """Return what makes the report of a task from its results, and tells its folder and page."""
    text = CATALOG.read_text().replace("${globals:data}", str(tmp_path))
    catalog = DataCatalog.from_config(yaml.safe_load(text))
    catalog["params:evaluation"] = QUICK
    frames = [np.zeros((250, 8))] * 30
    log_mel = ClipFeatures.from_arrays("log_mel", list(predictions(1)["clip_id"]), frames, hop_s=0.016)
    for side in ("music", "voice"):
        catalog[f"params:{side}.corpus"], catalog[f"params:{side}.split"] = CORPUS, SPLIT

    def report(task, results, *, spectrograms=True):
        for side in ("music", "voice"):
            catalog[f"{side}.features"] = {"log_mel": log_mel} if spectrograms else {}
        catalog.save(f"{task}.results", results)
        SequentialRunner().run(create_pipeline(task), catalog)
        folder = tmp_path / "08_reporting" / task
        return folder, (folder / "report.html").read_text(encoding="utf-8")

    return report


@pytest.mark.parametrize("found", [True, False])
def test_an_emotion_task_leaves_table_figures_and_report(report, found):
    probed = probes() if found else {name: table.iloc[:0] for name, table in probes().items()}

    folder, page = report("voice_emotion", scored(**probed))

    figures = ("comparison", "confusion", "reliability", "groups", "training", "attention")
    figures += tuple(probed) if found else ()
    assert {path.stem for path in folder.glob("*.png")} == set(figures)
    assert {path.stem for path in folder.glob("*.csv")} == {"comparison", "groups", *probed}
    table = pd.read_csv(folder / "comparison.csv").set_index("model")
    assert list(table.index) == ["crnn", "svm"]
    assert table.loc["crnn", "corpus"] == "demo"
    assert table.loc["svm", "verdict"] == "better"
    assert "crnn beats svm" in page
    assert "Spread over groups" in page
    assert table.loc["crnn", "ece_ci_low"] <= table.loc["crnn", "ece_ci_high"]
    assert '<th scope="row">03</th>' in page
    assert all(f'id="{name}_figure"' in page for name in figures)
    assert all((f'id="{name}"' in page) == found for name in probed)
    assert ("drowned" in page) == ("voicing" in page) == found


def test_a_proposed_model_that_reads_spectrograms_shows_them_under_its_attention(report):
    heights = []
    for spectrograms in (False, True):
        folder, _ = report("voice_emotion", scored(), spectrograms=spectrograms)
        image = (folder / "attention.png").read_bytes()
        heights.append(int.from_bytes(image[20:24], "big"))  # in pixels

    assert heights[1] > 1.5 * heights[0]


@pytest.mark.parametrize("labelled", [True, False])
def test_the_theme_task_shows_discovery_beside_discrimination(report, labelled):
    proposed, other = list(DISCOVERY_ROLES)[:2]
    metrics = {proposed: {"theme_ami": 0.123, "n_themes": 6.0}, other: {"theme_ami": 0.045, "n_themes": 6.0}}
    told = {name: predictions(1)[name] for name in ("clip_id", "group", "fold", "label")}
    clusters = pd.DataFrame({**told, "emotion": "calm", "precision_at_10": 0.5, "cluster": np.arange(30) % 3})
    clusters["label"] = clusters["label"] if labelled else None
    tables = {
        name: predictions(1.0 if role == "proposed" else 0.3).assign(emotion="calm")[: 30 if labelled else 0]
        for name, role in DISCRIMINATION_ROLES.items()
    }
    discovery = {**dict.fromkeys(DISCOVERY_ROLES, clusters), "metrics": metrics}
    results = score_themes(discovery, {**tables, "metrics": {}}, QUICK, CORPUS, SPLIT)

    folder, page = report("theme", results)

    assert "theme ami" in page
    assert "0.123" in page
    assert ("No clip with a label" in page) == (not labelled)
    assert pd.read_csv(folder / "comparison.csv").empty == (not labelled)
    assert results["metrics"][proposed]["n_themes"] == 6.0
