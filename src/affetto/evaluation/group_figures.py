"""Figures on groups: how models fare with each speaker, and what they lose without a group of descriptors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from affetto.evaluation.palette import FAINT, INK, PALETTE, grid, nothing, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MANY_GROUPS = 30
"""With more groups their distribution is shown instead of each of them."""
_N_STEPS = 20
_REACH = 0.28


def groups_figure(scores: pd.DataFrame) -> Figure:
    """Draw the UAR of each group: one column a model, or a histogram each where there are many groups.

    Parameters
    ----------
    scores
        What `affetto.evaluation.groups.score_groups` returned; may be empty.
    """
    if scores.empty:
        return nothing("No clip with a label was scored.")
    models = list(scores["model"].unique())
    if scores["group"].nunique() > MANY_GROUPS:
        return _histograms(scores, models)
    figure, (axes,) = grid(1, columns=1, width=1.6 + 1.1 * len(models), height=3.2)
    for place, model in enumerate(models):
        _dots(axes, place, scores.loc[scores["model"] == model, "uar"].to_numpy(dtype="float64"))
    tidy(axes, lines="y")
    axes.set_xticks(range(len(models)), models, rotation=20, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set_xlim(-0.5, len(models) - 0.5)
    axes.set_ylim(0, 1.03)
    axes.set_ylabel("UAR of a group", fontsize=8)
    return figure


def importance_figure(importance: pd.DataFrame) -> Figure:
    """Draw the loss of each model without each group of descriptors, with its interval.

    Parameters
    ----------
    importance
        What `affetto.experiments.importance.importance_rows` returned, of all models; may be empty.
    """
    if importance.empty:
        return nothing("The importance of descriptors was not measured.")
    names, models = list(importance["descriptors"].unique()), list(importance["model"].unique())
    figure, (axes,) = grid(1, columns=1, width=6.4, height=0.9 + 0.2 * (len(models) + 1) * len(names))
    step = 0.8 / len(models)
    for position, model in enumerate(models):
        rows = importance[importance["model"] == model]
        places = np.array([names.index(name) for name in rows["descriptors"]]) + step * (position + 0.5) - 0.4
        colour = PALETTE[position % len(PALETTE)]
        axes.barh(places, rows["loss"], height=0.85 * step, color=colour, alpha=0.55, label=model)
        axes.hlines(places, rows["loss_ci_low"], rows["loss_ci_high"], color=colour, linewidth=1.6)
    tidy(axes, lines="x")
    axes.axvline(0, color=INK, linewidth=0.7)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel("loss of UAR when exchanged between clips (points), interval over groups", fontsize=8)
    axes.figure.legend(loc="outside upper center", ncols=min(4, len(models)), fontsize=7, frameon=False)
    return figure


def _dots(axes: Axes, place: int, values: np.ndarray) -> None:
    """Draw a dot a group, equal ones beside each other, and the mean over the groups."""
    order = np.sort(values)
    _, counts = np.unique(order.round(3), return_counts=True)
    beside = np.concatenate([np.arange(n) - (n - 1) / 2 for n in counts])
    widest = max(1.0, float(np.abs(beside).max()))
    shift = beside * min(0.09, _REACH / widest)
    axes.hlines(values.mean(), place - 0.35, place + 0.35, color=INK, linewidth=1.4, zorder=2)
    axes.scatter(place + shift, order, 22, PALETTE[0], alpha=0.75, linewidth=0, zorder=3)


def _histograms(scores: pd.DataFrame, models: list[str]) -> Figure:
    figure, panels = grid(len(models), columns=3, width=2.6, height=2.0)
    for axes, model in zip(panels, models, strict=True):
        values = scores.loc[scores["model"] == model, "uar"].to_numpy(dtype="float64")
        axes.hist(values, bins=_N_STEPS, range=(0, 1), color=PALETTE[0], edgecolor=FAINT, linewidth=0.4)
        axes.axvline(values.mean(), color=INK, linewidth=1.2)
        tidy(axes)
        axes.set_xlim(0, 1)
        axes.set_title(model, fontsize=9, color=INK)
        axes.set_xlabel("UAR of a group", fontsize=8)
        axes.set_ylabel("groups", fontsize=8)
    return figure
