import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st

from affetto.audio.decode import DecodeError, read_audio
from affetto.recommendation.blocks import cut_windows, read_blocks


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_blocks_are_the_recording_without_seams(tmp_path, monkeypatch, rate, channels):
    monkeypatch.setattr("affetto.audio.sndfile._BLOCK_SAMPLES", 5_000)
    path = tmp_path / "a.wav"
    sf.write(path, 0.3 * np.random.default_rng(0).normal(size=(rate, channels)), rate, subtype="FLOAT")
    blocks = list(read_blocks(path, [16_000, rate, 22_050]))
    assert len(blocks) > 1
    for wanted in (16_000, rate, 22_050):
        whole, _ = read_audio(path, sample_rate_hz=wanted)
        joined = np.concatenate([block[wanted] for block in blocks])
        assert abs(len(joined) - len(whole)) <= 1
        size = min(len(joined), len(whole))
        np.testing.assert_allclose(joined[:size], whole[:size], atol=2e-4)


def test_a_broken_file_is_said(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"RIFF, but no more")
    with pytest.raises(DecodeError):
        list(read_blocks(tmp_path / "a.wav", [16_000]))


@given(
    st.lists(st.integers(0, 700), min_size=1, max_size=12),
    st.lists(st.tuples(st.floats(0, 30), st.floats(0, 5)), max_size=10),
)
def test_windows_are_those_of_the_whole_recording(sizes, windows):
    recording = np.arange(sum(sizes), dtype=np.float32)
    blocks = ({100: part} for part in np.split(recording, np.cumsum(sizes)[:-1]))
    spans = [(start, start + length) for start, length in sorted(windows)]
    found = list(cut_windows(blocks, spans, [100]))
    assert len(found) == len(spans)
    for (start, end), samples in zip(spans, found, strict=True):
        np.testing.assert_array_equal(samples[100], recording[round(start * 100) : round(end * 100)])


def test_only_what_is_needed_is_kept():
    alive = []

    def blocks():
        for number in range(100):
            alive.append(number)
            yield {100: np.full(100, number, np.float32)}

    cut = cut_windows(blocks(), [(2.0, 4.0), (50.0, 51.0)], [100])
    assert len(next(cut)[100]) == 200
    assert alive == [0, 1, 2, 3]  # nothing is decoded before it is needed
    np.testing.assert_array_equal(next(cut)[100], 50)
