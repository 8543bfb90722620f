"""Figures on where in a clip a model listens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from affetto.evaluation.palette import INK, PALETTE, canvas, grid, nothing, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.floating]


def attention_figure(
    times_s: Floats,
    weights: Floats,
    *,
    image: Floats | None = None,
    hop_s: float | None = None,
    image_label: str = "coefficient",
    title: str = "",
) -> Figure:
    """Draw the attention over one clip, above it the features the model heard.

    Parameters
    ----------
    times_s, weights
        Start time (s) and weight of each step, shape [n_steps].
    image
        Features of the clip, shape [n_frames, n_dimensions], for instance MFCC or log-mel; drawn when given
        with `hop_s`.
    hop_s
        Hop between the frames of `image`, s.
    image_label
        What the rows of the image are.
    title
        Name of the clip.
    """
    shown = image is not None and hop_s is not None
    figure = canvas(6.4, 3.2 if shown else 1.8)
    panels = figure.subplots(2 if shown else 1, 1, sharex=True, squeeze=False)[:, 0]
    _steps(panels[-1], times_s, weights)
    if image is not None and hop_s is not None:
        extent = (0.0, len(image) * hop_s, 0.0, float(image.shape[1]))
        panels[0].imshow(
            image.T, aspect="auto", origin="lower", cmap="cividis", extent=extent, interpolation="nearest"
        )
        panels[0].set_ylabel(image_label, fontsize=8)
        panels[0].tick_params(length=0, labelsize=8)
        panels[-1].set_xlim(0.0, max(extent[1], float(times_s[-1])))
    panels[-1].set_xlabel("time (s)", fontsize=8)
    panels[0].set_title(title, fontsize=9, color=INK, loc="left")
    return figure


def attention_examples_figure(attention: pd.DataFrame, predictions: pd.DataFrame) -> Figure:
    """Draw the attention over one clip of each class: the one recognised with the highest probability.

    Parameters
    ----------
    attention
        `clip_id, times` (s), `weights`: a row a clip; may be empty.
    predictions
        Out-of-fold predictions of the model.
    """
    clips = _examples(attention, predictions)
    if not clips:
        return nothing("The proposed model has no attention to show.")
    rows = attention.set_index("clip_id")
    figure, panels = grid(len(clips), columns=2, width=3.7, height=1.5)
    for axes, (label, clip) in zip(panels, clips.items(), strict=True):
        _steps(axes, np.asarray(rows.loc[clip, "times"]), np.asarray(rows.loc[clip, "weights"]))
        axes.set_title(f"{label}: {clip}", fontsize=8, color=INK, loc="left")
        axes.set_xlabel("time (s)", fontsize=8)
    return figure


def _examples(attention: pd.DataFrame, predictions: pd.DataFrame) -> dict[str, str]:
    heard = attention.loc[[len(weights) > 0 for weights in attention["weights"]], "clip_id"]
    known = predictions[predictions["clip_id"].isin(heard)]
    right = known[known["label"] == known["predicted"]]
    best = right.assign(_top=right.filter(regex="^p_").max(axis=1)).sort_values(["_top", "clip_id"])
    return {str(label): str(rows["clip_id"].iloc[-1]) for label, rows in best.groupby("label", sort=True)}


def _steps(axes: Axes, times_s: Floats, weights: Floats) -> None:
    step = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 1.0
    edges = np.append(times_s, times_s[-1] + step)
    axes.stairs(weights, edges, fill=True, color=PALETTE[0], alpha=0.35)
    axes.stairs(weights, edges, color=PALETTE[0], linewidth=1.2)
    # The line at 1/n is what a model without preference would give every step.
    axes.axhline(1 / len(weights), color=INK, linewidth=0.7, linestyle=":")
    axes.set_xlim(float(edges[0]), float(edges[-1]))
    axes.set_ylim(0, 1.1 * float(np.max(weights)))
    axes.set_ylabel("attention", fontsize=8)
    tidy(axes)
