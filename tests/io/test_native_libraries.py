"""openSMILE and TensorFlow share a process in either order of use."""

from __future__ import annotations

import subprocess
import sys

LISTEN = """
import numpy as np
from affetto.features.table import OpenSmileParameters
noise = np.random.default_rng(0).normal(0, 0.1, 16000).astype("float32")
parameters = OpenSmileParameters(feature_set="eGeMAPSv02", level="functionals")
print("functionals", parameters.extract(noise, 16000).shape)
"""


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )


def test_opensmile_survives_a_tensorflow_that_was_used_first():
    outcome = run("import affetto\nimport tensorflow as tf\ntf.constant(1.0) + 1\n" + LISTEN)

    assert outcome.returncode == 0, outcome.stderr[-500:]
    assert "functionals (1, 88)" in outcome.stdout


def test_tensorflow_before_affetto_is_refused_in_words():
    outcome = run("import tensorflow\n" + LISTEN)

    assert outcome.returncode == 1
    assert "import affetto before tensorflow" in outcome.stderr
