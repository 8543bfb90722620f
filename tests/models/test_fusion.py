import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from affetto.models.fusion import fuse

ROWS = arrays(np.float64, (4, 3), elements=st.floats(0.01, 1)).map(lambda p: p / p.sum(axis=1, keepdims=True))


def test_two_experts_multiply():
    left, right = np.array([[0.8, 0.2]]), np.array([[0.5, 0.5]])
    np.testing.assert_allclose(fuse([left, left], [1, 1]), [[0.64 / 0.68, 0.04 / 0.68]])
    np.testing.assert_allclose(fuse([left, right], [1, 1]), left)


def test_half_weights_are_the_geometric_mean():
    left, right = np.array([[0.6, 0.3, 0.1]]), np.array([[0.2, 0.3, 0.5]])
    product = np.sqrt(left * right)
    np.testing.assert_allclose(fuse([left, right], [0.5, 0.5]), product / product.sum())


@settings(max_examples=40, deadline=None)
@given(ROWS, ROWS, st.floats(0, 3))
def test_rows_sum_to_one_and_order_does_not_matter(left, right, weight):
    found = fuse([left, right], [1, weight])
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_allclose(found, fuse([right, left], [weight, 1]))
    np.testing.assert_allclose(fuse([left, right], [1, 0]), left)


def test_an_impossible_class_stays_improbable():
    assert fuse([np.array([[0.0, 0.5, 0.5]]), np.array([[0.9, 0.05, 0.05]])], [1, 1])[0, 0] < 1e-9


def test_each_array_needs_a_weight():
    with pytest.raises(ValueError, match="1 arrays"):
        fuse([np.ones((1, 2)) / 2], [1, 1])
    with pytest.raises(ValueError, match="0 arrays"):
        fuse([], [])
