"""What runs left in the catalog and MLflow lacks, as after a server that died midway."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from affetto.evaluation.wording import TASKS
from affetto.pipelines.model_table import SIDES, current_setup
from affetto.tracking.run import NOTE, dimension_figures, named

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from mlflow import MlflowClient
    from mlflow.entities import RunData

    Catalog = CatalogProtocol[Any, Any]


def leftovers(client: MlflowClient, experiment_id: str, catalog: Catalog) -> dict[str, dict[str, Any]]:
    """Find the results of each task that MLflow does not have, figure by figure.

    Parameters
    ----------
    client, experiment_id
        The store, and the experiment that would have them.
    catalog
        Where the last runs left their results.

    Returns
    -------
    dict
        Task → its results, with `metrics` and `dimensions` of the models that are missing; tasks of which
        nothing is missing are left out.
    """
    found = {}
    for task in TASKS:
        if not catalog.exists(f"{task}.results"):
            continue
        results, regressors = catalog.load(f"{task}.results"), f"{task.partition('_')[0]}_dimensions"
        metrics, dimensions = results["metrics"], results.get("dimensions")
        told = _told(client, experiment_id, task)
        lacking = {name: figures for name, figures in metrics.items() if not _holds(told, name, figures)}
        left = {**results, "metrics": lacking}
        if dimensions is not None:
            told = _told(client, experiment_id, regressors)
            rows = dimensions.groupby("model", sort=False)
            known = [name for name, table in rows if _holds(told, name, dimension_figures(table))]
            left["dimensions"] = dimensions[~dimensions["model"].isin(known)]
        if lacking or len(left.get("dimensions", ())):
            found[task] = left
    return found


def _told(client: MlflowClient, experiment_id: str, task: str) -> list[RunData]:
    """Return what the store has of the models of a task that are described to their end."""
    wanted = f"tags.task = '{task}' and attributes.status = 'FINISHED'"
    runs = client.search_runs([experiment_id], wanted, max_results=1000)
    return [run.data for run in runs if NOTE in run.data.tags]


def _holds(told: Iterable[RunData], name: str, figures: Mapping[str, float]) -> bool:
    """Tell whether one of the runs is of a model and has these very figures."""
    wanted = {key: value for key, value in named(figures).items() if math.isfinite(value)}.items()
    return any(run.tags.get("model") == name and wanted <= run.metrics.items() for run in told)


def replay(catalog: Catalog, left: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Yield the data sets that `RunRecord.save` is to have, in the order in which runs make them."""
    models = current_setup().models
    for task, results in left.items():
        side = task.partition("_")[0]
        for name in results["metrics"]:
            if side not in SIDES or name not in models[side]:
                continue
            for what in ("results", "model"):
                dataset = f"{side}.emotion.{name}.{what}"
                if catalog.exists(dataset):
                    yield dataset, catalog.load(dataset)
        yield f"{task}.results", results
        if catalog.exists(f"{task}.tables"):
            yield f"{task}.tables", catalog.load(f"{task}.tables")
