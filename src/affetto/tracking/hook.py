"""Writes every run that trains to MLflow: each model as soon as it is there, below the run it is of."""

from __future__ import annotations

import atexit
import importlib.util
import json
import logging
import os
import re
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from kedro.config import MissingConfigException
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from pydantic import ValidationError

from affetto.errors import AffettoError
from affetto.results import fingerprint
from affetto.tracking.store import (
    TrackingSettings,
    check_store,
    flatten,
    in_project,
    named,
    refusal,
    refused_in_words,
    repair_places,
    shown,
    use_experiment,
    use_store,
    without_secrets,
)

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities import Run

_REPORT = re.compile(
    r"(?P<task>\w+)\."
    r"(?P<what>comparison|enrolment|groups|highlights|importance|report|robustness|strangers)"
)
_MODEL = re.compile(
    r"(?P<side>music|voice)\.emotion\.(?P<model>.+)\.(?P<what>predictions|histories|metrics|fitted)"
    r"|music\.theme\.(?P<theme>.+)\.metrics"
)
"""The data sets of a catalog that make up what MLflow keeps of a model."""
_WITH_THE_RUN = ("music", "voice", "evaluation", "taxonomy")
"""Groups of parameters that are kept with a run: not whose voice was heard, nor where runs are tracked."""
_OLDEST_LIMIT = 500
"""Characters of a parameter's value in MLflow before 2.8."""
_LONGEST_NAME = 250
"""Characters of a run's name in MLflow's database."""
_PAGE = "http://127.0.0.1:5000"
"""Where `make ui` and `mlflow ui` listen."""
_OWN_KEYS = re.compile(r"^(tracking_uri|artifact_folder)\s*:", re.MULTILINE)
_LOGGER = logging.getLogger(__name__)


class TrackingHook:
    """One parent run in MLflow for every `kedro run` that trains something, and a child run a model.

    Everything is addressed by the identifier of its run, as MLflow's active run is one of each thread and
    `--async` and ThreadRunner have many. A run that is active already, as kedro-mlflow's, or that
    MLFLOW_RUN_ID names becomes the parent. Should the store fail midway, the pipeline goes on, and `failure`
    says so at its end.

    Attributes
    ----------
    link
        Where the finished run is read, in words; nothing secret.
    failure
        Why the record of the run is not complete, in one sentence.
    """

    def __init__(self) -> None:
        self.link: str | None = None
        self.failure: str | None = None
        self._settings = TrackingSettings()
        self._conf, self._project = Path("conf"), Path.cwd()
        self._uri, self._ui_opens = "", {""}
        self._parameters: Mapping[str, Any] = {}
        self._lock = threading.Lock()
        self._parent: Run | None = None
        self._owned = False
        self._unread: set[str] = set()
        self._children: dict[tuple[str, str], Run] = {}
        self._awaited: dict[tuple[str, str], set[str]] = {}

    @hook_impl(wrapper=True)  # around kedro-mlflow, where it is installed as well
    def after_context_created(self, context: KedroContext) -> Generator[None]:
        """Read the settings of the environment, and let kedro-mlflow live beside us."""
        try:
            self._settings = TrackingSettings.model_validate(context.config_loader["tracking"])
        except MissingConfigException:
            self._settings = TrackingSettings()
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
            raise AffettoError(f"tracking.yml: {wrong}.") from None  # what was given may hold a password
        self._project = Path(context.project_path)
        self._conf = Path(context.config_loader.conf_source)
        self._parameters = context.config_loader["parameters"]
        self._uri = self._settings.uri(self._project)
        default = TrackingSettings().tracking_uri
        self._ui_opens = {
            os.environ.get("MLFLOW_TRACKING_URI") or default,
            in_project(default, self._project),
        }
        if importlib.util.find_spec("kedro_mlflow") is not None:
            # Where its own settings name no store it would ask for one of files, which MLflow refuses by now.
            os.environ.setdefault("MLFLOW_TRACKING_URI", self._uri)
        yield
        theirs = getattr(context, "mlflow", None)
        if theirs is not None and theirs.tracking.params.long_params_strategy == "fail":
            theirs.tracking.params.long_params_strategy = "truncate"  # the taxonomy is long

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Start the parent run, after making sure that the store answers.

        Raises
        ------
        AffettoError
            When the store cannot be used, or the runner is one whose workers cannot be tracked.
        """
        self.link = self.failure = None
        self._catalog, self._children, self._awaited = catalog, {}, {}
        for name in pipeline.all_outputs():
            if found := _MODEL.fullmatch(name):
                self._awaited.setdefault(_task_and_model(found), set()).add(name)
        if not self._awaited:
            return
        if "ParallelRunner" in str(run_params.get("runner")):
            raise AffettoError(
                "ParallelRunner cannot run pipelines that train: leave --runner out, the steps use all cores "
                "themselves (`executor` in the parameters)."
            )
        if not self._settings.enabled:
            return
        for file in self._conf.glob("*/mlflow.yml"):
            if _OWN_KEYS.search(file.read_text("utf-8")):
                raise AffettoError(
                    f"{file} has settings that are read from tracking.yml now: move them there."
                )
        self._start(run_params, pipeline)

    @hook_impl
    def after_dataset_loaded(self, dataset_name: str, data: Any) -> None:
        """Tag the run with a hash of the clips that it reads: content, emotion and group of every one."""
        if self._parent is None or dataset_name not in self._unread:
            return
        with self._lock, self._noting_failure():
            if self._parent is None or self.failure or dataset_name not in self._unread:
                return
            self._unread.discard(dataset_name)
            columns = data[["clip_id", "content_hash", "emotion", "group"]].astype(str)
            heard = fingerprint({"clips": columns.sort_values("clip_id").to_numpy().tolist()})
            self._client.set_tag(self._parent.info.run_id, f"data.{dataset_name.partition('.')[0]}", heard)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        """Log what is known of a model, and reports, as soon as they are there."""
        if self._parent is None:
            return
        with self._lock, self._noting_failure():
            if self._parent is None or self.failure:  # another thread may have ended it
                return
            if found := _MODEL.fullmatch(dataset_name):
                self._log_part(dataset_name, *_task_and_model(found), found["what"] or "metrics", data)
            elif found := _REPORT.fullmatch(dataset_name):
                self._log_report(dataset_name, found["task"], found["what"], data)

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Finish the parent run."""
        if self._parent is not None:
            run = self._parent.info
            self.link = run_link(self._uri, self._uri in self._ui_opens, run.experiment_id, run.run_id)
            self._end("FINISHED")

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        """Mark the parent run as failed, with the reason."""
        if self._parent is not None and self.failure is None:
            reason = without_secrets(f"{type(error).__name__}: {error}", self._uri)[:500]
            with self._noting_failure():
                self._client.set_tag(self._parent.info.run_id, "error", reason)
        self._end("FAILED")

    def _start(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        # MLflow's own patience is minutes; and it prints the address of a server with its password.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        import mlflow
        from mlflow.tracking.context.registry import resolve_tags

        active = mlflow.active_run()
        self._owned = active is None
        if active is not None:
            self._uri = mlflow.get_tracking_uri()
        check_store(self._uri, self._settings.timeout_s)
        self._client = mlflow.MlflowClient(self._uri)
        name = ",".join(run_params.get("pipeline_names") or []) or run_params.get("pipeline_name")
        name = name or "__default__"
        with refused_in_words(self._uri):
            repair_places(self._uri, self._project, self._settings.artifact_folder)
            adopted = os.environ.pop("MLFLOW_RUN_ID", None)
            if active is not None:
                self._parent = active
            elif adopted:
                self._client.update_run(adopted, status="RUNNING")
                self._parent = self._client.get_run(adopted)
                use_store(self._uri)
                mlflow.set_experiment(experiment_id=self._parent.info.experiment_id)
            else:
                self._parent = self._client.create_run(
                    use_experiment(self._settings, self._uri, self._project),
                    tags=resolve_tags({}),
                    run_name=(self._settings.run_name or name)[:_LONGEST_NAME],
                )
            # Ctrl-C and SystemExit pass by on_pipeline_error, and nobody would end the run.
            atexit.register(self._end, "KILLED")
            sides = [side for side in ("music", "voice") if f"{side}.clips" in pipeline.datasets()]
            self._unread = {f"{side}.clips" for side in sides}
            whole = {key: self._parameters[key] for key in _WITH_THE_RUN if key in self._parameters}
            self._describe(
                self._parent,
                _tags(name, self._parameters, self._project, sides),
                {side: self._parameters[side] for side in sides},
                whole,
            )

    def _describe(
        self, run: Run, tags: Mapping[str, str], shown_ones: Mapping[str, Any], whole: Mapping[str, Any]
    ) -> None:
        """Give a run its tags, and its parameters: whole as a file, and cut to what the store takes."""
        from mlflow.entities import Param, RunTag
        from mlflow.exceptions import MlflowException
        from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH, MAX_TAG_VAL_LENGTH

        run_id = run.info.run_id
        text = yaml.safe_dump(json.loads(json.dumps(whole, default=str)), allow_unicode=True, sort_keys=False)
        self._client.log_text(run_id, text, "parameters.yml")
        self._client.log_batch(
            run_id, tags=[RunTag(key, value[:MAX_TAG_VAL_LENGTH]) for key, value in tags.items()]
        )
        flat = named(flatten(shown_ones))
        new = {key: value for key, value in flat.items() if key not in run.data.params}
        for limit in (MAX_PARAM_VAL_LENGTH, _OLDEST_LIMIT):
            try:
                self._client.log_batch(
                    run_id, params=[Param(key, value[:limit]) for key, value in new.items()]
                )
                return
            except MlflowException:
                if limit == _OLDEST_LIMIT:
                    raise

    def _child(self, task: str, name: str) -> Run:
        """Return the run of a model, opened when the first of it is there."""
        from mlflow.tracking.context.registry import resolve_tags

        from affetto.corpora.parameters import CorpusParameters, SplitParameters
        from affetto.pipelines.model_table import model_table
        from affetto.pipelines.theme.nodes import ROLES
        from affetto.themes.parameters import ThemeParameters

        if (task, name) not in self._children and self._parent is not None:
            parent, side = self._parent.info, task.partition("_")[0].replace("theme", "music")
            run = self._client.create_run(
                parent.experiment_id,
                tags=resolve_tags({"mlflow.parentRunId": parent.run_id}),
                run_name=name[:_LONGEST_NAME],
            )
            if task == "theme":
                theme = ThemeParameters(**self._parameters["music"]["theme"])
                role, parameters = ROLES[name], theme.model_dump(mode="json")
            else:
                entry = model_table(side)[name]
                role, parameters = entry.role, entry.model_dump(mode="json")
            tags = {
                "task": task,
                "model": name,
                "role": role,
                "corpus": CorpusParameters(**self._parameters[side]["corpus"]).title,
                "protocol": SplitParameters(**self._parameters[side]["split"]).title,
            }
            self._describe(run, tags, parameters, parameters)
            self._children[task, name] = run
        return self._children[task, name]

    def _log_part(self, dataset: str, task: str, name: str, what: str, data: Any) -> None:
        from affetto.evaluation.figures import confusion_figure, training_figure
        from affetto.tracking.fitted_model import log_fitted_model

        run = self._child(task, name)
        run_id = run.info.run_id
        if what == "predictions":
            self._client.log_text(run_id, data.to_csv(index=False), "predictions.csv")
            self._client.log_figure(run_id, confusion_figure({name: data}), "confusion.png")
        elif what == "histories" and len(data):
            self._client.log_figure(run_id, training_figure({name: data}), "training.png")
            self._log_curves(run_id, data)
        elif what == "metrics":
            self._log_metrics(run_id, data)
        elif what == "fitted":
            log_fitted_model(run, Path(data), f"{task}-{name}")
        awaited = self._awaited[task, name]
        awaited.discard(dataset)
        if not awaited:
            self._client.set_terminated(run_id, "FINISHED")

    def _log_metrics(self, run_id: str, metrics: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        logged = [Metric(name, float(value), now, 0) for name, value in named(metrics).items()]
        self._client.log_batch(run_id, metrics=logged)

    def _log_curves(self, run_id: str, histories: pd.DataFrame) -> None:
        """Log the mean of each curve over folds and seeds, a step an epoch."""
        from mlflow.entities import Metric

        means = histories.drop(columns=["fold", "seed"]).groupby("epoch").mean()
        curves = [
            Metric(f"epoch_{name}", float(value), 0, int(float(str(epoch))))
            for name in means.columns
            for epoch, value in means[name].dropna().items()
        ]
        self._client.log_batch(run_id, metrics=curves)

    def _log_report(self, dataset: str, task: str, what: str, data: Any) -> None:
        """Keep a table or report with the parent run, and what a table says of a model with that model."""
        from affetto.evaluation.enrolment import enrolment_metrics
        from affetto.evaluation.robustness import robustness_metrics
        from affetto.evaluation.strangers import stranger_metrics

        path = Path(str(getattr(self._catalog[dataset], "_filepath", "")))
        if path.is_file() and self._parent is not None:
            self._client.log_artifact(self._parent.info.run_id, str(path), artifact_path=task)
        of_models = {
            "robustness": robustness_metrics,
            "enrolment": enrolment_metrics,
            "strangers": stranger_metrics,
        }
        for (of_task, name), run in self._children.items():
            if of_task == task and what in of_models:
                self._log_metrics(run.info.run_id, of_models[what](data, name))

    @contextmanager
    def _noting_failure(self) -> Iterator[None]:
        """Note that the store fails, and let the pipeline go on: its fits cost more than their record."""
        from mlflow.exceptions import MlflowException

        try:
            yield
        except (MlflowException, OSError) as error:
            if self.failure is None:
                self.failure = (
                    f"Not everything of this run is in MLflow. {refusal(error, self._uri)} Fits are "
                    "kept: the same command records them soon."
                )
                _LOGGER.warning("%s", self.failure)

    def _end(self, status: str) -> None:
        """End the parent if it is ours, and the runs of models that are not complete."""
        if self._parent is None:
            return
        with self._lock, self._noting_failure():
            parent, self._parent = self._parent, None
            for key, run in self._children.items():
                if self._awaited[key]:
                    self._client.set_terminated(run.info.run_id, status)
            if self._owned:
                self._client.set_terminated(parent.info.run_id, "FAILED" if self.failure else status)


def run_link(uri: str, opens_in_ui: bool, experiment_id: str, run_id: str) -> str:
    """Say how to open a run in MLflow, of whose store nothing secret is shown."""
    page = f"/#/experiments/{experiment_id}/runs/{run_id}"
    if uri.startswith(("http://", "https://")):
        return shown(uri) + page
    if opens_in_ui:
        return f"make ui, then {_PAGE}{page}"
    return f"run {run_id} of the store that MLFLOW_TRACKING_URI or tracking_uri names"


def _tags(name: str, parameters: Mapping[str, Any], project: Path, sides: list[str]) -> dict[str, str]:
    from kedro.framework.session.session import _describe_git

    from affetto.corpora.parameters import SplitParameters

    tags = {"pipeline": name}
    for side in sides:
        tags[f"corpus.{side}"] = str(parameters[side]["corpus"]["source"])
        tags[f"protocol.{side}"] = SplitParameters(**parameters[side]["split"]).title
    for kind in ("corpus", "protocol"):
        values = {value for key, value in tags.items() if key.startswith(f"{kind}.")}
        tags[kind] = " ".join(sorted(values))
    commit = _describe_git(project).get("git", {}).get("commit_sha")
    if commit:
        tags["git_commit"] = str(commit)
    return tags


def _task_and_model(found: re.Match[str]) -> tuple[str, str]:
    return ("theme", found["theme"]) if found["theme"] else (f"{found['side']}_emotion", found["model"])
