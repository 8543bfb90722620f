import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affetto.models import training

lengths_strategy = st.lists(st.integers(1, 300), min_size=1, max_size=60).map(np.array)


@given(lengths_strategy, st.integers(1, 16), st.none() | st.integers(0, 9))
def test_batches_hold_each_clip_once(lengths, batch_size, seed):
    rng = None if seed is None else np.random.default_rng(seed)
    batches = training.bucket_order(lengths, batch_size, rng)
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(len(lengths)))
    assert max(len(batch) for batch in batches) <= batch_size


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
