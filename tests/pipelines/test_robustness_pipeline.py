from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml
from affetto.pipelines.evaluation.pipeline import create_pipeline as evaluation_pipeline
from affetto.pipelines.robustness.pipeline import create_pipeline
from kedro.io import DataCatalog
from kedro.runner import SequentialRunner

from affetto.corpora.parameters import CorpusParameters, SplitParameters
from affetto.evaluation.parameters import EvaluationParameters
from affetto.features.clip_features import FeatureSet
from affetto.features.extraction import extract_in_memory
from affetto.features.parameters import MfccParameters
from affetto.models.experiment import cross_validate
from affetto.models.specification import ExperimentParameters, ModelSpecification
from affetto.parallel import ExecutorParameters
from affetto.results import ResultStore

CATALOG = Path(__file__).parents[2] / "conf/base/catalog/evaluation.yml"
HERE = ExecutorParameters(n_jobs=1, progress=False)
KEPT = ExperimentParameters(n_seeds=2, keep_models=True)
MFCC = MfccParameters(sample_rate_hz=16_000, n_fft=512, hop=160)
MODELS = {
    name: ModelSpecification(estimator="mfcc_svm", role=role, features=("mfcc",), parameters={"C": c})
    for name, role, c in (("svm", "proposed", 3.0), ("soft_svm", "baseline", 0.01))
}
CONDITIONS = {
    "flac": {"kind": "codec", "format": "flac"},
    "m4a": {"kind": "codec", "format": "m4a"},
    "drowned": {"kind": "pink_noise", "snr_db": -20.0},
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Twelve tones of two pitches, their MFCC, and folds by group."""
    root, rng = tmp_path_factory.mktemp("corpus"), np.random.default_rng(0)
    rows = []
    for i in range(12):
        hz = (200 if i % 2 else 900) * (1 + 0.02 * i)
        samples = 0.3 * np.sin(2 * np.pi * hz * np.arange(8_000) / 16_000) + 0.001 * rng.normal(size=8_000)
        soundfile.write(root / f"{i}.wav", samples, 16_000)
        rows.append((f"toy/{i}", f"{i}.wav", ("calm", "tense")[i % 2], f"g{i // 3}", i // 6))
    clips = pd.DataFrame(rows, columns=["clip_id", "path", "emotion", "group", "fold"])
    paths = [root / path for path in clips["path"]]
    return root, clips, extract_in_memory(paths, list(clips["clip_id"]), MFCC, name="mfcc")


def fill(catalog, corpus, tmp_path, conditions, experiment=KEPT):
    root, clips, features = corpus
    evaluation = {"n_resamples": 100, "robustness": {"conditions": conditions}}
    catalog["params:evaluation"] = EvaluationParameters.model_validate(evaluation)
    catalog["params:executor"], catalog["params:voice.emotion.experiment"] = HERE, experiment
    catalog["params:voice.corpus"] = CorpusParameters(source="folders", root=root)
    catalog["voice.emotion.store"] = ResultStore(tmp_path / "results")
    catalog["voice.emotion.fits"], catalog["voice.degraded"] = tmp_path / "fits", tmp_path / "degraded"
    catalog["voice.clips"], catalog["voice.mfcc"] = clips, features
    catalog["voice.folds"] = clips[["clip_id", "fold"]]
    for name, specification in MODELS.items():
        catalog[f"params:voice.emotion.models.{name}"] = specification
        catalog[f"voice.emotion.{name}.predictions"] = cross_validate(
            specification,
            FeatureSet({"mfcc": features}),
            clips,
            clips[["clip_id", "fold"]],
            experiment=experiment,
            executor=HERE,
            store=ResultStore(tmp_path / "results"),
            models=tmp_path / "fits" if experiment.keep_models else None,
            description=name,
        ).predictions


@pytest.fixture
def catalog(tmp_path):
    return DataCatalog.from_config(
        yaml.safe_load(CATALOG.read_text().replace("${globals:data}", str(tmp_path)))
    )


def run(catalog, tmp_path):
    SequentialRunner().run(create_pipeline("voice_emotion", "voice", MODELS), catalog)
    return pd.read_csv(tmp_path / "08_reporting/voice_emotion/robustness.csv")


def test_every_model_is_tested_in_every_condition(catalog, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("av.codecs_available", frozenset())  # as if this FFmpeg had no AAC
    fill(catalog, corpus, tmp_path, CONDITIONS)

    table = run(catalog, tmp_path).set_index(["model", "condition"])

    assert list(table.index) == [(model, name) for name in CONDITIONS for model in MODELS]
    assert table.loc[("svm", "flac"), ["change", "within_tolerance", "n_clips"]].tolist() == [0.0, "yes", 12]
    clean = catalog.load("voice.emotion.svm.predictions")
    recall = (clean["label"] == clean["predicted"]).groupby(clean["label"]).mean()
    assert table.loc[("svm", "flac"), "uar_clean"] == pytest.approx(recall.mean())
    assert table.loc[("svm", "drowned"), "change"] < -20
    assert table.loc[("svm", "drowned"), "within_tolerance"] == "no"
    assert pd.isna(table.loc[("soft_svm", "m4a"), "uar"])
    assert "not decodable here" in table.loc[("soft_svm", "m4a"), "note"]


def test_nothing_is_computed_twice(catalog, corpus, tmp_path, monkeypatch):
    fill(catalog, corpus, tmp_path, CONDITIONS)
    first = run(catalog, tmp_path)

    def refuse(*_):
        raise AssertionError("computed again")

    monkeypatch.setattr("affetto.features.degraded.extract_together", refuse)
    monkeypatch.setattr("affetto.experiments.answers.load_estimator", refuse)

    pd.testing.assert_frame_equal(run(catalog, tmp_path), first)


@pytest.mark.parametrize(
    ("conditions", "experiment", "reason"),
    [({}, KEPT, "names none"), (CONDITIONS, ExperimentParameters(), "keep_models is false")],
)
def test_without_conditions_or_models_it_says_so_and_goes_on(
    catalog, corpus, tmp_path, caplog, conditions, experiment, reason
):
    fill(catalog, corpus, tmp_path, conditions, experiment)
    caplog.set_level("INFO")

    assert run(catalog, tmp_path).empty
    assert reason in caplog.text
    assert not (tmp_path / "degraded").exists()


@pytest.mark.parametrize("conditions", [CONDITIONS, {}])
def test_the_report_has_the_table_and_the_figure(catalog, corpus, tmp_path, conditions):
    fill(catalog, corpus, tmp_path, conditions)
    run(catalog, tmp_path)
    catalog["params:voice.split"] = SplitParameters(protocol="kfold")
    for name in MODELS:
        catalog[f"voice.emotion.{name}.random_predictions"] = pd.DataFrame(columns=["clip_id"])
        catalog[f"voice.emotion.{name}.histories"] = pd.DataFrame(columns=["fold", "seed", "epoch"])
    catalog["voice.emotion.svm.attention"] = pd.DataFrame(
        {"clip_id": corpus[1]["clip_id"], "times": [np.arange(4)] * 12, "weights": [np.full(4, 0.25)] * 12}
    )

    SequentialRunner().run(evaluation_pipeline("voice_emotion", "voice", MODELS, robustness=True), catalog)

    page = (tmp_path / "08_reporting/voice_emotion/report.html").read_text(encoding="utf-8")
    assert (tmp_path / "08_reporting/voice_emotion/robustness.png").is_file()
    assert ("drowned" in page) is bool(conditions)
    assert ('id="robustness_figure"' in page) is bool(conditions)


def voice_catalog(catalog, corpus, tmp_path, strangers, **more):
    """Fill the catalog for a model that tells novelty and one that does not."""
    fill(catalog, corpus, tmp_path, {})
    evaluation = {"n_resamples": 100, "strangers": strangers, **more}
    catalog["params:evaluation"] = EvaluationParameters.model_validate(evaluation)


def test_strangers_are_heard_by_the_models_of_all_folds(catalog, corpus, tmp_path):
    others = tmp_path / "others"
    (others / "deep").mkdir(parents=True)
    for name in ("a.wav", "deep/b.flac"):
        soundfile.write(others / name, 0.1 * np.random.default_rng(1).normal(size=32_000), 16_000)
    strangers = {
        "excerpt": {"kind": "excerpt", "seconds": 0.1},
        "noise": {"kind": "noise"},
        "others": {"kind": "recordings", "folder": str(others), "seconds": 0.5},
        "missing": {"kind": "recordings", "folder": str(tmp_path / "none")},
        "unlabelled": {"kind": "unlabelled"},
    }
    voice_catalog(catalog, corpus, tmp_path, strangers, robustness={"max_clips_per_fold": 2})

    run(catalog, tmp_path)
    table = pd.read_csv(tmp_path / "08_reporting/voice_emotion/strangers.csv").set_index(
        ["model", "strangers"]
    )

    assert list(table.loc["svm"].index) == list(strangers)
    sizes = table.loc["svm", ["n_strangers", "n_held_out"]]
    assert sizes.to_numpy().tolist() == [[4, 12], [4, 12], [2, 12], [0, 0], [0, 0]]
    assert table["auroc_novelty"].isna().all()  # no SVM tells it
    assert table.loc["svm", "auroc_doubt"].between(0, 1).tolist() == [True, True, True, False, False]
    assert "there is no folder" in table.loc[("soft_svm", "missing"), "note"]
    assert "no unlabelled clip" in table.loc[("soft_svm", "unlabelled"), "note"]
    assert not list(others.glob("**/*affetto*"))


def test_the_unlabelled_clips_of_a_group_are_strangers_to_the_model_that_did_not_hear_it(
    catalog, corpus, tmp_path
):
    voice_catalog(catalog, corpus, tmp_path, {"unlabelled": {"kind": "unlabelled"}})
    clips = catalog.load("voice.clips").copy()
    clips.loc[[0, 7], "emotion"] = None  # one of each fold
    folds = clips.loc[clips["emotion"].notna(), ["clip_id", "fold"]]
    catalog["voice.clips"], catalog["voice.folds"] = clips, folds
    for name, specification in MODELS.items():
        features = FeatureSet({"mfcc": corpus[2]})
        store, fits = ResultStore(tmp_path / "results"), tmp_path / "fits"
        catalog[f"voice.emotion.{name}.predictions"] = cross_validate(
            specification,
            features,
            clips,
            folds,
            experiment=KEPT,
            executor=HERE,
            store=store,
            models=fits,
            description=name,
        ).predictions

    run(catalog, tmp_path)
    table = pd.read_csv(tmp_path / "08_reporting/voice_emotion/strangers.csv")

    assert table["n_strangers"].tolist() == [2, 2]
    assert table["n_held_out"].tolist() == [10, 10]
    assert table["auroc_doubt"].between(0, 1).all()
