"""Copies of training clips are made once and reach the models that learn from them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import soundfile
from kedro.io import DataCatalog
from kedro.runner import SequentialRunner

from affetto.corpora.parameters import CorpusParameters
from affetto.evaluation.parameters import EvaluationParameters
from affetto.features.extraction import extract_in_memory
from affetto.features.parameters import MfccParameters
from affetto.models.registry import build_estimator
from affetto.models.specification import ExperimentParameters, ModelSpecification
from affetto.parallel import ExecutorParameters
from affetto.pipelines.emotion import nodes, pipeline
from affetto.results import ResultStore

HERE = ExecutorParameters(n_jobs=1, progress=False)
MFCC = MfccParameters(sample_rate_hz=16_000, n_fft=512, hop=160)
NOISE, PHONE = {"kind": "pink_noise", "snr_db": 20.0}, {"kind": "telephone"}
MODELS = {
    name: ModelSpecification(estimator="mfcc_svm", role=role, features=("mfcc",), copies=copies)
    for name, role, copies in (
        ("plain", "proposed", {"left_out": None}),
        ("noisy", "ablation", {"noise": NOISE}),
        ("both", "ablation", {"hiss": {**NOISE, "tolerance": 2.0}, "phone": PHONE}),
    )
}


@pytest.fixture
def models(monkeypatch):
    monkeypatch.setattr(pipeline, "model_table", lambda _: MODELS)
    monkeypatch.setattr(pipeline, "proposed_model", lambda _: "noisy")


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
    paths = [tmp_path / path for path in clips["path"]]
    catalog = DataCatalog()
    catalog["voice.clips"] = clips
    catalog["voice.folds"] = clips.loc[:5, ["clip_id", "fold"]]
    catalog["voice.random_folds"] = clips.loc[:5, ["clip_id"]].assign(fold=[0, 0, 1, 1, 0, 1])
    catalog["voice.mfcc"] = extract_in_memory(paths, list(clips["clip_id"]), MFCC, name="mfcc")
    catalog["params:executor"] = HERE
    catalog["params:evaluation"] = EvaluationParameters(n_resamples=100, n_permutations=100)
    catalog["params:voice.corpus"] = CorpusParameters(source="folders", root=tmp_path)
    catalog["params:voice.emotion.experiment"] = ExperimentParameters()
    catalog["voice.degraded"], catalog["voice.emotion.fits"] = tmp_path / "degraded", tmp_path / "fits"
    catalog["voice.emotion.store"] = ResultStore(tmp_path / "results")
    for name, specification in MODELS.items():
        catalog[f"params:voice.emotion.models.{name}"] = specification
    return catalog


def test_copies_are_made_of_labelled_clips_and_each_model_hears_its_own(models, catalog, monkeypatch):
    made, heard = [], {}

    def extract(*arguments, **named):
        made.append(named["name"])
        return nodes_extract(*arguments, **named)

    def build(*arguments):
        estimator = build_estimator(*arguments)
        fit = estimator.fit

        def listen(x, labels, groups):
            heard.setdefault(running[-1], set()).update(x.clip_ids)
            return fit(x, labels, groups)

        estimator.fit = listen
        return estimator

    def validate(specification, *arguments, **named):
        running.append(next(name for name, each in MODELS.items() if each == specification))
        return nodes_validate(specification, *arguments, **named)

    running, nodes_extract, nodes_validate = [], nodes.extract_degraded, nodes.cross_validate
    monkeypatch.setattr(nodes, "extract_degraded", extract)
    monkeypatch.setattr(nodes, "cross_validate", validate)
    monkeypatch.setattr("affetto.models.fold_fit.build_estimator", build)
    wanted = [f"voice.emotion.{name}.cross_validate" for name in MODELS]

    SequentialRunner().run(pipeline.create_pipeline("voice").to_nodes(*wanted), catalog)

    assert sorted(made) == ["noise", "phone"]  # the noise of two models is one
    labelled = {f"toy/{i}" for i in range(6)}
    names = {"plain": [], "noisy": ["noise"], "both": ["hiss", "phone"]}
    for name, conditions in names.items():
        assert heard[name] == labelled | {f"{clip}#{each}" for clip in labelled for each in conditions}
        tested = catalog.load(f"voice.emotion.{name}.predictions")["clip_id"]
        assert set(tested) == labelled


def test_nothing_is_copied_where_no_model_learns_from_copies(models, monkeypatch):
    monkeypatch.setattr(pipeline, "model_table", lambda _: {"plain": MODELS["plain"]})
    found = pipeline.create_pipeline("voice")
    assert not any("copies" in name for name in found.inputs() | found.outputs())
    assert "voice.emotion.copy_training_clips" not in {node.name for node in found.nodes}


def test_every_fit_of_a_model_that_learns_from_copies_gets_them(models):
    readers = {node.name for node in pipeline.create_pipeline("voice").nodes if "voice.copies" in node.inputs}
    steps = ("cross_validate", "cross_validate_on_random_folds", "fit_on_everything")
    assert readers == {f"voice.emotion.{name}.{step}" for name in ("noisy", "both") for step in steps}
    assert "music.copies" in pipeline.create_library_pipeline().inputs()  # clips never tested, in folds
