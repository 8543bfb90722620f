"""Any address of a store ends in a store or in one sentence, in time, and its credentials in neither."""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer

import mlflow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import MAX_ENTITY_KEY_LENGTH, path_not_unique, validate_param_and_metric_name

from affetto.errors import AffettoError
from affetto.tracking.hook import models_link
from affetto.tracking.run import named
from affetto.tracking.store import check_store, refusal, repair_places, shown


class Page(BaseHTTPRequestHandler):
    """A web page that is no MLflow."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>Welcome</html>")

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def page():
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://me:hunter2@127.0.0.1:9/db",
        "postgresql://me:hun/ter2@127.0.0.1/db",
        "mysql+pymysql://me:hunter2@127.0.0.1:9/db?password=hunter2",
        "mssql+pyodbc://me:hunter2@127.0.0.1:9/db",
        "databricks://profile",
        "http://me:hunter2@127.0.0.1:9",
        "http://me:hunter2@host:abc",
        "http://",
        "{page}",
        "me:hunter2@host/db",
        "nonsense://me:hunter2@host",
        "{folder}/mlruns",
        "file://{folder}/mlruns",
        "sqlite:///:memory:",
        "sqlite:///{folder}/no/folder/mlflow.db",
        "sqlite:///{folder}/text.db",
        "sqlite:///file:{folder}/real.db?mode=ro&uri=true",
        "sqlite:///{folder}/locked.db",
    ],
)
def test_a_store_that_cannot_be_used_is_one_sentence_in_time(uri, tmp_path, page):
    (tmp_path / "text.db").write_text("not a database, but more than the hundred bytes of a header " * 9)
    for name in ("real", "locked"):
        with closing(sqlite3.connect(tmp_path / f"{name}.db")) as connection, connection:
            connection.execute("CREATE TABLE experiments (name)")
    uri = uri.format(folder=tmp_path, page=page)
    with closing(sqlite3.connect(tmp_path / "locked.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        check_store(f"sqlite:///{tmp_path}/new.db", timeout_s=5)  # one that is not there yet is made
        started = time.monotonic()
        with pytest.raises(AffettoError, match="cannot be used") as caught:
            check_store(uri, timeout_s=3)
        assert time.monotonic() - started < 20  # MLflow itself would try for minutes
    told = str(caught.value)
    assert "\n" not in told
    assert not re.search("hunter2|hun/|ter2", told)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


SECRET = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=4, max_size=12)


@given(SECRET, SECRET, st.sampled_from(["postgresql", "https", "mysql+pymysql"]))
def test_no_part_of_the_credentials_is_shown(user, password, scheme):
    uri = f"{scheme}://USER{user}:PASS{password}@host:5/db?token=PASS{password}"
    error = ValueError(f"Could not parse {uri!r} of 'USER{user}' PASS{password}")
    for told in (shown(uri), str(refusal(error, uri))):
        assert "PASS" not in told
        assert "USER" not in told


@pytest.mark.parametrize(
    ("uri", "opens_in_ui", "said"),
    [
        ("sqlite:///mlflow.db", True, "make ui, then http://127.0.0.1:5000/#/experiments/7/models?"),
        ("https://track.example/ml/", False, "https://track.example/ml/#/experiments/7/models?"),
        ("https://me:secret@track.example:80?token=secret#secret", False,
         "https://track.example:80/#/experiments/7/models?"),
        ("postgresql://me:secret@db.example/mlflow?password=secret", False, "experiment 7 of the store"),
        ("databricks://secret", False, "experiment 7 of the store"),
    ],
)  # fmt: skip
def test_mlflow_is_linked_without_secrets(uri, opens_in_ui, said):
    told = models_link(uri, opens_in_ui, "7")
    assert told.startswith(said)
    assert "secret" not in told


@given(st.dictionaries(st.text(max_size=300), st.integers(), max_size=8))
def test_every_name_is_one_that_mlflow_takes_and_no_value_is_lost(values):
    found = named(values)
    assert list(found.values()) == list(values.values())
    for name in found:
        assert validate_param_and_metric_name(name)
        assert not path_not_unique(name)
        assert 0 < len(name) <= MAX_ENTITY_KEY_LENGTH
    assert [*named({"recall_joy": 1, "a.b-c d": 2, "recall_é": 3})] == ["recall_joy", "a.b-c d", "recall_é"]


def test_places_are_repaired_below_the_old_project_only(tmp_path, empty_store):
    """Files that were left behind stay named; those and stores elsewhere are not ours to change."""
    old, new = tmp_path / "old", tmp_path / "new"
    new.mkdir()
    uri = f"sqlite:///{new}/mlflow.db"
    (new / "mlflow.db").write_bytes(empty_store.read_bytes())
    client = mlflow.MlflowClient(uri)
    places = {
        "affetto": (old / "mlartifacts").as_uri(),
        "page": str(old / "mlruns/7"),
        "bucket": "s3://bucket/mlartifacts",
        "theirs": "/elsewhere/runs",
    }
    ids = {name: client.create_experiment(name, place) for name, place in places.items()}
    copied, left = (client.create_run(ids["affetto"]).info for _ in range(2))
    (new / "mlartifacts" / copied.run_id / "artifacts").mkdir(parents=True)
    (old / "mlartifacts" / left.run_id / "artifacts").mkdir(parents=True)

    repair_places(uri, old, "mlartifacts")  # the store of another project
    assert client.get_run(copied.run_id).info.artifact_uri == copied.artifact_uri

    for _ in range(2):
        repair_places(uri, new, "mlartifacts")
        now = {name: client.get_experiment(known).artifact_location for name, known in ids.items()}
        assert now == places | {"affetto": (new / "mlartifacts").as_uri(), "page": str(new / "mlruns/7")}
        assert client.get_run(copied.run_id).info.artifact_uri.startswith(new.as_uri())
        assert client.get_run(left.run_id).info.artifact_uri == left.artifact_uri
