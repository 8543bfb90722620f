"""The one error a user of Affetto is meant to read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from affetto.typed_fields import no_such_field

if TYPE_CHECKING:
    from pydantic import ValidationError

_NOT_IN_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NAMED = 5


def one_line(text: str) -> str:
    """Write line ends, control characters and undecodable bytes of a name as Python's escapes."""
    return _NOT_IN_A_LINE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the error's kind where it has none."""
    return str(error).strip().partition("\n")[0].rstrip() or type(error).__name__


def name_some(names: Sequence[str]) -> str:
    """Name the first five, each as `one_line` shows it, and tell whether there are more."""
    return ", ".join(map(one_line, names[:_NAMED])) + (", …" if len(names) > _NAMED else "")


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
        unknown = item["type"] == "extra_forbidden"
        what = no_such_field(error.title, path) if unknown else item["msg"].removeprefix("Value error, ")
        findings.append((".".join(path) or "as a whole", what, item["input"]))
    return "; ".join(f"{where}: {what} (given: {given!r})" for where, what, given in findings)
