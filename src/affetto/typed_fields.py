"""Fields of the typed models of parameters, for messages about those that do not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, get_args

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
