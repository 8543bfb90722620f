"""Parameters of the themes, from frames to their evaluation."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class _Parameters(BaseModel):
    """Parameters that nobody changes, and of which no other has been named by mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DescriptorParameters(_Parameters):
    """One group of frame dimensions with a vocabulary of its own."""

    feature: str = Field(default="mfcc", description="Feature that the dimensions are of.")
    dimensions: tuple[str, ...] = Field(
        min_length=1,
        description="Names of frame dimensions, or prefixes of names; what the feature lacks is left out.",
    )
    frame_step: int = Field(
        default=2, ge=1, description="Only every n-th frame is read; texture windows count the frames read."
    )
    n_words: int = Field(default=256, ge=2, le=65_536, description="Words of this descriptor's codebook.")
    texture_frames: int = Field(
        default=0, ge=0, description="Frames of a texture window (mean and deviation); 0 keeps single frames."
    )


class CodebookParameters(_Parameters):
    """How frames become audio words."""

    descriptors: dict[str, DescriptorParameters] = Field(
        min_length=1,
        description="Split vocabularies, by name; those without a dimension in their feature are left out.",
    )
    sample_frames: int = Field(
        default=100_000, ge=100, description="Frames the codebook is learnt from, over all training clips."
    )


class TopicParameters(_Parameters):
    """LDA inside one emotion and the choice of its number of topics."""

    candidates: tuple[int, ...] = Field(
        default=(2, 3, 4, 5, 6, 7, 8), min_length=1, description="Numbers of topics to compare."
    )
    n_seeds: int = Field(default=3, ge=1, description="Fits a number of topics, for the bound and stability.")
    n_bootstrap: int = Field(
        default=3, ge=0, description="Fits on resampled groups a number of topics, for its stability."
    )
    min_clips_per_topic: int = Field(
        default=10, ge=1, description="Numbers of topics beyond clips / this are not tried."
    )
    min_stability: float = Field(
        default=0.6,
        ge=-1,
        le=1,
        description="Adjusted Rand index, over seeds and resampled groups, that a number of topics needs.",
    )
    document_length: float = Field(
        default=300.0,
        gt=0,
        description="Every clip weighs as much as so many independent words: neighbouring frames are not.",
    )
    passes: int = Field(default=30, ge=1, description="Passes of variational EM over the clips.")


class ThemeEvaluationParameters(_Parameters):
    """How themes are compared with labels that they never saw."""

    n_themes: int | None = Field(
        default=None,
        ge=1,
        description="Clusters an emotion of every discovery model; null: what the LDA selects.",
    )
    n_topics: int = Field(
        default=20, ge=1, description="Topics an emotion whose mixture the classifier reads."
    )
    min_label_clips: int = Field(
        default=15, ge=2, description="Theme labels with fewer clips inside an emotion are left out."
    )
    gammas: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        default=(0.3, 1.0, 3.0),
        min_length=1,
        description="Candidates of the SVMs' gamma, chosen with C; multiples of scikit-learn's `scale`: 1 / "
        "(numbers of a clip × their variance).",
    )


class ThemeParameters(_Parameters):
    """Everything under `music.theme`."""

    codebook: CodebookParameters = Field(description="Frames to words.")
    topics: TopicParameters = Field(default_factory=TopicParameters, description="Words to topics.")
    evaluation: ThemeEvaluationParameters = Field(
        default_factory=ThemeEvaluationParameters, description="Themes against labels."
    )
