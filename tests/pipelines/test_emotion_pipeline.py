"""Emotion models from features to their scores: each learns from its own copies, and all are compared."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import soundfile
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from affetto.corpora.parameters import CorpusParameters, SplitParameters
from affetto.datasets.estimator import EstimatorDataset
from affetto.datasets.results import ResultsDataset
from affetto.evaluation.metrics import PREDICTION_COLUMNS
from affetto.evaluation.parameters import EvaluationParameters
from affetto.experiments import probes
from affetto.experiments.cross_validate import ExperimentParameters, ModelSpecification
from affetto.experiments.probe_tables import PROBES
from affetto.features.extract import extract
from affetto.features.mfcc import MfccParameters
from affetto.io.cache import CacheParameters
from affetto.io.workers import ExecutorParameters
from affetto.models.estimator import build_estimator, load_estimator
from affetto.pipelines.emotion import nodes, pipeline

HERE = ExecutorParameters(n_jobs=1, progress=False)
MFCC = MfccParameters(sample_rate_hz=16_000, n_fft=512, hop=160)
NOISE, PHONE = {"kind": "pink_noise", "snr_db": 20.0}, {"kind": "telephone"}
MODELS = {
    name: ModelSpecification(estimator="statistics_svm", role=role, features=("mfcc",), copies=copies)
    for name, role, copies in (
        ("plain", "proposed", {"left_out": None}),
        ("noisy", "ablation", {"noise": NOISE}),
        ("both", "ablation", {"hiss": {**NOISE, "tolerance": 2.0}, "phone": PHONE}),
    )
}
LABELLED = {f"toy/{i}" for i in range(6)}


@pytest.fixture
def models(monkeypatch):
    monkeypatch.setattr(pipeline, "model_table", lambda _: MODELS)
    monkeypatch.setattr(pipeline, "proposed_model", lambda _: "plain")


@pytest.fixture
def catalog(tmp_path):
    """Six tones of two pitches, one more without a label, their MFCC, and folds by group."""
    rows = []
    for i in range(7):
        samples = 0.3 * np.sin(2 * np.pi * (900, 200)[i % 2] * (1 + 0.02 * i) * np.arange(4_000) / 16_000)
        soundfile.write(tmp_path / f"{i}.wav", samples, 16_000)
        rows.append(
            (f"toy/{i}", f"{i}.wav", ("calm", "tense")[i % 2] if i < 6 else None, f"g{i // 3}", i // 3)
        )
    clips = pd.DataFrame(rows, columns=["clip_id", "path", "emotion", "group", "fold"])
    clips = clips.assign(corpus="toy", side="voice", content_hash=clips["clip_id"])
    mfcc = extract(clips, tmp_path, {"mfcc": MFCC}, tmp_path / "stores", HERE)["mfcc"].features
    experiment = ExperimentParameters(keep_models=True)
    catalog = DataCatalog({f"{each}.features": MemoryDataset({"mfcc": mfcc}) for each in ("music", "voice")})
    for side in ("music", "voice"):
        catalog[f"{side}.clips"], catalog[f"{side}.folds"] = clips, clips.loc[:5, ["clip_id", "fold"]]
        catalog[f"params:{side}.corpus"] = CorpusParameters(source="folders", root=tmp_path)
        catalog[f"params:{side}.split"] = SplitParameters(protocol="kfold", n_folds=2)
        catalog[f"params:{side}.emotion.experiment"] = experiment
        for name, specification in MODELS.items():
            catalog[f"params:{side}.emotion.models.{name}"] = specification
            entry = f"{side}.emotion.{name}"
            catalog[f"{entry}.results"] = ResultsDataset(filepath=str(tmp_path / f"{entry}.results"))
            catalog[f"{entry}.model"] = EstimatorDataset(
                filepath=str(tmp_path / f"{entry}.model"), command="kedro run"
            )
        catalog[f"{side}_emotion.results"] = ResultsDataset(filepath=str(tmp_path / side))
    quick = {"n_permutations": 100, "strangers": {"noise": {"kind": "noise"}}}
    catalog["params:evaluation"] = EvaluationParameters.model_validate(
        {**quick, "robustness": {"conditions": {"noise": NOISE}}}
    )
    catalog["params:executor"] = HERE
    catalog["params:cache"] = CacheParameters(
        **{name: tmp_path / "cache" / name for name in ("features", "results", "models", "degraded")}
    )
    return catalog


def test_copies_are_made_of_labelled_clips_and_each_model_hears_its_own(models, catalog, monkeypatch):
    made, heard, running = [], {}, []
    extract, validate = probes.extract_degraded, nodes.cross_validate

    def note_extraction(*arguments, **named):
        made.append(named["name"])
        return extract(*arguments, **named)

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

    for module in (nodes, probes):
        monkeypatch.setattr(module, "extract_degraded", note_extraction)
    monkeypatch.setattr(nodes, "cross_validate", note_model)
    monkeypatch.setattr("affetto.experiments.cross_validate.build_estimator", note_fit)

    fits = [node for node in pipeline.create_pipeline("voice").nodes if node.name.endswith(tuple(MODELS))]
    names = [node.name for node in fits]
    SequentialRunner().run(pipeline.create_pipeline("voice").to_nodes(*names), catalog)

    assert sorted(made) == ["noise", "phone"]  # the noise of two models is one
    for name, conditions in {"plain": [], "noisy": ["noise"], "both": ["hiss", "phone"]}.items():
        everything = LABELLED | {f"{clip}#{each}" for clip in LABELLED for each in conditions}
        assert set().union(*heard[name]) == everything
        assert len(heard[name]) == 2 + 2 + 1  # grouped folds, random folds, all clips
        assert everything in heard[name]
        for fitted in heard[name]:  # a clip is never learnt from without its copies
            assert fitted == {each for each in everything if each.split("#")[0] in fitted}


def test_all_models_are_fitted_probed_and_compared(models, catalog, tmp_path):
    SequentialRunner().run(pipeline.create_pipeline("voice"), catalog)

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
    for name in MODELS:
        fitted = load_estimator(catalog.load(f"voice.emotion.{name}.model"))
        assert (fitted.learnt_from_["name"], fitted.learnt_from_["clips"]) == (name, 6)


def test_random_folds_are_left_out_where_nobody_asks_for_the_gap(models, catalog):
    catalog["params:voice.emotion.experiment"] = ExperimentParameters(leakage_gap=False)
    SequentialRunner().run(
        pipeline.create_pipeline("voice").to_outputs("voice.emotion.plain.results"), catalog
    )

    random = catalog.load("voice.emotion.plain.results")["random_predictions"]
    assert random.empty
    assert list(random.columns) == list(PREDICTION_COLUMNS)


def test_no_track_is_judged_by_a_model_that_was_trained_on_it(models, catalog, tmp_path):
    fits = pipeline.create_pipeline("music").to_outputs("music.emotion.plain.model")
    catalog["music.folds"] = catalog.load("music.folds").assign(fold=[0, 0, 0, -1, -1, -1])
    catalog["music.emotions"] = ResultsDataset(filepath=str(tmp_path / "emotions"))

    SequentialRunner().run(fits + pipeline.create_library_pipeline(), catalog)

    found = catalog.load("music.emotions")
    assert sorted(found["emotions"]["clip_id"]) == [f"toy/{i}" for i in range(7)]
    np.testing.assert_allclose(found["emotions"][["p_calm", "p_tense"]].sum(axis=1), 1.0)
    assert set(found["attention"].columns) == {"clip_id", "times", "weights"}


def test_nothing_is_copied_where_no_model_learns_from_copies(models, monkeypatch):
    monkeypatch.setattr(pipeline, "model_table", lambda _: {"plain": MODELS["plain"]})
    found = pipeline.create_pipeline("voice")
    assert not any("copies" in name for name in found.datasets())


def test_every_fit_of_a_model_that_learns_from_copies_gets_them(models, monkeypatch):
    readers = {node.name for node in pipeline.create_pipeline("voice").nodes if "voice.copies" in node.inputs}
    assert readers == {f"crnn_lld.{name}.cross_validate_{name}" for name in ("noisy", "both")}
    monkeypatch.setattr(pipeline, "proposed_model", lambda _: "noisy")
    assert "music.copies" in pipeline.create_library_pipeline().inputs()  # clips never tested, in folds
