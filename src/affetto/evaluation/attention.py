"""Figures on where in a clip a model listens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from affetto.evaluation.palette import INK, PALETTE, canvas, nothing, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

    from affetto.features.clip_features import ClipFeatures

Floats = npt.NDArray[np.floating]


def attention_examples_figure(
    attention: pd.DataFrame, predictions: pd.DataFrame, spectrograms: ClipFeatures | None = None
) -> Figure:
    """Draw the attention over a few test clips.

    They are the clip of each class that was recognised with the highest probability, and the clip that was
    told wrongly with the highest one.

    Parameters
    ----------
    attention
        `clip_id, times` (s), `weights`: a row a clip; may be empty.
    predictions
        Out-of-fold predictions of the model; those of the first seed are shown, which the attention is of.
    spectrograms
        Log-mel spectrograms of the clips, drawn under the attention; only those that are drawn are read.
    """
    clips = attention_examples(attention, predictions)
    if clips.empty:
        return nothing("The proposed model has no attention to show.")
    rows = attention.set_index("clip_id")
    across, down = min(2, len(clips)), -(-len(clips) // 2)
    figure = canvas(3.7 * across, (1.5 if spectrograms is None else 2.5) * down)
    panels = np.asarray(figure.subfigures(down, across, squeeze=False)).ravel()
    for panel, (_, clip) in zip(panels, clips.iterrows(), strict=False):
        heard, name = rows.loc[clip["clip_id"]], str(clip["clip_id"])
        image, hop_s = _image(spectrograms, name)
        _clip(
            panel,
            np.asarray(heard["times"]),
            np.asarray(heard["weights"]),
            image,
            hop_s,
            "band",
            _title(clip),
        )
    return figure


def attention_examples(attention: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Choose the clips that `attention_examples_figure` draws.

    Returns
    -------
    DataFrame
        `clip_id, label, predicted, posterior` (of the predicted class): a row a class, sorted, then the
        surest mistake, where there is one.
    """
    heard = attention.loc[[len(weights) > 0 for weights in attention["weights"]], "clip_id"]
    known = predictions[
        predictions["clip_id"].isin(heard) & (predictions["seed"] == predictions["seed"].min())
    ]
    posterior = known.filter(regex="^p_").max(axis=1)
    known = known[["clip_id", "label", "predicted"]].assign(posterior=posterior)
    known = known.sort_values(["posterior", "clip_id"], ascending=False)
    is_right = known["label"] == known["predicted"]
    best = known[is_right].drop_duplicates("label").sort_values("label")
    chosen: pd.DataFrame = pd.concat([best, known[~is_right].head(1)], ignore_index=True)
    return chosen


def _title(clip: pd.Series[Any]) -> str:
    told = f"true {clip['label']}, told {clip['predicted']} ({clip['posterior']:.2f})"
    return f"{told}\n{clip['clip_id']}"


def _image(spectrograms: ClipFeatures | None, clip_id: str) -> tuple[Floats | None, float]:
    if spectrograms is None or spectrograms.hop_s is None or clip_id not in spectrograms.clip_ids:
        return None, 0.0
    return spectrograms.select([clip_id])[0], spectrograms.hop_s


def _clip(
    figure: FigureBase,
    times_s: Floats,
    weights: Floats,
    image: Floats | None,
    hop_s: float,
    image_label: str,
    title: str,
) -> None:
    """Draw one clip into a figure or a part of one."""
    if image is None:
        panels = [figure.subplots()]
    else:
        panels = list(figure.subplots(2, 1, sharex=True, height_ratios=(2, 3)))
    _steps(panels[0], times_s, weights)
    if image is not None:
        extent = (0.0, len(image) * hop_s, 0.0, float(image.shape[1]))
        panels[1].imshow(
            image.T, aspect="auto", origin="lower", cmap="cividis", extent=extent, interpolation="nearest"
        )
        panels[1].set_ylabel(image_label, fontsize=8)
        panels[1].tick_params(length=0, labelsize=8)
        panels[1].set_xlim(0.0, max(extent[1], float(times_s[-1])))
    panels[-1].set_xlabel("time (s)", fontsize=8)
    panels[0].set_title(title, fontsize=8, color=INK, loc="left")


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
