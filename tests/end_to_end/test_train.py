"""A corpus of one's own: trained, told about, and heard with, while nothing else changes."""

from __future__ import annotations

import re
import shutil

import pytest
from mlflow.tracking import MlflowClient

from affetto.corpora.demo.voice import SENTENCES, SPEAKERS, build_demo_voice

pytestmark = pytest.mark.end_to_end

QUICK = """
voice:
  emotion:
    models:
      crnn_lld: null
      crnn_lld_sequence: null
      functionals_linear: null
      functionals_svm: {role: proposed}
      mfcc_forest: {parameters: {n_trees: 10}}
evaluation:
  importance: {n_repeats: 0}
  strangers: {noise: null, music: null}
  robustness: {conditions: {level_minus_30_dbfs: null, pink_noise_20_db: null, telephone: null}}
"""


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    """Three speakers, two emotions, a folder each."""
    made = tmp_path_factory.mktemp("spoken")
    folder = tmp_path_factory.mktemp("corpus") / "voices"
    for row in build_demo_voice(made, speakers=SPEAKERS[:3], sentences=SENTENCES[:3]):
        if row["emotion"] in ("anger", "sadness"):
            target = folder / row["emotion"] / row["file"].replace("/", "_")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(made / row["file"], target)
    return folder


def test_a_folder_becomes_a_model_that_hears(project, voices):
    (project.root / "conf/train/small.yml").write_text(QUICK)

    outcome = project.affetto("train", str(voices), "--group", "[^/]+(?=_)")

    assert outcome.returncode == 0, outcome.stderr[-3000:]
    told = outcome.stdout
    assert "18 labelled clips of 3 groups: 9 anger, 9 sadness." in told
    assert re.search(r"functionals_svm +proposed +[01]\.\d{3} \[", told)
    assert re.search(r"mfcc_forest +baseline", told)
    (report,) = re.findall(r"Report: (.+)", told)
    assert report == str(project.root / "data/trained/voices/08_reporting/voice_emotion/report.html")
    (run,) = re.findall(r"MLflow: make ui, then http://127\.0\.0\.1:5000/#/experiments/\d+/runs/(\w+)", told)
    assert MlflowClient(f"sqlite:///{project.root / 'mlflow.db'}").get_run(run).info.status == "FINISHED"
    assert told.rstrip().endswith("affetto hear RECORDING --model voices")
    assert not (project.root / "data/06_models").exists()  # what answers without a name is not touched

    heard = project.affetto("hear", str(voices / "sadness"), "--model", "voices")
    assert heard.returncode == 0, heard.stderr[-3000:]
    assert heard.stdout.count("sadness") > heard.stdout.count("anger")
