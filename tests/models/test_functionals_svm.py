import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score
from sklearn.svm import SVC

from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.models.calibration import inner_folds
from affetto.models.estimator import build_estimator, load_estimator
from affetto.models.logistic import Standardiser


def toy(n=60, n_classes=4, n_dimensions=30, seed=0, feature="functionals"):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    vectors = rng.normal(size=(n, n_dimensions))
    vectors[np.arange(n), labels] += 1.5
    ids = [f"toy/{i}" for i in range(n)]
    x = FeatureSet({feature: ClipFeatures.from_arrays(feature, ids, list(vectors))})
    return x, [f"e{label}" for label in labels], [f"g{i // 6}" for i in range(n)]


@pytest.mark.parametrize("n_classes", [2, 4])
def test_decision_is_the_svms(n_classes):
    x, y, groups = toy(n_classes=n_classes)
    other, _, _ = toy(n_classes=n_classes, seed=7)
    vectors = x["functionals"].stack().astype(np.float64)
    mean, scale = vectors.mean(axis=0), vectors.std(axis=0)
    reference = SVC(kernel="linear", C=0.01, class_weight="balanced", break_ties=n_classes > 2)
    reference.fit(np.clip((vectors - mean) / scale, -4, 4), y)
    model = build_estimator("functionals_svm", {"C": 0.01}).fit(x, y, groups)
    probabilities = model.predict_proba(other)
    expected = reference.predict(np.clip((other["functionals"].stack() - mean) / scale, -4, 4))
    np.testing.assert_array_equal(np.array(model.classes_)[probabilities.argmax(axis=1)], expected)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_saved_model_predicts_the_same(tmp_path):
    x, y, groups = toy()
    model = build_estimator("functionals_svm", {"C": 0.01}).fit(x, y, groups)
    model.save(tmp_path / "svm")
    found = load_estimator(tmp_path / "svm")
    np.testing.assert_array_equal(found.predict_proba(x), model.predict_proba(x))
    assert found.n_parameters == model.n_parameters > 0


def test_fits_are_repeatable_and_a_missing_class_is_no_matter():
    x, y, groups = toy()
    kept = [i for i, label in enumerate(y) if label != "e3"]
    fits = [
        build_estimator("functionals_svm", seed=1).fit(
            x.take(kept), [y[i] for i in kept], [groups[i] for i in kept]
        )
        for _ in range(2)
    ]
    assert fits[0].classes_ == ("e0", "e1", "e2")
    np.testing.assert_array_equal(fits[0].predict_proba(x), fits[1].predict_proba(x))


def test_twelve_clips_and_the_small_feature_set():
    x, y, groups = toy(12, 3, feature="egemaps")
    model = build_estimator("functionals_svm", {"feature": "egemaps", "C": 0.1}).fit(x, y, groups)
    assert model.features == ("egemaps",)
    assert model.predict_proba(x.take([0])).shape == (1, 3)


def test_the_best_price_for_unseen_groups_is_taken_and_scaling_never_sees_them():
    x, y, groups = toy(n=120, n_dimensions=60)
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
