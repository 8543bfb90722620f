"""Figures on the models of a task; each function returns a Matplotlib figure and touches no global state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from affetto.evaluation.metrics import (
    confusion_matrix,
    expected_calibration_error,
    per_seed,
    reliability,
    uar,
)
from affetto.evaluation.palette import (
    FAINT,
    INK,
    PALETTE,
    ROLE_COLOURS,
    ROLE_MARKERS,
    SEQUENTIAL,
    grid,
    nothing,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DARK = 0.55
_MANY_CLASSES = 9
_HALVES = (0.0, 0.5, 1.0)


def confusion_figure(predictions: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw the confusion matrix of each model, in percent of the true class.

    Parameters
    ----------
    predictions
        Model → out-of-fold predictions; counts are means over seeds.
    """
    n_classes = max(len(confusion_matrix(table)) for table in predictions.values())
    size = 1.6 + 0.42 * min(n_classes, 2 * _MANY_CLASSES)
    figure, panels = grid(len(predictions), columns=3, width=max(size, 3.0), height=max(size, 3.0))
    for axes, (model, table) in zip(panels, predictions.items(), strict=True):
        _confusion(axes, confusion_matrix(table))
        score = float(per_seed(table, uar).mean())
        axes.set_title(f"{model}\nUAR {score:.3f}", fontsize=9, color=INK)
    return figure


def training_figure(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw the curves of training: loss, and the validation's UAR where it was recorded.

    Parameters
    ----------
    histories
        Model → a row a fit and epoch: `fold, seed, epoch, loss`, perhaps `val_loss`, `val_uar`. Lines are
        means over the fits that reached the epoch, bands go from the lowest to the highest fit. Models
        without epochs are left out.
    """
    trained = {model: table for model, table in histories.items() if len(table) and "loss" in table}
    if not trained:
        return nothing("No model of this task is trained in epochs.")
    with_uar = any("val_uar" in table for table in trained.values())
    rows = 2 if with_uar else 1
    figure, panels = grid(rows * len(trained), columns=len(trained), width=3.4, height=2.3)
    for position, (model, table) in enumerate(trained.items()):
        _curves(panels[position], table, {"training": "loss", "validation": "val_loss"})
        panels[position].set_title(model, fontsize=9, color=INK)
        panels[position].set_ylabel("loss", fontsize=8)
        if with_uar:
            _uar_curve(panels[len(trained) + position], table)
    return figure


def comparison_figure(comparison: pd.DataFrame) -> Figure:
    """Draw the UAR of each model with its interval; random folds as a hollow mark beside it.

    Parameters
    ----------
    comparison
        What `affetto.evaluation.comparison.compare` returned.
    """
    figure, (axes,) = grid(1, columns=1, width=6.4, height=1.1 + 0.42 * len(comparison))
    for place, (_, row) in enumerate(comparison.iterrows()):
        _score(axes, place, row)
    tidy(axes, lines="x")
    axes.set_yticks(range(len(comparison)), list(comparison["model"]))
    axes.set_ylim(len(comparison) - 0.5, -0.5)
    axes.set_xlim(*_limits(comparison))
    axes.set_xlabel("UAR, interval over groups", fontsize=8)
    _legend(axes, comparison)
    return figure


def reliability_figure(predictions: Mapping[str, pd.DataFrame], *, n_bins: int = 15) -> Figure:
    """Draw accuracy against confidence for each model; on the diagonal a model is as sure as it may be.

    Parameters
    ----------
    predictions
        Model → out-of-fold predictions of all seeds.
    n_bins
        Bins of equal width; the area of a mark is the share of the clips in its bin.
    """
    figure, panels = grid(len(predictions), columns=3, width=2.6, height=2.7)
    for axes, (model, table) in zip(panels, predictions.items(), strict=True):
        bins = reliability(table, n_bins=n_bins)
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, zorder=1)
        axes.plot(bins["confidence"], bins["accuracy"], color=PALETTE[0], linewidth=1, zorder=2)
        sizes = 8 + 160 * bins["share"]
        axes.scatter(bins["confidence"], bins["accuracy"], sizes, PALETTE[0], zorder=3, clip_on=False)
        tidy(axes)
        axes.set(xlim=(0, 1.03), ylim=(0, 1.03), xticks=_HALVES, yticks=_HALVES, aspect="equal")
        axes.set_xlabel("confidence", fontsize=8)
        axes.set_ylabel("accuracy", fontsize=8)
        error = float(per_seed(table, lambda rows: expected_calibration_error(rows, n_bins=n_bins)).mean())
        n_clips = table["clip_id"].nunique()
        axes.set_title(f"{model}\nECE {error:.3f}, {n_clips} clips", fontsize=9, color=INK)
    return figure


def _confusion(axes: Axes, counts: pd.DataFrame) -> None:
    values = counts.to_numpy()
    totals = values.sum(axis=1, keepdims=True)
    shares = np.divide(values, totals, out=np.zeros_like(values), where=totals > 0)
    axes.imshow(shares, cmap=SEQUENTIAL, vmin=0, vmax=1, aspect="equal")
    small = 8 if len(values) < _MANY_CLASSES else 6
    for row, column in np.ndindex(*shares.shape):
        if values[row, column] > 0:
            colour = "white" if shares[row, column] > _DARK else INK
            text = f"{100 * shares[row, column]:.0f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=small, color=colour)
    names = list(counts.index)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=small)
    axes.set_yticks(range(len(names)), names, fontsize=small)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("predicted", fontsize=8)
    axes.set_ylabel("true (rows: %)", fontsize=8)


def _curves(axes: Axes, table: pd.DataFrame, lines: Mapping[str, str]) -> None:
    for (label, column), style, colour in zip(lines.items(), ("-", "--"), PALETTE, strict=False):
        if column not in table or table[column].isna().all():
            continue
        fits = table.groupby("epoch")[column].agg(["mean", "min", "max"])
        axes.plot(fits.index, fits["mean"], style, color=colour, linewidth=1.4, label=label)
        axes.fill_between(fits.index, fits["min"], fits["max"], color=colour, alpha=0.15, linewidth=0)
    tidy(axes, lines="y")
    axes.set_xlabel("epoch", fontsize=8)
    if len(axes.get_legend_handles_labels()[1]) > 1:
        axes.legend(fontsize=7, frameon=False)


def _uar_curve(axes: Axes, table: pd.DataFrame) -> None:
    if "val_uar" not in table or table["val_uar"].isna().all():
        axes.set_axis_off()
        return
    _curves(axes, table, {"validation": "val_uar"})
    axes.set_ylim(0, 1)
    axes.set_ylabel("UAR, validation", fontsize=8)


def _score(axes: Axes, place: int, row: pd.Series[Any]) -> None:
    colour, marker = ROLE_COLOURS[row["role"]], ROLE_MARKERS[row["role"]]
    axes.hlines(place, row["uar_ci_low"], row["uar_ci_high"], color=colour, linewidth=2.2, zorder=2)
    axes.plot(row["uar"], place, marker, color=colour, markersize=7, zorder=3)
    axes.annotate(
        f"{row['uar']:.3f}", (row["uar"], place), (0, 7), textcoords="offset points", ha="center", fontsize=7
    )
    axes.plot(row["uar_random"], place, marker, markersize=6, markeredgecolor=colour, markerfacecolor="white")


def _limits(comparison: pd.DataFrame) -> tuple[float, float]:
    seen = comparison[["uar", "uar_ci_low", "uar_ci_high", "uar_random"]].to_numpy(dtype="float64")
    low, high = float(np.nanmin(seen)), float(np.nanmax(seen))
    return max(0.0, np.floor(20 * low - 0.5) / 20), min(1.02, np.ceil(20 * high + 0.5) / 20)


def _legend(axes: Axes, comparison: pd.DataFrame) -> None:
    from matplotlib.lines import Line2D

    roles = [role for role in ROLE_COLOURS if role in set(comparison["role"])]
    marks = [
        Line2D([], [], color=ROLE_COLOURS[role], marker=ROLE_MARKERS[role], linewidth=2.2, label=role)
        for role in roles
    ]
    if comparison["uar_random"].notna().any():
        hollow = Line2D([], [], color=INK, marker="o", linewidth=0, label="random folds (leaky)")
        hollow.set_markerfacecolor("white")
        marks.append(hollow)
    axes.figure.legend(handles=marks, loc="outside upper center", ncols=len(marks), fontsize=7, frameon=False)
