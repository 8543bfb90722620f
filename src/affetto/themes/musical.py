"""Plain musical measures of clips, computed from the frame dimensions that a feature has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from affetto.io.workers import ExecutorParameters, map_shards
from affetto.themes.words import shards

if TYPE_CHECKING:
    from affetto.features.clip_features import ClipFeatures

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
"""The other measures are plain numbers."""

# Krumhansl & Kessler (1982), probe-tone profiles of C major and C minor.
MAJOR_PROFILE = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
MINOR_PROFILE = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])


def clip_measures(features: ClipFeatures, executor: ExecutorParameters) -> pd.DataFrame:
    """Measure clips in plain musical terms.

    Parameters
    ----------
    features
        Frames; the dimensions `onset`, `centroid_hz`, `flatness`, `rms_db`, `chroma_0…11` and `contrast_0…`
        are used where they are.
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
    rows = []
    for clip in features:
        frames = clip[np.isfinite(clip).all(axis=1)].astype(np.float64)
        columns = dict(zip(features.dimensions, frames.T, strict=True))
        rows.append(measure(columns, features.hop_s or 1.0) if len(frames) else {})
    return rows


def measure(columns: Mapping[str, np.ndarray], hop_s: float) -> dict[str, float]:
    """Measure one clip: the values of each dimension by its name, [n_frames], `hop_s` from frame to frame."""
    found = {}
    if "onset" in columns:
        found["pace"] = event_rate(columns["onset"], hop_s)
        found["percussiveness"] = columns["onset"].mean()
    if "centroid_hz" in columns:
        found["brightness"] = columns["centroid_hz"].mean()
    if "rms_db" in columns:
        found["loudness"], found["dynamics"] = columns["rms_db"].mean(), columns["rms_db"].std()
    if "flatness" in columns:
        found["noisiness"] = columns["flatness"].mean()
    if "chroma_11" in columns:
        found["mode"] = major_minor(np.array([columns[f"chroma_{pitch}"].mean() for pitch in range(12)]))
    contrast = [values.mean() for name, values in columns.items() if name.startswith("contrast_")]
    if contrast:
        found["clarity"] = np.mean(contrast)
    return {name: float(found[name]) for name in TERMS if name in found}


def event_rate(strength: np.ndarray, hop_s: float) -> float:
    """Count peaks above mean plus half a deviation, a second."""
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
