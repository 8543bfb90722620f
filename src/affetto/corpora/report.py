"""The report of an audit: one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from affetto.corpora.findings import notes_of, size_sentence, warnings_of
from affetto.corpora.summary import LISTED, UNLABELLED
from affetto.errors import one_line
from affetto.page_template import page_template

_BINS = 40
_ROWS = 200  # of emotions: a corpus may have any number of them


def render_audit(summary: Mapping[str, Any], clips: pd.DataFrame, rejected: pd.DataFrame) -> str:
    """Write the report of an audit.

    Parameters
    ----------
    summary
        Of `affetto.corpora.summary.summarise_audit`.
    clips, rejected
        Accepted and rejected clips.

    Returns
    -------
    str
        An HTML page without scripts and without anything loaded from elsewhere.
    """
    return page_template("affetto.corpora", "report.html.j2", one_line).render(
        summary=summary,
        size=size_sentence(summary),
        n_rejected=len(rejected),
        warnings=warnings_of(summary),
        notes=notes_of(summary),
        emotions=_emotions(clips),
        histograms=[
            _histogram("Length of the clips", "s", clips["duration_s"]),
            _histogram("Peak level", "dBFS", clips["peak_dbfs"]),
            _histogram("Clips a group", "clips", clips["group"].value_counts()),
        ],
        formats=[
            ("Sample rate (Hz)", summary["sample_rates_hz"]),
            ("Channels", summary["channels"]),
        ],
        lists=_lists(summary),
        reasons=_reasons(rejected),
        listed=LISTED,
    )


def _emotions(clips: pd.DataFrame) -> list[dict[Hashable, Any]]:
    """Return a row an emotion, the commonest first."""
    by_emotion = clips.groupby(clips["emotion"].fillna(UNLABELLED))
    table = by_emotion.agg(
        clips=("clip_id", "size"), seconds=("duration_s", "sum"), groups=("group", "nunique")
    )
    table = table.assign(share=table["clips"] / len(clips), width=100 * table["clips"] / table["clips"].max())
    return table.sort_values("clips", ascending=False).head(_ROWS).reset_index().to_dict("records")


def _histogram(title: str, unit: str, values: pd.Series[Any]) -> dict[str, Any]:
    """Return the bars of a histogram; heights in percent of the highest."""
    counts, edges = np.histogram(values.to_numpy(dtype=np.float64), bins=_BINS)
    return {
        "title": title,
        "unit": unit,
        "heights": (100 * counts / counts.max()).round(1).tolist(),
        "counts": counts.tolist(),
        "edges": [f"{edge:.3g}" for edge in edges],
        "median": f"{values.median():.3g}",
    }


def _lists(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    titles = {
        "conflicting_labels": "The same recording under different emotions",
        "duplicates": "Recordings that occur more than once",
        "clipped": "Clipped clips, worst first",
        "damaged": "Damaged or cut off: what can be decoded is used",
        "odd_sample_rates": "Another sample rate than the others",
        "odd_channels": "Another number of channels than the others",
        "duration_outliers": "Far longer or shorter than the others",
        "level_outliers": "Far from the usual level",
        "groups_lacking_emotions": "Groups that have no clip of some emotion",
    }
    found = {name: title for name, title in titles.items() if summary[name]}
    return [
        {"title": title, "items": [_words(item) for item in summary[name]], "n": summary[f"n_{name}"]}
        for name, title in found.items()
    ]


def _words(item: Any) -> str:
    if isinstance(item, str):
        return item
    first, rest = item[0], item[1:]
    if rest and isinstance(rest[0], list):  # a group and what it lacks
        return f"{first}: {', '.join(rest[0])}"
    return " = ".join(item)


def _reasons(rejected: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the first clips of every kind of reason, the commonest kind first."""
    kinds = rejected["reason"].str.split(":").str[0]
    return [
        {
            "kind": kind,
            "n": int(count),
            "clips": rejected.loc[kinds == kind, ["clip_id", "reason"]].head(LISTED).to_dict("records"),
        }
        for kind, count in kinds.value_counts().items()
    ]
