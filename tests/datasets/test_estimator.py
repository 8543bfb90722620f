from __future__ import annotations

import shutil
from importlib.resources import files

import pytest
from kedro.io import DatasetError

from affetto.datasets.estimator import EstimatorDataset
from affetto.errors import AffettoError
from affetto.models.estimator import load_estimator

READY = files("affetto") / "ready/voice"


@pytest.fixture
def dataset(tmp_path):
    return EstimatorDataset(filepath=str(tmp_path / "model"), command="kedro run --pipeline=voice")


def test_a_missing_model_names_the_command_that_makes_it(dataset):
    with pytest.raises(DatasetError, match="run `kedro run --pipeline=voice` first"):
        dataset.load()


def test_saving_replaces_the_model_as_a_whole(dataset, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model/old.npz").touch()
    assert not dataset.exists()

    dataset.save(READY)

    assert load_estimator(dataset.load()).learnt_from_ == load_estimator(READY).learnt_from_
    assert {path.name for path in (tmp_path / "model").iterdir()} == {path.name for path in READY.iterdir()}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("file", ["weights.npz", "standardiser.npz", "signature.json"])
def test_a_model_that_was_cut_short_is_named(dataset, tmp_path, file):
    shutil.copytree(READY, tmp_path / "model")
    damaged = tmp_path / "model" / file
    damaged.write_bytes(damaged.read_bytes()[:60])
    with pytest.raises(AffettoError, match=r"model is damaged.*: run the pipeline that fits it again\."):
        load_estimator(dataset.load())
