import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from affetto.models.windows import lld_windows, texture_windows, window_starts

FRAMING = {"step_s": 0.128, "hop_s": 0.01, "window_s": 0.16}

frames_strategy = st.tuples(st.integers(1, 60), st.integers(1, 4)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.floats(-1e3, 1e3, width=32))
)


def naive_windows(frames, window, hop):
    rows, start = [], 0
    while start == 0 or start + window <= len(frames):
        part = frames[start : start + window].astype(np.float64)
        rows.append(np.concatenate([part.mean(axis=0), part.std(axis=0)]))
        start += hop
    return np.array(rows)


@given(frames_strategy, st.integers(1, 20), st.integers(1, 20))
def test_texture_windows_equal_a_plain_loop(frames, window, hop):
    found = texture_windows(frames, window, hop)
    expected = naive_windows(frames, window, hop)
    assert found.dtype == np.float32
    assert len(found) == len(window_starts(len(frames), window, hop))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_large_offset_keeps_its_small_deviation():
    frames = (1e4 + np.tile([[0.0], [1.0]], (500, 1))).astype(np.float32)
    np.testing.assert_allclose(texture_windows(frames, 10, 5)[:, 1], 0.5, rtol=1e-4)


def ramp(n_frames):
    """Two LLD: the start of each frame in seconds, and a constant."""
    return np.column_stack([0.01 * np.arange(n_frames), np.full(n_frames, 7.0)]).astype(np.float32)


def test_windows_of_a_ramp_tell_its_time_and_its_slope():
    windows = lld_windows(ramp(277), 22, **FRAMING)
    assert windows.shape == (22, 6)
    assert windows.dtype == np.float32
    # Whole windows lie around the middle of their step; half of a frame of 60 ms is behind its start.
    np.testing.assert_allclose(windows[1:-1, 0] + 0.03, 0.128 * np.arange(22)[1:-1], atol=0.0101)
    np.testing.assert_allclose(windows[:, 1], 7, atol=1e-5)
    np.testing.assert_allclose(windows[1:-1, 2], 0.01 * np.std(np.arange(16)), atol=1e-5)
    np.testing.assert_allclose(windows[:, 3], 0, atol=1e-5)
    np.testing.assert_allclose(windows[2:-2, 4:], 0, atol=1e-6)  # a constant slope


@given(n_frames=st.integers(0, 50), n_steps=st.integers(1, 9), window_s=st.sampled_from([0.01, 0.16, 2.0]))
def test_any_length_gives_finite_windows(n_frames, n_steps, window_s):
    lld = np.random.default_rng(n_frames).normal(size=(n_frames, 3)).astype(np.float32)
    windows = lld_windows(lld, n_steps, step_s=0.128, hop_s=0.01, window_s=window_s)
    assert windows.shape == (n_steps, 9)
    assert np.all(np.isfinite(windows))
    if n_frames == 0:
        assert np.all(windows == 0)
