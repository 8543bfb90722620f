"""The emotion of a recording over time: smoothed, pooled, in stretches, and as a picture."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from affetto.corpora.clips import DIMENSIONS
from affetto.evaluation.figures import FAINT, INK, PALETTE, canvas, tidy
from affetto.recommendation.parameters import RecommendParameters
from affetto.recommendation.voice import (
    PROBABILITY,
    LearntFrom,
    Span,
    Timeline,
    VoiceEmotion,
    clock,
    emotions_of,
    percent,
    round_probability,
    sort_emotions,
)
from affetto.recommendation.windows import Window

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DIGITS = 6
_SMALLEST = 1e-6
_HATCHES = ("", "//", "..")


def timeline_table(
    name: str,
    windows: Sequence[Window],
    posteriors: np.ndarray,
    novelty: np.ndarray,
    classes: Sequence[str],
    parameters: RecommendParameters,
    ratings: np.ndarray | None = None,
) -> pd.DataFrame:
    """Put together the timeline of a recording: a row a window.

    Parameters
    ----------
    name
        Name of the recording.
    windows
        Its windows.
    posteriors
        float [n_windows, n_classes] as the model gave them; NaN where there is too little speech.
    novelty
        float [n_windows] as the model gave it; NaN where it gave none.
    classes
        Emotions of the columns.
    parameters
        `timeline.smoothing_s`, `timeline.hop_s` and `unsure_below` are read.
    ratings
        float [n_windows, 2], valence and arousal as the model gave them; NaN, or None, where it gave none.

    Returns
    -------
    pandas.DataFrame
        `name, start_s, end_s, speech_s, emotion, unsure, novelty`, `valence, arousal` (not smoothed) where
        the model told them, and `p_<emotion>`, the smoothed posteriors; `emotion`, `unsure` and `p_` are
        missing where there is too little speech.
    """
    spoken = np.array([window.speech_s for window in windows])
    distance = parameters.timeline.smoothing_s / parameters.timeline.hop_s
    smoothed = smooth_posteriors(posteriors, spoken, steps=distance)
    known = ~np.isnan(smoothed).any(axis=1)
    emotions = np.full(len(windows), None, dtype=object)
    emotions[known] = np.array(classes, dtype=object)[smoothed[known].argmax(axis=1)]
    told = {} if ratings is None or np.isnan(ratings).all() else dict(zip(DIMENSIONS, ratings.T, strict=True))
    unsure = pd.Series(smoothed.max(axis=1) < parameters.unsure_below, dtype="boolean")
    return pd.DataFrame(
        {
            "name": name,
            "start_s": [round(window.start_s, 3) for window in windows],
            "end_s": [round(window.end_s, 3) for window in windows],
            "speech_s": spoken.round(3),
            "emotion": pd.Series(emotions, dtype="str"),
            "unsure": unsure.where(known),
            "novelty": np.asarray(novelty, dtype=np.float64).round(_DIGITS),
            **{name: values.round(_DIGITS) for name, values in told.items()},
            **{f"{PROBABILITY}{label}": smoothed[:, i].round(_DIGITS) for i, label in enumerate(classes)},
        }
    )


def summarise_timeline(
    table: pd.DataFrame,
    recording: str,
    parameters: RecommendParameters,
    *,
    heard_by: LearntFrom | None = None,
    enrolled: int = 0,
) -> VoiceEmotion:
    """Return the emotion of a recording as a whole.

    Parameters
    ----------
    table
        What `timeline_table` made.
    recording
        The file.
    parameters
        `timeline`, `unsure_below` and `novel_above` are read.
    heard_by
        The model.
    enrolled
        Number of recordings of the same person that the model was given.

    Returns
    -------
    VoiceEmotion
        Status `ok`; its emotions are the mean of the rows, each weighted by its speech.
    """
    emotions = sort_emotions(emotions_of(table), _pool(table))
    means = {name: _mean(table, name) for name in ("novelty", *DIMENSIONS)}
    novelty = means["novelty"]
    return VoiceEmotion(
        name=str(table["name"].iloc[0]),
        recording=recording,
        status="ok",
        duration_s=float(table["end_s"].iloc[-1]),
        speech_s=round(float(table["speech_s"].sum()), 3),
        emotion=emotions[0].emotion,
        emotions=emotions,
        unsure=emotions[0].probability < parameters.unsure_below,
        **means,
        novel=novelty is not None and novelty > parameters.novel_above,
        heard_by=heard_by,
        enrolled=enrolled,
        timeline=None if len(table) == 1 else _stretches(table, parameters),
    )


def _mean(table: pd.DataFrame, name: str) -> float | None:
    """Return the mean of a column, each row weighted by its speech; None where there is nothing."""
    known = table.dropna(subset=name) if name in table else table.iloc[:0]
    return round(float(np.average(known[name], weights=known["speech_s"])), _DIGITS) if len(known) else None


def _stretches(table: pd.DataFrame, parameters: RecommendParameters) -> Timeline:
    """Join rows that follow each other with the same likeliest emotion."""
    emotion = table["emotion"].fillna("")
    runs = (emotion != emotion.shift()).cumsum()
    spans = []
    for _, rows in table.groupby(runs, sort=True):
        name, probability = emotion.loc[rows.index[0]] or None, None
        if name is not None:
            probability = round_probability(_pool(rows)[emotions_of(rows).index(name)])
        span = Span(
            start_s=float(rows["start_s"].iloc[0]),
            end_s=float(rows["end_s"].iloc[-1]),
            speech_s=round(float(rows["speech_s"].sum()), 3),
            emotion=name,
            probability=probability,
            unsure=probability is not None and probability < parameters.unsure_below,
        )
        spans.append(span)
    own = parameters.timeline
    return Timeline(hop_s=own.hop_s, window_s=own.window_s, spans=tuple(spans))


def _pool(table: pd.DataFrame) -> np.ndarray:
    return pool_posteriors(_posteriors(table), table["speech_s"].to_numpy())


def _posteriors(table: pd.DataFrame) -> np.ndarray:
    columns = [f"{PROBABILITY}{emotion}" for emotion in emotions_of(table)]
    return table[columns].to_numpy(dtype=np.float64)


def smooth_posteriors(posteriors: np.ndarray, speech_s: np.ndarray, *, steps: float) -> np.ndarray:
    """Smooth posteriors over time by a logarithmic opinion pool of neighbouring steps.

    The logarithm of a smoothed posterior is, up to a constant, the mean of the logarithms of all steps, each
    weighted by its amount of speech and by ``exp(-distance / steps)``: log q_k(c) = Σ_j w_kj log p_j(c) /
    Σ_j w_kj + const, w_kj = s_j exp(-|k - j| / steps). An emotion that one window finds and its neighbours
    deny fades; one that they all find stays. (Logarithmic pooling: Genest and Zidek, Statistical Science
    1986. The weights are those of exponential smoothing run forward and backward, in time linear in steps.)

    Parameters
    ----------
    posteriors
        float [n_steps, n_classes]; rows sum to 1, NaN in steps without speech, and so is what is returned.
    speech_s
        float [n_steps], speech of each step, s.
    steps
        Distance at which the weight has fallen to 1/e, steps; 0 changes nothing.
    """
    known = ~np.isnan(posteriors).any(axis=1)
    if steps <= 0 or known.sum() <= 1:
        return np.array(posteriors, dtype=np.float64)
    from scipy.signal import lfilter

    def spread(values: np.ndarray) -> np.ndarray:
        """Sum over all steps with weights exp(-distance / steps), [n_steps, n]."""
        feedback = [1.0, -np.exp(-1.0 / steps)]
        forward = lfilter([1.0], feedback, values, axis=0)
        backward = lfilter([1.0], feedback, values[::-1], axis=0)[::-1]
        total: np.ndarray = forward + backward - values
        return total

    weight = np.where(known, speech_s, 0.0)[:, None]
    logarithm = np.log(np.maximum(np.where(known[:, None], posteriors, 1.0), _SMALLEST))
    pooled = spread(weight * logarithm)[known] / spread(weight)[known]
    likelihood = np.exp(pooled - pooled.max(axis=1, keepdims=True))
    smoothed = np.full(np.shape(posteriors), np.nan)
    smoothed[known] = likelihood / likelihood.sum(axis=1, keepdims=True)
    return smoothed


def pool_posteriors(posteriors: np.ndarray, speech_s: np.ndarray) -> np.ndarray:
    """Pool the steps of a recording: the arithmetic mean, each step weighted by its amount of speech.

    The mean is the probability of the emotion at a moment of speech drawn by chance. Unlike a product of the
    steps it does not turn many unsure steps into one sure answer, and half an hour of silence weighs nothing.

    Parameters
    ----------
    posteriors
        float [n_steps, n_classes]; NaN in steps without speech, which weigh nothing.
    speech_s
        float [n_steps], speech of each step, s; above 0 where there are posteriors.
    """
    known = ~np.isnan(posteriors).any(axis=1)
    weights = np.asarray(speech_s, dtype=np.float64)[known]
    pooled = weights @ np.asarray(posteriors, dtype=np.float64)[known] / weights.sum()
    normalised: np.ndarray = pooled / pooled.sum()
    return normalised


def draw_timeline(table: pd.DataFrame, voice: VoiceEmotion, *, unsure_below: float) -> bytes:
    """Draw the posteriors of a recording over time beside its summary.

    Parameters
    ----------
    table, voice
        What `timeline_table` and `summarise_timeline` made.
    unsure_below
        Drawn as a line across the summary: no bar that reaches it means unsure.

    Returns
    -------
    bytes
        A PNG file; the same for the same values.
    """
    figure = canvas(10.0, 3.2)
    over_time, summary = figure.subplots(1, 2, width_ratios=(4, 1))
    emotions = emotions_of(table)
    _draw_steps(over_time, table)
    probability = {entry.emotion: entry.probability for entry in voice.emotions}
    for number, emotion in enumerate(emotions):
        summary.barh(number, probability[emotion], **_look(number))
    summary.axvline(unsure_below, color=INK, linewidth=0.8, linestyle=":")
    summary.set_yticks(range(len(emotions)), labels=list(emotions))
    summary.set(xlim=(0.0, 1.0))
    summary.set_xlabel("of all speech", fontsize=8)
    summary.invert_yaxis()
    tidy(summary)
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


def _draw_steps(axes: Axes, table: pd.DataFrame) -> None:
    """Stack the posteriors of each step; there is a gap where nobody speaks."""
    end_s = float(table["end_s"].iloc[-1])
    edges, bottom = np.append(table["start_s"].to_numpy(), end_s), np.zeros(len(table))
    for number, height in enumerate(_posteriors(table).T):
        # Stairs leave out steps that are not a number.
        top = bottom + height
        axes.stairs(top, edges, baseline=np.nan_to_num(bottom), fill=True, **_look(number))
        bottom = top
    axes.set(xlim=(0.0, max(end_s, 1e-3)), ylim=(0.0, 1.0))
    axes.set_facecolor("#F4F4F4")
    minutes = end_s > 60  # noqa: PLR2004
    if minutes:
        axes.xaxis.set_major_formatter(lambda value, _: clock(value))
    axes.set_xlabel("time (m:ss)" if minutes else "time (s)", fontsize=8)
    axes.set_ylabel("probability", fontsize=8)
    tidy(axes)


def _look(number: int) -> dict[str, Any]:
    """Return colour and hatch of an emotion: there are more emotions than colours that can be told apart."""
    hatch = _HATCHES[number // len(PALETTE) % len(_HATCHES)]
    colour = PALETTE[number % len(PALETTE)]
    return {"facecolor": colour, "hatch": hatch, "edgecolor": FAINT if hatch else "none"}
