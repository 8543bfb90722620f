import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affetto.models import training
from affetto.models.estimator import build_estimator

from .test_crnn import SMALL, toy

lengths_strategy = st.lists(st.integers(1, 300), min_size=1, max_size=60).map(np.array)


@given(lengths_strategy, st.integers(1, 16), st.none() | st.integers(0, 9))
def test_batches_hold_each_clip_once(lengths, batch_size, seed):
    rng = None if seed is None else np.random.default_rng(seed)
    batches = training.bucket_order(lengths, batch_size, rng)
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(len(lengths)))
    assert max(len(batch) for batch in batches) <= batch_size


def test_padding_is_zero_and_lengths_are_true():
    inputs = {"steps": [np.full((n, 2), n, np.float32) for n in (3, 1, 2)]}
    batch = training.pad_batch(inputs, np.array([1, 2]), {"steps": np.array([1, 4, 9])})
    np.testing.assert_array_equal(batch["steps"][..., 0], [[1, 0, 0, 0], [2, 2, 0, 0]])
    np.testing.assert_array_equal(batch["steps_lengths"], [1, 2])
    assert training.pad_batch(inputs, np.array([0]), {"steps": np.array([2])})["steps"].shape == (1, 3, 2)
    two = {"a": [np.zeros((n, 1)) for n in (1, 5)], "b": [np.zeros((n, 1)) for n in (3, 2)]}
    np.testing.assert_array_equal(training.input_lengths(two), [3, 5])


def test_rate_rises_then_falls_as_a_cosine():
    rates = training.learning_rates(1.0, 100)
    np.testing.assert_allclose(rates[:10], np.arange(1, 11) / 10, rtol=1e-6)
    assert rates[55] == pytest.approx(0.5)
    assert (np.diff(rates[10:]) < 0).all()
    assert rates[-1] < 0.001


@pytest.mark.parametrize("share", [np.full(6, 0.2), np.float32([0.9, 0.1, 0.5, 0.7, 0.3, 0.6])])
def test_mixup_blends_all_that_it_is_given_alike(share):
    rng = np.random.default_rng(0)
    steps, identity = rng.normal(size=(6, 4, 2)).astype(np.float32), np.eye(6, dtype=np.float32)
    lengths = np.array([1, 2, 3, 4, 4, 2], np.int32)
    given = {"steps": steps, "steps_lengths": lengths, "targets": identity, "weights": np.arange(6.0)}
    mixed = training.mix(given, share, rng)
    blended = mixed["targets"]
    np.testing.assert_allclose(mixed["steps"], np.einsum("ij,jtd->itd", blended, steps), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mixed["weights"], blended @ np.arange(6.0), rtol=1e-6)
    np.testing.assert_allclose(blended.sum(axis=1), 1, atol=1e-6)
    assert (np.diag(blended) >= 0.5).all()
    for row in range(6):
        assert mixed["steps_lengths"][row] == lengths[np.flatnonzero(blended[row] > 1e-9)].max()


@pytest.fixture(autouse=True)
def no_graph_yet():
    training.training_graph.cache_clear()


def network(n_units=3, *, seed=0):
    import keras

    random.seed(seed)
    inputs = {"x": keras.Input((None, 4), name="x"), "x_lengths": keras.Input((), name="x_lengths")}
    hidden = keras.layers.BatchNormalization(name="normalised")(inputs["x"])
    hidden = keras.layers.Dropout(0.3, name="dropout")(keras.layers.Dense(n_units, name="hidden")(hidden))
    pooled = keras.layers.GlobalAveragePooling1D(name="pooled")(hidden)
    return keras.Model(inputs, {"logits": keras.layers.Dense(2, name="logits")(pooled)}, name="toy")


def train(model, *, n_clips=12, **parameters):
    """Train; return the weights before and after, and how many graphs were made so far."""
    rng = np.random.default_rng(0)
    inputs = {"x": [rng.normal(size=(5, 4)).astype(np.float32) for _ in range(n_clips)]}
    chosen = training.TrainingParameters(**{"epochs": 2, "batch_size": 6, "learning_rate": 0.05} | parameters)
    before = model.get_weights()
    training.Loop(model, inputs, np.arange(n_clips) % 2, chosen, seed=0).run()
    return before, model.get_weights(), training.training_graph.cache_info().misses


def assert_same(weights, others):
    for one, two in zip(weights, others, strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_graph_that_trained_another_network_trains_as_a_new_one_would():
    _, expected, _ = train(network(seed=1))
    training.training_graph.cache_clear()
    first = network(seed=2)
    before, other, _ = train(first)
    _, found, made = train(network(seed=1))
    assert made == 1
    assert_same(found, expected)
    assert_same(first.get_weights(), other)
    assert not np.array_equal(other[-2], before[-2])
    assert not np.array_equal(other[-2], found[-2])


def test_what_is_compiled_in_is_not_shared_and_the_rest_is():
    for shared in ({}, {"epochs": 3, "learning_rate": 0.1, "mixup_alpha": 0.2}, {"n_clips": 9}):
        assert train(network(), **shared)[2] == 1
    assert train(network(), weight_decay=0.3)[2] == 2
    assert train(network(), ema_momentum=0.0)[2] == 3
    assert train(network(4))[2] == 4
    assert training.training_graph.cache_info().currsize == 2


def test_networks_of_other_training_clips_share_a_graph():
    x, y, groups = toy(18)
    tiny = {**SMALL, "epochs": 1}
    for seed, n in ((0, 18), (5, 12)):
        build_estimator("crnn", tiny, seed=seed).fit(x.take(range(n)), y[:n], groups[:n])
    assert training.training_graph.cache_info().misses == 1
