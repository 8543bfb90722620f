"""Wiring of the emotion experiments: one node a model, then probes and scores of all of them."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from affetto.pipelines import step
from affetto.pipelines.emotion import nodes
from affetto.pipelines.model_table import Table

_BOXES = {"music": "attention_lstm", "voice": "crnn_lld"}
"""Side → name of its box in Kedro-Viz: the proposed model of the paper."""


def create_pipeline(side: str, models: Table) -> Pipeline:
    """Build the experiments of all emotion models of a side, up to their scores.

    Parameters
    ----------
    side
        `music` or `voice`.
    models
        The models of that side.
    """
    fits = [
        step(
            nodes.cross_validate_model,
            _inputs(side) | {"specification": f"params:{side}.emotion.models.{name}"},
            [f"{side}.emotion.{name}.results", f"{side}.emotion.{name}.model"],
            name=f"cross_validate_{name}",
            box=f"{_BOXES[side]}.{name}",
            side=side,
            model_name=name,
        )
        for name in models
    ]
    return Pipeline(fits) + create_scores_pipeline(side, models)


def create_scores_pipeline(side: str, models: Table) -> Pipeline:
    """Build the scores and probes of models that were fitted before.

    Parameters
    ----------
    side, models
        As for `create_pipeline`.
    """
    results = {f"results__{name}": f"{side}.emotion.{name}.results" for name in models}
    fitted = {f"model__{name}": f"{side}.emotion.{name}.model" for name in models}
    score = step(
        nodes.score_models,
        _inputs(side) | results | fitted,
        f"{side}_emotion.results",
        name=f"score_{side}_emotion_models",
        box=_BOXES[side],
        side=side,
        models=models,
    )
    return Pipeline([score])


def create_library_pipeline(name: str) -> Pipeline:
    """Build the step that gives every track its emotion, from the music model of a name."""
    found = {what: f"music.emotion.{name}.{what}" for what in ("results", "model")}
    annotate = step(
        nodes.annotate_library,
        _inputs("music", scored=False) | {"specification": f"params:music.emotion.models.{name}"} | found,
        "music.emotions",
        name="recognise_emotions_of_tracks",
        box=_BOXES["music"],
        side="music",
    )
    return Pipeline([annotate])


def _inputs(side: str, *, scored: bool = True) -> dict[str, str]:
    """Return what all steps read that fit or ask models, and what those read besides that score them."""
    inputs = {
        "experiment": f"params:{side}.emotion.experiment",
        "executor": "params:executor",
        "cache": "params:cache",
        "corpus": f"params:{side}.corpus",
        "clips": f"{side}.clips",
        "features": f"{side}.features",
    }
    if scored:
        inputs |= {"evaluation": "params:evaluation", "split": f"params:{side}.split"}
        inputs["folds"] = f"{side}.folds"
    return inputs
