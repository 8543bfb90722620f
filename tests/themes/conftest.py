"""Synthetic clips whose themes are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.io.workers import ExecutorParameters
from affetto.themes.model import emotions_used, fit_themes
from affetto.themes.parameters import TopicParameters
from affetto.themes.words import AudioWords

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


@pytest.fixture(scope="session")
def library():
    """40 calm clips of two kinds, one tense clip, one without emotion and words."""
    rng = np.random.default_rng(0)
    kinds = np.arange(42) % 2
    rates = np.where(kinds[:, None] == 0, [20.0] * 5 + [1.0] * 5, [1.0] * 5 + [20.0] * 5)
    counts = rng.poisson(rates).astype(np.uint16)
    counts[41] = 0
    ids = tuple(f"c/{i:02d}" for i in range(42))
    words = AudioWords(ids, counts, (slice(0, 10),))
    clips = pd.DataFrame(
        {
            "clip_id": ids,
            "emotion": ["calm"] * 40 + ["tense", None],
            "tags": [["even"] if kind == 0 else ["odd", "x"] for kind in kinds],
            "group": ids,
        }
    )
    predicted = pd.DataFrame({"clip_id": ids, "p_calm": 0.6, "p_sad": 0.1, "p_tense": 0.3})
    emotions = emotions_used(clips, predicted)
    model, selection = fit_themes(
        words,
        list(emotions),
        list(ids),
        TopicParameters(candidates=(2, 3), passes=10),
        ExecutorParameters(n_jobs=1, progress=False),
        all_emotions=["calm", "sad", "tense"],
    )
    return words, clips, emotions, model, selection
