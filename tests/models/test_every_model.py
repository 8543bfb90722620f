"""What every classifier promises: it learns, the seed decides everything, and it can be saved."""

import numpy as np
import pytest

from affetto.models.estimator import ESTIMATORS, build_estimator, load_estimator

LSTM = {"epochs": 12, "units": 8, "batch_size": 16, "learning_rate": 0.02}
CRNN = {
    "epochs": 10, "channels": (6, 8), "n_time_strides": 2, "lstm_units": 6, "crop_s": 0.5, "batch_size": 8,
    "learning_rate": 0.02,
}  # fmt: skip
WITH_LLD = {**CRNN, "lld_windows": {"units": 8}, "augmentation": {"time_stretch": 0.1}}
MODELS = {
    "attention_lstm": {**LSTM, "n_members": 2},
    "lstm": LSTM,
    "attention_lstm_kernel": {"lstm": {**LSTM, "midterm": True}},
    "kernel_logistic": {},
    "statistics_svm": {"features": ["mfcc", "functionals"], "statistics": ["mean", "percentiles"]},
    "crnn": {**CRNN, "n_members": 2, "mixup_alpha": 0.1},
    "crnn_lld": {"crnn": WITH_LLD},
    "linear": {"novelty": True},
    "late_fusion": {
        "branches": {
            "vectors": {"estimator": "linear"},
            "frames": {"estimator": "linear", "parameters": {"features": ["mfcc"]}},
        }
    },
    "functionals_svm": {"C": 0.01},
    "mfcc_forest": {"n_trees": 30},
}
REGRESSORS = {"kernel_ridge", "mean_rating"}


@pytest.fixture(scope="module", params=MODELS)
def fitted(request, toy):
    x, y, groups = toy()
    return build_estimator(request.param, MODELS[request.param], seed=3).fit(x, y, groups), x, y, groups


def test_classes_are_learnt(fitted, toy):
    model, *_ = fitted
    other, truth, _ = toy(36, seed=9)
    probabilities = model.predict_proba(other)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert np.mean(np.array(model.classes_)[probabilities.argmax(axis=1)] == np.array(truth)) > 0.8
    assert model.n_parameters > 0
    if hasattr(model, "members_"):
        assert [entry["epoch"] for entry in model.history_] == [*range(1, 1 + model.parameters.epochs)]
        assert model.history_[-1]["loss"] < model.history_[0]["loss"]


def test_the_same_seed_gives_the_same_model_also_after_saving(fitted, tmp_path):
    model, x, y, groups = fitted
    again = build_estimator(model.name, MODELS[model.name], seed=3).fit(x, y, groups)
    model.save(tmp_path / "model")
    found = load_estimator(tmp_path / "model")
    for other in (again, found):
        np.testing.assert_array_equal(other.predict_proba(x), model.predict_proba(x))
    assert (found.n_parameters, found.history_) == (model.n_parameters, model.history_)
    if model.can_enrol:
        own = x.take([0, 1, 2, 3])
        enrolled = model.predict_proba(x, own)
        np.testing.assert_array_equal(found.predict_proba(x, own), enrolled)
        assert not np.array_equal(enrolled, model.predict_proba(x))
    if (novelty := model.novelty(x)) is not None:
        np.testing.assert_allclose(found.novelty(x), novelty, atol=1e-5)
        assert 0 <= novelty.min() <= novelty.max() <= 2
    assert (model.novelty(x) is not None) == (model.name == "linear")


def test_attention_sums_to_1_over_rising_times(fitted):
    model, x, *_ = fitted
    assert (model.attention(x) is None) == (not model.attends)
    for clip, times, weights in zip(x["log_mel"], *(model.attention(x) or ([], [])), strict=False):
        assert times.shape == weights.shape
        assert weights.sum() == pytest.approx(1)
        assert times[0] == 0
        assert (np.diff(times) > 0).all()
        assert times[-1] < len(clip) * 0.016


def test_every_model_is_built_by_its_name():
    assert set(MODELS) | REGRESSORS == set(ESTIMATORS)
    for name in set(ESTIMATORS) - {"late_fusion"}:
        model = build_estimator(name, seed=3)
        assert (model.name, model.seed) == (name, 3)
        assert model.features
