"""What a model tells of the voice in one recording: as data, and as a text for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from affetto.audio.decode import once_a_folder
from affetto.corpora.clips import DIMENSIONS
from affetto.errors import one_line

PROBABILITY = "p_"
_SHOWN_SPANS = 8
_HEADER = ("recording", "emotion", "probability", "note", "speech")
_CAUTION = "In speech of another language or kind, expect more errors than these probabilities say."


class Data(BaseModel):
    """A value that is written as JSON: it is never changed, and has no other fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class EmotionProbability(Data):
    """An emotion and how likely it is."""

    emotion: str
    probability: float = Field(ge=0, le=1)


class LearntFrom(Data):
    """Which model analysed a recording, and what it has learnt from."""

    name: str = Field(description="Name in the table of models.")
    corpus: str = Field(description="The corpus of its training clips.")
    speech: str = Field(default="", description="Kind and language of the speech there, where it is known.")
    clips: int = Field(ge=0, description="Number of training clips.")
    groups: int = Field(ge=0, description="Number of speakers, or of whatever the groups are.")


class Span(Data):
    """A stretch of a recording with one emotion, or without speech."""

    start_s: float = Field(ge=0)
    end_s: float = Field(ge=0)
    speech_s: float = Field(ge=0, description="Speech in it, s.")
    emotion: str | None = Field(
        description="The likeliest emotion of all its steps; null: hardly any speech."
    )
    probability: float | None = Field(ge=0, le=1, description="Its mean probability, weighted by speech.")
    unsure: bool = Field(description="That mean is below `recommend.unsure_below`.")


class Timeline(Data):
    """How the emotion changes, in stretches; every step of it is in the table of the recording."""

    hop_s: float = Field(gt=0, description="One step, s.")
    window_s: float = Field(gt=0, description="What is listened to for one step, s.")
    spans: tuple[Span, ...]


class Answer(Data):
    """What is told of the voice in a recording, with or without music."""

    format: Literal[2] = 2
    name: str = Field(description="Name of the recording, unique in its run: its stem.")
    recording: str = Field(description="The file.")
    message: str = Field(
        default="", description="Why there is no answer, or what is wrong with a file that has one."
    )
    emotion: str | None = Field(default=None, description="The likeliest emotion of the voice.")
    unsure: bool = Field(default=False, description="No emotion reached `recommend.unsure_below`.")
    speech_s: float | None = Field(default=None, ge=0, description="Speech in the recording, s.")
    novelty: float | None = Field(
        default=None,
        ge=0,
        le=2,
        description="Share of training clips of speakers that were held back that are nearer to what the "
        "model knows; above 1: none is as far. Null: the model does not tell.",
    )
    novel: bool = Field(default=False, description="That is above `recommend.novel_above`.")
    heard_by: LearntFrom | None = Field(default=None, description="The model; null where nothing was heard.")
    enrolled: int = Field(default=0, ge=0, description="Recordings of the same person that were given.")
    timeline: Timeline | None = Field(default=None, description="Null when the recording was heard as one.")


class VoiceEmotion(Answer):
    """The emotion of the voice in one recording: how likely, how sure, and how it changes."""

    status: Literal["ok", "no_speech", "unreadable"]
    duration_s: float | None = Field(default=None, ge=0, description="Length, s; null when unreadable.")
    emotions: tuple[EmotionProbability, ...] = Field(default=(), description="All of them, likeliest first.")
    valence: float | None = Field(
        default=None, ge=-1, le=1, description="Unpleasant to pleasant; null: the model has not learnt it."
    )
    arousal: float | None = Field(default=None, ge=-1, le=1, description="Calm to aroused; null as valence.")


class VoiceResult(NamedTuple):
    """The emotion of one recording; where there is speech, its table over time and a figure of it (PNG)."""

    voice: VoiceEmotion
    timeline: pd.DataFrame | None = None
    figure: bytes | None = None


def sort_emotions(emotions: Sequence[str], probabilities: np.ndarray) -> tuple[EmotionProbability, ...]:
    """Pair emotions with their probabilities, likeliest first, equals by name."""
    pairs = sorted(zip(emotions, probabilities, strict=True), key=lambda pair: (-pair[1], pair[0]))
    return tuple(
        EmotionProbability(emotion=emotion, probability=round_probability(value)) for emotion, value in pairs
    )


def emotions_of(table: pd.DataFrame) -> tuple[str, ...]:
    """Return the emotions that a table has a column `p_<emotion>` of, in the order of the columns."""
    names = [str(name) for name in table.columns]
    return tuple(name.removeprefix(PROBABILITY) for name in names if name.startswith(PROBABILITY))


def round_probability(value: float) -> float:
    """Round to what a reader can use, and mend the last bit of a sum."""
    return float(np.clip(round(float(value), 6), 0.0, 1.0))


def clock(seconds: float) -> str:
    """Write a time as m:ss."""
    whole = int(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def percent(share: float) -> str:
    """Write a share as a whole percentage that never claims all or nothing by rounding."""
    if share < 1 and round(100 * share) == 100:  # noqa: PLR2004
        return "over 99%"
    if share > 0 and round(100 * share) == 0:
        return "under 1%"
    return f"{share:.0%}"


def summarise_voices(voices: Iterable[VoiceEmotion]) -> str:
    """Describe the voices of a run in plain text.

    There is a table with a row a recording, below it how the emotion of long ones changes, why others have
    none, which files are damaged, and which model was used.
    """
    voices = list(voices)
    known = [voice for voice in voices if voice.status == "ok"]
    rated = [name for name in DIMENSIONS if any(getattr(voice, name) is not None for voice in known)]
    rows = [(*_HEADER, *rated), *((*_row(voice), *_ratings(voice, rated)) for voice in voices)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = []
    for row in rows if known else ():
        cells = [text.ljust(width) for text, width in zip(row, widths, strict=True)]
        table.append("  ".join(cells).rstrip())
    changing = [f"{one_line(v.name)}: {describe_spans(v.timeline)}" for v in known if v.timeline]
    novel = ["Novel: unlike what the model was trained on, so that its answer may mean little."]
    if not any(voice.novel for voice in known):
        novel = []
    parts = [table, changing, remarks(voices), novel, describe_models(known)]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _row(voice: VoiceEmotion) -> tuple[str, ...]:
    if voice.status != "ok":
        return one_line(voice.name), voice.status.replace("_", " "), "", "", ""
    probability = percent(voice.emotions[0].probability)
    return one_line(voice.name), str(voice.emotion), probability, notes(voice), f"{voice.speech_s:.1f} s"


def _ratings(voice: VoiceEmotion, names: Sequence[str]) -> Iterable[str]:
    values = (getattr(voice, name) for name in names)
    return ("" if value is None else f"{value:+.2f}" for value in values)


def notes(answer: Answer) -> str:
    """Say whether an answer is unsure, novel, or both."""
    return ", ".join(name for name in ("unsure", "novel") if getattr(answer, name))


def describe_models(answers: Iterable[Answer]) -> list[str]:
    """Say which models were used, what they have learnt from, and when they are less sure than they say."""
    sentences = []
    for model in dict.fromkeys(answer.heard_by for answer in answers if answer.heard_by):
        speech = f": {model.speech}" if model.speech else ""
        speakers = f" of {model.groups} speakers" if model.groups < model.clips else ""
        learnt = f"{model.clips} clips{speakers} of {model.corpus}{speech}"
        sentences.append(f"Heard by the model {model.name}, which has learnt from {learnt}. {_CAUTION}")
    return sentences


def remarks(voices: Iterable[VoiceEmotion]) -> list[str]:
    """Say why recordings have no emotion and which files are damaged, the same of a folder's files once."""
    said = [(voice.recording, voice.message) for voice in voices if voice.message]
    return [one_line(sentence) for sentence in once_a_folder(said)]


def describe_spans(timeline: Timeline) -> str:
    """Say in one line how the emotion changes."""
    spans = []
    for span in timeline.spans[:_SHOWN_SPANS]:
        unsure = " (unsure)" if span.unsure else ""
        times = f"{clock(span.start_s)}-{clock(span.end_s)}"
        spans.append(f"{times} {span.emotion or 'no speech'}{unsure}")
    more = len(timeline.spans) - _SHOWN_SPANS
    return ", ".join([*spans, *([f"… {more} more"] if more > 0 else [])])
