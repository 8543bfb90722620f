"""The record of a run in MLflow: a parent run, and below it a child run a model."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from affetto.tracking.fitted_model import log_fitted_model

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

T = TypeVar("T")
MODEL = re.compile(r"(?P<side>music|voice)\.emotion\.(?P<model>.+)\.(?P<what>results|model)")
"""The data sets that make up what is recorded of a model; its scores are in `<task>.results`."""
_TASK = re.compile(r"(?P<task>\w+)\.(?P<what>results|tables)")
_WITH_THE_RUN = ("music", "voice", "evaluation", "taxonomy")
"""Groups of parameters that are kept with a run: not whose voice was heard, nor where runs are tracked."""


class RunRecord:
    """What is written to MLflow about one `kedro run`.

    Everything is addressed by the identifier of its run, as MLflow's active run is one of each thread and
    `--async` and ThreadRunner have many.

    Parameters
    ----------
    client, parent
        The store, and the run that all others lie below.
    parameters
        All parameters of the project.
    owned
        Whether the parent was made for this run, and ends with it.
    """

    def __init__(
        self, client: MlflowClient, parent: Run, parameters: Mapping[str, Any], *, owned: bool
    ) -> None:
        self._client = client
        self.parent = parent
        self._parameters = parameters
        self._owned = owned
        self._children: dict[tuple[str, str], Run] = {}
        self._unfinished: set[str] = set()

    def describe_parent(self, tags: Mapping[str, str], sides: list[str]) -> None:
        """Give the parent its tags, and the parameters of the sides that it is about."""
        for key, value in tags.items():
            self.tag(key, value)
        whole = {key: self._parameters[key] for key in _WITH_THE_RUN if key in self._parameters}
        self._log_parameters(self.parent, {side: self._parameters[side] for side in sides}, whole)

    def tag(self, key: str, value: str) -> None:
        """Give the parent a tag."""
        self._client.set_tag(self.parent.info.run_id, key, value)

    def save(self, dataset: str, data: Any) -> None:
        """Record what a data set says of a model, of a task or of all; most data sets say nothing."""
        model, task = MODEL.fullmatch(dataset), _TASK.fullmatch(dataset)
        if model:
            of = f"{model['side']}_emotion"
            child = self._child(of, model["model"])
            if model["what"] == "results":
                self._log_cross_validation(child.info.run_id, model["model"], data)
            else:
                log_fitted_model(child, Path(data), f"{of}-{model['model']}")
                self._finish(child)
        elif task and task["what"] == "results":
            self._log_scores(task["task"], data)
        elif task:
            for name, table in data.items():
                self._log_text(self.parent, f"{task['task']}/{name}.csv", table.to_csv(index=False))
        elif dataset == "reports":
            for name, page in data.items():
                self._log_text(self.parent, f"{name}.html", page)

    def end(self, status: str) -> None:
        """End the parent if it is ours, and the runs of models that are not complete."""
        own = [self.parent.info.run_id] if self._owned else []
        for run_id in (*self._unfinished, *own):
            self._client.set_terminated(run_id, status)

    def _child(self, task: str, name: str) -> Run:
        """Return the run of a model, opened when the first of it is there."""
        from mlflow.tracking.context.registry import resolve_tags

        from affetto.corpora.parameters import CorpusParameters, SplitParameters

        if (task, name) not in self._children:
            side = task.partition("_")[0].replace("theme", "music")
            own = self._parameters[side]
            role, parameters = _role_and_parameters(task, side, name, own)
            tags = {
                "mlflow.parentRunId": self.parent.info.run_id,
                "task": task,
                "model": name,
                "role": role,
                "corpus": CorpusParameters(**own["corpus"]).title,
                "protocol": SplitParameters(**own["split"]).title,
            }
            experiment = self.parent.info.experiment_id
            run = self._client.create_run(experiment, tags=resolve_tags(tags), run_name=name)
            self._unfinished.add(run.info.run_id)
            self._log_parameters(run, parameters, parameters)
            self._children[task, name] = run
        return self._children[task, name]

    def _finish(self, run: Run) -> None:
        self._client.set_terminated(run.info.run_id, "FINISHED")
        self._unfinished.discard(run.info.run_id)

    def _log_parameters(self, run: Run, chosen: Mapping[str, Any], whole: Mapping[str, Any]) -> None:
        """Give a run its parameters: whole as a file, and the chosen ones cut to what MLflow takes."""
        from mlflow.entities import Param
        from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH

        plain = json.loads(json.dumps(whole, default=str))
        text = yaml.safe_dump(plain, allow_unicode=True, sort_keys=False)
        self._log_text(run, "parameters.yml", text)
        new = []
        for key, value in named(flatten(chosen)).items():
            if key not in run.data.params:
                new.append(Param(key, value[:MAX_PARAM_VAL_LENGTH]))
        self._client.log_batch(run.info.run_id, params=new)

    def _log_cross_validation(self, run_id: str, name: str, results: Mapping[str, Any]) -> None:
        """Keep figures, out-of-fold predictions, and how training or the inner search went."""
        from mlflow.entities import Metric

        from affetto.evaluation.figures import confusion_figure, training_figure

        predictions, histories = results["predictions"], results["histories"]
        self._log_metrics(run_id, results["metrics"])
        self._client.log_text(run_id, predictions.to_csv(index=False), "predictions.csv")
        self._client.log_figure(run_id, confusion_figure({name: predictions}), "confusion.png")
        if "epoch" not in histories:
            self._client.log_text(run_id, histories.to_csv(index=False), "inner_search.csv")
        elif len(histories):
            self._client.log_figure(run_id, training_figure({name: histories}), "training.png")
            columns = histories.drop(columns=["fold", "seed"])
            means, curves = columns.groupby("epoch").mean(), []
            for column in means:
                for epoch, value in means[column].dropna().items():
                    point = float(value), 0, int(epoch)
                    curves.append(Metric(f"epoch_{column}", *point))
            self._client.log_batch(run_id, metrics=curves)

    def _log_scores(self, task: str, results: Mapping[str, Any]) -> None:
        """Keep the figures of each model of a task with its run, those of the probes too."""
        from affetto.experiments.probe_tables import probe_metrics

        for name, metrics in results["metrics"].items():
            if task != "theme" and (task, name) not in self._children:
                continue
            child = self._child(task, name)
            self._log_metrics(child.info.run_id, {**metrics, **probe_metrics(results, name)})
            self._finish(child)

    def _log_metrics(self, run_id: str, metrics: Mapping[str, float]) -> None:
        """Log the figures that a run does not have yet: those of cross-validation come again with scores."""
        from mlflow.entities import Metric

        now, new = int(time.time() * 1000), []
        known = self._client.get_run(run_id).data.metrics
        for name, value in named(metrics).items():
            if name not in known:
                new.append(Metric(name, float(value), now, 0))
        self._client.log_batch(run_id, metrics=new)

    def _log_text(self, run: Run, name: str, text: str) -> None:
        self._client.log_text(run.info.run_id, text, name)


def _role_and_parameters(
    task: str, side: str, name: str, parameters: Mapping[str, Any]
) -> tuple[str, Mapping[str, Any]]:
    if task != "theme":
        from affetto.pipelines.model_table import current_setup

        entry = current_setup().models[side][name]
        return entry.role, entry.model_dump(mode="json")
    from affetto.themes.baselines import DISCOVERY_ROLES, DISCRIMINATION_ROLES, ENCODER_ROLES
    from affetto.themes.parameters import ThemeParameters

    roles = {**DISCRIMINATION_ROLES, **DISCOVERY_ROLES, **ENCODER_ROLES}
    return roles[name], ThemeParameters(**parameters["theme"]).model_dump(mode="json")


def named(values: Mapping[str, T]) -> dict[str, T]:
    """Give values names that MLflow takes for parameters and metrics; what becomes the same is numbered.

    MLflow refuses names with characters other than letters, digits, `_`, `-`, `.`, space, `:` and `/`, and
    those that are no path of their own, such as `a//b`: slashes and colons are left out as well.
    """
    from mlflow.utils.validation import MAX_ENTITY_KEY_LENGTH

    found: dict[str, T] = {}
    for name, value in values.items():
        plain = re.sub(r"[^\w.\- ]", "_", name).strip(" .") or "_"
        key, number = plain[:MAX_ENTITY_KEY_LENGTH], 1
        while key in found:
            number += 1
            key = f"{plain[: MAX_ENTITY_KEY_LENGTH - 6]}_{number}"
        found[key] = value
    return found


def flatten(parameters: Mapping[Any, Any], prefix: str = "") -> dict[str, str]:
    """Flatten nested parameters to `a.b.c` → text."""
    flat: dict[str, str] = {}
    for name, value in parameters.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = str(value)
    return flat
