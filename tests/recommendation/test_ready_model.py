"""The voice model that is part of Affetto: small, light, and plain about what it has learnt from."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from affetto.features.encoder.catalogue import DEFAULT_ENCODER
from affetto.features.encoder.weights import is_fetched
from affetto.models.estimator import load_estimator

READY = Path(str(files("affetto"))) / "ready" / "voice"
EMOTIONS = ("anger", "boredom", "disgust", "fear", "happiness", "neutral", "sadness")
HEAVY = ("tensorflow", "keras", "opensmile", "librosa", "sklearn", "mlflow")
needs_encoder = pytest.mark.skipif(
    not is_fetched(DEFAULT_ENCODER), reason=f"{DEFAULT_ENCODER} is not fetched (affetto encoders fetch)"
)


def test_it_is_at_most_a_megabyte_without_pickles():
    stored = [path for path in READY.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in stored) <= 1_000_000
    assert {path.suffix for path in stored} <= {".json", ".npz"}


def test_it_knows_what_it_has_learnt_from():
    model = load_estimator(READY)
    assert model.classes_ == EMOTIONS
    assert model.features == ("encoder",)
    learnt = model.learnt_from_
    assert (learnt["clips"], learnt["groups"], learnt["speech"]) == (535, 10, "acted German speech")
    assert "EmoDB" in learnt["corpus"]


@pytest.fixture(scope="module")
def heard(request, tmp_path_factory, voice_of):
    """The answers to a synthetic voice and to noise, and which heavy libraries were imported on the way."""
    folder, project = tmp_path_factory.mktemp("voices"), tmp_path_factory.mktemp("project")
    for part in ("conf", "src"):  # answers are written into the project, and those of the user stay
        ignored = shutil.ignore_patterns("__pycache__", "trained")
        shutil.copytree(request.config.rootpath / part, project / part, ignore=ignored)
    shutil.copy(request.config.rootpath / "pyproject.toml", project)
    sf.write(folder / "voice.wav", voice_of(3), 16_000)
    sf.write(folder / "noise.wav", 0.05 * np.random.default_rng(0).normal(size=48_000), 16_000)
    code = (
        "import sys, affetto.cli as cli\n"
        f"try: cli.cli(['hear', {str(folder)!r}])\n"
        f"finally: print([name for name in {HEAVY} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@needs_encoder
def test_it_hears_on_a_fresh_clone_and_imports_nothing_heavy(heard):
    assert heard.splitlines()[-1] == "[]"
    assert "Heard by the model encoder, which has learnt from 535 clips of 10 speakers" in heard
    assert "acted German speech" in heard


@needs_encoder
def test_a_synthetic_voice_is_novel_and_noise_has_no_emotion(heard):
    rows = {line.split()[0]: line for line in heard.splitlines() if line.startswith(("voice", "noise"))}
    assert "novel" in rows["voice"]
    assert "no speech" in rows["noise"]
