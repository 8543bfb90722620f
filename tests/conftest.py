"""Property tests draw the same examples everywhere; the longest tests start first."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# As the command line does, before Kedro is imported: else commands called in this process log to stdout.
os.environ.setdefault("KEDRO_LOGGING_CONFIG", str(Path(__file__).parents[1] / "conf" / "logging.yml"))

settings.register_profile(
    "affetto", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("affetto")


_LONGEST_FIRST = ("end_to_end", "benchmarks")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the folders that take longest, so that no worker is left alone with them at the end."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    folder = Path(item.path).parent.name
    return _LONGEST_FIRST.index(folder) if folder in _LONGEST_FIRST else len(_LONGEST_FIRST)
