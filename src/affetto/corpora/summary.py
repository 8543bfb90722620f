"""What the audit of a corpus found, in figures and in a picture."""

from __future__ import annotations

import logging
from typing import Any

import pandas as pd

from affetto.corpora.parameters import AuditParameters

logger = logging.getLogger(__name__)

UNLABELLED = "unlabelled"
_LISTED = 50
_SECONDS_AN_HOUR = 3600


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
        JSON values: `clips, hours, emotions, groups, groups_of_one, rejected` (kind → count), `duplicates`
        (sets of clips of equal content), `conflicting_labels` (those sets that differ in emotion),
        `level_outliers`, `sample_rates_hz`, `channels`. Lists of clips are cut at 50, counts are not.
    """
    duplicates = _duplicates(clips)
    labelled = clips[clips["emotion"].notna()]
    emotions = dict(zip(labelled["clip_id"], labelled["emotion"], strict=True))
    conflicts = [ids for ids in duplicates if len({emotions[name] for name in ids if name in emotions}) > 1]
    outliers = _level_outliers(clips, audit.level_outlier_db)
    sizes = clips["group"].value_counts()
    return {
        "corpus": str(clips["corpus"].iloc[0]),
        "clips": len(clips),
        "hours": round(float(clips["duration_s"].sum()) / _SECONDS_AN_HOUR, 4),
        "emotions": _counts(clips["emotion"].fillna(UNLABELLED)),
        "groups": len(sizes),
        "groups_of_one": int((sizes == 1).sum()),
        "rejected": _counts(rejected["reason"].str.split(":").str[0]),
        "duplicates": duplicates[:_LISTED],
        "n_duplicates": len(duplicates),
        "conflicting_labels": conflicts[:_LISTED],
        "level_median_dbfs": round(float(clips["peak_dbfs"].median()), 2),
        "level_outliers": outliers[:_LISTED],
        "n_level_outliers": len(outliers),
        "sample_rates_hz": _counts(clips["sample_rate_hz"]),
        "channels": _counts(clips["channels"]),
    }


def log_summary(summary: dict[str, Any]) -> None:
    """Say the summary in the log: the counts, and a warning for what may spoil results."""
    logger.info(
        "%s: %d clips, %.2f h, %d groups; %s",
        summary["corpus"],
        summary["clips"],
        summary["hours"],
        summary["groups"],
        _words(summary["emotions"]),
    )
    if summary["rejected"]:
        logger.warning("%s: rejected %s", summary["corpus"], _words(summary["rejected"]))
    if summary["groups_of_one"] == summary["clips"]:
        logger.warning(
            "%s: every clip is a group of its own, so that a speaker or an artist may be in training and in "
            "test: set corpus.group_pattern (folders) or corpus.group_column (table)",
            summary["corpus"],
        )
    for ids in summary["conflicting_labels"]:
        logger.warning(
            "%s: the same recording under different emotions: %s", summary["corpus"], ", ".join(ids)
        )
    if summary["n_duplicates"]:
        logger.info("%s: %d recordings occur more than once", summary["corpus"], summary["n_duplicates"])
    if summary["n_level_outliers"]:
        logger.info(
            "%s: %d clips are far from the usual level", summary["corpus"], summary["n_level_outliers"]
        )


def audit_figure(clips: pd.DataFrame) -> Any:
    """Draw clips, duration and level by emotion.

    Parameters
    ----------
    clips
        Audited clip table.

    Returns
    -------
    plotly.graph_objects.Figure
        Three panels side by side: number of clips, box plots of duration (s) and of peak level (dBFS).
    """
    from plotly.graph_objects import Bar, Box
    from plotly.subplots import make_subplots

    emotions = clips["emotion"].fillna(UNLABELLED)
    counts = emotions.value_counts().sort_index()
    titles = ("Clips", "Duration (s)", "Peak level (dBFS)")
    figure = make_subplots(rows=1, cols=3, subplot_titles=titles)
    figure.add_trace(Bar(x=counts.index.tolist(), y=counts.tolist()), row=1, col=1)
    order = {"categoryorder": "array", "categoryarray": counts.index.tolist()}
    for column, name in enumerate(("duration_s", "peak_dbfs"), start=2):
        values = clips[name].round(3).tolist()
        hover = {"text": clips["clip_id"].tolist(), "boxpoints": "outliers"}
        figure.add_trace(Box(x=emotions.tolist(), y=values, **hover), row=1, col=column)
    figure.update_xaxes(**order)
    corpus, groups = clips["corpus"].iloc[0], clips["group"].nunique()
    figure.update_layout(
        title=f"{corpus}: {len(clips)} clips in {groups} groups", showlegend=False, template="plotly_white"
    )
    return figure


def _counts(values: pd.Series[Any]) -> dict[str, int]:
    return {str(value): int(count) for value, count in values.value_counts().items()}


def _duplicates(clips: pd.DataFrame) -> list[list[str]]:
    repeated = clips[clips["content_hash"].duplicated(keep=False)]
    return sorted(sorted(ids) for _, ids in repeated.groupby("content_hash")["clip_id"])


def _level_outliers(clips: pd.DataFrame, margin_db: float) -> list[str]:
    distance_db = (clips["peak_dbfs"] - clips["peak_dbfs"].median()).abs()
    return sorted(clips.loc[distance_db > margin_db, "clip_id"])


def _words(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())
