"""What was heard in one recording, as data: the emotion of the voice, how sure, and how it changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field


class EmotionProbability(BaseModel):
    """An emotion and how likely it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    emotion: str
    probability: float = Field(ge=0, le=1)


class HeardBy(BaseModel):
    """Which model heard a recording, and what it has learnt from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="Name in the table of models.")
    corpus: str = Field(description="The corpus of its training clips.")
    speech: str = Field(default="", description="Kind and language of the speech there, where it is known.")
    clips: int = Field(ge=0, description="Number of training clips.")
    groups: int = Field(ge=0, description="Number of speakers, or of whatever the groups are.")


class Span(BaseModel):
    """A stretch of a recording with one emotion, or without speech."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_s: float = Field(ge=0)
    end_s: float = Field(ge=0)
    speech_s: float = Field(ge=0, description="Speech in it, s.")
    emotion: str | None = Field(
        description="The likeliest emotion of all its steps; null: hardly any speech."
    )
    probability: float | None = Field(ge=0, le=1, description="Its mean probability, weighted by speech.")
    unsure: bool = Field(description="That mean is below `recommend.unsure_below`.")


class Timeline(BaseModel):
    """How the emotion changes, in stretches; every step of it is in the table of the recording."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hop_s: float = Field(gt=0, description="One step, s.")
    window_s: float = Field(gt=0, description="What is listened to for one step, s.")
    spans: tuple[Span, ...]


class HeardVoice(BaseModel):
    """What was heard in one recording."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[2] = 2
    name: str = Field(description="Name of the recording, unique in its run: its stem.")
    recording: str = Field(description="The file.")
    status: Literal["ok", "no_speech", "unreadable"]
    message: str = Field(
        default="",
        description="Why there is no emotion, or what is wrong with the file that has one.",
    )
    duration_s: float | None = Field(default=None, ge=0, description="Length, s; null when unreadable.")
    speech_s: float | None = Field(default=None, ge=0, description="Speech in it, s.")
    emotion: str | None = Field(default=None, description="The likeliest emotion of the voice.")
    emotions: tuple[EmotionProbability, ...] = Field(default=(), description="All of them, likeliest first.")
    unsure: bool = Field(default=False, description="No emotion reached `recommend.unsure_below`.")
    novelty: float | None = Field(
        default=None,
        ge=0,
        le=2,
        description="Share of training clips of speakers that were held back that are nearer to what the "
        "model knows; above 1: none is as far. Null: the model does not tell.",
    )
    novel: bool = Field(default=False, description="That is above `recommend.novel_above`.")
    heard_by: HeardBy | None = Field(default=None, description="The model; null where nothing was heard.")
    enrolled: int = Field(default=0, ge=0, description="Recordings of the same person that were given.")
    timeline: Timeline | None = Field(default=None, description="Null when the recording was heard as one.")


def sort_emotions(emotions: Sequence[str], probabilities: np.ndarray) -> tuple[EmotionProbability, ...]:
    """Pair emotions with their probabilities, likeliest first, equals by name."""
    pairs = sorted(zip(emotions, probabilities, strict=True), key=lambda pair: (-pair[1], pair[0]))
    return tuple(
        EmotionProbability(emotion=emotion, probability=round_probability(value)) for emotion, value in pairs
    )


def round_probability(value: float) -> float:
    """Round to what a reader can use, and mend the last bit of a sum."""
    return float(np.clip(round(float(value), 6), 0.0, 1.0))


class HeardRecording(NamedTuple):
    """What was heard in one recording; where there is speech, its steps over time and their figure (PNG)."""

    voice: HeardVoice
    timeline: pd.DataFrame | None = None
    figure: bytes | None = None
