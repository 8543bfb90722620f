"""How every run that compares models ends on the terminal: table, report, MLflow, and what changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import click
import pandas as pd
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from affetto.configuration import TRAINED
from affetto.evaluation.wording import comparison_text
from affetto.hooks import FinishedRun, TrackingHook

_COMPARISON = ".comparison"
_LOCAL = "http://127.0.0.1:5000"
"""Where `make ui` and `mlflow ui` listen."""


class RunSummaryHook:
    """Prints what a run has found, where it lies, and whose answers it replaces.

    Parameters
    ----------
    tracking
        The hook that knows the run in MLflow.
    """

    def __init__(self, tracking: TrackingHook) -> None:
        self._tracking = tracking
        self._before: dict[str, pd.DataFrame] = {}

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
        """Remember what the models that are about to be replaced were trained on."""
        self._before = {
            side: catalog.load(f"{side}.clips")
            for side in ("music", "voice")
            if _replaces(pipeline, catalog, side)
        }

    @hook_impl(trylast=True)  # when the run in MLflow is finished
    def after_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Print the comparison of every task, and where to read on."""
        compared = sorted(name for name in pipeline.all_outputs() if name.endswith(_COMPARISON))
        if not compared:
            return
        for name in compared:
            task = name.removesuffix(_COMPARISON)
            told = comparison_text(catalog.load(name), task)
            click.echo(f"\n{told}\nReport: {Path(_path(catalog, name)).with_name('report.html')}")
        if self._tracking.finished is not None:
            click.echo(f"MLflow: {mlflow_sentence(self._tracking.finished)}")
        env = run_params.get("env")
        for side, before in self._before.items():
            sentence = replaced_sentence(before, catalog.load(f"{side}.clips"), env)
            if sentence:
                click.echo(sentence)
        if env:
            model = f"--model {Path(env).name}" if Path(env).parent.name == TRAINED else f"--env {env}"
            if _fitted(pipeline, "voice"):
                click.echo(f"Hear with it: affetto hear RECORDING {model}")
            if "music.library" in pipeline.all_outputs():
                click.echo(f"Describe music with it: affetto library FOLDER {model}")


def mlflow_sentence(run: FinishedRun) -> str:
    """Say how to open a run in MLflow; of the address of a store nothing secret is shown.

    Parameters
    ----------
    run
        The run.
    """
    page = f"/#/experiments/{run.experiment_id}/runs/{run.run_id}"
    parts = urlsplit(run.uri)
    if parts.scheme in {"http", "https"}:
        return (
            urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", "")) + page
        )
    if run.is_default:
        return f"make ui, then {_LOCAL}{page}"
    return f"run {run.run_id} of the store that MLFLOW_TRACKING_URI or tracking_uri names"


def replaced_sentence(before: pd.DataFrame, after: pd.DataFrame, env: str | None) -> str | None:
    """Say that a model of other clips was replaced; None where most of its clips are still there.

    Parameters
    ----------
    before, after
        Clip tables with `content_hash, corpus`, of the model before and of the one now.
    env
        The environment of the run.
    """
    kept = before["content_hash"].isin(after["content_hash"]).mean()
    if kept >= 0.5:  # noqa: PLR2004
        return None
    old, new = (
        f"{len(table)} clips of {', '.join(sorted(set(table['corpus'])))}" for table in (before, after)
    )
    where = f"the environment {env}" if env else "this project, where no environment is named,"
    return f"Replaced: the models of {where} were those of {old}, and are those of {new} now."


def _fitted(pipeline: Pipeline, side: str) -> list[str]:
    """Name the emotion models of a side that a pipeline fits."""
    outputs = pipeline.all_outputs()
    return [name for name in outputs if name.startswith(f"{side}.emotion.") and name.endswith(".model")]


def _replaces(pipeline: Pipeline, catalog: CatalogProtocol[Any, Any], side: str) -> bool:
    """Tell whether a pipeline fits models where there are some already."""
    clips = f"{side}.clips"
    known = clips in pipeline.all_outputs() and catalog.exists(clips)
    return bool(known) and any(catalog.exists(name) for name in _fitted(pipeline, side))


def _path(catalog: CatalogProtocol[Any, Any], name: str) -> str:
    return str(getattr(catalog[name], "_filepath", name))
