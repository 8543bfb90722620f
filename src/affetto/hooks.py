"""Kedro hooks: the model table, the parent run in MLflow, and quiet logs."""

from __future__ import annotations

import atexit
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from affetto.errors import AffettoError, validation_sentence
from affetto.results import fingerprint

_STORE = "sqlite:///mlflow.db"
_REPORTED = (
    ".comparison",
    ".enrolment",
    ".groups",
    ".highlights",
    ".importance",
    ".report",
    ".robustness",
    ".strangers",
)


class TrackingSettings(BaseModel):
    """What `conf/*/mlflow.yml` says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(default=True, description="Write runs to MLflow.")
    tracking_uri: str = Field(
        default=_STORE,
        description="Store of the runs; the environment variable MLFLOW_TRACKING_URI goes before it.",
    )
    artifact_folder: str = Field(
        default="mlartifacts", description="Folder of the artifacts of a local store, in the project."
    )
    experiment: str = Field(default="affetto", description="Name of the experiment.")
    run_name: str | None = Field(default=None, description="Name of the parent run; null: the pipeline's.")
    timeout_s: float = Field(default=5.0, gt=0, le=10, description="Patience with a tracking server, s.")

    @property
    def uri(self) -> str:
        """The tracking address in force."""
        return os.environ.get("MLFLOW_TRACKING_URI") or self.tracking_uri


@dataclass(frozen=True)
class FinishedRun:
    """A parent run that has ended.

    Attributes
    ----------
    uri
        Address of the store, which may hold a password.
    is_default
        Whether the store is the one that `make ui` opens.
    experiment_id, run_id
        The run in that store.
    """

    uri: str
    is_default: bool
    experiment_id: str
    run_id: str


class ModelTableHook:
    """Builds the pipelines from the model table of the environment and the command line."""

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Read the model tables before Kedro builds the first pipeline."""
        from affetto.pipelines.model_table import use_parameters

        use_parameters(context.config_loader["parameters"])


class QuietRunnerHook:
    """Keeps libraries from printing into the middle of a run."""

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Lower the voice of TensorFlow before it is imported, here and in workers."""
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


class TrackingHook:
    """One parent run in MLflow for every `kedro run` that trains something."""

    def __init__(self) -> None:
        self._settings = TrackingSettings()
        self._project = Path.cwd()
        self._parameters: Mapping[str, Any] = {}
        self._running = False
        self.finished: FinishedRun | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Read the settings of the environment."""
        try:
            self._settings = TrackingSettings.model_validate(context.config_loader["mlflow"])
        except ValidationError as error:
            raise AffettoError(f"mlflow.yml: {validation_sentence(error)}.") from error
        self._project = Path(context.project_path)
        self._parameters = context.config_loader["parameters"]

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        """Start the parent run, after making sure that the store answers.

        Raises
        ------
        AffettoError
            When a tracking server does not answer within `timeout_s`.
        """
        self.finished = None
        if not self._settings.enabled or not _tracks(pipeline):
            return
        check_server(self._settings.uri, self._settings.timeout_s)
        self._open(run_params, pipeline)

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
        """Keep the comparison tables and reports with the parent run and finish it."""
        if not self._running:
            return
        import mlflow

        mlflow.set_tags({f"data.{side}": _data_fingerprint(catalog, side) for side in _sides(pipeline)})
        for name in sorted(pipeline.all_outputs()):
            if name.endswith(_REPORTED):
                path = Path(str(getattr(catalog[name], "_filepath", "")))
                if path.is_file():
                    mlflow.log_artifact(str(path), artifact_path=name.rsplit(".", 1)[0])
        run = mlflow.active_run()
        if run is not None:
            self.finished = FinishedRun(
                uri=self._settings.uri,
                is_default=self._settings.uri in (_STORE, os.environ.get("MLFLOW_TRACKING_URI")),
                experiment_id=run.info.experiment_id,
                run_id=run.info.run_id,
            )
        self._end("FINISHED")

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        """Mark the parent run as failed, with the reason."""
        if not self._running:
            return
        import mlflow

        mlflow.set_tag("error", f"{type(error).__name__}: {error}"[:500])
        self._end("FAILED")

    def _open(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._start(run_params, pipeline)
        except MlflowException as error:
            raise AffettoError(f"MLflow at {self._settings.uri} refuses: {error.message}") from error

    def _start(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        # MLflow's own patience is minutes; a store that stops answering should stop the run soon.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        import mlflow

        from affetto.datasets.mlflow_run import flatten

        mlflow.set_tracking_uri(_absolute(self._settings.uri, self._project))
        _use_experiment(self._settings, self._project)
        name = ",".join(run_params.get("pipeline_names") or []) or run_params.get("pipeline_name")
        mlflow.start_run(run_name=self._settings.run_name or name or "__default__")
        self._running = True
        # Ctrl-C and SystemExit pass by on_pipeline_error; MLflow itself would call such a run finished.
        atexit.register(self._end, "KILLED")
        mlflow.set_tags(_tags(name or "__default__", self._parameters, self._project, pipeline))
        mlflow.log_params(flatten({side: self._parameters[side] for side in _sides(pipeline)}))

    def _end(self, status: str) -> None:
        if self._running:
            import mlflow

            self._running = False
            while mlflow.active_run() is not None:
                mlflow.end_run(status)


def check_server(uri: str, timeout_s: float) -> None:
    """Make sure that a tracking server answers; local stores need no check.

    Raises
    ------
    AffettoError
        When nothing answers HTTP at `uri` within `timeout_s`.
    """
    if urlparse(uri).scheme not in {"http", "https"}:
        return
    import requests

    try:  # a server that wants credentials or knows no /health is a server all the same
        requests.get(f"{uri.rstrip('/')}/health", timeout=timeout_s)
    except requests.RequestException as error:
        raise AffettoError(
            f"No MLflow server answers at {uri} ({error}): start it, or set MLFLOW_TRACKING_URI or "
            "`tracking_uri` in conf/base/mlflow.yml to one that runs."
        ) from error


def _tracks(pipeline: Pipeline) -> bool:
    return any(name.endswith(".results") for name in pipeline.all_outputs())


def _absolute(uri: str, project: Path) -> str:
    prefix = "sqlite:///"
    if uri.startswith(prefix) and not uri.startswith(f"{prefix}/"):
        return f"{prefix}{project / uri.removeprefix(prefix)}"
    return uri


def _use_experiment(settings: TrackingSettings, project: Path) -> None:
    import mlflow

    if mlflow.get_experiment_by_name(settings.experiment) is None:
        local = urlparse(settings.uri).scheme not in {"http", "https"}
        location = (project / settings.artifact_folder).as_uri() if local else None
        mlflow.create_experiment(settings.experiment, artifact_location=location)
    mlflow.set_experiment(settings.experiment)


def _sides(pipeline: Pipeline) -> list[str]:
    names = pipeline.datasets()
    return [side for side in ("music", "voice") if f"{side}.clips" in names]


def _data_fingerprint(catalog: CatalogProtocol[Any, Any], side: str) -> str:
    """Hash what was heard and how it was labelled: content, emotion and group of every clip."""
    clips = catalog[f"{side}.clips"].load()
    columns = clips[["clip_id", "content_hash", "emotion", "group"]].astype(str)
    return fingerprint({"clips": columns.sort_values("clip_id").to_numpy().tolist()})


def _tags(name: str, parameters: Mapping[str, Any], project: Path, pipeline: Pipeline) -> dict[str, str]:
    from kedro.framework.session.session import _describe_git

    from affetto.corpora.parameters import SplitParameters

    tags = {"pipeline": name}
    for side in _sides(pipeline):
        tags[f"corpus.{side}"] = str(parameters[side]["corpus"]["source"])
        tags[f"protocol.{side}"] = SplitParameters(**parameters[side]["split"]).title
    for kind in ("corpus", "protocol"):
        values = {value for key, value in tags.items() if key.startswith(f"{kind}.")}
        tags[kind] = " ".join(sorted(values))
    commit = _describe_git(project).get("git", {}).get("commit_sha")
    if commit:
        tags["git_commit"] = str(commit)
    return tags
