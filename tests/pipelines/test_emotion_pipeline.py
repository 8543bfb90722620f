"""Emotion models from features to their scores: each learns from its own conditions, and all are compared."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import soundfile

from affetto.corpora.parameters import CorpusParameters, SplitParameters
from affetto.datasets.estimator import EstimatorDataset
from affetto.evaluation.metrics import PREDICTION_COLUMNS
from affetto.evaluation.parameters import EvaluationParameters
from affetto.experiments.cross_validate import ExperimentParameters, ModelSpecification
from affetto.experiments.probe_tables import PROBES
from affetto.features.clip_features import FeatureSet
from affetto.features.extract import extract
from affetto.features.mfcc import MfccParameters
from affetto.io.workers import ExecutorParameters
from affetto.models.estimator import build_estimator, load_estimator
from affetto.pipelines.emotion import nodes
from affetto.pipelines.emotion.pipeline import create_library_pipeline, create_pipeline

NOISE, PHONE = {"kind": "pink_noise", "snr_db": 20.0}, {"kind": "telephone"}
MODELS = {
    name: ModelSpecification(
        estimator="statistics_svm", role=role, features=("mfcc",), augmentation=conditions
    )
    for name, role, conditions in (
        ("plain", "proposed", {"left_out": None}),
        ("noisy", "ablation", {"noise": NOISE}),
        ("both", "ablation", {"hiss": {**NOISE, "tolerance": 2.0}, "phone": PHONE}),
    )
}
REGRESSORS = {
    "ridge": ModelSpecification(
        estimator="kernel_ridge", role="proposed", features=("mfcc",), parameters={"features": ["mfcc"]}
    ),
    "mean": ModelSpecification(estimator="mean_rating", role="baseline", features=("mfcc",)),
}
LABELLED = {f"toy/{i}" for i in range(6)}


@pytest.fixture
def given(tmp_path):
    """Six tones of two pitches, one more without a label, their MFCC, and folds by group."""
    rows = []
    for i in range(7):
        samples = 0.3 * np.sin(2 * np.pi * (900, 200)[i % 2] * (1 + 0.02 * i) * np.arange(4_000) / 16_000)
        soundfile.write(tmp_path / f"{i}.wav", samples, 16_000)
        emotion = ("calm", "tense")[i % 2] if i < 6 else None
        rows.append((f"toy/{i}", f"{i}.wav", emotion, f"g{i // 3}", i // 3))
    clips = pd.DataFrame(rows, columns=["clip_id", "path", "emotion", "group", "fold"])
    clips = clips.assign(corpus="toy", side="voice", content_hash=clips["clip_id"])
    parameters = {"mfcc": MfccParameters(sample_rate_hz=16_000, n_fft=512, hop=160)}
    alone = ExecutorParameters(n_jobs=1, progress=False)
    mfcc = extract(clips, tmp_path, parameters, tmp_path / "stores", alone)["mfcc"].features
    robustness = {"conditions": {"noise": NOISE}}
    values = {
        "params:evaluation": EvaluationParameters(
            n_permutations=100, strangers={"noise": {"kind": "noise"}}, robustness=robustness
        )
    }
    for side in ("music", "voice"):
        values |= {
            f"{side}.clips": clips,
            f"{side}.folds": clips.loc[:5, ["clip_id", "fold"]],
            f"{side}.features": {"mfcc": mfcc},
            f"params:{side}.corpus": CorpusParameters(source="folders", root=tmp_path),
            f"params:{side}.split": SplitParameters(protocol="kfold", n_folds=2),
            f"params:{side}.emotion.experiment": ExperimentParameters(keep_models=True),
            **{f"params:{side}.emotion.models.{name}": each for name, each in MODELS.items()},
        }
    return values


def test_each_model_learns_from_labelled_clips_in_its_own_conditions(given, run, monkeypatch):
    heard, running = {}, []
    validate = nodes.cross_validate

    def note_fit(*arguments):
        estimator = build_estimator(*arguments)
        fit = estimator.fit

        def listen(x, labels, groups):
            heard.setdefault(running[-1], []).append(set(x.clip_ids))
            return fit(x, labels, groups)

        estimator.fit = listen
        return estimator

    def note_model(specification, *arguments, **named):
        running.append(next(name for name, each in MODELS.items() if each == specification))
        return validate(specification, *arguments, **named)

    monkeypatch.setattr(nodes, "cross_validate", note_model)
    monkeypatch.setattr("affetto.experiments.cross_validate.build_estimator", note_fit)

    fits = [f"voice.emotion.{name}.model" for name in MODELS]
    run(create_pipeline("voice", MODELS).to_outputs(*fits), given)

    for name, conditions in {"plain": [], "noisy": ["noise"], "both": ["hiss", "phone"]}.items():
        everything = LABELLED | {f"{clip}#{each}" for clip in LABELLED for each in conditions}
        assert set().union(*heard[name]) == everything
        assert len(heard[name]) == 2 + 2 + 1  # grouped folds, random folds, all clips
        assert everything in heard[name]
        for fitted in heard[name]:  # a clip is never learnt from without what it sounds like elsewhere
            assert fitted == {each for each in everything if each.split("#")[0] in fitted}


def test_all_models_are_fitted_probed_and_compared(given, run, tmp_path):
    folders = {
        f"voice.emotion.{name}.model": EstimatorDataset(filepath=str(tmp_path / name), command="kedro run")
        for name in MODELS
    }
    catalog = run(create_pipeline("voice", MODELS), given, folders)

    results = catalog.load("voice_emotion.results")
    assert set(results["comparison"]["model"]) == set(MODELS)
    assert results["comparison"]["leakage_gap"].notna().all()
    for table in ("predictions", "random_predictions"):
        counts = results[table].groupby("model")["clip_id"].agg(["size", "nunique"])
        assert counts.to_numpy().tolist() == [[6, 6]] * 3
    assert set(results["groups"]["group"]) == {"g0", "g1"}
    assert {"uar", "megabytes"} <= set(results["metrics"]["noisy"])
    assert len(results["robustness"]) == len(results["strangers"]) == 3
    assert set(PROBES["voice"]) <= set(results)
    for name in folders:
        learnt_from = load_estimator(catalog.load(name)).learnt_from_
        assert (f"voice.emotion.{learnt_from['name']}.model", learnt_from["clips"]) == (name, 6)


def test_random_folds_are_left_out_where_nobody_asks_for_the_gap(given, run):
    given["params:voice.emotion.experiment"] = ExperimentParameters(leakage_gap=False)
    pipeline = create_pipeline("voice", MODELS).to_outputs("voice.emotion.plain.results")

    random = run(pipeline, given).load("voice.emotion.plain.results")["random_predictions"]
    assert random.empty
    assert list(random.columns) == list(PREDICTION_COLUMNS)


def test_no_track_is_judged_by_a_model_that_was_trained_on_it(given, run):
    fits = create_pipeline("music", MODELS).to_outputs("music.emotion.noisy.model")
    given["music.folds"] = given["music.folds"].assign(fold=[0, 0, 0, -1, -1, -1])

    catalog = run(fits + create_library_pipeline("noisy"), given)

    found = catalog.load("music.emotions")
    assert sorted(found["emotions"]["clip_id"]) == [f"toy/{i}" for i in range(7)]
    np.testing.assert_allclose(found["emotions"][["p_calm", "p_tense"]].sum(axis=1), 1.0)
    assert set(found["attention"].columns) == {"clip_id", "times", "weights"}


def test_ratings_are_learnt_on_the_same_folds_and_go_with_the_proposed_model(given, run, tmp_path):
    clips = given["voice.clips"]
    ratings = np.where(clips["emotion"] == "calm", 0.5, -0.5)
    given["voice.clips"] = clips.assign(valence=ratings, arousal=-ratings)
    folders = {
        f"voice.emotion.{name}.model": EstimatorDataset(filepath=str(tmp_path / name), command="kedro run")
        for name in MODELS
    }
    catalog = run(create_pipeline("voice", MODELS, REGRESSORS), given, folders)

    results = catalog.load("voice_emotion.results")
    told = results["dimension_predictions"]
    assert set(told.loc[told["model"] == "ridge", "clip_id"]) == LABELLED
    folds = given["voice.folds"].set_index("clip_id")["fold"]
    assert told["fold"].tolist() == folds.loc[told["clip_id"]].tolist()
    scores = results["dimensions"].set_index(["model", "dimension"])
    assert scores.loc["ridge", "ccc"].min() > 0.8
    assert scores.loc["mean", "ccc"].max() < 0.1
    features = FeatureSet(given["voice.features"])
    assert load_estimator(catalog.load("voice.emotion.plain.model")).dimensions(features).shape == (7, 2)
    assert load_estimator(catalog.load("voice.emotion.noisy.model")).dimensions(features) is None


def test_a_corpus_without_ratings_says_nothing_of_them(given, run):
    given["voice.clips"] = given["voice.clips"].assign(valence=np.nan, arousal=0.5)

    catalog = run(create_pipeline("voice", MODELS, REGRESSORS), given)

    assert "dimensions" not in catalog.load("voice_emotion.results")
    assert load_estimator(catalog.load("voice.emotion.plain.model")).regressor is None
