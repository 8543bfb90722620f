"""Kedro project settings."""

from affetto.configuration import CONFIG_LOADER_ARGS
from affetto.hooks import ModelTableHook, QuietRunnerHook
from affetto.missing_inputs import MissingInputsHook
from affetto.run_summary import RunFolderHook, RunSummaryHook
from affetto.tracking.hook import TrackingHook

__all__ = ["CONFIG_LOADER_ARGS", "HOOKS"]

_TRACKING = TrackingHook()

HOOKS = (
    ModelTableHook(),
    MissingInputsHook(),
    _TRACKING,
    QuietRunnerHook(),
    RunFolderHook(),
    RunSummaryHook(_TRACKING),
)
