"""The recommender as a registered model: audio in, ranked tracks with reasons out."""

from __future__ import annotations

from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml

from affetto.recommendation.evaluation import MEASURES
from affetto.tracking.recommender import log_recommender

TAXONOMY = {
    "emotions": {"music": ["calm", "sad"]},
    "bridges": {"congruent": {"calm": {"calm": 1}, "sad": {"sad": 1}}},
}


@pytest.fixture
def library():
    n = 4
    probabilities = np.linspace(0.1, 0.9, n)
    tracks = pd.DataFrame(
        {
            "clip_id": [f"m/{number}" for number in range(n)], "corpus": "m", "root": "/music",
            "path": [f"{number}.wav" for number in range(n)], "start_s": np.nan, "end_s": np.nan,
            "title": [f"Tune {number}" for number in range(n)], "duration_s": 60.0,
            "emotion": ["sad", "sad", "calm", "calm"], "theme": None, "theme_name": None,
            "theme_probability": np.nan, "predicted_tags": "", "highlight_start_s": 0.0,
            "highlight_end_s": 15.0, "highlight_attention": 0.5,
            "p_calm": probabilities, "p_sad": 1 - probabilities,
        }
    )  # fmt: skip
    mixtures = pd.DataFrame({"clip_id": [], "emotion": [], "theme": [], "probability": []})
    return {"tracks": tracks, "mixtures": mixtures, "cards": []}


def test_the_champion_answers_a_voice_and_moves_to_recommenders_that_are_not_worse(
    project, hearing, library, voice_of, tmp_path, caplog
):
    mlflow.set_tracking_uri(project.uri)
    client = project.client()
    parent = client.create_run(client.create_experiment("affetto", (tmp_path / "files").as_uri()))
    parameters = {"taxonomy": TAXONOMY, "recommend": {"voice": "/home/me/diary.wav", "top": 2}}

    def champion(ndcg, data="same", diversity=0.3):
        ends = ("", "_ci_low", "_ci_high")
        figures = pd.Series({f"{measure}{end}": ndcg for measure in MEASURES for end in ends})
        about = {"corpus": "demo", "protocol": "kfold", "data": data}
        given = {**parameters, "recommend": {**parameters["recommend"], "diversity": diversity}}
        log_recommender(client, parent, hearing, library, figures, about, given)
        return int(client.get_model_version_by_alias("affetto-recommender", "champion").version)

    assert champion(0.5) == 1
    assert champion(0.6, diversity=0.1) == 2
    assert champion(0.4, diversity=0.2) == 2
    assert "an nDCG@10 that is 0.200 lower" in caplog.text
    assert champion(0.9, "other clips", diversity=0.4) == 2
    assert "was tested on other clips" in caplog.text

    recommender = mlflow.pyfunc.load_model("models:/affetto-recommender@champion")
    file = tmp_path / "voice.wav"
    soundfile.write(file, voice_of(2.0), 16_000)
    answer = recommender.predict([str(file), __file__])
    tracks, (unreadable,) = answer[answer["recording"] == 0], answer.loc[answer["recording"] == 1, "message"]
    assert tracks["rank"].tolist() == [1, 2]
    assert tracks["voice_emotion"].isin(["calm", "sad"]).all()
    assert (
        tracks["reasons"]
        .str.startswith(f"The voice sounds most like {tracks['voice_emotion'].iloc[0]}")
        .all()
    )
    assert "it is text, not audio" in unreadable
    kept = Path(mlflow.artifacts.download_artifacts("models:/affetto-recommender@champion")) / "MLmodel"
    assert "diary" not in kept.read_text()
    assert yaml.safe_load(kept.read_text())["flavors"]["python_function"]["config"]["recommend"]["top"] == 2
