"""A recording in one picture: what is heard at each moment, gaps where nobody speaks, and the summary."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from affetto.evaluation.figures import FAINT, INK, PALETTE, canvas, tidy
from affetto.recommendation.heard import HeardVoice
from affetto.recommendation.reasons import clock, percent
from affetto.recommendation.timeline import PROBABILITY, emotions_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH_IN, _HEIGHT_IN = 10.0, 3.2
_MINUTE_S = 60.0
_HATCHES = ("", "//", "..")


def draw_timeline(table: pd.DataFrame, voice: HeardVoice, *, unsure_below: float) -> bytes:
    """Draw the posteriors of a recording over time beside its summary.

    Parameters
    ----------
    table
        Table of its steps, of `affetto.recommendation.timeline.timeline_table`.
    voice
        What was heard as a whole.
    unsure_below
        Drawn as a line across the summary: no bar that reaches it means unsure.

    Returns
    -------
    bytes
        A PNG file; the same for the same values.
    """
    figure = canvas(_WIDTH_IN, _HEIGHT_IN)
    over_time, summary = figure.subplots(1, 2, width_ratios=(4, 1))
    emotions = emotions_of(table)
    _draw_steps(over_time, table, emotions)
    _draw_summary(summary, voice, emotions, unsure_below)
    unsure = ", unsure" if voice.unsure else ""
    figure.suptitle(
        f"{voice.name}: {voice.emotion} {percent(voice.emotions[0].probability)}{unsure} "
        f"({voice.speech_s:.1f} s of speech)",
        fontsize=10,
        color=INK,
        parse_math=False,
    )
    target = io.BytesIO()
    with warnings.catch_warnings():
        # The name stands beside the picture, too: a letter that the font lacks is no news to the user.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        figure.savefig(target, format="png", metadata={"Software": None})
    return target.getvalue()


def _draw_steps(axes: Axes, table: pd.DataFrame, emotions: Sequence[str]) -> None:
    left, right = table["start_s"].to_numpy(), table["end_s"].to_numpy()
    height = table[[f"{PROBABILITY}{emotion}" for emotion in emotions]].to_numpy(dtype=np.float64)
    edges, bottom = np.append(left, right[-1]), np.zeros(len(table))
    for number in range(len(emotions)):
        top = bottom + height[:, number]
        # Stairs leave out steps that are not a number: a gap where nobody speaks.
        axes.stairs(top, edges, baseline=np.nan_to_num(bottom), fill=True, **_look(number))
        bottom = top
    axes.set(xlim=(0.0, max(float(right[-1]), 1e-3)), ylim=(0.0, 1.0))
    axes.set_facecolor("#F4F4F4")
    if right[-1] > _MINUTE_S:
        axes.xaxis.set_major_formatter(lambda value, _: clock(value))
    axes.set_xlabel("time (m:ss)" if right[-1] > _MINUTE_S else "time (s)", fontsize=8)
    axes.set_ylabel("probability", fontsize=8)
    tidy(axes)


def _draw_summary(axes: Axes, voice: HeardVoice, emotions: Sequence[str], unsure_below: float) -> None:
    of = {entry.emotion: entry.probability for entry in voice.emotions}
    for number, emotion in enumerate(emotions):
        axes.barh(number, of[emotion], **_look(number))
    axes.axvline(unsure_below, color=INK, linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(emotions)), labels=list(emotions))
    axes.set(xlim=(0.0, 1.0))
    axes.set_xlabel("of all speech", fontsize=8)
    axes.invert_yaxis()
    tidy(axes)


def _look(number: int) -> dict[str, Any]:
    """Return colour and hatch of an emotion: there are more emotions than colours that can be told apart."""
    hatch = _HATCHES[number // len(PALETTE) % len(_HATCHES)]
    return {
        "facecolor": PALETTE[number % len(PALETTE)],
        "hatch": hatch,
        "edgecolor": FAINT if hatch else "none",
    }
