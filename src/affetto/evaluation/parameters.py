"""Parameters of the evaluation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from affetto.audio.conditions import Condition, Excerpt, NoiseAlone
from affetto.io.paths import StoragePath

ConditionName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class _Parameters(BaseModel):
    """Parameters that cannot be changed, and in which nothing unknown may stand."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ToleranceParameters(_Parameters):
    """By how many points the UAR may change, a family of conditions."""

    packaging: float = Field(
        default=2.0, ge=0, le=100, description="Level, channels, rate, file format, silence around."
    )
    surroundings: float = Field(
        default=5.0, ge=0, le=100, description="Other sounds around the voice, and pauses inside it."
    )
    speed: float = Field(default=8.0, ge=0, le=100, description="Another tempo and pitch.")
    noise: float = Field(default=8.0, ge=0, le=100, description="Noise or another sound all along.")
    telephone: float = Field(default=10.0, ge=0, le=100, description="The band of a telephone.")


class RobustnessParameters(_Parameters):
    """In which conditions the models of the folds are tested again."""

    max_clips_per_fold: int | None = Field(
        default=None, ge=1, description="Tested clips of each fold, balanced over emotions; null: all."
    )
    tolerance: ToleranceParameters = ToleranceParameters()
    conditions: dict[ConditionName, Condition | None] = Field(
        default={},
        description="Name (small letters, digits, underscores) → condition; one set to null is left out.",
    )

    @property
    def chosen(self) -> dict[str, Condition]:
        """Return the conditions that are not null."""
        return {name: condition for name, condition in self.conditions.items() if condition is not None}

    def tolerance_of(self, condition: Condition) -> float:
        """Return by how many points the UAR may change in a condition."""
        if condition.tolerance is not None:
            return condition.tolerance
        tolerance: float = getattr(self.tolerance, condition.family)
        return tolerance


class StrangeRecordings(_Parameters):
    """Recordings that are not of the corpus: music, say, or other voices."""

    kind: Literal["recordings"] = "recordings"
    folder: StoragePath = Field(
        description="Searched to any depth; relative to the project folder. Left out where it is missing."
    )
    seconds: float = Field(
        default=4.0, gt=0, le=600, description="Of each, so much of the middle is heard, s."
    )
    max_clips: int = Field(default=100, ge=1, description="So many of them at most, drawn by their names.")


class UnlabelledClips(_Parameters):
    """Clips of the corpus that have no emotion, of the groups that a model was tested with.

    An emotion that `corpus.label_map` sets to null makes them: one that the models never had.
    """

    kind: Literal["unlabelled"] = "unlabelled"


Stranger = Annotated[Excerpt | NoiseAlone | StrangeRecordings | UnlabelledClips, Field(discriminator="kind")]


class ImportanceParameters(_Parameters):
    """How the importance of groups of descriptors is measured."""

    n_repeats: int = Field(
        default=10,
        ge=0,
        le=1_000,
        description="How often each group of descriptors is exchanged between the clips; 0: not measured.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of the exchanges.")


class EnrolmentParameters(_Parameters):
    """How the gain of an enrolment is measured."""

    sizes: tuple[Annotated[int, Field(ge=1, le=200)], ...] = Field(
        default=(3, 5, 10, 20), description="Numbers of clips of a speaker to enrol; none: not measured."
    )
    repeats: int = Field(default=5, ge=1, le=1_000, description="Draws of the clips to enrol.")
    seed: int = Field(default=0, ge=0, description="Seed of the draws.")

    @field_validator("sizes")
    @classmethod
    def _in_order(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(sizes)))


class HighlightTestParameters(_Parameters):
    """How the attention of a music model is put to the test."""

    length_s: float | None = Field(
        default=15.0, gt=0, description="Length of the excerpts, seconds; null: not measured."
    )
    n_random: int = Field(default=5, ge=1, le=1_000, description="Random excerpts a clip.")
    least_ratio: float = Field(
        default=1.2, gt=1, description="Clips shorter than so many excerpts leave no choice and are left out."
    )
    seed: int = Field(default=0, ge=0, description="Seed of the draws.")


class EvaluationParameters(_Parameters):
    """How intervals and tests are computed."""

    confidence: float = Field(default=0.95, gt=0.5, lt=1.0, description="Coverage of the intervals.")
    n_permutations: int = Field(
        default=10_000,
        ge=100,
        le=1_000_000,
        description="Random swaps of groups in the permutation test, where there are too many to count all.",
    )
    alpha: float = Field(
        default=0.05, gt=0.0, le=0.2, description="A difference counts below this Holm-corrected p."
    )
    n_bins: int = Field(default=15, ge=2, le=100, description="Confidence bins of the calibration error.")
    seed: int = Field(default=0, ge=0, description="Seed of the random swaps.")
    importance: ImportanceParameters = Field(default_factory=ImportanceParameters)
    enrolment: EnrolmentParameters = Field(default_factory=EnrolmentParameters)
    highlights: HighlightTestParameters = Field(default_factory=HighlightTestParameters)
    robustness: RobustnessParameters = RobustnessParameters()
    strangers: dict[ConditionName, Stranger | None] = Field(
        default={},
        description="Name (small letters, digits, underscores) → what the models are to tell from the speech "
        "that they were tested with: excerpt or noise (of the clips that `robustness` takes), recordings or "
        "unlabelled; one set to null is left out.",
    )
