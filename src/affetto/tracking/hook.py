"""Writes every run that trains to MLflow: each model as soon as it is there, below the run it is of."""

from __future__ import annotations

import atexit
import importlib.util
import logging
import os
import threading
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

from affetto.corpora.parameters import CorpusParameters, SplitParameters
from affetto.errors import AffettoError
from affetto.tracking.notes import repeat_command
from affetto.tracking.run import MODEL, RunRecord
from affetto.tracking.store import (
    TrackingSettings,
    check_store,
    reason,
    refusal,
    refused_in_words,
    repair_places,
    shown,
    use_experiment,
    use_store,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient

_LOGGER = logging.getLogger(__name__)


class TrackingHook:
    """One parent run in MLflow for every `kedro run` that trains something, and a child run a model.

    A run that is active already, as kedro-mlflow's, or that MLFLOW_RUN_ID names becomes the parent. Should
    the store fail midway, the pipeline goes on, and `failure` says so at its end.

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
        self._uri = ""
        self._parameters: Mapping[str, Any] = {}
        self._lock = threading.Lock()
        self._record: RunRecord | None = None
        self._unread: set[str] = set()

    @hook_impl(wrapper=True)  # around kedro-mlflow, where it is installed as well
    def after_context_created(self, context: KedroContext) -> Generator[None]:
        """Read the settings of the environment, and let kedro-mlflow live beside us."""
        try:
            self._settings = TrackingSettings.model_validate(context.config_loader["tracking"])
        except MissingConfigException:
            self._settings = TrackingSettings()
        except ValidationError as error:
            wrong = []
            for each in error.errors():
                wrong.append(f"{'.'.join(map(str, each['loc']))}: {each['msg']}")
            # What was given is not told: it may hold a password.
            raise AffettoError(f"tracking.yml: {'; '.join(wrong)}.") from None
        self._project = Path(context.project_path)
        self._conf = Path(context.config_loader.conf_source)
        self._parameters = context.config_loader["parameters"]
        self._uri = self._settings.uri(self._project)
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
        self.link = self.failure = self._record = None
        if not any(MODEL.fullmatch(name) for name in pipeline.all_outputs()):
            return
        if "ParallelRunner" in str(run_params.get("runner")):
            raise AffettoError(
                "ParallelRunner cannot run pipelines that train: leave --runner out, "
                "the steps use all cores themselves (`executor` in the parameters)."
            )
        if not self._settings.enabled:
            return
        for file in self._conf.glob("*/mlflow.yml"):
            if {"tracking_uri", "artifact_folder"} & {*(yaml.safe_load(file.read_text("utf-8")) or {})}:
                raise AffettoError(
                    f"{file} has settings that are read from tracking.yml now: move them there."
                )
        names = run_params.get("pipeline_names") or [run_params.get("pipeline_name") or "__default__"]
        sides = [side for side in ("music", "voice") if f"{side}.clips" in pipeline.datasets()]
        self._unread = {f"{side}.clips" for side in sides}
        self._start(",".join(names), sides, repeat_command(run_params))

    def upload(self, catalog: CatalogProtocol[Any, Any]) -> int:
        """Write to MLflow what runs left in the catalog and it lacks, as if they had just run.

        Returns
        -------
        int
            How many models that were; nothing is written where MLflow has all of them.

        Raises
        ------
        AffettoError
            When the store cannot be used, or fails midway.
        """
        from affetto.tracking.upload import leftovers, replay

        client = self._connect()
        with refused_in_words(self._uri):
            left = leftovers(client, use_experiment(self._settings, self._uri, self._project), catalog)
        n_models = 0
        for results in left.values():
            n_models += len(results["metrics"])
            if "dimensions" in results:
                n_models += results["dimensions"]["model"].nunique()
        if not n_models:
            return 0
        sides = sorted({task.partition("_")[0].replace("theme", "music") for task in left})
        self.failure = None
        self._start("upload", sides, "affetto track")
        for side in sides:
            with self._recording() as record:
                if record is not None:
                    record.use_clips(side, catalog.load(f"{side}.clips"))
        for name, data in replay(catalog, left):
            self.after_dataset_saved(name, data)
        self._end("FINISHED")
        if self.failure:
            raise AffettoError(self.failure)
        return n_models

    def find_page(self) -> str:
        """Return the address of the page *Models*: of `make ui`, or of the server that is tracked to."""
        self._connect()
        with refused_in_words(self._uri):
            return models_page(self._uri, use_experiment(self._settings, self._uri, self._project))

    def _connect(self) -> MlflowClient:
        """Make sure that the store answers, within seconds and without a word of MLflow's own."""
        # MLflow's own patience is minutes; and it prints the address of a server with its password.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        import mlflow

        check_store(self._uri, self._settings.timeout_s)
        return mlflow.MlflowClient(self._uri)

    def _start(self, name: str, sides: list[str], command: str) -> None:
        import mlflow
        from mlflow.tracking.context.registry import resolve_tags

        parent: Any = mlflow.active_run()
        owned = parent is None
        if not owned:
            self._uri = mlflow.get_tracking_uri()
        client = self._connect()
        with refused_in_words(self._uri):
            repair_places(self._uri, self._project, self._settings.artifact_folder)
            adopted = os.environ.pop("MLFLOW_RUN_ID", None)
            if owned and adopted:
                client.update_run(adopted, status="RUNNING")
                parent = client.get_run(adopted)
                use_store(self._uri)
                mlflow.set_experiment(experiment_id=parent.info.experiment_id)
            elif owned:
                experiment = use_experiment(self._settings, self._uri, self._project)
                corpora = [CorpusParameters(**self._parameters[side]["corpus"]).title for side in sides]
                ran = name.replace("__default__", "everything")
                title = self._settings.run_name or f"{ran} on {' and '.join(dict.fromkeys(corpora))}"
                parent = client.create_run(experiment, tags=resolve_tags({}), run_name=title)
            self._record = RunRecord(client, parent, self._parameters, owned=owned, command=command)
            # Ctrl-C and SystemExit pass by on_pipeline_error, and nobody would end the run.
            atexit.register(self._end, "KILLED")
            self._record.describe_parent(_tags(name, self._parameters, self._project, sides), sides)

    @hook_impl
    def after_dataset_loaded(self, dataset_name: str, data: Any) -> None:
        """Log the clips that the run reads as a data set: content, emotion and group of every one."""
        if dataset_name not in self._unread:
            return
        with self._recording() as record:
            if record is not None and dataset_name in self._unread:
                self._unread.discard(dataset_name)
                record.use_clips(dataset_name.partition(".")[0], data)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        """Log what is known of a model, and reports, as soon as they are there."""
        with self._recording() as record:
            if record is not None:
                record.save(dataset_name, data)

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Finish the parent run."""
        if self._record is not None:
            run = self._record.parent.info
            local = self._uri == TrackingSettings().uri(self._project)
            self.link = models_link(self._uri, local, run.experiment_id)
            self._end("FINISHED")

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        """Mark the parent run as failed, with the reason."""
        with self._recording() as record:
            if record is not None:
                record.tag("error", f"{type(error).__name__}: {reason(error, self._uri)}")
        self._end("FAILED")

    @contextmanager
    def _recording(self) -> Iterator[RunRecord | None]:
        """Lend the record to one thread; None where there is none, or the store has failed.

        A store that fails is noted and does not stop the pipeline: its fits cost more than their record.
        """
        if self._record is None:
            yield None
            return
        from mlflow.exceptions import MlflowException

        with self._lock:
            try:
                yield None if self.failure else self._record
            except (MlflowException, OSError) as error:
                self.failure = (
                    f"Not everything of this run is in MLflow. {refusal(error, self._uri)} Results are "
                    "kept: `affetto track` uploads them when it answers again."
                )
                _LOGGER.warning("%s", self.failure)

    def _end(self, status: str) -> None:
        failed = self.failure is not None
        self.failure, before = None, self.failure
        with self._recording() as record:
            if record is not None:
                record.end("FAILED" if failed else status)
        self.failure, self._record = before or self.failure, None


def models_page(uri: str, experiment_id: str) -> str:
    """Return the address of the page *Models* of an experiment, on its server or on that of `make ui`."""
    remote = uri.startswith(("http://", "https://"))
    server = shown(uri) if remote else "http://127.0.0.1:5000"
    # The page opens in a mode for agents, where the models are called agent versions, unless it is told.
    return f"{server}/#/experiments/{experiment_id}/models?workflowType=machine_learning"


def models_link(uri: str, opens_in_ui: bool, experiment_id: str) -> str:
    """Say how to open the page *Models* of an experiment, of whose store nothing secret is shown."""
    page = models_page(uri, experiment_id)
    if uri.startswith(("http://", "https://")):
        return page
    if opens_in_ui:
        return f"make ui, then {page}"
    return f"experiment {experiment_id} of the store that MLFLOW_TRACKING_URI or tracking_uri names"


def _tags(name: str, parameters: Mapping[str, Any], project: Path, sides: list[str]) -> dict[str, str]:
    from mlflow.utils.git_utils import get_git_commit

    corpora = {side: str(parameters[side]["corpus"]["source"]) for side in sides}
    protocols = {side: SplitParameters(**parameters[side]["split"]).title for side in sides}
    tags = {"pipeline": name, "git_commit": get_git_commit(str(project)) or ""}
    for what, of in (("corpus", corpora), ("protocol", protocols)):
        tags |= {f"{what}.{side}": value for side, value in of.items()}
        tags[what] = " ".join(sorted({*of.values()}))
    return {key: value for key, value in tags.items() if value}
