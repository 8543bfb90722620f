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
from affetto.models.calibration import inner_folds
from affetto.models.estimator import build_estimator, load_estimator
from affetto.models.vectors import Standardiser, clip_vectors


def frames_of(features, n, labels, *, seed=0, spread=0.3):
    """Clips of some labels in turn, whose frames lie higher for later ones."""
    rng = np.random.default_rng(seed)
    kinds = np.arange(n) % len(labels)
    frames = [
        rng.normal(spread * kind * np.arange(3), 1 + rng.random(3), (int(rng.integers(5, 30)), 3))
        for kind in kinds
    ]
    return features(mfcc=frames), [labels[kind] for kind in kinds], [f"g{i // 3}" for i in range(n)]


def vectors_of(n=60, n_classes=4, n_dimensions=30, seed=0):
    labels = np.arange(n) % n_classes
    vectors = np.random.default_rng(seed).normal(size=(n, n_dimensions))
    vectors[np.arange(n), labels] += 1.5
    return vectors, [f"e{label}" for label in labels], [f"g{i // 6}" for i in range(n)]


def test_statistics_equal_numpy_and_vectors_stay_as_they_are(features):
    frames = [np.random.default_rng(0).gamma(2, size=(50, 3)).astype(np.float32), np.zeros((0, 3))]
    x = features(mfcc=frames, functionals=np.eye(2))
    percentiles = np.percentile(frames[0], [5, 25, 50, 75, 95], axis=0).ravel()
    expected = np.concatenate([frames[0].mean(axis=0), frames[0].std(axis=0), percentiles])
    found = clip_vectors(x, ["mfcc", "functionals"], ["mean", "std", "percentiles"])
    np.testing.assert_allclose(found, [[*expected, 1, 0], [0] * 21 + [0, 1]], rtol=1e-5)


@pytest.mark.parametrize("labels", [["a", "b", "c", "d"], ["a", "b"]])
def test_predictions_equal_a_scikit_learn_pipeline(features, labels):
    x, y, groups = frames_of(features, 80, labels)
    model = build_estimator("statistics_svm", {"C": 2.0}).fit(x, y, groups)
    other, _, _ = frames_of(features, 40, labels, seed=1)
    reference = make_pipeline(StandardScaler(), SVC(C=2.0, class_weight="balanced", break_ties=True))
    reference.fit(clip_vectors(x, ["mfcc"]), y)
    predicted = np.array(model.classes_)[model.predict_proba(other).argmax(axis=1)]
    np.testing.assert_array_equal(predicted, reference.predict(clip_vectors(other, ["mfcc"])))


def test_foreign_types_in_a_saved_model_are_refused(features, tmp_path):
    build_estimator("statistics_svm").fit(*frames_of(features, 12, ["a", "b"])).save(tmp_path / "model")
    skops.io.dump({"classifier": fractions.Fraction(1, 2)}, tmp_path / "model" / "classifier.skops")
    with pytest.raises(AffettoError, match=r"holds fractions\.Fraction"):
        load_estimator(tmp_path / "model")


def test_probabilities_are_calibrated_on_unseen_groups(features):
    """Overlapping classes: the mean confidence must be near the accuracy, not near 1."""
    x, y, groups = frames_of(features, 240, ["a", "b"], spread=0.15)
    model = build_estimator("statistics_svm", {"C": 30.0}).fit(x, y, groups)
    other, truth, _ = frames_of(features, 240, ["a", "b"], seed=1, spread=0.15)
    probabilities = model.predict_proba(other)
    accuracy = (np.array(model.classes_)[probabilities.argmax(axis=1)] == np.array(truth)).mean()
    assert probabilities.max(axis=1).mean() == pytest.approx(accuracy, abs=0.08)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_functionals_decision_is_the_svms(features, n_classes):
    vectors, y, groups = vectors_of(n_classes=n_classes)
    other, *_ = vectors_of(n_classes=n_classes, seed=7)
    mean, scale = vectors.mean(axis=0), vectors.std(axis=0)
    reference = SVC(kernel="linear", C=0.01, class_weight="balanced", break_ties=n_classes > 2)
    reference.fit(np.clip((vectors - mean) / scale, -4, 4), y)
    model = build_estimator("functionals_svm", {"C": 0.01}).fit(features(functionals=vectors), y, groups)
    predicted = model.predict_proba(features(functionals=other)).argmax(axis=1)
    expected = reference.predict(np.clip((other - mean) / scale, -4, 4))
    np.testing.assert_array_equal(np.array(model.classes_)[predicted], expected)


def test_functionals_the_best_price_for_unseen_groups_is_taken_and_scaling_never_sees_them(features):
    vectors, y, groups = vectors_of(n=120, n_dimensions=60)
    loud = np.array([group in ("g1", "g7", "g13") for group in groups])
    vectors[loud] *= 30  # whoever scales by these as well hears the others differently
    x = features(functionals=vectors)
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
