"""openSMILE and TensorFlow share a process, and no signal cuts a call in two."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from affetto.features.opensmile import run_opensmile
from affetto.io.native_libraries import uninterrupted

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


@pytest.mark.usefixtures("ctrl_c")
def test_what_is_under_way_is_ended_before_the_interrupt_is_raised():
    done = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        os.kill(os.getpid(), signal.SIGINT)
        done.append(sum(range(100)))
    assert done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("ctrl_c")
def test_opensmile_never_goes_on_with_half_a_result():
    """Python sees the signal in openSMILE's callback, where a KeyboardInterrupt would be printed and lost."""
    samples = np.random.default_rng(0).normal(0, 0.1, 16_000 * 40).astype(np.float32)
    run_opensmile(samples[:16_000], "ComParE_2016")  # reads the configuration
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        timer.start()
        run_opensmile(samples, "ComParE_2016")
        timer.join()
