from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile
from affetto.datasets.feature_store import FeatureStoreDataset
from kedro.io import DatasetError

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


def test_a_plan_that_another_run_replaced_is_told(tmp_path):
    plan = make_plan(tmp_path, ["a.wav", "missing.wav", "b.wav"])
    ours, theirs, reader = (FeatureStoreDataset(filepath=str(tmp_path / "store")) for _ in range(3))
    ours.save(plan)
    theirs.save(plan)
    assert ours.load().fingerprint == theirs.load().fingerprint
    for other in (
        replace(plan, parameters=MfccParameters(n_mfcc=13)),
        replace(plan, clips=plan.clips[:1]),
        replace(plan, clips=plan.clips.assign(clip_id=["d/1", "d/2", "d/3"])),
    ):
        theirs.save(other)
        with pytest.raises(DatasetError, match="Another run has replaced the plan"):
            ours.load()
        assert reader.load().fingerprint == theirs.load().fingerprint
    ours.save(plan)
    assert ours.load().clip_ids == ("c/a.wav", "c/b.wav")


def test_loading_before_saving_says_what_to_run(tmp_path):
    with pytest.raises(DatasetError, match="kedro run --pipeline=features"):
        FeatureStoreDataset(filepath=str(tmp_path)).load()
