"""What a fitted voice model hears in new recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from affetto.errors import AffettoError
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.features.extractors import parse_description
from affetto.features.recording import extract_recording

if TYPE_CHECKING:
    from affetto.models.base import Estimator


def hear(model: Estimator, recordings: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """Estimate the emotion of recordings.

    Parameters
    ----------
    model
        Fitted voice model.
    recordings
        `name, path, status, message` of `screen_recordings`.

    Returns
    -------
    tuple
        The table, where recordings whose features cannot be computed have turned `unreadable`; and the
        probabilities, float64 [n_recordings, n_classes], NaN for every recording that is not `ok`.
    """
    table = recordings.copy()
    parameters = {name: parse_description(model.feature_parameters_[name]) for name in model.features}
    features: dict[str, dict[str, ClipFeatures]] = {}
    for row in recordings[recordings["status"] == "ok"].itertuples():
        try:
            features[str(row.name)] = extract_recording(Path(str(row.path)), str(row.name), parameters)
        except AffettoError as error:
            table.loc[row.Index, ["status", "message"]] = ["unreadable", str(error)]
    probabilities = np.full((len(table), len(model.classes_)), np.nan)
    if features:
        heard = model.predict_proba(_stack(list(features.values())))
        probabilities[(table["status"] == "ok").to_numpy()] = heard
    return table, probabilities


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
