"""What every command shares: the project it works in, and mistakes said in one sentence."""

from __future__ import annotations

import contextlib
import logging
import os
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

import click

from affetto.errors import AffettoError

_PACKAGE = "affetto"
_INTERRUPTED = 130
_NOISY_ON_ERRORS = ("kedro.pipeline.node", "kedro.runner.sequential_runner", "kedro.runner.thread_runner")
_LOGGER = logging.getLogger(__name__)


@contextlib.contextmanager
def project(conf_source: str | None = None) -> Iterator[Path]:
    """Find the project from the current folder upward, make Kedro know it and work in its root.

    The installed package needs only the configuration of a project: where that lies in the current folder, or
    is named by `conf_source`, the current folder is the root.
    """
    from kedro.framework.project import PACKAGE_NAME, configure_project
    from kedro.framework.startup import bootstrap_project
    from kedro.utils import find_kedro_project

    root = find_kedro_project(Path.cwd())
    if root is None:
        root = Path.cwd()
        if conf_source is None and not (root / "conf" / "base").is_dir():
            raise AffettoError(
                f"There is no Affetto project in {root} or above, and no folder conf here: change to the "
                "project's folder, or unpack conf-affetto.tar.gz."
            )
        configure_project(_PACKAGE)
        logging.getLogger("kedro_viz.integrations.kedro").setLevel(logging.ERROR)  # it misses the project
    elif PACKAGE_NAME is None and bootstrap_project(root).package_name != _PACKAGE:
        raise AffettoError(f"{root} is another Kedro project: change to the folder of an Affetto project.")
    _quiet_kedro()
    with contextlib.chdir(root):
        yield Path(root)


def _quiet_kedro() -> None:
    """Keep Kedro from logging what is about to be said in one sentence."""
    from affetto.cli.messages import ExplainedErrorsFilter

    for name in _NOISY_ON_ERRORS:
        logger = logging.getLogger(name)
        if not any(isinstance(known, ExplainedErrorsFilter) for known in logger.filters):
            logger.addFilter(ExplainedErrorsFilter())
    # Both speak to the authors of Kedro and of pipelines, not to those who run them.
    for message in ("One or more dataset names contain '.'", "register_new_resolver"):
        warnings.filterwarnings("ignore", message=message)
    # Every finding of the validator comes again in the error it raises.
    logging.getLogger("kedro.validation").setLevel(logging.CRITICAL)


@contextlib.contextmanager
def one_sentence() -> Iterator[None]:
    """Turn mistakes of the user into one sentence on stderr and exit code 1, Ctrl-C into 130."""
    try:
        yield
    except KeyboardInterrupt:
        _say("Interrupted. What was finished is kept: run the same command again to go on.")
        raise click.exceptions.Exit(_INTERRUPTED) from None
    except Exception as error:
        message = _message(error)
        if message is None:
            raise
        _LOGGER.debug("The run failed.", exc_info=error)
        if os.environ.get("AFFETTO_TRACEBACK") == "1":
            traceback.print_exception(error)
        _say(f"Error: {message}")
        raise click.exceptions.Exit(1) from None


def _message(error: Exception) -> str | None:
    from kedro.utils import find_kedro_project

    from affetto.cli.messages import explain

    if isinstance(error, click.exceptions.Exit | click.exceptions.Abort | click.UsageError):
        return None
    if isinstance(error, click.ClickException):
        return error.format_message()
    message = explain(error)
    if message is not None and "`kedro run" in message and find_kedro_project(Path.cwd()) is None:
        return message.replace("`kedro run", "`affetto run")  # Kedro's own does not run an installed package
    return message


def _say(message: str) -> None:
    click.echo(message, err=True)
