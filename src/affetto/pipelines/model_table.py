"""The emotion models of each side, as the parameters name them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from affetto.configuration import CONFIG_LOADER_ARGS
from affetto.models.experiment import ModelSpecification

SIDES = ("music", "voice")
Table = dict[str, ModelSpecification]


class _Tables:
    """The tables of the run under way; read from the base configuration while no run has set them."""

    current: dict[str, Table] | None = None


def read_tables(parameters: Mapping[str, Any]) -> dict[str, Table]:
    """Read the model table of each side from the project's parameters.

    Parameters
    ----------
    parameters
        All parameters; `<side>.emotion.models` maps a model's name to its specification. A model set to null
        is left out of the pipelines.

    Returns
    -------
    dict
        Side → model name → specification.

    Raises
    ------
    pydantic.ValidationError
        When a specification lacks a key or has an unknown one.
    """
    return {
        side: {
            name: ModelSpecification.model_validate(entry)
            for name, entry in parameters[side]["emotion"]["models"].items()
            if entry is not None
        }
        for side in SIDES
    }


def use_tables(tables: dict[str, Table]) -> None:
    """Make `tables` the ones that pipelines are built from."""
    _Tables.current = tables


def model_table(side: str) -> Table:
    """Return the models of `side`, in the order of the parameters."""
    if _Tables.current is None:
        _Tables.current = read_tables(_base_parameters())
    return _Tables.current[side]


def proposed_model(side: str) -> str:
    """Return the name of the proposed model of `side`: the first one with that role."""
    return next(name for name, entry in model_table(side).items() if entry.role == "proposed")


def _base_parameters() -> Mapping[str, Any]:
    from kedro.config import OmegaConfigLoader
    from kedro.utils import find_kedro_project

    project = find_kedro_project(Path.cwd()) or Path.cwd()
    loader = OmegaConfigLoader(conf_source=str(Path(project) / "conf"), **CONFIG_LOADER_ARGS)
    parameters: Mapping[str, Any] = loader["parameters"]
    return parameters
