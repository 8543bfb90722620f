"""The robustness of the models of a task, drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from affetto.evaluation.palette import FAINT, PALETTE, ROLE_MARKERS, grid, nothing, tidy
from affetto.evaluation.report import Illustration

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SPREAD = 0.7


def robustness_figure(table: pd.DataFrame) -> Figure:
    """Draw the change of the UAR in each condition, with its interval; grey bands are the tolerances.

    Parameters
    ----------
    table
        The robustness table of the task; may be empty.
    """
    known = table[table["change"].notna()] if len(table) else table
    if known.empty:
        return nothing("No model was tested on degraded copies.")
    conditions, models = list(dict.fromkeys(known["condition"])), list(dict.fromkeys(known["model"]))
    height = 1.2 + len(conditions) * max(0.4, 0.12 * len(models))
    figure, (axes,) = grid(1, columns=1, width=7.0, height=height)
    _tolerances(axes, known, conditions)
    for place, model in enumerate(models):
        _model(axes, known[known["model"] == model], conditions, place, len(models))
    tidy(axes, lines="x")
    axes.axvline(0, color=FAINT, linewidth=1, zorder=1)
    axes.set_yticks(range(len(conditions)), [name.replace("_", " ") for name in conditions])
    axes.set_ylim(len(conditions) - 0.5, -0.5)
    axes.set_xlabel("change of the UAR, points, interval over groups", fontsize=8)
    figure.legend(loc="outside upper center", ncols=min(len(models), 4), fontsize=7, frameon=False)
    return figure


def robustness_illustration(table: pd.DataFrame) -> Illustration:
    """Draw the robustness with its heading and a caption that says how to read it."""
    return Illustration.of(
        robustness_figure(table),
        "Robustness of each model",
        "Change of the UAR on degraded copies of the test clips, in points, with its paired interval over "
        "groups. Grey bands are the tolerances, hollow marks conditions that the model has learnt from.",
    )


def _tolerances(axes: Axes, table: pd.DataFrame, conditions: list[str]) -> None:
    tolerance = table.groupby("condition")["tolerance"].first()
    for place, condition in enumerate(conditions):
        width = float(tolerance[condition])
        axes.barh(place, 2 * width, left=-width, height=0.9, color=FAINT, alpha=0.5, zorder=0)


def _model(axes: Axes, rows: pd.DataFrame, conditions: list[str], place: int, n_models: int) -> None:
    by_condition = rows.set_index("condition").reindex(conditions)
    offset = _SPREAD * ((place + 0.5) / n_models - 0.5)
    y = np.arange(len(conditions)) + offset
    colour, role = PALETTE[place % len(PALETTE)], str(rows["role"].iloc[0])
    axes.hlines(y, by_condition["change_ci_low"], by_condition["change_ci_high"], color=colour, linewidth=1.2)
    axes.plot(
        by_condition["change"],
        y,
        ROLE_MARKERS[role],
        color=colour,
        markersize=4,
        zorder=3,
        label=f"{rows['model'].iloc[0]} ({role})",
    )
    trained = (by_condition["trained_on"] == "yes").to_numpy()
    (hollow,) = axes.plot(
        by_condition["change"][trained], y[trained], ROLE_MARKERS[role], color=colour, zorder=4
    )
    hollow.set(markerfacecolor="white", markersize=4)
