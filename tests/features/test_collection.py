import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from affetto.errors import AffettoError
from affetto.features import markers
from affetto.features.clip_features import as_keys
from affetto.features.collection import Collected
from affetto.features.plan_file import PLAN_FILE, StoredPlan
from affetto.features.shards import SHARD_FOLDER
from affetto.features.store import FeatureStore


def shard_bytes(root):
    return sum(path.stat().st_size for path in (root / SHARD_FOLDER).glob("*.arrow"))


def age(root, seconds):
    """Make all shards older than the plan by this time."""
    planned_s = (root / PLAN_FILE).stat().st_mtime
    for path in (root / SHARD_FOLDER).glob("*.arrow"):
        os.utime(path, (planned_s - seconds,) * 2)


def test_a_store_that_is_used_up_has_nothing_to_collect(tmp_path, stores):
    store = FeatureStore(tmp_path)
    stores.fill(store, [3, 2, 4], 2)
    usage = store.usage()
    assert (usage.rows_used, usage.rows_unused, usage.shards, usage.partial_files) == (3, 0, 2, 0)
    assert (usage.bytes_total, usage.bytes_unused) == (shard_bytes(tmp_path), 0)
    assert store.collect() == Collected(0, 0)


def test_whole_shards_go_and_mixed_ones_are_rewritten(tmp_path, stores):
    store = FeatureStore(tmp_path)
    ids, arrays = stores.fill(store, [5, 1, 2, 3, 4, 5, 6, 7], 3)
    kept = [ids[i] for i in (7, 4, 0, 6)]  # all of the last shard, one of the middle, one of the first
    stores.save_plan(store, kept)
    before, bytes_before = store.features(), shard_bytes(tmp_path)
    would = store.collect(dry_run=True)
    assert shard_bytes(tmp_path) == bytes_before
    collected = store.collect()
    assert collected.rows == would.rows == 4
    assert collected.bytes == bytes_before - shard_bytes(tmp_path) > 0
    after = store.features()
    assert after.clip_ids == tuple(kept)
    assert after.fingerprint == before.fingerprint
    for clip_id, array in zip(kept, after, strict=True):
        np.testing.assert_array_equal(array, arrays[ids.index(clip_id)])
    usage = store.usage()
    assert (usage.rows_used, usage.rows_unused, usage.bytes_unused) == (4, 0, 0)
    assert store.collect() == Collected(0, 0)


def test_rows_of_other_parameters_and_vanished_clips_stay_until_collected(tmp_path, stores):
    store = FeatureStore(tmp_path)
    stores.fill(store, [3, 2], 1)
    stores.save_plan(store, ["c/0"])
    usage = store.usage()
    assert (usage.rows_used, usage.rows_unused, usage.shards) == (1, 1, 2)
    assert 0 < usage.bytes_unused < usage.bytes_total
    stores.save_plan(store, ["c/0", "c/1"])
    assert len(store.features()) == 2


def test_what_an_interrupted_run_wrote_after_the_plan_stays(tmp_path, stores):
    store = FeatureStore(tmp_path)
    stores.fill(store, [3], 1)
    age(tmp_path, 0)
    late = store.add(["new"], [stores.key_of("new")], [np.zeros((4, 2), np.float32)], stores.DESCRIPTION)
    os.utime(tmp_path / SHARD_FOLDER / late, (time.time() + 5,) * 2)
    assert store.usage().rows_unused == 1
    assert store.collect() == Collected(0, 0)
    stores.save_plan(store, ["c/0"])
    age(tmp_path, 5)
    assert store.collect().rows == 1
    assert len(store.index()) == 1


def test_without_a_plan_nothing_is_collected(tmp_path, stores):
    store = FeatureStore(tmp_path)
    assert store.usage().shards == 0
    assert store.collect() == Collected(0, 0)
    store.add(["a"], [stores.key_of("a")], [np.zeros((4, 2), np.float32)], stores.DESCRIPTION)
    assert store.collect() == Collected(0, 0)
    assert (store.usage().rows_used, store.usage().rows_unused) == (0, 1)


def test_a_reader_keeps_the_shards_it_has_open(tmp_path, stores):
    store = FeatureStore(tmp_path)
    ids, arrays = stores.fill(store, [300, 400], 2)
    features = store.features()
    values = features[0]
    stores.save_plan(store, ids[1:])
    assert store.collect().rows == 1
    np.testing.assert_array_equal(values, arrays[0])
    np.testing.assert_array_equal(features[1], arrays[1])


def test_a_damaged_shard_is_deleted_unless_the_plan_needs_it(tmp_path, stores):
    store = FeatureStore(tmp_path)
    stores.fill(store, [3, 2], 1)
    for path in (tmp_path / SHARD_FOLDER).glob("*.arrow"):
        path.write_bytes(b"ARROW1 rubbish")
    (tmp_path / SHARD_FOLDER / "nobody.arrow").write_bytes(b"ARROW1 rubbish")
    age(tmp_path, 5)
    store.collect()
    assert not (tmp_path / SHARD_FOLDER / "nobody.arrow").exists()
    assert len(list((tmp_path / SHARD_FOLDER).glob("*.arrow"))) == 2


def test_a_collection_gives_way_to_a_run_and_a_run_waits_for_a_collection(tmp_path, stores, monkeypatch):
    store = FeatureStore(tmp_path)
    ids, _ = stores.fill(store, [3, 2], 1)
    stores.save_plan(store, ids[:1])
    with store.filling(), pytest.raises(AffettoError, match="in use by a run"):
        store.collect()
    assert store.collect().rows == 1
    events, waits = [], threading.Event()
    monkeypatch.setattr(markers.logger, "info", lambda *_: waits.set())
    with markers.collecting(tmp_path):
        run = threading.Thread(target=lambda: _fill_and_tell(store, events))
        run.start()
        assert waits.wait(60)
        events.append("collected")
    run.join()
    assert events == ["collected", "filled"]
    assert not list((tmp_path / markers.MARKER_FOLDER).iterdir())


def _fill_and_tell(store, events):
    with store.filling():
        events.append("filled")


def test_the_marker_of_a_killed_run_counts_for_a_while(tmp_path, stores):
    store = FeatureStore(tmp_path)
    ids, _ = stores.fill(store, [3, 2], 1)
    stores.save_plan(store, ids[:1])
    dead = tmp_path / markers.MARKER_FOLDER / "dead.run"
    dead.parent.mkdir()
    dead.write_bytes(b"alive")
    with pytest.raises(AffettoError, match="120 s"):
        store.collect()
    os.utime(dead, (time.time() - markers.LIFE_S - 1,) * 2)
    assert store.collect().rows == 1


def test_a_marker_is_renewed_while_its_run_lives(tmp_path, monkeypatch):
    monkeypatch.setattr(markers, "BEAT_S", 0.05)
    with markers.running(tmp_path):
        (marker,) = (tmp_path / markers.MARKER_FOLDER).iterdir()
        os.utime(marker, (1, 1))
        while marker.stat().st_mtime < 2:
            time.sleep(0.02)


def test_a_plan_that_refers_to_a_collected_shard_is_refused(tmp_path, stores):
    store = FeatureStore(tmp_path)
    stores.fill(store, [3, 2], 1)
    keys = as_keys([stores.key_of("c/0")])
    places = store.index().find(keys)
    for path in (tmp_path / SHARD_FOLDER).glob("*.arrow"):
        path.unlink()
    with pytest.raises(AffettoError, match="gone"):
        store.write_plan(StoredPlan(["c/0"], keys, places, {}, stores.DESCRIPTION))


COLLECT = """
import sys
from pathlib import Path
from affetto.features import collection
from affetto.features.store import FeatureStore

left = int(sys.argv[2])
def die(*arguments, **options):
    global left
    left -= 1
    if left < 0:
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
def guarded(function):
    def call(*arguments, **options):
        die()
        return function(*arguments, **options)
    return call
for name in ("copy_rows", "write_plan", "write_index"):
    setattr(collection, name, guarded(getattr(collection, name)))
Path.unlink = guarded(Path.unlink)
collection.collect(Path(sys.argv[1]))
"""


@pytest.mark.skipif(os.name == "nt", reason="kills by SIGKILL")
def test_killed_at_any_step_the_plan_stays_whole_and_the_next_collection_ends_the_work(tmp_path, stores):
    steps = 0
    while steps < 20:
        root = tmp_path / str(steps)
        store = FeatureStore(root)
        ids, arrays = stores.fill(store, [5, 1, 2, 3, 4, 5], 2)
        stores.save_plan(store, [ids[5], ids[0]])
        process = subprocess.run([sys.executable, "-c", COLLECT, str(root), str(steps)], check=False)
        for clip_id, array in zip(store.features().clip_ids, store.features(), strict=True):
            np.testing.assert_array_equal(array, arrays[ids.index(clip_id)])
        for marker in (root / markers.MARKER_FOLDER).iterdir():  # as if two minutes had passed
            os.utime(marker, (1, 1))
        age(root, 5)
        store.collect()
        assert store.features().clip_ids == (ids[5], ids[0])
        assert (store.usage().rows_used, store.usage().rows_unused) == (2, 0)
        if process.returncode == 0:
            break
        steps += 1
    assert steps >= 6
