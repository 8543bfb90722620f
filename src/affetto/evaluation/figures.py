"""Figures on the models of a task, and what all figures share: colours, canvas, captions.

Each function returns a Matplotlib figure and touches no global state.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from affetto.evaluation.metrics import (
    confusion_matrix,
    expected_calibration_error,
    mean_score,
    reliability,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's colours, told apart with any colour vision: jfly.uni-koeln.de/color (2008).
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#6B6B6B", "#F0E442")
ROLE_COLOURS = {"proposed": "#0072B2", "ablation": "#E69F00", "baseline": "#6B6B6B", "pretrained": "#009E73"}
ROLE_MARKERS = {"proposed": "o", "ablation": "s", "baseline": "D", "pretrained": "^"}
SEQUENTIAL = "Blues"
INK = "#222222"
FAINT = "#D0D0D0"
MANY_GROUPS = 30
"""With more groups their distribution is shown instead of each of them."""
CAPTIONS = {
    "comparison": (
        "UAR of each model",
        "Filled marks: UAR on grouped folds with its interval over groups. Hollow marks, where drawn: "
        "the same model on random folds.",
    ),
    "confusion": (
        "Confusions",
        "Rows are true classes, columns predicted ones; each cell is the percentage of its row.",
    ),
    "reliability": (
        "Reliability",
        "Accuracy of the clips at each confidence. Below the diagonal a model is surer than it may be; "
        "larger marks stand for more clips.",
    ),
    "training": (
        "Training",
        "Means over fits; bands from the lowest to the highest fit. Later epochs are reached by fewer fits.",
    ),
    "attention": (
        "Attention",
        "Weight of each moment of the clip that the proposed model recognised most surely in each class, and "
        "of its surest mistake, with the true emotion, what was told and its probability.{under} The dotted "
        "line is the weight of a model without preference.",
    ),
    "groups": (
        "UAR of each group",
        "A dot a group (speaker, artist, song) over the classes that it has, their mean as a line; with more "
        f"than {MANY_GROUPS} groups, how many reach which UAR.",
    ),
    "importance": (
        "Importance of descriptors",
        "Points of UAR lost when descriptors of a clip are exchanged for those of another test clip of its "
        "fold, in the functionals and the sequences together, with the interval over groups; nothing is "
        "fitted again. What two kinds of descriptors say alike neither loses alone.",
    ),
    "enrolment": (
        "Gain of an enrolment",
        "Points of UAR gained when a model has first heard other clips of the same speaker without their "
        "labels, with the paired interval over speakers.",
    ),
    "robustness": (
        "Robustness of each model",
        "Change of the UAR on degraded copies of the test clips, in points, with its paired interval over "
        "groups. Grey bands are the tolerances, hollow marks conditions that the model has learnt from.",
    ),
}
"""Figure → its heading, and how to read it."""
_PNG_DPI = 130
_PIXELS_PER_INCH = 62  # the narrowest at which the small print of a figure is legible
_DARK = 0.55
_MANY_CLASSES = 9
_HALVES = (0.0, 0.5, 1.0)
_NOTHING = "No clip with a label was scored."


@dataclass(frozen=True)
class Illustration:
    """A figure of the report, drawn.

    Attributes
    ----------
    png
        The image, which carries title and caption as its metadata.
    title
        Heading over it.
    caption
        How to read it, in a sentence or two; also its text for readers who cannot see it.
    """

    png: bytes
    title: str
    caption: str

    @classmethod
    def of(cls, figure: Figure, title: str, caption: str) -> Self:
        """Draw a figure."""
        image = io.BytesIO()
        figure.savefig(image, format="png", dpi=_PNG_DPI, metadata={"Title": title, "Description": caption})
        return cls(image.getvalue(), title, caption)

    @classmethod
    def read(cls, png: bytes) -> Self:
        """Read what `of` drew."""
        from PIL import Image

        with Image.open(io.BytesIO(png)) as image:
            return cls(png, image.info.get("Title", ""), image.info.get("Description", ""))

    @property
    def width_px(self) -> int:
        """Width at which it is shown, pixels."""
        width: int = struct.unpack(">I", self.png[16:20])[0]  # of the header, which a PNG begins with
        return round(width * _PIXELS_PER_INCH / _PNG_DPI)


def illustrate(name: str, figure: Figure, *, under: str = "") -> Illustration:
    """Draw a figure of `CAPTIONS` with its heading and caption; `under` is put into that of the attention."""
    title, caption = CAPTIONS[name]
    return Illustration.of(figure, title, caption.format(under=under))


def canvas(width: float, height: float) -> Figure:
    """Make an empty figure (sizes in inches) that needs no display and is in no global list."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=150, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def grid(n_panels: int, *, columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """Make a figure of `n_panels` panels of a size in inches, at most `columns` beside each other."""
    across = max(1, min(n_panels, columns))
    down = max(1, -(-n_panels // across))
    figure = canvas(width * across, height * down)
    panels = [figure.add_subplot(down, across, position + 1) for position in range(n_panels)]
    return figure, panels


def tidy(axes: Axes, *, lines: str | None = None) -> None:
    """Take away what carries no data; `lines` draws faint guides along `x` or `y`."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=0, labelsize=8)
    axes.set_axisbelow(True)
    if lines == "x":
        axes.grid(axis="x", color=FAINT, linewidth=0.6)
    elif lines == "y":
        axes.grid(axis="y", color=FAINT, linewidth=0.6)


def nothing(message: str) -> Figure:
    """Make a small figure that says why there is nothing to draw."""
    figure = canvas(5.0, 1.2)
    figure.text(0.5, 0.5, message, ha="center", va="center", fontsize=10, color=INK)
    return figure


def confusion_figure(predictions: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw the confusion matrix of each model, in percent of the true class.

    Parameters
    ----------
    predictions
        Model → out-of-fold predictions, perhaps none; counts are means over seeds.
    """
    if not predictions:
        return nothing(_NOTHING)
    n_classes = max(len(confusion_matrix(table)) for table in predictions.values())
    size = 1.6 + 0.42 * min(n_classes, 2 * _MANY_CLASSES)
    figure, panels = grid(len(predictions), columns=3, width=max(size, 3.0), height=max(size, 3.0))
    for axes, (model, table) in zip(panels, predictions.items(), strict=True):
        _confusion(axes, confusion_matrix(table))
        score = mean_score(table)
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
        What `affetto.evaluation.comparison.compare` returned; may be empty.
    """
    if comparison.empty:
        return nothing(_NOTHING)
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
    if not predictions:
        return nothing(_NOTHING)
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
        error = expected_calibration_error(table, n_bins=n_bins)
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
