"""What a store holds, beside what a run of today would extract."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from affetto.features.extract import extract as extract_clips
from affetto.features.log_mel import LogMelParameters
from affetto.features.status import store_status
from affetto.features.store import FeatureStore
from affetto.io.workers import ExecutorParameters


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a run would extract."""

    parameters: LogMelParameters | None
    clips: pd.DataFrame | None
    root: Path
    other_roots: dict[str, Path] = dataclasses.field(default_factory=dict)


def status_of(store, wanted):
    return store_status(store, *vars(wanted).values())


MEL = LogMelParameters()
OTHER = LogMelParameters(n_mels=32)


@pytest.fixture
def few(corpus):
    clips, root = corpus
    return Wanted(MEL, clips[:6].reset_index(drop=True), root)


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path / "log_mel")


def extract(store, wanted):
    executor, parameters = ExecutorParameters(n_jobs=1, progress=False), {store.root.name: wanted.parameters}
    extract_clips(
        wanted.clips, wanted.root, parameters, store.root.parent, executor, other_roots=wanted.other_roots
    )


def test_a_store_that_was_never_filled(store, few):
    status = status_of(store, few)
    assert (status.state, status.planned, status.planned_at) == ("never extracted", 0, None)
    assert status.usage.shards == 0


def test_a_fresh_store(store, few):
    before = datetime.now(UTC).replace(microsecond=0)
    extract(store, few)
    status = status_of(store, few)
    assert status.state == "fresh"
    assert (status.planned, status.extracted, status.set_aside) == (6, 6, {})
    assert (status.usage.rows_used, status.usage.rows_unused) == (6, 0)
    assert status.usage.bytes_total == sum(path.stat().st_size for path in store.root.rglob("*.arrow"))
    assert before <= status.planned_at <= datetime.now(UTC)


def test_what_changed_is_said_and_a_run_mends_it(store, few):
    extract(store, few)
    clips = few.clips
    contents = clips["content_hash"].where(clips.index != 3, "new")
    changes = {
        "parameters changed": dataclasses.replace(few, parameters=OTHER),
        "clips changed": dataclasses.replace(few, clips=clips.assign(content_hash=contents)),
        "parameters changed, clips changed": Wanted(OTHER, clips[:5], few.root),
    }
    for state, wanted in changes.items():
        assert status_of(store, wanted).state == state
    for wanted in changes.values():
        extract(store, wanted)
        assert status_of(store, wanted).state == "fresh"
    assert status_of(store, few).state == "parameters changed, clips changed"


@pytest.mark.parametrize(
    "change",
    [
        lambda clips: clips[:-1],
        lambda clips: clips[::-1],
        lambda clips: clips.assign(start_s=0.1),
        lambda clips: clips.assign(clip_id="d" + clips["clip_id"]),
    ],
)
def test_every_change_of_the_clips_is_noticed(store, few, change):
    extract(store, few)
    assert status_of(store, dataclasses.replace(few, clips=change(few.clips))).state == "clips changed"


def test_features_and_clips_that_the_project_no_longer_has(store, few):
    extract(store, few)
    assert status_of(store, dataclasses.replace(few, parameters=None)).state == "not in the parameters"
    assert status_of(store, dataclasses.replace(few, clips=None)).state == "no clip table"


def test_unused_rows_are_those_a_collection_removes(store, few):
    extract(store, few)
    fewer = dataclasses.replace(few, clips=few.clips[:2])
    extract(store, fewer)
    usage = status_of(store, fewer).usage
    assert (usage.rows_used, usage.rows_unused) == (2, 4)
    assert store.collect()[0] == 4
    assert status_of(store, fewer).usage.rows_unused == 0
    assert status_of(store, fewer).state == "fresh"


def test_reasons_of_another_corpus_are_without_its_paths(store, few, tmp_path):
    (tmp_path / "a.wav").touch()
    clips = few.clips[:2].assign(corpus=["other", "c"], path=["a.wav", few.clips["path"][1]])
    wanted = Wanted(MEL, clips, few.root, {"other": tmp_path})
    extract(store, wanted)
    status = status_of(store, wanted)
    assert status.set_aside == {"Cannot decode …: the file is empty (0 bytes).": 1}
    assert status.state == "fresh"


def test_reasons_are_counted_without_the_paths_of_clips(store, few, tmp_path):
    for name in ("a.wav", "b.wav", "c.wav"):
        (tmp_path / name).write_bytes(b"" if name != "c.wav" else b"no sound")
    clips = few.clips[:4].assign(
        path=["a.wav", "b.wav", "c.wav", str(few.root / few.clips["path"][3])],
        content_hash=["a", "b", "c", "d"],
    )
    wanted = Wanted(MEL, clips, tmp_path)
    extract(store, wanted)
    status = status_of(store, wanted)
    assert (status.planned, status.extracted) == (4, 1)
    assert list(status.set_aside.values()) == [2, 1]
    assert next(iter(status.set_aside)) == "Cannot decode …: the file is empty (0 bytes)."
    assert status.state == "fresh"
