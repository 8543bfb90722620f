"""Kedro project settings."""

from affetto.hooks import MissingInputsHook, ModelTableHook, RunFolderHook, RunSummaryHook
from affetto.io.configuration import CONFIG_LOADER_ARGS
from affetto.tracking.hook import TrackingHook

__all__ = ["CONFIG_LOADER_ARGS", "HOOKS"]

_TRACKING = TrackingHook()

HOOKS = (
    ModelTableHook(),
    MissingInputsHook(),
    _TRACKING,
    RunFolderHook(),
    RunSummaryHook(_TRACKING),
)
