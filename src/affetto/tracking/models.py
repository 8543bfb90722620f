"""Models in MLflow: a row on its page for each, with the files of the fitted one."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from importlib.metadata import requires, version
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from affetto.io.configuration import environment
from affetto.models.estimator import model_digest

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_FOLDER = "affetto_model"
_LOGGER = logging.getLogger(__name__)


def open_model(client: MlflowClient, run: Run, name: str, about: Mapping[str, str]) -> str | None:
    """Open a logged model of a run: it is on the page *Models* from now on, and takes figures.

    Parameters
    ----------
    client, run
        The store, and the run of the model.
    name
        What MLflow refuses in names of models becomes `_`.
    about
        Columns of the page: task, role, corpus and what else tells models apart.

    Returns
    -------
    str or None
        Identifier of the model; None where the server is too old to know logged models.
    """
    from mlflow.entities import LoggedModelOutput
    from mlflow.exceptions import MlflowException

    plain, known = re.sub(r"[^\w\- ]", "_", name), dict(about)
    experiment, run_id = run.info.experiment_id, run.info.run_id
    try:
        model = client.create_logged_model(experiment, plain, run_id, tags=known, params=known)
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
    except MlflowException as error:
        if error.error_code != "ENDPOINT_NOT_FOUND":
            raise
        _LOGGER.warning("This MLflow server knows no logged models: %s is kept as a run alone.", name)
        return None
    return str(model.model_id)


def log_files(client: MlflowClient, run: Run, model_id: str | None, folder: Path) -> None:
    """Keep the files of a fitted model; those that the experiment has already are only pointed to.

    A proposed model becomes a pyfunc that takes audio (`affetto.tracking.audio_model`), others the folder
    that Affetto itself reads. The tags of the run tell where they are: `fit` is a hash of the fitted model,
    `model_uri` the logged model that has the files.

    Parameters
    ----------
    client, run, model_id
        As `open_model` has them; without a logged model the files go with the run.
    folder
        Folder of the fitted model.
    """
    run_id, fit = run.info.run_id, model_digest(folder)
    task, role = (run.data.tags[name] for name in ("task", "role"))
    client.set_tag(run_id, "fit", fit)
    if model_id is None:
        client.log_artifacts(run_id, str(folder), artifact_path=_FOLDER)
        return
    uri = _earlier(client, run.info.experiment_id, fit, role)
    if uri is None:
        uri = f"models:/{model_id}"
        if role == "proposed":
            with pyfunc(model_id, run_id, {"task": task}, {"model": folder}) as saved:
                client.log_model_artifacts(model_id, str(saved))
        else:
            client.log_model_artifacts(model_id, str(folder), _FOLDER)
    client.set_tag(run_id, "model_uri", uri)
    client.set_logged_model_tags(model_id, {"fit": fit, "files": uri})


def _earlier(client: MlflowClient, experiment_id: str, fit: str, role: str) -> str | None:
    """Find a logged model of the experiment with the files of the same fit, in the same form."""
    from mlflow.exceptions import MlflowException

    wanted = f"tags.fit = '{fit}' and tags.role = '{role}'"
    for run in client.search_runs([experiment_id], wanted, max_results=5):
        uri = run.data.tags.get("model_uri", "")
        try:
            if uri and client.list_logged_model_artifacts(uri.removeprefix("models:/")):
                return uri
        except (MlflowException, OSError):  # deleted since
            continue
    return None


@contextmanager
def pyfunc(
    model_id: str,
    run_id: str,
    config: Mapping[str, Any],
    artifacts: Mapping[str, Path],
    code: str = "audio_model.py",
) -> Iterator[Path]:
    """Write a model that takes audio as a pyfunc, with the source of this package and its pinned needs."""
    from mlflow.models import Model
    from mlflow.pyfunc import save_model

    with as_file(files("affetto")) as package, TemporaryDirectory() as made, _quietly():
        path = Path(made) / "pyfunc"
        save_model(
            path=path,
            python_model=str(package / "tracking" / code),
            artifacts={name: str(folder) for name, folder in artifacts.items()},
            code_paths=[str(package)],
            model_config=dict(config),
            pip_requirements=pinned_requirements(),
            mlflow_model=Model(model_id=model_id, run_id=run_id),
        )
        yield path


def pinned_requirements() -> list[str]:
    """Return what Affetto needs to run, each package at the version that is installed here."""
    needed = [each for each in requires("affetto") or () if "extra ==" not in each]
    names = [re.split(r"[\s<>=!~;\[(]", each)[0] for each in needed]
    return [f"{name}=={version(name)}" for name in names]


@contextmanager
def _quietly() -> Iterator[None]:
    """Hide progress bars, what TensorFlow writes, and MLflow's advice while a model is logged."""
    from affetto.models.network import quiet_stderr

    logger = logging.getLogger("mlflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        no_bar = environment({"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"})
        with no_bar, redirect_stdout(io.StringIO()), quiet_stderr():
            yield
    finally:
        logger.setLevel(level)
