"""Fields of the typed models of parameters, for messages about those that do not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, get_args


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
    for part in path[:-1]:
        field = found.model_fields.get(part) if found else None
        if field is not None:
            found = next(_models_in(field.annotation), None)
    near = difflib.get_close_matches(path[-1], list(found.model_fields) if found else [], n=1)
    return near[0] if near else None


def _subclasses(parent: Any) -> Iterator[Any]:
    for child in parent.__subclasses__():
        yield child
        yield from _subclasses(child)


def _models_in(annotation: Any) -> Iterator[Any]:
    if hasattr(annotation, "model_fields"):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
