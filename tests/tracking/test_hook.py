"""What is in MLflow after a run, whoever ran it, however it ended and wherever the project lies."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from urllib.request import urlopen

import mlflow
import pandas as pd
import pytest
import soundfile
import yaml
from kedro.runner import ParallelRunner, SequentialRunner, ThreadRunner
from mlflow.artifacts import load_text
from werkzeug.serving import make_server

from affetto.errors import AffettoError

VOICE_RATE_HZ = 16_000


@pytest.mark.parametrize("runner", [SequentialRunner(is_async=True), ThreadRunner(max_workers=2)])
def test_every_model_is_a_child_run_whichever_thread_makes_it(project, runner):
    hook = project.run("first", "v1.2", runner=runner)

    (parent,) = project.parents()
    assert parent.info.status == "FINISHED"
    assert f"/#/experiments/{parent.info.experiment_id}/models?" in hook.link
    assert "data.voice" in parent.data.tags
    assert {name: run.data.metrics for name, run in project.children().items()} == {
        name: {"uar": 0.5, "epoch_loss": 1.5, "megabytes": 1.0, "enrolment_5_gain": 2.5}
        for name in ("first", "v1.2")
    }
    for run in project.children().values():
        assert run.info.status == "FINISHED"
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.tags["task"] == "voice_emotion"
        assert run.data.params["estimator"] == "statistics_svm"
        files = {file.path for file in project.client().list_artifacts(run.info.run_id)}
        assert files == {
            "confusion.png",
            "parameters.yml",
            "predictions.json",
            "training.png",
        }
    (once,) = project.client().get_metric_history(project.children()["first"].info.run_id, "uar")
    assert once.value == 0.5  # told with the results of the model, and not again with the scores of all
    curve = project.client().get_metric_history(project.children()["first"].info.run_id, "epoch_loss")
    assert [(point.step, point.value) for point in curve] == [(1, 3.0), (2, 1.5)]
    reports = project.client().list_artifacts(parent.info.run_id, "voice_emotion")
    assert [file.path for file in reports] == ["voice_emotion/comparison.csv"]


def test_theme_models_are_child_runs_too(project):
    project.run("first", themes=("lda_audio_words", "svm_statistics"))
    found = {name: run for name, run in project.children().items() if run.data.tags["task"] == "theme"}
    assert {name: run.data.tags["role"] for name, run in found.items()} == {
        "lda_audio_words": "proposed",
        "svm_statistics": "baseline",
    }
    assert {run.data.metrics["theme_ami"] for run in found.values()} == {0.5}


def test_every_model_is_a_row_with_its_figures_on_its_data(project):
    project.run("first", "v1.2", themes=("svm_statistics",))

    (parent,) = project.parents()
    (experiment,) = {run.info.experiment_id for run in project.runs()}
    rows = {each.name: each for each in project.client().search_logged_models([experiment])}
    assert set(rows) == {"voice_emotion-first", "voice_emotion-v1_2", "theme-svm_statistics"}
    for row in rows.values():
        assert row.status == "READY"
        assert row.params["role"] == "baseline"
        assert row.params["corpus"] == "demo"
    (figure,) = rows["voice_emotion-first"].metrics  # the main ones: others are with the run
    assert (figure.key, figure.value, figure.dataset_name) == ("uar", 0.5, "demo (voice)")
    (data,) = project.children()["first"].inputs.dataset_inputs
    assert data.dataset.digest == figure.dataset_digest == parent.data.tags["data.voice"]
    assert json.loads(data.dataset.profile)["licence"]
    assert parent.info.run_name == "voice on demo"
    assert "`kedro run --pipeline=voice`" in parent.data.tags["mlflow.note.content"]
    note = project.children()["first"].data.tags["mlflow.note.content"]
    assert "**first** tells the emotion of a voice. It is a baseline" in note


def test_the_files_of_a_fit_are_uploaded_once(project):
    project.run("first")
    project.run("second")

    first, second = (project.children()[name].data.tags for name in ("first", "second"))
    assert first["model_uri"] == second["model_uri"]
    files = project.client().list_logged_model_artifacts(first["model_uri"].removeprefix("models:/"))
    assert [file.path for file in files] == ["affetto_model"]


ROWS = [(f"{g}{i}", str(g), i % 2, 0, "calm" if i % 3 else "sad") for g in range(8) for i in range(6)]
GROUPS = pd.DataFrame(ROWS, columns=["clip_id", "group", "fold", "seed", "label"])


def told(right):
    """Predictions of a model that is right about the first so many clips of each group."""
    wrong = GROUPS["label"].map({"calm": "sad", "sad": "calm"})
    correct = GROUPS["clip_id"].str[-1].astype(int) < right
    return GROUPS.assign(predicted=GROUPS["label"].where(correct, wrong), p_calm=0.5, p_sad=0.5)


def test_the_champion_is_replaced_by_models_that_are_not_worse_on_the_same_folds(
    project, caplog, monkeypatch, tmp_path
):
    digests = iter("abcdefgh")  # every run fits another model
    monkeypatch.setattr("affetto.tracking.models.model_digest", lambda _: next(digests))

    def champion(right, **more):
        predictions = more.pop("predictions", told(right))
        project.run("first", role="proposed", predictions=predictions, **more)
        found = project.client().get_model_version_by_alias("affetto-voice-emotion", "champion")
        return int(found.version)

    assert champion(3) == 1
    assert champion(4) == 2  # better
    assert champion(4) == 3  # as good
    assert champion(1) == 3  # worse
    assert "is worse by a UAR of" in caplog.text
    assert champion(5, predictions=told(5).assign(fold=lambda table: 1 - table["fold"])) == 3
    assert "was tested on other folds" in caplog.text
    assert champion(5, parameters={"split": {"protocol": "leave_one_group_out"}}) == 3
    assert "by another protocol. To move it by hand: MlflowClient()" in caplog.text


def test_the_champion_takes_audio(project, hearing, voice_of, tmp_path):
    project.fitted = hearing
    project.run("first", role="proposed")
    mlflow.set_tracking_uri(project.uri)
    champion = mlflow.pyfunc.load_model("models:/affetto-voice-emotion@champion")

    file, samples = tmp_path / "voice.wav", voice_of(2.0)
    soundfile.write(file, samples, VOICE_RATE_HZ, subtype="FLOAT")
    answers = [
        champion.predict(given)
        for given in (
            str(file), file.read_bytes(), [str(file)], (samples, VOICE_RATE_HZ),
            pd.DataFrame({"path": [str(file)]}),
            {"bytes": base64.b64encode(file.read_bytes()).decode()},
        )
    ]  # fmt: skip
    for answer in answers:
        assert answer[["p_calm", "p_sad"]].sum(axis=1).tolist() == pytest.approx([1.0])
        pd.testing.assert_frame_equal(answer, answers[0])
    (unreadable,) = champion.predict(__file__)["message"]
    assert "it is text, not audio" in unreadable
    files = project.client().list_logged_model_artifacts(champion.metadata.model_id)
    assert not [each.path for each in files if each.path.endswith(".pkl")]
    needed = Path(mlflow.pyfunc.get_model_dependencies("models:/affetto-voice-emotion@champion")).read_text()
    assert f"tensorflow=={version('tensorflow')}" in needed


def test_nothing_is_written_when_it_is_switched_off_or_the_runner_cannot_be_tracked(project):
    assert project.run("first", enabled=False).link is None
    with pytest.raises(AffettoError, match="ParallelRunner cannot run"):
        project.run("first", runner=ParallelRunner())
    assert project.runs() == []


def test_a_run_that_is_stopped_keeps_the_models_that_were_finished(project):
    def fail():
        raise ValueError("out of memory")

    with pytest.raises(ValueError, match="out of memory"):
        project.run("first", "second", at_the_last_fit=fail)

    (parent,) = project.parents()
    assert (parent.info.status, parent.data.tags["error"]) == ("FAILED", "ValueError: out of memory")
    (first,) = project.children().values()
    assert (first.info.status, first.data.metrics["uar"]) == ("FINISHED", 0.5)


def test_names_of_the_user_are_kept_and_none_is_refused(project):
    labels = {"*": "neutral", "happy [loud]": "happiness", "a/b": "anger", "..": "calm", "ä" * 300: "sadness"}
    odd = {"recall_a+b": 0.1, "recall_a*b": 0.2, "recall_": 0.3, "recall_joy/love": 0.4, "recall_é": 0.5}

    project.run(
        "a:b %'",
        metrics=lambda: odd,
        parameters={
            "corpus": {"source": "demo", "root": "x", "label_map": labels, "tags_column": "x" * 9000}
        },
    )

    (parent,), (child,) = project.parents(), project.children().values()
    kept = yaml.safe_load(load_text(f"{parent.info.artifact_uri}/parameters.yml"))
    assert kept["voice"]["corpus"]["label_map"].items() >= labels.items()
    assert len(kept["voice"]["corpus"]["tags_column"]) == 9000
    assert parent.data.params["voice.corpus.label_map._"] == "neutral"
    assert len(parent.data.params["voice.corpus.tags_column"]) == 6000
    assert {value for name, value in child.data.metrics.items() if name.startswith("recall")} == set(
        odd.values()
    )
    (row,) = project.client().search_logged_models([child.info.experiment_id])
    assert row.name == "voice_emotion-a_b __"


def test_an_active_run_is_the_parent_and_stays_open(project):
    mlflow.set_tracking_uri(project.uri)
    with mlflow.start_run() as theirs:
        project.run("first", runner=ThreadRunner(max_workers=2), tracking_uri="sqlite:///other.db")
        assert mlflow.active_run().info.run_id == theirs.info.run_id
    assert project.children()["first"].data.tags["mlflow.parentRunId"] == theirs.info.run_id
    assert not (project.root / "other.db").exists()


def test_the_run_and_the_experiment_of_the_environment_are_used(project, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "nightly")
    project.run("first")
    (parent,) = project.parents()
    experiment = project.client().get_experiment_by_name("nightly")
    assert parent.info.experiment_id == experiment.experiment_id

    monkeypatch.setenv("MLFLOW_RUN_ID", parent.info.run_id)
    project.run("second")
    (again,) = project.parents()
    assert again.info.status == "FINISHED"
    assert set(project.children()) == {"first", "second"}


def test_a_copied_project_reads_its_old_runs_and_writes_inside_itself(project, tmp_path):
    project.run("first")
    old, project.root = project.root, tmp_path / "other place" / "project"
    project.root.parent.mkdir()
    shutil.copytree(old, project.root)
    before = snapshot(old)

    project.run("second")

    assert snapshot(old) == before
    mlflow.set_tracking_uri(project.uri)
    for name, run in project.children().items():
        assert run.info.artifact_uri.startswith(project.root.as_uri()), name
        assert load_text(f"{run.info.artifact_uri}/predictions.json").startswith('{"columns"'), name
        model = run.data.tags["model_uri"].removeprefix("models:/")
        kept = project.client().list_logged_model_artifacts(model, "affetto_model")
        assert "affetto_model/signature.json" in {file.path for file in kept}, name
    assert project.children()["second"].data.tags["fit"] == project.children()["first"].data.tags["fit"]
    assert (
        project.client().get_experiment_by_name("affetto").artifact_location.startswith(project.root.as_uri())
    )


def snapshot(folder):
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_a_store_that_two_projects_share_takes_no_files_to_the_other(project, tmp_path, empty_store):
    shutil.copy(empty_store, tmp_path / "shared.db")
    uri = f"sqlite:///{tmp_path / 'shared.db'}"
    mlflow.set_tracking_uri(uri)
    mlflow.create_experiment("affetto", (tmp_path / "elsewhere/mlartifacts").as_uri())
    with pytest.raises(AffettoError, match="is no folder of this project: name another"):
        project.run("first", tracking_uri=uri)
    project.run("first", tracking_uri=uri, experiment="mine")
    assert (tmp_path / "mlartifacts").is_dir()
    assert not (tmp_path / "elsewhere").exists()


def test_settings_of_an_earlier_edition_are_named(project):
    (project.root / "conf/base/mlflow.yml").write_text("tracking_uri: sqlite:///mine.db\n")
    with pytest.raises(AffettoError, match=r"mlflow\.yml has settings that are read from tracking\.yml now"):
        project.run("first")
    (project.root / "conf/base/mlflow.yml").write_text("server: {mlflow_tracking_uri: sqlite:///k.db}\n")
    project.run("first")  # those of kedro-mlflow are its own


@contextmanager
def serving(folder, store, monkeypatch, *, without=()):
    """Run MLflow's own server, as an older one where some of its interface is not there."""
    shutil.copy(store, folder / "server.db")
    from mlflow.server import (  # fmt: skip
        ARTIFACT_ROOT_ENV_VAR,
        ARTIFACTS_DESTINATION_ENV_VAR,
        BACKEND_STORE_URI_ENV_VAR,
        SERVE_ARTIFACTS_ENV_VAR,
        app,
    )

    for name, value in {
        BACKEND_STORE_URI_ENV_VAR: f"sqlite:///{folder / 'server.db'}",
        ARTIFACT_ROOT_ENV_VAR: "mlflow-artifacts:/",
        ARTIFACTS_DESTINATION_ENV_VAR: str(folder / "served"),
        SERVE_ARTIFACTS_ENV_VAR: "true",
    }.items():
        monkeypatch.setenv(name, value)
    for cached in ("_tracking_store", "_artifact_repo"):
        monkeypatch.setattr(f"mlflow.server.handlers.{cached}", None)

    def older(environment, respond):
        if any(part in environment["PATH_INFO"] for part in without):
            respond("404 Not Found", [("Content-Type", "text/html")])
            return [b"<title>404 Not Found</title>"]
        return app(environment, respond)

    server = make_server("127.0.0.1", 0, older, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()


@pytest.mark.parametrize("without", [(), ("logged-models",)])
def test_a_server_takes_everything_and_credentials_are_nowhere(
    project, tmp_path, empty_store, monkeypatch, capfd, without
):
    with serving(tmp_path, empty_store, monkeypatch, without=without) as server:
        uri = f"http://me:hunter2@127.0.0.1:{server.port}"
        hook = project.run("first", tracking_uri=uri)
        assert hook.failure is None
        assert hook.link.startswith(f"http://127.0.0.1:{server.port}/#/")
        client = mlflow.MlflowClient(uri)
        runs = client.search_runs([client.get_experiment_by_name("affetto").experiment_id])
        child = next(run for run in runs if run.data.tags.get("model") == "first")
        assert ("model_uri" in child.data.tags) == (not without)
        assert list((tmp_path / "served").rglob("artifacts/affetto_model/signature.json"))
    assert "hunter2" not in "".join(capfd.readouterr())
    stored = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "tracking.yml"]
    assert not [path for path in stored if b"hunter2" in path.read_bytes()]


@contextmanager
def own_server(folder, port):
    """Start `mlflow server` with an artifact store of its own, as a process that can be killed."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'server.db'}", "--serve-artifacts"]
    command += ["--artifacts-destination", str(folder / "served"), "--workers", "1"]
    with subprocess.Popen(command, cwd=folder, start_new_session=True) as server:
        try:
            for _ in range(600):
                with suppress(OSError):
                    urlopen(f"http://127.0.0.1:{port}/health").close()
                    break
                time.sleep(0.1)
            yield server
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)


def test_a_server_that_dies_midway_loses_nothing(project, tmp_path, empty_store, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    shutil.copy(empty_store, tmp_path / "server.db")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with own_server(tmp_path, port) as server:

        def die():
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
            return {"uar": 0.5}

        uri = f"http://me:hunter2@127.0.0.1:{port}"
        hook = project.run("first", "second", role="proposed", tracking_uri=uri, metrics=die)
    assert (project.root / "tables/comparison.csv").exists()
    assert hook.failure.startswith("Not everything of this run is in MLflow.")
    assert "`affetto track` uploads them" in hook.failure
    assert "hunter2" not in hook.failure

    with own_server(tmp_path, port):
        catalog, client = project.catalog(("first", "second")), mlflow.MlflowClient(uri)
        assert hook.upload(catalog) == 2
        assert hook.upload(catalog) == 0
        experiment = client.get_experiment_by_name("affetto").experiment_id
        done = client.search_runs([experiment], "attributes.status = 'FINISHED' and tags.model = 'second'")
        assert [run.data.metrics["megabytes"] for run in done] == [1.0]
        champion = client.get_model_version_by_alias("affetto-voice-emotion", "champion")
        files = client.list_logged_model_artifacts(champion.source.removeprefix("models:/"))
        assert "MLmodel" in {file.path for file in files}


def test_a_port_that_never_answers_stops_the_run_in_time(project):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(AffettoError, match="no answer within 1 s"):
            project.run("first", tracking_uri=f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=1)
