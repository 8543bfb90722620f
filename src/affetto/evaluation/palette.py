"""Colours and canvas that all figures share."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
