"""Fitted models in MLflow: the whole folder of each, and its network or classifier as a logged model."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from affetto.io.configuration import environment

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.types import Schema

_TRUSTED = {"skops_trusted_types": ["sklearn.tree._tree.Tree"]}  # the forest was fitted by this very run
_FOLDER = "affetto_model"
_LOGGER = logging.getLogger(__name__)


def log_fitted_model(run: Run, directory: Path, name: str) -> None:
    """Keep a fitted model with a run; one that its experiment has already is only pointed to.

    The whole folder goes with the run as an artifact; its network or classifier is logged as a model as well.
    The tags of the run tell where they are: `fit` names the fit, `model_run_id` the run that has the folder,
    `model_uri` the logged model, if there is one.

    Parameters
    ----------
    run
        The run of the model.
    directory
        Folder of the fitted model, named by what it was fitted from.
    name
        Name of the logged model; what MLflow refuses in names becomes `_`.
    """
    from mlflow import MlflowClient

    client, run_id = MlflowClient(), run.info.run_id
    tags = _already_logged(client, run.info.experiment_id, directory.name)
    if tags is None:
        client.log_artifacts(run_id, str(directory), artifact_path=_FOLDER)
        uri = _log_native(run_id, directory, re.sub(r"[^\w\- ]", "_", name))
        tags = {"fit": directory.name, "model_run_id": run_id, **({"model_uri": uri} if uri else {})}
    for key, value in tags.items():
        client.set_tag(run_id, key, value)
    # Editions before noted the address of the store here, with its password.
    directory.with_name(f"{directory.name}.logged.json").unlink(missing_ok=True)


def _already_logged(client: Any, experiment_id: str, fit: str) -> dict[str, str] | None:
    """Return the tags of a run of the experiment whose fit is the same and still there."""
    from mlflow.exceptions import MlflowException
    from mlflow.models import get_model_info

    for run in client.search_runs([experiment_id], f"tags.fit = '{fit}'", max_results=5):
        tags = {
            key: run.data.tags[key] for key in ("fit", "model_run_id", "model_uri") if key in run.data.tags
        }
        try:
            if "model_uri" in tags:
                get_model_info(tags["model_uri"])
            if client.list_artifacts(tags["model_run_id"], _FOLDER):
                return tags
        except (MlflowException, OSError):  # deleted since
            continue
    return None


def _log_native(run_id: str, directory: Path, name: str) -> str | None:
    """Log what the estimator has of Keras or scikit-learn; None where there is nothing to log, or no way."""
    import mlflow
    from mlflow.exceptions import MlflowException
    from mlflow.models import infer_signature

    from affetto.models.estimator import load_estimator

    native = load_estimator(directory).native()
    if native is None:
        return None
    flavour, model, example = native
    keras = flavour == "keras"
    # mlflow.keras cannot save an input example (3.17); mlflow.tensorflow writes the same .keras file and can.
    log = mlflow.tensorflow.log_model if keras else partial(mlflow.sklearn.log_model, **_TRUSTED)
    with _quietly(), _quiet_keras() if keras else nullcontext():
        signature = infer_signature(example, model.predict(example))
        if keras:
            signature.inputs = _open_schema(model)
        try:
            # The active run is one of each thread: this thread may have another, or none.
            with mlflow.start_run(run_id=run_id, nested=True):
                info = log(
                    model,
                    name=name,
                    signature=signature,
                    input_example=example,
                    pip_requirements=["affetto"],
                )
        except MlflowException as error:
            if error.error_code != "ENDPOINT_NOT_FOUND":
                raise
            _LOGGER.warning(
                "This MLflow server knows no logged models: %s is kept as files of its run.", name
            )
            return None
    return str(info.model_uri)


def _open_schema(model: Any) -> Schema:
    """Describe the inputs of a network with its time axes left open."""
    from mlflow.types import Schema, TensorSpec

    return Schema(
        [
            TensorSpec(
                np.dtype(tensor.dtype), [-1 if size is None else size for size in tensor.shape], tensor.name
            )
            for tensor in model.inputs
        ]
    )


@contextmanager
def _quiet_keras() -> Iterator[None]:
    """Hide the bar of predictions, which MLflow asks for as well, and what TensorFlow writes meanwhile."""
    import keras

    from affetto.models.network import quiet_stderr

    shown = keras.config.is_interactive_logging_enabled()
    keras.config.disable_interactive_logging()
    try:
        with quiet_stderr():
            yield
    finally:
        if shown:
            keras.config.enable_interactive_logging()


@contextmanager
def _quietly() -> Iterator[None]:
    """Hide MLflow's own progress bar and its advice on requirements while a model is logged."""
    logger = logging.getLogger("mlflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with environment({"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}):
            yield
    finally:
        logger.setLevel(level)
