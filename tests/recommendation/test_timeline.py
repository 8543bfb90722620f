import numpy as np
import pandas as pd
import pytest

from affetto.recommendation.heard import HeardBy
from affetto.recommendation.parameters import RecommendParameters
from affetto.recommendation.playlist import Playlist
from affetto.recommendation.steps import Step
from affetto.recommendation.summary import summarise
from affetto.recommendation.timeline import summarise_timeline, timeline_table
from affetto.recommendation.timeline_figure import draw_timeline
from affetto.recommendation.voice_summary import summarise_voices

PARAMETERS = RecommendParameters(voice="x", unsure_below=0.6, timeline={"smoothing_s": 0.0})
STEPS = [
    Step(0.0, 1.0, 0.0, None),
    Step(1.0, 2.0, 1.0, (1.0, 3.0)),
    Step(2.0, 3.0, 0.5, (1.0, 3.0)),
    Step(3.0, 3.5, 0.25, (1.0, 3.0)),
]
CLASSES = ("anger", "sadness")
NOVELTY = np.array([np.nan, 0.5, 0.9, 1.2])
POSTERIORS = np.array([[np.nan, np.nan], [0.9, 0.1], [0.55, 0.45], [0.2, 0.8]])


@pytest.fixture
def table():
    return timeline_table("me", STEPS, POSTERIORS, NOVELTY, CLASSES, PARAMETERS)


def test_a_row_a_step(table):
    columns = ["name", "start_s", "end_s", "speech_s", "emotion", "unsure", "novelty", "p_anger", "p_sadness"]
    assert table.columns.tolist() == columns
    assert table["emotion"].tolist()[1:] == ["anger", "anger", "sadness"]
    assert table["unsure"].tolist()[1:] == [False, True, False]
    assert table.loc[0, ["emotion", "unsure", "p_anger"]].isna().all()
    assert table["end_s"].tolist() == [1.0, 2.0, 3.0, 3.5]


def test_the_summary_weighs_speech_only(table):
    voice = summarise_timeline(table, "me.wav", PARAMETERS, enrolled=2)
    anger = (0.9 * 1.0 + 0.55 * 0.5 + 0.2 * 0.25) / 1.75
    assert [entry.emotion for entry in voice.emotions] == ["anger", "sadness"]
    assert voice.emotions[0].probability == pytest.approx(anger, abs=1e-6)
    assert (voice.emotion, voice.unsure, voice.speech_s, voice.duration_s) == ("anger", False, 1.75, 3.5)
    assert voice.enrolled == 2
    spans = [(span.start_s, span.end_s, span.emotion, span.unsure) for span in voice.timeline.spans]
    assert spans == [(0.0, 1.0, None, False), (1.0, 3.0, "anger", False), (3.0, 3.5, "sadness", False)]
    assert voice.timeline.spans[1].probability == pytest.approx((0.9 + 0.275) / 1.5, abs=1e-6)
    assert voice.timeline.spans[0].probability is None


@pytest.mark.parametrize(("novel_above", "novel"), [(0.7, True), (0.72, False)])
def test_novel_is_what_lies_too_far_on_average(table, novel_above, novel):
    given = PARAMETERS.model_copy(update={"novel_above": novel_above})
    heard_by = HeardBy(name="level", corpus="Toy", speech="acted speech", clips=9, groups=3)
    voice = summarise_timeline(table, "me.wav", given, heard_by=heard_by)
    assert voice.novelty == pytest.approx((0.5 * 1.0 + 0.9 * 0.5 + 1.2 * 0.25) / 1.75, abs=1e-6)
    assert voice.novel is novel
    told = summarise_voices([voice])
    assert ("novel" in told.splitlines()[1]) is novel
    assert ("Novel: unlike what the model was trained on" in told) is novel
    assert (
        "Heard by the model level, which has learnt from 9 clips of 3 speakers of Toy: acted speech." in told
    )


@pytest.mark.parametrize(("unsure_below", "unsure"), [(0.7, False), (0.701, True), (0.0, False), (1.0, True)])
def test_unsure_is_below_the_threshold(unsure_below, unsure):
    given = PARAMETERS.model_copy(update={"unsure_below": unsure_below})
    table = timeline_table("me", STEPS[1:2], np.array([[0.7, 0.3]]), np.array([np.nan]), CLASSES, given)
    voice = summarise_timeline(table, "me.wav", given)
    assert voice.unsure is unsure
    assert table["unsure"].tolist() == [unsure]
    assert voice.timeline is None
    assert ("  unsure  " in summarise_voices([voice]).splitlines()[1]) is unsure


def test_the_text_tells_emotion_speech_and_change(table):
    voice = summarise_timeline(table, "me.wav", PARAMETERS)
    silent = voice.model_copy(update={"name": "x", "status": "no_speech", "message": "No speech was found."})
    text = summarise_voices([voice, silent])
    assert text.splitlines()[0].split() == ["recording", "emotion", "probability", "note", "speech"]
    assert text.splitlines()[1].split() == ["me", "anger", "70%", "1.8", "s"]
    assert "me: 0:00-0:01 no speech, 0:01-0:03 anger, 0:03-0:03 sadness" in text
    assert text.endswith("\n\nNo speech was found.")
    playlist = Playlist(
        name="me", recording="me.wav", status="ok", bridge="uplift", timeline=voice.timeline, unsure=True
    )
    assert "over time: 0:00-0:01 no speech" in summarise([playlist])
    assert "(unsure)" in summarise([playlist])


def test_the_figure_is_a_picture_that_is_the_same_again(table):
    voice = summarise_timeline(table, "$x_1$.wav", PARAMETERS).model_copy(update={"name": "$odd_\\name"})
    picture = draw_timeline(table, voice, unsure_below=0.5)
    assert picture.startswith(b"\x89PNG")
    assert picture == draw_timeline(table, voice, unsure_below=0.5)


def test_smoothing_is_that_of_the_parameters():
    given = PARAMETERS.model_copy(
        update={"timeline": PARAMETERS.timeline.model_copy(update={"smoothing_s": 2.0})}
    )
    rough = timeline_table("me", STEPS, POSTERIORS, NOVELTY, CLASSES, PARAMETERS)
    smooth = timeline_table("me", STEPS, POSTERIORS, NOVELTY, CLASSES, given)
    assert np.ptp(smooth["p_anger"].dropna()) < np.ptp(rough["p_anger"].dropna())
    np.testing.assert_allclose(smooth.filter(regex="^p_").dropna().sum(axis=1), 1.0, atol=2e-6)
    pd.testing.assert_series_equal(smooth["speech_s"], rough["speech_s"])
