"""Figures on groups and probes: speakers, descriptors, enrolment, degraded copies, and attention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from affetto.evaluation.figures import (
    FAINT,
    INK,
    MANY_GROUPS,
    PALETTE,
    ROLE_MARKERS,
    canvas,
    grid,
    nothing,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

    from affetto.features.clip_features import ClipFeatures

Floats = npt.NDArray[np.floating]
_N_STEPS = 20
_REACH = 0.28
_APART = 0.08
_SPREAD = 0.7


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


def attention_examples_figure(
    attention: pd.DataFrame, predictions: pd.DataFrame, spectrograms: ClipFeatures | None = None
) -> Figure:
    """Draw the attention over a few test clips.

    They are the clip of each class that was recognised with the highest probability, and the clip that was
    recognised wrongly with the highest one.

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
        weighed, name = rows.loc[clip["clip_id"]], str(clip["clip_id"])
        image, hop_s = _image(spectrograms, name)
        _attended_clip(
            panel,
            np.asarray(weighed["times"]),
            np.asarray(weighed["weights"]),
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
    attended = attention.loc[[len(weights) > 0 for weights in attention["weights"]], "clip_id"]
    known = predictions[
        predictions["clip_id"].isin(attended) & (predictions["seed"] == predictions["seed"].min())
    ]
    posterior = known.filter(regex="^p_").max(axis=1)
    known = known[["clip_id", "label", "predicted"]].assign(posterior=posterior)
    known = known.sort_values(["posterior", "clip_id"], ascending=False)
    is_right = known["label"] == known["predicted"]
    best = known[is_right].drop_duplicates("label").sort_values("label")
    chosen: pd.DataFrame = pd.concat([best, known[~is_right].head(1)], ignore_index=True)
    return chosen


def _title(clip: pd.Series[Any]) -> str:
    labels = f"true {clip['label']}, told {clip['predicted']} ({clip['posterior']:.2f})"
    return f"{labels}\n{clip['clip_id']}"


def _image(spectrograms: ClipFeatures | None, clip_id: str) -> tuple[Floats | None, float]:
    if spectrograms is None or spectrograms.hop_s is None or clip_id not in spectrograms.clip_ids:
        return None, 0.0
    return spectrograms.select([clip_id])[0], spectrograms.hop_s


def _attended_clip(
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
