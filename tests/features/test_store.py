import os
import pickle
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affetto.errors import AffettoError
from affetto.features import store as store_module
from affetto.features.store import PLAN_FILE, SHARD_FOLDER, FeatureStore
from affetto.io.files import PARTIAL_SUFFIX


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path)


def shards(store):
    return sorted((store.root / SHARD_FOLDER).glob("*.arrow"))


def shard_bytes(store):
    return sum(path.stat().st_size for path in shards(store))


def age(store, seconds):
    """Make all shards older than the plan by this time."""
    planned_s = (store.root / PLAN_FILE).stat().st_mtime
    for path in shards(store):
        os.utime(path, (planned_s - seconds,) * 2)


def rows(store):
    usage = store.usage()
    return usage.rows_used, usage.rows_unused


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


def test_metadata_come_back_and_any_arrow_reader_reads_a_shard(store, stores):
    stores.fill(store, [3, 2], 2)
    features = store.features()
    assert (features.name, features.dimensions, features.hop_s) == ("x", ("a", "b"), 0.01)
    assert features.parameters == {"extractor": "x", "version": 1}
    assert store.description() == stores.DESCRIPTION
    table = pa.ipc.open_file(shards(store)[0]).read_all()
    assert table.column_names == ["clip_id", "key", "n_frames", "values"]
    assert table.schema.field("values").type == pa.large_list(pa.float32())
    assert table["n_frames"].to_pylist() == [3, 2]


def test_values_are_views_of_the_mapped_file_and_a_pickle_is_small(store, stores):
    stores.fill(store, [200_000, 200_000, 3], 1)
    before = pa.total_allocated_bytes()
    features = store.features()
    array = features[1]
    assert array.base is not None
    assert not array.flags.writeable
    assert pa.total_allocated_bytes() - before < 100_000
    data = pickle.dumps(features)
    assert len(data) < 3_000
    np.testing.assert_array_equal(pickle.loads(data).take([2, 0])[0], features[2])


def test_what_a_killed_writer_left_does_not_count_and_is_removed_later(store, stores):
    stores.fill(store, [3], 1)
    partial = store.root / SHARD_FOLDER / f"dead.arrow{PARTIAL_SUFFIX}"
    partial.write_bytes(b"ARROW1 and then nothing")
    assert rows(store) == (1, 0)
    store.remove_partial_files()
    assert partial.exists()  # its writer may be alive
    os.utime(partial, (time.time() - 7_200,) * 2)
    store.remove_partial_files()
    assert not partial.exists()


@pytest.mark.parametrize("damage", [b"", b"ARROW1\0\0 rubbish", "truncated"])
def test_a_damaged_shard_is_passed_over_and_collected(store, stores, damage, caplog):
    stores.fill(store, [3, 30], 1)
    bad = store.root / SHARD_FOLDER / "bad.arrow"
    bad.write_bytes(shards(store)[0].read_bytes()[:-100] if damage == "truncated" else damage)
    assert rows(store) == (2, 0)
    assert "bad.arrow" in caplog.text
    age(store, 5)
    store.collect()
    assert not bad.exists()
    assert len(store.features()) == 2


def test_a_shard_that_is_gone_is_told(store, stores):
    stores.fill(store, [3, 2], 2)
    features = store.features()
    shards(store)[0].unlink()
    with pytest.raises(AffettoError, match=r"2 clips are gone .* first of c/0; run the pipeline again"):
        store.features()
    with pytest.raises(AffettoError, match="gone"):
        features[0]


def test_whole_shards_go_and_mixed_ones_are_rewritten(store, stores):
    ids, arrays = stores.fill(store, [5, 1, 2, 3, 4, 5, 6, 7], 3)
    assert (store.usage().bytes_total, store.usage().bytes_unused) == (shard_bytes(store), 0)
    assert store.collect() == (0, 0)
    kept = [ids[i] for i in (7, 4, 0, 6)]  # all of the last shard, one of the middle, one of the first
    stores.save_plan(store, kept)
    assert rows(store) == (4, 4)  # what other plans used stays until it is collected
    before, bytes_before = store.features(), shard_bytes(store)
    would = store.collect(dry_run=True)
    assert 0 < would[1] < shard_bytes(store) == bytes_before
    collected = store.collect()
    assert collected[0] == would[0] == 4
    assert collected[1] == bytes_before - shard_bytes(store) > 0
    after = store.features()
    assert after.clip_ids == tuple(kept)
    assert after.fingerprint == before.fingerprint
    for clip_id, array in zip(kept, after, strict=True):
        np.testing.assert_array_equal(array, arrays[ids.index(clip_id)])
    assert (rows(store), store.usage().bytes_unused) == ((4, 0), 0)


def test_what_an_interrupted_run_wrote_after_the_plan_stays(store, stores):
    new = ["new"], [stores.key_of("new")], [np.zeros((4, 2), np.float32)], stores.DESCRIPTION
    store.add(*new)
    assert store.collect() == (0, 0)  # there is no plan
    stores.fill(store, [3], 1)
    age(store, -5)
    assert rows(store) == (1, 1)
    assert store.collect() == (0, 0)
    age(store, 5)
    assert store.collect()[0] == 1
    assert rows(store) == (1, 0)


class Killed(BaseException):
    """Stands for the end of the process."""


def test_killed_at_any_step_the_plan_stays_whole_and_the_next_collection_ends_the_work(tmp_path, stores):
    ended, left = False, 0

    def guarded(function):
        def call(*arguments, **options):
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return function(*arguments, **options)

        return call

    for steps in range(20):
        store = FeatureStore(tmp_path / str(steps))
        ids, arrays = stores.fill(store, [5, 1, 2, 3, 4, 5], 2)
        stores.save_plan(store, [ids[5], ids[0]])
        left = steps
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store_module, "write_whole", guarded(store_module.write_whole))
            patch.setattr(Path, "unlink", guarded(Path.unlink))
            try:
                store.collect()
                ended = True
            except Killed:
                pass
        for clip_id, array in zip(store.features().clip_ids, store.features(), strict=True):
            np.testing.assert_array_equal(array, arrays[ids.index(clip_id)])
        age(store, 5)
        store.collect()
        assert store.features().clip_ids == (ids[5], ids[0])
        assert rows(store) == (2, 0)
        if ended:
            break
    assert ended
    assert steps >= 4
