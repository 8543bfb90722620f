"""The gain of an enrolment in the report: a figure and a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from affetto.evaluation.palette import INK, PALETTE, grid, nothing, tidy
from affetto.evaluation.report import Illustration
from affetto.evaluation.report_tables import ReportTable
from affetto.evaluation.wording import number, points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HEADER = ("Model", "Enrolled clips", "UAR as anyone", "UAR enrolled", "Gain, points", "Clips", "Speakers")
_APART = 0.08


def enrolment_figure(table: pd.DataFrame) -> Figure:
    """Draw the gain of each model over the number of enrolled clips, with its interval.

    Parameters
    ----------
    table
        What `affetto.experiments.enrolment.enrolment_rows` returned, of all models; may be empty.
    """
    if table.empty:
        return nothing("No speaker was enrolled.")
    figure, (axes,) = grid(1, columns=1, width=5.2, height=3.0)
    models, sizes = list(dict.fromkeys(table["model"])), sorted(set(table["n_enrolled"]))
    for place, model in enumerate(models):
        rows = table[table["model"] == model]
        x = [sizes.index(size) + _APART * (place - (len(models) - 1) / 2) for size in rows["n_enrolled"]]
        colour = PALETTE[place % len(PALETTE)]
        axes.vlines(x, rows["gain_ci_low"], rows["gain_ci_high"], color=colour, linewidth=1.2)
        axes.plot(x, rows["gain"], "o-", color=colour, markersize=4, linewidth=1, label=model)
    tidy(axes, lines="y")
    axes.axhline(0, color=INK, linewidth=0.7)
    axes.set_xticks(range(len(sizes)), [str(size) for size in sizes])
    axes.set_xlim(-0.5, len(sizes) - 0.5)
    axes.set_xlabel("enrolled clips of the speaker", fontsize=8)
    axes.set_ylabel("gain of UAR (points)", fontsize=8)
    figure.legend(loc="outside upper center", ncols=min(4, len(models)), fontsize=7, frameon=False)
    return figure


def enrolment_illustration(table: pd.DataFrame) -> Illustration:
    """Draw the gain with its heading and a caption that says how to read it."""
    return Illustration.of(
        enrolment_figure(table),
        "Gain of an enrolment",
        "Points of UAR gained when a model has first heard other clips of the same speaker without their "
        "labels, with the paired interval over speakers.",
    )


def enrolment_tables(table: pd.DataFrame) -> list[ReportTable]:
    """Write the gain of each model and number of enrolled clips; nothing when it was not measured."""
    if table.empty:
        return []
    draws = int(table["n_repeats"].max())
    note = (
        "The models of the folds are asked about the clips that a speaker has left after some were enrolled, "
        "drawn at random without their labels, and about the same clips as those of anyone. UAR is pooled "
        f"over all speakers{_mean_over(draws)}; the interval of the gain is paired and over speakers."
    )
    rows = tuple(_row(row) for _, row in table.iterrows())
    return [ReportTable("enrolment", "Enrolment of speakers", note, _HEADER, rows)]


def _mean_over(draws: int) -> str:
    return ", of one draw" if draws == 1 else f", mean over {draws} draws"


def _row(row: pd.Series[Any]) -> tuple[str, ...]:
    return (
        str(row["model"]),
        str(int(row["n_enrolled"])),
        number(row["uar_anyone"]),
        number(row["uar_enrolled"]),
        points(row["gain"], row["gain_ci_low"], row["gain_ci_high"]),
        str(int(row["n_clips"])),
        str(int(row["n_speakers"])),
    )
