"""`affetto run` and `kedro run`: Kedro's own command, whose mistakes end in one sentence.

Kedro itself ignores parameters that it does not know, and ends in a traceback of YAML for values such as
`[0-9]+`.
"""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import click
import fsspec
import yaml
from kedro.framework.cli.project import run as kedro_run
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from affetto.cli.project import project, read_configuration
from affetto.errors import AffettoError
from affetto.io.paths import as_path

_VALIDATED = (
    *("executor", "recommend", "serve", "evaluation", "taxonomy.labels.*"),
    *("*.corpus", "*.audit", "*.split", "*.features", "*.theme", "*.export"),
    *("*.emotion.experiment", "*.emotion.models.*.parameters"),
)
"""Groups whose keys have defaults in code: the files need not list all of them, typed models check them."""
_RUNTIME = re.compile(r"\$\{runtime_params:\s*([\w.]+)")
_NEXT = re.compile(r",(?=\s*[A-Za-z_][\w.-]*\s*=)")
"""The comma in front of the next `name=`; other commas belong to the value."""


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
            raise AffettoError(f"--params gives {name.strip()} twice: give it once.")
        inside[keys[-1]] = _read_yaml(value) if _is_yaml(part) else value
    return given


def _is_yaml(part: str) -> bool:
    """Tell whether the value of `name=value` is YAML; what has no value is left to others to refuse."""
    try:
        _read_yaml(part.partition("=")[2])
    except (yaml.YAMLError, OmegaConfBaseException):
        return False
    except UnicodeError as error:
        raise AffettoError(f"--params {part!r} holds bytes that are no text in UTF-8.") from error
    return True


def _read_yaml(value: str) -> Any:
    read: Any = OmegaConf.to_container(OmegaConf.from_dotlist([f"value={value}"]))
    return read["value"]


def known_parameters(conf_source: str | None, env: str | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of the project's files; to be called in its folder.

    What the files only ask the command line for (`${runtime_params:…}`) is among them, as null.

    Parameters
    ----------
    conf_source, env, given
        As for `read_configuration`.
    """
    conf_source = conf_source or str(read_configuration(env).conf_source)
    everything, asked = OmegaConf.create(dict(given)), OmegaConf.create()
    for name in _runtime_names(conf_source):
        OmegaConf.update(asked, name, OmegaConf.select(everything, name))
    values: Any = OmegaConf.to_container(asked)
    known: dict[str, Any] = read_configuration(env, conf_source, values)["parameters"]
    return known


def _runtime_names(conf_source: str) -> set[str]:
    """Find the dotted names that a folder or an archive of configuration reads from the command line."""
    kind = next((kind for kind in ("tar", "zip") if f".{kind}" in Path(conf_source).suffixes), None)
    if kind is None:
        contents = [file.read_bytes() for file in as_path(conf_source).rglob("*.yml")]
    else:
        archive = fsspec.filesystem(kind, fo=conf_source)
        contents = [archive.cat_file(name) for name in archive.glob("**/*.yml")]
    texts = (content.decode("utf-8", errors="replace") for content in contents)
    return {name for text in texts for name in _RUNTIME.findall(text)}


def check_parameters(known: Mapping[str, Any], given: Mapping[str, Any], group: str = "") -> None:
    """Make sure that every given parameter exists.

    Inside the validated groups a name that the files do not list passes unless it looks like a slip of one
    they do; the models of the parameters check it later. An empty group takes any name.

    Parameters
    ----------
    known
        Parameters of the project's files.
    given
        Parameters of the command line, nested.
    group
        Where these are, with a dot at the end.

    Raises
    ------
    AffettoError
        Naming the first unknown key and the nearest known one.
    """
    for key, value in given.items():
        name = f"{group}{key}"
        if key not in known:
            _refuse_unknown(known, group, key)
            continue
        inside = known[key]
        if inside is None or inside == {}:
            continue
        if not isinstance(value, Mapping):
            if isinstance(inside, Mapping) and value is not None:
                raise AffettoError(f"{name} is a group of parameters: give one of {', '.join(inside)}.")
        elif isinstance(inside, Mapping):
            check_parameters(inside, value, f"{name}.")
        else:
            raise AffettoError(
                f"The parameter {name} is a single value: it has no {next(iter(value), '')!r} inside."
            )


def _refuse_unknown(known: Mapping[str, Any], group: str, key: str) -> None:
    """Raise for an unknown key, except where the files need not list it."""
    checked = any(fnmatch(group, f"{pattern}.*") for pattern in _VALIDATED)
    names, cutoff = [*map(str, known)], 0.8 if checked else 0.4
    near = difflib.get_close_matches(key, names, n=1, cutoff=cutoff)
    if near or not checked:
        hint = f"known here: {', '.join(names)}."
        if near:
            hint = f"did you mean {group}{near[0]}?"
        raise AffettoError(f"There is no parameter {group}{key}: {hint}")


class _Run(click.Command):
    """The options are always those of the installed Kedro."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Call it misuse when Kedro cannot read an option, such as a file of options that is no YAML."""
        try:
            return super().parse_args(ctx, args)
        except (yaml.YAMLError, AffettoError, LookupError, OSError, TypeError, ValueError) as error:
            ctx.fail(f"The options cannot be read: {' '.join(str(error).split())}")


def _with_own_reader(option: click.Parameter) -> click.Parameter:
    """Let `--params` be what `split_parameters` reads."""
    if option.name not in ("params", "runner_params"):
        return option

    def read(_: Any, __: Any, value: Any) -> Any:
        return value if isinstance(value, dict) else split_parameters(str(value))

    copied = copy.copy(option)
    copied.callback = read
    return copied


def _run(**options: Any) -> Any:
    source, given = options.get("conf_source"), options.get("params")
    with project(source):
        if given:
            check_parameters(known_parameters(source, options.get("env"), given), given)
        if options.get("pipeline") and not options.get("pipelines"):
            # The same run without the warning that `--pipeline` is deprecated.
            options |= {"pipelines": [options["pipeline"]], "pipeline": None}
        run_of_kedro: Any = kedro_run.callback
        return run_of_kedro(**options)


run = _Run("run", params=[*map(_with_own_reader, kedro_run.params)], callback=_run, help=kedro_run.help)
