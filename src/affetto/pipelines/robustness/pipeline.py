"""Wiring of the robustness: one node over all models of a task for degraded copies, and one for strangers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from affetto.models.specification import ModelSpecification
from affetto.pipelines.robustness import nodes
from affetto.pipelines.robustness.nodes import SEPARATOR


def create_pipeline(task: str, side: str, models: Mapping[str, ModelSpecification]) -> Pipeline:
    """Build the tests of the emotion models of a side on degraded copies and on strangers.

    Parameters
    ----------
    task
        `voice_emotion`; the tables are `<task>.robustness` and `<task>.strangers`.
    side
        `voice`.
    models
        Model → its specification.
    """
    features = tuple(dict.fromkeys(name for entry in models.values() for name in entry.features))
    inputs = {
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
        **{f"specification{SEPARATOR}{model}": f"params:{side}.emotion.models.{model}" for model in models},
        **{f"predictions{SEPARATOR}{model}": f"{side}.emotion.{model}.predictions" for model in models},
    }
    tests = {"robustness": nodes.score_degraded, "strangers": nodes.score_strangers}
    return Pipeline(
        [
            Node(
                update_wrapper(partial(test, features=features), test),
                inputs=inputs,
                outputs=f"{task}.{name}",
                name=name,
                namespace=f"evaluation.{task}",
            )
            for name, test in tests.items()
        ]
    )
