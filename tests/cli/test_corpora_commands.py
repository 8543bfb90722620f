"""`affetto corpora`, in a small project."""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile

import pytest

from affetto.corpora.sources import SOURCES
from affetto.corpora.sources.source import Download, Expected

TWO_CLIPS = ("03a01Fa.wav", "16a02Nc.wav")


@pytest.fixture
def emodb(project):
    """A folder with two clips named as EmoDB names them, and one that is not."""
    folder = project / "data/emodb"
    folder.mkdir(parents=True)
    for name in (*TWO_CLIPS, "intro.wav"):
        (folder / name).touch()
    return folder


@pytest.fixture
def complete(monkeypatch):
    """Make those two clips a complete copy."""
    expected = Expected(clips=2, groups=2, labels={"F": 1, "N": 1})
    monkeypatch.setitem(SOURCES, "emodb", dataclasses.replace(SOURCES["emodb"], expected=expected))


def test_list_works_outside_a_project(shell, tmp_path):
    outcome = shell("corpora", "list", "--json", folder=tmp_path)
    assert outcome.returncode == 0, outcome.stderr
    assert [entry["name"] for entry in json.loads(outcome.stdout)] == list(SOURCES)


def test_list_is_one_line_a_source(call):
    lines = call("corpora", "list", "--side", "music").stdout.splitlines()
    assert lines[0].split() == ["name", "side", "title", "licence", "clips"]
    assert len(lines) == 1 + sum("music" in source.sides for source in SOURCES.values())
    (emopia,) = [line for line in lines if line.startswith("emopia ")]
    assert emopia.endswith("1078")


def test_describe(call):
    text = call("corpora", "describe", "emodb").stdout
    assert "535 clips, 10 groups" in text
    assert ["W", "anger", "127"] in [line.split() for line in text.splitlines()]
    assert SOURCES["emodb"].citation in text


def test_describe_as_json_outside_a_project(call, tmp_path):
    described = json.loads(call("corpora", "describe", "emopia", "--json", folder=tmp_path).stdout)
    assert described["expected"]["clips"] == 1078
    assert described["labels"] is None
    inside = json.loads(call("corpora", "describe", "emopia", "--json").stdout)
    assert inside["labels"] == {"music": {"Q1": "happy", "Q2": "tense", "Q3": "sad", "Q4": "calm"}}


def test_every_source_is_described(call, tmp_path):
    for name, source in SOURCES.items():
        outcome = call("corpora", "describe", name, folder=tmp_path)
        assert outcome.exit_code == 0, outcome.stderr
        assert source.title in outcome.stdout


def test_check_of_a_part_ends_with_1(shell, emodb):
    outcome = shell("corpora", "check", "emodb", "../data/emodb", folder=emodb.parents[1] / "src")
    assert outcome.returncode == 1
    rows = [line.split() for line in outcome.stdout.splitlines()]
    assert ["clips", "2", "535", "differs"] in rows
    assert ["label", "F", "(happiness)", "1", "71", "differs"] in rows
    assert "1 recordings belong to no clip: intro.wav" in outcome.stdout


def test_names_of_recordings_without_a_clip_stay_in_their_line(call, emodb):
    (emodb / "x\x1b[2J\ny.wav").touch()

    assert "x\\x1b[2J\\ny.wav" in call("corpora", "check", "emodb", emodb).stdout


def test_check_of_the_whole_ends_with_0(call, emodb, complete):
    outcome = call("corpora", "check", "emodb", emodb)
    assert outcome.exit_code == 0, outcome.stderr
    assert ["clips", "2", "2"] in [line.split() for line in outcome.stdout.splitlines()]

    found = json.loads(call("corpora", "check", "emodb", emodb, "--json").stdout)
    assert (found["agrees"], found["side"], found["root"]) == (True, "voice", str(emodb))
    assert found["groups"] == {"found": 2, "expected": 2}
    assert found["unmatched"] == ["intro.wav"]
    assert {"found": 1, "expected": 1, "label": "N", "emotion": "neutral"} in found["labels"]


def test_check_takes_the_parameters_of_a_source(call, emodb):
    arguments = ("corpora", "check", "folders", emodb, "--side", "voice", "--json")
    groups = {
        pattern: json.loads(call(*arguments, "--param", f"group_pattern={pattern}").stdout)["groups"]["found"]
        for pattern in (r"^\w\w", r"wav")
    }
    assert groups == {r"^\w\w": 3, "wav": 1}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("emo-db", "x"), "There is no source 'emo-db': did you mean 'emodb'?"),
        (("emodb", "nowhere"), "which is not there: set ROOT to the folder of Berlin"),
        (("folders", "data"), "folders serves music and voice: choose one with --side."),
        (("emodb", "data", "--side", "music"), "emodb is a corpus of voice, not of music"),
        (("emodb", "data", "--param", "limit"), "--param limit: write it as KEY=VALUE."),
        (("emodb", "data", "--param", "limit=few"), "--param limit: Input should be a valid integer"),
        (
            ("emodb", "data", "--param", "limits=3"),
            "--param limits: there is no such parameter, did you mean limit? (given",
        ),
    ],
)
def test_mistakes_are_one_sentence(call, sentence, emodb, arguments, said):
    assert said in sentence(call("corpora", "check", *arguments))


def test_check_needs_the_taxonomy_of_a_project(call, sentence, emodb, tmp_path):
    outcome = call("corpora", "check", "emodb", emodb, folder=tmp_path)
    assert "There is no Affetto project" in sentence(outcome)


def test_an_environment_has_a_taxonomy_of_its_own(call, emodb, project, complete):
    (project / "conf/mine").mkdir()
    (project / "conf/mine/taxonomy.yml").write_text("taxonomy: {labels: {emodb: {F: calm}}}")
    found = json.loads(call("corpora", "check", "emodb", emodb, "--env", "mine", "--json").stdout)
    assert [count["emotion"] for count in found["labels"]] == ["calm", "neutral"]


def test_fetch_says_where_to_get_what_cannot_be_fetched(call, sentence, project):
    assert "there is nothing to fetch" in sentence(call("corpora", "fetch", "folders"))
    locked = next(source for source in SOURCES.values() if source.home_page and not source.downloads)
    assert f"get it from {locked.home_page}" in sentence(call("corpora", "fetch", locked.name))
    assert not (project / "data").exists()


def corpus_as_zip():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in TWO_CLIPS:
            archive.writestr(f"wav/{name}", os.urandom(100_000))
    return stream.getvalue()


class SlowHandler(http.server.BaseHTTPRequestHandler):
    """Stalls in the middle of the first answer; knows ranges."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        start = int(self.headers.get("Range", "bytes=0-")[len("bytes=") : -1])
        server.starts.append(start)
        body = server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        server.go_on.wait(30)
        try:
            self.wfile.write(body[len(body) // 2 :])
        except OSError:  # the client has gone
            self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), SlowHandler) as running:
        running.content, running.starts, running.go_on = corpus_as_zip(), [], threading.Event()
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.download = Download(
            f"http://127.0.0.1:{running.server_port}/emodb.zip",
            f"md5:{hashlib.md5(running.content).hexdigest()}",
        )
        yield running
        running.go_on.set()
        running.shutdown()
        thread.join()


def test_fetch_and_check(call, server, complete, monkeypatch, project, tmp_path):
    server.go_on.set()
    source = dataclasses.replace(SOURCES["emodb"], downloads=(server.download,))
    monkeypatch.setitem(SOURCES, "emodb", source)

    outcome = call("corpora", "fetch", "emodb")
    assert outcome.exit_code == 0, outcome.stderr
    assert f"Licence: {source.licence}" in outcome.stdout
    assert source.citation in outcome.stdout
    assert f"2 new files in {project / 'data/01_raw/emodb'}" in outcome.stdout
    assert call("corpora", "check", "emodb", "data/01_raw/emodb").exit_code == 0

    (project / "data/01_raw/emodb/wav" / TWO_CLIPS[0]).write_bytes(b"mine")
    again = call("corpora", "fetch", "emodb")
    assert "0 new files" in again.stdout
    assert f"wav/{TWO_CLIPS[0]} differs" in again.stderr
    assert server.starts == [0]

    elsewhere = call("corpora", "fetch", "emodb", "--into", "here", folder=tmp_path)
    assert elsewhere.exit_code == 0, elsewhere.stderr
    assert sorted(path.name for path in (tmp_path / "here/wav").iterdir()) == sorted(TWO_CLIPS)


def test_fetch_into_another_file_system_is_refused(call, sentence, monkeypatch, server):
    source = dataclasses.replace(SOURCES["emodb"], downloads=(server.download,))
    monkeypatch.setitem(SOURCES, "emodb", source)
    assert "is not on this machine" in sentence(call("corpora", "fetch", "emodb", "--into", "memory://x"))


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_keeps_what_has_arrived(server, tmp_path):
    program = (
        "import dataclasses, sys\n"
        "from affetto.corpora.sources import SOURCES\n"
        "from affetto.corpora.sources.source import Download\n"
        "download = Download(*sys.argv[1:3])\n"
        "SOURCES['emodb'] = dataclasses.replace(SOURCES['emodb'], downloads=(download,))\n"
        "from affetto.cli import cli\n"
        "cli.main(['corpora', 'fetch', 'emodb', '--into', 'corpus'], prog_name='affetto')\n"
    )
    command = [sys.executable, "-c", program, server.download.url, server.download.checksum]
    partial = tmp_path / "corpus/.downloads/emodb.zip.partial"
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as running:
        while not (partial.is_file() and partial.stat().st_size) and running.poll() is None:
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=30)
    assert running.returncode == 130, errors
    assert "Interrupted" in errors
    assert "Traceback" not in errors
    arrived = partial.stat().st_size
    assert arrived > 0

    server.go_on.set()
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    assert server.starts == [0, arrived]
    assert sorted(path.name for path in (tmp_path / "corpus/wav").iterdir()) == sorted(TWO_CLIPS)
