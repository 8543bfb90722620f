"""The features of a side are one data set: what lies in its feature stores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import soundfile
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from affetto.corpora.parameters import CorpusParameters
from affetto.datasets.features import FeaturesDataset
from affetto.features.table import FeatureTable, LogMelParameters, OpenSmileParameters
from affetto.io.cache import CacheParameters
from affetto.io.workers import ExecutorParameters
from affetto.pipelines.features.pipeline import create_pipeline


def test_a_run_fills_the_stores_and_notes_what_the_models_read(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).uniform(-0.1, 0.1, 8_000), 16_000)
    parameters = FeatureTable(
        log_mel=LogMelParameters(),
        egemaps=OpenSmileParameters(feature_set="eGeMAPSv02"),
        lld=OpenSmileParameters(feature_set="eGeMAPSv02"),  # which no model reads
    )
    names = ("features", "results", "models", "degraded")
    given = {
        "mine.clips": pd.DataFrame({"clip_id": ["c/a"], "path": ["a.wav"]}),
        "params:mine.corpus": CorpusParameters(root=tmp_path),
        "params:voice.features": parameters,
        "params:executor": ExecutorParameters(n_jobs=1, progress=False),
        "params:cache": CacheParameters(**{name: tmp_path / name for name in names}),
    }
    catalog = DataCatalog({name: MemoryDataset(value, copy_mode="assign") for name, value in given.items()})
    catalog["mine.features"] = FeaturesDataset(filepath=str(tmp_path / "mine.json"))

    pipeline = create_pipeline("mine", ("egemaps", "log_mel"), parameters_of="voice")
    SequentialRunner().run(pipeline, catalog)

    found = catalog.load("mine.features")
    assert list(found) == ["egemaps", "log_mel"]
    assert found["log_mel"][0].shape == (1 + 8_000 // 256, 64)
    assert found["egemaps"][0].shape == (1, 88)
    stores = {path.name for path in (tmp_path / "features/mine").iterdir()}
    assert stores == {"log_mel", "egemaps"}
    assert [node.name for node in pipeline.nodes] == ["features.extract_mine_features"]
