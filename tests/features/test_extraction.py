import os
import signal as signals
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from threadpoolctl import threadpool_limits

from affetto.audio.decode import read_audio
from affetto.audio.speech import SpeechParameters
from affetto.errors import AffettoError
from affetto.features.extraction import ExtractionPlan, extract_in_memory, run_plan
from affetto.features.extractors import default_name, describe, extract_one, parse_description
from affetto.features.key_index import KEYS_FILE
from affetto.features.parameters import LogMelParameters, MfccParameters, OpenSmileParameters
from affetto.features.plan_file import Description
from affetto.features.shard_jobs import clip_columns, make_shards
from affetto.features.shards import SHARD_FOLDER
from affetto.features.store import FeatureStore
from affetto.features.workers import ShardJob, extract_shard
from affetto.parallel import ExecutorParameters
from affetto.whole_files import PARTIAL_SUFFIX

MEL = LogMelParameters()
DESCRIPTION = Description("log_mel", ("a", "b"), 0.01, {})
ALONE = ExecutorParameters(n_jobs=1, progress=False)


@pytest.fixture(autouse=True)
def one_thread():
    """Limit matrix products to one thread, as workers do: the last bit depends on their number."""
    with threadpool_limits(1, user_api="blas"):
        yield


def make_plan(corpus, parameters=MEL, executor=ALONE) -> ExtractionPlan:
    clips, root = corpus
    return ExtractionPlan("log_mel", clips, root, parameters, executor)


def counts(report):
    return report.computed, report.reused, len(report.failures)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_stored_features_equal_direct_extraction(corpus, tmp_path, n_jobs):
    clips, root = corpus
    executor = ExecutorParameters(n_jobs=n_jobs, progress=False)
    assert counts(run_plan(make_plan(corpus, executor=executor), FeatureStore(tmp_path))) == (30, 0, 0)
    features = FeatureStore(tmp_path).features()
    assert features.clip_ids == tuple(clips["clip_id"])
    assert features.parameters == describe(MEL)
    for i in (0, 17, 29):
        expected = extract_one(*read_audio(root / f"{i:02d}.wav"), MEL)
        np.testing.assert_array_equal(features[i], expected)


@pytest.mark.parametrize("audited", [True, False])
def test_clips_of_another_corpus_are_read_below_its_own_root(corpus, tmp_path, audited):
    clips, root = corpus
    clips = clips[:4].reset_index(drop=True).assign(corpus=["c", "other", "c", "other"])
    (tmp_path / "else").mkdir()
    for path in clips["path"][[1, 3]]:
        (tmp_path / "else" / path).write_bytes((root / "20.wav").read_bytes())
    clips = clips if audited else clips.drop(columns="content_hash")
    plan = ExtractionPlan("log_mel", clips, root, MEL, ALONE, {"more": root, "other": tmp_path / "else"})
    store = FeatureStore(tmp_path / "store")

    assert counts(run_plan(plan, store)) == (4, 0, 0)
    features = store.features()
    for i, file in enumerate(["00.wav", "20.wav", "02.wav", "20.wav"]):
        np.testing.assert_array_equal(features[i], extract_one(*read_audio(root / file), MEL))
    assert counts(run_plan(plan, store)) == (0, 4, 0)


def test_a_second_run_computes_nothing_and_follows_the_new_order(corpus, tmp_path):
    clips, root = corpus
    store = FeatureStore(tmp_path)
    run_plan(make_plan(corpus), store)
    files = set(tmp_path.rglob("*.arrow"))
    shuffled = clips.sample(frac=0.7, random_state=0)
    assert counts(run_plan(make_plan((shuffled, root)), store)) == (0, 21, 0)
    assert set(tmp_path.rglob("*.arrow")) == files
    assert store.features().clip_ids == tuple(shuffled["clip_id"])


def test_only_what_changed_is_computed(corpus, tmp_path):
    clips, root = corpus
    store = FeatureStore(tmp_path)
    run_plan(make_plan((clips[:20], root)), store)
    assert counts(run_plan(make_plan(corpus), store)) == (10, 20, 0)
    changed = clips.assign(content_hash=clips["content_hash"].where(clips.index != 3, "new"))
    assert counts(run_plan(make_plan((changed, root)), store)) == (1, 29, 0)


def test_other_parameters_live_beside_the_first(corpus, tmp_path):
    clips, root = corpus
    few, store = (clips[:9], root), FeatureStore(tmp_path)
    run_plan(make_plan(few), store)
    first = store.features()
    assert counts(run_plan(make_plan(few, LogMelParameters(n_mels=32)), store)) == (9, 0, 0)
    assert store.features()[0].shape[1] == 32
    assert store.features().fingerprint != first.fingerprint
    assert counts(run_plan(make_plan(few), store)) == (0, 9, 0)
    assert store.features().fingerprint == first.fingerprint


def test_values_of_two_versions_of_a_library_are_never_mixed(corpus, tmp_path, monkeypatch):
    few, store = (corpus[0][:9], corpus[1]), FeatureStore(tmp_path)
    run_plan(make_plan(few), store)
    monkeypatch.setattr("affetto.features.extractors.version", lambda library: f"{library} of tomorrow")
    assert counts(run_plan(make_plan(few), store)) == (9, 0, 0)


def test_parts_of_a_file_are_clips_of_their_own(corpus, tmp_path):
    _, root = corpus
    times = {"start_s": [0.0, 0.2, np.nan], "end_s": [0.2, 0.4, np.nan]}
    parts = pd.DataFrame({"clip_id": ["a", "b", "c"], "path": "29.wav", **times}).assign(content_hash="same")
    run_plan(make_plan((parts, root)), FeatureStore(tmp_path))
    features = FeatureStore(tmp_path).features()
    assert list(features.n_frames) == [13, 13, 1 + len(read_audio(root / "29.wav")[0]) // 256]
    assert not np.array_equal(features[0], features[1])


def test_equal_recordings_are_computed_once(corpus, tmp_path):
    clips, root = corpus
    twice = clips[:2].assign(content_hash="same")
    run_plan(make_plan((twice, root)), FeatureStore(tmp_path))
    assert len(FeatureStore(tmp_path).index()) == 1
    assert len(FeatureStore(tmp_path).features()) == 2


def test_clips_without_audit_are_known_by_their_file(corpus, tmp_path):
    clips, root = corpus
    bare = clips[["clip_id", "path"]][:4]
    store = FeatureStore(tmp_path)
    assert counts(run_plan(make_plan((bare, root)), store)) == (4, 0, 0)
    assert counts(run_plan(make_plan((bare, root)), store)) == (0, 4, 0)


def test_failed_clips_are_set_aside_with_reasons_and_tried_again(corpus, tmp_path, caplog):
    clips, root = corpus
    broken = pd.concat([clips[:3], pd.DataFrame({"clip_id": ["c/gone"], "path": ["gone.wav"]})])
    store = FeatureStore(tmp_path)
    report = run_plan(make_plan((broken, root)), store)
    assert counts(report) == (3, 0, 1)
    assert "gone.wav" in store.failures["c/gone"]
    assert "c/gone" in caplog.text
    assert store.features().clip_ids == tuple(clips["clip_id"][:3])
    assert counts(run_plan(make_plan((broken, root)), store)) == (0, 3, 1)


def crash_at_07(job):
    """An extractor with a native bug, or one that another program ends."""
    if any(clip.clip_id == "c/07" for clip in job.clips):
        os.kill(os.getpid(), signals.SIGSEGV)
    return extract_shard(job)


def test_a_clip_that_crashes_its_worker_costs_itself_only(corpus, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("affetto.features.extraction.extract_shard", crash_at_07)
    clips, root = corpus
    store = FeatureStore(tmp_path)
    plan = make_plan(corpus, executor=ExecutorParameters(n_jobs=2, progress=False))
    assert counts(run_plan(plan, store)) == (29, 0, 1)
    assert store.failures == {"c/07": "The process that extracted it crashed."}
    assert "c/07" in caplog.text
    features = store.features()
    assert features.clip_ids == tuple(clip_id for clip_id in clips["clip_id"] if clip_id != "c/07")
    for i, name in ((6, "06"), (7, "08"), (28, "29")):
        np.testing.assert_array_equal(features[i], extract_one(*read_audio(root / f"{name}.wav"), MEL))
    assert counts(run_plan(plan, store)) == (0, 29, 1)  # alone now, and still not in this process


def test_all_failed_or_no_clips_is_an_error(corpus, tmp_path):
    clips, root = corpus
    gone = clips[:2].assign(path="gone.wav")
    with pytest.raises(AffettoError, match="all 2 clips"):
        run_plan(make_plan((gone, root)), FeatureStore(tmp_path))
    with pytest.raises(AffettoError, match="no clips"):
        run_plan(make_plan((clips[:0], root)), FeatureStore(tmp_path))


def test_in_memory_is_the_same_as_from_the_store(corpus, tmp_path):
    clips, root = corpus
    run_plan(make_plan((clips[:2], root)), FeatureStore(tmp_path))
    stored = FeatureStore(tmp_path).features()
    fresh = extract_in_memory([root / "00.wav", read_audio(root / "01.wav")], ["p", "q"], MEL)
    assert (fresh.name, fresh.dimensions, fresh.hop_s) == (stored.name, stored.dimensions, stored.hop_s)
    assert fresh.parameters == stored.parameters
    for a, b in zip(stored, fresh, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        (MfccParameters(extras=("chroma",)), "mfcc"),
        (MEL, "log_mel"),
        (OpenSmileParameters(), "functionals"),
        (OpenSmileParameters(feature_set="eGeMAPSv02"), "egemaps"),
        (OpenSmileParameters(level="lld"), "lld"),
    ],
)
def test_a_description_tells_the_parameters(parameters, name):
    assert parse_description(describe(parameters)) == parameters
    assert default_name(parameters) == name


def test_a_description_of_another_version_or_with_wrong_values():
    with pytest.raises(AffettoError, match="version 99"):
        parse_description({**describe(MEL), "version": 99})
    prepared = describe(LogMelParameters(speech=SpeechParameters()))
    assert parse_description(prepared) == LogMelParameters(speech=SpeechParameters())
    with pytest.raises(AffettoError, match=r"preparation 1, .* fit the model again"):
        parse_description({name: value for name, value in prepared.items() if name != "preparation"})
    with pytest.raises(AffettoError, match="log_mel"):
        parse_description({**describe(MEL), "n_mels": "many"})


SAVE = """
import sys, time
import pandas as pd
from pathlib import Path
from affetto.features import extraction, workers
from affetto.features.parameters import LogMelParameters
from affetto.features.store import FeatureStore
from affetto.parallel import ExecutorParameters
from affetto.whole_files import PARTIAL_SUFFIX

root, store, pause = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
extract = workers.extract_one
def slow(*arguments):
    time.sleep(pause)
    return extract(*arguments)
workers.extract_one = slow
paths = sorted(path.name for path in root.glob("*.wav"))
clips = pd.DataFrame({"clip_id": ["c/" + path[:2] for path in paths], "path": paths})
clips["content_hash"] = ["hash" + str(i) for i in range(len(clips))]
executor = ExecutorParameters(n_jobs=1, progress=False)
plan = extraction.ExtractionPlan("log_mel", clips, root, LogMelParameters(), executor)
extraction.run_plan(plan, FeatureStore(store))
"""


def start_saving(corpus, store, pause):
    arguments = [sys.executable, "-c", SAVE, str(corpus[1]), str(store), str(pause)]
    return subprocess.Popen(arguments, env={**os.environ, "PYTHONWARNINGS": "ignore"})


@pytest.mark.skipif(not hasattr(signals, "SIGKILL"), reason="kills by SIGKILL")
def test_runs_killed_at_any_moment_end_as_one_that_was_not(corpus, tmp_path):
    moments = np.random.default_rng(0).uniform(0.0, 0.5, 3)  # s after the first shard, or the start of a run
    store, kept = FeatureStore(tmp_path / "killed"), 0
    for moment in moments:
        process = start_saving(corpus, store.root, 0.05)
        end = time.monotonic() + 60
        while len(store.index()) <= kept and process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(moment)
        process.kill()
        process.wait()
        assert len(store.index()) > kept  # what was finished is not done again
        kept = len(store.index())
        if kept == 30:
            break
        assert not store.has_plan()
    assert counts(run_plan(make_plan(corpus), store)) == (30 - kept, kept, 0)
    whole = FeatureStore(tmp_path / "whole")
    run_plan(make_plan(corpus), whole)
    assert store.features().fingerprint == whole.features().fingerprint
    for a, b in zip(store.features(), whole.features(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_two_processes_fill_one_store(corpus, tmp_path):
    processes = [start_saving(corpus, tmp_path, 0.01) for _ in range(2)]
    assert [process.wait(timeout=100) for process in processes] == [0, 0]
    store = FeatureStore(tmp_path)
    assert counts(run_plan(make_plan(corpus), store)) == (0, 30, 0)
    np.testing.assert_array_equal(store.features()[7], extract_one(*read_audio(corpus[1] / "07.wav"), MEL))
    assert not list(tmp_path.rglob(f"*{PARTIAL_SUFFIX}"))


def test_a_renamed_or_moved_clip_is_not_computed_again(corpus, tmp_path):
    clips, root = corpus
    store = FeatureStore(tmp_path)
    run_plan(make_plan((clips[:3], root)), store)
    moved = clips[:3].assign(clip_id=["x/a", "x/b", "x/c"], path="elsewhere/" + clips["path"][:3])
    assert counts(run_plan(make_plan((moved, root)), store)) == (0, 3, 0)
    assert store.features().clip_ids == ("x/a", "x/b", "x/c")


def test_a_vanished_clip_stays_until_it_is_collected(corpus, tmp_path):
    clips, root = corpus
    store = FeatureStore(tmp_path)
    run_plan(make_plan((clips[:9], root)), store)
    run_plan(make_plan((clips[:4], root)), store)
    assert (store.usage().rows_used, store.usage().rows_unused) == (4, 5)
    assert counts(run_plan(make_plan((clips[:9], root)), store)) == (0, 9, 0)
    run_plan(make_plan((clips[:4], root)), store)
    assert store.collect().rows == 5
    assert counts(run_plan(make_plan((clips[:9], root)), store)) == (5, 4, 0)


def test_a_damaged_shard_is_computed_again(corpus, tmp_path):
    clips, root = corpus
    few, store = (clips[:16], root), FeatureStore(tmp_path)
    run_plan(make_plan(few), store)
    first = store.features().fingerprint
    damaged = sorted((tmp_path / SHARD_FOLDER).iterdir())[0]
    damaged.write_bytes(damaged.read_bytes()[:-50])
    assert counts(run_plan(make_plan(few), store)) == (8, 8, 0)
    assert store.features().fingerprint == first
    assert len(list(store.features())) == 16


def test_the_saved_index_answers_for_the_shards_and_may_be_deleted_or_damaged(corpus, tmp_path, caplog):
    store = FeatureStore(tmp_path)
    run_plan(make_plan(corpus), store)
    index = store.index()
    for damage in (None, b"rubbish"):
        (tmp_path / KEYS_FILE).unlink(missing_ok=True)
        if damage:
            (tmp_path / KEYS_FILE).write_bytes(damage)
        again = store.index()
        np.testing.assert_array_equal(again.keys, index.keys)
        np.testing.assert_array_equal(again.places.n_frames, index.places.n_frames)
    assert KEYS_FILE in caplog.text
    assert counts(run_plan(make_plan(corpus), store)) == (0, 30, 0)


def test_shards_are_bounded_in_clips_seconds_and_bytes(corpus, tmp_path, monkeypatch):
    clips, root = corpus
    monkeypatch.setattr("affetto.features.workers.MAX_SHARD_BYTES", 40_000)
    long = clips.assign(duration_s=np.where(clips.index < 5, 1_000.0, 0.5))
    run_plan(make_plan((long, root)), FeatureStore(tmp_path))
    tables = [pa.ipc.open_file(path).read_all() for path in (tmp_path / SHARD_FOLDER).iterdir()]
    assert sum(map(len, tables)) == 30
    assert max(len(table) for table in tables) <= 8
    for table in tables:
        ids, sizes = table["clip_id"].to_pylist(), [4 * len(values) for values in table["values"].to_pylist()]
        assert sum(sizes) <= 40_000 or len(ids) == 1  # a clip larger than the bound is alone
        assert sum(clip_id < "c/05" for clip_id in ids) <= 1
    features = FeatureStore(tmp_path).features()
    assert features.clip_ids == tuple(clips["clip_id"])
    np.testing.assert_array_equal(features[29], extract_one(*read_audio(root / "29.wav"), MEL))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if sys.platform != "linux" or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a file system needs Linux and its administrator")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_full_disk_is_told_harms_nothing_and_the_run_is_resumed(corpus, small_disk, n_jobs):
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 850_000)
    executor = ExecutorParameters(n_jobs=n_jobs, progress=False)
    store = FeatureStore(small_disk / "store")
    with pytest.raises(AffettoError, match=r"No space left on device.*free space and run again"):
        run_plan(make_plan(corpus, executor=executor), store)
    kept = len(store.index())
    assert 0 < kept < 30
    assert not store.has_plan()
    assert n_jobs > 1 or store.usage().partial_files == 0  # a worker that is ended while it writes leaves one
    ballast.unlink()
    report = run_plan(make_plan(corpus, executor=executor), store)
    assert report.reused >= kept  # a second worker may have finished a shard when the first met the end
    assert report.computed + report.reused == len(list(store.features())) == 30


def test_a_file_that_may_not_grow_is_told(tmp_path):
    """Where no file system can be mounted: the limit of a process does what a full disk does."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, limits[1]))
    try:
        with pytest.raises(AffettoError, match="free space and run again"):
            FeatureStore(tmp_path).add(["a"], ["k"], [np.zeros((9_999, 2), np.float32)], DESCRIPTION)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(FeatureStore(tmp_path).index()) == 0
    assert FeatureStore(tmp_path).usage().partial_files == 0


def test_jobs_are_made_when_they_are_asked_for(corpus):
    clips, root = corpus
    columns = clip_columns(clips, root, MEL)
    template = ShardJob(FeatureStore(root), DESCRIPTION, MEL, ())
    jobs = make_shards(columns, np.arange(30)[::-1], template, ALONE)
    assert jobs.sizes == [8, 8, 8, 6]
    assert len(jobs) == 4
    assert [clip.clip_id for job in jobs for clip in job.clips] == clips["clip_id"].tolist()[::-1]
    assert jobs[-1].clips == jobs[3].clips
    assert jobs[0].clips[0].path == root / "29.wav"
    assert (jobs[0].clips[0].start_s, jobs[0].clips[0].end_s) == (0.0, None)
    with pytest.raises(IndexError):
        jobs[4]
