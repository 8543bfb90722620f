"""A project of its own for the commands: the real configuration, no data."""

from __future__ import annotations

import shutil

import pytest
from click.testing import CliRunner

from affetto.cli import cli

PYPROJECT = """
[tool.kedro]
package_name = "affetto"
project_name = "Affetto"
kedro_init_version = "1.7.0"
source_dir = "src"
"""


@pytest.fixture
def project(tmp_path, request):
    """The folder of the project."""
    root = tmp_path / "project"
    shutil.copytree(request.config.rootpath / "conf", root / "conf", ignore=shutil.ignore_patterns("trained"))
    (root / "src").mkdir()
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / ".telemetry").write_text("consent: false\n")
    return root


@pytest.fixture
def call(project, monkeypatch, forget_kedro):
    """Return a function that calls a command in the project, in this process."""
    forget_kedro(monkeypatch)

    def run(*arguments, folder=project):
        monkeypatch.chdir(folder)
        return CliRunner().invoke(cli, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def sentence():
    """Return a function that returns the one sentence of a failed command."""

    def read(outcome):
        assert outcome.exit_code == 1, outcome.stderr
        assert "Traceback" not in outcome.stderr
        (error,) = [line for line in outcome.stderr.splitlines() if line.startswith("Error: ")]
        return error.removeprefix("Error: ")

    return read
