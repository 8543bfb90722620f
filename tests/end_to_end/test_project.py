"""What one `kedro run` on the demo corpora promises, and what the user's own mistakes get.

One file, so that workers that are dealt whole files share one run of the demo.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from nbclient import NotebookClient

pytestmark = pytest.mark.end_to_end

MODELS = {
    "music_emotion": {"attention_lstm_kernel": "proposed", "lstm": "baseline", "mfcc_svm": "baseline"},
    "voice_emotion": {
        "crnn_lld": "proposed",
        "crnn_lld_sequence": "ablation",
        "functionals_linear": "ablation",
        "functionals_svm": "baseline",
        "mfcc_forest": "baseline",
    },
}
QUICK = """
voice:
  emotion:
    models:
      crnn_lld: null
      crnn_lld_sequence: null
      functionals_linear: null
      functionals_svm: {role: proposed, parameters: {C: 1.0e-3}}
      mfcc_forest: {parameters: {n_trees: 10}}
evaluation:
  importance: {n_repeats: 0}
  strangers: {noise: null, music: null}
  robustness: {conditions: {level_minus_30_dbfs: null, pink_noise_20_db: null, telephone: null}}
"""
METRICS = {
    *("uar", "wa", "macro_f1", "uar_ci_low", "uar_ci_high"),
    *("fit_seconds", "predict_ms_per_clip", "n_parameters"),
}


@pytest.fixture(scope="module")
def client(demo):
    return MlflowClient(f"sqlite:///{demo.root / 'mlflow.db'}")


@pytest.fixture(scope="module")
def runs(client):
    experiment = client.get_experiment_by_name("affetto")
    return client.search_runs([experiment.experiment_id], max_results=1000)


@pytest.mark.parametrize("task", MODELS)
def test_every_model_is_a_child_run_with_the_shared_metrics(runs, task):
    children = {run.data.tags["model"]: run for run in runs if run.data.tags.get("task") == task}

    assert {name: run.data.tags["role"] for name, run in children.items()} == MODELS[task]
    for run in children.values():
        assert set(run.data.metrics) >= METRICS
        assert run.data.metrics["uar_ci_low"] <= run.data.metrics["uar"] <= run.data.metrics["uar_ci_high"]
        assert run.data.tags["corpus"] == "demo"
        assert run.data.tags["protocol"] == "kfold"
        assert "mlflow.parentRunId" in run.data.tags
        assert run.info.status == "FINISHED"


def test_the_page_of_models_lists_every_model_and_the_champions_take_audio(demo, client, runs, monkeypatch):
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{demo.root / 'mlflow.db'}")
    rows = {each.name for each in client.search_logged_models([runs[0].info.experiment_id])}
    wanted = {f"{task}-{model}" for task, models in MODELS.items() for model in models}
    assert rows >= wanted | {"theme-lda_audio_words", "voice_dimensions-kernel_ridge"}
    for side in ("music", "voice"):
        champion = mlflow.pyfunc.load_model(f"models:/affetto-{side}-emotion@champion")
        clip = next((demo.root / f"data/01_raw/demo/{side}").rglob("*.flac" if side == "music" else "*.wav"))
        answer = champion.predict(str(clip))
        assert answer.filter(regex="^p_").sum(axis=1).tolist() == pytest.approx([1], abs=1e-4)
    recommender = mlflow.pyfunc.load_model("models:/affetto-recommender@champion")
    tracks = recommender.predict(str(next((demo.root / "data/01_raw/demo/voice").rglob("*.wav"))))
    assert len(tracks) > 1 and tracks["reasons"].str.len().min() > 0


@pytest.mark.parametrize(("side", "task"), [("music", "music_emotion"), ("voice", "voice_emotion")])
def test_every_labelled_clip_is_predicted_once_out_of_fold(demo, side, task):
    clips = pd.read_parquet(demo.root / f"data/03_primary/{side}/clips.parquet")
    for model in MODELS[task]:
        predictions = pd.read_parquet(
            demo.root / f"data/07_model_output/{side}/emotion/{model}/predictions.parquet"
        )
        assert sorted(predictions["clip_id"]) == sorted(clips["clip_id"])
        assert predictions.groupby("group")["fold"].nunique().max() == 1
        np.testing.assert_allclose(predictions.filter(regex="^p_").sum(axis=1), 1, atol=1e-6)


def test_attention_weights_sum_to_one_over_times_in_the_clip(demo):
    attention = pd.read_parquet(demo.root / "data/07_model_output/music/emotions/attention.parquet")
    clips = pd.read_parquet(demo.root / "data/03_primary/music/clips.parquet").set_index("clip_id")

    assert set(attention["clip_id"]) == set(clips.index)
    for row in attention.itertuples():
        assert np.sum(row.weights) == pytest.approx(1, abs=1e-4)
        assert 0 <= row.times[0] <= row.times[-1] <= clips.loc[row.clip_id, "duration_s"]


def test_held_out_voices_get_playlists(demo):
    files = sorted((demo.root / "data/08_reporting/playlists").glob("*.m3u8"))
    assert files
    assert all(file.read_text(encoding="utf-8").startswith("#EXTM3U") for file in files)
    assert all(playlist["tracks"] for playlist in playlists(demo))


def test_themes_can_be_read_and_heard(demo):
    folder = demo.root / "data/08_reporting/music/theme"
    page = (folder / "themes.html").read_text(encoding="utf-8")
    cards = json.loads((folder / "cards.json").read_text(encoding="utf-8"))

    assert page.count('aria-label="Highlight of') == sum(len(card["exemplars"][:3]) for card in cards)
    assert len(list((folder / "audio/words").rglob("*.mp3"))) >= len({card["emotion"] for card in cards})
    assert all(f"of topics for {emotion}" in page for emotion in {card["emotion"] for card in cards})
    assert len(page) < 10_000_000


def test_attention_is_put_to_the_test(demo):
    table = pd.read_parquet(demo.root / "data/07_model_output/music_emotion/results/highlights.parquet")
    (row,) = table.to_dict("records")
    assert row["model"] == "attention_lstm_kernel"
    assert row["n_clips"] == 100
    assert 0 < row["p_value"] <= 1


HELD_OUT = "data/01_raw/demo/voice/held_out/ivor"


def playlists(demo):
    files = (demo.root / "data/08_reporting/playlists").glob("*.json")
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def test_a_library_without_labels_is_described_and_answers(demo):
    outcome = demo.kedro(
        "run", "--pipeline=library", "--params", "library.corpus.limit=12,library.export.write_tags=true"
    )

    assert outcome.returncode == 0, outcome.stderr[-2000:]
    tracks = pd.read_csv(demo.root / "data/08_reporting/library/tracks.csv")
    cards = json.loads((demo.root / "data/08_reporting/music/theme/cards.json").read_text(encoding="utf-8"))
    assert len(tracks) == 12
    assert set(tracks["theme"]) <= {card["theme"] for card in cards}
    assert tracks["confidence"].between(0, 1).all()
    assert pd.read_csv(demo.root / "data/08_reporting/library/tagged/tagged.csv")["tagged"].all()

    outcome = demo.affetto("recommend", HELD_OUT, "--env", "base", "--library", "--top", "20", "--json")

    assert outcome.returncode == 0, outcome.stderr[-2000:]
    chosen = [{track["clip_id"] for track in answer["tracks"]} for answer in json.loads(outcome.stdout)]
    assert chosen == [set(tracks["clip_id"])] * 5


def test_a_folder_of_recordings_is_answered_on_the_command_line(demo):
    outcome = demo.affetto("recommend", HELD_OUT, "--env", "base", "--bridge", "congruent")

    assert outcome.returncode == 0, outcome.stderr[-2000:]
    assert outcome.stdout.count("congruent music:") == 5


def test_a_person_is_enrolled_by_a_folder_of_recordings(demo):
    voice = sorted((demo.root / HELD_OUT).glob("*.wav"))[0]

    outcome = demo.affetto("hear", str(voice), "--env", "base", "--enrol", HELD_OUT, "--json")

    assert outcome.returncode == 0, outcome.stderr[-2000:]
    (answer,) = json.loads(outcome.stdout)
    assert answer["status"] == "ok"
    assert answer["enrolled"] > 1


def costly(demo):
    """When what takes long was written: results kept by what they were computed from, and fitted models."""
    folders = demo.root / "data/05_model_input/results", demo.root / "data/06_models/fits"
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    assert {file.suffix for file in files} >= {".npz", ".keras", ".skops"}
    return {file: file.stat().st_mtime_ns for file in files}


def test_a_second_run_repeats_nothing(demo):
    before = costly(demo)

    outcome = demo.kedro("run")

    assert outcome.returncode == 0, outcome.stderr[-4000:]
    computed = re.findall(r"(\w+): computed (\d+), reused (\d+), failed 0", outcome.stdout + outcome.stderr)
    music, voice = [("0", "100")] * 2, [("0", "160")] * 5
    assert sorted((number, reused) for _, number, reused in computed) == music + voice
    assert costly(demo) == before


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem
)
def test_the_notebook_runs_after_a_demo_run(demo, path):
    notebook = nbformat.read(path, as_version=4)
    folder = demo.root / "notebooks"  # where Jupyter runs them
    folder.mkdir(exist_ok=True)

    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert outputs
    assert not [output for output in outputs if output["output_type"] == "error"]


def refused(outcome):
    assert outcome.returncode == 1, outcome.stderr[-2000:]
    assert "Traceback" not in outcome.stderr
    return outcome.stderr


def test_a_tracking_server_that_is_not_there_is_noticed_before_training(project):
    message = refused(project.kedro("run", "--pipeline=voice", MLFLOW_TRACKING_URI="http://127.0.0.1:9"))
    assert "The MLflow store http://127.0.0.1:9 cannot be used" in message
    assert not (project.root / "data/03_primary/voice/clips.parquet").exists()


@pytest.mark.parametrize("path", ["no/such/voice.wav", "conf"])  # not there; a folder without audio
def test_no_recording(demo, path):
    assert path in refused(demo.affetto("recommend", path))


def test_the_tutorial_goes_from_recordings_to_a_playlist(demo):
    # All but small models is as a reader has it.
    (demo.root / "conf/train/small.yml").write_text(QUICK)
    (demo.root / "conf/train/encoder.yml").write_text("voice: {}")
    page = (Path(__file__).parents[2] / "docs/tutorial.md").read_text("utf-8")
    activate, *blocks = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    assert activate == "source .venv/bin/activate\n"
    own = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    answering = {file: file.stat().st_mtime_ns for file in (demo.root / "data/06_models/voice").rglob("*")}
    told = ""
    for block in blocks:
        words = ["bash", "-euo", "pipefail", "-c", block]
        done = subprocess.run(
            words, cwd=demo.root, env=own, capture_output=True, text=True, timeout=800, check=False
        )
        assert done.returncode == 0, f"{block}\n{done.stderr[-3000:]}"
        told += done.stdout
    assert f"Train on it: affetto train {demo.root}/data/mine --group '([a-z]+)-'" in told
    assert "96 labelled clips of 8 groups: 32 anger, 32 happiness, 32 sadness." in told
    assert f"Report: {demo.root}/data/trained/tutorial/08_reporting/voice_emotion/report.html" in told
    assert re.search(r"MLflow: make ui, then http://127\.0\.0\.1:5000/#/experiments/\d+/models", told)
    assert "affetto hear RECORDING --model tutorial" in told
    assert len(re.findall(r"functionals_svm +proposed +[01]\.\d{3} \[", told)) == 2
    assert "The library has 20 tracks" in told
    assert "congruent music:" in told
    # What was trained before answers as before.
    assert {file: file.stat().st_mtime_ns for file in answering} == answering


def test_the_dag_is_built_with_its_layers(demo):
    outcome = demo.kedro("viz", "build")

    assert outcome.returncode == 0, outcome.stderr[-2000:]
    graph = json.loads((demo.root / "build/api/main").read_text(encoding="utf-8"))
    assert {"primary", "feature", "models", "model_output", "reporting"} <= set(graph["layers"])
    assert {"attention_lstm", "crnn_lld", "playlist"} <= {node["name"] for node in graph["nodes"]}
