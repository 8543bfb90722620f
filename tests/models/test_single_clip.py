"""A network that is asked about single clips often is traced, and agrees with the untraced one."""

import gc
import weakref

import keras
import numpy as np

from affetto.models import single_clip
from affetto.models.single_clip import call_network


def network():
    inputs = {
        "steps": keras.Input((None, 3), name="steps"),
        "steps_lengths": keras.Input((), name="steps_lengths", dtype="int32"),
    }
    logits = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling1D()(inputs["steps"]))
    return keras.Model(inputs, {"logits": logits})


def batch(n_clips, n_steps, seed=0):
    steps = np.random.default_rng(seed).normal(size=(n_clips, n_steps, 3)).astype(np.float32)
    return {"steps": steps, "steps_lengths": np.full(n_clips, n_steps, np.int32)}


def test_traced_and_plain_calls_agree_for_every_length():
    model = network()
    for n_steps in (4, 9, 1, 5, 4, 30):
        expected = model(batch(1, n_steps), training=False)["logits"]
        np.testing.assert_allclose(call_network(model, batch(1, n_steps))["logits"], expected, atol=1e-6)
    assert model in single_clip._TRACED


def test_batches_are_not_traced():
    model = network()
    for _ in range(6):
        assert call_network(model, batch(2, 4))["logits"].shape == (2, 2)
    assert model not in single_clip._TRACED


def test_weights_that_change_later_are_heard():
    model = network()
    for _ in range(5):
        call_network(model, batch(1, 4))
    model.set_weights([2 * value for value in model.get_weights()])
    expected = model(batch(1, 4), training=False)["logits"]
    np.testing.assert_allclose(call_network(model, batch(1, 4))["logits"], expected, atol=1e-6)


def test_a_model_is_forgotten_with_its_last_user():
    model = network()
    for _ in range(5):
        call_network(model, batch(1, 4))
    gone = weakref.ref(model)
    del model
    keras.backend.clear_session()
    gc.collect()
    assert gone() is None
