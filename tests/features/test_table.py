import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from affetto.audio.speech import SpeechParameters
from affetto.errors import AffettoError
from affetto.features.table import (
    LogMelParameters,
    MfccParameters,
    MidtermParameters,
    OpenSmileParameters,
    extract_together,
    parse_description,
)

MEL = LogMelParameters()
PREPARED = LogMelParameters(speech=SpeechParameters())


def test_features_of_a_recording_at_once_are_those_of_each_alone(signal):
    wanted = {
        "log_mel": MEL,
        "prepared": PREPARED,
        "mfcc": MfccParameters(sample_rate_hz=16_000),
        "lld": OpenSmileParameters(level="lld"),
        "functionals": OpenSmileParameters(),
        "egemaps": OpenSmileParameters(feature_set="eGeMAPSv02"),
    }
    samples = signal(16_000, 1.5)
    found = extract_together({16_000: samples}, wanted)
    assert list(found) == list(wanted)
    with threadpool_limits(1, user_api="blas"):  # the last bit depends on their number
        for name, parameters in wanted.items():
            np.testing.assert_array_equal(found[name], parameters.extract(samples, 16_000))


@pytest.mark.parametrize(
    "parameters",
    [
        MfccParameters(extras=("chroma",)),
        MEL,
        OpenSmileParameters(feature_set="eGeMAPSv02", level="correlations"),
        PREPARED,
        MidtermParameters(window_s=4.0, groups=("tempo", "key")),
    ],
)
def test_a_description_tells_the_parameters(parameters):
    assert parse_description(parameters.describe()) == parameters


def test_a_description_of_another_version_or_with_wrong_values():
    with pytest.raises(AffettoError, match="version 99"):
        parse_description({**MEL.describe(), "version": 99})
    prepared = PREPARED.describe()
    with pytest.raises(AffettoError, match=r"preparation 1, .* fit the model again"):
        parse_description({name: value for name, value in prepared.items() if name != "preparation"})
    with pytest.raises(AffettoError, match="log_mel"):
        parse_description({**MEL.describe(), "n_mels": "many"})
