import librosa
import numpy as np
import pytest
from pydantic import ValidationError

from affetto.features.table import LogMelParameters


@pytest.mark.parametrize("seconds", [0.05, 3.0])
def test_equal_to_librosa(signal, seconds):
    samples = signal(16_000, seconds)
    power = librosa.feature.melspectrogram(
        y=samples, sr=16_000, n_fft=512, hop_length=256, n_mels=64, fmin=50, fmax=8_000
    )
    expected = np.maximum(librosa.power_to_db(power, ref=1.0, top_db=None), -80).T
    found = LogMelParameters().extract(samples, 16_000)
    assert LogMelParameters().extract(signal(48_000, seconds), 48_000).shape == found.shape
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_level_is_kept_and_silence_is_the_floor(signal):
    parameters = LogMelParameters(floor_db=-60.0)
    samples = signal(16_000, 1.0)
    loud, soft = (parameters.extract(gain * samples, 16_000) for gain in (1.0, 0.1))
    audible = soft > -50
    np.testing.assert_allclose(loud[audible] - soft[audible], 20.0, atol=1e-2)
    assert np.all(parameters.extract(np.zeros(1_600), 16_000) == -60.0)


def test_bands_above_the_nyquist_frequency_are_refused():
    with pytest.raises(ValidationError, match="fmax"):
        LogMelParameters(sample_rate_hz=8_000)
