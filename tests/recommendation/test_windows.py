import itertools

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from affetto.audio.decode import read_audio
from affetto.audio.recording import DecodeError
from affetto.recommendation.parameters import TimelineParameters
from affetto.recommendation.windows import cut_windows, plan_windows, read_chunks


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_chunks_are_the_recording_without_seams(tmp_path, monkeypatch, rate, channels):
    monkeypatch.setattr("affetto.audio.decoders._BLOCK_SAMPLES", 5_000)
    path = tmp_path / "a.wav"
    sf.write(path, 0.3 * np.random.default_rng(0).normal(size=(rate, channels)), rate, subtype="FLOAT")
    chunks = list(read_chunks(path, [16_000, rate, 22_050]))
    assert len(chunks) > 1
    for wanted in (16_000, rate, 22_050):
        whole, _ = read_audio(path, sample_rate_hz=wanted)
        joined = np.concatenate([chunk[wanted] for chunk in chunks])
        assert abs(len(joined) - len(whole)) <= 1
        size = min(len(joined), len(whole))
        np.testing.assert_allclose(joined[:size], whole[:size], atol=2e-4)


def test_a_broken_file_is_said(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"RIFF, but no more")
    with pytest.raises(DecodeError):
        list(read_chunks(tmp_path / "a.wav", [16_000]))


@given(
    st.lists(st.integers(0, 700), min_size=1, max_size=12),
    st.lists(st.tuples(st.floats(0, 30), st.floats(0, 5)), max_size=10),
)
def test_windows_are_those_of_the_whole_recording(sizes, lengths):
    recording = np.arange(sum(sizes), dtype=np.float32)
    chunks = ({100: part} for part in np.split(recording, np.cumsum(sizes)[:-1]))
    spans = [(start, start + length) for start, length in sorted(lengths)]
    found = list(cut_windows(chunks, spans, [100]))
    assert len(found) == len(spans)
    for (start, end), samples in zip(spans, found, strict=True):
        np.testing.assert_array_equal(samples[100], recording[round(start * 100) : round(end * 100)])


def test_only_what_is_needed_is_kept():
    alive = []

    def chunks():
        for number in range(100):
            alive.append(number)
            yield {100: np.full(100, number, np.float32)}

    cut = cut_windows(chunks(), [(2.0, 4.0), (50.0, 51.0)], [100])
    assert len(next(cut)[100]) == 200
    assert alive == [0, 1, 2, 3]  # nothing is decoded before it is needed
    np.testing.assert_array_equal(next(cut)[100], 50)


PARAMETERS = TimelineParameters()


@pytest.mark.parametrize("silence_s", [0.0, 3.0, 500.0])
def test_a_few_seconds_of_speech_are_one_window_wherever_they_are(silence_s):
    speech = silence_s + np.array([[1.0, 2.0], [3.0, 4.5], [8.0, 9.0]])
    (window,) = plan_windows(silence_s + 10.0, speech, PARAMETERS)
    heard = (silence_s + 1.0, silence_s + 9.0)
    assert (window.start_s, window.end_s, window.speech_s, window.span) == (0.0, silence_s + 10.0, 3.5, heard)


def test_a_few_seconds_of_speech_far_apart_are_many_windows():
    windows = plan_windows(60.0, np.array([[1.0, 3.0], [20.0, 22.0]]), PARAMETERS)
    assert [number for number, window in enumerate(windows) if window.span] == [1, 2, 20, 21]


def test_windows_of_a_long_recording():
    windows = plan_windows(13.5, np.array([[2.0, 4.2], [4.4, 6.0], [8.95, 9.3], [10.5, 12.7]]), PARAMETERS)
    assert [(window.start_s, window.end_s) for window in windows][:2] == [(0.0, 1.0), (1.0, 2.0)]
    assert (windows[-1].start_s, windows[-1].end_s) == (13.0, 13.5)
    spoken = [0, 0, 1, 1, 0.8, 1, 0, 0, 0.05, 0.3, 0.5, 1, 0.7, 0]
    assert [window.speech_s for window in windows] == pytest.approx(spoken)
    heard = {number: window.span for number, window in enumerate(windows) if window.span}
    # Windows of 3 s around the middle, cut to the speech in them; 0.05 s of speech are too little.
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
    windows = plan_windows(8.0, np.zeros((0, 2)), PARAMETERS)
    assert not any(window.span or window.speech_s for window in windows)


stretches = st.lists(st.tuples(st.floats(0.0, 3.0), st.floats(0.02, 4.0)), max_size=8).map(
    lambda pairs: (
        np.array([pause_or_talk for pair in pairs for pause_or_talk in pair]).cumsum().reshape(-1, 2)
    )
)


@given(stretches, st.floats(6.1, 40.0))
def test_windows_follow_each_other_and_share_out_the_speech(speech, duration_s):
    windows = plan_windows(duration_s, speech, PARAMETERS)
    assert windows[0].start_s == 0.0
    assert windows[-1].end_s == pytest.approx(duration_s)
    assert all(one.end_s == other.start_s for one, other in itertools.pairwise(windows))
    total = np.diff(np.clip(speech, 0, duration_s), axis=1).sum()
    assert sum(window.speech_s for window in windows) == pytest.approx(total, abs=1e-4)
    starts = [window.span[0] for window in windows if window.span]
    assert starts == sorted(starts)
    longest = 3.0 if len(windows) > 1 else 2 * PARAMETERS.longer_than_s
    assert all(0 < window.span[1] - window.span[0] <= longest + 1e-9 for window in windows if window.span)


@given(stretches.filter(len), st.floats(0.0, 100.0))
def test_silence_at_the_end_changes_nothing(speech, silence_s):
    duration_s = max(6.5, float(speech[-1, 1]))
    short = [window for window in plan_windows(duration_s, speech, PARAMETERS) if window.span]
    longer = [window for window in plan_windows(duration_s + silence_s, speech, PARAMETERS) if window.span]
    assert [(window.start_s, window.speech_s, window.span) for window in short] == [
        (window.start_s, window.speech_s, window.span) for window in longer
    ]


@pytest.mark.parametrize("wrong", [{"hop_s": 4.0}, {"min_speech_s": 3.5}])
def test_lengths_must_fit_into_the_window(wrong):
    with pytest.raises(ValidationError, match="must not exceed window_s"):
        TimelineParameters(**wrong)
