"""Property tests draw the same examples everywhere; tests that share costly fixtures share a worker."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "affetto", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("affetto")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep a file's tests in one worker, and all end-to-end tests: they share one run of the demo."""
    folder = Path(item.path).parent.name
    item.add_marker(pytest.mark.xdist_group(folder if folder == "end_to_end" else Path(item.path).stem))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the end-to-end tests, which take longest."""
    items.sort(key=lambda item: Path(item.path).parent.name != "end_to_end")
