"""A network that is asked about single clips often is traced, and agrees with the untraced one."""

import numpy as np
import pytest

from affetto.models.estimator import build_estimator

from .test_attention_lstm import SMALL, toy


@pytest.fixture
def model():
    x, y, groups = toy(12, ["calm", "sad"])
    return build_estimator("attention_lstm", {**SMALL, "epochs": 1, "n_members": 2}).fit(x, y, groups)


def test_traced_and_plain_calls_agree_for_every_length(model):
    x, *_ = toy(8, ["calm", "sad"], seed=3, shortest=3)
    together = model.predict_proba(x)
    assert not model._traced  # batches are not
    alone = [model.predict_proba(x.take([i]))[0] for i in range(8)]
    assert len(model._traced) == 2
    np.testing.assert_allclose(alone, together, atol=1e-6)


def test_a_model_that_is_fitted_again_answers_as_a_new_one(model):
    x, y, groups = toy(12, ["calm", "sad"])
    for _ in range(5):
        model.predict_proba(x.take([0]))
    other, y, groups = toy(16, ["calm", "sad"], seed=5)
    model.fit(other, y, groups)
    expected = model.predict_proba(x)[0]
    for _ in range(5):
        np.testing.assert_allclose(model.predict_proba(x.take([0]))[0], expected, atol=1e-6)
