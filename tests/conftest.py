"""Property tests draw the same examples everywhere; the longest tests start first."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

# As the command line does, before Kedro is imported: else commands called in this process log to stdout.
os.environ.setdefault("KEDRO_LOGGING_CONFIG", str(Path(__file__).parents[1] / "conf" / "logging.yml"))

# Kedro configures logging when it is imported, and closes the handlers of before: that of absl, which comes
# with TensorFlow, would then close the stream that pytest captures.
importlib.import_module("kedro.framework.project")

settings.register_profile(
    "affetto", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("affetto")


VOICE_RATE_HZ = 16_000


@pytest.fixture(scope="session")
def forget_kedro() -> Callable[[pytest.MonkeyPatch], None]:
    """Return what makes a patch undo all that Kedro and Affetto remember of a project in this process."""

    def forget(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(sys, "path", list(sys.path))
        patch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
        patch.setattr("kedro.framework.project.PACKAGE_NAME", None)
        patch.setattr("affetto.pipelines.model_table._Current.setup", None)
        # Kedro closes all handlers when it sets up logging: that of absl, which TensorFlow brings, would
        # close the stream that pytest captures.
        patch.setattr("logging._handlerList", [])

    return forget


@pytest.fixture(scope="session")
def copy_project(request: pytest.FixtureRequest) -> Callable[..., Path]:
    """Return what copies folders of the project, as a fresh clone has them, to a place of its own."""
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "trained")

    def copy(root: Path, *folders: str) -> Path:
        for folder in folders:
            shutil.copytree(request.config.rootpath / folder, root / folder, ignore=ignored)
        for file in ("pyproject.toml", ".telemetry"):
            shutil.copy(request.config.rootpath / file, root / file)
        return root

    return copy


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Let Ctrl-C interrupt this process and those that it starts: a shell's background job ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def voice_of() -> Callable[..., np.ndarray]:
    """Return a maker of speech without a pause at 16 kHz: so many seconds, at a peak, of a voice."""
    from affetto.audio.recording import resample
    from affetto.corpora.demo.voice import speak

    text = "the seven men are sitting by the sea and nobody knows what they will do when the evening comes "
    spoken: dict[str, np.ndarray] = {}

    def make(seconds: float, peak: float = 0.3, voice: str = "en-us") -> np.ndarray:
        if voice not in spoken:
            (samples,) = speak([(voice, 3 * text, 160, 100, 50, 50)])
            loud = np.flatnonzero(np.abs(samples) > 0.05 * np.abs(samples).max())
            resampled = resample(samples[loud[0] : loud[-1]], 22_050, VOICE_RATE_HZ)
            spoken[voice] = resampled / np.abs(resampled).max()
        cut = spoken[voice][: round(seconds * VOICE_RATE_HZ)]
        assert len(cut) == round(seconds * VOICE_RATE_HZ)
        return (peak * cut).astype(np.float32)

    return make


_LONGEST_FIRST = ("end_to_end", "benchmarks")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the folders that take longest, so that no worker is left alone with them at the end."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    folder = Path(item.path).parent.name
    return _LONGEST_FIRST.index(folder) if folder in _LONGEST_FIRST else len(_LONGEST_FIRST)
