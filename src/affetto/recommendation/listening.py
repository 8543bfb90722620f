"""What a fitted voice model hears in new recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ValidationError

from affetto.errors import AffettoError
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.features.extraction import extract_in_memory
from affetto.features.parameters import LogMelParameters, MfccParameters, OpenSmileParameters

if TYPE_CHECKING:
    from affetto.models.base import Estimator

KINDS: dict[str, type[BaseModel]] = {
    "mfcc": MfccParameters,
    "log_mel": LogMelParameters,
    "functionals": OpenSmileParameters,
    "egemaps": OpenSmileParameters,
}
"""Feature of the voice → model of its parameters."""


def feature_parameters(names: Sequence[str], configured: Mapping[str, Any]) -> dict[str, BaseModel]:
    """Pick the parameters of the features that a model reads.

    Parameters
    ----------
    names
        Features of the model.
    configured
        `voice.features` of the parameters: feature → its parameters.

    Returns
    -------
    dict
        Feature → validated parameters.

    Raises
    ------
    AffettoError
        When a feature is not configured, or not validly.
    """
    chosen = {}
    for name in names:
        if name not in configured or name not in KINDS:
            raise AffettoError(
                f"The voice model reads the feature {name!r}: add it to voice.features in the parameters."
            )
        try:
            chosen[name] = KINDS[name].model_validate(configured[name] or {})
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise AffettoError(
                f"voice.features.{name}.{where}: {first['msg']} (given: {first['input']!r})."
            ) from error
    return chosen


def hear(
    model: Estimator, recordings: pd.DataFrame, parameters: Mapping[str, BaseModel]
) -> tuple[pd.DataFrame, np.ndarray]:
    """Estimate the emotion of recordings.

    Parameters
    ----------
    model
        Fitted voice model.
    recordings
        `name, path, status, message` of `screen_recordings`.
    parameters
        Feature → parameters, of all features the model reads.

    Returns
    -------
    tuple
        The table, where recordings whose features cannot be computed have turned `unreadable`; and the
        probabilities, float64 [n_recordings, n_classes], NaN for every recording that is not `ok`.
    """
    table = recordings.copy()
    features: dict[str, dict[str, ClipFeatures]] = {}
    for row in recordings[recordings["status"] == "ok"].itertuples():
        try:
            features[str(row.name)] = _extract(str(row.name), Path(str(row.path)), parameters)
        except AffettoError as error:
            table.loc[row.Index, ["status", "message"]] = ["unreadable", str(error)]
    probabilities = np.full((len(table), len(model.classes_)), np.nan)
    if features:
        heard = model.predict_proba(_stack(list(features.values())))
        probabilities[(table["status"] == "ok").to_numpy()] = heard
    return table, probabilities


def _extract(name: str, path: Path, parameters: Mapping[str, BaseModel]) -> dict[str, ClipFeatures]:
    return {feature: extract_in_memory([path], [name], values) for feature, values in parameters.items()}


def _stack(clips: Sequence[Mapping[str, ClipFeatures]]) -> FeatureSet:
    """Join the features of single recordings into a set of features of all of them."""
    joined = {}
    for name, first in clips[0].items():
        of_name = [clip[name] for clip in clips]
        joined[name] = ClipFeatures.from_arrays(
            first.name,
            [clip.clip_ids[0] for clip in of_name],
            [clip[0] for clip in of_name],
            dimensions=first.dimensions,
            hop_s=first.hop_s,
            parameters=first.parameters,
        )
    return FeatureSet(joined)
