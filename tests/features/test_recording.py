"""Features of a recording all at once are those of each alone."""

import numpy as np
import soundfile

from affetto.audio.decode import read_audio
from affetto.features.recording import extract_recording
from affetto.features.table import LogMelParameters, MfccParameters, OpenSmileParameters


def buzz(n_samples, rate=16_000, *, peak=0.4):
    time = np.arange(n_samples) / rate
    hum = np.sign(np.sin(2 * np.pi * 140 * time)) * np.abs(np.sin(9 * time))
    return (peak * hum + 0.01 * np.random.default_rng(0).normal(size=n_samples)).astype(np.float32)


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
        # BLAS may share a product among its threads, and then rounds otherwise.
        np.testing.assert_allclose(found[name][0], parameters.extract(samples, rate), rtol=1e-5, atol=1e-4)
        assert (found[name].clip_ids, found[name].parameters) == (("a",), parameters.describe())
