from __future__ import annotations

import socket
import time

import pytest

from affetto.datasets.mlflow_run import flatten
from affetto.errors import AffettoError
from affetto.hooks import TrackingSettings, check_server


def test_a_missing_server_is_named_within_ten_seconds():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = time.monotonic()

    with pytest.raises(AffettoError, match=f"No MLflow server answers at http://127.0.0.1:{port}"):
        check_server(f"http://127.0.0.1:{port}", timeout_s=5)

    assert time.monotonic() - started < 10


def test_a_listening_server_and_local_stores_pass():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        check_server(f"http://127.0.0.1:{server.getsockname()[1]}", timeout_s=5)
    check_server("sqlite:///mlflow.db", timeout_s=5)


def test_the_environment_variable_goes_before_the_file(monkeypatch):
    settings = TrackingSettings(tracking_uri="sqlite:///here.db")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert settings.uri == "sqlite:///here.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert settings.uri == "http://127.0.0.1:5000"


def test_parameters_are_flattened_with_dots():
    nested = {"split": {"protocol": "kfold", "n": 3}, "empty": {}, "list": [1, 2]}

    assert flatten(nested) == {
        "split.protocol": "kfold",
        "split.n": "3",
        "empty": "{}",
        "list": "[1, 2]",
    }
