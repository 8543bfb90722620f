import numpy as np
import pytest

from affetto.models import training_graph as graphs
from affetto.models.training import TrainingParameters, seed_keras

from .test_crnn_windows import SMALL, toy

PARAMETERS = TrainingParameters(learning_rate=0.05)


@pytest.fixture(autouse=True)
def nothing_idle(monkeypatch):
    monkeypatch.setattr(graphs, "_idle", type(graphs._idle)())


def network(n_units=3, *, seed=0):
    import keras

    seed_keras(seed)
    inputs = {"x": keras.Input((4,), name="x")}
    hidden = keras.layers.BatchNormalization(name="normalised")(inputs["x"])
    hidden = keras.layers.Dropout(0.3, name="dropout")(keras.layers.Dense(n_units, name="hidden")(hidden))
    return keras.Model(inputs, {"logits": keras.layers.Dense(2, name="logits")(hidden)}, name="toy")


def train(model, parameters=PARAMETERS, *, n_steps=5):
    rng = np.random.default_rng(0)
    with graphs.training_graph(model, parameters) as graph:
        for _ in range(n_steps):
            batch = {"x": rng.normal(size=(6, 4)).astype(np.float32)}
            targets = np.eye(2, dtype=np.float32)[rng.integers(2, size=6)]
            graph.step(batch, targets, np.ones(6, np.float32), np.float32(0.05), np.float32(0.9))
        graph.forward(batch)
    return graph, model.get_weights()


def test_a_graph_that_trained_another_network_trains_as_a_new_one_would():
    fresh, expected = train(network(seed=1))
    graphs._idle.clear()
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
    [{"weight_decay": 0.3}, {"clip_norm": 0.1}, {"ema_momentum": 0.0}, {"auxiliary_weight": 0.9}],
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
        graphs.training_graph(network(), PARAMETERS) as one,
        graphs.training_graph(network(), PARAMETERS) as two,
    ):
        assert one is not two
    for n_units in range(1, 6):
        train(network(n_units))
    assert len(graphs._idle) == graphs._MOST_IDLE


def test_a_graph_is_dropped_when_training_fails():
    with pytest.raises(RuntimeError), graphs.training_graph(network(), PARAMETERS):
        raise RuntimeError
    assert not graphs._idle


def test_networks_of_other_training_clips_share_a_graph():
    from affetto.models.registry import build_estimator

    x, y, groups = toy(18)
    tiny = {**SMALL, "epochs": 1}
    build_estimator("crnn", tiny).fit(x, y, groups)
    (graph,) = graphs._idle.values()
    build_estimator("crnn", tiny, seed=5).fit(x.take(range(12)), y[:12], groups[:12])
    assert list(graphs._idle.values()) == [graph]
    assert graph.step.experimental_get_tracing_count() == 1
