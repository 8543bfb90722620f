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
from affetto.pipelines.evaluation.pipeline import create_pipeline, create_theme_pipeline

CATALOG = Path(__file__).parents[2] / "conf/base/catalog/evaluation.yml"
MODELS = {"crnn": {"role": "proposed"}, "svm": {"role": "baseline"}}
FIGURES = ("comparison.png", "confusion.png", "reliability.png", "groups.png")


def predictions(skill):
    rng, label = np.random.default_rng(1), np.array(["anger", "fear", "sadness"] * 10)
    right = rng.random(30) < skill
    told = np.where(right, label, "anger")
    table = pd.DataFrame({"clip_id": [f"demo/{i}" for i in range(30)], "label": label, "predicted": told})
    table = table.assign(group=[f"0{i % 6}" for i in range(30)], fold=np.arange(30) % 3, seed=0)
    return table.assign(**{f"p_{name}": np.where(told == name, 0.8, 0.1) for name in sorted(set(label))})


@pytest.fixture
def catalog(tmp_path):
    entries = yaml.safe_load(CATALOG.read_text().replace("${globals:data}", str(tmp_path)))
    catalog = DataCatalog.from_config(entries)
    catalog["params:evaluation"] = EvaluationParameters(n_resamples=100, n_permutations=100)
    for side in ("music", "voice"):
        catalog[f"params:{side}.corpus"] = CorpusParameters(source="demo")
        catalog[f"params:{side}.split"] = SplitParameters(protocol="kfold")
    return catalog


def fill_emotion(catalog):
    nothing = pd.DataFrame(columns=["fold", "seed", "epoch"])
    curve = pd.DataFrame({"fold": 0, "seed": 0, "epoch": [0, 1], "loss": [1.0, 0.5]})
    clips = predictions(1)["clip_id"]
    for model, skill in (("crnn", 1.0), ("svm", 0.3)):
        catalog[f"voice.emotion.{model}.predictions"] = predictions(skill)
        catalog[f"voice.emotion.{model}.random_predictions"] = predictions(1) if model == "crnn" else nothing
        catalog[f"voice.emotion.{model}.histories"] = curve if model == "crnn" else nothing
    catalog["voice.emotion.crnn.attention"] = pd.DataFrame(
        {"clip_id": clips, "times": [np.arange(4)] * 30, "weights": [np.full(4, 0.25)] * 30}
    )


def test_an_emotion_task_leaves_table_figures_and_report(catalog, tmp_path):
    fill_emotion(catalog)

    SequentialRunner().run(create_pipeline("voice_emotion", "voice", MODELS), catalog)

    folder = tmp_path / "08_reporting/voice_emotion"
    names = {path.name for path in folder.iterdir()}
    assert names == {
        *FIGURES,
        "training.png",
        "attention.png",
        "comparison.csv",
        "comparison.json",
        "groups.csv",
        "report.html",
    }
    groups = pd.read_csv(folder / "groups.csv")
    assert len(groups) == 2 * 6
    assert set(groups.loc[groups["model"] == "crnn", "uar"]) == {1.0}
    table = pd.read_csv(folder / "comparison.csv").set_index("model")
    assert list(table.index) == ["crnn", "svm"]
    assert table.loc["crnn", "corpus"] == "demo"
    assert table.loc["svm", "verdict"] == "better"
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "crnn beats svm" in page
    assert "Spread over groups" in page
    assert '<th scope="row">03</th>' in page
    assert table.loc["crnn", "ece_ci_low"] <= table.loc["crnn", "ece_ci_high"]


def test_a_proposed_model_that_reads_spectrograms_shows_them_under_its_attention(catalog, tmp_path):
    fill_emotion(catalog)
    clips = list(predictions(1)["clip_id"])
    catalog["voice.log_mel"] = ClipFeatures.from_arrays(
        "log_mel", clips, [np.zeros((250, 8))] * len(clips), hop_s=0.016
    )
    models = {**MODELS, "crnn": {"role": "proposed", "features": ["log_mel"]}}

    SequentialRunner().run(create_pipeline("voice_emotion", "voice", models), catalog)

    page = (tmp_path / "08_reporting/voice_emotion/report.html").read_text(encoding="utf-8")
    assert "Under it the log-mel spectrogram" in page
    assert not [name for name in create_pipeline("t", "music", MODELS).inputs() if "log_mel" in name]


def test_the_theme_task_shows_discovery_beside_discrimination(catalog, tmp_path):
    for model, skill in (("crnn", 1.0), ("svm", 0.3)):
        catalog[f"music.theme.{model}.predictions"] = predictions(skill).assign(emotion="calm")
    catalog["music.theme.discovery_table"] = pd.DataFrame(
        {
            "model": ["lda", "kmeans"],
            "role": ["proposed", "baseline"],
            "theme_ami": [0.123, 0.045],
            "theme_ami_ci_low": [0.111, 0.033],
            "theme_ami_ci_high": [0.134, 0.055],
            "theme_ami_difference": [np.nan, 0.078],
            "theme_ami_difference_ci_low": [np.nan, 0.06],
            "theme_ami_difference_ci_high": [np.nan, 0.09],
            "theme_ami_p_holm": [np.nan, 0.0004],
            "n_themes": [6.0, 6.0],
        }
    )

    SequentialRunner().run(create_theme_pipeline(MODELS), catalog)

    page = (tmp_path / "08_reporting/theme/report.html").read_text(encoding="utf-8")
    page = page.replace("\n[", " [").replace("\N{NO-BREAK SPACE}", " ")  # an interval is below its score
    assert "0.123 [0.111, 0.134]" in page
    assert "<td>+0.078 [+0.060, +0.090]</td><td>&lt; 0.001</td>" in page
    assert '<th scope="col">theme ami: proposed − this</th>' in page
    assert "crnn beats svm" in page


def test_a_corpus_without_theme_labels_still_gets_its_report(catalog, tmp_path):
    for model in MODELS:
        catalog[f"music.theme.{model}.predictions"] = predictions(1).iloc[:0]

    SequentialRunner().run(create_theme_pipeline(MODELS, discovery=False), catalog)

    assert "No clip with a label" in (tmp_path / "08_reporting/theme/report.html").read_text(encoding="utf-8")
    assert pd.read_csv(tmp_path / "08_reporting/theme/comparison.csv").empty
    assert pd.read_csv(tmp_path / "08_reporting/theme/groups.csv").empty


def test_each_task_reads_its_own_side_only():
    names = create_pipeline("voice_emotion", "voice", MODELS).datasets()

    assert not [name for name in names if "music" in name]
    assert "params:voice.split" in names


def test_without_a_proposed_model_there_is_no_attention():
    pipeline = create_pipeline("t", "music", {"svm": {"role": "baseline"}})

    assert not [name for name in pipeline.datasets() if "attention" in name]


def test_models_may_be_given_as_objects():
    class Entry:
        role = "proposed"

    assert "music.emotion.a.attention" in create_pipeline("t", "music", {"a": Entry()}).inputs()


def test_every_entry_of_the_catalog_is_a_report_in_kedro_viz():
    for name, entry in yaml.safe_load(CATALOG.read_text()).items():
        assert entry["metadata"]["kedro-viz"]["layer"] == "reporting", name
        assert "/08_reporting/" in entry["filepath"], name
