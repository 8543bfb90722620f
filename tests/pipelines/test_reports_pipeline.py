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
from affetto.evaluation.parameters import EvaluationParameters
from affetto.features.clip_features import ClipFeatures
from affetto.pipelines.emotion.nodes import score_models
from affetto.pipelines.reports.pipeline import create_pipeline
from affetto.pipelines.theme.nodes import score_themes
from affetto.themes.baselines import DISCOVERY_ROLES, DISCRIMINATION_ROLES

CATALOG = Path(__file__).parents[2] / "conf/base/catalog/evaluation.yml"
ROLES = {"crnn": "proposed", "svm": "baseline"}
QUICK = EvaluationParameters(n_permutations=1000)
CORPUS, SPLIT = CorpusParameters(source="demo"), SplitParameters(protocol="kfold")
NOTHING = pd.DataFrame(columns=["fold", "seed", "epoch"])


def predictions(skill):
    rng, label = np.random.default_rng(1), np.array(["anger", "fear", "sadness"] * 10)
    right = rng.random(30) < skill
    told = np.where(right, label, "anger")
    table = pd.DataFrame({"clip_id": [f"demo/{i}" for i in range(30)], "label": label, "predicted": told})
    table = table.assign(group=[f"0{i % 10}" for i in range(30)], fold=np.arange(30) % 3, seed=0)
    return table.assign(**{f"p_{name}": np.where(told == name, 0.8, 0.1) for name in sorted(set(label))})


def probes():
    """Return what the probes of one model might have found."""
    importance = {"model": "crnn", "descriptors": ["voicing", "energy"], "loss": [30.0, 1.0], "n_repeats": 3}
    importance |= {"uar": 0.9, "loss_sd": 1.0, "loss_ci_low": 0.0, "loss_ci_high": 40.0, "n_clips": 30}
    enrolment = {"model": "crnn", "n_enrolled": [4, 8], "gain": [5.0, 7.0], "n_speakers": 6, "n_repeats": 2}
    enrolment |= {
        "uar_anyone": 0.6,
        "uar_enrolled": 0.7,
        "gain_ci_low": 1.0,
        "gain_ci_high": 9.0,
        "n_clips": 30,
    }
    robust = {"condition": "drowned", "family": "noise", "model": "crnn", "role": "proposed", "change": -20.0}
    scores = {"uar": [0.7], "uar_clean": 0.9, "change_ci_low": -30.0, "change_ci_high": -10.0, "n_clips": 30}
    scores |= {"tolerance": 3.0, "within_tolerance": "no", "note": ""}
    robust |= {**scores, "trained_on": "no"}
    found = {"importance": importance, "enrolment": enrolment, "robustness": robust}
    return {name: pd.DataFrame(values) for name, values in found.items()}


def scored(folder, **probed):
    """Score two models, one of which trains in epochs and attends."""
    (folder / "model").mkdir(parents=True)
    (folder / "model/weights.bin").write_bytes(bytes(500_000))
    curve = pd.DataFrame({"fold": 0, "seed": 0, "epoch": [0, 1], "loss": [1.0, 0.5]})
    first = predictions(1.0)
    heard = {"times": [np.arange(4)] * 30, "weights": [np.full(4, 0.25)] * 30}
    attention = pd.DataFrame({"clip_id": first["clip_id"], **heard})
    of = {
        "crnn": (first, predictions(1.0), curve, attention),
        "svm": (predictions(0.3), NOTHING, NOTHING, attention.iloc[:0]),
    }
    names = ("predictions", "random_predictions", "histories", "attention")
    inputs = {
        f"results__{name}": {**dict(zip(names, tables, strict=True)), "metrics": {"seconds": 2.0}}
        for name, tables in of.items()
    }
    models = {f"model__{name}": folder / "model" for name in ROLES}
    return score_models(QUICK, CORPUS, SPLIT, probed, task="voice_emotion", roles=ROLES, **inputs, **models)


@pytest.fixture
def catalog(tmp_path):
    entries = yaml.safe_load(CATALOG.read_text().replace("${globals:data}", str(tmp_path)))
    catalog = DataCatalog.from_config(entries)
    catalog["params:evaluation"] = QUICK
    for side in ("music", "voice"):
        catalog[f"params:{side}.corpus"], catalog[f"params:{side}.split"] = CORPUS, SPLIT
        catalog[f"{side}.features"] = {}
    return catalog


def report(catalog, tmp_path, task="voice_emotion"):
    SequentialRunner().run(create_pipeline(task), catalog)
    folder = tmp_path / "08_reporting" / task
    return folder, (folder / "report.html").read_text(encoding="utf-8")


def test_an_emotion_task_leaves_table_figures_and_report(catalog, tmp_path):
    results = scored(tmp_path)
    catalog["voice_emotion.results"].save(results)

    folder, page = report(catalog, tmp_path)

    figures = ("comparison", "confusion", "reliability", "groups", "training", "attention")
    assert {path.name for path in folder.iterdir() if not path.name.startswith(".")} == {
        *(f"{name}.png" for name in figures),
        "comparison.csv",
        "groups.csv",
        "report.html",
    }
    table = pd.read_csv(folder / "comparison.csv").set_index("model")
    assert list(table.index) == ["crnn", "svm"]
    assert table.loc["crnn", "corpus"] == "demo"
    assert table.loc["svm", "verdict"] == "better"
    assert table.loc["crnn", "ece_ci_low"] <= table.loc["crnn", "ece_ci_high"]
    assert "crnn beats svm" in page
    assert "Spread over groups" in page
    assert '<th scope="row">03</th>' in page
    assert all(f'id="{name}_figure"' in page for name in figures)
    assert results["metrics"]["crnn"]["megabytes"] == 0.5
    assert results["metrics"]["crnn"]["seconds"] == 2.0
    assert results["groups"].groupby("model").size().to_dict() == {"crnn": 10, "svm": 10}


@pytest.mark.parametrize("found", [True, False])
def test_what_probes_found_is_in_the_report(catalog, tmp_path, found):
    probed = probes() if found else {name: table.iloc[:0] for name, table in probes().items()}
    catalog["voice_emotion.results"].save(scored(tmp_path, **probed))

    folder, page = report(catalog, tmp_path)

    for name in probed:
        assert (folder / f"{name}.png").is_file() == found
        assert (f'id="{name}"' in page) == (f'id="{name}_figure"' in page) == found
    assert ("drowned" in page) == ("voicing" in page) == found


def test_a_proposed_model_that_reads_spectrograms_shows_them_under_its_attention(catalog, tmp_path):
    clips = list(predictions(1)["clip_id"])
    catalog["voice_emotion.results"].save(scored(tmp_path))
    plain = (report(catalog, tmp_path)[0] / "attention.png").read_bytes()
    frames = [np.zeros((250, 8))] * len(clips)
    catalog["voice.features"] = {"log_mel": ClipFeatures.from_arrays("log_mel", clips, frames, hop_s=0.016)}
    higher = (report(catalog, tmp_path)[0] / "attention.png").read_bytes()

    assert int.from_bytes(higher[20:24], "big") > 1.5 * int.from_bytes(
        plain[20:24], "big"
    )  # height in pixels


@pytest.mark.parametrize("labelled", [True, False])
def test_the_theme_task_shows_discovery_beside_discrimination(catalog, tmp_path, labelled):
    proposed, other = list(DISCOVERY_ROLES)[:2]
    metrics = {proposed: {"theme_ami": 0.123, "n_themes": 6.0}, other: {"theme_ami": 0.045, "n_themes": 6.0}}
    clusters = pd.DataFrame(
        {
            **{name: predictions(1)[name] for name in ("clip_id", "group", "fold", "label")},
            **{"emotion": "calm", "precision_at_10": 0.5},
        }
    ).assign(cluster=[i % 3 for i in range(30)], label=lambda t: t["label"] if labelled else None)
    found = {**dict.fromkeys(DISCOVERY_ROLES, clusters), "metrics": metrics}
    tables = {
        name: predictions(1.0 if role == "proposed" else 0.3).assign(emotion="calm")
        for name, role in DISCRIMINATION_ROLES.items()
    }
    if not labelled:
        tables = {name: table.iloc[:0] for name, table in tables.items()}
    results = score_themes(found, {**tables, "metrics": {}}, QUICK, CORPUS, SPLIT)
    catalog["theme.results"].save(results)

    folder, page = report(catalog, tmp_path, "theme")

    assert "theme ami" in page
    assert "0.123" in page
    assert ("No clip with a label" in page) == (not labelled)
    assert pd.read_csv(folder / "comparison.csv").empty == (not labelled)
    assert results["metrics"][proposed]["n_themes"] == 6.0


def test_reports_of_several_tasks_lie_beside_each_other(catalog, tmp_path):
    for task in ("voice_emotion", "music_emotion"):
        catalog[f"{task}.results"].save(scored(tmp_path / task))
    pipeline = create_pipeline("music_emotion", "voice_emotion")

    SequentialRunner().run(pipeline, catalog)

    pages = [tmp_path / "08_reporting" / task / "report.html" for task in ("music_emotion", "voice_emotion")]
    first, second = (page.read_text(encoding="utf-8") for page in pages)
    assert "Music emotion" in first
    assert "Voice emotion" in second
    assert not [name for name in create_pipeline("voice_emotion").datasets() if "music" in name]


def test_every_entry_of_the_catalog_lies_with_the_results_or_the_reports():
    for name, entry in yaml.safe_load(CATALOG.read_text()).items():
        layer = entry["metadata"]["kedro-viz"]["layer"]
        place = entry.get("filepath") or entry["path"]
        assert ("/08_reporting" in place, layer) in {(True, "reporting"), (False, "model_output")}, name
