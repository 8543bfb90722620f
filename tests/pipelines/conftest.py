"""What the tests of pipelines share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kedro.framework.startup import bootstrap_project


@pytest.fixture(scope="module")
def kedro_project(
    request: pytest.FixtureRequest, forget_kedro: Callable[[pytest.MonkeyPatch], None]
) -> Iterator[Path]:
    """Make Kedro know this project, and forget it again."""
    with pytest.MonkeyPatch.context() as patch:
        forget_kedro(patch)
        patch.chdir(request.config.rootpath)
        bootstrap_project(request.config.rootpath)
        yield request.config.rootpath
