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
from kedro.pipeline import Pipeline
from pydantic import ValidationError

from affetto.errors import AffettoError
from affetto.io.cache import fingerprint
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

_MODEL = re.compile(r"(?P<side>music|voice)\.emotion\.(?P<model>.+)\.(?P<what>results|model)")
"""The data sets that make up what MLflow keeps of a model; its scores are in `<task>.results`."""
_TASK = re.compile(r"(?P<task>\w+)\.(?P<what>results|tables)")
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
        self._logged: dict[str, set[str]] = {}

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
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        """Start the parent run, after making sure that the store answers.

        Raises
        ------
        AffettoError
            When the store cannot be used, or the runner is one whose workers cannot be tracked.
        """
        self.link = self.failure = None
        self._children, self._awaited, self._logged = {}, {}, {}
        outputs = pipeline.all_outputs()
        for name in outputs:
            found = _MODEL.fullmatch(name)
            if found:
                self._awaited.setdefault((f"{found['side']}_emotion", found["model"]), set()).add(name)
        if not self._awaited:
            return
        if "theme.results" in outputs:
            self._awaited |= {("theme", name): {"theme.results"} for name in _theme_roles()}
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
        from affetto.tracking.fitted_model import log_fitted_model

        with self._lock, self._noting_failure():
            if self._parent is None or self.failure:  # another thread may have ended it
                return
            model, task = _MODEL.fullmatch(dataset_name), _TASK.fullmatch(dataset_name)
            if model:
                run = self._child(f"{model['side']}_emotion", model["model"])
                if model["what"] == "results":
                    self._log_cross_validation(run.info.run_id, model["model"], data)
                else:
                    log_fitted_model(run, Path(data), f"{model['side']}_emotion-{model['model']}")
                self._done(f"{model['side']}_emotion", model["model"], dataset_name)
            elif task and task["what"] == "results":
                self._log_scores(task["task"], dataset_name, data)
            elif task:
                for name, table in data.items():
                    self._log_file(f"{task['task']}/{name}.csv", table.to_csv(index=False))
            elif dataset_name == "reports":
                for name, page in data.items():
                    self._log_file(f"{name}.html", page)

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

        if (task, name) not in self._children and self._parent is not None:
            parent, side = self._parent.info, task.partition("_")[0].replace("theme", "music")
            run = self._client.create_run(
                parent.experiment_id,
                tags=resolve_tags({"mlflow.parentRunId": parent.run_id}),
                run_name=name[:_LONGEST_NAME],
            )
            role, parameters = _role_and_parameters(task, side, name, self._parameters)
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

    def _log_cross_validation(self, run_id: str, name: str, results: Mapping[str, Any]) -> None:
        """Keep figures, out-of-fold predictions, and how training or the inner search went."""
        from affetto.evaluation.figures import confusion_figure, training_figure

        predictions, histories = results["predictions"], results["histories"]
        self._log_metrics(run_id, results["metrics"])
        self._client.log_text(run_id, predictions.to_csv(index=False), "predictions.csv")
        self._client.log_figure(run_id, confusion_figure({name: predictions}), "confusion.png")
        if "epoch" not in histories:
            self._client.log_text(run_id, histories.to_csv(index=False), "inner_search.csv")
        elif len(histories):
            self._client.log_figure(run_id, training_figure({name: histories}), "training.png")
            self._log_curves(run_id, histories)

    def _log_scores(self, task: str, dataset: str, results: Mapping[str, Any]) -> None:
        """Keep the figures of each model of a task with its run, those of the probes too."""
        from affetto.experiments.probe_tables import probe_metrics

        for name, metrics in results["metrics"].items():
            if (task, name) in self._awaited:
                found = {**metrics, **probe_metrics(results, name)}
                self._log_metrics(self._child(task, name).info.run_id, found)
                self._done(task, name, dataset)

    def _done(self, task: str, name: str, dataset: str) -> None:
        """Finish the run of a model when nothing more will be known of it."""
        self._awaited[task, name].discard(dataset)
        if not self._awaited[task, name]:
            self._client.set_terminated(self._children[task, name].info.run_id, "FINISHED")

    def _log_file(self, name: str, text: str) -> None:
        if self._parent is not None:
            self._client.log_text(self._parent.info.run_id, text, name)

    def _log_metrics(self, run_id: str, metrics: Mapping[str, float]) -> None:
        """Log the figures that a run does not have yet: those of cross-validation come again with scores."""
        from mlflow.entities import Metric

        now, known = int(time.time() * 1000), self._logged.setdefault(run_id, set())
        new = {name: value for name, value in named(metrics).items() if name not in known}
        known.update(new)
        logged = [Metric(name, float(value), now, 0) for name, value in new.items()]
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


def _theme_roles() -> dict[str, str]:
    from affetto.themes.baselines import DISCOVERY_ROLES, DISCRIMINATION_ROLES

    return {**DISCRIMINATION_ROLES, **DISCOVERY_ROLES}


def _role_and_parameters(
    task: str, side: str, name: str, parameters: Mapping[str, Any]
) -> tuple[str, Mapping[str, Any]]:
    if task != "theme":
        from affetto.pipelines.model_table import model_table

        entry = model_table(side)[name]
        return entry.role, entry.model_dump(mode="json")
    from affetto.themes.parameters import ThemeParameters

    return _theme_roles()[name], ThemeParameters(**parameters["music"]["theme"]).model_dump(mode="json")
