"""Wiring of the evaluation: a comparison and a report for each task, over whatever models the task has."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial, update_wrapper
from typing import Any

from kedro.pipeline import Node, Pipeline

from affetto.evaluation.comparison import proposed_model
from affetto.evaluation.excerpt_inquiry import FRAMES
from affetto.models.base import Estimator
from affetto.models.registry import estimator_class
from affetto.pipelines.evaluation import nodes
from affetto.pipelines.evaluation.nodes import SEPARATOR
from affetto.pipelines.evaluation.probes import probe_models

_FIGURES = ("confusion_figure", "reliability_figure", "comparison_plot", "comparison_figure", "groups_figure")
_DESCRIPTORS = ("functionals", "egemaps", "lld", "correlations")


def create_pipeline(
    task: str,
    side: str,
    models: Mapping[str, Any],
    *,
    robustness: bool = False,
    enrolment: bool = False,
    highlights: bool = False,
) -> Pipeline:
    """Build the evaluation of the emotion models of a side.

    Parameters
    ----------
    task
        `music_emotion` or `voice_emotion`; outputs are named after it.
    side
        `music` or `voice`.
    models
        Model → its specification: a mapping or an object with `role`. Names are Python identifiers.
    robustness
        Whether `<task>.robustness` and `<task>.strangers` go into the report.
    enrolment
        Whether groups are people, whose enrolment is to be measured.
    highlights
        Whether clips are music, whose highlights are to be put to the test.
    """
    roles = _roles(models)
    names = {model: f"{side}.emotion.{model}" for model in roles}
    predictions = _inputs("predictions", names)
    drawn = {**predictions, **_inputs("histories", names)}
    figures = [*_FIGURES, "training_figure"]
    proposed = proposed_model(roles)
    if proposed is not None:
        drawn["attention"] = f"{names[proposed]}.attention"
        figures.append("attention_figure")
        if "log_mel" in _features(models[proposed]):
            drawn["spectrograms"] = f"{side}.log_mel"
    readers = {name: entry for name, entry in models.items() if {*_features(entry)} & {*_DESCRIPTORS}}
    if readers:
        drawn["importance"] = f"{task}.importance"
        figures.append("importance_figure")
    if enrolment:
        drawn["enrolment"] = f"{task}.enrolment"
        figures.append("enrolment_figure")
    if highlights:
        drawn["highlights"] = f"{task}.highlights"
    if robustness:
        drawn |= {table: f"{task}.{table}" for table in ("robustness", "strangers")}
        figures.append("robustness_figure")
    evaluation = _evaluation(
        task,
        side,
        roles,
        compared={**predictions, **_inputs("random_predictions", names)},
        drawn=drawn,
        figures=figures,
    )
    if readers:
        evaluation += _probe("importance", task, side, readers)
    if enrolment:
        able = {name: entry for name, entry in models.items() if _kind(entry).can_enrol}
        evaluation += _probe("enrolment", task, side, able)
    if highlights:
        able = {
            name: entry
            for name, entry in models.items()
            if _kind(entry).attends and FRAMES in _features(entry)
        }
        evaluation += _probe("highlights", task, side, able)
    return evaluation


def create_theme_pipeline(
    models: Mapping[str, Any], *, task: str = "theme", side: str = "music", discovery: bool = True
) -> Pipeline:
    """Build the evaluation of the themes: discrimination by the models, and discovery beside it.

    Parameters
    ----------
    models
        Discrimination models, as for `create_pipeline`; predictions are `<side>.theme.<model>.predictions`.
    task, side
        Name of the task and of the outputs; side of the themes.
    discovery
        Whether `<side>.theme.discovery_table` (a row a model: `model, role` and measures) goes into the
        report.
    """
    roles = _roles(models)
    predictions = _inputs("predictions", {model: f"{side}.theme.{model}" for model in roles})
    drawn = {**predictions, **({"discovery": f"{side}.theme.discovery_table"} if discovery else {})}
    return _evaluation(task, side, roles, compared=predictions, drawn=drawn, figures=list(_FIGURES))


def _evaluation(
    task: str,
    side: str,
    roles: Mapping[str, str],
    *,
    compared: Mapping[str, str],
    drawn: Mapping[str, str],
    figures: list[str],
) -> Pipeline:
    shared = {
        "evaluation": "params:evaluation",
        "corpus": f"params:{side}.corpus",
        "split": f"params:{side}.split",
    }
    compare = partial(nodes.compare_models, task=task, roles=roles)
    report = partial(nodes.report_task, task=task, roles=roles)
    return Pipeline(
        [
            Node(
                update_wrapper(compare, nodes.compare_models),
                inputs={**shared, **compared},
                outputs=f"{task}.comparison",
                name="compare",
                namespace=f"evaluation.{task}",
            ),
            Node(
                nodes.compare_groups,
                inputs={name: table for name, table in compared.items() if name.startswith("predictions")},
                outputs=f"{task}.groups",
                name="compare_groups",
                namespace=f"evaluation.{task}",
            ),
            Node(
                update_wrapper(report, nodes.report_task),
                inputs={
                    **shared,
                    "comparison": f"{task}.comparison",
                    "groups": f"{task}.groups",
                    **drawn,
                },
                outputs={name: f"{task}.{name}" for name in ("report", *figures)},
                name="report",
                namespace=f"evaluation.{task}",
            ),
        ]
    )


def _probe(name: str, task: str, side: str, models: Mapping[str, Any]) -> Pipeline:
    """Build a step that asks the kept models of the folds; its table is `<task>.<name>`."""
    measure = partial(probe_models, name=name, models=tuple(models))
    return Pipeline(
        [
            Node(
                update_wrapper(measure, probe_models),
                inputs={
                    "evaluation": "params:evaluation",
                    "experiment": f"params:{side}.emotion.experiment",
                    "executor": "params:executor",
                    "store": f"{side}.emotion.store",
                    "fits": f"{side}.emotion.fits",
                    "clips": f"{side}.clips",
                    "folds": f"{side}.folds",
                    **{
                        f"specification__{model}": f"params:{side}.emotion.models.{model}" for model in models
                    },
                    **{item: f"{side}.{item}" for entry in models.values() for item in _features(entry)},
                    # Not read: the models of the folds are there once their predictions are.
                    **_inputs("predictions", {model: f"{side}.emotion.{model}" for model in models}),
                },
                outputs=f"{task}.{name}",
                name=name,
                namespace=f"evaluation.{task}",
            )
        ]
    )


def _features(entry: Any) -> tuple[str, ...]:
    named = entry.get("features", ()) if isinstance(entry, Mapping) else getattr(entry, "features", ())
    return tuple(named)


def _kind(entry: Any) -> type[Estimator]:
    return estimator_class(str(entry["estimator"] if isinstance(entry, Mapping) else entry.estimator))


def _roles(models: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: str(entry["role"] if isinstance(entry, Mapping) else entry.role)
        for name, entry in models.items()
    }


def _inputs(kind: str, names: Mapping[str, str]) -> dict[str, str]:
    return {f"{kind}{SEPARATOR}{model}": f"{name}.{kind}" for model, name in names.items()}
