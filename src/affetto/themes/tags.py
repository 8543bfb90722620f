"""Tags that musicnn predicts for tracks, in words that people use: "acoustic", "mellow", "female voice"."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from affetto.errors import AffettoError
from affetto.features.clip_features import ClipFeatures
from affetto.features.encoder.catalogue import ENCODERS
from affetto.features.encoder.musicnn import TAGS

ENCODER, LAYER = "musicnn-msd", 3
TAGS_PER_TRACK, MIN_PROBABILITY = 5, 0.1
"""A track has its likeliest tags, those of a probability of at least 0.1: songs of 4Q have one to seven of
them. Below it tags say nothing, such as *rock* with 0.08 of a motet."""
SHOWN = 3  # of them, as musicnn's own program does

_WORDS = {
    "female vocalists": "female voice",
    "female vocalist": "female voice",
    "male vocalists": "male voice",
    "chillout": "chill",
    "electronica": "electronic",
    "electro": "electronic",
    "heavy metal": "metal",
    "rnb": "R&B",
    "House": "house",
    "Mellow": "mellow",
    "Hip-Hop": "hip-hop",
    "Progressive rock": "progressive rock",
    "00s": "2000s",
}
_OPINIONS = {"beautiful", "sexy", "catchy"}  # of whom listens: they do not say what a track sounds like
ORIGIN = (
    "The tags are predictions, not labels: musicnn (Pons & Serra, 2019) made them. "
    f"It was trained on {ENCODERS[ENCODER].trained_on}"
)
"""What has to stand beside the tags wherever they are shown."""


def predict_tags(feature: ClipFeatures) -> pd.Series:
    """Return the likeliest tags of each clip.

    Parameters
    ----------
    feature
        Probabilities of musicnn's 50 tags, as frames or as their statistics. Of tags that mean the same the
        likeliest counts.

    Returns
    -------
    Series
        Lists of at most `TAGS_PER_TRACK` tags, likeliest first, by `clip_id`.

    Raises
    ------
    AffettoError
        When the feature is another one.
    """
    known = feature.parameters
    if known.get("name") != ENCODER or list(known.get("layers", ())) != [LAYER]:
        raise AffettoError(
            f"The feature {feature.name} names themes by musicnn's tags, so it must have the name {ENCODER} "
            f"and the layers [{LAYER}]; it has {known.get('name')} and {known.get('layers')}."
        )
    words = np.array([_WORDS.get(tag, tag) for tag in TAGS], dtype=object)
    useful = [index for index, tag in enumerate(TAGS) if tag not in _OPINIONS]
    found = []
    for clip in feature:
        mean = clip[:, : len(TAGS)].mean(axis=0)  # deviations come behind the means of statistics
        likely = (index for index in useful if mean[index] >= MIN_PROBABILITY)
        order = sorted(likely, key=lambda index: (-mean[index], index))
        found.append(list(dict.fromkeys(words[order]))[:TAGS_PER_TRACK])
    return pd.Series(found, index=pd.Index(feature.clip_ids, name="clip_id"), dtype=object)


def join_tags(tags: Iterable[str]) -> str:
    """Write the likeliest tags of a track in a line: "acoustic · mellow · female voice"."""
    return " · ".join(list(tags)[:SHOWN])
