"""What the audit of a corpus found, in figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from affetto.corpora.clips import count_without_group
from affetto.corpora.parameters import AuditParameters

UNLABELLED = "unlabelled"
LISTED = 50
_SECONDS_AN_HOUR = 3600
_NOTICEABLE_CLIPPING = 0.001
_FAR_OUT = 3.0  # interquartile ranges; Tukey, Exploratory Data Analysis, 1977
_SMALLEST_SPREAD = 0.1  # of log durations: in a corpus of equal lengths, 1.35 times the length is far out


def summarise_audit(clips: pd.DataFrame, rejected: pd.DataFrame, audit: AuditParameters) -> dict[str, Any]:
    """Collect what a user should know of a corpus before trusting results on it.

    Parameters
    ----------
    clips
        Audited clip table.
    rejected
        Rejected clips.
    audit
        For the margin of level outliers.

    Returns
    -------
    dict
        JSON values:

        - `corpus, side, clips, hours, emotions` (emotion → clips), `balance` (see `_balance`);
        - `second_groups` (0 where the source knows of none);
        - `groups, groups_of_one, without_group` (labelled clips that the source gave none), `largest_group`,
          `largest_group_share, groups_by_emotion` (emotion → groups), `groups_lacking_emotions` (group →
          emotions it has no clip of, where groups have several clips);
        - `rejected` (kind of reason → clips);
        - `duplicates` (sets of clips of equal content), `conflicting_labels` (those that differ in emotion);
        - `sample_rates_hz, channels` (value → clips), `odd_sample_rates, odd_channels` (clips unlike most);
        - `duration_median_s, duration_outliers` (further out than 3 interquartile ranges of the logarithm);
        - `level_median_dbfs, level_outliers`; `clipped` (clips of which over 0.1 % is clipped, worst first);
        - `damaged` (clips of whose file something is missing or left out, each with what).

        Lists and maps of clips or groups are cut at `LISTED`; `n_<name>` is their whole length.
    """
    emotions = clips["emotion"].fillna(UNLABELLED)
    duplicates = _duplicates(clips)
    sizes = clips["group"].value_counts()
    summary = {
        "corpus": " + ".join(clips["corpus"].unique()),
        "side": str(clips["side"].iloc[0]),
        "clips": len(clips),
        "hours": round(float(clips["duration_s"].sum()) / _SECONDS_AN_HOUR, 4),
        "emotions": _counts(emotions),
        "balance": _balance(clips["emotion"]),
        "groups": len(sizes),
        "second_groups": int(clips["second_group"].nunique()),
        "groups_of_one": int((sizes == 1).sum()),
        "without_group": count_without_group(clips),
        "largest_group": str(sizes.index[0]),
        "largest_group_share": round(float(sizes.iloc[0] / len(clips)), 4),
        "groups_by_emotion": _counts(emotions[~clips.duplicated(["emotion", "group"])]),
        "rejected": count_reasons(rejected),
        "sample_rates_hz": _counts(clips["sample_rate_hz"]),
        "channels": _counts(clips["channels"]),
        "duration_median_s": round(float(clips["duration_s"].median()), 3),
        "level_median_dbfs": round(float(clips["peak_dbfs"].median()), 2),
    }
    lists: dict[str, list[Any]] = {
        "groups_lacking_emotions": _lacking(clips, sizes),
        "duplicates": duplicates,
        "conflicting_labels": _conflicts(clips, duplicates),
        "odd_sample_rates": _odd(clips, "sample_rate_hz"),
        "odd_channels": _odd(clips, "channels"),
        "duration_outliers": _far_out(clips),
        "level_outliers": _level_outliers(clips, audit.level_outlier_db),
        "clipped": _clipped(clips),
        "damaged": _damaged(clips),
    }
    return summary | {
        key: value
        for name, found in lists.items()
        for key, value in ((name, found[:LISTED]), (f"n_{name}", len(found)))
    }


def count_reasons(rejected: pd.DataFrame) -> dict[str, int]:
    """Count rejected clips by the kind of their reason, the words before its colon."""
    return _counts(rejected["reason"].str.split(":").str[0])


def _counts(values: pd.Series[Any]) -> dict[str, int]:
    return {str(value): int(count) for value, count in values.value_counts().items()}


def _balance(emotions: pd.Series[Any]) -> dict[str, Any]:
    """Return the commonest emotion, its share of the labelled clips, and how many times the rarest it is."""
    counts = emotions.value_counts()
    if counts.empty:
        return {"commonest": None, "share": None, "imbalance": None}
    return {
        "commonest": str(counts.index[0]),
        "share": round(float(counts.iloc[0] / counts.sum()), 4),
        "imbalance": round(float(counts.iloc[0] / counts.iloc[-1]), 2),
    }


def _damaged(clips: pd.DataFrame) -> list[str]:
    damaged = clips[clips["note"].fillna("") != ""] if "note" in clips else clips[:0]
    return [f"{row['clip_id']}: {row['note']}" for _, row in damaged.iterrows()]


def _lacking(clips: pd.DataFrame, sizes: pd.Series[Any]) -> list[list[Any]]:
    """Return [group, emotions that it lacks] of groups that could have them all."""
    labelled = clips[clips["emotion"].notna()]
    emotions = sorted(labelled["emotion"].unique())
    large = labelled[labelled["group"].map(sizes) >= max(2, len(emotions))]
    present = large.groupby("group")["emotion"].agg(set)
    missing = ([str(group), sorted(set(emotions) - found)] for group, found in present.items())
    return [[group, lacked] for group, lacked in missing if lacked]


def _duplicates(clips: pd.DataFrame) -> list[list[str]]:
    repeated = clips[clips["content_hash"].duplicated(keep=False)]
    return sorted(sorted(ids) for _, ids in repeated.groupby("content_hash")["clip_id"])


def _conflicts(clips: pd.DataFrame, duplicates: list[list[str]]) -> list[list[str]]:
    repeated = {name for ids in duplicates for name in ids}
    labelled = clips[clips["emotion"].notna() & clips["clip_id"].isin(repeated)]
    emotions = dict(zip(labelled["clip_id"], labelled["emotion"], strict=True))
    return [ids for ids in duplicates if len({emotions[name] for name in ids if name in emotions}) > 1]


def _odd(clips: pd.DataFrame, column: str) -> list[str]:
    return sorted(clips.loc[clips[column] != clips[column].mode().iloc[0], "clip_id"])


def _far_out(clips: pd.DataFrame) -> list[str]:
    lengths = np.log(clips["duration_s"].clip(lower=1e-6))
    low, high = lengths.quantile([0.25, 0.75])
    margin = _FAR_OUT * max(high - low, _SMALLEST_SPREAD)
    return sorted(clips.loc[(lengths < low - margin) | (lengths > high + margin), "clip_id"])


def _level_outliers(clips: pd.DataFrame, margin_db: float) -> list[str]:
    distance_db = (clips["peak_dbfs"] - clips["peak_dbfs"].median()).abs()
    return sorted(clips.loc[distance_db > margin_db, "clip_id"])


def _clipped(clips: pd.DataFrame) -> list[str]:
    noticeable = clips[clips["clipped_share"] > _NOTICEABLE_CLIPPING]
    return noticeable.sort_values(["clipped_share", "clip_id"], ascending=[False, True])["clip_id"].tolist()
