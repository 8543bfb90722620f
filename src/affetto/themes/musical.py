"""Plain musical measures of clips, computed from whatever frame dimensions a feature has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from affetto.io.workers import ExecutorParameters, map_shards
from affetto.themes.words import shards

if TYPE_CHECKING:
    from affetto.features.clip_features import ClipFeatures

DEFAULT_HOP_S = 512 / 22050

TERMS: dict[str, tuple[str, str]] = {
    "pace": ("fast", "slow"),
    "brightness": ("bright", "dark"),
    "loudness": ("loud", "soft"),
    "percussiveness": ("percussive", "sustained"),
    "noisiness": ("noisy", "pure"),
    "dynamics": ("dynamic", "even"),
    "mode": ("major", "minor"),
    "clarity": ("clear", "dense"),
}
"""What a measure above and below the emotion's mean is called."""

UNITS: dict[str, str] = {
    "pace": "onsets/s",
    "brightness": "Hz",
    "loudness": "dB",
    "percussiveness": "dB",
    "dynamics": "dB",
    "clarity": "dB",
}
"""Of the measures where the feature has its full dimensions; stand-ins and the others are plain numbers."""

# Krumhansl & Kessler (1982), probe-tone profiles of C major and C minor.
MAJOR_PROFILE = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
MINOR_PROFILE = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])


def clip_measures(features: ClipFeatures, executor: ExecutorParameters) -> pd.DataFrame:
    """Measure clips in plain musical terms.

    Parameters
    ----------
    features
        Frames; the dimensions `onset`, `centroid_hz`, `flatness`, `zero_crossing_rate`, `rms_db`,
        `chroma_0…11`, `contrast_0…` are used where they are, MFCCs stand in for brightness, loudness, pace
        and percussiveness.
    executor
        Where the shards run.

    Returns
    -------
    DataFrame
        Indexed by `clip_id`, a column a measure of `TERMS` that the feature allows; NaN for clips without
        frames.
    """
    parts = shards(features)
    sizes = [len(part) for part in parts]
    measured = map_shards(_measure_shard, parts, executor, description="musical measures", total_units=sizes)
    rows = [row for part in measured for row in part]
    return pd.DataFrame(rows, index=pd.Index(features.clip_ids, name="clip_id"), dtype=float)


def _measure_shard(features: ClipFeatures) -> list[dict[str, float]]:
    hop_s = features.hop_s or DEFAULT_HOP_S
    return [measure(frames, features.dimensions, hop_s) for frames in features]


def measure(frames: np.ndarray, dimensions: tuple[str, ...], hop_s: float) -> dict[str, float]:
    """Measure one clip; `frames` is [n_frames, n_dimensions], `hop_s` in s. See `clip_measures`."""
    frames = frames[np.isfinite(frames).all(axis=1)].astype(np.float64)
    if len(frames) == 0:
        return {}
    columns = {name: frames[:, index] for index, name in enumerate(dimensions)}
    onset, level = columns.get("onset"), columns.get("rms_db", columns.get("mfcc_0"))
    if onset is None and "mfcc_0" in columns:
        onset = np.abs(np.diff(columns["mfcc_0"], prepend=columns["mfcc_0"][:1]))
    centroid = columns.get("centroid_hz")
    if centroid is None and "mfcc_1" in columns:
        # The first cosine falls from low to high bands: dark clips have a high coefficient.
        centroid = -columns["mfcc_1"]
    noise = columns.get("flatness", columns.get("zero_crossing_rate"))
    found = {
        "pace": None if onset is None else event_rate(onset, hop_s),
        "brightness": None if centroid is None else centroid.mean(),
        "loudness": None if level is None else level.mean(),
        "percussiveness": None if onset is None else onset.mean(),
        "noisiness": None if noise is None else noise.mean(),
        "dynamics": None if level is None else level.std(),
        "mode": None,
        "clarity": None,
    }
    chroma = [columns[f"chroma_{pitch}"].mean() for pitch in range(12) if f"chroma_{pitch}" in columns]
    if chroma:
        found["mode"] = major_minor(np.array(chroma)) if len(chroma) == len(MAJOR_PROFILE) else np.nan
    contrast = [values.mean() for name, values in columns.items() if name.startswith("contrast_")]
    if contrast:
        found["clarity"] = np.mean(contrast)
    return {name: float(value) for name, value in found.items() if value is not None}


def event_rate(strength: np.ndarray, hop_s: float) -> float:
    """Count peaks above mean plus half a deviation, a second."""
    if len(strength) < 3:  # noqa: PLR2004 - a peak needs two neighbours
        return 0.0
    middle, threshold = strength[1:-1], strength.mean() + strength.std() / 2
    peaks = (middle > strength[:-2]) & (middle >= strength[2:]) & (middle > threshold)
    return float(peaks.sum() / (len(strength) * hop_s))


def major_minor(chroma: np.ndarray) -> float:
    """Return the best correlation with a major key minus the best with a minor key, for mean chroma [12]."""
    if chroma.std() == 0:
        return 0.0
    best = [
        max(np.corrcoef(chroma, np.roll(profile, shift))[0, 1] for shift in range(12))
        for profile in (MAJOR_PROFILE, MINOR_PROFILE)
    ]
    return float(best[0] - best[1])
