"""A small project, and a small pipeline that leaves what experiments leave, run by Kedro's own runners."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from kedro.config import OmegaConfigLoader
from kedro.framework.hooks import _create_hook_manager
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline
from kedro.runner import AbstractRunner, SequentialRunner
from kedro_datasets.pandas import ParquetDataset

from affetto.datasets.estimator import EstimatorDataset
from affetto.datasets.results import ResultsDataset
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.features.mfcc import MfccParameters
from affetto.features.table import extract_together
from affetto.io.configuration import CONFIG_LOADER_ARGS
from affetto.models.estimator import build_estimator
from affetto.pipelines import model_table
from affetto.tracking.hook import TrackingHook

RATE_HZ = 16_000
BASE = Path(__file__).parents[2] / "conf/base"
CLIPS = pd.DataFrame({"clip_id": ["a", "b"], "content_hash": "0", "emotion": ["calm", "sad"], "group": "g"})
PREDICTIONS = pd.DataFrame(
    {"clip_id": ["a", "b"], "group": "g", "fold": 0, "seed": 0, "label": ["calm", "sad"], "predicted": "sad",
     "p_calm": 0.4, "p_sad": 0.6}
)  # fmt: skip
HISTORIES = pd.DataFrame(
    {"fold": [0, 0, 1, 1], "seed": 0, "epoch": [1.0, 2.0, 1.0, 2.0], "loss": [4.0, 2.0, 2.0, 1.0]}
)


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("fits") / "model"
    ids = [f"toy/{i}" for i in range(8)]
    frames = [rng.normal(i % 2, 0.1, size=(10, 4)).astype(np.float32) for i in range(8)]
    names = [f"mfcc_{i}" for i in range(4)]
    mfcc = ClipFeatures.from_arrays("mfcc", ids, frames, dimensions=names, hop_s=0.02)
    build_estimator("statistics_svm").fit(FeatureSet({"mfcc": mfcc}), ["calm", "sad"] * 4, ids).save(folder)
    return folder


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Leave the process as it was: MLflow keeps its address, its experiment and its runs in globals."""
    for name in [*os.environ]:
        if name.startswith("MLFLOW_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")  # so that what MLflow sets here is undone
    monkeypatch.setattr(model_table._Current, "setup", None)
    monkeypatch.setattr("mlflow.tracking.fluent._active_experiment_id", None)
    yield
    while mlflow.active_run() is not None:
        mlflow.end_run()
    mlflow.set_tracking_uri(None)
    for name in [*os.environ]:
        if name.startswith("MLFLOW_"):  # set by MLflow itself, and read by every process started from here
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without runs: MLflow takes seconds to make one."""
    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    mlflow.MlflowClient(f"sqlite:///{path}").search_experiments()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


class Project:
    """A folder with the configuration of the project, a table of toy models, and the hook."""

    def __init__(self, root: Path, fitted: Path, store: Path) -> None:
        self.root, self.fitted = root, fitted
        for folder in ("base", "local"):
            (root / "conf" / folder).mkdir(parents=True)
        shutil.copy(BASE / "tracking.yml", root / "conf/base")
        shutil.copy(store, root / "mlflow.db")

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.root / 'mlflow.db'}"

    def client(self) -> mlflow.MlflowClient:
        return mlflow.MlflowClient(self.uri)

    def runs(self) -> list[Any]:
        client = self.client()
        return list(client.search_runs([each.experiment_id for each in client.search_experiments()]))

    def children(self) -> dict[str, Any]:
        return {run.data.tags["model"]: run for run in self.runs() if "mlflow.parentRunId" in run.data.tags}

    def parents(self) -> list[Any]:
        return [run for run in self.runs() if "mlflow.parentRunId" not in run.data.tags]

    def catalog(self, models: tuple[str, ...]) -> DataCatalog:
        """Keep what runs make as files, as the project's own catalog does."""
        found: dict[str, Any] = {
            "voice.clips": ParquetDataset(filepath=str(self.root / "clips.parquet")),
            "voice_emotion.results": ResultsDataset(filepath=str(self.root / "results")),
            "voice_emotion.tables": ResultsDataset(filepath=str(self.root / "tables"), tables=".csv"),
        }
        for name in models:
            place, start = str(self.root / "models" / name), f"voice.emotion.{name}"
            found[f"{start}.results"] = ResultsDataset(filepath=f"{place}.results")
            found[f"{start}.model"] = EstimatorDataset(filepath=place, command="kedro run")
        return DataCatalog(found)

    def run(
        self,
        *models: str,
        runner: AbstractRunner | None = None,
        metrics: Callable[[], dict[str, float]] = lambda: {"uar": 0.5},
        parameters: dict[str, Any] | None = None,
        themes: tuple[str, ...] = (),
        role: str = "baseline",
        predictions: pd.DataFrame = PREDICTIONS,
        at_the_last_fit: Callable[[], object] = lambda: None,
        **settings: Any,
    ) -> TrackingHook:
        """Track models of a voice as a `kedro run` does; the metrics of the last are told by a function."""
        keep = {name: {"estimator": "statistics_svm", "role": role, "features": ["mfcc"]} for name in models}
        music = {
            "corpus": {"source": "demo", "root": "x"},
            "split": {},
            "features": {},
            "emotion": {"models": {}},
            "theme": {"codebook": {"descriptors": {"timbre": {"dimensions": ["mfcc_"]}}}},
        }
        voice = {**music, "emotion": {"models": keep}, **(parameters or {})}
        (self.root / "conf/base/parameters.yml").write_text(
            yaml.safe_dump({"music": music, "voice": voice, "recommend": {"top": 1}})
        )
        (self.root / "conf/local/tracking.yml").write_text(yaml.safe_dump(settings))
        loader = OmegaConfigLoader(conf_source=str(self.root / "conf"), **CONFIG_LOADER_ARGS)
        model_table.use_parameters(loader["parameters"])
        hook, manager = TrackingHook(), _create_hook_manager()
        manager.register(hook)
        manager.hook.after_context_created(
            context=SimpleNamespace(config_loader=loader, project_path=self.root)
        )
        pipeline = _pipeline(models, self.fitted, predictions, metrics, at_the_last_fit)
        if themes:
            scores = {"metrics": {name: {"theme_ami": 0.5} for name in themes}}
            pipeline += Pipeline([Node(lambda _: scores, "voice.clips", "theme.results", name="themes")])
        catalog = self.catalog(models)
        runner = runner or SequentialRunner()
        told = {"run_params": {"pipeline_names": ["voice"], "runner": str(runner)}, "pipeline": pipeline}
        manager.hook.before_pipeline_run(**told, catalog=catalog)
        try:
            runner.run(pipeline, catalog, manager)
        except Exception as error:
            manager.hook.on_pipeline_error(error=error, **told, catalog=catalog)
            raise
        manager.hook.after_pipeline_run(**told, catalog=catalog, run_result={})
        return hook


def _pipeline(
    models: tuple[str, ...],
    fitted: Path,
    predictions: pd.DataFrame,
    metrics: Callable[[], dict[str, float]],
    at_the_last_fit: Callable[[], object],
) -> Pipeline:
    def cross_validate(name: str) -> tuple[dict[str, Any], Path]:
        found = {"predictions": predictions, "histories": HISTORIES, "metrics": {"uar": 0.5}}
        if name == models[-1]:
            at_the_last_fit()
            found["metrics"] = metrics()
        return found, fitted

    nodes = [Node(lambda: CLIPS, None, "voice.clips", name="clips")]
    before = "voice.clips"
    for number, name in enumerate(models):
        outputs = [f"voice.emotion.{name}.results", f"voice.emotion.{name}.model"]
        run = partial(cross_validate, name)
        nodes.append(Node(lambda _, run=run: run(), before, outputs, name=f"cross_validate_{number}"))
        before = outputs[1]
    enrolment = pd.DataFrame({"model": models, "n_enrolled": 5, "gain": 2.5})
    scores = {"metrics": {name: {"uar": 0.5, "megabytes": 1.0} for name in models}, "enrolment": enrolment}
    return Pipeline(
        [
            *nodes,
            Node(lambda _: scores, before, "voice_emotion.results", name="score"),
            Node(lambda _: {"comparison": pd.DataFrame({"model": ["x"]})},
                 "voice_emotion.results", "voice_emotion.tables", name="draw"),
        ]
    )  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, fitted: Path, empty_store: Path) -> Project:
    return Project(tmp_path / "project", fitted, empty_store)


@pytest.fixture
def hearing(voice_of: Any, tmp_path: Path) -> Path:
    """A real small model: it tells a voice that is loud from one in noise."""
    parameters, rng = MfccParameters(sample_rate_hz=RATE_HZ), np.random.default_rng(0)
    voices = [voice_of(1 + i / 10) for i in range(8)]
    noisy = [v + rng.normal(0, 0.1 * (i % 2), len(v)).astype(np.float32) for i, v in enumerate(voices)]
    frames = [extract_together({RATE_HZ: each}, {"mfcc": parameters})["mfcc"] for each in noisy]
    ids = [f"clip {i}" for i in range(8)]
    known = {"dimensions": parameters.dimensions(), "parameters": parameters.describe()}
    mfcc = ClipFeatures.from_arrays("mfcc", ids, frames, hop_s=parameters.frame_s, **known)
    model = build_estimator("statistics_svm")
    model.fit(FeatureSet({"mfcc": mfcc}), ["calm", "sad"] * 4, ids).save(tmp_path / "hearing")
    return tmp_path / "hearing"
