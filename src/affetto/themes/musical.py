"""Plain musical measures of clips, computed from whatever frame dimensions a feature has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from affetto.parallel import ExecutorParameters, map_shards

if TYPE_CHECKING:
    from affetto.features.clip_features import ClipFeatures

SHARD_CLIPS = 64
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

Columns = Mapping[str, np.ndarray]


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
    starts = range(0, len(features), SHARD_CLIPS)
    shards = [features.take(range(start, min(start + SHARD_CLIPS, len(features)))) for start in starts]
    sizes = [len(shard) for shard in shards]
    measured = map_shards(_measure_shard, shards, executor, description="musical measures", total_units=sizes)
    rows = [row for shard in measured for row in shard]
    return pd.DataFrame(rows, index=pd.Index(features.clip_ids, name="clip_id"), dtype=float)


def _measure_shard(features: ClipFeatures) -> list[dict[str, float]]:
    hop_s = features.hop_s or DEFAULT_HOP_S
    return [measure(features[index], features.dimensions, hop_s) for index in range(len(features))]


def measure(frames: np.ndarray, dimensions: tuple[str, ...], hop_s: float) -> dict[str, float]:
    """Measure one clip; `frames` is [n_frames, n_dimensions], `hop_s` in s. See `clip_measures`."""
    frames = frames[np.isfinite(frames).all(axis=1)].astype(np.float64)
    if len(frames) == 0:
        return {}
    columns = {name: frames[:, index] for index, name in enumerate(dimensions)}
    found: dict[str, float] = {}
    for name, alternatives in _MEASURES.items():
        for needed, function in alternatives:
            if needed in columns:
                found[name] = function(columns, hop_s)
                break
    return found


def event_rate(strength: np.ndarray, hop_s: float) -> float:
    """Count peaks above mean plus half a deviation, a second."""
    if len(strength) < 3:  # noqa: PLR2004 - a peak needs two neighbours
        return 0.0
    middle = strength[1:-1]
    peaks = (
        (middle > strength[:-2]) & (middle >= strength[2:]) & (middle > strength.mean() + strength.std() / 2)
    )
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


def _mean_of(name: str, sign: float = 1.0) -> Callable[[Columns, float], float]:
    return lambda columns, hop_s: float(sign * columns[name].mean())


def _deviation_of(name: str) -> Callable[[Columns, float], float]:
    return lambda columns, hop_s: float(columns[name].std())


def _flux(columns: Columns) -> np.ndarray:
    return np.abs(np.diff(columns["mfcc_0"], prepend=columns["mfcc_0"][:1]))


def _mode(columns: Columns, hop_s: float) -> float:
    names = [f"chroma_{pitch}" for pitch in range(12)]
    if any(name not in columns for name in names):
        return float("nan")
    return major_minor(np.array([columns[name].mean() for name in names]))


def _clarity(columns: Columns, hop_s: float) -> float:
    return float(np.mean([values.mean() for name, values in columns.items() if name.startswith("contrast_")]))


_MEASURES: dict[str, list[tuple[str, Callable[[Columns, float], float]]]] = {
    "pace": [
        ("onset", lambda columns, hop_s: event_rate(columns["onset"], hop_s)),
        ("mfcc_0", lambda columns, hop_s: event_rate(_flux(columns), hop_s)),
    ],
    # The first cosine falls from low to high bands: dark clips have a high coefficient.
    "brightness": [("centroid_hz", _mean_of("centroid_hz")), ("mfcc_1", _mean_of("mfcc_1", -1.0))],
    "loudness": [("rms_db", _mean_of("rms_db")), ("mfcc_0", _mean_of("mfcc_0"))],
    "percussiveness": [
        ("onset", _mean_of("onset")),
        ("mfcc_0", lambda columns, hop_s: float(_flux(columns).mean())),
    ],
    "noisiness": [
        ("flatness", _mean_of("flatness")),
        ("zero_crossing_rate", _mean_of("zero_crossing_rate")),
    ],
    "dynamics": [("rms_db", _deviation_of("rms_db")), ("mfcc_0", _deviation_of("mfcc_0"))],
    "mode": [("chroma_0", _mode)],
    "clarity": [("contrast_0", _clarity)],
}
