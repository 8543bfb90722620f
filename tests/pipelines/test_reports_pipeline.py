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
from affetto.recommendation.parameters import RecommendParameters
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


def told(kind, labels, groups, skills, seed):
    """Results of models (role → skill between chance, 0, and no errors, 1) on the clips of a side."""
    rng, names = np.random.default_rng(seed), sorted(set(labels))
    clips = pd.DataFrame({"clip_id": [f"{kind}/{i:03d}" for i in range(len(labels))], "label": labels})
    tables = {}
    for role, skill in skills.items():
        values = rng.dirichlet(np.ones(len(names)), len(labels)) * (1 - 0.999 * skill)
        values += 0.999 * skill * (np.array(labels)[:, None] == names)
        columns = {f"p_{name}": values[:, place] for place, name in enumerate(names)}
        tables[role] = clips.assign(group=groups, fold=0, seed=0, **columns)
    comparison = pd.DataFrame({"model": [*skills], "role": [*skills], "uar": 0.5})
    joined = pd.concat([table.assign(model=role) for role, table in tables.items()], ignore_index=True)
    return {"comparison": comparison, "predictions": joined}


@pytest.fixture
def measure(run):
    """Return what compares playlists for speakers, and the page of the comparison."""

    def measure(*, speakers, skills):
        labels = ["anger", "sadness"] * 3 * speakers
        voice = told(
            "v", labels, [f"s{i // 6}" for i in range(len(labels))], {"proposed": 1, "baseline": 1}, 0
        )
        emotions = ["calm", "happy", "sad", "tense"] * 30
        music = told("m", emotions, [f"song{i // 8:02d}" for i in range(120)], skills, 1)
        tracks = music["predictions"][music["predictions"]["model"] == "proposed"]
        clips = tracks[["clip_id", "group"]].assign(emotion=tracks["label"], theme=None)
        tracks = tracks.drop(columns="group").assign(root="m", path=tracks["clip_id"])
        tracks = tracks.assign(emotion=None, theme=None)
        mixtures = tracks[["clip_id"]].merge(pd.DataFrame({"emotion": sorted(set(emotions))}), how="cross")
        mixtures = mixtures.assign(theme=mixtures["emotion"] + "/1", probability=1.0)
        bridges = {"mirror": {"anger": {"tense": 1.0}, "sadness": {"sad": 0.8, "calm": 0.2}}}
        given = {
            "music.library": {"tracks": tracks, "mixtures": mixtures},
            "music.clips": clips,
            "music_emotion.results": music,
            "voice_emotion.results": voice,
            "params:taxonomy": {"emotions": {"music": sorted(set(emotions))}, "bridges": bridges},
            "params:recommend": RecommendParameters(voice="x", bridge="mirror"),
            "params:evaluation": QUICK,
        }
        for side in ("music", "voice"):
            given |= {f"params:{side}.corpus": CORPUS, f"params:{side}.split": SPLIT}
        catalog = run(create_pipeline(recommendation=True), given)
        table = catalog.load("recommendation.tables")["comparison"].set_index("model")
        return table, catalog.load("reports").get("recommendation/report")

    return measure


def test_playlists_of_models_without_errors_beat_those_of_chance(measure):
    table, page = measure(speakers=8, skills={"proposed": 1, "baseline": 0})

    assert list(table.index) == ["affetto", "emotion_only", "baselines", "random"]
    assert table.loc["emotion_only", "ndcg_at_10"] == pytest.approx(1)
    assert table.loc["emotion_only", "hit_at_1"] == 1
    assert table.loc["affetto", "ndcg_at_10"] == pytest.approx(1)
    assert list(table["verdict"].iloc[2:]) == ["better", "better"]
    assert table.loc["random", "p_permutation"] == 2 / 2**8
    assert "affetto beats random: nDCG@10 1.000 against" in page
    assert "reaches an nDCG@10 of 1.000 and beats all its baselines" in page
    assert table["corpus"].eq("demo").all()
    assert "Demo corpus." in page


def test_models_of_chance_are_not_told_apart_by_the_luck_of_a_few_tracks(measure):
    table, _ = measure(speakers=8, skills={"proposed": 0, "baseline": 0})

    assert (
        table.loc["baselines", "p_permutation_holm"] < 0.05
    )  # whoever speaks is answered by the same tracks
    assert set(table["verdict"].dropna()) == {"undecided"}


def test_playlists_for_two_speakers_cannot_be_compared(measure):
    table, page = measure(speakers=2, skills={"proposed": 1, "baseline": 0})

    assert table["p_permutation"].isna().all()
    assert set(table["verdict"].dropna()) == {"untestable"}
    assert "Whether affetto beats random cannot be tested with 2 groups" in page


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
