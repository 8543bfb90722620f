"""Which extractor belongs to which parameters, and how a feature is described."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from affetto.audio.speech import PREPARATION_VERSION, prepare_speech
from affetto.errors import AffettoError
from affetto.features.encoder.catalogue import find_encoder
from affetto.features.encoder.extract import (
    ENCODER_VERSION,
    dimensions_encoder,
    encoder_weights,
    extract_encoder,
)
from affetto.features.encoder.whisper import HOP_S as ENCODER_HOP_S
from affetto.features.encoder.whisper import SAMPLE_RATE_HZ as ENCODER_RATE_HZ
from affetto.features.lld import (
    OPENSMILE_HOP_S,
    OPENSMILE_RATE_HZ,
    OPENSMILE_VERSION,
    dimensions_opensmile,
    extract_opensmile,
)
from affetto.features.mfcc import MFCC_VERSION, dimensions_mfcc, extract_mfcc
from affetto.features.midterm import MIDTERM_VERSION, dimensions_midterm, extract_midterm
from affetto.features.parameters import (
    EncoderParameters,
    FeatureParameters,
    LogMelParameters,
    MfccParameters,
    MidtermParameters,
    OpenSmileParameters,
)
from affetto.features.spectrogram import LOG_MEL_VERSION, dimensions_log_mel, extract_log_mel
from affetto.features.spectrum import prepare_samples

_EXTRACT: dict[type, Callable[..., np.ndarray]] = {
    MfccParameters: extract_mfcc,
    LogMelParameters: extract_log_mel,
    MidtermParameters: extract_midterm,
    OpenSmileParameters: extract_opensmile,
    EncoderParameters: extract_encoder,
}
_DIMENSIONS: dict[type, Callable[..., tuple[str, ...]]] = {
    MfccParameters: dimensions_mfcc,
    LogMelParameters: dimensions_log_mel,
    MidtermParameters: dimensions_midterm,
    OpenSmileParameters: dimensions_opensmile,
    EncoderParameters: dimensions_encoder,
}
_EXTRACTOR: dict[type, tuple[str, int]] = {
    MfccParameters: ("mfcc", MFCC_VERSION),
    LogMelParameters: ("log_mel", LOG_MEL_VERSION),
    MidtermParameters: ("midterm", MIDTERM_VERSION),
    OpenSmileParameters: ("opensmile", OPENSMILE_VERSION),
    EncoderParameters: ("encoder", ENCODER_VERSION),
}
_ADAPTERS: dict[str, TypeAdapter[Any]] = {name: TypeAdapter(kind) for kind, (name, _) in _EXTRACTOR.items()}


def extract_one(samples: np.ndarray, sample_rate_hz: int, parameters: FeatureParameters) -> np.ndarray:
    """Compute a feature of a recording.

    Parameters
    ----------
    samples
        [n_samples], mono, full scale 1.0.
    sample_rate_hz
        Its sample rate; the extractor resamples.
    parameters
        Their type says which feature.

    Returns
    -------
    numpy.ndarray
        float32 [n_frames, n_dimensions]; one row where the feature is a vector.

    Raises
    ------
    AffettoError
        When the recording is empty, not finite, or too long for openSMILE.
    """
    return extract_prepared(*prepare(samples, sample_rate_hz, parameters), parameters)


def extract_prepared(samples: np.ndarray, sample_rate_hz: int, parameters: FeatureParameters) -> np.ndarray:
    """Compute a feature of what `prepare` returned."""
    return _EXTRACT[type(parameters)](samples, sample_rate_hz, parameters)


def prepare(
    samples: np.ndarray, sample_rate_hz: int, parameters: FeatureParameters
) -> tuple[np.ndarray, int]:
    """Do what `parameters.speech` wants done to a recording before the feature is measured.

    Returns
    -------
    tuple
        Samples and their rate: what was given where nothing is wanted, else at the extractor's rate.

    Raises
    ------
    AffettoError
        When the recording is empty or not finite.
    """
    if parameters.speech is None:
        return samples, sample_rate_hz
    rate = sample_rate_of(parameters)
    return prepare_speech(prepare_samples(samples, sample_rate_hz, rate), rate, parameters.speech), rate


def dimensions_of(parameters: FeatureParameters) -> tuple[str, ...]:
    """Return the name of each column."""
    return _DIMENSIONS[type(parameters)](parameters)


def sample_rate_of(parameters: FeatureParameters) -> int:
    """Return the sample rate that the extractor works at, Hz."""
    if isinstance(parameters, EncoderParameters):
        return ENCODER_RATE_HZ
    return OPENSMILE_RATE_HZ if isinstance(parameters, OpenSmileParameters) else parameters.sample_rate_hz


def hop_of(parameters: FeatureParameters) -> float | None:
    """Return the hop in seconds; None when the feature is one vector a clip."""
    if isinstance(parameters, OpenSmileParameters):
        return OPENSMILE_HOP_S if parameters.level == "lld" else None
    if isinstance(parameters, EncoderParameters):
        return ENCODER_HOP_S if parameters.level == "frames" else None
    return parameters.hop_s


def check_available(parameters: FeatureParameters) -> None:
    """Make sure that what the extractor needs beside its library is on this machine.

    Raises
    ------
    AffettoError
        When the weights of an encoder are not there, or damaged.
    """
    if isinstance(parameters, EncoderParameters):
        encoder_weights(parameters.name)


def describe(parameters: FeatureParameters) -> dict[str, Any]:
    """Return the parameters as JSON values, with the extractor and its version: what values depend on."""
    extractor, its_version = _EXTRACTOR[type(parameters)]
    described = {"extractor": extractor, "version": its_version, **parameters.model_dump(mode="json")}
    if isinstance(parameters, EncoderParameters):
        described["weights"] = find_encoder(parameters.name).digest
    return described if parameters.speech is None else {**described, "preparation": PREPARATION_VERSION}


def library_versions(parameters: FeatureParameters) -> dict[str, str]:
    """Return the versions of the libraries that values depend on as well.

    Values of two versions are never mixed in a store; a model does not ask for them, as they differ little.
    """
    libraries = ("soxr", "opensmile") if isinstance(parameters, OpenSmileParameters) else ("soxr",)
    return {library: version(library) for library in libraries}


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
    if (extractor, its_version) not in _EXTRACTOR.values() or prepared != PREPARATION_VERSION:
        raise AffettoError(
            f"Features of {extractor!r}, version {its_version}, preparation {prepared}, cannot be computed "
            "by this version of Affetto; fit the model again."
        )
    try:
        parameters: FeatureParameters = _ADAPTERS[extractor].validate_python(fields)
    except ValidationError as error:
        raise AffettoError(
            f"Parameters of {extractor!r} are not valid: {error.errors()[0]['msg']}."
        ) from error
    if isinstance(parameters, EncoderParameters) and weights != find_encoder(parameters.name).digest:
        raise AffettoError(
            f"The model was fitted with other weights of {parameters.name} than this version of Affetto has; "
            "fit the model again."
        )
    return parameters


def default_name(parameters: FeatureParameters) -> str:
    """Return the catalog's name of a feature: mfcc, midterm, log_mel, functionals, egemaps, lld, …."""
    if isinstance(parameters, OpenSmileParameters):
        if parameters.level != "functionals":
            return parameters.level
        return "egemaps" if parameters.feature_set == "eGeMAPSv02" else "functionals"
    return _EXTRACTOR[type(parameters)][0]
