"""The user's own mistakes get one sentence, no traceback, and leave nothing behind."""

from __future__ import annotations

import time

import pytest

pytestmark = pytest.mark.end_to_end


def refused(outcome):
    assert outcome.returncode == 1, outcome.stderr[-2000:]
    assert "Traceback" not in outcome.stderr
    return outcome.stderr


def test_a_missing_corpus_folder(project):
    message = refused(
        project.kedro(
            "run", "--pipeline=corpora", "--params", "voice.corpus.source=emodb,voice.corpus.root=nowhere"
        )
    )
    assert "nowhere" in message
    assert "voice.corpus.root" in message


def test_an_unknown_parameter_names_the_key_and_its_neighbour(project):
    message = refused(project.kedro("run", "--pipeline=corpora", "--params", "voice.corpus.sauce=emodb"))
    assert "voice.corpus.sauce" in message
    assert "source" in message


def test_a_parameter_of_the_wrong_type_names_the_key(project):
    message = refused(project.kedro("run", "--pipeline=corpora", "--params", "voice.split.n_folds=many"))
    assert "voice.split" in message
    assert "n_folds" in message


def test_recommend_before_training_says_what_to_run(project):
    message = refused(project.affetto("recommend", str(project.root)))
    assert "kedro run" in message


def test_a_tracking_server_that_is_not_there_is_noticed_before_training(project):
    started = time.monotonic()
    message = refused(project.kedro("run", "--pipeline=voice", MLFLOW_TRACKING_URI="http://127.0.0.1:9"))
    assert "No MLflow server answers at http://127.0.0.1:9" in message
    assert time.monotonic() - started < 30
    assert not (project.root / "data/03_primary/voice/clips.parquet").exists()


def test_a_recording_that_is_not_there(demo):
    assert "no/such/voice.wav" in refused(demo.affetto("recommend", "no/such/voice.wav"))


def test_a_folder_without_audio(demo):
    assert "conf" in refused(demo.affetto("recommend", "conf"))
