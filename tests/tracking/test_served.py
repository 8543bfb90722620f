"""The champion in an environment of its own: made by `mlflow models serve` from the logged requirements."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
import soundfile

pytestmark = pytest.mark.served
RATE_HZ = 16_000


def test_the_champion_answers_over_http_with_nothing_but_what_it_logged(project, hearing, voice_of, tmp_path):
    project.fitted = hearing
    project.run("first", role="proposed")
    file = tmp_path / "voice.wav"
    soundfile.write(file, voice_of(2.0), RATE_HZ)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"

    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    unset = ("PYTHONPATH", "MLFLOW_TRACKING_URI")
    inherited = {name: value for name, value in os.environ.items() if name not in unset}
    environment = {**inherited, "PATH": programs, "MLFLOW_TRACKING_URI": project.uri}
    environment["MLFLOW_ENV_ROOT"] = str(tmp_path / "environments")
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "uv", "--workers", "1"]
    command += ["--model-uri", "models:/affetto-voice-emotion@champion"]
    command += ["--host", "127.0.0.1", "--port", address.rpartition(":")[2]]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            command, env=environment, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True
        )
    try:
        while server.poll() is None:
            with suppress(OSError):
                urlopen(f"http://{address}/ping").close()
                break
            time.sleep(0.5)
        said = (tmp_path / "log").read_text()
        if server.poll() is not None and "Failed to fetch" in said:
            pytest.skip("uv reaches no package index from here")
        assert server.poll() is None, said
        records = [{"bytes": base64.b64encode(file.read_bytes()).decode()}]
        body = json.dumps({"dataframe_records": records}).encode()
        question = Request(f"http://{address}/invocations", body, {"Content-Type": "application/json"})
        with urlopen(question) as answer:
            (told,) = json.load(answer)["predictions"]
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait()
        made = list((tmp_path / "environments").glob("*/bin/mlflow"))
        shutil.rmtree(tmp_path / "environments", ignore_errors=True)  # gigabytes
    assert told["message"] == ""
    assert told["p_calm"] + told["p_sad"] == pytest.approx(1.0)
    assert made
