"""The emotion of a recording over time: a table of all its steps, and its summary in stretches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from affetto.recommendation.heard import HeardBy, HeardVoice, Span, Timeline, round_probability, sort_emotions
from affetto.recommendation.parameters import RecommendParameters
from affetto.recommendation.pooling import pool_posteriors, smooth_posteriors
from affetto.recommendation.steps import Step

PROBABILITY = "p_"
_DIGITS = 6


def timeline_table(
    name: str,
    steps: Sequence[Step],
    posteriors: np.ndarray,
    novelty: np.ndarray,
    classes: Sequence[str],
    parameters: RecommendParameters,
) -> pd.DataFrame:
    """Put together the steps of a recording.

    Parameters
    ----------
    name
        Name of the recording.
    steps
        Its steps.
    posteriors
        float [n_steps, n_classes] as the model gave them; NaN in steps that were not heard.
    novelty
        float [n_steps] as the model gave it; NaN where it gave none.
    classes
        Emotions of the columns.
    parameters
        `timeline.smoothing_s`, `timeline.hop_s` and `unsure_below` are read.

    Returns
    -------
    pandas.DataFrame
        A row a step: `name, start_s, end_s, speech_s, emotion, unsure, novelty` and `p_<emotion>`, the
        smoothed posteriors; `emotion`, `unsure` and `p_` are missing where the step was not heard.
    """
    spoken = np.array([step.speech_s for step in steps])
    distance = parameters.timeline.smoothing_s / parameters.timeline.hop_s
    smoothed = smooth_posteriors(posteriors, spoken, steps=distance)
    heard = ~np.isnan(smoothed).any(axis=1)
    best = np.where(heard, np.argmax(np.nan_to_num(smoothed), axis=1), 0)
    emotions = [classes[i] if known else None for i, known in zip(best, heard, strict=True)]
    unsure = smoothed.max(axis=1) < parameters.unsure_below
    return pd.DataFrame(
        {
            "name": name,
            "start_s": [round(step.start_s, 3) for step in steps],
            "end_s": [round(step.end_s, 3) for step in steps],
            "speech_s": spoken.round(3),
            "emotion": pd.Series(emotions, dtype="str"),
            "unsure": pd.Series(unsure, dtype="boolean").where(heard),
            "novelty": np.asarray(novelty, dtype=np.float64).round(_DIGITS),
            **{f"{PROBABILITY}{label}": smoothed[:, i].round(_DIGITS) for i, label in enumerate(classes)},
        }
    )


def summarise_timeline(
    table: pd.DataFrame,
    recording: str,
    parameters: RecommendParameters,
    *,
    heard_by: HeardBy | None = None,
    enrolled: int = 0,
) -> HeardVoice:
    """Say what was heard in a recording as a whole.

    Parameters
    ----------
    table
        Table of its steps, of `timeline_table`.
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
    HeardVoice
        Status `ok`; its emotions are the mean of the steps, each weighted by its speech.
    """
    classes = emotions_of(table)
    emotions = sort_emotions(classes, pool_posteriors(_posteriors(table), table["speech_s"].to_numpy()))
    novelty = _pool_novelty(table)
    return HeardVoice(
        name=str(table["name"].iloc[0]),
        recording=recording,
        status="ok",
        duration_s=float(table["end_s"].iloc[-1]),
        speech_s=round(float(table["speech_s"].sum()), 3),
        emotion=emotions[0].emotion,
        emotions=emotions,
        unsure=emotions[0].probability < parameters.unsure_below,
        novelty=novelty,
        novel=novelty is not None and novelty > parameters.novel_above,
        heard_by=heard_by,
        enrolled=enrolled,
        timeline=None if len(table) == 1 else _timeline(table, parameters),
    )


def _pool_novelty(table: pd.DataFrame) -> float | None:
    """Return the mean of the steps, each weighted by its speech; None where the model does not tell."""
    told = table[table["novelty"].notna()]
    if told.empty:
        return None
    weights = told["speech_s"].to_numpy() + np.finfo(np.float64).tiny
    return round(float(np.average(told["novelty"].to_numpy(), weights=weights)), _DIGITS)


def emotions_of(table: pd.DataFrame) -> list[str]:
    """Return the emotions that a timeline has columns for."""
    return [name.removeprefix(PROBABILITY) for name in table.columns if name.startswith(PROBABILITY)]


def _timeline(table: pd.DataFrame, parameters: RecommendParameters) -> Timeline:
    emotion = table["emotion"].fillna("")
    runs = (emotion != emotion.shift()).cumsum()
    spans = tuple(_span(rows, parameters.unsure_below) for _, rows in table.groupby(runs, sort=True))
    return Timeline(hop_s=parameters.timeline.hop_s, window_s=parameters.timeline.window_s, spans=spans)


def _span(rows: pd.DataFrame, unsure_below: float) -> Span:
    emotion = None if pd.isna(rows["emotion"].iloc[0]) else str(rows["emotion"].iloc[0])
    probability = None
    if emotion is not None:
        pooled = pool_posteriors(_posteriors(rows), rows["speech_s"].to_numpy())
        probability = round_probability(pooled[emotions_of(rows).index(emotion)])
    return Span(
        start_s=float(rows["start_s"].iloc[0]),
        end_s=float(rows["end_s"].iloc[-1]),
        speech_s=round(float(rows["speech_s"].sum()), 3),
        emotion=emotion,
        probability=probability,
        unsure=probability is not None and probability < unsure_below,
    )


def _posteriors(table: pd.DataFrame) -> np.ndarray:
    columns = [f"{PROBABILITY}{emotion}" for emotion in emotions_of(table)]
    return table[columns].to_numpy(dtype=np.float64)
