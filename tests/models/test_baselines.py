"""The baselines are classifiers of scikit-learn, tuned and calibrated on groups that they have not seen."""

import fractions

import numpy as np
import pytest
import skops.io
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from affetto.errors import AffettoError
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.models.calibration import inner_folds
from affetto.models.estimator import build_estimator, load_estimator
from affetto.models.vectors import Standardiser, clip_vectors


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
    frames = [np.random.default_rng(0).gamma(2, size=(50, 3)).astype(np.float32), np.zeros((0, 3))]
    x = FeatureSet({"mfcc": ClipFeatures.from_arrays("mfcc", ["a", "none"], frames, hop_s=0.02)})
    percentiles = np.percentile(frames[0], [5, 25, 50, 75, 95], axis=0).ravel()
    expected = np.concatenate([frames[0].mean(axis=0), frames[0].std(axis=0), percentiles])
    found = clip_vectors(x, ["mfcc"], ["mean", "std", "percentiles"])
    np.testing.assert_allclose(found, [expected, np.zeros(21)], rtol=1e-5)
    twice = clip_vectors(FeatureSet({**x, "midterm": x["mfcc"]}), ["mfcc", "midterm"], ["mean"])
    np.testing.assert_array_equal(twice[:, 3:], twice[:, :3])


@pytest.mark.parametrize("labels", [["a", "b", "c", "d"], ["a", "b"]])
def test_predictions_equal_a_scikit_learn_pipeline(labels):
    x, y, groups = toy(80, labels)
    model = build_estimator("statistics_svm", {"C": 2.0}).fit(x, y, groups)
    other, _, _ = toy(40, labels, seed=1)
    reference = make_pipeline(StandardScaler(), SVC(C=2.0, class_weight="balanced", break_ties=True))
    vectors = [clip_vectors(s, ["mfcc"], ["mean", "std"]) for s in (x, other)]
    reference.fit(vectors[0], y)
    predicted = np.array(model.classes_)[model.predict_proba(other).argmax(axis=1)]
    np.testing.assert_array_equal(predicted, reference.predict(vectors[1]))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("statistics_svm", {"statistics": ["mean", "percentiles"]}),
        ("functionals_svm", {"C": 0.01}),
        ("mfcc_forest", {"n_trees": 30}),
    ],
)
def test_the_same_seed_gives_the_same_model_also_after_saving(name, parameters, tmp_path):
    x, y, groups = toy(40, ["a", "b", "c"])
    vectors = clip_vectors(x, ["mfcc"], ["mean", "std"])
    x = FeatureSet({**x, "functionals": ClipFeatures.from_arrays("functionals", x.clip_ids, list(vectors))})
    model, again = (build_estimator(name, parameters, seed=5).fit(x, y, groups) for _ in range(2))
    model.save(tmp_path / "model")
    found = load_estimator(tmp_path / "model")
    for other in (again, found):
        np.testing.assert_array_equal(other.predict_proba(x), model.predict_proba(x))
    assert found.temperature_ == model.temperature_
    assert (model.temperature_ == 1) == (name == "mfcc_forest")
    assert found.n_parameters == model.n_parameters > 0
    assert found.history_ == []


def test_foreign_types_in_a_saved_model_are_refused(tmp_path):
    x, y, groups = toy(12, ["a", "b"])
    model = build_estimator("statistics_svm").fit(x, y, groups)
    model.save(tmp_path / "model")
    skops.io.dump({"classifier": fractions.Fraction(1, 2)}, tmp_path / "model" / "classifier.skops")
    with pytest.raises(AffettoError, match=r"holds fractions\.Fraction"):
        load_estimator(tmp_path / "model")


def test_probabilities_are_calibrated_on_unseen_groups():
    """Overlapping classes: the mean confidence must be near the accuracy, not near 1."""
    x, y, groups = toy(240, ["a", "b"], spread=0.15)
    model = build_estimator("statistics_svm", {"C": 30.0}).fit(x, y, groups)
    other, truth, _ = toy(240, ["a", "b"], seed=1, spread=0.15)
    probabilities = model.predict_proba(other)
    accuracy = (np.array(model.classes_)[probabilities.argmax(axis=1)] == np.array(truth)).mean()
    assert probabilities.max(axis=1).mean() == pytest.approx(accuracy, abs=0.08)


def functionals_toy(n=60, n_classes=4, n_dimensions=30, seed=0, feature="functionals"):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    vectors = rng.normal(size=(n, n_dimensions))
    vectors[np.arange(n), labels] += 1.5
    ids = [f"functionals_toy/{i}" for i in range(n)]
    x = FeatureSet({feature: ClipFeatures.from_arrays(feature, ids, list(vectors))})
    return x, [f"e{label}" for label in labels], [f"g{i // 6}" for i in range(n)]


@pytest.mark.parametrize("n_classes", [2, 4])
def test_functionals_decision_is_the_svms(n_classes):
    x, y, groups = functionals_toy(n_classes=n_classes)
    other, _, _ = functionals_toy(n_classes=n_classes, seed=7)
    vectors = x["functionals"].stack().astype(np.float64)
    mean, scale = vectors.mean(axis=0), vectors.std(axis=0)
    reference = SVC(kernel="linear", C=0.01, class_weight="balanced", break_ties=n_classes > 2)
    reference.fit(np.clip((vectors - mean) / scale, -4, 4), y)
    model = build_estimator("functionals_svm", {"C": 0.01}).fit(x, y, groups)
    probabilities = model.predict_proba(other)
    expected = reference.predict(np.clip((other["functionals"].stack() - mean) / scale, -4, 4))
    np.testing.assert_array_equal(np.array(model.classes_)[probabilities.argmax(axis=1)], expected)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_functionals_the_best_price_for_unseen_groups_is_taken_and_scaling_never_sees_them():
    x, y, groups = functionals_toy(n=120, n_dimensions=60)
    vectors = x["functionals"].stack().astype(np.float64)
    loud = np.array([group in ("g1", "g7", "g13") for group in groups])
    vectors[loud] *= 30  # whoever scales by these as well hears the others differently
    x = FeatureSet({"functionals": ClipFeatures.from_arrays("functionals", x.clip_ids, list(vectors))})
    prices = [1e-4, 1e-2, 10.0]
    model = build_estimator("functionals_svm", {"C": prices}).fit(x, y, groups)
    labels = np.array([model.classes_.index(label) for label in y])

    def recalls(leaks):
        found = []
        for price in prices:
            answers = np.empty(len(labels), dtype=int)
            for train, test in inner_folds(labels, np.array(groups), 4, seed=0):
                scale = Standardiser.learn(vectors if leaks else vectors[train], limit=4.0)
                svm = SVC(kernel="linear", C=price, class_weight="balanced", break_ties=True)
                answers[test] = svm.fit(scale(vectors[train]), labels[train]).predict(scale(vectors[test]))
            found.append(balanced_accuracy_score(labels, answers))
        return found

    assert [row["inner_uar"] for row in model.history_] == pytest.approx(recalls(leaks=False))
    assert recalls(leaks=False) != pytest.approx(recalls(leaks=True))
    assert prices[int(np.argmax(recalls(leaks=False)))] == model.classifier_.C
