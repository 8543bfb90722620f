"""The CRNN that also reads the LLD around each of its steps."""

import numpy as np
import pytest

from affetto.errors import AffettoError
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.models.estimator import build_estimator, load_estimator
from affetto.models.logistic import Standardiser
from affetto.models.speakers import VoiceTypes

HOP_S, LLD_HOP_S, N_BANDS, N_LLD = 0.016, 0.010, 8, 5
SMALL = {
    "epochs": 8,
    "channels": (4, 6),
    "n_time_strides": 2,
    "lstm_units": 6,
    "crop_s": 0.5,
    "batch_size": 8,
    "learning_rate": 0.02,
    "lld_windows": {"units": 8},
    "augmentation": {"time_stretch": 0.1},
}
LABELS = ("anger", "joy", "sad")


def toy(n=36, *, seed=0):
    """Spectrograms of noise; one LLD is raised in each class, another LLD in each, for half of the time."""
    rng = np.random.default_rng(seed)
    y = [LABELS[i % 3] for i in range(n)]
    spectra, llds = [], []
    for label in y:
        seconds = rng.uniform(0.3, 1.0)
        spectra.append(rng.normal(-50, 3, (int(seconds / HOP_S), N_BANDS)).astype(np.float32))
        lld = rng.normal(0, 1, (int((seconds - 0.06) / LLD_HOP_S) + 1, N_LLD)).astype(np.float32)
        lld[::2, LABELS.index(label)] += 4
        llds.append(lld)
    ids = [f"toy/{i}" for i in range(n)]
    features = {
        "log_mel": ClipFeatures.from_arrays("log_mel", ids, spectra, hop_s=HOP_S),
        "lld": ClipFeatures.from_arrays("lld", ids, llds, hop_s=LLD_HOP_S),
    }
    return FeatureSet(features), y, [f"g{i // 6}" for i in range(n)]


@pytest.fixture(scope="module")
def fitted():
    x, y, groups = toy()
    return build_estimator("crnn", SMALL, seed=1).fit(x, y, groups), x


def test_classes_that_only_the_lld_tell_are_learnt(fitted):
    model, _ = fitted
    other, truth, _ = toy(seed=9)
    predicted = np.array(model.classes_)[model.predict_proba(other).argmax(axis=1)]
    assert np.mean(predicted == np.array(truth)) > 0.85
    assert model.features == ("log_mel", "lld")


def test_what_a_clip_shares_its_batch_with_does_not_matter(fitted):
    model, x = fitted
    together = model.predict_proba(x)
    alone = np.concatenate([model.predict_proba(x.take([i])) for i in range(8)])
    np.testing.assert_allclose(alone, together[:8], atol=1e-5)


@pytest.mark.parametrize("steps", [1, 2, 30])
def test_padding_changes_nothing(fitted, steps):
    model, x = fitted
    inputs, network = model._inputs(x), model.members_[0]
    clip, windows = inputs["log_mel"][0], inputs["lld_windows"][0]
    assert len(windows) == -(-len(clip) // 4)

    def run(n_steps):
        n_frames = 4 * (len(windows) + n_steps) - len(clip)
        return network(
            {
                "log_mel": np.pad(clip, ((0, n_frames), (0, 0)), constant_values=99.0)[None],
                "log_mel_lengths": np.array([len(clip)], np.int32),
                "lld_windows": np.pad(windows, ((0, n_steps), (0, 0)), constant_values=99.0)[None],
                "lld_windows_lengths": np.array([len(windows)], np.int32),
            }
        )

    plain, padded = run(0), run(steps)
    np.testing.assert_allclose(padded["logits"], plain["logits"], atol=1e-4)
    n_steps = len(windows)
    np.testing.assert_allclose(padded["attention"][:, :n_steps], plain["attention"], atol=1e-5)
    assert np.all(np.asarray(padded["attention"])[:, n_steps:] == 0)


def test_windows_are_standardised_and_less_the_kind_of_voice(fitted):
    model, x = fitted
    learnt, types = model.statistics_, VoiceTypes.from_arrays(model.statistics_)
    assert np.abs(types.offsets).max() > 0
    standardise = Standardiser(learnt["window_mean"], learnt["window_scale"], 4.0)
    standardised = [standardise(one) for one in model._windows(x, model.parameters.lld_windows)]
    together = np.concatenate(standardised)
    np.testing.assert_allclose(together.mean(axis=0), 0, atol=0.05)
    np.testing.assert_allclose(together.std(axis=0), 1, atol=0.1)
    for given, one in zip(model._inputs(x)["lld_windows"], standardised, strict=True):
        moments = np.concatenate([one.mean(axis=0), one.std(axis=0)])
        offset = types.shares(moments[None])[0] @ types.offsets[:, : one.shape[1]]
        np.testing.assert_allclose(given, one - offset, atol=1e-5)


def test_saved_model_predicts_and_attends_the_same(fitted, tmp_path):
    model, x = fitted
    model.save(tmp_path / "crnn")
    found = load_estimator(tmp_path / "crnn")
    np.testing.assert_array_equal(found.predict_proba(x), model.predict_proba(x))
    for row, starts, weights in zip(
        found.attention(x), found.attention_times(x), model.attention(x), strict=True
    ):
        np.testing.assert_array_equal(row, weights)
        assert row.shape == starts.shape
    assert found.n_parameters == model.n_parameters


def test_the_native_model_runs_on_its_example(fitted):
    library, network, example = fitted[0].native()
    assert library == "keras"
    assert set(example) == {"log_mel", "log_mel_lengths", "lld_windows", "lld_windows_lengths"}
    assert np.all(np.isfinite(network(example)["logits"]))


def test_the_same_seed_gives_the_same_model():
    x, y, groups = toy(18)
    tiny = {**SMALL, "epochs": 2, "mixup_alpha": 0.2}
    first, again, other = (build_estimator("crnn", tiny, seed=seed).fit(x, y, groups) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.predict_proba(x), again.predict_proba(x))
    assert not np.array_equal(first.predict_proba(x), other.predict_proba(x))


def test_the_shortest_clip_and_one_without_lld_are_accepted(fitted):
    model, _ = fitted
    spectra = [np.full((n, N_BANDS), -60, np.float32) for n in (1, 9)]
    llds = [np.zeros((n, N_LLD), np.float32) for n in (1, 0)]
    x = FeatureSet(
        {
            "log_mel": ClipFeatures.from_arrays("log_mel", ["a", "b"], spectra, hop_s=HOP_S),
            "lld": ClipFeatures.from_arrays("lld", ["a", "b"], llds, hop_s=LLD_HOP_S),
        }
    )
    assert np.all(np.isfinite(model.predict_proba(x)))


def test_without_the_lld_the_feature_is_asked_for(fitted):
    model, x = fitted
    with pytest.raises(AffettoError, match="lld"):
        model.predict_proba(FeatureSet({"log_mel": x["log_mel"]}))
