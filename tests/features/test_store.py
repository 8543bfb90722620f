import os
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affetto.errors import AffettoError
from affetto.features.store import PLAN_FILE, SHARD_FOLDER, FeatureStore
from affetto.io.files import PARTIAL_SUFFIX


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=12), st.integers(1, 5), st.randoms())
def test_any_subset_in_any_order_comes_back_as_written(stores, sizes, cut, random):
    with tempfile.TemporaryDirectory() as folder:
        store = FeatureStore(Path(folder))
        ids, arrays = stores.fill(store, sizes, cut)
        features = store.features()
        chosen = random.sample(range(len(ids)), random.randint(0, len(ids)))
        subset = features.select([ids[i] for i in chosen])
        assert features.clip_ids == tuple(ids)
        assert list(subset.n_frames) == [sizes[i] for i in chosen]
        for i, array in zip(chosen, subset, strict=True):
            np.testing.assert_array_equal(array, arrays[i])


def test_metadata_come_back(tmp_path, stores):
    store = FeatureStore(tmp_path)
    stores.fill(store, [3, 2], 2)
    features = store.features()
    assert (features.name, features.dimensions, features.hop_s) == ("x", ("a", "b"), 0.01)
    assert features.parameters == {"extractor": "x", "version": 1}
    assert store.description() == stores.DESCRIPTION


def test_any_arrow_reader_reads_a_shard(tmp_path, stores):
    stores.fill(FeatureStore(tmp_path), [3, 2], 2)
    (path,) = (tmp_path / SHARD_FOLDER).glob("*.arrow")
    table = pa.ipc.open_file(path).read_all()
    assert table.column_names == ["clip_id", "key", "n_frames", "values"]
    assert table.schema.field("values").type == pa.large_list(pa.float32())
    assert table["n_frames"].to_pylist() == [3, 2]


def test_values_are_views_of_the_mapped_file(tmp_path, stores):
    stores.fill(FeatureStore(tmp_path), [200_000, 200_000], 1)
    before = pa.total_allocated_bytes()
    array = FeatureStore(tmp_path).features()[1]
    assert array.base is not None
    assert not array.flags.writeable
    assert pa.total_allocated_bytes() - before < 100_000
    maps = Path("/proc/self/maps")
    if maps.exists():
        assert SHARD_FOLDER in maps.read_text()


def test_a_pickle_is_small_and_reads_the_same(tmp_path, stores):
    stores.fill(FeatureStore(tmp_path), [50_000] * 4, 2)
    features = FeatureStore(tmp_path).features()
    data = pickle.dumps(features)
    assert len(data) < 3_000
    np.testing.assert_array_equal(pickle.loads(data).take([3, 0])[0], features[3])


def test_what_a_killed_writer_left_does_not_count_and_is_removed_later(tmp_path, stores):
    store = FeatureStore(tmp_path)
    stores.fill(store, [3], 1)
    partial = tmp_path / SHARD_FOLDER / f"dead.arrow{PARTIAL_SUFFIX}"
    partial.write_bytes(b"ARROW1 and then nothing")
    assert len(store.rows()[1]) == 1
    store.remove_partial_files()
    assert partial.exists()  # its writer may be alive
    os.utime(partial, (time.time() - 7_200,) * 2)
    store.remove_partial_files()
    assert not partial.exists()


@pytest.mark.parametrize("damage", [b"", b"ARROW1\0\0 rubbish"])
def test_a_damaged_shard_is_passed_over(tmp_path, damage, caplog, stores):
    store = FeatureStore(tmp_path)
    stores.fill(store, [3], 1)
    (tmp_path / SHARD_FOLDER / "bad.arrow").write_bytes(damage)
    assert store.rows()[1]["key"].tolist() == [stores.key_of("c/0").encode()]
    assert "bad.arrow" in caplog.text


def test_a_truncated_shard_is_passed_over(tmp_path, stores):
    store = FeatureStore(tmp_path)
    stores.fill(store, [30], 1)
    (path,) = (tmp_path / SHARD_FOLDER).glob("*.arrow")
    path.write_bytes(path.read_bytes()[:-100])
    assert len(store.rows()[1]) == 0


def test_failed_clips_have_reasons(tmp_path, stores):
    store = FeatureStore(tmp_path)
    store.add(["a"], [stores.key_of("a")], [np.zeros((1, 2), np.float32)], stores.DESCRIPTION)
    stores.save_plan(store, ["b", "a"], {"b": "broken"})
    assert store.plan().reasons == {"b": "broken"}
    assert store.features().clip_ids == ("a",)


def test_an_empty_store_says_what_to_do(tmp_path):
    store = FeatureStore(tmp_path / "nothing")
    assert len(store.rows()[1]) == 0
    assert store.description() is None
    with pytest.raises(AffettoError, match="first"):
        store.features()


def test_a_shard_that_is_gone_is_told(tmp_path, stores):
    store = FeatureStore(tmp_path)
    stores.fill(store, [3], 1)
    source = store.features().source
    (path,) = (tmp_path / SHARD_FOLDER).glob("*.arrow")
    path.unlink()
    with pytest.raises(AffettoError, match="gone"):
        store.features()
    with pytest.raises(AffettoError, match="gone"):
        source.read(0)


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
    assert (usage.rows_used, usage.rows_unused, usage.shards) == (3, 0, 2)
    assert (usage.bytes_total, usage.bytes_unused) == (shard_bytes(tmp_path), 0)
    assert store.collect() == (0, 0)


def test_whole_shards_go_and_mixed_ones_are_rewritten(tmp_path, stores):
    store = FeatureStore(tmp_path)
    ids, arrays = stores.fill(store, [5, 1, 2, 3, 4, 5, 6, 7], 3)
    kept = [ids[i] for i in (7, 4, 0, 6)]  # all of the last shard, one of the middle, one of the first
    stores.save_plan(store, kept)
    before, bytes_before = store.features(), shard_bytes(tmp_path)
    would = store.collect(dry_run=True)
    assert shard_bytes(tmp_path) == bytes_before
    collected = store.collect()
    assert collected[0] == would[0] == 4
    assert collected[1] == bytes_before - shard_bytes(tmp_path) > 0
    after = store.features()
    assert after.clip_ids == tuple(kept)
    assert after.fingerprint == before.fingerprint
    for clip_id, array in zip(kept, after, strict=True):
        np.testing.assert_array_equal(array, arrays[ids.index(clip_id)])
    usage = store.usage()
    assert (usage.rows_used, usage.rows_unused, usage.bytes_unused) == (4, 0, 0)
    assert store.collect() == (0, 0)


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
    before = set((tmp_path / SHARD_FOLDER).iterdir())
    store.add(["new"], [stores.key_of("new")], [np.zeros((4, 2), np.float32)], stores.DESCRIPTION)
    (late,) = set((tmp_path / SHARD_FOLDER).iterdir()) - before
    os.utime(late, (time.time() + 5,) * 2)
    assert store.usage().rows_unused == 1
    assert store.collect() == (0, 0)
    stores.save_plan(store, ["c/0"])
    age(tmp_path, 5)
    assert store.collect()[0] == 1
    assert len(store.rows()[1]) == 1


def test_without_a_plan_nothing_is_collected(tmp_path, stores):
    store = FeatureStore(tmp_path)
    assert store.usage().shards == 0
    assert store.collect() == (0, 0)
    store.add(["a"], [stores.key_of("a")], [np.zeros((4, 2), np.float32)], stores.DESCRIPTION)
    assert store.collect() == (0, 0)
    assert (store.usage().rows_used, store.usage().rows_unused) == (0, 1)


def test_a_reader_keeps_the_shards_it_has_open(tmp_path, stores):
    store = FeatureStore(tmp_path)
    ids, arrays = stores.fill(store, [300, 400], 2)
    features = store.features()
    values = features[0]
    stores.save_plan(store, ids[1:])
    assert store.collect()[0] == 1
    np.testing.assert_array_equal(values, arrays[0])
    np.testing.assert_array_equal(features[1], arrays[1])


def test_a_damaged_shard_is_deleted(tmp_path, stores):
    store = FeatureStore(tmp_path)
    stores.fill(store, [3, 2], 1)
    damaged = tmp_path / SHARD_FOLDER / "damaged.arrow"
    damaged.write_bytes(b"ARROW1 rubbish")
    age(tmp_path, 5)
    store.collect()
    assert not damaged.exists()
    assert len(store.features()) == 2


def test_rows_that_were_removed_are_told(tmp_path, stores):
    store = FeatureStore(tmp_path)
    ids, _ = stores.fill(store, [3, 2], 1)
    stores.save_plan(store, ids[:1])
    store.collect()
    stores.save_plan(store, ids)
    with pytest.raises(AffettoError, match=r"1 clips are gone .* first of c/1; run the pipeline again"):
        store.features()


COLLECT = """
import sys
from pathlib import Path
from affetto.features import store

left = int(sys.argv[2])
def guarded(function):
    def call(*arguments, **options):
        global left
        left -= 1
        if left < 0:
            import os, signal
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    return call
store.write_whole = guarded(store.write_whole)
Path.unlink = guarded(Path.unlink)
store.FeatureStore(Path(sys.argv[1])).collect()
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
        age(root, 5)
        store.collect()
        assert store.features().clip_ids == (ids[5], ids[0])
        assert (store.usage().rows_used, store.usage().rows_unused) == (2, 0)
        if process.returncode == 0:
            break
        steps += 1
    assert steps >= 4
