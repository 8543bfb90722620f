"""Features of degraded copies of clips: a copy becomes a file, is decoded like any other, and forgotten."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from affetto.audio.conditions import AnyCondition
from affetto.features.clip_features import KEY_DTYPE, ClipFeatures, FeatureSet
from affetto.features.extract import Target, fill, key_of
from affetto.features.store import Description, FeatureStore, Plan
from affetto.features.table import parse_description
from affetto.io.paths import absolute
from affetto.io.workers import ExecutorParameters

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)


def extract_degraded(
    features: FeatureSet,
    clips: pd.DataFrame,
    condition: AnyCondition,
    *,
    root: Path,
    other_roots: Mapping[str, Path],
    stores: Path,
    executor: ExecutorParameters,
    name: str,
) -> FeatureSet:
    """Extract the features of clips as they sound in a condition; only what the stores lack is computed.

    Parameters
    ----------
    features
        The features of the clips as they are: which ones, with which parameters, of which clips.
    clips
        Clip table: `clip_id, path`, and where known `corpus, start_s, end_s, duration_s`.
    condition
        What is done to each clip.
    root, other_roots
        Folders that `path` is relative to, as for `extract.extract`.
    stores
        Folder of the feature stores of degraded copies, one a feature.
    executor
        Where to compute.
    name
        Of the condition, for the progress bar.

    Returns
    -------
    FeatureSet
        The same features, of the clips that could be degraded, memory-mapped.

    Raises
    ------
    AffettoError
        When the condition cannot be made, or space or memory ran out.
    """
    table = clips.set_index("clip_id").loc[list(features.clip_ids)].reset_index()
    targets = {
        each: Target(
            FeatureStore(absolute(stores) / each),
            Description(
                name=feature.name,
                dimensions=feature.dimensions,
                hop_s=feature.hop_s,
                parameters=feature.parameters,
            ),
            parse_description(feature.parameters),
        )
        for each, feature in features.items()
    }
    keys = {each: _keys(feature, condition) for each, feature in features.items()}
    reasons, _ = fill(table, root, other_roots, targets, keys, executor, what=name, condition=condition)
    left_out = {
        clip_id: reasons[key.decode()]
        for each in features
        for clip_id, key in zip(features.clip_ids, keys[each], strict=True)
        if reasons and key.decode() in reasons
    }
    for clip_id, reason in list(left_out.items())[:1]:
        logger.warning("%s: %d clips are left out, first %s: %s", name, len(left_out), clip_id, reason)
    stored = {
        each: target.store.features(Plan(features.clip_ids, keys[each], left_out, target.description))
        for each, target in targets.items()
    }
    return FeatureSet.align(stored, features.clip_ids)


def _keys(feature: ClipFeatures, condition: AnyCondition) -> np.ndarray:
    """Return what the values of each copy are found by, bytes [n_clips]: the clip's key and the condition."""
    described = json.dumps(condition.description(), sort_keys=True).encode()
    return np.array([key_of(bytes(key) + described) for key in feature.keys], dtype=KEY_DTYPE)
