from __future__ import annotations

import shutil
from importlib.resources import files

import numpy as np
import pytest
from kedro.io import DatasetError

from affetto.datasets.estimator import EstimatorDataset
from affetto.errors import AffettoError
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.models.estimator import build_estimator, load_estimator


@pytest.fixture
def features():
    rng = np.random.default_rng(1)
    frames = [rng.normal(i % 2, 0.1, size=(10, 4)).astype(np.float32) for i in range(8)]
    names = [f"mfcc_{i}" for i in range(4)]
    ids = [f"toy/{i}" for i in range(8)]
    return FeatureSet({"mfcc": ClipFeatures.from_arrays("mfcc", ids, frames, dimensions=names, hop_s=0.02)})


def dataset(tmp_path):
    return EstimatorDataset(filepath=str(tmp_path / "model"), command="kedro run --pipeline=voice")


def test_a_missing_model_names_the_command_that_makes_it(tmp_path):
    with pytest.raises(DatasetError, match="run `kedro run --pipeline=voice` first"):
        dataset(tmp_path).load()


def test_saving_replaces_the_model_and_loading_predicts_the_same(tmp_path, features):
    labels = ["calm", "tense"] * 4
    for seed in range(2):
        fitted = build_estimator("statistics_svm", {}, seed).fit(features, labels, [str(i) for i in range(8)])
        fitted.save(tmp_path / "fits" / str(seed))
        dataset(tmp_path).save(tmp_path / "fits" / str(seed))

    loaded = load_estimator(dataset(tmp_path).load())

    assert loaded.seed == 1
    np.testing.assert_allclose(loaded.predict_proba(features), fitted.predict_proba(features))
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] in (
        ["fits", "model"],
        ["model", "fits"],
    )


@pytest.mark.parametrize("file", ["weights.npz", "standardiser.npz", "signature.json"])
def test_a_model_that_was_cut_short_is_named(tmp_path, file):
    shutil.copytree(files("affetto") / "ready/voice", tmp_path / "model")
    damaged = tmp_path / "model" / file
    damaged.write_bytes(damaged.read_bytes()[:60])
    with pytest.raises(AffettoError, match=r"model is damaged.*: run the pipeline that fits it again\."):
        load_estimator(dataset(tmp_path).load())
