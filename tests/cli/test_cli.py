"""The command line, run as a user runs it, in a small project of its own."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from affetto import __version__

PYPROJECT = """
[tool.kedro]
package_name = "affetto"
project_name = "Affetto"
kedro_init_version = "1.7.0"
source_dir = "src"
"""
SETTINGS = """
CONFIG_LOADER_ARGS = {"base_env": "base", "default_run_env": "local",
                      "merge_strategy": {"parameters": "soft"}}
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-mlflow", "kedro_mlflow")
"""
REGISTRY = """
import signal
import time
from pathlib import Path

from kedro.pipeline import Node, Pipeline

from affetto.errors import AffettoError
from affetto.recommendation.parameters import RecommendParameters


def summarise(parameters: RecommendParameters) -> str:
    return f"{Path(parameters.voice).name} {parameters.bridge} {parameters.top} {parameters.preferred_themes}"


def listen(parameters: RecommendParameters) -> str:
    enrolled = parameters.enrol and Path(parameters.enrol).relative_to(Path.cwd())
    return f"{Path(parameters.voice).name} {parameters.unsure_below} {enrolled}"


def mistake(parameters: RecommendParameters) -> str:
    raise AffettoError("The clip x is empty: remove it.")


def bug(parameters: RecommendParameters) -> str:
    raise ZeroDivisionError("a bug")


def wait(parameters: RecommendParameters) -> str:
    Path("waiting").touch()
    time.sleep(60)
    return ""


def choose_from_library(recommend: dict) -> str:
    return f"from the library: {Path(recommend['voice']).name}"


def describe(corpus: dict, export: dict) -> dict:
    assert export["write_tags"]
    assert Path(corpus["root"]).relative_to(Path.cwd()) == Path("conf/base/music")
    return {"tracks": 2, "emotions": {"calm": 2}, "set_aside": {"silent": 1}, "mostly_speech": []}


def library():
    inputs = ["params:library.corpus", "params:library.export"]
    return Pipeline([Node(describe, inputs=inputs, outputs="library.summary", name="describe")])


def pipeline(function, inputs="params:recommend"):
    return Pipeline([Node(function, inputs=inputs, outputs="recommend.summary", name=function.__name__)])


def hear():
    return Pipeline([Node(listen, inputs="params:recommend", outputs="hear.summary", name="listen")])


def read(table) -> str:
    return "never"


def register_pipelines():
    return {
        "recommend": pipeline(summarise), "recommend_library": pipeline(choose_from_library),
        "hear": hear(), "mistake": pipeline(mistake), "bug": pipeline(bug),
        "wait": pipeline(wait), "missing": pipeline(read, "voice.table"), "library": library(),
        "__default__": pipeline(summarise),
    }
"""
CATALOG = """
recommend.summary:
  type: text.TextDataset
  filepath: data/summary.txt
hear.summary:
  type: text.TextDataset
  filepath: data/heard.txt
library.summary:
  type: json.JSONDataset
  filepath: data/library.json
voice.table:
  type: pandas.ParquetDataset
  filepath: data/voice/table.parquet
"""
LOGGING = """
version: 1
handlers: {console: {class: logging.StreamHandler}}
root: {handlers: [console], level: INFO}
"""
PARAMETERS = """
recommend: {voice: data/voice, bridge: uplift, top: 10}
library: {corpus: {source: library, root: data/music}, export: {write_tags: false}}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with the real command line and pipelines that fail in every way."""
    root = tmp_path_factory.mktemp("project")
    source = Path(__file__).parents[2] / "src" / "affetto"
    shutil.copytree(source, root / "src/affetto", ignore=shutil.ignore_patterns("__pycache__"))
    for path, text in {
        "pyproject.toml": PYPROJECT,
        "src/affetto/settings.py": SETTINGS,
        "src/affetto/pipeline_registry.py": REGISTRY,
        "conf/base/catalog.yml": CATALOG,
        "conf/base/parameters.yml": PARAMETERS,
        "conf/base/logging.yml": LOGGING,
        "conf/local/.gitkeep": "",
        ".telemetry": "consent: false\n",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(textwrap.dedent(text))
    return root


def environment(project):
    return {**os.environ, "PYTHONPATH": str(project / "src"), "KEDRO_DISABLE_TELEMETRY": "1"}


def call(project, *arguments, folder=None, module="affetto"):
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(
        command, cwd=folder or project, env=environment(project), capture_output=True, text=True, check=False
    )


def sentence(outcome):
    """Return the one sentence of a failed command."""
    assert outcome.returncode == 1, outcome.stderr
    assert "Traceback" not in outcome.stderr + outcome.stdout
    errors = [line for line in outcome.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, outcome.stderr
    assert outcome.stderr.rstrip().endswith(errors[0])
    return errors[0].removeprefix("Error: ")


def test_help_and_version_import_nothing_heavy(project):
    program = (
        "import sys; from affetto.cli import cli\n"
        "for option in ('--help', '--version'): cli.main([option], standalone_mode=False)\n"
        "print([name for name in ('kedro', 'numpy', 'pandas', 'pydantic') if name in sys.modules])"
    )
    command = [sys.executable, "-c", program]
    told = subprocess.run(
        command, env=environment(project), capture_output=True, text=True, check=True
    ).stdout
    assert all(f"  {name} " in told for name in ("hear", "recommend", "library", "train", "run"))
    assert told.splitlines()[-2:] == [f"affetto, version {__version__}", "[]"]


@pytest.mark.parametrize(
    ("command", "said", "written"),
    [
        (
            "recommend me.wav --bridge congruent --top 3 --theme jig",
            "me.wav congruent 3 ('jig',)",
            "summary.txt",
        ),
        ("recommend me.wav --library", "from the library: me.wav", "summary.txt"),
        ("hear me.wav --unsure-below 0.7 --enrol mine", "me.wav 0.7 conf/base/mine", "heard.txt"),
        (
            "library music --tags",
            "The library has 2 tracks (2 calm); 1 files were set aside.",
            "library.json",
        ),
    ],
)
def test_commands_answer_from_any_folder_below(project, command, said, written):
    outcome = call(project, *command.split(), folder=project / "conf" / "base")
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.strip() == said
    assert (project / "data" / written).is_file()


def test_an_option_out_of_range_is_misuse(project):
    outcome = call(project, "hear", "me.wav", "--unsure-below", "1.5")
    assert outcome.returncode == 2
    assert "--unsure-below" in outcome.stderr


@pytest.mark.parametrize(
    ("given", "written"),
    [("recommend.top=4", "voice uplift 4 ()"), ("recommend.bridge=[a-z]{1,3}", "voice [a-z]{1,3} 10 ()")],
)
def test_run_is_kedros_own_with_its_options(project, given, written):
    outcome = call(project, "run", "--pipeline=recommend", "--params", given)
    assert outcome.returncode == 0, outcome.stderr
    assert "deprecated" not in outcome.stderr
    assert (project / "data/summary.txt").read_text() == written


@pytest.mark.parametrize("module", ["affetto", "kedro"])
def test_a_mistake_is_one_sentence(project, module):
    outcome = call(project, "run", "--pipeline=mistake", module=module)
    assert sentence(outcome) == "The clip x is empty: remove it."
    assert (outcome.stdout + outcome.stderr).count("The clip x is empty") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--pipeline=recomend"],
            "Did you mean one of these instead? recommend recommend_library",
        ),
        (["--params", "recomend.top=3"], "There is no parameter recomend: did you mean recommend?"),
        (["--params", "recommend.topp=3"], "did you mean recommend.top?"),
        (["--params", "recommend.tempo=3"], "recommend.tempo: there is no such parameter (given: 3)"),
        (["--params", "recommend.top=many"], "recommend.top: Input should be a valid integer"),
        (
            ["--pipeline=missing"],
            "data/voice/table.parquet is not there yet: run `kedro run --pipeline=voice`",
        ),
        (["--pipeline=recommend", "--pipelines=bug"], "cannot be used together"),
    ],
)
def test_other_mistakes_of_the_user(project, arguments, said):
    assert said in sentence(call(project, "run", *arguments))


@pytest.mark.parametrize(
    ("option", "text", "said"),
    [
        ("--params", "recommend.top", "write each parameter as name=value"),
        ("--config", "run:\n  params: [1", "cannot be read"),
        ("--config", "hello", "cannot be read"),
    ],
)
def test_options_that_cannot_be_read_are_misuse(project, tmp_path, option, text, said):
    file = tmp_path / "options.yml"
    file.write_text(text)
    outcome = call(project, "run", option, str(file) if option == "--config" else text)
    assert outcome.returncode == 2
    assert said in outcome.stderr and "Traceback" not in outcome.stderr


def test_a_bug_keeps_its_traceback(project):
    outcome = call(project, "run", "--pipeline=bug")
    assert outcome.returncode == 1
    assert "Traceback" in outcome.stderr or "ZeroDivisionError" in outcome.stderr


def test_outside_a_project_and_in_another(project, tmp_path):
    for command in (["run"], ["hear", "me.wav"]):
        assert "There is no Affetto project" in sentence(call(project, *command, folder=tmp_path))
    other = PYPROJECT.replace('package_name = "affetto"', 'package_name = "other"')
    (tmp_path / "pyproject.toml").write_text(other)
    (tmp_path / "src/other").mkdir(parents=True)
    (tmp_path / "src/other/__init__.py").touch()
    assert "another Kedro project" in sentence(call(project, "run", folder=tmp_path))


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_is_one_sentence(project):
    (project / "waiting").unlink(missing_ok=True)
    command = [sys.executable, "-m", "affetto", "run", "--pipeline=wait"]
    with subprocess.Popen(
        command, cwd=project, env=environment(project), stderr=subprocess.PIPE, text=True
    ) as running:
        while not (project / "waiting").exists() and running.poll() is None:
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=30)
    assert running.returncode == 130, errors
    assert "Traceback" not in errors
    assert "Interrupted" in errors
