"""The one error a user of Affetto is meant to read."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, get_args

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


_REMOVED = {"calibration_share", "permutation_unit", "voice_activity"}
"""Parameters of earlier versions that no other took the place of, whatever theirs are written like."""


def nearest_field(model: str, path: Sequence[str]) -> str | None:
    """Find the parameter that an unknown one was meant to be.

    Parameters
    ----------
    model
        Name of the typed model that refused it.
    path
        Where it stands below that model, keys of mappings and the like included.

    Returns
    -------
    str or None
        Name of the field that is written most like it; None where none is alike.
    """
    from pydantic import BaseModel

    found = next((each for each in _subclasses(BaseModel) if each.__name__ == model), None)
    possible: list[Any] = []
    for part in path[:-1]:
        field = found.model_fields.get(part) if found else None
        if field is not None:
            possible = list(_models_in(field.annotation))
            found = possible[0] if possible else None
        else:
            found = next((each for each in possible if _is_kind(each, part)), found)
    near = difflib.get_close_matches(path[-1], list(found.model_fields) if found else [], n=1)
    return near[0] if near else None


def no_such_field(model: str, path: Sequence[str]) -> str:
    """Say that a parameter does not exist, and which was meant; arguments as for `nearest_field`."""
    if _REMOVED.intersection(path):
        return "there is no such parameter any more: remove it"
    near = nearest_field(model, path)
    return f"there is no such parameter, did you mean {near}?" if near else "there is no such parameter"


def _subclasses(parent: Any) -> Iterator[Any]:
    for child in parent.__subclasses__():
        yield child
        yield from _subclasses(child)


def _is_kind(model: Any, name: str) -> bool:
    """Tell whether a member of a union is the one that bears this name."""
    kind = model.model_fields.get("kind")
    return kind is not None and kind.default == name


def _models_in(annotation: Any) -> Iterator[Any]:
    if hasattr(annotation, "model_fields"):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
