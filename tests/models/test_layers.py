import numpy as np
import pytest

from affetto.models.network import configure_tensorflow

configure_tensorflow()
keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")
layers = pytest.importorskip("affetto.models.layers")

LENGTHS = np.array([9, 4, 1, 7], np.int32)


def sequences(n_inputs=3, seed=0):
    x = np.random.default_rng(seed).normal(size=(len(LENGTHS), 9, n_inputs)).astype(np.float32)
    return x * (np.arange(9)[None, :, None] < LENGTHS[:, None, None])


def keras_lstm(kernel, recurrent, bias):
    """Keras's own LSTM with the same weights; it orders the gates input, forget, cell, output."""
    reference = keras.layers.LSTM(recurrent.shape[0], return_sequences=True)
    reference.build((None, None, kernel.shape[0]))

    def ordered(weights):
        i, c, f, o = np.split(weights.numpy(), 4, axis=-1)
        return np.concatenate([i, f, c, o], axis=-1)

    reference.set_weights([ordered(kernel), ordered(recurrent), ordered(bias)])
    return reference


def test_lstm_equals_keras_in_both_directions():
    x = sequences()
    layer = layers.SequenceLstm(5)
    found = layer(x, LENGTHS).numpy()
    forward, backward = (keras_lstm(*weights) for weights in layer.weights_of)
    for row, length in enumerate(LENGTHS):
        clip = x[row : row + 1, :length]
        np.testing.assert_allclose(found[row, :length, :5], forward(clip)[0], atol=1e-6)
        np.testing.assert_allclose(found[row, :length, 5:], backward(clip[:, ::-1])[0][::-1], atol=1e-6)
        assert not found[row, length:].any()


@pytest.mark.parametrize("deviation", [False, True])
def test_attention_equals_numpy_and_ignores_padding(deviation):
    x = sequences()
    layer = layers.AttentionPooling(deviation=deviation)
    layer.build(x.shape)
    query = np.array([0.5, -1.0, 2.0], np.float32)
    layer.query.assign(query)
    pooled, weights = layer(x + 3, LENGTHS)
    np.testing.assert_allclose(weights.numpy().sum(axis=1), 1, atol=1e-6)
    for row, length in enumerate(LENGTHS):
        clip = x[row, :length] + 3
        expected = np.exp(clip @ query) / np.exp(clip @ query).sum()
        np.testing.assert_allclose(weights[row, :length], expected, rtol=1e-4)
        assert not weights[row, length:].numpy().any()
        mean = expected @ clip
        np.testing.assert_allclose(pooled[row, :3], mean, rtol=1e-4)
        if deviation:
            spread = np.sqrt(expected @ (clip - mean) ** 2 + 1e-4)
            np.testing.assert_allclose(pooled[row, 3:], spread, atol=1e-3)


def test_last_state_reads_each_direction_at_its_end():
    x = sequences(4)
    found = layers.LastState()(x, LENGTHS).numpy()
    for row, length in enumerate(LENGTHS):
        np.testing.assert_array_equal(found[row], [*x[row, length - 1, :2], *x[row, 0, 2:]])
