"""The features that there are: a field of `FeatureTable` each, whose type says how it is computed.

Several features of one recording are computed together: speech is looked for once, and openSMILE runs once.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import lru_cache
from typing import Annotated, Any, get_args

import numpy as np
from pydantic import AfterValidator, ValidationError

from affetto.audio.speech import PREPARATION_VERSION, SpeechParameters
from affetto.errors import AffettoError
from affetto.features.encoder.extract import EncoderParameters
from affetto.features.log_mel import LogMelParameters
from affetto.features.mfcc import MfccParameters
from affetto.features.midterm.extract import MidtermParameters
from affetto.features.opensmile import OpenSmileParameters
from affetto.features.parameters import FeatureParameters
from affetto.io.configuration import Parameters


class FeatureTable(Parameters):
    """The features of a side by name, with their parameters; those that no model reads are not extracted.

    A new feature is a subclass of `FeatureParameters` in a module of its own, a field here, and its
    parameters in `conf`.
    """

    mfcc: MfccParameters | None = None
    midterm: MidtermParameters | None = None
    log_mel: LogMelParameters | None = None
    functionals: OpenSmileParameters | None = None
    raw_functionals: OpenSmileParameters | None = None
    egemaps: OpenSmileParameters | None = None
    lld: OpenSmileParameters | None = None
    correlations: OpenSmileParameters | None = None
    encoder: EncoderParameters | None = None
    tags: EncoderParameters | None = None

    @property
    def named(self) -> dict[str, FeatureParameters]:
        """The features that have parameters, in the order of the class."""
        return {name: value for name, value in self if value is not None}


def _known(name: str) -> str:
    if name not in FeatureTable.model_fields:
        raise ValueError(f"there is no feature {name!r}: choose {', '.join(FeatureTable.model_fields)}")
    return name


FeatureName = Annotated[str, AfterValidator(_known)]
"""Name of a feature in parameters; it may be that of a field of `FeatureTable` alone."""


def parse_description(description: Mapping[str, Any]) -> FeatureParameters:
    """Return the parameters that `describe` described, to extract new clips as a model's training clips were.

    Raises
    ------
    AffettoError
        When the extractor is unknown, or its version is not the one installed.
    """
    fields = dict(description)
    extractor, its_version = fields.pop("extractor", None), fields.pop("version", None)
    weights = fields.pop("weights", None)
    prepared = fields.pop("preparation", 1 if fields.get("speech") else PREPARATION_VERSION)
    kinds = [get_args(field.annotation)[0] for field in FeatureTable.model_fields.values()]
    kind = next((each for each in kinds if each.extractor == extractor), None)
    if kind is None or kind.version != its_version or prepared != PREPARATION_VERSION:
        raise AffettoError(
            f"Features of {extractor!r}, version {its_version}, preparation {prepared}, "
            "cannot be computed by this version of Affetto; fit the model again."
        )
    try:
        parameters: FeatureParameters = kind.model_validate(fields)
    except ValidationError as error:
        what = f"Parameters of {extractor!r} are not valid"
        raise AffettoError(f"{what}: {error.errors()[0]['msg']}.") from error
    if weights != parameters.describe().get("weights"):
        raise AffettoError(
            f"The model was fitted with other weights of {extractor!r} "
            "than this version of Affetto has; fit the model again."
        )
    return parameters


def rates_of(parameters: Mapping[str, FeatureParameters]) -> list[int]:
    """Return the sample rates that features work at, Hz, ascending."""
    return sorted({values.rate_hz for values in parameters.values()})


def extract_together(
    samples: Mapping[int, np.ndarray], parameters: Mapping[str, FeatureParameters]
) -> dict[str, np.ndarray]:
    """Compute several features of a recording: speech is looked for once, openSMILE and encoders run once.

    Parameters
    ----------
    samples
        Sample rate, Hz → mono samples [n_samples] at it; every rate of the features.
    parameters
        Name of each feature → its parameters; what comes back are the values that its `extract` gives.
    """
    found: dict[str, np.ndarray] = {}
    prepared: dict[tuple[int, SpeechParameters | None], np.ndarray] = {}
    runs: dict[Hashable, Any] = {}
    with _blas().limit(limits=1):  # for matrices this small, threads only wait
        for name, wanted in parameters.items():
            key = wanted.rate_hz, wanted.speech
            if key not in prepared:
                prepared[key] = wanted.prepare(samples[wanted.rate_hz], wanted.rate_hz)
            if wanted.shared not in runs:
                runs[wanted.shared] = wanted.run(prepared[key])
            found[name] = wanted.of_run(runs[wanted.shared])
    return found


@lru_cache(maxsize=1)
def _blas() -> Any:
    """Return what limits the threads of NumPy's BLAS; to look for the library takes a millisecond."""
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController().select(user_api="blas")
