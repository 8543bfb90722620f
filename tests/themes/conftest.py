"""Synthetic clips whose themes are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from affetto.features.clip_features import ClipFeatures, FeatureSet

DIMENSIONS = (*(f"mfcc_{i}" for i in range(4)), "centroid_hz", "rms_db", "onset")
EMOTIONS = ("calm", "tense")


@pytest.fixture(scope="session")
def planted() -> tuple[FeatureSet, pd.DataFrame, pd.DataFrame]:
    """Two emotions of three themes: each theme prefers one of three clouds of frames. One is silent."""
    rng = np.random.default_rng(5)
    centres = rng.normal(0, 6, (3, len(DIMENSIONS)))
    rows, arrays = [], []
    for index in range(72):
        theme = index % 3
        weights = np.full(3, 0.15)
        weights[theme] = 0.7
        clouds = rng.choice(3, size=60, p=weights)
        arrays.append((centres[clouds] + rng.normal(0, 1, (60, len(DIMENSIONS)))).astype(np.float32))
        rows.append(
            {
                "clip_id": f"demo/{index:02d}",
                "emotion": EMOTIONS[(index // 3) % 2],
                "theme": "abc"[theme],
                "tags": ["abc"[theme], "common"],
                "group": f"g{index // 2}",
            }
        )
    arrays.append(np.zeros((0, len(DIMENSIONS)), dtype=np.float32))
    rows.append({"clip_id": "demo/silent", "emotion": None, "theme": None, "tags": [], "group": "s"})
    clips = pd.DataFrame(rows)
    features = ClipFeatures.from_arrays(
        "mfcc", list(clips["clip_id"]), arrays, dimensions=DIMENSIONS, hop_s=0.1, parameters={"version": 1}
    )
    labelled = clips[clips["emotion"].notna()]
    folds = pd.DataFrame({"clip_id": labelled["clip_id"], "fold": (np.arange(len(labelled)) // 6) % 3})
    return FeatureSet({"mfcc": features}), clips, folds
