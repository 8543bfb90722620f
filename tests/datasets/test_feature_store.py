import numpy as np
import pandas as pd
import pytest
import soundfile
from kedro.io import DatasetError

from affetto.datasets.feature_store import FeatureStoreDataset
from affetto.features.extraction import ExtractionPlan
from affetto.features.parameters import MfccParameters
from affetto.parallel import ExecutorParameters


def make_plan(root, paths):
    for path in paths:
        if path != "missing.wav":
            soundfile.write(root / path, np.random.default_rng(0).uniform(-0.1, 0.1, 4_000), 22_050)
    clips = pd.DataFrame({"clip_id": [f"c/{path}" for path in paths], "path": paths})
    return ExtractionPlan("mfcc", clips, root, MfccParameters(), ExecutorParameters(n_jobs=1, progress=False))


def test_saving_a_plan_makes_its_features_loadable(tmp_path):
    dataset = FeatureStoreDataset(
        filepath=str(tmp_path / "store"), metadata={"kedro-viz": {"layer": "feature"}}
    )
    assert not dataset.exists()
    dataset.save(make_plan(tmp_path, ["a.wav", "missing.wav", "b.wav"]))
    assert dataset.exists()
    features = dataset.load()
    assert features.clip_ids == ("c/a.wav", "c/b.wav")
    assert features[0].shape == (8, 60)
    assert list(dataset.failures) == ["c/missing.wav"]
    dataset.release()
    assert "store" in str(dataset)


def test_loading_before_saving_says_what_to_run(tmp_path):
    with pytest.raises(DatasetError, match="kedro run --pipeline=features"):
        FeatureStoreDataset(filepath=str(tmp_path)).load()
