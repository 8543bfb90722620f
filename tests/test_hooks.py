from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from affetto.datasets.mlflow_run import flatten

from affetto.errors import AffettoError
from affetto.hooks import TrackingSettings, check_server


def test_a_missing_server_is_named():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(AffettoError, match=f"No MLflow server answers at http://127.0.0.1:{port}"):
        check_server(f"http://127.0.0.1:{port}", timeout_s=5)


def test_a_listening_server_and_local_stores_pass():
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        check_server(f"http://127.0.0.1:{server.server_port}", timeout_s=5)
    check_server("sqlite:///mlflow.db", timeout_s=5)


def test_a_port_that_listens_but_never_answers_is_refused_in_time():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(AffettoError, match="No MLflow server answers"):
            check_server(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=1)


@pytest.mark.parametrize("uri", ["http://host:abc", "http://"])
def test_an_address_that_is_none_is_refused_in_words(uri):
    with pytest.raises(AffettoError, match="No MLflow server answers"):
        check_server(uri, timeout_s=1)


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
