"""Parameters given on the command line: how they are written, and whether they are known at all.

Kedro itself ignores names it does not know, and ends in a traceback of YAML for values such as `[0-9]+`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from affetto.errors import AffettoError, first_line

VALIDATED = (
    "executor",
    "recommend",
    "evaluation",
    "*.corpus",
    "*.audit",
    "*.split",
    "*.features",
    "*.emotion.experiment",
    "*.emotion.models.*.parameters",
    "taxonomy.labels.*",
    "*.theme",
    "*.export",
)
"""Groups whose keys have defaults in code: the files need not list all of them, typed models check them."""
_RUNTIME = re.compile(r"\$\{runtime_params:\s*([\w.]+)")
_NEXT = re.compile(r",(?=\s*[A-Za-z_][\w.-]*\s*=)")
"""The comma in front of the next `name=`; other commas belong to the value."""
_NEAR = 0.8
_FAR = 0.4


def split_parameters(text: str) -> dict[str, Any]:
    """Read `name=value,other.name=value` into nested parameters.

    Values are YAML, as Kedro reads them; one that is no YAML, such as the pattern `[0-9]+`, is the text that
    it is. A comma separates parameters only where a name and `=` follow it.

    Raises
    ------
    AffettoError
        When a part has no name or no `=`.
    """
    import yaml
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    config = OmegaConf.create()
    for part in _NEXT.split(text) if text.strip() else []:
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise AffettoError(f"--params {part.strip()!r}: write each parameter as name=value.")
        try:
            read: Any = OmegaConf.to_container(OmegaConf.from_dotlist([f"value={value}"]))["value"]  # type: ignore[call-overload,index]
        except (yaml.YAMLError, OmegaConfBaseException):
            read = value
        try:
            OmegaConf.update(config, name.strip(), read, force_add=True)
        except (OmegaConfBaseException, ValueError, TypeError) as error:
            raise AffettoError(f"--params {part.strip()!r} cannot be read ({first_line(error)}).") from error
    given: dict[str, Any] = OmegaConf.to_container(config)  # type: ignore[assignment]
    return given


def check_runtime_parameters(
    known: Mapping[str, Any],
    given: Mapping[str, Any],
    *,
    runtime_names: Collection[str] = (),
) -> None:
    """Make sure that every given parameter exists.

    Inside the validated groups a name that the files do not list passes unless it looks like a slip of one
    they do; the models of the parameters check it later. An empty group takes any name.

    Parameters
    ----------
    known
        Parameters of the project's files.
    given
        Parameters of the command line, nested.
    runtime_names
        Dotted names that the configuration asks the command line for (`${runtime_params:…}`).

    Raises
    ------
    AffettoError
        Naming the first unknown key and the nearest known one.
    """
    for path in _leaves(given):
        if ".".join(path) not in runtime_names:
            _check_path(known, path)


def runtime_names(conf_source: str) -> set[str]:
    """Find the dotted names that a folder or an archive of configuration reads from the command line."""
    import fsspec

    from affetto.storage import as_path

    kind = next((kind for kind in ("tar", "zip") if f".{kind}" in Path(conf_source).suffixes), None)
    if kind is None:
        contents = [file.read_bytes() for file in sorted(as_path(conf_source).rglob("*.yml"))]
    else:
        system = fsspec.filesystem(kind, fo=conf_source)
        contents = [system.cat_file(name) for name in system.glob("**/*.yml")]
    texts = (content.decode("utf-8", errors="replace") for content in contents)
    return {name for text in texts for name in _RUNTIME.findall(text)}


def keep_names(given: Mapping[str, Any], names: Collection[str], prefix: str = "") -> dict[str, Any]:
    """Return the part of nested parameters whose dotted names are among `names`."""
    kept: dict[str, Any] = {}
    for key, value in given.items():
        name = f"{prefix}{key}"
        if name in names:
            kept[key] = value
        elif isinstance(value, Mapping):
            inside = keep_names(value, names, f"{name}.")
            if inside:
                kept[key] = inside
    return kept


def _leaves(given: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in given.items():
        path = (*prefix, str(key))
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, path)
        else:
            yield path


def _check_path(known: Any, path: tuple[str, ...]) -> None:
    here = known
    for depth, key in enumerate(path):
        if here is None or here == {}:
            return
        if not isinstance(here, Mapping):
            raise AffettoError(
                f"The parameter {'.'.join(path[:depth])} is a single value: it has no {key!r} inside."
            )
        if key not in here:
            _refuse(here, path[: depth + 1])
            return
        here = here[key]


def _refuse(here: Mapping[str, Any], path: tuple[str, ...]) -> None:
    """Raise for an unknown key, except where the files need not list it."""
    group = ".".join(path[:-1])
    checked = any(fnmatch(group, pattern) or fnmatch(group, f"{pattern}.*") for pattern in VALIDATED)
    near = difflib.get_close_matches(
        path[-1], [str(key) for key in here], n=1, cutoff=_NEAR if checked else _FAR
    )
    if checked and not near:
        return
    hint = (
        f"did you mean {'.'.join([*path[:-1], near[0]])}?"
        if near
        else f"known here: {', '.join(map(str, here))}."
    )
    raise AffettoError(f"There is no parameter {'.'.join(path)}: {hint}")
