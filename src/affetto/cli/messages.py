"""Errors that a user can mend, each as one sentence."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import click

from affetto.errors import AffettoError, no_such_field

_PARAMETER = re.compile(r"^- Parameter '([^']+)':", re.MULTILINE)
_FINDING = re.compile(
    r"(?:^(?P<where>\S+)|validation errors? for \w+)\n  (?:Value error, )?(?P<what>.+?) "
    r"\[type=\w+, input_value=(?P<given>.*), input_type=\w+\]$",
    re.MULTILINE,
)
_MODEL = re.compile(r"validation errors? for (\w+)")
_KEDRO_SAYS = (
    "Failed to find the pipeline",
    "Pipeline does not contain",
    "Pipeline contains no nodes after",
    "Cannot merge incompatible container types",  # a group in one file of parameters, a list in another
)
_SENTENCES = {
    "The configuration cannot be read: {}": (
        *("MissingConfigException", "BadConfigException"),
        *("InterpolationResolutionError", "InterpolationKeyError"),
    ),
    "A configuration file is not valid YAML: {}": ("ScannerError", "ParserError"),
    "The storage cannot be reached ({}): check address and credentials.": (
        *("NoCredentialsError", "PartialCredentialsError"),
        *("EndpointConnectionError", "ConnectTimeoutError"),
    ),
    "{}. Mend the name: `kedro catalog list-datasets` lists them.": ("DatasetNotFoundError",),
}
"""Sentence → names of the errors that it explains, so that neither Kedro nor S3's client is imported here."""
_OF_BUGS = {None, errno.ENOENT, errno.EINVAL, errno.EBADF}
_DAMAGE = {
    *("ArrowInvalid", "BadZipFile", "EmptyDataError"),
    *("JSONDecodeError", "ParserError", "UnicodeDecodeError"),
}
_FILEPATH = re.compile(
    r"filepath=(?:\w*Path\()?(?:(?P<quote>['\"])(?P<quoted>.+?)(?P=quote)|(?P<bare>[^,)]+))"
)
_LOGGER = logging.getLogger(__name__)


@contextlib.contextmanager
def one_sentence() -> Iterator[None]:
    """Turn mistakes of the user into one sentence on stderr and exit code 1, Ctrl-C into 130."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo("Interrupted. What was finished is kept: run the same command again to go on.", err=True)
        raise click.exceptions.Exit(130) from None
    except Exception as error:
        if isinstance(error, click.exceptions.Exit | click.exceptions.Abort | click.UsageError):
            raise
        message = explain(error)
        if message is None:
            raise
        _LOGGER.debug("The run failed.", exc_info=error)
        if os.environ.get("AFFETTO_TRACEBACK") == "1":
            traceback.print_exception(error)
        click.echo(f"Error: {_for_here(message)}", err=True)
        raise click.exceptions.Exit(1) from None


def _for_here(message: str) -> str:
    """Name the command that there is: Kedro's own does not run an installed package."""
    from kedro.utils import find_kedro_project

    in_project = find_kedro_project(Path.cwd()) is not None
    return message if in_project else message.replace("`kedro run", "`affetto run")


def explain(error: BaseException) -> str | None:
    """Say in one sentence what the user can mend.

    Parameters
    ----------
    error
        What was raised; the errors it was raised from are looked at too.

    Returns
    -------
    str or None
        The sentence; None for an error that is none of the user's, whose traceback should be shown.
    """
    for link in _chain(error):
        message = _explain_one(link)
        if message:
            return " ".join(message.split())
    return None


class ExplainedErrorsFilter(logging.Filter):
    """Drops what Kedro logs about an error that is going to be explained in one sentence."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the record unless an explainable error is on its way up."""
        raised = sys.exc_info()[1]
        return record.levelno < logging.WARNING or raised is None or explain(raised) is None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those it was raised from, last raised first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _explain_one(error: BaseException) -> str | None:
    kind, told = type(error).__name__, str(error)
    sentence = next((text for text, kinds in _SENTENCES.items() if kind in kinds), None)
    if sentence:
        return sentence.format(told.rstrip("."))
    if isinstance(error, AffettoError) or told.startswith(_KEDRO_SAYS):
        return told
    if isinstance(error, click.ClickException):
        return error.format_message()
    if kind == "ParameterValidationError":
        return _parameters(told)
    if kind == "DatasetError":
        return _dataset(error)
    return _system(error) if isinstance(error, OSError) else None


def _system(error: OSError) -> str | None:
    if isinstance(error, PermissionError) and error.errno is None:  # of a file system elsewhere
        return f"The storage refuses access ({str(error).rstrip('.')}): check its credentials and rights."
    if error.errno in _OF_BUGS:
        return None
    where = error.filename or "the data folder"
    return f"{error.strerror}: check {where}, the disk it is on and the rights there, and run again."


def _parameters(text: str) -> str:
    """Name every wrong key of Kedro's report on typed parameters, which is all that there is of them."""
    _, *parts = _PARAMETER.split(text)
    findings = []
    for key, report in zip(parts[::2], parts[1::2], strict=True):
        model = _MODEL.search(report)
        found = list(_FINDING.finditer(report))
        if not found:
            findings.append(f"{key}: {' '.join(report.split())}")
        for hit in found:
            where, what = hit["where"], hit["what"]
            if what == "Extra inputs are not permitted":
                what = no_such_field(model[1] if model else "", where.split("."))
            # Without a place, parameters of the group contradict each other.
            findings.append(f"{key}.{where}: {what} (given: {hit['given']})" if where else f"{key}: {what}")
    return f"Mend the parameters: {'; '.join(findings)}." if findings else text


def _dataset(error: BaseException) -> str | None:
    """Explain a dataset whose file is not there, or was left half written by a stopped run."""
    found = _FILEPATH.search(str(error))
    path = found and (found["quoted"] or found["bare"])
    causes = list(_chain(error))
    if any(isinstance(cause, FileNotFoundError) for cause in causes):
        side = "voice" if path and "voice" in Path(path).parts else "theme"
        return f"{path or 'A file'} is not there yet: run `kedro run --pipeline={side}` first."
    # Arrow raises plain errors of the system, without a number, about what it has read.
    if any(
        type(cause).__name__ in _DAMAGE or (type(cause) is OSError and cause.errno is None)
        for cause in causes
    ):
        path = path or "A file of an earlier run"
        return f"{path} is damaged (was a run stopped while it was written?): run its pipeline again."
    return None
