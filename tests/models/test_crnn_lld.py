import numpy as np
import pytest

from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.models.estimator import build_estimator, load_estimator, read_signature, write_signature
from affetto.models.fusion import fuse

TINY = {"epochs": 3, "channels": (4, 6), "n_time_strides": 2, "lstm_units": 4, "crop_s": 0.3, "batch_size": 8}
TINY |= {"lld_windows": {"units": 4}}
WEIGHTS = {"crnn_weight": 0.4, "lld_weight": 1.2}


def toy(n=24, labels=("anger", "joy", "sad"), *, seed=0):
    rng = np.random.default_rng(seed)
    y = [labels[i % len(labels)] for i in range(n)]
    spectra = [rng.normal(-50, 5, (int(rng.integers(4, 40)), 16)).astype(np.float32) for _ in y]
    llds = [rng.normal(size=(len(clip) + 3, 6)).astype(np.float32) for clip in spectra]
    vectors, pairs = rng.normal(size=(n, 50)), np.tanh(rng.normal(size=(n, 15)))
    for i, label in enumerate(y):
        vectors[i, sorted(labels).index(label)] += 4
    ids = [f"toy/{i}" for i in range(n)]
    log_mel = ClipFeatures.from_arrays("log_mel", ids, spectra, hop_s=0.016)
    lld = ClipFeatures.from_arrays("lld", ids, llds, hop_s=0.01)
    functionals = ClipFeatures.from_arrays("functionals", ids, list(vectors))
    correlations = ClipFeatures.from_arrays("correlations", ids, list(pairs))
    features = {"log_mel": log_mel, "lld": lld, "functionals": functionals, "correlations": correlations}
    return FeatureSet(features), y, [f"g{i // 4}" for i in range(n)]


@pytest.fixture(scope="module")
def fitted():
    x, y, groups = toy()
    return build_estimator("crnn_lld", {"crnn": TINY, **WEIGHTS}, seed=2).fit(x, y, groups), x, y, groups


def test_joined_model_is_the_product_of_its_branches(fitted):
    model, x, y, groups = fitted
    crnn = build_estimator("crnn", TINY, seed=2).fit(x, y, groups)
    lld = build_estimator("linear").fit(x, y, groups)
    expected = fuse([crnn.predict_proba(x), lld.predict_proba(x)], [0.4, 1.2])
    np.testing.assert_allclose(model.predict_proba(x), expected, atol=1e-6)
    np.testing.assert_allclose(model.attention(x)[0], crnn.attention(x)[0], atol=1e-6)
    np.testing.assert_allclose([weights.sum() for weights in model.attention(x)], 1, atol=1e-5)
    assert model.n_parameters == crnn.n_parameters + lld.n_parameters
    assert model.history_ == crnn.history_


def test_saved_model_predicts_the_same(fitted, tmp_path):
    model, x, _, _ = fitted
    model.save(tmp_path / "joined")
    found = load_estimator(tmp_path / "joined")
    np.testing.assert_array_equal(found.predict_proba(x), model.predict_proba(x))
    own = x.take([0, 1, 2, 3])
    np.testing.assert_array_equal(found.predict_proba(x, own), model.predict_proba(x, own))
    np.testing.assert_array_equal(found.exponents_, model.exponents_)
    for row, starts in zip(found.attention(x), found.attention_times(x), strict=True):
        assert row.shape == starts.shape


def test_a_model_of_earlier_versions_is_read(fitted, tmp_path):
    """They had one more parameter; what was learnt by it is in the folder."""
    model, x, _, _ = fitted
    model.save(tmp_path / "joined")
    signature = read_signature(tmp_path / "joined")
    signature["parameters"]["calibration_share"] = 0.25
    write_signature(tmp_path / "joined", signature)
    found = load_estimator(tmp_path / "joined")
    np.testing.assert_array_equal(found.predict_proba(x), model.predict_proba(x))


def test_features_of_both_branches_are_needed(fitted):
    every = ("log_mel", "lld", "functionals", "correlations")
    assert fitted[0].features == build_estimator("crnn_lld").features == every
    plain = build_estimator("crnn_lld", {"crnn": {"lld_windows": None}, "lld": {"features": ["functionals"]}})
    assert plain.features == ("log_mel", "functionals")


def test_enrolment_reaches_the_lld_branch_and_leaves_the_network_alone(fitted):
    model, x, _, _ = fitted
    own = x.take([0, 1, 2, 3])
    opinions = [model.branches["crnn"].predict_proba(x), model.branches["lld"].predict_proba(x, own)]
    expected = fuse(opinions, [0.4, 1.2])
    np.testing.assert_allclose(model.predict_proba(x, own), expected, atol=1e-6)
    assert np.abs(expected - model.predict_proba(x)).max() > 1e-4
