"""The record of a run in MLflow: a parent run, and below it a child run and a logged model for each model."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from affetto.corpora.parameters import CorpusParameters, SplitParameters
from affetto.recommendation.evaluation import PROPOSED
from affetto.tracking.models import log_files, open_model
from affetto.tracking.notes import describe_data, model_note
from affetto.tracking.recommender import log_recommender
from affetto.tracking.registry import PREDICTIONS, RECOMMENDATION, REGISTERED, register

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Dataset, Run

T = TypeVar("T")
NOTE = "mlflow.note.content"
MODEL = re.compile(r"(?P<side>music|voice)\.emotion\.(?P<model>.+)\.(?P<what>results|model)")
"""The data sets that make up what is recorded of a model; its scores are in `<task>.results`."""
TASK = re.compile(r"(?P<task>\w+)\.(?P<what>results|tables)")
_SHOWN = re.compile(r"(uar|wa|macro_f1|theme_\w+|(ccc|r2)_[a-z]+)(_ci_low|_ci_high)?")
"""Figures that are columns of the page *Models*; all others are with the run."""
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
    command
        What repeats the run.
    """

    def __init__(
        self, client: MlflowClient, parent: Run, parameters: Mapping[str, Any], *, owned: bool, command: str
    ) -> None:
        self._client = client
        self.parent = parent
        self._parameters = parameters
        self._owned = owned
        self._command = command
        self._data: dict[str, Dataset] = {}
        self._children: dict[tuple[str, str], Run] = {}
        self._models: dict[str, str | None] = {}
        self._unfinished: set[str] = set()
        self._voice: Path | None = None
        self._library: Mapping[str, Any] | None = None

    def describe_parent(self, tags: Mapping[str, str], sides: list[str]) -> None:
        """Give the parent its tags, its note, and the parameters of the sides that it is about."""
        note = (
            "Every run below this one is a model, cross-validated on the same folds as the others of its "
            f"task.\nThe page *Models* has their figures side by side.\n\nRepeat it: `{self._command}`"
        )
        for key, value in {**tags, NOTE: note}.items():
            self.tag(key, value)
        whole = {key: self._parameters[key] for key in _WITH_THE_RUN if key in self._parameters}
        self._log_parameters(self.parent, {side: self._parameters[side] for side in sides}, whole)

    def tag(self, key: str, value: str) -> None:
        """Give the parent a tag."""
        self._client.set_tag(self.parent.info.run_id, key, value)

    def use_clips(self, side: str, clips: pd.DataFrame) -> None:
        """Say which clips the models of a side learn from: a data set of MLflow that holds no copy."""
        corpus = CorpusParameters(**self._parameters[side]["corpus"])
        self._data[side] = describe_data(side, corpus, clips)
        self.tag(f"data.{side}", self._data[side].digest)
        self._log_data(self.parent, side)

    def save(self, dataset: str, data: Any) -> None:
        """Record what a data set says of a model, of a task or of all; most data sets say nothing."""
        model, task = MODEL.fullmatch(dataset), TASK.fullmatch(dataset)
        if model:
            child = self._child(f"{model['side']}_emotion", model["model"])
            if model["what"] == "results":
                self._log_cross_validation(child, model["model"], data)
            else:
                log_files(self._client, child, self._models[child.info.run_id], Path(data))
                if model["side"] == "voice" and child.data.tags["role"] == "proposed":
                    self._voice = Path(data)
                self._finish(child, "FINISHED")
        elif task and task["what"] == "results":
            self._log_scores(task["task"], data)
        elif task:
            for name, table in data.items():
                self._log_text(self.parent, f"{task['task']}/{name}.csv", table.to_csv(index=False))
            if task["task"] == RECOMMENDATION:
                self._log_recommender(data["comparison"])
        elif dataset == "music.library":
            self._library = data
        elif dataset == "reports":
            for name, page in data.items():
                self._log_text(self.parent, f"{name}.html", page)

    def end(self, status: str) -> None:
        """End the parent if it is ours, and the runs of models that are not complete."""
        for child in self._children.values():
            if child.info.run_id in self._unfinished:
                self._finish(child, status)
        if self._owned:
            self._client.set_terminated(self.parent.info.run_id, status)

    def _child(self, task: str, name: str, role: str | None = None) -> Run:
        """Return the run of a model, opened with its logged model when the first of it is there."""
        from mlflow.tracking.context.registry import resolve_tags

        if (task, name) not in self._children:
            side = _side(task)
            own = self._parameters[side]
            known_role, parameters = _role_and_parameters(task, side, name, own)
            about = {
                "task": task,
                "model": name,
                "role": role or known_role,
                "corpus": CorpusParameters(**own["corpus"]).title,
                "protocol": SplitParameters(**own["split"]).title,
            }
            tags = {"mlflow.parentRunId": self.parent.info.run_id, **about}
            if side in self._data:
                tags["data"] = self._data[side].digest
            title, experiment = f"{name} on {about['corpus']}", self.parent.info.experiment_id
            run = self._client.create_run(experiment, tags=resolve_tags(tags), run_name=title)
            self._children[task, name] = run
            self._unfinished.add(run.info.run_id)
            self._models[run.info.run_id] = open_model(self._client, run, f"{task}-{name}", about)
            self._log_data(run, side)
            self._log_parameters(run, parameters, parameters)
        return self._children[task, name]

    def _finish(self, run: Run, status: str) -> None:
        model = self._models.get(run.info.run_id)
        if model is not None:
            done = status == "FINISHED"
            self._client.finalize_logged_model(model, "READY" if done else "FAILED")
        self._client.set_terminated(run.info.run_id, status)
        self._unfinished.discard(run.info.run_id)

    def _log_data(self, run: Run, side: str) -> None:
        from mlflow.entities import DatasetInput, InputTag

        if side in self._data:
            told = DatasetInput(self._data[side], [InputTag("mlflow.data.context", "cross-validation")])
            self._client.log_inputs(run.info.run_id, [told])

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

    def _log_cross_validation(self, run: Run, name: str, results: Mapping[str, Any]) -> None:
        """Keep figures, out-of-fold predictions, and how training or the inner search went."""
        from mlflow.entities import Metric

        from affetto.evaluation.figures import confusion_figure, training_figure

        run_id = run.info.run_id
        predictions, histories = results["predictions"], results["histories"]
        self._log_metrics(run, results["metrics"])
        self._client.log_table(run_id, predictions, PREDICTIONS)
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
        from affetto.evaluation.parameters import EvaluationParameters
        from affetto.experiments.probe_tables import probe_metrics

        for name, metrics in results["metrics"].items():
            if task != "theme" and (task, name) not in self._children:
                continue
            child = self._child(task, name)
            self._log_metrics(child, {**metrics, **probe_metrics(results, name)})
            self._compare(child, _rows(results.get("comparison"), name))
            self._finish(child, "FINISHED")
            complete = self._client.get_run(child.info.run_id)
            tags = complete.data.tags
            if task in REGISTERED and tags["role"] == "proposed" and "model_uri" in tags:
                rules = EvaluationParameters(**self._parameters.get("evaluation", {}))
                register(self._client, complete, rules)
        self._log_dimensions(f"{_side(task)}_dimensions", results.get("dimensions"))

    def _log_recommender(self, table: pd.DataFrame) -> None:
        """Log the recommender of a run that made both of its parts, with the figures of its bridge."""
        bridge = self._parameters["recommend"].get("bridge", "congruent")
        rows = table[(table["model"] == PROPOSED) & (table["bridge"] == bridge)]
        if self._voice is None or self._library is None or not len(rows):
            return
        sides = ("voice", "music")
        corpora = [CorpusParameters(**self._parameters[side]["corpus"]).title for side in sides]
        protocols = [SplitParameters(**self._parameters[side]["split"]).title for side in sides]
        about = {
            "corpus": " and ".join(dict.fromkeys(corpora)),
            "protocol": " and ".join(dict.fromkeys(protocols)),
            "data": " ".join(self._data[side].digest for side in sides if side in self._data),
            "bridge": bridge,
        }
        parts = self._voice, self._library, rows.iloc[0]
        log_recommender(self._client, self.parent, *parts, about, self._parameters)

    def _log_dimensions(self, task: str, table: pd.DataFrame | None) -> None:
        """Record the regressors of valence and arousal, which have a row a dimension."""
        if table is None:
            return
        for name in table["model"].unique():
            rows = _rows(table, name)
            child = self._child(task, name, str(rows["role"].iloc[0]))
            self._log_metrics(child, dimension_figures(rows))
            self._compare(child, rows)
            self._finish(child, "FINISHED")

    def _compare(self, run: Run, rows: pd.DataFrame) -> None:
        """Tag a model with what the tests say of the proposed one against it, and write its note."""
        tags = {}
        for _, row in rows.iterrows():
            ending = f".{row['dimension']}" if "dimension" in rows else ""
            if isinstance(row.get("verdict"), str):
                tags[f"verdict{ending}"] = row["verdict"]
        model = self._models[run.info.run_id]
        if model is not None and tags:
            self._client.set_logged_model_tags(model, tags)
        told = self._client.get_run(run.info.run_id).data
        data = self._data.get(_side(run.data.tags["task"]))
        tags[NOTE] = model_note(told, rows, data, self._command)
        for key, value in tags.items():
            self._client.set_tag(run.info.run_id, key, value)

    def _log_metrics(self, run: Run, metrics: Mapping[str, float]) -> None:
        """Log the figures that a run does not have yet: those of cross-validation come again with scores.

        The most important ones are those of its logged model on its data set as well.
        """
        from mlflow.entities import Metric

        run_id, now, new = run.info.run_id, int(time.time() * 1000), []
        known, model = self._client.get_run(run_id).data.metrics, self._models[run_id]
        data = self._data.get(_side(run.data.tags["task"]))
        for name, value in named(metrics).items():
            if name in known or not math.isfinite(value):
                continue
            linked: dict[str, Any] = {}
            if model is not None and _SHOWN.fullmatch(name):
                linked = {"model_id": model, "run_id": run_id}
                linked |= {"dataset_name": data.name, "dataset_digest": data.digest} if data else {}
            new.append(Metric(name, float(value), now, 0, **linked))
        self._client.log_batch(run_id, metrics=new)

    def _log_text(self, run: Run, name: str, text: str) -> None:
        self._client.log_text(run.info.run_id, text, name)


def dimension_figures(rows: pd.DataFrame) -> dict[str, float]:
    """Return CCC and R² of a regressor, and the ends of their intervals, from its row of each dimension."""
    figures = {}
    for _, row in rows.iterrows():
        for score in ("ccc", "r2"):
            for end in ("", "_ci_low", "_ci_high"):
                figures[f"{score}_{row['dimension']}{end}"] = float(row[f"{score}{end}"])
    return figures


def _side(task: str) -> str:
    return task.partition("_")[0].replace("theme", "music")


def _rows(table: pd.DataFrame | None, name: str) -> pd.DataFrame:
    """Return the rows of a model; none where there is no such table."""
    import pandas as pd

    if table is None or "model" not in table:
        return pd.DataFrame()
    return table[table["model"] == name]


def _role_and_parameters(
    task: str, side: str, name: str, parameters: Mapping[str, Any]
) -> tuple[str, Mapping[str, Any]]:
    if task != "theme":
        from affetto.pipelines.model_table import current_setup

        setup = current_setup()
        table = setup.regressors if task.endswith("_dimensions") else setup.models
        entry = table[side][name]
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
