"""The command line: `affetto`, and what it changes in `kedro`.

Kedro finds the group `cli` here and lets its `run` take the place of Kedro's own: the same options, but
mistakes of the user end in one sentence instead of a traceback. Everything heavy is imported inside the
commands, so that `--help` is quick.
"""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from affetto import __version__
from affetto.cli.cache import cache
from affetto.cli.corpora import corpora
from affetto.cli.encoders import encoders
from affetto.cli.features import features
from affetto.cli.guard import one_sentence, project
from affetto.cli.train import train
from affetto.cli.trained import environment
from affetto.errors import AffettoError

_PACKAGE = "affetto"


class _LazyGroup(click.Group):
    """A group that knows the help of its commands without importing what they need."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take options that are not the group's for those of `run`: so packaged Kedro projects are called."""
        own = {name for option in self.get_params(ctx) for name in option.opts}
        if args and args[0].startswith("-") and args[0].partition("=")[0] not in own:
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), "run"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return _run_command() if cmd_name == "run" else super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [
            (name, command.get_short_help_str(limit=100)) for name, command in sorted(self.commands.items())
        ]
        with formatter.section("Commands"):
            formatter.write_dl([*rows, ("run", "Run a pipeline (kedro run).")])


@click.group(cls=_LazyGroup, name=_PACKAGE, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", "-V", prog_name=_PACKAGE)
def cli() -> None:
    """Affetto listens to a voice and answers with music that fits."""


def _of_voices(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the argument and options of all that listen to recordings."""
    options = (
        click.argument("path", type=click.Path(path_type=Path)),
        click.option(
            "--unsure-below",
            type=click.FloatRange(0.0, 1.0),
            help="Mark an answer unsure when no emotion is at least this likely.",
        ),
        click.option(
            "--enrol",
            type=click.Path(path_type=Path),
            help="A few recordings of the same person, without labels: a folder or a file.",
        ),
        click.option("--model", help="Model that `affetto train` made; without it, the ready voice model."),
        click.option("--env", "-e", help="Kedro environment whose voice model hears; base: the demo's."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@cli.command()
@_of_voices
def hear(
    path: Path, unsure_below: float | None, enrol: Path | None, model: str | None, env: str | None
) -> None:
    """Tell the emotion of a voice recording, or a folder of them, over time."""
    wanted = _wanted(path, enrol, unsure_below=unsure_below)
    with one_sentence(), project():
        chosen = environment(model, env)
        click.echo(_run("hear", _heard_by(wanted, chosen), chosen)["hear.summary"].load())


@cli.command()
@_of_voices
@click.option("--bridge", help="Bridge from voice to music emotions, such as congruent or uplift.")
@click.option("--top", type=click.IntRange(min=1), help="Number of tracks.")
@click.option(
    "--diversity", type=click.FloatRange(0.0, 1.0), help="0: best scores only, 1: as varied as possible."
)
@click.option("--theme", "themes", multiple=True, help="Theme to favour; may be given several times.")
@click.option(
    "--library", "from_library", is_flag=True, help="Choose from the music that `affetto library` described."
)
def recommend(
    path: Path,
    unsure_below: float | None,
    enrol: Path | None,
    model: str | None,
    env: str | None,
    bridge: str | None,
    top: int | None,
    diversity: float | None,
    themes: tuple[str, ...],
    from_library: bool,
) -> None:
    """Answer a voice recording, or a folder of them, with playlists."""
    wanted = _wanted(
        path,
        enrol,
        unsure_below=unsure_below,
        bridge=bridge,
        top=top,
        diversity=diversity,
        preferred_themes=list(themes) or None,
    )
    pipeline = "recommend_library" if from_library else "recommend"
    with one_sentence(), project():
        chosen = environment(model, env)
        click.echo(_run(pipeline, _heard_by(wanted, chosen), chosen)["recommend.summary"].load())


@cli.command()
@click.argument("path")
@click.option("--tags", is_flag=True, help="Also write tags into copies of the files.")
@click.option("--model", help="Model that `affetto train --side music` made.")
@click.option("--env", "-e", help="Kedro environment.")
def library(path: str, tags: bool, model: str | None, env: str | None) -> None:
    """Tell emotion, theme and highlight of every track in a folder of music, here or at an address."""
    from affetto.io.paths import absolute, as_path, as_text

    corpus = {"source": "library", "root": as_text(absolute(as_path(path)))}
    with one_sentence(), project():
        wanted = {"library": {"corpus": corpus, "export": {"write_tags": tags}}}
        described = _run("library", wanted, environment(model, env))
        from affetto.recommendation.library import library_sentence

        click.echo(library_sentence(described["library.summary"].load()))


cli.add_command(cache)
cli.add_command(corpora)
cli.add_command(encoders)
cli.add_command(features)
cli.add_command(train)


def main(args: Sequence[str] | None = None) -> Any:
    """Entry point of the `affetto` command, of `python -m affetto` and of Python code that runs the package.

    Parameters
    ----------
    args
        What would stand on the command line, such as `["--pipelines=hear", "--conf-source=conf"]`.

    Returns
    -------
    object
        With `args`, what the command returns: of a run its outputs by name. Without, the process ends here.

    Raises
    ------
    SystemExit
        When the command fails; it has said why.
    """
    _use_logging_of_project()
    outcome = cli.main(args, prog_name=_PACKAGE, standalone_mode=args is None)
    if isinstance(outcome, int) and outcome:
        raise SystemExit(outcome)
    return outcome


def _use_logging_of_project() -> None:
    """Point Kedro, before it is imported, to the logging of the project."""
    folders = [Path.cwd(), *Path.cwd().parents]
    files = (folder / "conf" / name for folder in folders for name in ("logging.yml", "base/logging.yml"))
    found = next((file for file in files if file.is_file()), None)
    if found is not None:
        os.environ.setdefault("KEDRO_LOGGING_CONFIG", str(found))


def _wanted(path: Path, enrol: Path | None, **given: Any) -> dict[str, Any]:
    """Return the parameters that were given; paths are those of the folder the command was called in."""
    paths = {"voice": str(path.absolute()), "enrol": None if enrol is None else str(enrol.absolute())}
    return {key: value for key, value in {**paths, **given}.items() if value is not None}


def _heard_by(wanted: dict[str, Any], env: str | None) -> dict[str, Any]:
    """Hear with the ready voice model, unless an environment is named: what was trained replaces nothing."""
    ready = env is None and not os.environ.get("KEDRO_ENV")
    return {"recommend": {**wanted, "ready_model": True} if ready else wanted}


def _run(pipeline: str, parameters: dict[str, Any], env: str | None) -> Mapping[str, Any]:
    """Run a pipeline that only infers and return its outputs."""
    from kedro.framework.session import KedroSession
    from kedro.runner import SequentialRunner

    for name in ("kedro", "affetto.pipelines"):
        logging.getLogger(name).setLevel(logging.WARNING)
    session: KedroSession = KedroSession.create(env=env, runtime_params=parameters)
    with session:
        outputs: Mapping[str, Any] = session.run(pipeline_names=[pipeline], runner=SequentialRunner())
        return outputs


def _run_command() -> click.Command:
    """Wrap Kedro's own `run`, so that its options are always those of the installed Kedro."""
    from kedro.framework.cli.project import run

    def callback(**options: Any) -> Any:
        with one_sentence(), project(options.get("conf_source")):
            _check_parameters(options)
            return _callback(run)(**_without_deprecated(options))

    return click.Command("run", params=[*map(_told_option, run.params)], callback=callback, help=run.help)


def _told_option(option: click.Parameter) -> click.Parameter:
    """Let an option that cannot be read say so, and `--params` be what `split_parameters` reads.

    Kedro's own callbacks of options run before a command's errors are told, and end with a traceback.
    """
    read = option.callback
    if read is None:
        return option

    def told(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
        import yaml

        from affetto.cli.parameters import split_parameters

        try:
            if parameter.name in ("params", "runner_params"):
                return value if isinstance(value, dict) else split_parameters(str(value))
            return read(context, parameter, value)
        except (yaml.YAMLError, AffettoError, LookupError, OSError, TypeError, ValueError) as error:
            context.fail(f"{parameter.opts[0]} cannot be read: {' '.join(str(error).split())}")

    copied = copy.copy(option)
    copied.callback = told
    return copied


def _callback(command: click.Command) -> Callable[..., Any]:
    if command.callback is None:
        raise AffettoError(
            "The installed Kedro has no `run` command that can be called: install kedro>=1.7,<1.8."
        )
    return command.callback


def _without_deprecated(options: dict[str, Any]) -> dict[str, Any]:
    """Pass `--pipeline NAME` on as `--pipelines NAME`: the same run without its warning."""
    if options.get("pipeline") and not options.get("pipelines"):
        return {**options, "pipelines": [options["pipeline"]], "pipeline": None}
    return options


def _check_parameters(options: dict[str, Any]) -> None:
    """Refuse parameters that the configuration does not have."""
    given: dict[str, Any] = options.get("params") or {}
    if not given:
        return
    from kedro.framework.project import settings

    from affetto.cli.parameters import check_runtime_parameters, keep_names, runtime_names

    source = options.get("conf_source") or str(Path.cwd() / settings.CONF_SOURCE)
    names = runtime_names(source)
    loader = settings.CONFIG_LOADER_CLASS(
        conf_source=source,
        env=options.get("env") or os.environ.get("KEDRO_ENV"),
        runtime_params=keep_names(given, names),
        **settings.CONFIG_LOADER_ARGS,
    )
    check_runtime_parameters(loader["parameters"], given, runtime_names=names)
