import fractions

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from affetto.errors import AffettoError
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.models.baselines import count_numbers
from affetto.models.estimator import build_estimator, load_estimator
from affetto.models.logistic import clip_statistics


def toy(n, labels, *, seed=0, spread=0.3):
    rng = np.random.default_rng(seed)
    y = [labels[i % len(labels)] for i in range(n)]
    frames = [
        rng.normal(
            spread * sorted(set(labels)).index(label) * np.arange(3),
            1 + rng.random(3),
            (int(rng.integers(5, 30)), 3),
        )
        for label in y
    ]
    clips = ClipFeatures.from_arrays("mfcc", [f"toy/{i}" for i in range(n)], frames, hop_s=0.02)
    return FeatureSet({"mfcc": clips}), y, [f"g{i // 3}" for i in range(n)]


def test_statistics_equal_numpy():
    frames = np.random.default_rng(0).gamma(2, size=(50, 3)).astype(np.float32)
    percentiles = np.percentile(frames, [5, 25, 50, 75, 95], axis=0).ravel()
    expected = np.concatenate([frames.mean(axis=0), frames.std(axis=0), percentiles])
    names = ("mean", "std", "percentiles")
    np.testing.assert_allclose(clip_statistics(frames, names), expected, rtol=1e-5)
    assert not clip_statistics(np.zeros((0, 3), np.float32), names).any()


@pytest.mark.parametrize("labels", [["a", "b", "c", "d"], ["a", "b"]])
def test_predictions_equal_a_scikit_learn_pipeline(labels):
    x, y, groups = toy(80, labels)
    model = build_estimator("mfcc_svm", {"C": 2.0}).fit(x, y, groups)
    other, _, _ = toy(40, labels, seed=1)
    reference = make_pipeline(StandardScaler(), SVC(C=2.0, class_weight="balanced", break_ties=True))
    vectors = [np.stack([clip_statistics(clip, ("mean", "std")) for clip in s["mfcc"]]) for s in (x, other)]
    reference.fit(vectors[0], y)
    predicted = np.array(model.classes_)[model.predict_proba(other).argmax(axis=1)]
    np.testing.assert_array_equal(predicted, reference.predict(vectors[1]))


def test_saved_model_predicts_the_same(tmp_path):
    x, y, groups = toy(40, ["a", "b", "c"])
    model = build_estimator("mfcc_svm", {"statistics": ["mean", "percentiles"]}).fit(x, y, groups)
    model.save(tmp_path / "model")
    found = load_estimator(tmp_path / "model")
    np.testing.assert_array_equal(found.predict_proba(x), model.predict_proba(x))
    assert found.temperature_ == model.temperature_ != 1
    assert found.n_parameters == model.n_parameters
    assert found.history_ == []


def test_foreign_types_in_a_saved_model_are_refused(tmp_path):
    x, y, groups = toy(12, ["a", "b"])
    model = build_estimator("mfcc_svm").fit(x, y, groups)
    model.save(tmp_path / "model")
    skops.io.dump({"classifier": fractions.Fraction(1, 2)}, tmp_path / "model" / "classifier.skops")
    with pytest.raises(AffettoError, match=r"holds fractions\.Fraction"):
        load_estimator(tmp_path / "model")


def test_probabilities_are_calibrated_on_unseen_groups():
    """Overlapping classes: the mean confidence must be near the accuracy, not near 1."""
    x, y, groups = toy(240, ["a", "b"], spread=0.15)
    model = build_estimator("mfcc_svm", {"C": 30.0}).fit(x, y, groups)
    other, truth, _ = toy(240, ["a", "b"], seed=1, spread=0.15)
    probabilities = model.predict_proba(other)
    accuracy = (np.array(model.classes_)[probabilities.argmax(axis=1)] == np.array(truth)).mean()
    assert probabilities.max(axis=1).mean() == pytest.approx(accuracy, abs=0.08)


def test_few_clips_or_one_group_are_enough():
    x, y, _ = toy(12, ["a", "b", "c"])
    model = build_estimator("mfcc_svm").fit(x, y, ["one"] * 12)
    assert model.temperature_ == 1
    np.testing.assert_allclose(model.predict_proba(x).sum(axis=1), 1)


def test_size_counts_what_is_stored():
    x, y, groups = toy(40, ["a", "b", "c"])
    model = build_estimator("mfcc_svm").fit(x, y, groups)
    scaler, svm = model.classifier_
    library, classifier, example = model.native()
    assert (library, classifier.predict(example).shape) == ("sklearn", (1,))
    n_support = len(svm.support_vectors_)
    assert scaler.mean_.size == 6
    assert model.n_parameters == 12 + n_support * (6 + 2) + 3


def test_forests_are_counted_by_their_nodes():
    forest = RandomForestClassifier(3, random_state=0).fit(np.arange(8)[:, None], [0, 1] * 4)
    assert count_numbers(forest) == sum(tree.tree_.node_count for tree in forest.estimators_)


def test_statistics_of_several_features_stand_side_by_side():
    x, y, groups = toy(24, ["a", "b"])
    both = FeatureSet({"mfcc": x["mfcc"], "midterm": x["mfcc"]})
    twice = build_estimator("mfcc_svm", {"features": ["mfcc", "midterm"], "gamma": 0.1})
    once = build_estimator("mfcc_svm", {"gamma": 0.2})
    assert twice.features == ("mfcc", "midterm")
    np.testing.assert_allclose(
        twice.fit(both, y, groups).predict_proba(both), once.fit(x, y, groups).predict_proba(x), atol=1e-9
    )
