"""`affetto run` and `kedro run`: Kedro's own command, whose mistakes end in one sentence."""

from __future__ import annotations

import copy
from typing import Any

import click
import yaml
from kedro.framework.cli.project import run as kedro_run

from affetto.cli.parameters import check_parameters, known_parameters, split_parameters
from affetto.cli.project import project
from affetto.errors import AffettoError


class _Run(click.Command):
    """The options are always those of the installed Kedro."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Call it misuse when Kedro cannot read an option, such as a file of options that is no YAML."""
        try:
            return super().parse_args(ctx, args)
        except (yaml.YAMLError, AffettoError, LookupError, OSError, TypeError, ValueError) as error:
            ctx.fail(f"The options cannot be read: {' '.join(str(error).split())}")


def _with_own_reader(option: click.Parameter) -> click.Parameter:
    """Let `--params` be what `split_parameters` reads."""
    if option.name not in ("params", "runner_params"):
        return option
    copied = copy.copy(option)
    copied.callback = lambda _, __, value: value if isinstance(value, dict) else split_parameters(str(value))
    return copied


def _run(**options: Any) -> Any:
    source, given = options.get("conf_source"), options.get("params")
    with project(source):
        if given:
            check_parameters(known_parameters(source, options.get("env"), given), given)
        if options.get("pipeline") and not options.get("pipelines"):
            # The same run without the warning that `--pipeline` is deprecated.
            options |= {"pipelines": [options["pipeline"]], "pipeline": None}
        run_of_kedro: Any = kedro_run.callback
        return run_of_kedro(**options)


run = _Run("run", params=[*map(_with_own_reader, kedro_run.params)], callback=_run, help=kedro_run.help)
