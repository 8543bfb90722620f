"""Temperatures, what inner folds are, and what every model that leaves parameters open chooses by them."""

import json

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from affetto.models.calibration import apply_temperature, fit_temperature, inner_folds, softmax
from affetto.models.estimator import build_estimator, estimator_class, load_estimator

SEARCHED = [
    ("functionals_svm", {"C": [1e-9, 1e-2]}),
    ("statistics_svm", {"C": [1.0, 30.0], "gamma": [1e-9, 0.05]}),
    ("mfcc_forest", {"n_trees": 20, "min_leaf": [20, 1], "max_features": [0.2, 0.5], "max_depth": [1, None]}),
    ("linear", {"features": ["functionals"], "penalty": [1e6, 1.0]}),
    ("kernel_logistic", {"features": ["mfcc"], "penalty": [1e6, 0.1], "width": [0.5, 1.0]}),
]


@pytest.mark.parametrize(("confidence", "right"), [(0.9, 70), (0.99, 80), (0.6, 90)])
def test_temperature_of_a_constant_confidence_has_a_closed_form(confidence, right):
    """With one confidence p and accuracy a, sigmoid(logit(p) / T) must be a."""
    probabilities = np.tile([confidence, 1 - confidence], (100, 1))
    labels = np.r_[np.zeros(right, int), np.ones(100 - right, int)]
    expected = np.log(confidence / (1 - confidence)) / np.log(right / (100 - right))
    found = fit_temperature(probabilities, labels)
    assert found == pytest.approx(expected, rel=1e-3)
    assert apply_temperature(probabilities, found)[0, 0] == pytest.approx(right / 100, abs=1e-3)


@given(st.lists(st.floats(-30, 30), min_size=2, max_size=6), st.floats(0.1, 10))
def test_scaling_divides_the_scores_and_keeps_their_order(scores, temperature):
    probabilities = softmax(np.array([scores]))
    scaled = apply_temperature(probabilities, temperature)
    assert scaled.sum() == pytest.approx(1)
    assert scaled[0, probabilities.argmax()] == pytest.approx(scaled.max())
    if np.ptp(scores) < 20:
        np.testing.assert_allclose(scaled, softmax(np.array([scores]) / temperature), atol=1e-6)


def searched_toy(features, n_groups=12, n_each=8, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.tile(np.arange(4), n_groups * n_each // 4)
    vectors = rng.normal(size=(len(labels), 10)) + 2 * np.eye(4, 10)[labels]
    frames = [vector + rng.normal(size=(20, 10)) for vector in vectors]
    groups = [f"g{i // n_each}" for i in range(len(labels))]
    return features(functionals=vectors, mfcc=frames), [f"e{label}" for label in labels], groups


def searched(values):
    return {key: each for key, each in values.items() if isinstance(each, list) and key != "features"}


def test_inner_folds_keep_groups_whole_and_test_each_clip_once():
    labels, groups = np.tile(np.arange(4), 24), np.repeat(list("abcdefghijkl"), 8)
    tested = []
    for train, test in inner_folds(labels, groups, 3, seed=0):
        assert not {*groups[train]} & {*groups[test]}
        tested += test.tolist()
    assert sorted(tested) == list(range(96))


def test_a_fold_without_which_a_class_is_unknown_is_passed_over():
    labels, groups = np.array([0, 1, 0, 1, 2]), np.array(["a", "a", "b", "b", "c"])
    assert all(2 in labels[train] for train, _ in inner_folds(labels, groups, 3, seed=0))


@pytest.mark.parametrize(("name", "values"), SEARCHED)
def test_a_search_is_recorded_saved_and_gives_the_model_of_its_choice(features, name, values, tmp_path):
    x, y, groups = searched_toy(features)
    model = build_estimator(name, values).fit(x, y, groups)
    lists = searched(values)
    assert len(model.history_) == np.prod([len(each) for each in lists.values()])
    (chosen,) = (row for row in model.history_ if row["chosen"])
    assert chosen["inner_uar"] > 0.5
    by = "inner_log_loss" if name in ("linear", "kernel_logistic") else "inner_uar"
    scores = [row[by] for row in model.history_]
    assert chosen[by] == (max(scores) if by == "inner_uar" else min(scores))
    assert len({row["inner_log_loss"] for row in model.history_}) > 1
    model.save(tmp_path / "model")
    assert load_estimator(tmp_path / "model").history_ == json.loads(json.dumps(model.history_))
    fixed = build_estimator(name, {**values, **{key: chosen[key] for key in lists}}).fit(x, y, groups)
    assert fixed.history_ == []
    other, *_ = searched_toy(features, seed=1)
    answers = (each.predict_proba(other).argmax(axis=1) for each in (model, fixed))
    np.testing.assert_array_equal(*answers)


@pytest.mark.parametrize(("name", "values"), SEARCHED)
def test_with_a_single_group_the_first_candidate_is_taken(features, name, values):
    x, y, _ = searched_toy(features, n_groups=2)
    model = build_estimator(name, values).fit(x, y, ["one"] * len(y))
    first = {key: each[0] for key, each in searched(values).items()}
    fixed = build_estimator(name, {**values, **first}).fit(x, y, ["one"] * len(y))
    np.testing.assert_array_equal(model.predict_proba(x), fixed.predict_proba(x))
    assert model.history_ == []


def test_published_baselines_are_tuned_and_one_has_the_copies_of_the_proposed_model(request):
    file = request.config.rootpath / "conf/benchmark/parameters/emotion.yml"
    sides = yaml.safe_load(file.read_text(encoding="utf-8"))
    models = {name: entry for side in sides.values() for name, entry in side["emotion"]["models"].items()}
    for name, entry in models.items():
        kind = estimator_class(entry["estimator"])
        for parameter in getattr(kind, "tuned", ()):
            assert len(entry["parameters"][parameter]) > 1, f"{name}.{parameter}"
    baselines = [each for each in models.values() if each["role"] == "baseline"]
    varied = [each["augmentation"] for each in baselines if "augmentation" in each]
    assert varied == [models["crnn_lld"]["augmentation"]]
