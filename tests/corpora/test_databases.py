"""Databases of audformat and loaders of mirdata, and one sentence whatever is wrong with them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from affetto.errors import AffettoError
from affetto.io.paths import as_path

EMODB = ["audb/a@0-1", "audb/a@1-end", "audb/b"]


@pytest.fixture
def database(tmp_path):
    """A real database of audformat: two files of two seconds, three parts, a speaker a file."""
    import audformat

    db = audformat.Database("small")
    db.schemes["emotion"] = audformat.Scheme(labels=["Anger", "neutral", "other"])
    db.splits["dev"] = audformat.Split(audformat.define.SplitType.DEVELOP)
    parts = audformat.segmented_index(["a.wav", "a.wav", "b.wav"], ["0s", "1s", "0s"], ["1s", None, None])
    db["parts"] = audformat.Table(parts, split_id="dev")
    db["parts"]["choice"] = audformat.Column(scheme_id="emotion")
    db["parts"]["choice"].set(["Anger", "neutral", "other"])
    db["files"] = audformat.Table(audformat.filewise_index(["a.wav", "b.wav"]))
    db["files"]["speaker"] = audformat.Column()
    db["files"]["speaker"].set(["ann", "bob"])
    root = tmp_path / "database"
    root.mkdir()
    for name in ("a.wav", "b.wav"):
        soundfile.write(root / name, np.full(2 * 8_000, 0.1), 8_000)
    db.save(str(root))
    return root


def test_a_database_of_audformat(corpus, database):
    clips = corpus("audb", "voice", files={}, root=database)

    assert clips["clip_id"].tolist() == EMODB
    assert clips["path"].tolist() == ["a.wav", "a.wav", "b.wav"]
    assert clips["emotion"].fillna("").tolist() == ["anger", "neutral", ""]
    assert clips["group"].tolist() == ["ann", "ann", "bob"]
    assert set(clips["official_split"]) == {"validation"}


def test_audb_fetches_what_is_not_there_and_reads_it_again_without_fetching(
    corpus, database, tmp_path, monkeypatch
):
    import audb

    host = tmp_path / "host"
    (host / "repository").mkdir(parents=True)
    repository = audb.Repository("repository", str(host), "file-system")
    for name in ("CACHE_ROOT", "SHARED_CACHE_ROOT"):
        monkeypatch.setattr(audb.config, name, str(tmp_path / "cache"))
    monkeypatch.setattr(audb.config, "REPOSITORIES", [repository])
    audb.publish(str(database), "1.0.0", repository, verbose=False)

    def read(folder, **parameters):
        return corpus("audb", "voice", files={}, root=tmp_path / folder, **parameters)

    fetched = read("root", database="small", version="1.0.0")
    monkeypatch.setattr(audb.config, "REPOSITORIES", [])
    again = read("root", database="small")

    assert fetched["clip_id"].tolist() == again["clip_id"].tolist() == EMODB
    assert not list((tmp_path / "root").glob("*.pkl"))
    with pytest.raises(AffettoError, match=r"audb cannot fetch small 2.0.0 .*voice.corpus.version"):
        read("new", database="small", version="2.0.0")
    with pytest.raises(AffettoError, match=r"holds the database small, but voice.corpus.database is large"):
        read("root", database="large")


def test_tables_and_columns_of_a_database_may_be_chosen(corpus, trees):
    header = trees["audb"]["db.yaml"].replace("tables:\n  emotion:", "tables:\n  acted:")
    wish = "  desired:\n    type: filewise\n    columns:\n      wish: {scheme_id: emotion}\n"
    files = trees["audb"] | {
        "db.yaml": header.replace(", labels: ['{0}', '{1}']", "") + wish,
        "db.acted.csv": trees["audb"]["db.emotion.csv"],
        "db.desired.csv": "file,wish\nwav/1.wav,sad\nwav/2.wav,joy\n",
    }

    with pytest.raises(AffettoError, match=r"2 tables .* set voice.corpus.table .* those are acted, desired"):
        corpus("audb", "voice", files=files)
    desired = corpus("audb", "voice", files=files, table="des*", emotion_column="wish")
    assert desired["emotion"].tolist() == ["sadness", "happiness"]
    acted = corpus("audb", "voice", files=files, table="acted", group_column="emotion.confidence")
    assert acted["group"].tolist() == ["0.9", "0.4", "audb/wav/3"]


@pytest.mark.parametrize(
    ("table", "emotions", "splits"),
    [
        ("emotion*", ["anger", "neutral", "", "sadness"], ["", "", "", "test"]),
        (None, ["anger", "neutral", ""], ["", "", ""]),
    ],
)
def test_tables_of_parts_are_joined_on_demand_and_tell_the_split(corpus, trees, table, emotions, splits):
    header = trees["audb"]["db.yaml"].replace("tables:\n", "splits:\n  test: {type: test}\ntables:\n")
    more = "  emotion.test:\n    type: filewise\n    split_id: test\n    columns:\n      emotion: {}\n"
    files = trees["audb"] | {
        "db.yaml": header + more,
        "db.emotion.test.csv": "file,emotion\nwav/4.wav,sad\n",
        "wav/4.wav": "",
    }

    clips = corpus("audb", "voice", files=files, table=table)

    assert clips["emotion"].fillna("").tolist() == emotions
    assert clips["official_split"].fillna("").tolist() == splits


def test_nothing_that_lies_in_a_database_is_executed(corpus, trees, tmp_path):
    header = trees["audb"]["db.yaml"] + "evil: !!python/object/apply:os.mkdir ['executed']\n"
    with pytest.raises(AffettoError, match="not the header of an audformat database"):
        corpus("audb", files=trees["audb"] | {"db.yaml": header})
    assert not Path("executed").exists()
    with pytest.raises(AffettoError, match=r"pickled tables .db.emotion.pkl.*delete them"):
        corpus("audb", files=trees["audb"] | {"db.emotion.pkl": b"cos\nsystem\n."})


@pytest.mark.parametrize(
    ("source", "parameters", "message"),
    [
        ("audb", {"table": "emotions"}, "0 tables of the database small have a column emotion"),
        ("audb", {"emotion_column": "valence"}, "0 tables .* a column valence: .* there are emotion, files"),
        ("audb", {"group_column": "actor"}, "voice.corpus.group_column is 'actor', but the database small"),
        ("audb", {"split_column": "part"}, "voice.corpus.split_column is 'part'"),
        ("mirdata", {"database": None}, "music.corpus.database is None, which is no loader of mirdata"),
        ("mirdata", {"database": "emopia"}, "music.corpus.database is 'emopia', which is no loader"),
        ("mirdata", {"version": "9"}, "in the version 9"),
        ("mirdata", {"emotion_column": "feeling"}, "is 'feeling', which tracks .* use one of album_id"),
        ("mirdata", {"database": "ballroom"}, r"cannot read .*: fetch .*\.download\(\)`, or put the index"),
        ("mirdata", {"database": "dali"}, "cannot open its loader dali .*ModuleNotFoundError"),
    ],
)
def test_what_a_database_does_not_have_is_named(corpus, source, parameters, message):
    with pytest.raises(AffettoError, match=message):
        corpus(source, **parameters)


@pytest.mark.parametrize(
    ("source", "changes", "message"),
    [
        ("audb", {"db.files.csv": None}, "The table files of the database small cannot be read"),
        ("audb", {"db.files.csv": ""}, "The table files of the database small cannot be read"),
        ("audb", {"db.yaml": "name: small\n"}, "not the header of an audformat database"),
        ("audb", {"wav/": None}, "None of the 3 annotated clips of the database small"),
        ("mirdata", {"audios": None}, "None of the 4 .* The audio files can be downloaded"),
    ],
)
def test_what_is_damaged_or_missing_is_one_sentence(corpus, trees, source, changes, message):
    files = dict(trees[source])
    for name, content in changes.items():
        for path in [path for path in files if path.startswith(name)]:
            files[path] = content
    with pytest.raises(AffettoError, match=message):
        corpus(source, files={path: content for path, content in files.items() if content is not None})


@pytest.mark.parametrize("tracks", ['{"a": {}}', '{"a": {"audio": []}}', "[1]", "null"])
@pytest.mark.parametrize("database", ["ballroom", "openmic2018"])
def test_whatever_a_loader_of_mirdata_raises_is_one_sentence(corpus, tmp_path, database, tracks):
    import mirdata

    index = Path(mirdata.initialize(database, data_home=str(tmp_path)).index_path).name
    with pytest.raises(AffettoError, match=rf"mirdata's loader {database} cannot read .*{index}"):
        corpus("mirdata", files={index: f'{{"version": "1", "tracks": {tracks}}}'}, database=database)


@pytest.mark.parametrize(("source", "package"), [("audb", "audformat"), ("mirdata", "mirdata")])
def test_other_libraries_must_be_installed_and_read_this_machine_only(corpus, monkeypatch, source, package):
    root = as_path(f"memory://{source}-elsewhere")
    root.mkdir(parents=True)
    (root / "file").write_bytes(b"")
    with pytest.raises(AffettoError, match="reads folders of this machine only"):
        corpus(source, root=root)

    monkeypatch.setitem(sys.modules, package, None)  # as Python marks what cannot be imported
    with pytest.raises(AffettoError, match=rf"pip install 'affetto\[{source}\]'"):
        corpus(source)
