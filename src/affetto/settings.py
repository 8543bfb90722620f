"""Kedro project settings."""

from affetto.configuration import CONFIG_LOADER_ARGS
from affetto.hooks import ModelTableHook, QuietRunnerHook, TrackingHook
from affetto.missing_inputs import MissingInputsHook

__all__ = ["CONFIG_LOADER_ARGS", "HOOKS"]

HOOKS = (ModelTableHook(), MissingInputsHook(), TrackingHook(), QuietRunnerHook())
