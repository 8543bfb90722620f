"""The taxonomy of the project that a command is called in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from affetto.cli.guard import project


def read_taxonomy(env: str | None) -> dict[str, Any]:
    """Return the taxonomy of an environment of the project around the current folder.

    Raises
    ------
    AffettoError
        When there is no project.
    """
    from kedro.framework.project import settings

    with project() as root:
        loader = settings.CONFIG_LOADER_CLASS(
            conf_source=str(root / settings.CONF_SOURCE),
            env=env or os.environ.get("KEDRO_ENV"),
            **settings.CONFIG_LOADER_ARGS,
        )
        taxonomy: dict[str, Any] = loader["parameters"].get("taxonomy") or {}
    return taxonomy


def in_project() -> bool:
    """Tell whether there is a Kedro project in the current folder or above."""
    from kedro.utils import find_kedro_project

    return find_kedro_project(Path.cwd()) is not None
