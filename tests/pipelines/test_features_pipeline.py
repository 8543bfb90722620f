import numpy as np
import pandas as pd
import pytest
import soundfile
from affetto.datasets.feature_store import FeatureStoreDataset
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from affetto.corpora.parameters import CorpusParameters
from affetto.features.parameters import LogMelParameters, OpenSmileParameters
from affetto.parallel import ExecutorParameters
from affetto.pipelines.features.pipeline import PLANS, create_pipeline


def test_inputs_and_outputs_follow_the_catalog():
    pipeline = create_pipeline("voice", tuple(PLANS))
    assert pipeline.outputs() == {f"voice.{name}" for name in PLANS}
    assert pipeline.inputs() == {
        "voice.clips",
        "params:voice.corpus",
        "params:executor",
        *(f"params:voice.features.{name}" for name in PLANS),
    }
    assert {node.name for node in pipeline.nodes} == {f"voice.features.extract_{name}" for name in PLANS}


def test_unknown_features_are_refused():
    with pytest.raises(KeyError, match="loudness"):
        create_pipeline("voice", ["loudness"])


def test_a_run_fills_the_stores(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).uniform(-0.1, 0.1, 8_000), 16_000)
    catalog = DataCatalog(
        {
            "voice.clips": MemoryDataset(pd.DataFrame({"clip_id": ["c/a"], "path": ["a.wav"]})),
            "params:voice.corpus": MemoryDataset(CorpusParameters(root=tmp_path)),
            "params:executor": MemoryDataset(ExecutorParameters(progress=False)),
            "params:voice.features.log_mel": MemoryDataset(LogMelParameters()),
            "params:voice.features.egemaps": MemoryDataset(OpenSmileParameters(feature_set="eGeMAPSv02")),
            "voice.log_mel": FeatureStoreDataset(filepath=str(tmp_path / "log_mel")),
            "voice.egemaps": FeatureStoreDataset(filepath=str(tmp_path / "egemaps")),
        }
    )
    SequentialRunner().run(create_pipeline("voice", ("log_mel", "egemaps")), catalog)
    assert catalog.load("voice.log_mel")[0].shape == (1 + 8_000 // 256, 64)
    assert catalog.load("voice.egemaps")[0].shape == (1, 88)
    assert catalog.load("voice.egemaps").name == "egemaps"
