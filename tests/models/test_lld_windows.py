import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affetto.models.lld_windows import lld_windows, window_bounds

FRAMING = {"step_s": 0.128, "hop_s": 0.01, "window_s": 0.16}


def ramp(n_frames):
    """Two LLD: the start of each frame in seconds, and a constant."""
    return np.column_stack([0.01 * np.arange(n_frames), np.full(n_frames, 7.0)]).astype(np.float32)


def test_each_window_lies_around_the_middle_of_its_step():
    starts, ends = window_bounds(277, 22, **FRAMING)
    assert np.all(ends[1:-1] - starts[1:-1] == 16)
    frame_centres = 0.01 * (starts + ends - 1) / 2 + 0.03
    np.testing.assert_allclose(frame_centres[1:-1], 0.128 * np.arange(22)[1:-1], atol=0.0101)


def test_windows_of_a_ramp_tell_its_time_and_its_slope():
    n = 277
    windows = lld_windows(ramp(n), 22, **FRAMING)
    starts, ends = window_bounds(n, 22, **FRAMING)
    assert windows.shape == (22, 6)
    assert windows.dtype == np.float32
    np.testing.assert_allclose(windows[:, 0], 0.01 * (starts + ends - 1) / 2, atol=1e-5)
    np.testing.assert_allclose(windows[:, 1], 7, atol=1e-5)
    expected = [0.01 * np.std(np.arange(e - s)) for s, e in zip(starts, ends, strict=True)]
    np.testing.assert_allclose(windows[:, 2], expected, atol=1e-5)
    np.testing.assert_allclose(windows[:, 3], 0, atol=1e-5)
    np.testing.assert_allclose(windows[2:-2, 4:], 0, atol=1e-6)  # a constant slope


def test_the_deviation_of_the_slope_of_a_parabola():
    course = (np.arange(200.0)[:, None] ** 2).astype(np.float32)
    windows = lld_windows(course, 10, **FRAMING)
    np.testing.assert_allclose(windows[2:-2, 2], 2 * np.std(np.arange(16)), rtol=1e-5)


@given(n_frames=st.integers(0, 50), n_steps=st.integers(1, 9), window_s=st.sampled_from([0.01, 0.16, 2.0]))
def test_any_length_gives_finite_windows(n_frames, n_steps, window_s):
    lld = np.random.default_rng(n_frames).normal(size=(n_frames, 3)).astype(np.float32)
    windows = lld_windows(lld, n_steps, step_s=0.128, hop_s=0.01, window_s=window_s)
    assert windows.shape == (n_steps, 9)
    assert np.all(np.isfinite(windows))
    if n_frames == 0:
        assert np.all(windows == 0)


def test_what_is_not_finite_counts_as_zero():
    lld = ramp(40)
    lld[5, 1], lld[6, 1] = np.nan, np.inf
    clean = lld.copy()
    clean[5:7, 1] = 0
    np.testing.assert_array_equal(lld_windows(lld, 4, **FRAMING), lld_windows(clean, 4, **FRAMING))


@pytest.mark.parametrize("hop_s", [0.005, 0.02])
def test_other_hops_read_the_same_moments(hop_s):
    n = int(2.8 / hop_s)
    times = (hop_s * np.arange(n))[:, None].astype(np.float32)
    windows = lld_windows(times, 20, step_s=0.128, hop_s=hop_s, window_s=0.16)
    np.testing.assert_allclose(windows[1:-1, 0] + 0.03, 0.128 * np.arange(20)[1:-1], atol=hop_s + 1e-6)
