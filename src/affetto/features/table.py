"""The features that there are: a field of `FeatureTable` each, whose type says how it is computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from affetto.audio.speech import PREPARATION_VERSION
from affetto.errors import AffettoError
from affetto.features.encoder.extract import EncoderParameters
from affetto.features.log_mel import LogMelParameters
from affetto.features.mfcc import MfccParameters
from affetto.features.midterm.extract import MidtermParameters
from affetto.features.opensmile import OpenSmileParameters
from affetto.features.parameters import FeatureParameters


class FeatureTable(BaseModel):
    """The features of a side by name, with their parameters; those that no model reads are not extracted.

    A new feature is a subclass of `FeatureParameters` in a module of its own, a field here, and its
    parameters in `conf`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mfcc: MfccParameters | None = None
    midterm: MidtermParameters | None = None
    log_mel: LogMelParameters | None = None
    functionals: OpenSmileParameters | None = None
    raw_functionals: OpenSmileParameters | None = None
    egemaps: OpenSmileParameters | None = None
    lld: OpenSmileParameters | None = None
    correlations: OpenSmileParameters | None = None
    encoder: EncoderParameters | None = None

    @property
    def named(self) -> dict[str, FeatureParameters]:
        """The features that have parameters, in the order of the class."""
        return {name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None}


EXTRACTORS: dict[str, type[FeatureParameters]] = {
    kind.extractor: kind
    for field in FeatureTable.model_fields.values()
    for kind in get_args(field.annotation)
    if kind is not type(None)
}
"""Name of each extractor → the class of its parameters."""


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
    kind = EXTRACTORS.get(extractor)
    if kind is None or kind.version != its_version or prepared != PREPARATION_VERSION:
        raise AffettoError(
            f"Features of {extractor!r}, version {its_version}, preparation {prepared}, cannot be computed "
            "by this version of Affetto; fit the model again."
        )
    try:
        parameters = kind.model_validate(fields)
    except ValidationError as error:
        raise AffettoError(
            f"Parameters of {extractor!r} are not valid: {error.errors()[0]['msg']}."
        ) from error
    if weights != parameters.describe().get("weights"):
        raise AffettoError(
            f"The model was fitted with other weights of {extractor!r} than this version of Affetto has; "
            "fit the model again."
        )
    return parameters
