"""The run of one model in MLflow as a catalog entry."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from kedro.io import AbstractDataset, DatasetError

from affetto.whole_files import write_whole

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from mlflow.types import Schema

_MAX_PARAMETER_LENGTH = 6000
_TRUSTED = {"skops_trusted_types": ["sklearn.tree._tree.Tree"]}  # the forest was fitted by this very run


@dataclass(frozen=True)
class ModelRun:
    """Everything MLflow keeps of one model of one comparison.

    Attributes
    ----------
    name
        Name of the model; the name of the child run.
    tags
        `task`, `model`, `role`, `corpus`, `protocol`.
    parameters
        Parameters of the model; nested mappings are flattened with dots.
    metrics
        Figures with the names shared by all models of a task.
    histories
        A row a fit and epoch: `fold, seed, epoch` and the curves; averaged over fits a step. Tables without
        epochs have no curves.
    figures
        File name → Matplotlib figure.
    tables
        File name → table, written as CSV.
    model
        Folder of the fitted model, or None.
    """

    name: str
    tags: Mapping[str, str]
    parameters: Mapping[str, Any]
    metrics: Mapping[str, float]
    histories: pd.DataFrame | None = None
    figures: Mapping[str, Figure] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    model: Path | None = None


class MlflowRunDataset(AbstractDataset[ModelRun, None]):
    """Writes a `ModelRun` as a child of the active MLflow run.

    Without an active run, as when tracking is switched off, nothing is written.

    Parameters
    ----------
    metadata
        Ignored here; read by Kedro-Viz.
    """

    def __init__(self, *, metadata: dict[str, Any] | None = None) -> None:
        self.metadata = metadata

    def load(self) -> None:
        """Refuse: runs are read in the MLflow UI."""
        raise DatasetError("A tracked run is read in the MLflow UI, not from the catalog.")

    def save(self, data: ModelRun) -> None:
        """Log tags, parameters, metrics, curves, figures and the model of `data`."""
        import mlflow

        if mlflow.active_run() is None:
            return
        with mlflow.start_run(run_name=data.name, nested=True) as run:
            mlflow.set_tags(dict(data.tags))
            mlflow.log_params(flatten(data.parameters))
            mlflow.log_metrics({name: float(value) for name, value in data.metrics.items()})
            _log_curves(run.info.run_id, data.histories)
            for file, figure in data.figures.items():
                mlflow.log_figure(figure, file)
            for file, table in data.tables.items():
                mlflow.log_text(table.to_csv(index=False), file)
            if data.model is not None:
                _log_model(data.model)

    def _exists(self) -> bool:
        return False

    def _describe(self) -> dict[str, Any]:
        return {}


def flatten(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Flatten nested parameters to `a.b.c` → text, as MLflow stores them."""
    flat: dict[str, str] = {}
    for name, value in parameters.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{key}."))
        else:
            flat[key] = str(value)[:_MAX_PARAMETER_LENGTH]
    return flat


def _log_curves(run_id: str, histories: pd.DataFrame | None) -> None:
    if histories is None or histories.empty or "epoch" not in histories:
        return
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

    means = histories.drop(columns=["fold", "seed"]).groupby("epoch").mean()
    curves = [
        Metric(f"epoch_{name}", float(value), 0, int(float(str(epoch))))
        for name in means.columns
        for epoch, value in means[name].dropna().items()
    ]
    client = MlflowClient()
    for start in range(0, len(curves), 1000):
        client.log_batch(run_id, metrics=curves[start : start + 1000])


def _log_model(directory: Path) -> None:
    """Log a model once a tracking store; a later run of the same model points to what is there.

    The whole folder goes with the run as an artifact; its network or classifier is logged as a model as well.
    """
    import mlflow

    note = directory.with_name(f"{directory.name}.logged.json")
    uri = _already_logged(note)
    if uri is None:
        mlflow.log_artifacts(str(directory), artifact_path="affetto_model")
        uri = _log_native(directory)
        logged = json.dumps({"tracking_uri": mlflow.get_tracking_uri(), "model_uri": uri}).encode()
        write_whole(note, lambda file: file.write(logged))
    if uri:
        mlflow.set_tag("model_uri", uri)


def _already_logged(note: Path) -> str | None:
    import mlflow

    if not note.is_file():
        return None
    logged = json.loads(note.read_text())
    if logged["tracking_uri"] != mlflow.get_tracking_uri():
        return None
    if not logged["model_uri"]:
        return ""
    try:
        mlflow.models.get_model_info(logged["model_uri"])
    except (mlflow.MlflowException, OSError):
        return None
    return str(logged["model_uri"])


def _log_native(directory: Path) -> str:
    """Log what the estimator has of Keras or scikit-learn; an empty address where it has neither."""
    import mlflow
    from mlflow.models import infer_signature

    from affetto.models.registry import load_estimator

    native = load_estimator(directory).native()
    if native is None:
        return ""
    flavour, model, example = native
    keras = flavour == "keras"
    # mlflow.keras cannot save an input example (3.17); mlflow.tensorflow writes the same .keras file and can.
    log = mlflow.tensorflow.log_model if keras else partial(mlflow.sklearn.log_model, **_TRUSTED)
    with _quietly(), _quiet_keras() if keras else nullcontext():
        signature = infer_signature(example, model.predict(example))
        if keras:
            signature.inputs = _open_schema(model)
        info = log(
            model,
            name="model",
            signature=signature,
            input_example=example,
            pip_requirements=["affetto"],
        )
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

    from affetto.models.quiet import quiet_stderr

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
    level, bar = logger.level, os.environ.get("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR")
    logger.setLevel(logging.ERROR)
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    try:
        yield
    finally:
        logger.setLevel(level)
        if bar is None:
            del os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"]
        else:
            os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = bar
