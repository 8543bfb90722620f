import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_sample_weight

from affetto.models import training

lengths_strategy = st.lists(st.integers(1, 300), min_size=1, max_size=60).map(np.array)


@given(lengths_strategy, st.integers(1, 6))
def test_few_widths_hold_every_clip(lengths, n_widths):
    widths = training.pad_widths(lengths, n_widths)
    assert len(widths) <= n_widths
    assert widths[-1] == lengths.max()
    assert (np.diff(widths) > 0).all()


@given(lengths_strategy, st.integers(1, 16), st.none() | st.integers(0, 9))
def test_batches_hold_each_clip_once(lengths, batch_size, seed):
    rng = None if seed is None else np.random.default_rng(seed)
    batches = training.bucket_order(lengths, batch_size, rng)
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(len(lengths)))
    assert max(len(batch) for batch in batches) <= batch_size


def test_padding_is_zero_and_lengths_are_true():
    inputs = {"steps": [np.full((n, 2), n, np.float32) for n in (3, 1, 2)], "vector": np.eye(3)}
    batch = training.pad_batch(inputs, np.array([1, 2]), {"steps": np.array([1, 4, 9])})
    np.testing.assert_array_equal(batch["steps"][..., 0], [[1, 0, 0, 0], [2, 2, 0, 0]])
    np.testing.assert_array_equal(batch["steps_lengths"], [1, 2])
    np.testing.assert_array_equal(batch["vector"], np.eye(3)[1:])
    assert batch["vector"].dtype == np.float32
    assert training.pad_batch(inputs, np.array([0]), {"steps": np.array([2])})["steps"].shape == (1, 3, 2)


def test_input_lengths_are_those_of_the_longest_sequence():
    two = {"a": [np.zeros((n, 1)) for n in (1, 5)], "b": [np.zeros((n, 1)) for n in (3, 2)]}
    np.testing.assert_array_equal(training.input_lengths(two), [3, 5])
    np.testing.assert_array_equal(training.input_lengths({"v": np.zeros((2, 4))}), [1, 1])


def test_class_weights_equal_scikit_learn():
    labels = np.array([0, 0, 0, 2, 2, 3])
    found = training.balanced_weights(labels, 5)
    np.testing.assert_allclose(found, compute_sample_weight("balanced", labels), rtol=1e-6)
    assert found.mean() == pytest.approx(1)


def test_smoothed_targets():
    np.testing.assert_allclose(training.smooth_targets(np.array([1]), 4, 0.2), [[0.05, 0.85, 0.05, 0.05]])


def test_rate_rises_then_falls_as_a_cosine():
    parameters = training.TrainingParameters(learning_rate=1.0, warmup_fraction=0.1)
    rates = training.learning_rates(parameters, 100)
    np.testing.assert_allclose(rates[:10], np.arange(1, 11) / 10, rtol=1e-6)
    assert rates[55] == pytest.approx(0.5)
    assert (np.diff(rates[10:]) < 0).all()
    assert rates[-1] < 0.001


def test_mixup_blends_inputs_targets_and_weights_alike():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 4, 2)).astype(np.float32)
    targets = np.eye(6, dtype=np.float32)
    lengths = np.array([1, 2, 3, 4, 4, 2], np.int32)
    batch = {"steps": x, "steps_lengths": lengths}
    mixed, blended, weights = training.mix_batch(batch, targets, np.arange(6.0), alpha=0.4, rng=rng)
    np.testing.assert_allclose(mixed["steps"], np.einsum("ij,jtd->itd", blended, x), rtol=1e-5)
    np.testing.assert_allclose(weights, blended @ np.arange(6.0))
    np.testing.assert_allclose(blended.sum(axis=1), 1)
    assert (np.diag(blended) >= 0.5).all()
    for row in range(6):
        assert mixed["steps_lengths"][row] == lengths[np.flatnonzero(blended[row] > 1e-9)].max()


@given(st.integers(2, 12), st.floats(0.1, 0.5), st.integers(0, 99))
def test_validation_keeps_groups_whole(n_groups, fraction, seed):
    rng = np.random.default_rng(seed)
    groups = np.array([f"g{i}" for i in rng.integers(0, n_groups, 40)], dtype=object)
    labels = rng.integers(0, 3, 40)
    kept, held = training.validation_split(labels, groups, fraction, rng)
    assert not set(groups[kept]) & set(groups[held])
    np.testing.assert_array_equal(np.sort(np.concatenate([kept, held])), np.arange(40))
    if len(set(groups)) > 1:
        assert len(kept)
        assert len(held)


def test_one_group_or_no_fraction_validates_on_nothing():
    labels, rng = np.array([0, 1, 0]), np.random.default_rng(0)
    assert not len(training.validation_split(labels, np.array(["a"] * 3), 0.3, rng)[1])
    assert not len(training.validation_split(labels, np.array(list("abc")), 0.0, rng)[1])


def test_threads_come_from_the_environment(monkeypatch):
    monkeypatch.setenv(training.THREADS_VARIABLE, "1")
    assert training.configure_tensorflow() >= 0


def test_tensorflow_starts_without_a_word():
    main = "from affetto.models.training import configure_tensorflow; configure_tensorflow()"
    done = subprocess.run([sys.executable, "-c", main], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""
