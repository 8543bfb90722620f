"""What all steps share that ask the kept models of the folds about their test clips."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from affetto.evaluation.asking import Question, ask_all
from affetto.features.clip_features import FeatureSet
from affetto.models.experiment import FoldModel
from affetto.models.specification import ModelSpecification
from affetto.parallel import ExecutorParameters

A = TypeVar("A")
Find = Callable[[ModelSpecification, FeatureSet], list[FoldModel]]


def kept_models(model: str, inputs: Mapping[str, Any], find: Find) -> list[tuple[FoldModel, FeatureSet]]:
    """Return the kept model of each fold and seed with the features of its test clips.

    Parameters
    ----------
    model
        Its name.
    inputs
        `specification__<model>`, and the features by name.
    find
        `affetto.models.experiment.fold_models` of the cross-validation.

    Raises
    ------
    AffettoError
        When a model is missing.
    """
    specification = ModelSpecification.model_validate(inputs[f"specification__{model}"])
    features = FeatureSet.align({name: inputs[name] for name in specification.features})
    return [(kept, features.select(kept.test)) for kept in find(specification, features)]


def ask_models(
    tasks: Mapping[str, Sequence[Question[A]]], executor: ExecutorParameters, description: str
) -> dict[str, list[A]]:
    """Ask the models of several entries of the table at once; return the answers of each, in order."""
    answers = iter(ask_all([task for asked in tasks.values() for task in asked], executor, description))
    return {model: [next(answers) for _ in asked] for model, asked in tasks.items()}
