import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from affetto.recommendation.parameters import TimelineParameters
from affetto.recommendation.steps import plan_steps

PARAMETERS = TimelineParameters()


@pytest.mark.parametrize("silence_s", [0.0, 3.0, 500.0])
def test_a_few_seconds_of_speech_are_one_step_wherever_they_are(silence_s):
    speech = silence_s + np.array([[1.0, 2.0], [3.0, 4.5], [8.0, 9.0]])
    (step,) = plan_steps(silence_s + 10.0, speech, PARAMETERS)
    heard = (silence_s + 1.0, silence_s + 9.0)
    assert (step.start_s, step.end_s, step.speech_s, step.window) == (0.0, silence_s + 10.0, 3.5, heard)


def test_a_few_seconds_of_speech_far_apart_are_many_steps():
    steps = plan_steps(60.0, np.array([[1.0, 3.0], [20.0, 22.0]]), PARAMETERS)
    assert [number for number, step in enumerate(steps) if step.window] == [1, 2, 20, 21]


def test_steps_of_a_long_recording():
    steps = plan_steps(13.5, np.array([[2.0, 4.2], [4.4, 6.0], [8.95, 9.3], [10.5, 12.7]]), PARAMETERS)
    assert [(step.start_s, step.end_s) for step in steps][:2] == [(0.0, 1.0), (1.0, 2.0)]
    assert (steps[-1].start_s, steps[-1].end_s) == (13.0, 13.5)
    spoken = [0, 0, 1, 1, 0.8, 1, 0, 0, 0.05, 0.3, 0.5, 1, 0.7, 0]
    assert [step.speech_s for step in steps] == pytest.approx(spoken)
    heard = {number: step.window for number, step in enumerate(steps) if step.window}
    # Windows of 3 s around the middle, cut to the speech in them; 0.05 s of speech in a step are too little.
    assert heard == {
        2: pytest.approx((2.0, 4.0)),
        3: pytest.approx((2.0, 5.0)),
        4: pytest.approx((3.0, 6.0)),
        5: pytest.approx((4.0, 6.0)),
        9: pytest.approx((8.95, 11.0)),
        10: pytest.approx((9.0, 12.0)),
        11: pytest.approx((10.5, 12.7)),
        12: pytest.approx((11.0, 12.7)),
    }


def test_a_recording_without_speech_has_no_window():
    steps = plan_steps(8.0, np.zeros((0, 2)), PARAMETERS)
    assert not any(step.window or step.speech_s for step in steps)


stretches = st.lists(st.tuples(st.floats(0.0, 3.0), st.floats(0.02, 4.0)), max_size=8).map(
    lambda pairs: (
        np.array([pause_or_talk for pair in pairs for pause_or_talk in pair]).cumsum().reshape(-1, 2)
    )
)


@given(stretches, st.floats(6.1, 40.0))
def test_steps_follow_each_other_and_share_out_the_speech(speech, duration_s):
    steps = plan_steps(duration_s, speech, PARAMETERS)
    assert steps[0].start_s == 0.0
    assert steps[-1].end_s == pytest.approx(duration_s)
    assert all(one.end_s == other.start_s for one, other in itertools.pairwise(steps))
    total = np.diff(np.clip(speech, 0, duration_s), axis=1).sum()
    assert sum(step.speech_s for step in steps) == pytest.approx(total, abs=1e-4)
    starts = [step.window[0] for step in steps if step.window]
    assert starts == sorted(starts)
    longest = 3.0 if len(steps) > 1 else 2 * PARAMETERS.longer_than_s
    assert all(0 < step.window[1] - step.window[0] <= longest + 1e-9 for step in steps if step.window)


@given(stretches.filter(len), st.floats(0.0, 100.0))
def test_silence_at_the_end_changes_nothing(speech, silence_s):
    duration_s = max(6.5, float(speech[-1, 1]))
    short = [step for step in plan_steps(duration_s, speech, PARAMETERS) if step.window]
    longer = [step for step in plan_steps(duration_s + silence_s, speech, PARAMETERS) if step.window]
    assert [(step.start_s, step.speech_s, step.window) for step in short] == [
        (step.start_s, step.speech_s, step.window) for step in longer
    ]


@pytest.mark.parametrize("wrong", [{"hop_s": 4.0}, {"min_speech_s": 3.5}])
def test_lengths_must_fit_into_the_window(wrong):
    with pytest.raises(ValidationError, match="must not exceed window_s"):
        TimelineParameters(**wrong)
