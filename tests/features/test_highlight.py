import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affetto.features.highlight import find_highlight


def test_window_lies_on_the_attended_step():
    found = find_highlight([0, 10, 20, 30], [0.1, 0.1, 0.7, 0.1], 40, highlight_s=10)
    assert (found.start_s, found.end_s) == (20, 30)
    assert found.attention == pytest.approx(0.7)
    short = find_highlight([0, 1], [0.5, 0.5], 2.5, highlight_s=15)  # is its own
    assert short == (0, 2.5, pytest.approx(1))


@pytest.mark.parametrize(("times", "weights"), [(None, None), ([], []), ([0, 1], [0, 0])])
def test_without_attention_the_beginning(times, weights):
    found = find_highlight(times, weights, 60.0)
    assert (found.start_s, found.end_s) == (0, 15)
    assert math.isnan(found.attention)


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=20), st.floats(1.0, 60.0), st.floats(0.5, 20))
def test_no_window_on_a_fine_grid_holds_more(weights, duration_s, length):
    steps = np.linspace(0, duration_s, len(weights), endpoint=False)
    found = find_highlight(steps, weights, duration_s, highlight_s=length)
    edges = np.append(steps, duration_s)
    mass = np.append(0, np.cumsum(weights)) / np.sum(weights)
    span = min(length, duration_s)
    starts = np.linspace(0, duration_s - span, 200)
    inside = np.interp(starts + span, edges, mass) - np.interp(starts, edges, mass)
    assert found.attention >= inside.max() - 1e-6
    assert found.start_s >= 0
    assert found.end_s <= duration_s + 1e-9
    assert found.end_s - found.start_s == pytest.approx(span)
