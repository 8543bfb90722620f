"""Wiring of the robustness: one node over all models of a task."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from affetto.models.specification import ModelSpecification
from affetto.pipelines.robustness import nodes
from affetto.pipelines.robustness.nodes import SEPARATOR


def create_pipeline(task: str, side: str, models: Mapping[str, ModelSpecification]) -> Pipeline:
    """Build the test of the emotion models of a side on degraded copies.

    Parameters
    ----------
    task
        `voice_emotion`; the table is `<task>.robustness`.
    side
        `voice`.
    models
        Model → its specification.
    """
    features = tuple(dict.fromkeys(name for entry in models.values() for name in entry.features))
    test = partial(nodes.score_degraded, features=features)
    return Pipeline(
        [
            Node(
                update_wrapper(test, nodes.score_degraded),
                inputs={
                    "evaluation": "params:evaluation",
                    "experiment": f"params:{side}.emotion.experiment",
                    "executor": "params:executor",
                    "corpus": f"params:{side}.corpus",
                    "store": f"{side}.emotion.store",
                    "fits": f"{side}.emotion.fits",
                    "degraded": f"{side}.degraded",
                    "clips": f"{side}.clips",
                    "folds": f"{side}.folds",
                    **{name: f"{side}.{name}" for name in features},
                    **{
                        f"specification{SEPARATOR}{model}": f"params:{side}.emotion.models.{model}"
                        for model in models
                    },
                    **{
                        f"predictions{SEPARATOR}{model}": f"{side}.emotion.{model}.predictions"
                        for model in models
                    },
                },
                outputs=f"{task}.robustness",
                name="robustness",
                namespace=f"evaluation.{task}",
            )
        ]
    )
