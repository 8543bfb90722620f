"""The command line: `affetto`, and what it changes in `kedro`.

Kedro finds the group `cli` here and lets its `run` take the place of Kedro's own. The modules of the commands
are imported when a command is called, so that `--help` is quick.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from affetto import __version__
from affetto.cli.messages import one_sentence

_PACKAGE = "affetto"
_HELP = {
    "Listen and answer": {
        "hear": ("answers", "Tell the emotion of a voice recording over time."),
        "recommend": ("answers", "Answer a voice recording with playlists."),
        "library": ("answers", "Tell emotion, theme and highlight of every track."),
        "app": ("serve", "Open a page that listens and answers with music."),
        "serve": ("serve", "Answer over HTTP on this machine."),
    },
    "Train and compare": {
        "corpora": ("corpora", "Show, check and fetch corpora."),
        "train": ("train", "Train models on a folder of recordings."),
        "run": ("run", "Run a pipeline (kedro run)."),
        "results": ("results", "Show the figures of the models that were run."),
        "compare": ("results", "Test a model against another."),
        "track": ("track", "Write to MLflow what it lacks of the last run."),
    },
    "Keep house": {
        "encoders": ("encoders", "Show and fetch pre-trained encoders."),
        "features": ("features", "Show and tidy the feature stores."),
        "cache": ("cache", "Show how much the caches hold, and empty them."),
    },
}
"""What people want → name of a command → its module, and what it does."""
_COMMANDS = {name: entry for commands in _HELP.values() for name, entry in commands.items()}


class _Lazy(click.Command):
    """A command that is imported when it is called, and whose mistakes of the user end in one sentence."""

    def loaded(self) -> click.Command:
        """Import the command itself."""
        module, _ = _COMMANDS[str(self.name)]
        command: click.Command = getattr(import_module(f"affetto.cli.{module}"), str(self.name))
        return command

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Let the command itself read its options."""
        self._command = self.loaded()
        context: click.Context = self._command.make_context(info_name, args, parent, **extra)
        context.command = self  # whose `invoke` is called next
        return context

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with one_sentence():
            return self._command.invoke(ctx)


class _Affetto(click.Group):
    """The group of all commands."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take options that are not the group's for those of `run`: so packaged Kedro projects are called."""
        own = {name for option in self.get_params(ctx) for name in option.opts}
        if args and args[0].startswith("-") and args[0].partition("=")[0] not in own:
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands under what people want."""
        for title, commands in _HELP.items():
            with formatter.section(title):
                formatter.write_dl([(f"{name:<9}", summary) for name, (_, summary) in commands.items()])


@click.group(cls=_Affetto, name=_PACKAGE, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", "-V", prog_name=_PACKAGE)
def cli() -> None:
    """Affetto listens to a voice and answers with music that fits.

    `affetto COMMAND --help` explains a command by examples.
    """


for _name, (_, _summary) in _COMMANDS.items():
    cli.add_command(_Lazy(_name, help=_summary))


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
    # Kedro reads the place of the project's logging when it is imported, which is later than here.
    folders = [Path.cwd(), *Path.cwd().parents]
    files = (folder / "conf" / name for folder in folders for name in ("logging.yml", "base/logging.yml"))
    found = next((file for file in files if file.is_file()), None)
    if found is not None:
        os.environ.setdefault("KEDRO_LOGGING_CONFIG", str(found))
    outcome = cli.main(args, prog_name=_PACKAGE, standalone_mode=args is None)
    if isinstance(outcome, int) and outcome:
        raise SystemExit(outcome)
    return outcome
