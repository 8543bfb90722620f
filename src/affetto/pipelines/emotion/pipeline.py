"""Wiring of the emotion experiments: one node a model, then probes and scores of all of them."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from affetto.experiments.cross_validate import ModelSpecification
from affetto.pipelines import step
from affetto.pipelines.emotion import nodes
from affetto.pipelines.model_table import Table

_BOXES = {"music": "attention_lstm", "voice": "crnn_lld"}
"""Side → name of its box in Kedro-Viz: the proposed model of the paper."""


def create_pipeline(side: str, models: Table, regressors: Table | None = None) -> Pipeline:
    """Build the experiments of all emotion models of a side, up to their scores.

    Parameters
    ----------
    side
        `music` or `voice`.
    models, regressors
        The models of that side, and its regressors of valence and arousal.
    """
    proposed = next((each for each in (regressors or {}).values() if each.role == "proposed"), None)

    def inputs(entry: ModelSpecification) -> dict[str, str]:
        """Add the regressor to a proposed model that reads what it reads, so that it can always answer."""
        attached = proposed is not None and {*proposed.features} <= {*entry.features}
        more = {"regressor": f"{side}.regressor"} if attached and entry.role == "proposed" else {}
        return _inputs(side) | more

    fits = [
        step(
            nodes.cross_validate_model,
            inputs(entry) | {"specification": f"params:{side}.emotion.models.{name}"},
            [f"{side}.emotion.{name}.results", f"{side}.emotion.{name}.model"],
            name=f"cross_validate_{name}",
            box=f"{_BOXES[side]}.{name}",
            side=side,
            model_name=name,
        )
        for name, entry in models.items()
    ]
    return Pipeline(fits) + create_scores_pipeline(side, models, regressors)


def create_scores_pipeline(side: str, models: Table, regressors: Table | None = None) -> Pipeline:
    """Build the scores and probes of models that were fitted before, and all of the regressors.

    Parameters
    ----------
    side, models, regressors
        As for `create_pipeline`.
    """
    read = _inputs(side)
    regress = []
    if regressors:
        found = f"{side}.dimensions"
        wanted = ("executor", "cache", "clips", "folds", "evaluation", "features")
        node = step(
            nodes.cross_validate_dimensions,
            {name: read[name] for name in wanted},
            [found, f"{side}.regressor"],
            name=f"cross_validate_{side}_dimensions",
            box=f"{_BOXES[side]}.dimensions",
            models=regressors,
        )
        regress, read = [node], read | {"dimensions": found}

    results = {f"results__{name}": f"{side}.emotion.{name}.results" for name in models}
    fitted = {f"model__{name}": f"{side}.emotion.{name}.model" for name in models}
    score = step(
        nodes.score_models,
        read | results | fitted,
        f"{side}_emotion.results",
        name=f"score_{side}_emotion_models",
        box=_BOXES[side],
        side=side,
        models=models,
    )
    return Pipeline([*regress, score])


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
