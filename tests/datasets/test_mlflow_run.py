from __future__ import annotations

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from affetto.datasets.mlflow_run import MlflowRunDataset, ModelRun
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.models.registry import build_estimator

TAGS = {"task": "music_emotion", "model": "toy", "role": "baseline", "corpus": "demo", "protocol": "kfold"}


@pytest.fixture
def client(tmp_path, monkeypatch):
    uri = f"sqlite:///{tmp_path / 'runs.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)  # what MLflow's own functions set stays set
    client = MlflowClient(uri)
    experiment = client.create_experiment("test", artifact_location=(tmp_path / "artifacts").as_uri())
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment)
    yield client
    while mlflow.active_run() is not None:
        mlflow.end_run()


def fit(name, parameters, folder):
    rng = np.random.default_rng(0)
    ids = [f"toy/{i}" for i in range(8)]
    frames = [rng.normal(i % 2, 0.1, size=(10, 4)).astype(np.float32) for i in range(8)]
    names = [f"mfcc_{i}" for i in range(4)]
    mfcc = ClipFeatures.from_arrays("mfcc", ids, frames, dimensions=names, hop_s=0.02)
    fitted = build_estimator(name, parameters, 0).fit(FeatureSet({"mfcc": mfcc}), ["calm", "sad"] * 4, ids)
    fitted.save(folder)
    return folder


@pytest.fixture
def model(tmp_path):
    return fit("mfcc_svm", {}, tmp_path / "model")


def toy(**changes):
    return ModelRun(
        **{"name": "toy", "tags": TAGS, "parameters": {"a": {"b": 1}}, "metrics": {"uar": 0.5}, **changes}
    )


def children(client, parent):
    found = client.search_runs([parent.info.experiment_id])
    return [run for run in found if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]


def test_a_model_becomes_a_child_run_of_the_active_one(client):
    with mlflow.start_run() as parent:
        MlflowRunDataset().save(toy())

    (child,) = children(client, parent)
    assert TAGS.items() <= child.data.tags.items()
    assert child.data.params == {"a.b": "1"}
    assert child.data.metrics == {"uar": 0.5}
    assert child.info.status == "FINISHED"


def test_curves_are_the_mean_over_fits(client):
    histories = pd.DataFrame(
        {"fold": [0, 0, 1, 1], "seed": 0, "epoch": [1.0, 2.0, 1.0, 2.0], "loss": [4.0, 2.0, 2.0, 1.0]}
    )
    with mlflow.start_run() as parent:
        MlflowRunDataset().save(toy(histories=histories))

    (child,) = children(client, parent)
    curve = client.get_metric_history(child.info.run_id, "epoch_loss")
    assert [(point.step, point.value) for point in curve] == [(1, 3.0), (2, 1.5)]


def test_a_model_is_logged_once_with_signature_and_example(client, model):
    with mlflow.start_run() as parent:
        MlflowRunDataset().save(toy(model=model))
        MlflowRunDataset().save(toy(model=model))

    first, second = children(client, parent)
    assert first.data.tags["model_uri"] == second.data.tags["model_uri"]
    info = mlflow.models.get_model_info(first.data.tags["model_uri"])
    assert info.signature is not None
    assert info.saved_input_example_info is not None


def test_a_network_is_logged_without_a_word(client, tmp_path, capfd):
    network = fit("lstm", {"epochs": 1, "units": 4}, tmp_path / "network")
    capfd.readouterr()
    with mlflow.start_run() as parent:
        MlflowRunDataset().save(toy(model=network))

    (child,) = children(client, parent)
    assert child.data.tags["model_uri"]
    said = capfd.readouterr()
    assert said.out + said.err == ""


def test_nothing_is_written_without_an_active_run(client, model):
    MlflowRunDataset().save(toy(model=model))

    assert not client.search_runs([mlflow.get_experiment_by_name("test").experiment_id])
