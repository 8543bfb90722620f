"""`affetto features`, in a small project with two features of a few clips."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml

from affetto.features.extract import extract as extract_clips
from affetto.features.store import FeatureStore
from affetto.features.table import LogMelParameters, MfccParameters
from affetto.io.workers import ExecutorParameters

HEADER = "feature side clips extracted set aside unused shards size planned state"


@pytest.fixture
def clips(project):
    """The clip table of the voice side, four clips, one of them empty, in the environment `small`."""
    root = project / "data/01_raw/mine"
    root.mkdir(parents=True)
    for name in "abc":
        noise = np.random.default_rng(ord(name)).uniform(-0.1, 0.1, 8_000)
        soundfile.write(root / f"{name}.wav", noise, 16_000)
    (root / "d.wav").touch()
    table = pd.DataFrame(
        {"clip_id": [f"c/{name}" for name in "abcd"], "path": [f"{name}.wav" for name in "abcd"]}
    )
    table["content_hash"] = table["path"]
    (project / "conf/small").mkdir()
    corpus = {"voice": {"corpus": {"source": "folders", "root": "data/01_raw/mine"}}}
    (project / "conf/small/parameters.yml").write_text(yaml.safe_dump(corpus))
    save(project, table)
    return table


def save(project, table):
    path = project / "data/03_primary/voice/clips.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(path)


@pytest.fixture
def extract(project, clips):
    """Return a function that extracts a feature of the first clips with the project's parameters."""
    text = (project / "conf/base/parameters/features.yml").read_text()
    parameters = yaml.safe_load(text)["voice"]["features"]
    kinds = {"log_mel": LogMelParameters, "mfcc": MfccParameters}

    def run(feature, n_clips=4, **changed):
        own = kinds[feature](**{**parameters[feature], **changed})
        executor = ExecutorParameters(n_jobs=1, progress=False)
        root, stores = project / "data/01_raw/mine", project / "data/04_feature/voice"
        extract_clips(clips[:n_clips], root, {feature: own}, stores, executor)

    return run


@pytest.fixture
def states(call):
    """Return a function that returns feature → state of the voice side."""

    def read():
        outcome = call("features", "status", "--side", "voice", "--env", "small", "--json")
        assert outcome.exit_code == 0, outcome.stderr
        return {entry["feature"]: entry["state"] for entry in json.loads(outcome.stdout)}

    return read


VOICE = {"correlations", "egemaps", "functionals", "lld", "log_mel", "mfcc", "raw_functionals"}


def test_nothing_extracted_yet(call, sentence, tmp_path):
    entries = json.loads(call("features", "status", "--json").stdout)
    found = {(entry["side"], entry["feature"]) for entry in entries}
    assert found == {("music", "mfcc"), ("music", "midterm"), *(("voice", name) for name in VOICE)}
    assert {(entry["state"], entry["planned_at"]) for entry in entries} == {("never extracted", None)}
    for command in ("status", "collect"):
        assert "There is no Affetto project" in sentence(call("features", command, folder=tmp_path))


def test_status_follows_what_changes(project, states, extract, clips):
    extract("log_mel")
    extract("mfcc", n_mfcc=13)
    changed = {"log_mel": "fresh", "mfcc": "parameters changed"}
    assert states() == {**dict.fromkeys(VOICE, "never extracted"), **changed}
    extract("mfcc")
    save(project, clips.assign(content_hash=["new", *clips["content_hash"][1:]]))
    assert states()["mfcc"] == "clips changed"
    (project / "data/03_primary/voice/clips.parquet").unlink()
    assert states()["mfcc"] == "no clip table"


def test_a_store_that_the_parameters_no_longer_name(project, states, extract):
    extract("log_mel")
    path = project / "conf/base/parameters/features.yml"
    parameters = yaml.safe_load(path.read_text())
    del parameters["voice"]["features"]["log_mel"], parameters["voice"]["features"]["lld"]
    path.write_text(yaml.safe_dump(parameters))
    models = project / "conf/base/parameters/emotion.yml"
    models.write_text(models.read_text().replace("[log_mel, functionals]", "[functionals]"))
    assert states()["log_mel"] == "not in the parameters"
    assert "lld" not in states()


def test_status_as_a_table(call, extract):
    extract("log_mel")
    lines = call("features", "status", "--side", "voice", "--env", "small").stdout.splitlines()
    assert " ".join(lines[0].split()) == HEADER
    (row,) = [line.split() for line in lines if line.startswith("log_mel ")]
    assert row[1:7] == ["voice", "4", "3", "1", "0", "1"]
    assert row[-1] == "fresh"
    assert lines[-1] == "voice.log_mel: 1 set aside: Cannot decode …: the file is empty (0 bytes)."


def test_collect_says_how_much_and_removes_it(project, call, extract):
    extract("log_mel")
    extract("log_mel", n_mels=32)
    extract("log_mel", n_clips=2)
    store = FeatureStore(project / "data/04_feature/voice/log_mel")
    before = store.usage()
    assert (before.rows_used, before.rows_unused) == (2, 4)

    dry = call("features", "collect", "--env", "small", "--dry-run")
    assert dry.exit_code == 0, dry.stderr
    assert "voice.log_mel: 4 rows that the last run did not ask for, about " in dry.stdout
    assert "kB" in dry.stdout
    assert "removed" not in dry.stdout
    assert store.usage() == before

    done = call("features", "collect", "--env", "small")
    assert "voice.log_mel: removed 4 rows" in done.stdout
    assert "voice.egemaps: nothing to remove" in done.stdout
    assert (store.usage().rows_used, store.usage().rows_unused) == (2, 0)
    assert store.features().clip_ids == ("c/a", "c/b")
    assert "nothing to remove" in call("features", "collect", "--env", "small").stdout
