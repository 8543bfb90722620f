"""How every run that compares models ends: kept in a folder of its own, and told on the terminal."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import pandas as pd
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from pydantic import BaseModel

from affetto.configuration import TRAINED
from affetto.errors import AffettoError
from affetto.evaluation.wording import comparison_text
from affetto.storage import as_path
from affetto.tracking.hook import TrackingHook
from affetto.whole_files import write_whole

_TABLES = ".tables"
_CORPORA = ("params:music.corpus", "params:voice.corpus")


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
        """Print the comparison of every task, and where to read on.

        Raises
        ------
        AffettoError
            When the record of the run in MLflow is not complete.
        """
        compared = sorted(name for name in pipeline.all_outputs() if name.endswith(_TABLES))
        if compared:
            self._tell(compared, run_params.get("env"), pipeline, catalog)
        if self._tracking.failure:
            raise AffettoError(self._tracking.failure)

    def _tell(
        self, compared: list[str], env: str | None, pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        for name in compared:
            task = name.removesuffix(_TABLES)
            told = comparison_text(catalog.load(name)["comparison"], task)
            click.echo(f"\n{told}\nReport: {as_path(_path(catalog, name)) / 'report.html'}")
        if self._tracking.link is not None:
            click.echo(f"MLflow: {self._tracking.link}")
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


class RunFolderHook:
    """Copies reports, tables, figures and results of a run that compares models into a folder of its own.

    What the catalog names is what the last run made. The copies lie in `08_reporting/runs`, in a folder named
    after the time, the pipeline and the corpora of the run, with its settings; any of them may be deleted.
    """

    @hook_impl
    def after_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Copy on the file system that the originals are on."""
        outputs = pipeline.all_outputs()
        compared = sorted(name for name in outputs if name.endswith(_TABLES))
        if not compared:
            return
        corpora = sorted(name for name in pipeline.inputs() if name in _CORPORA)
        names = run_params["pipeline_names"] or ["__default__"]
        label = "-".join([*names, *(catalog.load(name).known_as for name in corpora)])
        run = f"{run_params['run_id']}-{re.sub(r'[^A-Za-z0-9_.]+', '-', label)}"
        folder = as_path(_path(catalog, compared[0])).parent / "runs" / run
        for name in compared:
            task = name.removesuffix(_TABLES)
            _copy(as_path(_path(catalog, name)), folder / task)
            _copy(as_path(_path(catalog, f"{task}.results")), folder / task / "results")
        if "music.theme.page" in outputs:
            _copy(as_path(_path(catalog, "music.theme.page")).parent, folder / "themes")
        settings = {"run": run_params, "parameters": catalog.load("parameters")}
        text = json.dumps(settings, indent=2, ensure_ascii=False, default=_plain).encode()
        write_whole(folder / "settings.json", lambda file: file.write(text))
        click.echo(f"Kept in: {folder}")


def _copy(source: Path, target: Path) -> None:
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        copy = target / file.relative_to(source).as_posix()
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)


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
