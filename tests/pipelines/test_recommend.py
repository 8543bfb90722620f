from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline
from kedro.runner import SequentialRunner

from affetto.corpora.parameters import CorpusParameters
from affetto.datasets.playlist import PlaylistDataset
from affetto.errors import AffettoError
from affetto.features.table import MfccParameters
from affetto.pipelines.hear.pipeline import create_pipeline as hear_pipeline
from affetto.pipelines.recommend.pipeline import create_pipeline
from affetto.pipelines.theme.nodes import assemble_library
from affetto.recommendation.parameters import RecommendParameters

RATE_HZ = 16_000
TAXONOMY = {
    "emotions": {"music": ["happy", "tense", "sad", "calm"]},
    "bridges": {"uplift": {"anger": {"calm": 1.0}, "sadness": {"happy": 1.0}}},
}


class LevelModel:
    """Stands in for a fitted voice model: loud is anger."""

    classes_ = ("anger", "sadness")
    features = ("mfcc",)
    feature_parameters_ = {"mfcc": MfccParameters(delta_order=0).describe()}  # noqa: RUF012
    learnt_from_ = {"name": "level", "corpus": "Toy", "clips": 9, "groups": 3}  # noqa: RUF012
    calls = 0

    def novelty(self, x):
        return None

    def predict_proba(self, x):
        type(self).calls += 1
        assert x["mfcc"].parameters == self.feature_parameters_["mfcc"]
        loud = np.array([clip[:, 0].mean() for clip in x["mfcc"]]) > -600
        return np.where(loud[:, None], [[0.9, 0.1]], [[0.2, 0.8]])


@pytest.fixture
def speech(voice_of):
    return lambda level, duration_s=2: voice_of(duration_s, level)


@pytest.fixture
def voice(tmp_path, speech):
    folder = tmp_path / "voice"
    folder.mkdir()
    sf.write(folder / "loud.wav", speech(0.3), RATE_HZ)
    sf.write(folder / "soft.wav", speech(0.003), RATE_HZ)
    sf.write(folder / "silence.wav", np.zeros(RATE_HZ), RATE_HZ)
    (folder / "broken.wav").write_bytes(b"RIFF, but no more")
    return folder


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr("affetto.pipelines.hear.nodes.load_estimator", lambda _: LevelModel())
    return partial(_run, tmp_path / "playlists")


def _run(out, voice, **parameters):
    clips = pd.DataFrame(
        {
            "clip_id": ["d/a", "d/b"], "corpus": "d", "path": ["a.wav", "b.wav"],
            "start_s": np.nan, "end_s": np.nan, "duration_s": [20.0, 10.0],
        }
    )  # fmt: skip
    emotions = pd.DataFrame({"clip_id": ["d/a", "d/b"], "p_calm": [0.9, 0.2], "p_happy": [0.1, 0.8]})
    mixtures = pd.DataFrame(
        {"clip_id": ["d/a", "d/b"], "emotion": "calm", "theme": "calm/0", "probability": 1.0}
    )
    attention = pd.DataFrame({"clip_id": [], "times": [], "weights": []})
    given = {"voice": str(voice), "bridge": "uplift", "top": 1, "diversity": 0.0, **parameters}
    inputs = {
        "params:recommend": RecommendParameters(**given),
        "params:taxonomy": TAXONOMY,
        "music.library": assemble_library(
            RecommendParameters(voice="voices"),
            CorpusParameters(root="music"),
            clips,
            {"emotions": emotions, "attention": attention},
            mixtures,
            [{"theme": "calm/0", "emotion": "calm", "name": "soft"}],
        ),
        "voice.emotion.level.model": Path("fits/level"),
    }
    catalog = DataCatalog({name: MemoryDataset(value, copy_mode="assign") for name, value in inputs.items()})
    catalog["recommend.playlists"] = PlaylistDataset(filepath=str(out))
    pipeline = hear_pipeline("level") + create_pipeline()
    result = SequentialRunner().run(pipeline, catalog)
    return catalog["recommend.playlists"].load(), result["recommend.summary"].load()


def test_every_recording_gets_its_answer(run, voice):
    playlists, summary = run(voice)
    assert list(playlists) == ["broken", "loud", "silence", "soft"]
    assert Counter(answer.status for answer in playlists.values()) == {
        "ok": 2,
        "no_speech": 1,
        "unreadable": 1,
    }
    assert (playlists["loud"].emotion, playlists["loud"].tracks[0].clip_id) == ("anger", "d/a")
    assert (playlists["soft"].emotion, playlists["soft"].tracks[0].clip_id) == ("sadness", "d/b")
    assert playlists["loud"].tracks[0].theme_name == "soft"
    assert playlists["soft"].tracks[0].theme is None
    for name in ("silence", "broken"):
        assert playlists[name].emotion is None
        assert playlists[name].tracks == ()
        assert name in playlists[name].message
    assert "the voice is anger 90%" in summary


def test_a_long_recording_is_answered_by_its_speech(run, tmp_path, speech):
    sound = np.concatenate([np.zeros(4 * RATE_HZ), speech(0.3, 7)])
    sf.write(tmp_path / "long.wav", sound, RATE_HZ)
    playlists, summary = run(tmp_path / "long.wav", unsure_below=0.95)
    answer = playlists["long"]
    assert (answer.emotion, answer.unsure) == ("anger", True)
    assert [(span.start_s, span.end_s, span.emotion) for span in answer.timeline.spans] == [
        (0.0, 4.0, None),
        (4.0, 11.0, "anger"),
    ]
    assert answer.speech_s == pytest.approx(7.0, abs=0.4)
    assert "(unsure)" in summary
    assert "over time: 0:00-0:04 no speech, 0:04-0:11 anger" in summary


def test_one_recording_is_enough(run, voice):
    assert list(run(voice / "loud.wav")[0]) == ["loud"]


def test_only_bad_recordings_are_an_error_before_the_model_is_asked(run, voice):
    for name in ("loud", "soft"):
        (voice / f"{name}.wav").unlink()
    before = LevelModel.calls
    with pytest.raises(AffettoError, match="None of the 2 recordings"):
        run(voice)
    with pytest.raises(AffettoError, match=r"No speech was found in silence\.wav"):
        run(voice / "silence.wav")
    assert LevelModel.calls == before


def test_the_pipeline_infers_only():
    pipeline = hear_pipeline("crnn_lld") + create_pipeline()
    assert isinstance(pipeline, Pipeline)
    assert pipeline.inputs() == {
        "params:recommend", "params:taxonomy", "voice.emotion.crnn_lld.model", "music.library",
    }  # fmt: skip
    assert pipeline.outputs() == {"recommend.summary"}
