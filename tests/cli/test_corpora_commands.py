"""`affetto corpora`, in a small project."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import http.server
import json
import os
import threading
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


def test_list_is_one_line_a_source(call, tmp_path):
    listed = json.loads(call("corpora", "list", "--json", folder=tmp_path).stdout)  # outside a project
    assert [entry["name"] for entry in listed] == list(SOURCES)
    lines = call("corpora", "list", "--side", "music").stdout.splitlines()
    assert lines[0].split() == ["name", "side", "title", "licence", "clips"]
    assert len(lines) == 1 + sum("music" in source.sides for source in SOURCES.values())
    (emopia,) = [line for line in lines if line.startswith("emopia ")]
    assert emopia.endswith("1078")


def test_describe(call, tmp_path):
    text = call("corpora", "describe", "emodb").stdout
    assert "535 clips, 10 groups" in text
    assert ["W", "anger", "127"] in [line.split() for line in text.splitlines()]
    assert SOURCES["emodb"].citation in text
    described = json.loads(call("corpora", "describe", "emopia", "--json").stdout)
    assert described["expected"]["clips"] == 1078
    assert described["labels"] == {"music": {"Q1": "happy", "Q2": "tense", "Q3": "sad", "Q4": "calm"}}
    for name, source in SOURCES.items():
        outcome = call("corpora", "describe", name, folder=tmp_path)  # outside a project, without a taxonomy
        assert outcome.exit_code == 0, outcome.stderr
        assert source.title in outcome.stdout


def test_check_of_a_part_ends_with_1(call, sentence, emodb, tmp_path):
    outside = call("corpora", "check", "emodb", emodb, folder=tmp_path)
    assert "There is no Affetto project" in sentence(outside)
    (emodb / "x\x1b[2J\ny.wav").touch()
    outcome = call("corpora", "check", "emodb", "../data/emodb", folder=emodb.parents[1] / "src")
    assert outcome.exit_code == 1
    rows = [line.split() for line in outcome.stdout.splitlines()]
    assert ["clips", "2", "535", "differs"] in rows
    assert ["label", "F", "(happiness)", "1", "71", "differs"] in rows
    assert "2 recordings belong to no clip: intro.wav, x\\x1b[2J\\ny.wav" in outcome.stdout


def test_check_of_the_whole_ends_with_0(call, emodb, complete):
    outcome = call("corpora", "check", "emodb", emodb)
    assert outcome.exit_code == 0, outcome.stderr
    assert ["clips", "2", "2"] in [line.split() for line in outcome.stdout.splitlines()]

    found = json.loads(call("corpora", "check", "emodb", emodb, "--json").stdout)
    assert (found["agrees"], found["side"], found["root"]) == (True, "voice", str(emodb))
    assert found["groups"] == {"found": 2, "expected": 2}
    assert found["unmatched"] == ["intro.wav"]
    assert {"found": 1, "expected": 1, "label": "N", "emotion": "neutral"} in found["labels"]


def test_the_labels_of_own_folders_tell_their_side(call, project, tmp_path):
    for side, label in (("music", "Q1"), ("voice", "anger")):
        (tmp_path / side / label).mkdir(parents=True)
        (tmp_path / side / label / "a.wav").touch()
        said = call("corpora", "check", "folders", tmp_path / side).stdout
        assert f"Checked as {side}; --side says otherwise." in said


def test_check_takes_the_parameters_of_a_source(call, emodb):
    arguments = ("corpora", "check", "folders", emodb, "--json")
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
        (("demo", "data"), "demo serves music and voice: choose one with --side."),
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


@pytest.fixture
def download(tmp_path):
    """A server of this machine with an archive of the two clips."""
    folder = tmp_path / "served"
    folder.mkdir()
    with zipfile.ZipFile(folder / "emodb.zip", "w") as archive:
        for name in TWO_CLIPS:
            archive.writestr(f"wav/{name}", os.urandom(1_000))
    checksum = f"md5:{hashlib.md5((folder / 'emodb.zip').read_bytes()).hexdigest()}"
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield Download(f"http://127.0.0.1:{server.server_port}/emodb.zip", checksum)
        server.shutdown()


def test_fetch_and_check(call, sentence, download, complete, monkeypatch, project, tmp_path):
    source = dataclasses.replace(SOURCES["emodb"], downloads=(download,))
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
    fetched = json.loads(call("corpora", "fetch", "emodb", "--json").stdout)
    assert (fetched["written"], fetched["different"]) == (0, [f"wav/{TWO_CLIPS[0]}"])

    remote = call("corpora", "fetch", "emodb", "--into", "memory://x")
    assert "is not on this machine" in sentence(remote)
    elsewhere = call("corpora", "fetch", "emodb", "--into", "here", folder=tmp_path)
    assert elsewhere.exit_code == 0, elsewhere.stderr
    assert sorted(path.name for path in (tmp_path / "here/wav").iterdir()) == sorted(TWO_CLIPS)


@pytest.fixture
def tabled(tmp_path):
    """Return a function that writes a table of six clips of two speakers beside (empty) recordings."""

    def write(header="path,emotion,group", rows=None, name="t.csv"):
        (tmp_path / "mine/wav").mkdir(parents=True, exist_ok=True)
        lines = []
        for number in range(6):
            emotion, speaker = ("anger", "fear", "calm")[number % 3], ("ann", "bo")[number // 3]
            (tmp_path / f"mine/wav/{number}.wav").touch()
            lines.append(f"wav/{number}.wav,{emotion},{speaker}")
        (tmp_path / "mine" / name).write_text("\n".join([header, *(lines if rows is None else rows(lines))]))
        return tmp_path / "mine"

    return write


def test_a_table_is_checked_without_a_side(call, tabled):
    outcome = call("corpora", "check", "table", tabled())
    assert outcome.exit_code == 0, outcome.stderr
    assert "Checked as voice; --side says otherwise." in outcome.stdout
    found = json.loads(call("corpora", "check", "table", tabled(), "--json").stdout)
    assert (found["side"], found["emotions"]) == ("voice", {"anger": 2, "calm": 2, "fear": 2})

    happy = tabled(rows=lambda lines: [line.replace("anger", "Q1").replace("fear", "Q3") for line in lines])
    told = call("corpora", "check", "table", happy).stdout
    assert "Checked as music" in told
    assert "--side music" in told


def test_what_training_refuses_is_said_instead_of_its_command(call, sentence, tabled):
    refused = {
        "one emotion": (
            lambda lines: [line.replace("fear", "anger") for line in lines if "calm" not in line]
        ),
        "one group": (lambda lines: [line.replace(",bo", ",ann") for line in lines]),
        "emotions that go with groups": lambda lines: [
            f"{line.split(',')[0]},{('anger,ann', 'fear,bo')[number // 3]}"
            for number, line in enumerate(lines)
        ],
        "all but one emotion of one clip": lambda lines: [*lines[:3], lines[3]],
        "no recording": lambda lines: [line.replace("wav/", "wav/x") for line in lines],
    }
    for kind, rows in refused.items():
        folder = tabled(rows=rows)
        told = call("corpora", "check", "table", folder).stdout
        assert "Train on it" not in told, kind
        (why,) = [
            line for line in told.splitlines() if line.startswith("No model can be trained on it yet. ")
        ]
        assert sentence(call("train", folder / "t.csv")) == why.partition("yet. ")[2], kind


def test_a_lone_emotion_is_said_and_trained_without(call, tabled, project, monkeypatch):
    folder = tabled(rows=lambda lines: [*lines, "wav/0.wav,disgust,ann".replace("0.wav", "6.wav")])
    (folder / "wav/6.wav").touch()
    said = "There is one clip only of disgust, which cannot be both in training and in test and is set aside."
    told = call("corpora", "check", "table", folder).stdout
    assert said in told
    assert f"Train on it: affetto train {folder}\n" in told

    monkeypatch.setattr("affetto.cli.train.run_pipeline", lambda *_: None)
    told = call("train", folder / "t.csv")
    assert told.exit_code == 0, told.stderr
    assert said in told.stdout
    assert "6 labelled clips of 2 groups: 2 anger, 2 calm, 2 fear." in told.stdout


def test_the_command_names_a_model_of_its_own_where_the_name_of_the_folder_is_taken(
    call, tabled, monkeypatch
):
    monkeypatch.setattr("affetto.cli.train.run_pipeline", lambda *_: None)
    folder = tabled()
    tabled(name="u.csv")
    assert call("train", folder / "t.csv").exit_code == 0
    for table, named in (("t.csv", ""), ("u.csv", " --name mine-u")):
        told = call("corpora", "check", "table", folder, "--param", f"table={table}").stdout
        assert f"Train on it: affetto train {folder / table}{named}\n" in told
    assert call("train", folder / "u.csv", "--name", "mine-u").exit_code == 0
