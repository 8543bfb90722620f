"""Says before a run what it needs and cannot find: what no run has made yet, or another version or corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from affetto.configuration import TRAINED
from affetto.corpora.clips import AUDIT_COLUMNS, CLIP_COLUMNS
from affetto.corpora.parameters import CorpusParameters
from affetto.errors import AffettoError, name_some
from affetto.recommendation.library import LIBRARY_COLUMNS

DEMO = "demo"
_IN_WORDS = {
    "music.library": "There is no music to choose from yet",
    "library.library": "No library of music has been described yet",
}
_CLIPS = (*CLIP_COLUMNS, *AUDIT_COLUMNS)
_TABLES = {
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
        _check_voice(pipeline, catalog)
        env = run_params.get("env")
        _check_tables(pipeline, catalog, f"kedro run{f' --env {env}' if env else ''} --pipeline=")
        if _MUSIC in pipeline.all_outputs() and _borrows(_MUSIC, catalog, env):
            raise AffettoError(
                f"conf/{env}/globals.yml says that the music is that of another data tree, which this run "
                "would replace: remove `music` there to train music in this environment too."
            )
        missing = _missing(pipeline, catalog)
        makers = {name: find_maker(name, _registered(), catalog) for name in missing}
        found = {name: maker for name, maker in makers.items() if maker}
        if found:
            own = {name: env is not None and not _borrows(name, catalog, env) for name in found}
            runs = {
                f"`kedro run{f' --env {env}' if own[name] else ''} --pipeline={maker}`"
                for name, maker in found.items()
            }
            commands = " and ".join(sorted(runs))
            what = _IN_WORDS.get(next(iter(found)), f"{next(iter(found))} has not been made yet")
            trained = all(name.startswith("voice.emotion.") for name in found)
            hears = trained and _VOICES in pipeline.all_outputs()
            ready = ", or hear with the ready model by recommend.ready_model=true" if hears else ""
            raise AffettoError(f"{what}: run {commands} first{ready}.")


def _borrows(name: str, catalog: CatalogProtocol[Any, Any], env: str | None) -> bool:
    """Tell whether an environment of `affetto train` takes a dataset from the data tree of the project."""
    if env is None or Path(env).parent.name != TRAINED:
        return False
    return f"{TRAINED}/{Path(env).name}" not in Path(str(getattr(catalog[name], "_filepath", ""))).as_posix()


def _check_voice(pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
    """Look for the recordings now: a run of everything hears them last, hours later."""
    if not {_VOICES, _VOICE_CLIPS} <= pipeline.all_outputs():
        return
    wanted, corpus = catalog.load("params:recommend"), catalog.load("params:voice.corpus")
    for name, given in (("voice", wanted.voice), ("enrol", wanted.enrol)):
        made_by_the_run = corpus.source == DEMO and Path(given or "").is_relative_to(corpus.root)
        if given is not None and not made_by_the_run and not Path(given).exists():
            raise AffettoError(
                f"There is no voice recording at {given}: name one by recommend.{name}, or run a pipeline "
                "that needs none (theme, voice)."
            )


def _check_tables(pipeline: Pipeline, catalog: CatalogProtocol[Any, Any], command: str) -> None:
    """Look at the tables of earlier runs: another version may have made them, or a run on another corpus."""
    for name, (maker, columns) in _TABLES.items():
        if name not in pipeline.inputs() or not catalog.exists(name):
            continue
        found = catalog.load(name)
        table = found["tracks"] if isinstance(found, dict) else found
        lacking = [column for column in columns if column not in table]
        if lacking:
            raise AffettoError(
                f"{name} was made by another version of Affetto (it lacks {name_some(lacking)}): run "
                f"`{command}{maker}` first."
            )
        setting = name.replace("clips", "corpus")
        if setting == name:
            continue
        corpus: CorpusParameters = catalog.load(f"params:{setting}")
        strange = sorted(set(table["corpus"]) - {each.known_as for each in (corpus, *corpus.others)})
        if strange:
            raise AffettoError(
                f"The last run of this side was on {', '.join(strange)}, but {setting} is {corpus.title}: "
                f"give the parameters of that run, or run `{command}{maker}` with these first."
            )


def find_maker(name: str, registered: dict[str, Pipeline], catalog: CatalogProtocol[Any, Any]) -> str | None:
    """Find the smallest pipeline that makes a dataset from what is there; None when none does."""
    makers = [
        (len(pipeline.nodes), key)
        for key, pipeline in registered.items()
        if name in pipeline.all_outputs() and not _missing(pipeline, catalog)
    ]
    return min(makers)[1] if makers else None


def _missing(pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> list[str]:
    needed = sorted(
        name for name in pipeline.inputs() if not name.startswith("params:") and name != "parameters"
    )
    return [name for name in needed if not catalog.exists(name)]


def _registered() -> dict[str, Pipeline]:
    from kedro.framework.project import pipelines

    pipelines.set_requested(None)
    return dict(pipelines)
