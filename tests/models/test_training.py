import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affetto.models import training
from affetto.models.estimator import build_estimator

from .test_crnn_windows import SMALL, toy

lengths_strategy = st.lists(st.integers(1, 300), min_size=1, max_size=60).map(np.array)


@given(lengths_strategy)
def test_few_widths_hold_every_clip(lengths):
    widths = training.pad_widths(lengths)
    assert len(widths) <= 4
    assert widths[-1] == lengths.max()
    assert (np.diff(widths) > 0).all()


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


def test_input_lengths_are_those_of_the_longest_sequence():
    two = {"a": [np.zeros((n, 1)) for n in (1, 5)], "b": [np.zeros((n, 1)) for n in (3, 2)]}
    np.testing.assert_array_equal(training.input_lengths(two), [3, 5])


def test_rate_rises_then_falls_as_a_cosine():
    rates = training.learning_rates(1.0, 100)
    np.testing.assert_allclose(rates[:10], np.arange(1, 11) / 10, rtol=1e-6)
    assert rates[55] == pytest.approx(0.5)
    assert (np.diff(rates[10:]) < 0).all()
    assert rates[-1] < 0.001


@pytest.mark.parametrize("share", [0.2, np.float32([0.9, 0.1, 0.5, 0.7, 0.3, 0.6])], ids=["one", "a clip"])
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


PARAMETERS = training.TrainingParameters(learning_rate=0.05)


@pytest.fixture(autouse=True)
def nothing_idle(monkeypatch):
    monkeypatch.setattr(training, "_idle", type(training._idle)())


def network(n_units=3, *, seed=0):
    import keras

    random.seed(seed)
    inputs = {"x": keras.Input((4,), name="x")}
    hidden = keras.layers.BatchNormalization(name="normalised")(inputs["x"])
    hidden = keras.layers.Dropout(0.3, name="dropout")(keras.layers.Dense(n_units, name="hidden")(hidden))
    return keras.Model(inputs, {"logits": keras.layers.Dense(2, name="logits")(hidden)}, name="toy")


def train(model, parameters=PARAMETERS, *, n_steps=5):
    rng = np.random.default_rng(0)
    with training.training_graph(model, parameters) as graph:
        for _ in range(n_steps):
            batch = {"x": rng.normal(size=(6, 4)).astype(np.float32)}
            targets = np.eye(2, dtype=np.float32)[rng.integers(2, size=6)]
            graph.step(batch, targets, np.ones(6, np.float32), np.float32(0.05), np.float32(0.9))
        graph.forward(batch)
    return graph, model.get_weights()


def test_a_graph_that_trained_another_network_trains_as_a_new_one_would():
    fresh, expected = train(network(seed=1))
    training._idle.clear()
    used, other = train(network(seed=2))
    again, found = train(network(seed=1))

    assert again is used is not fresh
    assert again.step.experimental_get_tracing_count() == 1
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(found[0], other[0])


def test_the_given_network_is_trained_and_an_earlier_one_left_alone():
    first, second = network(seed=1), network(seed=1)
    before = first.get_weights()
    _, trained = train(first)
    train(second, n_steps=9)

    assert not np.array_equal(trained[-2], before[-2])
    for one, two in zip(first.get_weights(), trained, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    "parameters",
    [{"weight_decay": 0.3}, {"ema_momentum": 0.0}],
)
def test_what_is_compiled_in_is_not_shared(parameters):
    graph, _ = train(network())
    assert train(network(), PARAMETERS.model_copy(update=parameters))[0] is not graph
    assert train(network(4))[0] is not graph


def test_what_is_not_compiled_in_is_shared():
    graph, _ = train(network())
    assert train(network(), PARAMETERS.model_copy(update={"epochs": 3, "learning_rate": 0.1}))[0] is graph


def test_two_borrowers_never_share_and_few_graphs_are_kept():
    with (
        training.training_graph(network(), PARAMETERS) as one,
        training.training_graph(network(), PARAMETERS) as two,
    ):
        assert one is not two
    for n_units in range(1, 6):
        train(network(n_units))
    assert len(training._idle) == training._MOST_IDLE


def test_a_graph_is_dropped_when_training_fails():
    with pytest.raises(RuntimeError), training.training_graph(network(), PARAMETERS):
        raise RuntimeError
    assert not training._idle


def test_networks_of_other_training_clips_share_a_graph():
    x, y, groups = toy(18)
    tiny = {**SMALL, "epochs": 1}
    build_estimator("crnn", tiny).fit(x, y, groups)
    (graph,) = training._idle.values()
    build_estimator("crnn", tiny, seed=5).fit(x.take(range(12)), y[:12], groups[:12])
    assert list(training._idle.values()) == [graph]
    assert graph.step.experimental_get_tracing_count() == 1
