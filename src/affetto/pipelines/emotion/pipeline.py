"""Wiring of the emotion experiments: the same three nodes for every model of the table."""

from __future__ import annotations

from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from affetto.models.specification import ModelSpecification
from affetto.pipelines.emotion import nodes
from affetto.pipelines.model_table import model_table, proposed_model


def create_pipeline(side: str) -> Pipeline:
    """Build the experiments of all emotion models of a side.

    Parameters
    ----------
    side
        `music` or `voice`.
    """
    experiments = [
        node for name, entry in model_table(side).items() for node in _experiment(side, name, entry)
    ]
    return _copies(side) + Pipeline(experiments)


def create_library_pipeline() -> Pipeline:
    """Build the step that gives every track its emotion, from the proposed music model."""
    name = proposed_model("music")
    emotion, entry = f"music.emotion.{name}", model_table("music")[name]
    return Pipeline(
        [
            Node(
                nodes.annotate_library,
                inputs={
                    "clips": "music.clips",
                    "predictions": f"{emotion}.predictions",
                    "attention": f"{emotion}.attention",
                    "model": f"{emotion}.fitted",
                    "specification": f"params:music.emotion.models.{name}",
                    "experiment": "params:music.emotion.experiment",
                    "executor": "params:executor",
                    "store": "music.emotion.store",
                    **_copies_of("music", entry),
                    **_features("music", entry),
                },
                outputs=["music.library_emotions", "music.library_attention"],
                name="annotate_library",
                namespace="music.emotion",
            )
        ]
    )


def _copies(side: str) -> Pipeline:
    """Return the step that makes the copies of training clips; nothing where no model learns from any."""
    copied = {name: entry for name, entry in model_table(side).items() if entry.conditions}
    if not copied:
        return Pipeline([])
    copy = partial(nodes.copy_training_clips, models=copied)
    return Pipeline(
        [
            Node(
                update_wrapper(copy, nodes.copy_training_clips),
                inputs={
                    "executor": "params:executor",
                    "corpus": f"params:{side}.corpus",
                    "degraded": f"{side}.degraded",
                    "clips": f"{side}.clips",
                    **{
                        name: each
                        for entry in copied.values()
                        for name, each in _features(side, entry).items()
                    },
                },
                outputs=f"{side}.copies",
                name="copy_training_clips",
                namespace=f"{side}.emotion",
            )
        ]
    )


def _features(side: str, entry: ModelSpecification) -> dict[str, str]:
    return {feature: f"{side}.{feature}" for feature in entry.features}


def _copies_of(side: str, entry: ModelSpecification) -> dict[str, str]:
    return {"copies": f"{side}.copies"} if entry.conditions else {}


def _experiment(side: str, name: str, entry: ModelSpecification) -> list[Node]:
    """Cross-validate, and fit on everything."""
    emotion = f"{side}.emotion.{name}"
    shared = {
        "specification": f"params:{side}.emotion.models.{name}",
        "executor": "params:executor",
        "store": f"{side}.emotion.store",
        "clips": f"{side}.clips",
        **_copies_of(side, entry),
        **_features(side, entry),
    }
    experiment, fits = f"params:{side}.emotion.experiment", f"{side}.emotion.fits"
    return [
        Node(
            nodes.cross_validate_model,
            inputs={
                **shared,
                "experiment": experiment,
                "fits": fits,
                "folds": f"{side}.folds",
                "evaluation": "params:evaluation",
            },
            outputs=[f"{emotion}.{what}" for what in ("predictions", "histories", "attention", "metrics")],
            name="cross_validate",
            namespace=emotion,
        ),
        Node(
            nodes.cross_validate_on_random_folds,
            inputs={**shared, "experiment": experiment, "random_folds": f"{side}.random_folds"},
            outputs=f"{emotion}.random_predictions",
            name="cross_validate_on_random_folds",
            namespace=emotion,
        ),
        Node(
            update_wrapper(partial(nodes.fit_model, name=name), nodes.fit_model),
            inputs={
                **shared,
                "fits": fits,
                "corpus": f"params:{side}.corpus",
                "predictions": f"{emotion}.predictions",
            },
            outputs=[f"{emotion}.fitted", f"{emotion}.model"],
            name="fit_on_everything",
            namespace=emotion,
        ),
    ]
