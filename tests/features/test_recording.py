"""Features of a recording all at once are those of each alone."""

import numpy as np
import pytest
import soundfile

from affetto.audio.decode import read_audio
from affetto.errors import AffettoError
from affetto.features.extract import extract_one, extract_recording
from affetto.features.opensmile import extract_levels, extract_opensmile
from affetto.features.table import LogMelParameters, MfccParameters, OpenSmileParameters


def buzz(n_samples, rate=16_000, *, peak=0.4):
    time = np.arange(n_samples) / rate
    hum = np.sign(np.sin(2 * np.pi * 140 * time)) * np.abs(np.sin(9 * time))
    return (peak * hum + 0.01 * np.random.default_rng(0).normal(size=n_samples)).astype(np.float32)


@pytest.mark.parametrize("feature_set", ["ComParE_2016", "eGeMAPSv02"])
@pytest.mark.parametrize(("n_samples", "peak"), [(300, 0.4), (16_000, 0.4), (33_000, 1.3)])
def test_one_run_of_opensmile_gives_both_levels_to_the_bit(feature_set, n_samples, peak):
    samples = buzz(n_samples, peak=peak)
    for level, values in extract_levels(samples, 16_000, feature_set).items():
        alone = extract_opensmile(samples, 16_000, OpenSmileParameters(feature_set=feature_set, level=level))
        np.testing.assert_array_equal(values, alone)
        assert values.dtype == alone.dtype


def test_a_recording_is_described_as_by_feature(tmp_path):
    soundfile.write(tmp_path / "a.wav", buzz(30_000, 22_050), 22_050)
    wanted = {
        "log_mel": LogMelParameters(),
        "mfcc": MfccParameters(),
        "lld": OpenSmileParameters(level="lld"),
        "functionals": OpenSmileParameters(),
        "egemaps": OpenSmileParameters(feature_set="eGeMAPSv02"),
    }
    found = extract_recording(tmp_path / "a.wav", "a", wanted)
    assert list(found) == list(wanted)
    for name, parameters in wanted.items():
        samples, rate = read_audio(tmp_path / "a.wav", sample_rate_hz=parameters.rate_hz)
        np.testing.assert_array_equal(found[name][0], extract_one(samples, rate, parameters))
        assert (found[name].clip_ids, found[name].parameters) == (("a",), parameters.describe())


def test_what_is_too_long_is_refused_in_one_sentence():
    with pytest.raises(AffettoError, match=r"lasts 601 s .* at most 600 s"):
        extract_levels(np.zeros(601 * 16_000, np.float32), 16_000, "ComParE_2016")
