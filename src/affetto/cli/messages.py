"""Errors a user can mend, each as one sentence."""

from __future__ import annotations

import errno
import logging
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from affetto.errors import AffettoError, no_such_field

_PARAMETER = re.compile(r"^- Parameter '(?P<key>[^']+)':", re.MULTILINE)
_FINDING = re.compile(
    r"(?:^(?P<where>\S+)|validation errors? for \w+)\n  (?P<what>.+?) "
    r"\[type=\w+, input_value=(?P<given>.*), input_type=\w+\]$",
    re.MULTILINE,
)
_MODEL = re.compile(r"validation errors? for (?P<name>\w+)")
_PIPELINE = re.compile(r"Failed to find the pipeline named '(?P<name>[^']*)'")
_NAMESPACES = re.compile(r"does not contain nodes with the following namespaces: (?P<names>\[.*\])")
_NODES = re.compile(r"Pipeline does not contain nodes named (?P<names>\[.*\])")
_OF_BUGS = {None, errno.ENOENT, errno.EINVAL, errno.EBADF}
_DAMAGE = {
    "ArrowInvalid",
    "BadZipFile",
    "EmptyDataError",
    "JSONDecodeError",
    "ParserError",
    "UnicodeDecodeError",
}
_FILEPATH = re.compile(
    r"filepath=(?:\w*Path\()?(?:(?P<quote>['\"])(?P<quoted>.+?)(?P=quote)|(?P<bare>[^,)]+))"
)


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
    for link in chain(error):
        message = _explain_one(link)
        if message:
            return " ".join(message.split())
    return None


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those it was raised from, last raised first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


class ExplainedErrorsFilter(logging.Filter):
    """Drops what Kedro logs about an error that is going to be explained in one sentence."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the record unless an explainable error is on its way up."""
        raised = sys.exc_info()[1]
        return record.levelno < logging.WARNING or raised is None or explain(raised) is None


def _explain_one(error: BaseException) -> str | None:
    if isinstance(error, AffettoError):
        return str(error)
    by_name = _BY_NAME.get(type(error).__name__)
    if by_name:
        return by_name(error)
    if isinstance(error, ValueError):
        return _pipeline(str(error)) or _namespaces(str(error)) or _nodes(str(error)) or _filters(str(error))
    if isinstance(error, PermissionError) and error.errno is None:  # of a file system elsewhere
        return f"The storage refuses access ({str(error).rstrip('.')}): check its credentials and rights."
    if isinstance(error, OSError) and error.errno not in _OF_BUGS:
        where = error.filename or "the data folder"
        return f"{error.strerror}: check {where}, the disk it is on and the rights there, and run again."
    return None


def _parameters(error: BaseException) -> str:
    """Name every wrong key of Kedro's report on typed parameters."""
    text = str(error)
    starts = [*_PARAMETER.finditer(text)]
    ends = [*(start.start() for start in starts[1:]), len(text)]
    findings = []
    for start, end in zip(starts, ends, strict=True):
        block = text[start.end() : end]
        model = _MODEL.search(block)
        found = [_finding(start["key"], hit, model and model["name"]) for hit in _FINDING.finditer(block)]
        findings += found or [f"{start['key']}: {' '.join(block.split())}"]
    return f"Mend the parameters: {'; '.join(findings)}." if findings else text


def _finding(key: str, hit: re.Match[str], model: str | None) -> str:
    """Say what is wrong with one parameter, or with a group whose parameters contradict each other."""
    if not hit["where"]:
        return f"{key}: {hit['what'].removeprefix('Value error, ')}"
    what = hit["what"].removeprefix("Value error, ")
    if hit["what"] == "Extra inputs are not permitted":
        what = no_such_field(str(model), hit["where"].split("."))
    return f"{key}.{hit['where']}: {what} (given: {hit['given']})"


def _missing_file(error: BaseException) -> str | None:
    """Explain a dataset whose file is not there; the side in its path tells which pipeline makes it."""
    if not any(isinstance(link, FileNotFoundError) for link in chain(error)):
        return None
    path = _path_in(str(error))
    side = "voice" if path and "voice" in Path(path).parts else "theme"
    return f"{path or 'A file'} is not there yet: run `kedro run --pipeline={side}` first."


def _path_in(text: str) -> str | None:
    """Find the file in Kedro's description of a dataset."""
    found = _FILEPATH.search(text)
    return found and (found["quoted"] or found["bare"])


def _damaged_file(error: BaseException) -> str | None:
    """Explain a file that a stopped run left half written."""
    if not any(type(link).__name__ in _DAMAGE or _of_content(link) for link in chain(error)):
        return None
    path = _path_in(str(error)) or "A file of an earlier run"
    return f"{path} is damaged (was a run stopped while it was written?): run its pipeline again."


def _of_content(error: BaseException) -> bool:
    """Tell the errors that Arrow raises about what it has read from those of the system."""
    return type(error) is OSError and error.errno is None


def _pipeline(text: str) -> str | None:
    found = _PIPELINE.match(text)
    if not found:
        return None
    _, _, near = text.partition("Did you mean one of these instead?")
    hint = (
        f"did you mean {' or '.join(near.split())}?" if near.split() else "`kedro registry list` names them."
    )
    return f"There is no pipeline {found['name']!r}: {hint}"


def _namespaces(text: str) -> str | None:
    found = _NAMESPACES.search(text)
    if not found:
        return None
    return (
        f"This pipeline has no nodes of {found['names']}, given as --namespaces: for one side of corpora "
        "or features give --tags=music or --tags=voice, else leave it out."
    )


def _nodes(text: str) -> str | None:
    found = _NODES.search(text)
    if not found:
        return None
    return f"This pipeline has no nodes named {found['names']}: `kedro registry describe NAME` lists them."


def _filters(text: str) -> str | None:
    if not text.startswith("Pipeline contains no nodes after applying all provided filters"):
        return None
    return "No node is left of this pipeline: check --tags, --from-nodes, --to-nodes and the like."


def _yaml(error: BaseException) -> str:
    return f"A configuration file is not valid YAML: {error}"


def _configuration(error: BaseException) -> str:
    return f"The configuration cannot be read: {error}"


def _kinds(text: str) -> str | None:
    """Explain what OmegaConf says of a group in one file of parameters that is none in another."""
    if text != "Cannot merge incompatible container types":
        return None
    return "A parameter is a group in one file of conf, or in --params, and a list in another: mend it."


def _storage(error: BaseException) -> str:
    """Explain an error of S3's client."""
    return f"The storage cannot be reached ({str(error).rstrip('.')}): check address and credentials."


# By name, so that explaining an error imports neither Kedro nor OmegaConf.
_BY_NAME: dict[str, Callable[[BaseException], str | None]] = {
    "ParameterValidationError": _parameters,
    "DatasetError": lambda error: _missing_file(error) or _damaged_file(error),
    "DatasetNotFoundError": lambda error: f"{error} Mend the name: `kedro catalog list-datasets` lists them.",
    "TypeError": lambda error: _kinds(str(error)),
    "MissingConfigException": _configuration,
    "BadConfigException": _configuration,
    "InterpolationResolutionError": _configuration,
    "InterpolationKeyError": _configuration,
    "NoCredentialsError": _storage,
    "PartialCredentialsError": _storage,
    "EndpointConnectionError": _storage,
    "ConnectTimeoutError": _storage,
    "ScannerError": _yaml,
    "ParserError": _yaml,
}
