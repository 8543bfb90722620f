"""The highlight of a track: the stretch that the emotion model attends to most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

HIGHLIGHT_COLUMNS = ("highlight_start_s", "highlight_end_s", "highlight_attention")
"""What `cut_highlights` says of a clip."""


class Highlight(NamedTuple):
    """A stretch of a clip, s from its start, and the share of the clip's attention there, NaN: not known."""

    start_s: float
    end_s: float
    attention: float


def find_highlight(
    times: Sequence[float] | np.ndarray | None,
    weights: Sequence[float] | np.ndarray | None,
    duration_s: float,
    *,
    highlight_s: float = 15.0,
) -> Highlight:
    """Find the window with the greatest attention mass.

    The attention of a step spreads evenly from its start to the start of the next one (the last: to the end
    of the clip). The mass of a window is then piecewise linear in its start, so that its greatest value lies
    where the window starts or ends at a step's edge: only these windows are tried. Equals go to the earliest.

    Parameters
    ----------
    times, weights
        Start of each step, s, increasing, and its attention, not negative [n_steps]; without them the window
        starts at 0.
    duration_s
        Length of the clip, s.
    highlight_s
        Length of the window, s; a shorter clip is its own highlight.
    """
    length = min(highlight_s, duration_s)
    if times is None or weights is None or len(times) == 0 or float(np.sum(weights)) <= 0:
        return Highlight(0.0, length, float("nan"))
    inner = np.clip(np.asarray(times, dtype=float)[1:], 0.0, duration_s)
    edges = np.maximum.accumulate(np.concatenate([[0.0], inner, [duration_s]]))
    attention = np.asarray(weights, dtype=float)
    mass = np.concatenate([[0.0], np.cumsum(attention)]) / attention.sum()
    starts = np.unique(np.clip(np.concatenate([edges, edges - length]), 0.0, duration_s - length))
    inside = np.interp(starts + length, edges, mass) - np.interp(starts, edges, mass)
    best = int(np.argmax(np.round(inside, 9)))
    start = float(starts[best])
    return Highlight(start, start + length, float(np.clip(inside[best], 0.0, 1.0)))


def cut_highlights(clips: pd.DataFrame, attention: pd.DataFrame, highlight_s: float) -> pd.DataFrame:
    """Find the highlight of every clip.

    Parameters
    ----------
    clips
        `clip_id, duration_s`.
    attention
        `clip_id, times` (start of each step, s), `weights`; clips without a row get their beginning.
    highlight_s
        Length of the highlight, s.

    Returns
    -------
    pandas.DataFrame
        `clip_id` and `HIGHLIGHT_COLUMNS`, a row a clip; times count from the start of the clip.
    """
    steps = attention.set_index("clip_id")[["times", "weights"]]
    known = dict(zip(steps.index, steps.itertuples(index=False), strict=True))
    rows = []
    for clip_id, duration_s in clips[["clip_id", "duration_s"]].itertuples(index=False):
        times, weights = known.get(clip_id, (None, None))
        rows.append((clip_id, *find_highlight(times, weights, float(duration_s), highlight_s=highlight_s)))
    return pd.DataFrame(rows, columns=["clip_id", *HIGHLIGHT_COLUMNS])
