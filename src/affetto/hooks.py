"""Kedro hooks: the model table, inputs that are missing, and what a run prints and keeps."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from pydantic import BaseModel

from affetto.corpora.clips import AUDIT_COLUMNS, CLIP_COLUMNS
from affetto.corpora.parameters import CorpusParameters
from affetto.errors import AffettoError, name_some
from affetto.evaluation.wording import comparison_text
from affetto.io.configuration import TRAINED
from affetto.io.files import write_whole
from affetto.io.paths import as_path
from affetto.recommendation.library import LIBRARY_COLUMNS
from affetto.tracking.hook import TrackingHook


class ModelTableHook:
    """Builds the pipelines from the model table of the environment and the command line.

    Kedro 1.7 calls `register_pipelines` without either, on the first look at a pipeline: so a hook has to
    hand the parameters over.
    """

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Read the model tables before Kedro builds the pipelines of a run."""
        from kedro.framework.project import PACKAGE_NAME, pipelines

        from affetto.pipelines.model_table import use_parameters

        use_parameters(context.config_loader["parameters"])
        # A server has built its pipelines already, from the parameters of the request before.
        pipelines.configure(f"{PACKAGE_NAME}.pipeline_registry")

    @hook_impl
    def after_catalog_created(self, catalog: CatalogProtocol[Any, Any]) -> None:
        """Let models have names with dots, such as `v1.2`, whose type Kedro does not find: a dict is left."""
        from affetto.pipelines.model_table import current_setup

        for side, models in current_setup().models.items():
            for name, entry in models.items():
                if "." in name:
                    catalog.save(f"params:{side}.emotion.models.{name}", entry)


_IN_WORDS = {
    "music.library": "There is no music to choose from yet",
    "library.library": "No library of music has been described yet",
}
_CLIPS = (*CLIP_COLUMNS, *AUDIT_COLUMNS)
_READ_TABLES = {
    "music.clips": ("theme", _CLIPS),
    "voice.clips": ("voice", _CLIPS),
    "music.library": ("theme", LIBRARY_COLUMNS),
    "library.library": ("library", LIBRARY_COLUMNS),
}
"""What pipelines read that another one makes → that pipeline, and the columns that are needed."""
_VOICE_CLIPS, _VOICES, _MUSIC = "voice.raw_clips", "hear.voices", "music.library"


class MissingInputsHook:
    """Checks before a run that the inputs which other pipelines make are there."""

    @hook_impl(tryfirst=True)  # before a tracked run is opened
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Stop a run whose inputs are missing.

        Raises
        ------
        AffettoError
            Naming the first missing dataset and every pipeline that has to run, the missing recording, or the
            clips that another version or corpus left.
        """
        env, outputs = run_params.get("env"), pipeline.all_outputs()
        _check_voice(pipeline, catalog)
        _check_tables(pipeline, catalog, _command(env))
        if _MUSIC in outputs and _borrows(_MUSIC, catalog, env):
            raise AffettoError(
                f"This run would replace the music of another data tree, which "
                f"conf/{env}/globals.yml names: remove `music` there to train music here too."
            )
        found = {}
        for name in _missing(pipeline, catalog):
            maker = _find_maker(name, catalog)
            if maker:
                place = None if _borrows(name, catalog, env) else env
                found[name] = f"`{_command(place)}{maker}`"
        if not found:
            return
        first, runs = next(iter(found)), " and ".join(sorted({*found.values()}))
        told = f"{_IN_WORDS.get(first, f'{first} has not been made yet')}: run {runs} first"
        trained = all(name.startswith("voice.emotion.") for name in found)
        if trained and _VOICES in outputs:
            told += ", or hear with the ready model by recommend.ready_model=true"
        raise AffettoError(f"{told}.")


def _command(env: str | None) -> str:
    return f"kedro run{f' --env {env}' if env else ''} --pipeline="


def _borrows(name: str, catalog: CatalogProtocol[Any, Any], env: str | None) -> bool:
    """Tell whether an environment of `affetto train` takes a dataset from the data tree of the project."""
    if env is None or Path(env).parent.name != TRAINED:
        return False
    return f"{TRAINED}/{Path(env).name}" not in Path(_path(catalog, name)).as_posix()


def _check_voice(pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
    """Look for the recordings now: a run of everything hears them last, hours later."""
    if not {_VOICES, _VOICE_CLIPS} <= pipeline.all_outputs():
        return
    wanted = catalog.load("params:recommend")
    corpus = catalog.load("params:voice.corpus")
    for name, given in (("voice", wanted.voice), ("enrol", wanted.enrol)):
        if given is None or Path(given).exists():
            continue
        if corpus.source == "demo" and Path(given).is_relative_to(corpus.root):
            continue  # the run makes it
        raise AffettoError(
            f"There is no voice recording at {given}: name one by recommend.{name}, "
            "or run a pipeline that needs none (theme, voice)."
        )


def _check_tables(pipeline: Pipeline, catalog: CatalogProtocol[Any, Any], command: str) -> None:
    """Look at the tables of earlier runs: another version may have made them, or a run on another corpus."""
    for name, (maker, columns) in _READ_TABLES.items():
        if name not in pipeline.inputs() or not catalog.exists(name):
            continue
        found = catalog.load(name)
        table = found["tracks"] if isinstance(found, dict) else found
        lacking = [column for column in columns if column not in table]
        if lacking:
            raise AffettoError(
                f"{name} was made by another version of Affetto "
                f"(it lacks {name_some(lacking)}): run `{command}{maker}` first."
            )
        if not name.endswith(".clips"):
            continue
        setting = name.replace("clips", "corpus")
        corpus: CorpusParameters = catalog.load(f"params:{setting}")
        known = {each.known_as for each in (corpus, *corpus.others)}
        strange = sorted(set(table["corpus"]) - known)
        if strange:
            raise AffettoError(
                f"The last run of this side was on {', '.join(strange)}, "
                f"but {setting} is {corpus.title}: give the parameters of that run, "
                f"or run `{command}{maker}` with these first."
            )


def _find_maker(name: str, catalog: CatalogProtocol[Any, Any]) -> str | None:
    """Find the smallest pipeline that makes a dataset from what is there; None when none does."""
    makers = [
        (len(pipeline.nodes), key)
        for key, pipeline in _registered().items()
        if name in pipeline.all_outputs() and not _missing(pipeline, catalog)
    ]
    return min(makers)[1] if makers else None


def _missing(pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> list[str]:
    needed = (name for name in pipeline.inputs() if not name.startswith("param"))
    return sorted(name for name in needed if not catalog.exists(name))


def _registered() -> dict[str, Pipeline]:
    from kedro.framework.project import pipelines

    pipelines.set_requested(None)
    return dict(pipelines)


class RunSummaryHook:
    """Prints what a run has found, and where it lies.

    Parameters
    ----------
    tracking
        The hook that knows the run in MLflow.
    """

    def __init__(self, tracking: TrackingHook) -> None:
        self._tracking = tracking

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
        env, compared = run_params.get("env"), _compared(pipeline)
        for task in compared:
            told = comparison_text(catalog.load(f"{task}.tables")["comparison"], task)
            report = as_path(_path(catalog, f"{task}.tables")) / "report.html"
            click.echo(f"\n{told}\nReport: {report}")
        if compared and self._tracking.link is not None:
            click.echo(f"MLflow: {self._tracking.link}")
        if compared and env:
            place = Path(env)
            trained = place.parent.name == TRAINED
            model = f"--model {place.name}" if trained else f"--env {env}"
            if _fitted(pipeline, "voice"):
                click.echo(f"Hear with it: affetto hear RECORDING {model}")
            if _MUSIC in pipeline.all_outputs():
                click.echo(f"Describe music with it: affetto library FOLDER {model}")
        if self._tracking.failure:
            raise AffettoError(self._tracking.failure)


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
        compared = _compared(pipeline)
        if not compared:
            return
        inputs = pipeline.inputs()
        corpora = [each for each in ("music", "voice") if f"params:{each}.corpus" in inputs]
        names = run_params["pipeline_names"] or ["__default__"]
        known = [catalog.load(f"params:{side}.corpus").known_as for side in corpora]
        label = re.sub(r"[^A-Za-z0-9_.]+", "-", "-".join([*names, *known]))
        reports = as_path(_path(catalog, f"{compared[0]}.tables")).parent
        folder = reports / "runs" / f"{run_params['run_id']}-{label}"
        copied = {}
        for task in compared:
            copied[task] = as_path(_path(catalog, f"{task}.tables"))
            copied[f"{task}/results"] = as_path(_path(catalog, f"{task}.results"))
        if "music.theme.page" in pipeline.all_outputs():
            copied["themes"] = as_path(_path(catalog, "music.theme.page")).parent
        for name, source in copied.items():
            for file in sorted(path for path in source.rglob("*") if path.is_file()):
                copy = folder / name / file.relative_to(source).as_posix()
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(file.read_bytes())
        settings = {"run": run_params, "parameters": catalog.load("parameters")}
        text = json.dumps(settings, indent=2, ensure_ascii=False, default=_plain)
        write_whole(folder / "settings.json", text.encode())
        click.echo(f"Kept in: {folder}")


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)


def _fitted(pipeline: Pipeline, side: str) -> list[str]:
    """Name the emotion models of a side that a pipeline fits."""
    outputs, start = pipeline.all_outputs(), f"{side}.emotion."
    return [each for each in outputs if each.startswith(start) and each.endswith(".model")]


def _compared(pipeline: Pipeline) -> list[str]:
    """Name the tasks whose models a pipeline compares."""
    outputs = pipeline.all_outputs()
    return sorted(name.removesuffix(".tables") for name in outputs if name.endswith(".tables"))


def _path(catalog: CatalogProtocol[Any, Any], name: str) -> str:
    return str(getattr(catalog[name], "_filepath", name))
