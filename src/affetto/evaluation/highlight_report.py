"""The test of the highlights in the report: one table."""

from __future__ import annotations

from typing import Any

import pandas as pd

from affetto.evaluation.report_tables import ReportTable
from affetto.evaluation.wording import number, p_value, points

_HEADER = (
    "Model",
    "Excerpt",
    "UAR of whole clips",
    "UAR of highlights",
    "UAR of random excerpts",
    "Gain, points",
    "p",
    "Clips",
)
_NOTE = (
    "The models of the folds are asked about the stretch of each test clip that they attend to most, and "
    "about stretches of the same length drawn at random ({draws} a clip). Where the gain is not above "
    "chance, attention does not say where a track's emotion is heard. The interval is paired and over "
    "groups, p that of the paired permutation test."
)


def highlight_tables(table: pd.DataFrame) -> list[ReportTable]:
    """Write how highlights are recognised; nothing when it was not measured."""
    if table.empty:
        return []
    rows = tuple(_row(row) for _, row in table.iterrows())
    note = _NOTE.format(draws=int(table["n_random"].max()))
    return [ReportTable("highlights", "Highlights against random excerpts", note, _HEADER, rows)]


def _row(row: pd.Series[Any]) -> tuple[str, ...]:
    return (
        str(row["model"]),
        f"{row['length_s']:g} s",
        number(row["uar_whole"]),
        number(row["uar_highlight"]),
        number(row["uar_random"]),
        points(row["gain"], row["gain_ci_low"], row["gain_ci_high"]),
        p_value(row["p_value"], n_groups=row["n_groups"]),
        str(int(row["n_clips"])),
    )
