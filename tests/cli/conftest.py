"""A project of its own for the commands: the real configuration, no data."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from affetto.cli import cli


@pytest.fixture
def project(tmp_path, copy_project):
    """The folder of the project."""
    root = copy_project(tmp_path / "project", "conf")
    (root / "src").mkdir()
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
