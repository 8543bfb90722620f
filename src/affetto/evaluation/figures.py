"""The figures of the reports, and what all figures share: colours, canvas, axes.

Each function returns a Matplotlib figure and touches no global state. How to read them is said in
`report.html.j2`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

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

    from affetto.features.clip_features import ClipFeatures

# Okabe & Ito's colours, told apart with any colour vision: jfly.uni-koeln.de/color (2008).
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#6B6B6B", "#F0E442")
INK = "#222222"
FAINT = "#D0D0D0"
PNG_DPI = 130
_ROLES = {
    "proposed": ("#0072B2", "o"),
    "ablation": ("#E69F00", "s"),
    "baseline": ("#6B6B6B", "D"),
    "pretrained": ("#009E73", "^"),
}
_PROBES = {
    "importance": ("descriptors", "loss", "loss of UAR without these descriptors"),
    "enrolment": ("n_enrolled", "gain", "gain of UAR with so many enrolled clips"),
    "robustness": ("condition", "change", "change of the UAR in this condition"),
}
"""Probe → column of what was changed, column of the difference, and what that is."""
_MANY_CLASSES = 9
_DARK = 0.55


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
    return figure, [figure.add_subplot(down, across, place + 1) for place in range(n_panels)]


def tidy(axes: Axes, *, lines: Literal["x", "y"] | None = None, **labels: str) -> None:
    """Take away what carries no data, and set the labels that are given (`title`, `xlabel`, `ylabel`).

    `lines` draws faint guides along `x` or `y`.
    """
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=0, labelsize=8)
    axes.set_axisbelow(True)
    if lines is not None:
        axes.grid(axis=lines, color=FAINT, linewidth=0.6)
    axes.set(**labels)
    axes.title.set(fontsize=9, color=INK)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set_fontsize(8)


def draw_png(figure: Figure) -> bytes:
    """Draw a figure as a PNG image of `PNG_DPI` pixels per inch."""
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=PNG_DPI)
    return image.getvalue()


def confusion_figure(predictions: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw the confusion matrix of each model, in percent of the true class.

    Parameters
    ----------
    predictions
        Model → out-of-fold predictions; counts are means over seeds.
    """
    matrices = {model: confusion_matrix(table) for model, table in predictions.items()}
    n_classes = max(map(len, matrices.values()))
    size = max(3.0, 1.6 + 0.42 * min(n_classes, 2 * _MANY_CLASSES))
    small = 8 if n_classes < _MANY_CLASSES else 6
    figure, panels = grid(len(matrices), columns=3, width=size, height=size)
    for axes, (model, counts) in zip(panels, matrices.items(), strict=True):
        shares = counts.div(counts.sum(axis=1), axis=0).fillna(0.0).to_numpy()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="equal")
        for row, column in np.argwhere(shares > 0):
            share = shares[row, column]
            colour = "white" if share > _DARK else INK
            text = f"{100 * share:.0f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=small, color=colour)
        title = f"{model}\nUAR {mean_score(predictions[model]):.3f}"
        tidy(axes, title=title, xlabel="predicted", ylabel="true (rows: %)")
        names = [str(name) for name in counts]
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=small)
        axes.set_yticks(range(len(names)), names, fontsize=small)
        axes.spines[:].set_visible(False)
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
        return _nothing("No model of this task is trained in epochs.")
    shown = {"loss": {"training": "loss", "validation": "val_loss"}}
    if any("val_uar" in table for table in trained.values()):
        shown["UAR, validation"] = {"validation": "val_uar"}
    n_models = len(trained)
    figure, panels = grid(len(shown) * n_models, columns=n_models, width=3.4, height=2.3)
    for place, (model, table) in enumerate(trained.items()):
        for axes, (label, columns) in zip(panels[place::n_models], shown.items(), strict=True):
            _curves(axes, table, columns)
            tidy(axes, lines="y", xlabel="epoch", ylabel=label)
        panels[place].set_title(model)
    return figure


def _curves(axes: Axes, table: pd.DataFrame, columns: Mapping[str, str]) -> None:
    """Draw recorded columns of a history over the epochs; nothing at all where none was recorded."""
    for (label, column), style, colour in zip(columns.items(), ("-", "--"), PALETTE, strict=False):
        if column in table and table[column].notna().any():
            fits = table.groupby("epoch")[column].agg(["mean", "min", "max"])
            axes.plot(fits.index, fits["mean"], style, color=colour, linewidth=1.4, label=label)
            axes.fill_between(fits.index, fits["min"], fits["max"], color=colour, alpha=0.15, linewidth=0)
    if not axes.lines:
        axes.set_axis_off()
    elif len(axes.lines) > 1:
        axes.legend(fontsize=7, frameon=False)


def comparison_figure(comparison: pd.DataFrame) -> Figure:
    """Draw the UAR of each model with its interval; random folds as a hollow mark beside it.

    Parameters
    ----------
    comparison
        What `affetto.evaluation.comparison.compare` returned.
    """
    figure, (axes,) = grid(1, columns=1, width=6.4, height=1.1 + 0.42 * len(comparison))
    for place, (_, row) in enumerate(comparison.iterrows()):
        colour, marker = _ROLES[row["role"]]
        axes.hlines(place, row["uar_ci_low"], row["uar_ci_high"], color=colour, linewidth=2.2)
        axes.plot(row["uar"], place, marker, color=colour, markersize=7, label=row["role"])
        above: dict[str, Any] = {
            "xytext": (0, 7),
            "textcoords": "offset points",
            "ha": "center",
            "fontsize": 7,
        }
        axes.annotate(f"{row['uar']:.3f}", (row["uar"], place), **above)
        if not np.isnan(row["uar_random"]):
            hollow: dict[str, Any] = {
                "color": colour,
                "markerfacecolor": "white",
                "label": "random folds (leaky)",
            }
            axes.plot(row["uar_random"], place, marker, markersize=6, **hollow)
    tidy(axes, lines="x", xlabel="UAR, interval over groups")
    axes.set_yticks(range(len(comparison)), list(comparison["model"]))
    axes.set_ylim(len(comparison) - 0.5, -0.5)
    _legend(axes)
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
    ticks = (0.0, 0.5, 1.0)
    for axes, (model, table) in zip(panels, predictions.items(), strict=True):
        bins = reliability(table, n_bins=n_bins)
        confidence, accuracy = bins["confidence"], bins["accuracy"]
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, zorder=1)
        axes.plot(confidence, accuracy, color=PALETTE[0], linewidth=1, zorder=2)
        sizes = 8 + 160 * bins["share"]
        axes.scatter(confidence, accuracy, sizes, PALETTE[0], zorder=3, clip_on=False)
        error = expected_calibration_error(table, n_bins=n_bins)
        title = f"{model}\nECE {error:.3f}, {table['clip_id'].nunique()} clips"
        tidy(axes, title=title, xlabel="confidence", ylabel="accuracy")
        axes.set(xlim=(0, 1.03), ylim=(0, 1.03), xticks=ticks, yticks=ticks, aspect="equal")
    return figure


def groups_figure(scores: pd.DataFrame) -> Figure:
    """Draw how the UAR of the groups is distributed, a box for each model.

    Parameters
    ----------
    scores
        What `affetto.evaluation.metrics.score_groups` returned.
    """
    values = {str(model): rows.to_numpy() for model, rows in scores.groupby("model", sort=False)["uar"]}
    figure, (axes,) = grid(1, columns=1, width=1.6 + 1.1 * len(values), height=3.2)
    axes.boxplot(list(values.values()), showmeans=True, medianprops={"color": INK})
    tidy(axes, lines="y", ylabel="UAR of a group")
    axes.set_xticks(axes.get_xticks(), list(values), rotation=20, ha="right", rotation_mode="anchor")
    axes.set_ylim(-0.03, 1.03)
    return figure


def probe_figure(name: str, table: pd.DataFrame) -> Figure:
    """Draw how far a probe moved the UAR of each model, with intervals over groups.

    Grey bands are tolerances, and marks are hollow where the model has learnt from copies in the condition,
    as far as the table has them.

    Parameters
    ----------
    name
        `importance`, `enrolment` or `robustness`.
    table
        The table of the probe; may be empty.
    """
    subject, difference, label = _PROBES[name]
    known = table[table[difference].notna()]
    if known.empty:
        return _nothing("Nothing was measured.")
    subjects, models = list(known[subject].unique()), list(known["model"].unique())
    height = 1.2 + len(subjects) * max(0.4, 0.12 * len(models))
    figure, (axes,) = grid(1, columns=1, width=7.0, height=height)
    if "tolerance" in known:
        for place, width in enumerate(known.groupby(subject, sort=False)["tolerance"].first()):
            axes.barh(place, 2 * width, left=-width, height=0.9, color=FAINT, alpha=0.5, zorder=0)
    for number, (model, rows) in enumerate(known.groupby("model", sort=False)):
        places = rows[subject].map(subjects.index) + 0.7 * ((number + 0.5) / len(models) - 0.5)
        colour = PALETTE[number % len(PALETTE)]
        ends = rows[f"{difference}_ci_low"], rows[f"{difference}_ci_high"]
        axes.hlines(places, *ends, color=colour, linewidth=1.2, label=str(model))
        learnt = rows.get("trained_on", pd.Series("no", rows.index)) == "yes"
        faces = np.where(learnt, "white", colour)
        axes.scatter(rows[difference], places, 16, faces, edgecolors=colour, zorder=3)
    tidy(axes, lines="x", xlabel=f"{label} (points), interval over groups")
    axes.axvline(0, color=INK, linewidth=0.7, zorder=1)
    axes.set_yticks(range(len(subjects)), [str(each).replace("_", " ") for each in subjects])
    axes.set_ylim(len(subjects) - 0.5, -0.5)
    _legend(axes)
    return figure


def attention_figure(
    attention: pd.DataFrame, predictions: pd.DataFrame, spectrograms: ClipFeatures | None = None
) -> Figure:
    """Draw the attention over a few test clips, which `attention_examples` chooses.

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
        return _nothing("The proposed model has no attention to show.")
    rows = attention.set_index("clip_id")
    across, down = min(2, len(clips)), -(-len(clips) // 2)
    figure = canvas(3.7 * across, (1.5 if spectrograms is None else 2.5) * down)
    panels = np.asarray(figure.subfigures(down, across, squeeze=False)).ravel()
    for panel, (_, clip) in zip(panels, clips.iterrows(), strict=False):
        name = clip["clip_id"]
        told = f"true {clip['label']}, told {clip['predicted']} ({clip['posterior']:.2f})"
        if spectrograms is not None and name in spectrograms.clip_ids:
            axes = list(panel.subplots(2, 1, sharex=True, height_ratios=(2, 3)))
            _draw_spectrogram(axes[1], spectrograms.select([name]))
        else:
            axes = [panel.subplots()]
        _draw_weights(axes[0], *(np.asarray(rows.loc[name, what]) for what in ("times", "weights")))
        axes[0].set_title(f"{told}\n{name}", fontsize=8, color=INK, loc="left")
        axes[-1].set_xlabel("time (s)", fontsize=8)
    return figure


def attention_examples(attention: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Choose the clip of each class that was recognised most surely, and the surest mistake.

    Returns
    -------
    DataFrame
        `clip_id, label, predicted, posterior` (of the predicted class): a row a class, sorted, then the
        surest mistake, where there is one.
    """
    attended = attention.loc[attention["weights"].map(len) > 0, "clip_id"]
    known = predictions[predictions["clip_id"].isin(attended)]
    known = known[known["seed"] == predictions["seed"].min()]
    posterior = known.filter(regex="^p_").max(axis=1)
    known = known[["clip_id", "label", "predicted"]].assign(posterior=posterior)
    known = known.sort_values(["posterior", "clip_id"], ascending=False)
    is_right = known["label"] == known["predicted"]
    best = known[is_right].drop_duplicates("label").sort_values("label")
    chosen: pd.DataFrame = pd.concat([best, known[~is_right].head(1)], ignore_index=True)
    return chosen


def _draw_weights(axes: Axes, times_s: np.ndarray, weights: np.ndarray) -> None:
    step = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 1.0
    edges = np.append(times_s, times_s[-1] + step)
    axes.stairs(weights, edges, fill=True, color=PALETTE[0], alpha=0.35)
    axes.stairs(weights, edges, color=PALETTE[0], linewidth=1.2)
    # The line at 1/n is what a model without preference would give every step.
    axes.axhline(1 / len(weights), color=INK, linewidth=0.7, linestyle=":")
    axes.set(xlim=(edges[0], edges[-1]), ylim=(0, 1.1 * weights.max()))
    tidy(axes, ylabel="attention")


def _draw_spectrogram(axes: Axes, clip: ClipFeatures) -> None:
    bands = clip[0].T
    extent = (0.0, bands.shape[1] * float(clip.hop_s or 1.0), 0.0, float(len(bands)))
    axes.imshow(bands, aspect="auto", origin="lower", cmap="cividis", extent=extent, interpolation="nearest")
    axes.set_ylabel("band", fontsize=8)
    axes.tick_params(length=0, labelsize=8)


def _legend(axes: Axes) -> None:
    """Name each kind of marks once, above the axes."""
    handles, labels = axes.get_legend_handles_labels()
    named = dict(zip(labels, handles, strict=True))
    shown: dict[str, Any] = {"ncols": min(4, len(named)), "fontsize": 7, "frameon": False}
    axes.figure.legend(named.values(), named.keys(), loc="outside upper center", **shown)


def _nothing(message: str) -> Figure:
    """Make a small figure that says why there is nothing to draw."""
    figure = canvas(5.0, 1.2)
    figure.text(0.5, 0.5, message, ha="center", va="center", fontsize=10, color=INK)
    return figure
