import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from affetto.errors import AffettoError
from affetto.features.mfcc import delta
from affetto.features.spectrum import prepare_samples
from affetto.features.table import MfccParameters

ALL = ("chroma", "contrast", "spectral", "onset")


@pytest.mark.parametrize(
    ("rate", "n_fft", "hop", "n_mels", "seconds"),
    [(22_050, 2_048, 512, 128, 3.0), (22_050, 2_048, 512, 128, 0.05), (8_000, 256, 80, 26, 1.0)],
)
def test_equal_to_librosa(signal, rate, n_fft, hop, n_mels, seconds):
    samples = signal(rate, seconds)
    parameters = MfccParameters(sample_rate_hz=rate, n_fft=n_fft, hop=hop, n_mels=n_mels, delta_order=0)
    expected = librosa.feature.mfcc(
        y=samples, sr=rate, n_mfcc=20, n_fft=n_fft, hop_length=hop, n_mels=n_mels
    ).T
    found = parameters.extract(samples, rate)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("n_frames", "width"), [(40, 3), (40, 15), (8, 9), (1, 9)])
def test_deltas_equal_librosa(order, n_frames, width):
    values = np.random.default_rng(0).normal(size=(n_frames, 5)).astype(np.float32)
    mode = "interp" if n_frames >= width else "nearest"
    expected = librosa.feature.delta(values.T, order=order, width=width, mode=mode).T
    np.testing.assert_allclose(delta(values, order=order, width=width), expected, atol=1e-5)


def columns(found, parameters, prefix):
    names = parameters.dimensions()
    return found[:, [i for i, name in enumerate(names) if name.startswith(prefix)]]


def test_extras_equal_librosa(signal):
    rate = 22_050
    rng = np.random.default_rng(1)
    samples = signal(rate, 3.0) + (0.02 * rng.standard_normal(3 * rate)).astype(np.float32)
    parameters = MfccParameters(extras=ALL)
    found = parameters.extract(samples, rate)
    expected = {
        "chroma_": librosa.feature.chroma_stft(y=samples, sr=rate, tuning=0.0),
        "contrast_": librosa.feature.spectral_contrast(y=samples, sr=rate),
        "centroid_hz": librosa.feature.spectral_centroid(y=samples, sr=rate),
        "flatness": librosa.feature.spectral_flatness(y=samples),
        "rms_db": 20 * np.log10(librosa.feature.rms(y=samples)),
        "onset": librosa.onset.onset_strength(y=samples, sr=rate, center=False)[np.newaxis],
    }
    for prefix, values in expected.items():
        np.testing.assert_allclose(
            columns(found, parameters, prefix), values.T, rtol=1e-3, atol=1e-3, err_msg=prefix
        )
    # A bin apart where the cumulative sum meets the threshold within rounding.
    rolloff = librosa.feature.spectral_rolloff(y=samples, sr=rate).T
    assert np.abs(columns(found, parameters, "rolloff_hz") - rolloff).max() <= rate / 2_048 + 1
    crossings = librosa.feature.zero_crossing_rate(samples).T  # extends the edges, where we have zeros
    np.testing.assert_allclose(
        columns(found, parameters, "zero_crossing_rate")[3:-3], crossings[3:-3], atol=1e-6
    )


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 9_000), st.sampled_from([8_000, 16_000, 44_100]), st.integers(0, 2), st.booleans())
def test_any_recording_gives_finite_columns_as_named(n, rate, order, silent):
    samples = np.zeros(n) if silent else np.random.default_rng(n).uniform(-1, 1, n)
    parameters = MfccParameters(delta_order=order, extras=ALL)
    found = parameters.extract(samples, rate)
    expected_frames = 1 + len(prepare_samples(samples, rate, 22_050)) // 512
    assert found.shape == (expected_frames, len(parameters.dimensions()))
    assert np.isfinite(found).all()
    assert not silent or np.all(columns(found, parameters, "rms_db") == -80)


def test_unfit_recordings_and_wrong_parameters_are_refused():
    for samples, message in ((np.zeros(0), "empty"), (np.array([0.0, np.nan]), "not finite")):
        with pytest.raises(AffettoError, match=message):
            MfccParameters().extract(samples, 22_050)
    for wrong in (
        {"delta_width": 8},
        {"n_mfcc": 50, "n_mels": 40},
        {"extras": ("onset", "onset")},
        {"extras": ("contrast",), "sample_rate_hz": 8_000},
        {"hops": 512},
        {"n_fft": 1_023},
    ):
        with pytest.raises(ValidationError):
            MfccParameters(**wrong)
