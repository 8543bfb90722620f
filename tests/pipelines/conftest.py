"""What the tests of pipelines share: a runner, its parameters, and a voice model that is easy to foresee."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kedro.framework.startup import bootstrap_project
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline
from kedro.runner import SequentialRunner

from affetto.features.table import MfccParameters
from affetto.io.cache import CacheParameters
from affetto.io.workers import ExecutorParameters


@pytest.fixture(scope="module")
def kedro_project(
    request: pytest.FixtureRequest, forget_kedro: Callable[[pytest.MonkeyPatch], None]
) -> Iterator[Path]:
    """Make Kedro know this project, and forget it again."""
    with pytest.MonkeyPatch.context() as patch:
        forget_kedro(patch)
        patch.chdir(request.config.rootpath)
        bootstrap_project(request.config.rootpath)
        yield request.config.rootpath


class Kept(MemoryDataset):
    """Memory that a runner does not free."""

    def _release(self) -> None:
        pass


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., DataCatalog]:
    """Return what runs a pipeline on values, and data sets where given; all else stays in memory."""
    folders = {name: tmp_path / "cache" / name for name in ("features", "results", "models", "degraded")}
    shared = {
        "params:executor": ExecutorParameters(n_jobs=1, progress=False),
        "params:cache": CacheParameters(**folders),
    }

    def run_pipeline(
        pipeline: Pipeline, values: Mapping[str, Any], stored: Mapping[str, Any] | None = None
    ) -> DataCatalog:
        catalog = DataCatalog({name: Kept(copy_mode="assign") for name in pipeline.all_outputs()})
        for name, value in {**shared, **values}.items():
            catalog[name] = MemoryDataset(value, copy_mode="assign")
        for name, dataset in (stored or {}).items():
            catalog[name] = dataset
        SequentialRunner().run(pipeline, catalog)
        return catalog

    return run_pipeline


class LevelModel:
    """Stands in for a fitted voice model: loud is anger, and soft is sadness."""

    classes_ = ("anger", "sadness")
    features = ("mfcc",)
    feature_parameters_ = {"mfcc": MfccParameters(delta_order=0).describe()}  # noqa: RUF012
    learnt_from_ = {  # noqa: RUF012
        "name": "level", "corpus": "Toy", "speech": "acted speech", "clips": 9, "groups": 3
    }  # fmt: skip

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def predict_proba(self, x: Any, enrolment: Any = None) -> np.ndarray:
        assert x["mfcc"].parameters == self.feature_parameters_["mfcc"]
        self.batches.append(x["mfcc"].n_frames.tolist())
        level = np.array([clip[:, 0].mean() for clip in x["mfcc"]])
        anger = 1 / (1 + np.exp(-(level + 600) / 40))
        return np.stack([anger, 1 - anger], axis=1)

    def novelty(self, x: Any) -> np.ndarray:
        return np.full(len(x.clip_ids), 0.99)

    def dimensions(self, x: Any) -> None:
        return None


@pytest.fixture
def level_model() -> LevelModel:
    return LevelModel()
