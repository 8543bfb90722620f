from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from kedro.io import DatasetError

from affetto.datasets.features import FeaturesDataset
from affetto.features.extract import extract
from affetto.features.mfcc import MfccParameters
from affetto.io.workers import ExecutorParameters


@pytest.fixture
def extracted(tmp_path):
    """Return a function that extracts MFCC of clips, one of which is missing, into a store."""
    for name in "ab":
        noise = np.random.default_rng(ord(name)).uniform(-0.1, 0.1, 4_000)
        soundfile.write(tmp_path / f"{name}.wav", noise, 22_050)

    def make(store="store", names="axb", n_mfcc=20):
        clips = pd.DataFrame({"clip_id": [f"c/{name}" for name in names]})
        clips = clips.assign(path=[f"{name}.wav" for name in names])
        alone = ExecutorParameters(n_jobs=1, progress=False)
        wanted = {"mfcc": MfccParameters(n_mfcc=n_mfcc)}
        return extract(clips, tmp_path, wanted, tmp_path / store, alone)["mfcc"].features

    return make


@pytest.fixture
def dataset(tmp_path):
    return FeaturesDataset(filepath=str(tmp_path / "voice.json"))


def test_what_lies_in_the_stores_is_loaded_by_name(extracted, dataset):
    assert not dataset.exists()
    saved = {"mfcc": extracted(), "fewer": extracted("other", n_mfcc=13)}
    dataset.save(saved)

    assert dataset.exists()
    found = dataset.load()
    assert list(found) == ["mfcc", "fewer"]
    for name, features in saved.items():
        assert found[name].clip_ids == features.clip_ids == ("c/a", "c/b")
        assert found[name].fingerprint == features.fingerprint
        np.testing.assert_array_equal(found[name][1], features[1])


def test_a_project_that_was_moved_finds_its_features_from_any_folder(extracted, tmp_path, monkeypatch):
    saved = {"mfcc": extracted("project/04"), "far": extracted("disk")}
    monkeypatch.chdir(tmp_path / "project")
    FeaturesDataset(filepath="04/voice.json").save(saved)

    (tmp_path / "project").rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path)

    found = FeaturesDataset(filepath="moved/04/voice.json").load()
    assert {name: each.fingerprint for name, each in found.items()} == {
        name: each.fingerprint for name, each in saved.items()
    }


@pytest.mark.parametrize("changed", [{"n_mfcc": 13}, {"names": "a"}])
def test_a_plan_that_another_run_replaced_is_told(extracted, dataset, changed):
    dataset.save({"mfcc": extracted()})
    extracted(**changed)

    with pytest.raises(DatasetError, match="Another run has put other clips or parameters of mfcc into"):
        dataset.load()
    dataset.save({"mfcc": extracted()})
    assert dataset.load()["mfcc"].clip_ids == ("c/a", "c/b")


def test_a_store_that_was_deleted_says_what_to_run(extracted, dataset, tmp_path):
    dataset.save({"mfcc": extracted()})
    Path(tmp_path / "store").rename(tmp_path / "elsewhere")

    with pytest.raises(DatasetError, match="run `kedro run --pipeline=features`"):
        dataset.load()
