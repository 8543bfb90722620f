"""Wiring of the emotion experiments: one node a model, then probes and scores of all of them."""

from __future__ import annotations

from functools import partial, update_wrapper
from typing import Any

from kedro.pipeline import Node, Pipeline

from affetto.experiments.cross_validate import ModelSpecification
from affetto.pipelines.emotion import nodes
from affetto.pipelines.model_table import model_table, proposed_model

BOXES = {"music": "attention_lstm", "voice": "crnn_lld"}
"""Side → name of its box in Kedro-Viz: the proposed model of the paper."""


def create_pipeline(side: str) -> Pipeline:
    """Build the experiments of all emotion models of a side, up to their scores.

    Parameters
    ----------
    side
        `music` or `voice`.
    """
    models = [_cross_validation(side, name, entry) for name, entry in model_table(side).items()]
    return _copies(side) + Pipeline(models) + create_scores_pipeline(side)


def create_scores_pipeline(side: str) -> Pipeline:
    """Build the probes and the scores of models that were fitted before."""
    models = model_table(side)
    results = {f"results__{name}": f"{side}.emotion.{name}.results" for name in models}
    task, box = f"{side}_emotion", BOXES[side]
    probe = partial(nodes.run_probes, side=side, models=dict(models))
    score = partial(nodes.score_models, task=task, roles={name: entry.role for name, entry in models.items()})
    return Pipeline(
        [
            Node(
                update_wrapper(probe, nodes.run_probes),
                inputs={
                    "evaluation": "params:evaluation",
                    "experiment": f"params:{side}.emotion.experiment",
                    "executor": "params:executor",
                    "cache": "params:cache",
                    "corpus": f"params:{side}.corpus",
                    "clips": f"{side}.clips",
                    "folds": f"{side}.folds",
                    "features": f"{side}.features",
                    **results,
                },
                outputs=f"{task}.probes",
                name=f"probe_{task}_models",
                namespace=box,
            ),
            Node(
                update_wrapper(score, nodes.score_models),
                inputs={
                    "evaluation": "params:evaluation",
                    "corpus": f"params:{side}.corpus",
                    "split": f"params:{side}.split",
                    "probes": f"{task}.probes",
                    **results,
                    **{f"model__{name}": f"{side}.emotion.{name}.model" for name in models},
                },
                outputs=f"{task}.results",
                name=f"score_{task}_models",
                namespace=box,
            ),
        ]
    )


def create_library_pipeline() -> Pipeline:
    """Build the step that gives every track its emotion, from the proposed music model."""
    name = proposed_model("music")
    return Pipeline(
        [
            Node(
                nodes.annotate_library,
                inputs={
                    **_shared("music", name, model_table("music")[name]),
                    "experiment": "params:music.emotion.experiment",
                    "results": f"music.emotion.{name}.results",
                    "model": f"music.emotion.{name}.model",
                },
                outputs="music.emotions",
                name="recognise_emotions_of_tracks",
                namespace=BOXES["music"],
            )
        ]
    )


def _copies(side: str) -> Pipeline:
    """Return the step that makes the copies of training clips; nothing where no model learns from any."""
    copied = {name: entry for name, entry in model_table(side).items() if entry.conditions}
    if not copied:
        return Pipeline([])
    copy = partial(nodes.copy_training_clips, side=side, models=copied)
    return Pipeline(
        [
            Node(
                update_wrapper(copy, nodes.copy_training_clips),
                inputs={
                    "executor": "params:executor",
                    "corpus": f"params:{side}.corpus",
                    "cache": "params:cache",
                    "clips": f"{side}.clips",
                    "features": f"{side}.features",
                },
                outputs=f"{side}.copies",
                name="degrade_training_clips",
                namespace=BOXES[side],
            )
        ]
    )


def _cross_validation(side: str, name: str, entry: ModelSpecification) -> Node:
    """Return the step that cross-validates a model and fits it on all clips."""
    run = partial(nodes.cross_validate_model, name=name)
    return Node(
        update_wrapper(run, nodes.cross_validate_model),
        inputs={
            **_shared(side, name, entry),
            "experiment": f"params:{side}.emotion.experiment",
            "evaluation": "params:evaluation",
            "corpus": f"params:{side}.corpus",
            "split": f"params:{side}.split",
            "folds": f"{side}.folds",
        },
        outputs=[f"{side}.emotion.{name}.results", f"{side}.emotion.{name}.model"],
        name=f"cross_validate_{name}",
        namespace=f"{BOXES[side]}.{name}",
    )


def _shared(side: str, name: str, entry: ModelSpecification) -> dict[str, Any]:
    """Return the inputs of all steps that fit a model."""
    return {
        "specification": f"params:{side}.emotion.models.{name}",
        "executor": "params:executor",
        "cache": "params:cache",
        "clips": f"{side}.clips",
        "features": f"{side}.features",
        **({"copies": f"{side}.copies"} if entry.conditions else {}),
    }
