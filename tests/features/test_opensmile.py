import numpy as np
import opensmile
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from affetto.audio.recording import resample
from affetto.errors import AffettoError
from affetto.features.opensmile import (
    OpenSmileParameters,
    rank_correlations,
)

KINDS = [
    ("ComParE_2016", "functionals", 6_373),
    ("ComParE_2016", "lld", 65),
    ("eGeMAPSv02", "functionals", 88),
    ("eGeMAPSv02", "lld", 25),
]
EGEMAPS = OpenSmileParameters(feature_set="eGeMAPSv02")


@pytest.mark.parametrize(("seconds", "gain"), [(0.07, 1), (2.1, 3)])
@pytest.mark.parametrize(("feature_set", "level", "n"), KINDS)
def test_equal_to_opensmile_called_directly(signal, feature_set, level, n, seconds, gain):
    samples = gain * signal(48_000, seconds)
    parameters = OpenSmileParameters(feature_set=feature_set, level=level)
    levels = {"functionals": "Functionals", "lld": "LowLevelDescriptors"}
    smile = opensmile.Smile(opensmile.FeatureSet[feature_set], opensmile.FeatureLevel[levels[level]])
    expected = smile.process_signal(np.clip(resample(samples, 48_000, 16_000), -1, 32_767 / 32_768), 16_000)
    found = parameters.extract(samples, 48_000)
    assert found.dtype == np.float32
    assert found.shape[1] == n
    assert parameters.dimensions() == tuple(expected.columns)
    np.testing.assert_allclose(found, expected.to_numpy(), rtol=1e-6)


def test_full_scale_does_not_wrap(signal):
    samples = signal(16_000, 0.7)
    full = samples / np.abs(samples).max()
    nearly = EGEMAPS.extract(full * np.float32(0.999), 16_000)
    found = EGEMAPS.extract(full, 16_000)
    names = EGEMAPS.dimensions()
    pitch = names.index("F0semitoneFrom27.5Hz_sma3nz_amean")
    assert abs(found[0, pitch] - nearly[0, pitch]) < 0.05


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 2_000), st.booleans())
def test_any_short_clip_gives_finite_values(n, silent):
    samples = np.zeros(n) if silent else np.random.default_rng(n).uniform(-1, 1, n)
    assert np.isfinite(EGEMAPS.extract(samples, 16_000)).all()


def test_a_clip_of_over_ten_minutes_is_refused():
    with pytest.raises(AffettoError, match="segment_s"):
        EGEMAPS.extract(np.zeros(16_000 * 601, dtype=np.float32), 16_000)


def test_correlations_are_spearmans_with_shared_ranks_and_0_of_what_is_constant():
    values = np.random.default_rng(0).normal(size=(50, 4)).round(1)  # rounding makes ties
    expected = spearmanr(values).statistic[np.triu_indices(4, 1)]
    np.testing.assert_allclose(rank_correlations(values)[0], expected, atol=1e-6)
    for n_frames, moving in ((1, 0.0), (2, -1.0), (7, -1.0)):
        columns = np.column_stack([np.arange(n_frames), np.ones(n_frames), -np.arange(n_frames)])
        np.testing.assert_allclose(rank_correlations(columns)[0], [0.0, moving, 0.0], atol=1e-6)


def test_correlations_are_a_level_of_their_own(signal):
    parameters, lld = OpenSmileParameters(level="correlations"), OpenSmileParameters(level="lld")
    found = parameters.extract(signal(16_000, 1.0), 16_000)
    np.testing.assert_array_equal(found, rank_correlations(lld.extract(signal(16_000, 1.0), 16_000)))
    names = lld.dimensions()
    assert found.shape == (1, len(parameters.dimensions())) == (1, 2080)
    assert parameters.dimensions()[63:65] == (f"{names[0]}~{names[64]}", f"{names[1]}~{names[2]}")
