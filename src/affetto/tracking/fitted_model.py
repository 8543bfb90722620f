"""Fitted models in MLflow: the whole folder of each, and its network or classifier as a logged model."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from affetto.io.configuration import environment

if TYPE_CHECKING:
    from mlflow.entities import Run

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
    tags = _tags_of_earlier(client, run.info.experiment_id, directory.name)
    if not tags:
        client.log_artifacts(run_id, str(directory), artifact_path=_FOLDER)
        uri = _log_native(run_id, directory, re.sub(r"[^\w\- ]", "_", name))
        tags = {"fit": directory.name, "model_run_id": run_id, **({"model_uri": uri} if uri else {})}
    for key, value in tags.items():
        client.set_tag(run_id, key, value)


def _tags_of_earlier(client: Any, experiment_id: str, fit: str) -> dict[str, str]:
    """Return the tags of a run of the experiment whose fit is the same and still there."""
    from mlflow.exceptions import MlflowException
    from mlflow.models import get_model_info

    for run in client.search_runs([experiment_id], f"tags.fit = '{fit}'", max_results=5):
        known = run.data.tags
        try:
            if "model_uri" in known:
                get_model_info(known["model_uri"])
            if client.list_artifacts(known["model_run_id"], _FOLDER):
                return {key: known[key] for key in ("fit", "model_run_id", "model_uri") if key in known}
        except (MlflowException, OSError):  # deleted since
            continue
    return {}


def _log_native(run_id: str, directory: Path, name: str) -> str | None:
    """Log what the estimator has of Keras or scikit-learn; None where there is nothing to log, or no way."""
    import mlflow
    from mlflow.exceptions import MlflowException
    from mlflow.models import infer_signature
    from mlflow.types import Schema, TensorSpec

    from affetto.models.estimator import load_estimator

    native = load_estimator(directory).native()
    if native is None:
        return None
    flavour, model, example = native
    log = partial(mlflow.sklearn.log_model, skops_trusted_types=["sklearn.tree._tree.Tree"])
    try:
        with _quietly():
            signature = infer_signature(example, model.predict(example))
            if flavour == "keras":
                # mlflow.keras cannot save an input example (3.17); this writes the same .keras file and can.
                log = mlflow.tensorflow.log_model
                signature.inputs = Schema(  # with open time axes
                    [
                        TensorSpec(np.dtype(each.dtype), [size or -1 for size in each.shape], each.name)
                        for each in model.inputs
                    ]
                )
            more = {"signature": signature, "input_example": example, "pip_requirements": ["affetto"]}
            # The active run is one of each thread: this thread may have another, or none.
            with mlflow.start_run(run_id=run_id, nested=True):
                return str(log(model, name=name, **more).model_uri)
    except MlflowException as error:
        if error.error_code != "ENDPOINT_NOT_FOUND":
            raise
        _LOGGER.warning("This MLflow server knows no logged models: %s is kept as files of its run.", name)
        return None


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
