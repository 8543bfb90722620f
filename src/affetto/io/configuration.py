"""How the configuration of the project is read, and environment variables are set for a while."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

from pydantic import BaseModel, ConfigDict


class Parameters(BaseModel):
    """Typed parameters: they never change, and a name that is not known is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def package_path(path: str) -> str:
    """Return where a folder of the installed package lies, for `${package:…}` in the configuration."""
    return str(files("affetto") / path)


CONFIG_LOADER_ARGS: dict[str, Any] = {
    "base_env": "base",
    "default_run_env": "local",
    "config_patterns": {
        "parameters": ["parameters*", "parameters*/**", "**/parameters*", "taxonomy*"],
        "tracking": ["tracking*"],
    },
    # An environment changes single keys of a nested parameter and leaves its neighbours as they are in base.
    "custom_resolvers": {"package": package_path},
    "merge_strategy": {"parameters": "soft", "globals": "soft", "tracking": "soft"},
}

TRAINED = "trained"
"""Folder below `conf`, and below `data`, of the environments that `affetto train` makes."""


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for a while."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
