"""What a folder holds beside what is expected, and what sources declare."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pandas as pd
import pytest

from affetto.corpora.describe import check_corpus, choose_side
from affetto.corpora.index import read_rows
from affetto.corpora.parameters import CorpusParameters
from affetto.corpora.sources import SOURCES
from affetto.corpora.sources.files import find_recordings
from affetto.corpora.sources.source import Expected
from affetto.errors import AffettoError

CHECKED = [(name, side) for name, source in SOURCES.items() for side in source.sides]


@pytest.fixture
def check(tmp_path, trees, tree_parameters, taxonomy, lay_out, monkeypatch):
    """Return a function that lays out a source's tree (or other files) and checks it."""

    def run(source, side=None, files=None, **parameters):
        side = side or SOURCES[source].sides[-1]
        monkeypatch.setattr("affetto.corpora.demo.ensure_demo_corpus", lambda *_, **__: None)
        monkeypatch.setattr("affetto.corpora.demo.is_current", lambda *_, **__: True)
        root = lay_out(tmp_path, trees[source] if files is None else files, side)
        own = {"root": root, **tree_parameters.get(source, {}), **parameters}
        return check_corpus(CorpusParameters(source=source, **own), taxonomy, side=side)

    return run


def as_list(cell):
    """Return the labels of a clip, which may have several."""
    return list(cell) if pd.api.types.is_list_like(cell) else [] if pd.isna(cell) else [str(cell)]


@pytest.mark.parametrize(("source", "side"), CHECKED)
def test_the_check_counts_what_the_index_lists(check, corpus, tree_parameters, tmp_path, source, side):
    found = check(source, side)
    clips = corpus(source, side)
    own = CorpusParameters(source=source, **{"root": tmp_path, **tree_parameters.get(source, {})})
    rows = read_rows(own, side=side).reindex(columns=["stem", "label"])
    labels = {f"{source}/{stem}": as_list(cell) for stem, cell in rows.itertuples(index=False)}

    assert found.clips.found == len(clips) == len(labels)
    assert found.groups.found == clips["group"].nunique()
    counts = Counter(label for several in labels.values() for label in several or [None])
    assert {count.label: count.found for count in found.labels if count.found} == counts
    meanings = {count.label: count.emotion for count in found.labels}
    for clip_id, emotion in clips.set_index("clip_id")["emotion"].items():
        named = {meanings[label] for label in labels[clip_id]} - {None}
        assert (None if pd.isna(emotion) else emotion) == (named.pop() if len(named) == 1 else None)
    split = clips["official_split"] if SOURCES[source].official_split else None
    assert found.official_split == (None if split is None else split.value_counts().to_dict())
    assert found.without_split == (0 if split is None else split.isna().sum())
    recordings = {path.relative_to(tmp_path).as_posix() for path in find_recordings(tmp_path)}
    assert set(found.unmatched) == recordings - set(clips["path"])


def test_a_part_differs_and_only_the_whole_agrees(check, monkeypatch):
    part = check("emodb")
    assert (part.clips.found, part.clips.expected) == (3, 535)
    assert (part.groups.found, part.groups.expected) == (2, 10)
    assert [count.label for count in part.labels if count.found] == ["F", "N", "W"]
    assert [count.emotion for count in part.labels if count.found] == ["happiness", "neutral", "anger"]
    assert not part.agrees

    whole = {"clips": 3, "groups": 2, "labels": {"F": 1, "N": 1, "W": 1}}
    for other in ({}, {"clips": 4}, {"groups": 3}, {"labels": {"F": 2}}, {"labels": {"L": 1}}):
        small = dataclasses.replace(SOURCES["emodb"], expected=Expected(**{**whole, **other}))
        monkeypatch.setitem(SOURCES, "emodb", small)
        assert check("emodb").agrees == (not other)


def test_nothing_expected_agrees(check):
    found = check("folders", "voice", {"angry/1.wav": "", "sad/2.wav": "", "loose.wav": ""})
    assert found.agrees
    assert [(count.label, count.emotion, count.found) for count in found.labels] == [
        ("angry", "anger", 1),
        ("sad", "sadness", 1),
        (None, None, 1),
    ]


def test_rows_without_a_recording_are_named(check):
    table = "path,emotion\na.wav,anger\ngone.wav,anger\n"
    found = check("table", "voice", files={"a.wav": "", "t.csv": table})
    assert found.missing == ("gone.wav",)
    assert not found.agrees
    assert found.official_split is None


def test_a_wrong_root_is_one_sentence(check, tmp_path):
    for root, what in (
        (tmp_path / "x", "not there"),
        (tmp_path / "file", "no folder"),
        (tmp_path / "e", "empty"),
    ):
        (tmp_path / "file").touch()
        (tmp_path / "e").mkdir(exist_ok=True)
        with pytest.raises(AffettoError, match=rf"ROOT is .*{what}: set ROOT to the folder of Berlin"):
            check("emodb", files={}, root=root)


@pytest.mark.parametrize(("source", "parameters"), [("demo", {}), ("audb", {"database": "emodb"})])
def test_what_is_stale_or_has_no_header_is_neither_made_nor_fetched_by_a_check(
    taxonomy, tmp_path, source, parameters
):
    (tmp_path / "demo_corpus.json").write_text('{"digest": "old", "files": []}')
    corpus = CorpusParameters(source=source, root=tmp_path, **parameters)

    with pytest.raises(AffettoError, match=r"missing or out of date: .* a check only looks"):
        check_corpus(corpus, taxonomy, side="voice")
    assert [path.name for path in tmp_path.iterdir()] == ["demo_corpus.json"]


def test_the_side_is_asked_for_only_where_there_are_two():
    assert choose_side(SOURCES["emodb"], None) == "voice"
    assert choose_side(SOURCES["folders"], "music") == "music"
    with pytest.raises(AffettoError, match="folders serves music and voice: choose one with --side"):
        choose_side(SOURCES["folders"], None)
    with pytest.raises(AffettoError, match="emodb is a corpus of voice, not of music"):
        choose_side(SOURCES["emodb"], "music")


@pytest.mark.parametrize(
    ("labels", "side"),
    [
        (["anger", "happiness"], "voice"),
        (["happy", "sad"], "voice"),  # words of both sides
        (["Q1", "Q3"], "music"),
        (["tense", "happy"], "music"),
        ([None, None], "voice"),
    ],
)
def test_the_labels_of_a_table_tell_its_side(tmp_path, lay_out, taxonomy, labels, side):
    rows = "".join(f"{number}.wav,{label or ''}\n" for number, label in enumerate(labels))
    lay_out(tmp_path, {"t.csv": f"path,emotion\n{rows}"})

    found = check_corpus(CorpusParameters(source="table", root=tmp_path), taxonomy, side=None)
    assert found.side == side
    assert sum(found.emotions.values()) == 0  # no recording is there
