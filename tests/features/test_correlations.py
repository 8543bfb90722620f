"""Rank correlations of descriptors: SciPy's Spearman is the reference."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from affetto.features.correlations import correlation_names, rank_correlations
from affetto.features.extractors import describe, dimensions_of, extract_one, parse_description
from affetto.features.parameters import OpenSmileParameters


def test_they_are_spearmans_with_shared_ranks():
    values = np.random.default_rng(0).normal(size=(50, 4)).round(1)  # rounding makes ties
    expected = spearmanr(values).statistic[np.triu_indices(4, 1)]
    np.testing.assert_allclose(rank_correlations(values)[0], expected, atol=1e-6)


def test_a_monotone_change_of_a_descriptor_changes_nothing():
    values = np.random.default_rng(1).normal(size=(30, 3))
    np.testing.assert_array_equal(rank_correlations(values), rank_correlations(np.exp(3 * values) - 5))


@pytest.mark.parametrize("n_frames", [1, 2, 7])
def test_constant_descriptors_and_single_frames_give_zeros(n_frames):
    values = np.column_stack([np.arange(n_frames), np.ones(n_frames), -np.arange(n_frames)])
    found = rank_correlations(values)[0]
    moving = -1.0 if n_frames > 1 else 0.0
    np.testing.assert_allclose(found, [0.0, moving, 0.0], atol=1e-6)


def test_names_are_in_the_order_of_the_values():
    assert correlation_names(["a", "b", "c"]) == ("a~b", "a~c", "b~c")


def test_opensmile_yields_them_as_a_level_of_its_own():
    samples = (0.1 * np.random.default_rng(0).normal(size=16_000)).astype(np.float32)
    parameters = OpenSmileParameters(level="correlations")
    lld = extract_one(samples, 16_000, OpenSmileParameters(level="lld"))
    found = extract_one(samples, 16_000, parameters)
    np.testing.assert_array_equal(found, rank_correlations(lld))
    assert found.shape == (1, len(dimensions_of(parameters))) == (1, 2080)
    assert parse_description(describe(parameters)) == parameters
