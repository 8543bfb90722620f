"""Parameters of the recommendation."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from affetto.audio.speech import SpeechParameters

Bridge = dict[str, dict[str, float]]


class TimelineParameters(BaseModel):
    """How the emotion of a long recording is followed over time; see `affetto.recommendation.windows`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    longer_than_s: float = Field(
        default=6.0, gt=0, description="Speech up to this long is heard as a whole, in one step, s."
    )
    hop_s: float = Field(default=1.0, ge=0.1, description="Length of a step, s.")
    window_s: float = Field(
        default=3.0, gt=0, description="What is listened to for a step, around its middle, s."
    )
    min_speech_s: float = Field(
        default=0.5, gt=0, description="A window with less speech than this gets no emotion, s."
    )
    smoothing_s: float = Field(
        default=1.0, ge=0, description="Distance at which a step weighs 1/e in the smoothing, s; 0: none."
    )
    batch: int = Field(default=256, ge=1, description="Windows that are held and predicted together.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.min_speech_s <= self.window_s:
            raise ValueError(
                f"min_speech_s ({self.min_speech_s:g}) must not exceed window_s ({self.window_s:g})"
            )
        if self.hop_s > self.window_s:
            raise ValueError(f"hop_s ({self.hop_s:g}) must not exceed window_s ({self.window_s:g})")
        return self


class LibraryExportParameters(BaseModel):
    """What is told of a library of music without labels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    highlight_s: float = Field(default=15.0, gt=0, description="Length of the highlight of a track, s.")
    write_tags: bool = Field(
        default=False, description="Write emotion, theme and highlight as tags into copies of the files."
    )


class RecommendParameters(BaseModel):
    """Parameters of the recommendation, the top-level key `recommend`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    voice: str = Field(description="Recording, or folder of recordings, to answer.")
    ready_model: bool = Field(
        default=False,
        description="Hear with the voice model that is part of Affetto, not with the proposed one of the "
        "environment.",
    )
    enrol: str | None = Field(
        default=None,
        description="A few recordings of the same person without labels, a file or a folder; null: none.",
    )
    bridge: str = Field(default="congruent", description="Name of the bridge from voice to music emotions.")
    bridges: dict[str, Bridge] = Field(
        default_factory=dict,
        description="Bridges of one's own, in the form of `taxonomy.bridges`; they go before those.",
    )
    top: int = Field(default=10, ge=1, description="Number of tracks in a playlist.")
    minutes: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="Length of a playlist, min, instead of a number of tracks.",
    )
    arc: bool = Field(
        default=False, description="Order a playlist from the mood of the voice to that of the bridge."
    )
    diversity: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="0: the best scores; 1: as different from each other as the pool allows.",
    )
    pool: int = Field(
        default=500, ge=1, description="Number of best tracks among which diversity may choose."
    )
    preferred_themes: tuple[str, ...] = Field(
        default=(), description="Themes to favour: a theme's name, or <emotion>/<theme>."
    )
    highlight_s: float = Field(default=15.0, gt=0, description="Length of the highlight of a track, s.")
    unsure_below: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="The answer is marked unsure when no emotion of the voice reaches this.",
    )
    novel_above: float = Field(
        default=0.98,
        ge=0,
        le=2,
        description="The answer is marked novel when more than this share of held-out training clips is "
        "nearer to what the model knows.",
    )
    speech: SpeechParameters = Field(
        default_factory=SpeechParameters,
        description="What counts as speech; level and floor are those of the model's features.",
    )
    timeline: TimelineParameters = Field(default_factory=TimelineParameters)
