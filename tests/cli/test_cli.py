"""The command line: what its commands ask for, and how mistakes end."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from types import SimpleNamespace

import pytest
from kedro.framework.project import configure_project

import affetto.cli.answers
import affetto.cli.run
from affetto import __version__
from affetto.errors import AffettoError

THEMES = {
    f"{emotion}/{number}": {"emotion": emotion, "name": f"{emotion}: {name}", "tracks": tracks}
    for emotion, number, name, tracks in (
        ("sad", 1, "slow", 0),
        ("calm", 2, "soft", 1),
        ("calm", 1, "even", 12),
    )
}
DESCRIBED = {
    **{
        "tracks": 13,
        "copies": 0,
        "emotions": {"calm": 13},
        "set_aside": {"too quiet": 1},
        "mostly_speech": [],
        "unsure": 2,
        "learnt_from": {"name": "lstm", "corpus": "demo", "clips": 100, "groups": 25},
    },
    "themes": THEMES,
}
TOLD = """
The library has 13 tracks (13 calm); 1 files were set aside. 2 tracks are unsure, with no emotion that reaches 50%. The model lstm has learnt these emotions from 100 clips of demo; of music unlike them its answer may mean little.
tracks  theme
    12  calm: even
     1  calm: soft
Written to /reports: tracks.csv (a row a track), audit.html (what was set aside), tagged (copies of the files with tags)
"""  # noqa: E501


@pytest.fixture
def asked(monkeypatch):
    """Let commands run nothing; return the pipelines, environments and parameters that they ask for."""
    runs = []

    def run_pipeline(pipeline, env, parameters):
        runs.append((pipeline, env, parameters))
        summary = DESCRIBED if pipeline == "library" else f"what {pipeline} says"
        return defaultdict(lambda: SimpleNamespace(load=lambda: summary, _filepath="/reports/tracks.csv"))

    monkeypatch.setattr(affetto.cli.answers, "run_pipeline", run_pipeline)
    return runs


@pytest.fixture
def kedro(monkeypatch):
    """Let Kedro run nothing; return the options that it gets, and an error that it raises instead if set."""
    got = SimpleNamespace(options={}, error=None)

    def run(**options):
        got.options = options
        if got.error:
            raise got.error

    monkeypatch.setattr(affetto.cli.run.kedro_run, "callback", run)
    return got


def test_help_and_version_import_nothing_heavy():
    program = (
        "import sys; from affetto.cli import cli\n"
        "for option in ('--help', '--version'): cli.main([option], standalone_mode=False)\n"
        "print([name for name in ('kedro', 'numpy', 'pandas', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert all(f"  {name} " in done.stdout for name in ("hear", "recommend", "library", "train", "run"))
    assert done.stdout.splitlines()[-2:] == [f"affetto, version {__version__}", "[]"]


@pytest.mark.parametrize(
    ("command", "pipeline", "env", "parameters", "said"),
    [
        (
            "recommend me.wav --bridge congruent --top 3 --theme jig",
            "recommend",
            None,
            {"voice": "me.wav", "bridge": "congruent", "top": 3, "preferred_themes": ["jig"]},
            "what recommend says",
        ),
        (
            "recommend me.wav --library --env base",
            "recommend_library",
            "base",
            {"voice": "me.wav"},
            "what recommend_library says",
        ),
        (
            "hear me.wav --unsure-below 0.7 --enrol mine",
            "hear",
            None,
            {"voice": "me.wav", "unsure_below": 0.7, "enrol": "mine"},
            "what hear says",
        ),
        (
            "library music --tags",
            "library",
            None,
            {"corpus": {"source": "library", "root": "music"}, "export": {"write_tags": True}},
            TOLD.strip(),
        ),
    ],
)
def test_commands_answer_from_any_folder_below(
    call, project, asked, command, pipeline, env, parameters, said
):
    below = project / "conf" / "base"
    outcome = call(*command.split(), folder=below)
    assert outcome.stdout.strip() == said, outcome.stderr
    group = "library" if pipeline == "library" else "recommend"
    if group == "recommend" and env is None:
        parameters = {**parameters, "ready_model": True}  # what was trained here replaces nothing
    ((*run, given),) = asked
    assert run == [pipeline, env]
    assert json.loads(json.dumps(given).replace(f"{below}/", "")) == {group: parameters}


def test_run_is_kedros_own_with_its_options(call, kedro):
    assert "--from-nodes" in call("run", "--help").stdout
    for command in (["run"], []):  # options without a command are those of run
        options = ("--pipeline=recommend", "--params", "recommend.bridge=[a-z]{1,3},recommend.top=4")
        assert call(*command, *options).exit_code == 0
        assert kedro.options["pipelines"] == ["recommend"]
        assert kedro.options["pipeline"] is None  # which Kedro calls deprecated
        assert kedro.options["params"] == {"recommend": {"bridge": "[a-z]{1,3}", "top": 4}}


def test_a_mistake_is_one_sentence_a_bug_keeps_its_traceback(call, kedro, sentence):
    kedro.error = AffettoError("The clip x is empty: remove it.")
    assert sentence(call("run")) == "The clip x is empty: remove it."
    kedro.error = ZeroDivisionError("a bug")
    assert call("run").exception is kedro.error
    kedro.error = KeyboardInterrupt()
    interrupted = call("run")
    assert interrupted.exit_code == 130
    assert interrupted.stderr.startswith("Interrupted.")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--pipeline=recomend"], "Did you mean one of these instead? recommend recommend_library"),
        (["--params", "recomend.top=3"], "There is no parameter recomend: did you mean recommend?"),
        (["--params", "recommend.topp=3"], "did you mean recommend.top?"),
        (["--params", "recommend.tempo=3"], "recommend.tempo: there is no such parameter (given: 3)"),
        (["--params", "recommend.top=many"], "recommend.top: Input should be a valid integer"),
        (["--pipeline=recommend", "--pipelines=voice"], "cannot be used together"),
    ],
)
def test_other_mistakes_of_the_user(call, sentence, arguments, said):
    assert said in sentence(call("run", *arguments))


def test_kedro_itself_ends_in_one_sentence(project):
    done = subprocess.run(
        [sys.executable, "-m", "kedro", "run", "--params", "recommend.topp=3"],
        cwd=project, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert (done.stdout + done.stderr).count("did you mean recommend.top?") == 1


@pytest.mark.parametrize(
    ("command", "text", "said"),
    [
        (["hear", "me.wav", "--unsure-below"], "1.5", "--unsure-below"),
        (["run", "--params"], "recommend.top", "write each parameter as name=value"),
        (["run", "--config"], "run:\n  params: [1", "cannot be read"),
        (["run", "--config"], "hello", "cannot be read"),
    ],
)
def test_options_that_cannot_be_read_are_misuse(call, tmp_path, command, text, said):
    file = tmp_path / "options.yml"
    file.write_text(text)
    outcome = call(*command, file if "--config" in command else text)
    assert outcome.exit_code == 2
    assert said in outcome.stderr


def test_outside_a_project_and_in_another(call, project, sentence, tmp_path):
    for command in (["run"], ["hear", "me.wav"]):
        assert "There is no Affetto project" in sentence(call(*command, folder=tmp_path))
    text = (project / "pyproject.toml").read_text()
    (tmp_path / "pyproject.toml").write_text(text.replace('name = "affetto"', 'name = "other"'))
    (tmp_path / "src/other").mkdir(parents=True)
    (tmp_path / "src/other/__init__.py").touch()
    assert "another Kedro project" in sentence(call("run", folder=tmp_path))
    configure_project("affetto")  # Kedro remembers the settings of the other one
