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

from affetto.errors import AffettoError

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
    it is. A comma separates parameters only where a name and `=` follow it, outside of what YAML quotes or
    brackets.

    Raises
    ------
    AffettoError
        When a part has no name or no `=`, or a name is given twice.
    """
    given: dict[str, Any] = {}
    parts = _NEXT.split(text) if text.strip() else []
    while parts:
        n_parts = next((n for n in range(1, len(parts) + 1) if _is_yaml(",".join(parts[:n]))), 1)
        part, parts = ",".join(parts[:n_parts]).strip().rstrip(","), parts[n_parts:]
        name, equals, value = part.partition("=")
        keys = [key.strip() for key in name.split(".")]
        if not equals or not all(keys):
            raise AffettoError(f"--params {part!r}: write each parameter as name=value.")
        inside = given
        for key in keys[:-1]:
            inside = inside.setdefault(key, {}) if isinstance(inside, dict) else inside
        if not isinstance(inside, dict) or keys[-1] in inside:
            raise AffettoError(f"--params gives {name.strip()} twice, or whole and in part: give it once.")
        inside[keys[-1]] = _read(value) if _is_yaml(part) else value
    return given


def _is_yaml(part: str) -> bool:
    """Tell whether the value of `name=value` is YAML; what has no value is left to others to refuse."""
    import yaml
    from omegaconf.errors import OmegaConfBaseException

    try:
        _read(part.partition("=")[2])
    except (yaml.YAMLError, OmegaConfBaseException):
        return False
    except UnicodeError as error:
        raise AffettoError(f"--params {part!r} holds bytes that are no text in UTF-8.") from error
    return True


def _read(value: str) -> Any:
    from omegaconf import OmegaConf

    return OmegaConf.to_container(OmegaConf.from_dotlist([f"value={value}"]))["value"]  # type: ignore[call-overload,index]


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
    for path, value in _leaves(given):
        if ".".join(path) not in runtime_names:
            _check_path(known, path, value)


def runtime_names(conf_source: str) -> set[str]:
    """Find the dotted names that a folder or an archive of configuration reads from the command line."""
    import fsspec

    from affetto.io.paths import as_path

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


def _leaves(given: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in given.items():
        path = (*prefix, str(key))
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, path)
        else:
            yield path, value


def _check_path(known: Any, path: tuple[str, ...], value: Any) -> None:
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
    if isinstance(here, Mapping) and here and value is not None and not isinstance(value, Mapping):
        raise AffettoError(
            f"{'.'.join(path)} is a group of parameters: give one of {', '.join(map(str, here))}."
        )


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
