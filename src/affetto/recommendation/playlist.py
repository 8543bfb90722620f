"""The playlist of one recording as data: what was heard, what is wanted, and tracks with reasons."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from affetto.recommendation.heard import EmotionProbability, HeardBy, Timeline


class Track(BaseModel):
    """A track of a playlist."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rank: int = Field(ge=1, description="Place in the playlist, from 1.")
    clip_id: str
    path: str = Field(description="The audio file.")
    start_s: float = Field(default=0.0, ge=0, description="Where in the file the track begins, s.")
    end_s: float | None = Field(default=None, gt=0, description="Where it ends, s; null: with the file.")
    title: str
    duration_s: float = Field(ge=0, description="Length of the track, s.")
    score: float = Field(
        ge=0, description="What the ranking goes by; can exceed 1 for a track of favoured themes."
    )
    match: float = Field(
        ge=0, le=1, description="P(the track has the wanted emotion): Σ P(m wanted) P(m | track)."
    )
    emotion: str = Field(description="The likeliest emotion of the track.")
    emotions: tuple[EmotionProbability, ...] = Field(description="All of them, likeliest first.")
    answers: str = Field(
        description="The wanted emotion that the track answers: the greatest term of `match`."
    )
    theme: str | None = Field(
        description="The likeliest theme of the track inside `answers`; null without themes."
    )
    theme_name: str | None
    theme_probability: float | None = Field(ge=0, le=1)
    highlight_start_s: float = Field(
        ge=0, description="Where to start listening, s from the start of the file."
    )
    highlight_end_s: float = Field(ge=0)
    reasons: tuple[str, ...] = Field(
        min_length=1, description="Plain sentences, every figure from the models."
    )


class Playlist(BaseModel):
    """The answer to one recording."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[2] = 2
    name: str = Field(description="Name of the answer, unique in its run: the stem of the recording.")
    recording: str = Field(description="The voice recording.")
    status: Literal["ok", "no_speech", "unreadable", "unanswered"]
    message: str = Field(default="", description="Why there is no playlist, or in what the file is damaged.")
    emotion: str | None = Field(default=None, description="The likeliest emotion of the voice.")
    voice_emotions: tuple[EmotionProbability, ...] = Field(
        default=(), description="All of them, likeliest first."
    )
    unsure: bool = Field(
        default=False, description="No emotion of the voice reached `recommend.unsure_below`."
    )
    speech_s: float | None = Field(default=None, ge=0, description="Speech in the recording, s.")
    novelty: float | None = Field(default=None, ge=0, le=2, description="See `HeardVoice.novelty`.")
    novel: bool = Field(default=False, description="That is above `recommend.novel_above`.")
    heard_by: HeardBy | None = Field(default=None, description="The voice model; null where none heard.")
    enrolled: int = Field(default=0, ge=0, description="Recordings of the same person that were given.")
    timeline: Timeline | None = Field(
        default=None, description="How the emotion changes; null when the recording was heard as one."
    )
    bridge: str | None = Field(default=None, description="Name of the bridge.")
    music_emotions: tuple[EmotionProbability, ...] = Field(
        default=(), description="Wanted ones, likeliest first."
    )
    tracks: tuple[Track, ...] = ()
