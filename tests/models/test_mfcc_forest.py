import numpy as np
import pytest

from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.models.estimator import build_estimator, load_estimator

SMALL = {"n_trees": 30}


def toy(n=48, n_classes=3, seed=0, shortest=1):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    frames = [rng.normal(size=(int(rng.integers(shortest, 60)), 6)).astype(np.float32) for _ in labels]
    for clip, label in zip(frames, labels, strict=True):
        clip[:, label] += 2
    x = FeatureSet(
        {"mfcc": ClipFeatures.from_arrays("mfcc", [f"toy/{i}" for i in range(n)], frames, hop_s=0.01)}
    )
    return x, [f"e{label}" for label in labels], [f"g{i // 4}" for i in range(n)]


def test_separable_classes_are_learnt():
    x, y, groups = toy(shortest=20)
    other, truth, _ = toy(seed=3, shortest=20)
    model = build_estimator("mfcc_forest", SMALL).fit(x, y, groups)
    predicted = np.array(model.classes_)[model.predict_proba(other).argmax(axis=1)]
    assert np.mean(predicted == np.array(truth)) > 0.9


def test_same_seed_same_forest_also_after_saving(tmp_path):
    x, y, groups = toy()
    first, second = (build_estimator("mfcc_forest", SMALL, seed=5).fit(x, y, groups) for _ in range(2))
    np.testing.assert_array_equal(first.predict_proba(x), second.predict_proba(x))
    first.save(tmp_path / "forest")
    found = load_estimator(tmp_path / "forest")
    np.testing.assert_array_equal(found.predict_proba(x), first.predict_proba(x))
    assert found.n_parameters == first.n_parameters > 0


@pytest.mark.parametrize(("n", "n_classes"), [(12, 2), (12, 4)])
def test_few_clips_of_a_single_frame(n, n_classes):
    x, y, groups = toy(n, n_classes)
    single = FeatureSet(
        {"mfcc": ClipFeatures.from_arrays("mfcc", ["toy/one"], [np.zeros((1, 6))], hop_s=0.01)}
    )
    probabilities = build_estimator("mfcc_forest", SMALL).fit(x, y, groups).predict_proba(single)
    assert probabilities.shape == (1, n_classes)
    np.testing.assert_allclose(probabilities.sum(), 1)
