"""`kedro package`, and what it makes, in an environment and a folder that know nothing of the project."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import textwrap
import venv
import zipfile
from pathlib import Path

import pytest
import soundfile

from affetto import __version__
from affetto.features.encoder.catalogue import DEFAULT_ENCODER
from affetto.features.encoder.weights import is_fetched

pytestmark = pytest.mark.package
REPOSITORY = Path(__file__).parents[2]
needs_encoder = pytest.mark.skipif(
    not is_fetched(DEFAULT_ENCODER), reason=f"{DEFAULT_ENCODER} is not fetched (affetto encoders fetch)"
)


def run(command, folder, check=False):
    unset = ("PYTHONPATH", "KEDRO_LOGGING_CONFIG", "KEDRO_ENV")
    inherited = {key: value for key, value in os.environ.items() if key not in unset}
    environment = {**inherited, "KEDRO_DISABLE_TELEMETRY": "1"}
    return subprocess.run(
        [*map(str, command)], cwd=folder, env=environment, capture_output=True, text=True, check=check
    )


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """What `kedro package` makes of a fresh clone."""
    root = tmp_path_factory.mktemp("project")
    for folder in ("conf", "src"):
        unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info", "trained")
        shutil.copytree(REPOSITORY / folder, root / folder, ignore=unwanted)
    for name in ("pyproject.toml", "README.md", "LICENSE", ".telemetry"):
        shutil.copy(REPOSITORY / name, root / name)
    (root / "conf/local/credentials.yml").write_text("key: secret")
    packaged = run([sys.executable, "-m", "kedro", "package"], root)
    assert packaged.returncode == 0, packaged.stdout + packaged.stderr
    return root / "dist"


@pytest.fixture(scope="module")
def binaries(dist, tmp_path_factory):
    """The programs of an environment that has the wheel, and of this one the other packages."""
    root = tmp_path_factory.mktemp("environment")
    venv.create(root, with_pip=False)
    python = root / "bin/python"
    (wheel,) = dist.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel]
    run(pip, root, check=True)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    others = root / "lib" / version / "site-packages" / "others.pth"
    others.write_text(sysconfig.get_path("purelib"))
    return python.parent


@pytest.fixture
def folder(dist, tmp_path, voice_of):
    """An empty folder with the configuration, and a voice."""
    with tarfile.open(dist / "conf-affetto.tar.gz") as packed:
        packed.extractall(tmp_path, filter="data")
    soundfile.write(tmp_path / "voice.wav", voice_of(3.0), 16_000)
    return tmp_path


def test_wheel_and_archive_hold_what_they_should(dist):
    source = REPOSITORY / "src"
    files = [path.relative_to(source) for path in (source / "affetto").rglob("*") if path.is_file()]
    wanted = {path.as_posix() for path in files if "__pycache__" not in path.parts}
    with zipfile.ZipFile(next(dist.glob(f"affetto-{__version__}-py3-none-any.whl"))) as wheel:
        held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == wanted
    assert "affetto/py.typed" in held
    with tarfile.open(dist / "conf-affetto.tar.gz") as packed:
        names = packed.getnames()
    assert {"conf/base/parameters/emotion.yml", "conf/logging.yml"} <= set(names)
    assert not [name for name in names if "credentials" in name]


def test_the_command_is_that_of_the_wheel(binaries, folder):
    assert run([binaries / "affetto", "--version"], folder).stdout == f"affetto, version {__version__}\n"
    where = run([binaries / "python", "-c", "import affetto; print(affetto.__file__)"], folder).stdout
    assert where.startswith(str(binaries.parent))


HEAR = ["--pipelines=hear", "--params", "recommend.voice=voice.wav,recommend.ready_model=true"]


def heard(outcome, folder):
    assert outcome.returncode == 0, outcome.stderr
    assert "WARNING" not in outcome.stderr
    answer = json.loads((folder / "data/08_reporting/voices/voice.json").read_text("utf-8"))
    return answer["status"] == "ok"


@needs_encoder
@pytest.mark.parametrize("source", ["conf", "conf-affetto.tar.gz"])
def test_a_pipeline_runs_in_an_empty_folder(binaries, dist, folder, source):
    shutil.copy(dist / "conf-affetto.tar.gz", folder)
    if source != "conf":
        shutil.rmtree(folder / "conf")
    # A parameter that the configuration only asks the command line for is found in both forms.
    arguments = [*HEAR[:-1], f"{HEAR[-1]},tracking.enabled=false", f"--conf-source={source}"]
    assert heard(run([binaries / "python", "-m", "affetto", *arguments], folder), folder)


@needs_encoder
def test_a_pipeline_runs_from_python(binaries, folder):
    program = f"""
        from affetto.__main__ import main

        outputs = main({[*HEAR, "--conf-source=conf"]})
        print(sorted(outputs))
        main(["--pipelines=heer", "--conf-source=conf"])
    """
    outcome = run([binaries / "python", "-c", textwrap.dedent(program)], folder)
    assert outcome.stdout.splitlines()[-1] == "['hear.summary']"
    assert outcome.returncode == 1
    assert outcome.stderr.splitlines()[-1].startswith("Error: Failed to find the pipeline named 'heer'.")
    assert (folder / "data/08_reporting/voices/voice.json").is_file()


@needs_encoder
def test_the_command_hears_in_an_empty_folder(binaries, folder):
    outcome = run([binaries / "affetto", "hear", "voice.wav"], folder)
    assert heard(outcome, folder)
    assert "voice  " in outcome.stdout


def test_mistakes_tell_what_works_without_a_project(binaries, folder):
    def said(*arguments):
        outcome = run([binaries / "affetto", *arguments], folder)
        assert outcome.returncode == 1
        return outcome.stderr.splitlines()[-1]

    there = "recommend.voice=voice.wav"
    assert "run `affetto run --pipeline=theme` first." in said("recommend", "voice.wav")
    assert "by recommend.ready_model=true." in said("--pipelines=hear", "--params", there)
    shutil.rmtree(folder / "conf")
    assert "unpack conf-affetto.tar.gz" in said("hear", "voice.wav")
