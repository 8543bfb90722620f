"""Recordings of a person, from files to what was heard in them, with models that are easy to foresee."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from affetto.datasets.voices import VoicesDataset
from affetto.errors import AffettoError
from affetto.features.table import MfccParameters
from affetto.pipelines.hear import nodes
from affetto.pipelines.hear.pipeline import create_pipeline, create_summary_pipeline
from affetto.recommendation.parameters import RecommendParameters
from affetto.recommendation.timeline import pool_posteriors
from affetto.recommendation.voice import VoiceEmotion, VoiceResult

RATE_HZ = 16_000
RNG = np.random.default_rng(0)


class LevelModel:
    """Stands in for a fitted voice model: loud is anger, and soft is sadness."""

    classes_ = ("anger", "sadness")
    features = ("mfcc",)
    feature_parameters_ = {"mfcc": MfccParameters(delta_order=0).describe()}  # noqa: RUF012
    learnt_from_ = {  # noqa: RUF012
        "name": "level", "corpus": "Toy", "speech": "acted speech", "clips": 9, "groups": 3
    }  # fmt: skip

    def __init__(self):
        self.batches = []

    def predict_proba(self, x):
        self.batches.append(x["mfcc"].n_frames.tolist())
        level = np.array([clip[:, 0].mean() for clip in x["mfcc"]])
        anger = 1 / (1 + np.exp(-(level + 600) / 40))
        return np.stack([anger, 1 - anger], axis=1)

    def novelty(self, x):
        return np.full(len(x.clip_ids), 0.99)


class EnrolledModel(LevelModel):
    """Says how many clips it was given of the person."""

    def predict_proba(self, x, enrolment=None):
        share = 0.0 if enrolment is None else 1 / (1 + len(enrolment.clip_ids))
        return np.tile([share, 1 - share], (len(x.clip_ids), 1))


class StubbornModel(LevelModel):
    """Cannot be enrolled."""

    def predict_proba(self, x, enrolment=None):
        if enrolment is not None:
            raise AffettoError("level cannot be enrolled: leave it out.")
        return super().predict_proba(x)


@pytest.fixture
def speech(voice_of):
    return lambda level=0.3, duration_s=4: voice_of(duration_s, level)


def silence(duration_s):
    return np.zeros(duration_s * RATE_HZ)


def noise(duration_s):
    return 0.05 * RNG.normal(size=duration_s * RATE_HZ)


@pytest.fixture
def voice(tmp_path):
    folder = tmp_path / "voice"
    folder.mkdir()
    return folder


@pytest.fixture
def run(tmp_path, monkeypatch):
    return partial(_run, monkeypatch, tmp_path / "voices")


def _run(monkeypatch, out, voice, model=None, **parameters):
    """Return what was heard, the steps over time of what has any, and the summary."""
    given = model or LevelModel()
    monkeypatch.setattr(nodes, "load_estimator", {Path("fits/level"): given}.__getitem__)
    inputs = {
        "params:recommend": RecommendParameters(voice=str(voice), **parameters),
        "voice.emotion.level.model": Path("fits/level"),
    }
    catalog = DataCatalog({name: MemoryDataset(value, copy_mode="assign") for name, value in inputs.items()})
    catalog["hear.voices"] = VoicesDataset(filepath=str(out))
    result = SequentialRunner().run(create_pipeline("level") + create_summary_pipeline(), catalog)
    heard = catalog["hear.voices"].load()
    timelines = {name: one.timeline for name, one in heard.items() if one.timeline is not None}
    return {name: one.voice for name, one in heard.items()}, timelines, result["hear.summary"].load()


def test_what_cannot_be_answered_replaces_the_answer_of_before(run, voice, tmp_path, speech):
    sf.write(voice / "a.wav", speech(), RATE_HZ)
    run(voice)
    sf.write(voice / "a.wav", silence(3), RATE_HZ)
    with pytest.raises(AffettoError, match=r"No speech was found in a\.wav"):
        run(voice)
    assert json.loads((tmp_path / "voices" / "a.json").read_text())["status"] == "no_speech"
    assert [path.name for path in (tmp_path / "voices").glob("a.*")] == ["a.json"]


def test_a_long_recording_has_gaps_where_nobody_speaks(run, voice, tmp_path, speech):
    parts = [silence(3), speech(), silence(1), noise(2), silence(2), speech(0.003), silence(4)]
    sf.write(voice / "mixed.wav", np.concatenate(parts), RATE_HZ)
    voices, timelines, summary = run(voice)
    table = timelines["mixed"]
    heard = table["emotion"].notna().to_numpy()
    np.testing.assert_array_equal(np.flatnonzero(heard), [3, 4, 5, 6, 12, 13, 14, 15])
    assert set(table["emotion"][3:7]) == {"anger"}
    assert set(table["emotion"][12:16]) == {"sadness"}
    assert (table["end_s"].iloc[-1], len(table)) == (20.0, 20)
    assert table["speech_s"][3:7].sum() == pytest.approx(4.0, abs=0.6)
    np.testing.assert_allclose(table.loc[heard, ["p_anger", "p_sadness"]].sum(axis=1), 1.0, atol=2e-6)
    pooled = pool_posteriors(table[["p_anger", "p_sadness"]].to_numpy(), table["speech_s"].to_numpy())
    found = {entry.emotion: entry.probability for entry in voices["mixed"].emotions}
    assert found == pytest.approx({"anger": pooled[0], "sadness": pooled[1]}, abs=1e-6)
    assert [span.emotion for span in voices["mixed"].timeline.spans] == [None, "anger", None, "sadness", None]
    assert "mixed: 0:00-0:03 no speech, 0:03-0:07 anger" in summary
    files = sorted(file.name for file in (tmp_path / "voices").iterdir() if file.suffix)
    assert files == ["mixed.csv", "mixed.json", "mixed.png"]
    content = json.loads((tmp_path / "voices/mixed.json").read_text())
    assert {"speech_s", "unsure", "timeline", "emotions"} <= set(content)


def test_short_recordings_are_heard_as_a_whole(run, voice, speech):
    sf.write(voice / "loud.wav", speech(), RATE_HZ)
    sf.write(voice / "soft.wav", speech(0.003), RATE_HZ)
    model = LevelModel()
    voices, timelines, _ = run(voice, model)
    assert [voices[name].emotion for name in ("loud", "soft")] == ["anger", "sadness"]
    assert all(one.timeline is None for one in voices.values())
    assert [len(table) for table in timelines.values()] == [1, 1]
    assert len(model.batches) == 1
    assert model.batches[0][0] == 1 + 4 * 22_050 // 512  # the whole recording


def test_silence_at_the_end_changes_nothing(run, voice, speech):
    sf.write(voice / "a.wav", speech(0.03, 8), RATE_HZ)
    sf.write(voice / "b.wav", np.concatenate([speech(0.03, 8), silence(11)]), RATE_HZ)
    voices, timelines, _ = run(voice)
    one, other = (voices[name].emotions for name in "ab")
    assert one[0].emotion == other[0].emotion
    assert one[0].probability == pytest.approx(other[0].probability, abs=0.05)
    assert timelines["b"]["emotion"][8:].isna().all()
    assert voices["a"].speech_s == pytest.approx(voices["b"].speech_s, abs=0.05)


def test_windows_are_predicted_in_batches(run, voice, speech):
    sf.write(voice / "a.wav", speech(0.3, 9), RATE_HZ)
    sf.write(voice / "b.wav", speech(0.3, 3), RATE_HZ)
    model = LevelModel()
    voices, *_ = run(voice, model, timeline={"batch": 4})
    assert [len(batch) for batch in model.batches] == [4, 4, 2]
    assert max(max(batch) for batch in model.batches) <= 1 + 3 * 22_050 // 512
    whole, *_ = run(voice, LevelModel())
    assert voices == whole


def test_noise_gets_no_emotion_however_long(run, voice, speech):
    sf.write(voice / "noise.wav", noise(20), RATE_HZ)
    sf.write(voice / "speech.wav", speech(), RATE_HZ)
    voices, timelines, summary = run(voice)
    assert voices["noise"].status == "no_speech"
    assert voices["noise"].emotions == ()
    assert list(timelines) == ["speech"]
    assert "No speech was found in noise.wav" in summary
    with pytest.raises(AffettoError, match=r"No speech was found in noise\.wav"):
        run(voice / "noise.wav")


def test_what_cannot_be_read_is_a_row_and_what_is_damaged_is_said(run, voice, speech):
    sf.write(voice / "good.wav", speech(), RATE_HZ)
    broken = speech(0.3, 9)
    broken[40_000:40_100] = np.nan
    sf.write(voice / "some.wav", broken, RATE_HZ, subtype="FLOAT")
    broken[40_000:60_000] = np.nan
    sf.write(voice / "nan.wav", broken, RATE_HZ, subtype="FLOAT")
    for name in ("1.3gp", "2.odd"):
        (voice / name).write_text("version https://git-lfs.github.com/spec/v1")
    voices, timelines, summary = run(voice)
    status = {"good": "ok", "some": "ok", "nan": "unreadable", "1": "unreadable", "2": "unreadable"}
    assert {name: heard.status for name, heard in voices.items()} == status
    assert "not finite" in voices["nan"].message
    assert "100 of 144000 samples are not finite" in voices["some"].message
    assert list(timelines) == ["good", "some"]
    assert [line.split()[:2] for line in summary.splitlines()[1:3]] == [
        ["1", "unreadable"],
        ["2", "unreadable"],
    ]
    assert f"2 files in {voice}: each is a Git LFS pointer" in summary


def test_enrolment_reaches_the_model(run, voice, tmp_path, speech):
    sf.write(voice / "a.wav", speech(), RATE_HZ)
    (tmp_path / "mine").mkdir()
    sf.write(tmp_path / "mine/short.wav", speech(), RATE_HZ)
    sf.write(tmp_path / "mine/long.wav", speech(0.3, 9), RATE_HZ)
    sf.write(tmp_path / "mine/noise.wav", noise(3), RATE_HZ)
    alone, *_ = run(voice, EnrolledModel())
    assert (alone["a"].emotions[0].probability, alone["a"].enrolled) == (1.0, 0)
    voices, *_ = run(voice, EnrolledModel(), enrol=str(tmp_path / "mine"))
    # The short one and three windows of the long one that do not overlap.
    assert voices["a"].emotions[0].probability == pytest.approx(0.8)
    assert voices["a"].enrolled == 2


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("gone", "There is no enrolment recording at"),
        ("noise", r"None of the 1 enrolment recordings in .*: No speech was found in noise\.wav"),
        ("speech", "level cannot be enrolled"),
    ],
)
def test_enrolment_that_cannot_be_used_is_one_sentence(run, voice, tmp_path, folder, said, speech):
    sf.write(voice / "a.wav", speech(), RATE_HZ)
    for name, sound in {"noise": noise(3), "speech": speech()}.items():
        (tmp_path / name).mkdir()
        sf.write(tmp_path / name / f"{name}.wav", sound, RATE_HZ)
    with pytest.raises(AffettoError, match=said):
        run(voice, StubbornModel(), enrol=str(tmp_path / folder))


def test_tables_come_back_as_they_were(tmp_path):
    table = pd.DataFrame(
        {
            "name": ["NA", "NA"],
            "start_s": [0.0, 1.0],
            "emotion": pd.Series([None, "anger"], dtype="str"),
            "unsure": pd.Series([None, True], dtype="boolean"),
            "p_anger": [np.nan, 0.4],
        }
    )
    heard = VoiceEmotion(name="NA", recording="NA.wav", status="ok")
    dataset = VoicesDataset(filepath=str(tmp_path))
    dataset.save({"NA": VoiceResult(heard, table, b"PNG"), "b": VoiceResult(heard)})
    found = dataset.load()
    pd.testing.assert_frame_equal(found["NA"].timeline, table)
    assert (found["NA"].voice, found["NA"].figure, found["b"]) == (heard, b"PNG", VoiceResult(heard))
    dataset.save({"NA": VoiceResult(heard)})
    assert {path.name for path in tmp_path.iterdir()} == {".voices", "NA.json"}
