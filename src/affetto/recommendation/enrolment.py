"""A few recordings of the same person, without labels, for models that make use of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from affetto.errors import AffettoError
from affetto.recommendation.listening import Features, extract_windows, feature_kinds, stack_features
from affetto.recommendation.parameters import RecommendParameters
from affetto.recommendation.recordings import list_recordings, screen_recordings

if TYPE_CHECKING:
    from affetto.features.clip_features import FeatureSet
    from affetto.models.estimator import Estimator

_LOGGER = logging.getLogger(__name__)
_MOST = 200
"""Clips of a person beyond these say nothing new, and cost time with every batch."""


def screen_enrolment(parameters: RecommendParameters) -> pd.DataFrame:
    """Find the enrolment recordings that hold speech.

    Returns
    -------
    pandas.DataFrame
        As `screen_recordings`, only those with speech; a long recording is divided into windows that do not
        overlap. Empty when nobody is enrolled.

    Raises
    ------
    AffettoError
        When there are no recordings, or none holds speech.
    """
    if parameters.enrol is None:
        return pd.DataFrame({"name": [], "path": [], "status": [], "message": [], "steps": []})
    apart = parameters.timeline.model_copy(update={"hop_s": parameters.timeline.window_s})
    found = list_recordings(Path(parameters.enrol), what="enrolment recording")
    screened = screen_recordings(found, parameters.voice_activity, apart)
    usable = screened[screened["status"] == "ok"]
    for message in screened.loc[screened["status"] != "ok", "message"]:
        _LOGGER.warning("Enrolment: %s", message)
    if usable.empty:
        raise AffettoError(
            f"None of the {len(screened)} enrolment recordings in {parameters.enrol} can be used; "
            f"the first: {screened['message'].iloc[0]}"
        )
    return usable.reset_index(drop=True)


def enrol(model: Estimator, screened: pd.DataFrame) -> FeatureSet | None:
    """Compute the features of enrolment recordings, and make sure that the model can use them.

    Parameters
    ----------
    model
        Fitted voice model.
    screened
        What `screen_enrolment` returned.

    Returns
    -------
    FeatureSet or None
        At most 200 clips; None when nobody is enrolled.

    Raises
    ------
    AffettoError
        When a recording is not fit for the features, or the model cannot be enrolled.
    """
    if screened.empty:
        return None
    kinds = feature_kinds(model)
    clips: list[tuple[str, Features]] = []
    for clip in _clips(model, screened):
        clips.append(clip)
        if len(clips) == _MOST:
            break
    features = stack_features([name for name, _ in clips], [values for _, values in clips], kinds)
    # Asked of one clip before an hour is listened to for nothing.
    model.predict_proba(features.take([0]), enrolment=features)
    return features


def _clips(model: Estimator, screened: pd.DataFrame) -> Iterator[tuple[str, Features]]:
    kinds = feature_kinds(model)
    for name, path, steps in zip(screened["name"], screened["path"], screened["steps"], strict=True):
        for position, values in extract_windows(Path(str(path)), steps, kinds):
            yield f"{name}/{position}", values
