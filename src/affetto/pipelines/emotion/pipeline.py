"""Wiring of the emotion experiments: one node a model, then probes and scores of all of them."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from affetto.experiments.cross_validate import ModelSpecification
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
            _inputs_of_fits(side, name, entry) | _inputs(side, "evaluation", "corpus", "split", "folds"),
            [f"{side}.emotion.{name}.results", f"{side}.emotion.{name}.model"],
            name=f"cross_validate_{name}",
            box=f"{_BOXES[side]}.{name}",
            model_name=name,
        )
        for name, entry in models.items()
    ]
    augmented = {name: entry for name, entry in models.items() if entry.conditions}
    if augmented:
        fits.append(
            step(
                nodes.augment_training_clips,
                _inputs(side, "executor", "corpus", "cache", "clips", "features"),
                f"{side}.augmentation",
                box=_BOXES[side],
                side=side,
                models=augmented,
            )
        )
    return Pipeline(fits) + create_scores_pipeline(side, models)


def create_scores_pipeline(side: str, models: Table) -> Pipeline:
    """Build the probes and the scores of models that were fitted before.

    Parameters
    ----------
    side, models
        As for `create_pipeline`.
    """
    task, box = f"{side}_emotion", _BOXES[side]
    results = {f"results__{name}": f"{side}.emotion.{name}.results" for name in models}
    fitted = {f"model__{name}": f"{side}.emotion.{name}.model" for name in models}
    probed = ("evaluation", "experiment", "executor", "cache", "corpus", "clips", "folds", "features")
    return Pipeline(
        [
            step(
                nodes.run_probes,
                _inputs(side, *probed) | results,
                f"{task}.probes",
                name=f"probe_{task}_models",
                box=box,
                side=side,
                models=models,
            ),
            step(
                nodes.score_models,
                _inputs(side, "evaluation", "corpus", "split")
                | {"probes": f"{task}.probes"}
                | results
                | fitted,
                f"{task}.results",
                name=f"score_{task}_models",
                box=box,
                task=task,
                roles={name: entry.role for name, entry in models.items()},
            ),
        ]
    )


def create_library_pipeline(name: str, entry: ModelSpecification) -> Pipeline:
    """Build the step that gives every track its emotion, from a music model: its name and specification."""
    found = {what: f"music.emotion.{name}.{what}" for what in ("results", "model")}
    annotate = step(
        nodes.annotate_library,
        _inputs_of_fits("music", name, entry) | found,
        "music.emotions",
        name="recognise_emotions_of_tracks",
        box=_BOXES["music"],
    )
    return Pipeline([annotate])


def _inputs_of_fits(side: str, name: str, entry: ModelSpecification) -> dict[str, str]:
    """Return the inputs of all steps that fit a model."""
    shared = _inputs(side, "experiment", "executor", "cache", "clips", "features")
    augmentation = {"augmentation": f"{side}.augmentation"} if entry.conditions else {}
    return {"specification": f"params:{side}.emotion.models.{name}"} | shared | augmentation


def _inputs(side: str, *names: str) -> dict[str, str]:
    """Return the data sets of a side, and the parameters, by the names that nodes have for them."""
    places = {name: f"params:{name}" for name in ("evaluation", "executor", "cache")}
    places |= {name: f"params:{side}.{name}" for name in ("corpus", "split")}
    places |= {name: f"{side}.{name}" for name in ("clips", "folds", "features")}
    places["experiment"] = f"params:{side}.emotion.experiment"
    return {name: places[name] for name in names}
