"""The one error a user of Affetto is meant to read, and its wording."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError

_NOT_IN_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def one_line(text: str) -> str:
    """Write line ends, control characters and undecodable bytes of a name as Python's escapes."""
    return _NOT_IN_A_LINE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the error's kind where it has none."""
    return str(error).strip().partition("\n")[0].rstrip() or type(error).__name__


def name_some(names: Sequence[str]) -> str:
    """Name the first five, each as `one_line` shows it, and tell whether there are more."""
    told = [*map(one_line, names[:5]), *("…" for _ in names[5:6])]
    return ", ".join(told)


class AffettoError(Exception):
    """A mistake that the user can mend, said in one sentence.

    The message names what is wrong, the file, clip or parameter it concerns, and what to do about it. The
    command line shows the message without a traceback.

    Parameters
    ----------
    message
        The sentence; what a file's name may hold but a line of text may not is shown as `one_line` does.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class DamagedFileError(AffettoError):
    """A file of Affetto's own whose content is not what was written."""


class WorkerKilledError(AffettoError):
    """A worker process ended before its work did."""


def validation_sentence(error: ValidationError) -> str:
    """Name each offending key of a Pydantic model, what is wrong with it and what was given."""
    findings = []
    for item in error.errors():
        path = [str(part) for part in item["loc"]]
        what = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            what = no_such_field(error.title, path)
        where = ".".join(path) or "as a whole"
        findings.append(f"{where}: {what} (given: {item['input']!r})")
    return "; ".join(findings)


def no_such_field(model: str, path: Sequence[str]) -> str:
    """Say that a parameter does not exist, and which was probably meant.

    Parameters
    ----------
    model
        Name of the typed model that refused it.
    path
        Where it stands below that model, keys of mappings and the like included.
    """
    from pydantic import BaseModel

    found = next((each for each in _subclasses(BaseModel) if each.__name__ == model), None)
    schema = found.model_json_schema() if found else {}
    groups = [schema, *schema.get("$defs", {}).values()]
    names = sorted({*chain(*(group.get("properties", {}) for group in groups))})
    near = difflib.get_close_matches(path[-1], names, n=1, cutoff=0.7)
    told = "there is no such parameter"
    return f"{told}, did you mean {near[0]}?" if near else told


def _subclasses(parent: Any) -> Iterator[Any]:
    for child in parent.__subclasses__():
        yield child
        yield from _subclasses(child)
