import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from affetto.recommendation.parameters import RecommendParameters
from affetto.recommendation.playlist import Playlist, summarise_playlists
from affetto.recommendation.timeline import (
    draw_timeline,
    pool_posteriors,
    smooth_posteriors,
    summarise_timeline,
    timeline_table,
)
from affetto.recommendation.voice import LearntFrom, summarise_voices
from affetto.recommendation.windows import Window

PARAMETERS = RecommendParameters(voice="x", unsure_below=0.6, timeline={"smoothing_s": 0.0})
WINDOWS = [
    Window(0.0, 1.0, 0.0, None),
    Window(1.0, 2.0, 1.0, (1.0, 3.0)),
    Window(2.0, 3.0, 0.5, (1.0, 3.0)),
    Window(3.0, 3.5, 0.25, (1.0, 3.0)),
]
CLASSES = ("anger", "sadness")
NOVELTY = np.array([np.nan, 0.5, 0.9, 1.2])
POSTERIORS = np.array([[np.nan, np.nan], [0.9, 0.1], [0.55, 0.45], [0.2, 0.8]])


@pytest.fixture
def table():
    return timeline_table("me", WINDOWS, POSTERIORS, NOVELTY, CLASSES, PARAMETERS)


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


def test_ratings_are_means_over_speech_and_are_shown_where_a_model_tells_them(table):
    told = np.array([[np.nan, np.nan], [0.5, -0.2], [-0.4, 0.7], [0.2, 0.1]])
    rated = timeline_table("me", WINDOWS, POSTERIORS, NOVELTY, CLASSES, PARAMETERS, told)
    voice = summarise_timeline(rated, "me.wav", PARAMETERS)

    np.testing.assert_array_equal(rated[["valence", "arousal"]], told)
    assert voice.valence == pytest.approx((0.5 * 1.0 - 0.4 * 0.5 + 0.2 * 0.25) / 1.75, abs=1e-6)
    assert voice.arousal == pytest.approx((-0.2 * 1.0 + 0.7 * 0.5 + 0.1 * 0.25) / 1.75, abs=1e-6)
    header, row = summarise_voices([voice]).splitlines()[:2]
    assert header.split()[-2:] == ["valence", "arousal"]
    assert row.split()[-2:] == ["+0.20", "+0.10"]
    unrated = timeline_table("me", WINDOWS, POSTERIORS, NOVELTY, CLASSES, PARAMETERS, np.full((4, 2), np.nan))
    assert unrated.columns.tolist() == table.columns.tolist()
    assert "valence" not in summarise_voices([summarise_timeline(table, "me.wav", PARAMETERS)])


@pytest.mark.parametrize(("novel_above", "novel"), [(0.7, True), (0.72, False)])
def test_novel_is_what_lies_too_far_on_average(table, novel_above, novel):
    given = PARAMETERS.model_copy(update={"novel_above": novel_above})
    heard_by = LearntFrom(name="level", corpus="Toy", speech="acted speech", clips=9, groups=3)
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
    table = timeline_table("me", WINDOWS[1:2], np.array([[0.7, 0.3]]), np.array([np.nan]), CLASSES, given)
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
    assert "over time: 0:00-0:01 no speech" in summarise_playlists([playlist])
    assert "(unsure)" in summarise_playlists([playlist])


def test_the_figure_is_a_picture_that_is_the_same_again(table):
    voice = summarise_timeline(table, "$x_1$.wav", PARAMETERS).model_copy(update={"name": "$odd_\\name"})
    picture = draw_timeline(table, voice, unsure_below=0.5)
    assert picture.startswith(b"\x89PNG")
    assert picture == draw_timeline(table, voice, unsure_below=0.5)


NAN = [np.nan, np.nan]
TWO = np.array([[0.8, 0.2], [0.4, 0.6]])


def test_the_pool_is_the_mean_weighted_by_speech():
    pooled = pool_posteriors(np.array([[0.9, 0.1], NAN, [0.3, 0.7]]), np.array([1.0, 5.0, 0.5]))
    np.testing.assert_allclose(pooled, [(0.9 + 0.15) / 1.5, (0.1 + 0.35) / 1.5])


def test_smoothing_of_two_steps_in_closed_form():
    weight = np.exp(-1.0)
    smoothed = smooth_posteriors(TWO, np.array([1.0, 0.5]), steps=1.0)
    first = TWO[0] ** (1 / (1 + 0.5 * weight)) * TWO[1] ** (0.5 * weight / (1 + 0.5 * weight))
    second = TWO[0] ** (weight / (0.5 + weight)) * TWO[1] ** (0.5 / (0.5 + weight))
    np.testing.assert_allclose(smoothed, [first / first.sum(), second / second.sum()])


def test_a_gap_weighs_nothing_but_keeps_its_distance():
    smoothed = smooth_posteriors(np.array([TWO[0], NAN, TWO[1]]), np.array([1.0, 0.9, 1.0]), steps=2.0)
    np.testing.assert_allclose(smoothed[[0, 2]], smooth_posteriors(TWO, np.ones(2), steps=1.0))
    assert np.isnan(smoothed[1]).all()


@given(
    arrays.arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(2, 5)), elements=st.floats(0.0, 1.0)),
    st.floats(0.0, 5.0),
    st.randoms(use_true_random=False),
)
def test_posteriors_stay_posteriors(values, steps, chance):
    posteriors = (values + 1e-3) / (values + 1e-3).sum(axis=1, keepdims=True)
    gaps = np.array([chance.random() < 0.3 for _ in posteriors])
    speech = np.array([chance.uniform(0.1, 1.0) for _ in posteriors])
    posteriors[gaps] = np.nan
    smoothed = smooth_posteriors(posteriors, speech, steps=steps)
    np.testing.assert_array_equal(np.isnan(smoothed).all(axis=1), gaps)
    np.testing.assert_allclose(smoothed[~gaps].sum(axis=1), 1.0)
    if not gaps.all():
        assert pool_posteriors(smoothed, speech).sum() == pytest.approx(1.0)
