"""What an emotion experiment fits, and how often."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from affetto.audio.conditions import Condition


def each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a list that names something twice."""
    if len(set(names)) != len(names):
        raise ValueError(f"something is named twice: {list(names)}")
    return names


class ModelSpecification(BaseModel):
    """One row of the model table: what to fit and what it stands for in a comparison."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    estimator: str = Field(description="Name in the registry of estimators.")
    role: Literal["proposed", "ablation", "baseline", "pretrained"] = Field(
        description="Role in the comparison; pretrained: it reads an encoder that was trained on other data, "
        "and stands apart from those that saw the corpus alone."
    )
    features: tuple[str, ...] = Field(min_length=1, description="Names of the features the estimator reads.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="Parameters of the estimator.")
    copies: dict[str, Condition | None] = Field(
        default_factory=dict,
        description="Conditions in which training clips are heard as well, each as one more copy of them; "
        "a condition set to null is left out. Test clips are never copied.",
    )

    @property
    def conditions(self) -> dict[str, Condition]:
        """The conditions of the copies that are not left out."""
        return {name: condition for name, condition in self.copies.items() if condition is not None}


class ExperimentParameters(BaseModel):
    """How often each model is fitted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_seeds: int = Field(default=1, ge=1, description="Every fold is fitted with the seeds 0 … n_seeds - 1.")
    leakage_gap: bool = Field(
        default=True, description="Also score each model on as many random folds that ignore groups."
    )
    keep_models: bool = Field(
        default=False, description="Keep the model of every fold and seed, for questions asked of it later."
    )
