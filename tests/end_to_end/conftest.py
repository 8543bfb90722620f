from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Project:
    """A copy of the project as a fresh clone would be, run through its command line."""

    root: Path

    def kedro(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self._run("kedro", arguments, environment)

    def affetto(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run("affetto", arguments, {})

    def _run(
        self, module: str, arguments: Sequence[str], environment: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
        inherited.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "-m", module, *arguments]
        environment = {**inherited, **environment}
        return subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, timeout=1800, check=False
        )


@pytest.fixture(scope="session")
def make_project(
    tmp_path_factory: pytest.TempPathFactory, copy_project: Callable[..., Path]
) -> Callable[[str], Project]:
    """Return what makes a project in which nothing has run yet."""
    return lambda name: Project(copy_project(tmp_path_factory.mktemp(name), "conf", "src"))


@pytest.fixture(scope="session")
def project(make_project: Callable[[str], Project]) -> Project:
    """A project in which nothing has run yet."""
    return make_project("project")


@pytest.fixture(scope="session")
def demo(make_project: Callable[[str], Project]) -> Project:
    """A project in which `kedro run` has run everything on the demo corpora."""
    project = make_project("demo")
    outcome = project.kedro("run")
    assert outcome.returncode == 0, outcome.stderr[-4000:]
    return project
