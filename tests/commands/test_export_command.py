"""`affetto export`, in a small project."""

from __future__ import annotations

import json

# Kedro sets up logging when it is imported. After TensorFlow and inside a command that would close the stream
# that TensorFlow's handler writes to, which here is pytest's own.
import kedro.framework.project  # noqa: F401
import numpy as np
import pytest

from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.models.registry import build_estimator

CRNN = {"epochs": 1, "channels": (4,), "lstm_units": 2, "crop_s": 0.3}


def features():
    rng = np.random.default_rng(0)
    ids = [f"toy/{i}" for i in range(8)]
    spectra = [rng.normal(-50, 5, (20, 16)) for _ in ids]
    vectors = [rng.normal(size=10) for _ in ids]
    return FeatureSet(
        {
            "log_mel": ClipFeatures.from_arrays("log_mel", ids, spectra, hop_s=0.016),
            "functionals": ClipFeatures.from_arrays("functionals", ids, vectors),
            "correlations": ClipFeatures.from_arrays("correlations", ids, vectors),
        }
    )


def save(folder, name, parameters):
    y, groups = ["anger", "joy"] * 4, [f"g{i // 2}" for i in range(8)]
    build_estimator(name, parameters).fit(features(), y, groups).save(folder)


@pytest.fixture
def models(project):
    folder = project / "data/06_models/voice"
    save(folder / "crnn_lld", "crnn_lld", {"crnn": CRNN})
    save(folder / "functionals_svm", "functionals_svm", {})
    return folder


def test_the_proposed_voice_model_is_exported(call, project, models):
    done = call("export", "--to", "voice.tflite")
    assert done.exit_code == 0, done.output
    first, second, third = done.output.splitlines()
    size = (project / "voice.tflite").stat().st_size / 1e6
    assert first.startswith(f"voice.tflite: crnn_lld, {size:.2f} MB, ")
    assert second == "voice.json: inputs (log_mel, functionals, correlations), classes and preprocessing"
    assert float(third.rsplit(" ", 1)[1]) < 1e-4
    assert json.loads((project / "voice.json").read_text())["classes"] == ["anger", "joy"]


def test_a_folder_needs_no_project(call, models, tmp_path):
    done = call("export", models / "crnn_lld", "--to", tmp_path / "a.tflite", folder=tmp_path)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "a.tflite").is_file()


def test_mistakes_are_said_in_one_sentence(call, models, project):
    cases = {
        ("export", "nothing", "--to", "a.tflite"): "Error: nothing holds no model",
        ("export", models / "crnn_lld", "--to", "a.onnx"): "Error: a.onnx is no name",
        ("export", models / "functionals_svm", "--to", "a.tflite"): "'functionals_svm' has no network",
    }
    for arguments, expected in cases.items():
        done = call(*arguments)
        assert done.exit_code == 1
        assert expected in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert not done.stdout
    assert not (project / "a.tflite").exists()


def test_without_a_fitted_model_the_command_that_makes_one_is_named(call):
    done = call("export", "--to", "a.tflite")
    assert done.exit_code == 1
    assert "kedro run --pipeline=voice" in done.stderr
    assert len(done.stderr.splitlines()) == 1
