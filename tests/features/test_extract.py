import errno
import os
import signal as signals
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from affetto.audio.decode import read_audio
from affetto.errors import AffettoError
from affetto.features.extract import extract, extract_shard
from affetto.features.store import PLAN_FILE, SHARD_FOLDER, FeatureStore
from affetto.features.table import LogMelParameters, OpenSmileParameters
from affetto.io.workers import ExecutorParameters

MEL = LogMelParameters()
ALONE = ExecutorParameters(n_jobs=1, progress=False)


@pytest.fixture(autouse=True)
def one_thread():
    """Limit matrix products to one thread, as workers do: the last bit depends on their number."""
    with threadpool_limits(1, user_api="blas"):
        yield


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path / "log_mel")


def run(corpus, folder, parameters=MEL, executor=ALONE, **options):
    """Extract one feature; returns numbers of clips computed, reused and failed, and the feature."""
    clips, root = corpus
    found = extract(clips, root, {"log_mel": parameters}, folder, executor, **options)["log_mel"]
    return found.computed, found.reused, len(found.failures), found.features


def n_rows(store):
    return len(store.rows()[1])


def test_only_what_is_new_is_computed(corpus, store, tmp_path):
    clips, root = corpus
    *found, features = run((clips[:9], root), tmp_path)
    assert found == [9, 0, 0]
    assert features.fingerprint == store.features().fingerprint
    assert features.parameters == MEL.describe()
    for values, path in zip(features, clips["path"], strict=False):
        np.testing.assert_array_equal(values, MEL.extract(*read_audio(root / path)))
    shuffled = clips[:12].sample(frac=1, random_state=0)
    *found, features = run((shuffled, root), tmp_path)
    assert found == [3, 9, 0]
    assert features.clip_ids == tuple(shuffled["clip_id"])
    changed = clips[:12].assign(content_hash=clips["content_hash"].where(clips.index != 3, "new"))
    assert run((changed, root), tmp_path)[:3] == (1, 11, 0)
    moved = clips[:3].assign(clip_id=["x/a", "x/b", "x/c"], path="elsewhere/" + clips["path"][:3])
    assert run((moved, root), tmp_path)[:3] == (0, 3, 0)


def test_other_parameters_and_versions_of_libraries_live_beside_the_first(corpus, tmp_path, monkeypatch):
    few = corpus[0][:4], corpus[1]
    first = run(few, tmp_path)[3]
    *found, other = run(few, tmp_path, LogMelParameters(n_mels=32))
    assert found == [4, 0, 0]
    assert other[0].shape[1] == 32
    assert other.fingerprint != first.fingerprint
    *found, again = run(few, tmp_path)
    assert found == [0, 4, 0]
    assert again.fingerprint == first.fingerprint
    monkeypatch.setattr("affetto.features.parameters.version", lambda library: f"{library} of tomorrow")
    assert run(few, tmp_path)[:3] == (4, 0, 0)


def test_each_of_several_features_computes_what_it_lacks_of_the_clips_that_it_takes(
    corpus, tmp_path, monkeypatch
):
    monkeypatch.setattr("affetto.features.opensmile.MAX_DURATION_S", 0.4)
    clips, root = corpus[0][:8], corpus[1]
    wanted = {"log_mel": MEL, "egemaps": OpenSmileParameters(feature_set="eGeMAPSv02")}
    extract(clips[:4], root, {"log_mel": MEL}, tmp_path, ALONE)
    found = extract(clips, root, wanted, tmp_path, ALONE)
    assert [(each.computed, each.reused) for each in found.values()] == [(4, 4), (6, 0)]
    assert list(found["egemaps"].failures) == ["c/06", "c/07"]
    assert "at most 0 s" in found["egemaps"].failures["c/07"]
    for name, parameters in wanted.items():
        for path, values in zip(clips["path"], found[name].features, strict=False):
            samples, rate = read_audio(root / path, sample_rate_hz=parameters.rate_hz)
            np.testing.assert_array_equal(values, parameters.extract(samples, rate))


@pytest.mark.parametrize("audited", [True, False])
def test_clips_of_another_corpus_are_read_below_its_own_root(corpus, tmp_path, audited):
    clips, root = corpus
    clips = clips[:4].reset_index(drop=True).assign(corpus=["c", "other", "c", "other"])
    (tmp_path / "else").mkdir()
    for path in clips["path"][[1, 3]]:
        (tmp_path / "else" / path).write_bytes((root / "20.wav").read_bytes())
    clips = clips if audited else clips.drop(columns="content_hash")  # then the file says what it is
    roots = {"more": root, "other": tmp_path / "else"}
    *found, features = run((clips, root), tmp_path, other_roots=roots)
    assert found == [4, 0, 0]
    for i, file in enumerate(["00.wav", "20.wav", "02.wav", "20.wav"]):
        np.testing.assert_array_equal(features[i], MEL.extract(*read_audio(root / file)))
    assert run((clips, root), tmp_path, other_roots=roots)[:3] == (0, 4, 0)


def test_parts_of_a_file_are_clips_of_their_own_and_equal_ones_are_computed_once(corpus, store, tmp_path):
    _, root = corpus
    times = {"start_s": [0.0, 0.2, np.nan, 0.2], "end_s": [0.2, 0.4, np.nan, 0.4]}
    parts = pd.DataFrame({"clip_id": list("abcd"), "path": "29.wav", **times}).assign(content_hash="same")
    features = run((parts, root), tmp_path)[3]
    assert list(features.n_frames) == [13, 13, 1 + len(read_audio(root / "29.wav")[0]) // 256, 13]
    assert not np.array_equal(features[0], features[1])
    np.testing.assert_array_equal(features[1], features[3])
    assert n_rows(store) == 3


def test_failed_clips_are_set_aside_with_reasons_and_tried_again(corpus, store, tmp_path, caplog):
    clips, root = corpus
    broken = pd.concat([clips[:3], pd.DataFrame({"clip_id": ["c/gone"], "path": ["gone.wav"]})])
    *found, features = run((broken, root), tmp_path)
    assert found == [3, 0, 1]
    assert "gone.wav" in store.plan().reasons["c/gone"]
    assert "c/gone" in caplog.text
    assert features.clip_ids == store.features().clip_ids == tuple(clips["clip_id"][:3])
    assert run((broken, root), tmp_path)[:3] == (0, 3, 1)


def test_all_failed_or_no_clips_is_an_error(corpus, tmp_path):
    clips, root = corpus
    with pytest.raises(AffettoError, match="all 2 clips"):
        run((clips[:2].assign(path="gone.wav"), root), tmp_path)
    with pytest.raises(AffettoError, match="no clips"):
        run((clips[:0], root), tmp_path)


def crash_at_07(job):
    """An extractor with a native bug, or one that another program ends."""
    if "c/07" in job.clips["clip_id"].tolist():
        os.kill(os.getpid(), signals.SIGSEGV)
    return extract_shard(job)


def test_a_clip_that_crashes_its_worker_costs_itself_only(corpus, store, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("affetto.features.extract.extract_shard", crash_at_07)
    clips, root = corpus
    two = ExecutorParameters(n_jobs=2, progress=False)
    *found, features = run(corpus, tmp_path, executor=two)
    assert found == [29, 0, 1]
    assert store.plan().reasons == {"c/07": "The process that extracted it crashed."}
    assert "c/07" in caplog.text
    assert features.clip_ids == tuple(clip_id for clip_id in clips["clip_id"] if clip_id != "c/07")
    for i, name in ((6, "06"), (7, "08"), (28, "29")):
        np.testing.assert_array_equal(features[i], MEL.extract(*read_audio(root / f"{name}.wav")))
    assert run(corpus, tmp_path, executor=two)[:3] == (0, 29, 1)  # alone now, and still not in this process


SAVE = """
import sys, time
import pandas as pd
from pathlib import Path
from affetto.features import extract
from affetto.features.log_mel import LogMelParameters
from affetto.io.workers import ExecutorParameters

root, folder, pause = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
together = extract.extract_together
def slow(*arguments):
    time.sleep(pause)
    return together(*arguments)
extract.extract_together = slow
paths = sorted(path.name for path in root.glob("*.wav"))
clips = pd.DataFrame({"clip_id": ["c/" + path[:2] for path in paths], "path": paths})
clips["content_hash"] = ["hash" + str(i) for i in range(len(clips))]
executor = ExecutorParameters(n_jobs=1, progress=False)
extract.extract(clips, root, {"log_mel": LogMelParameters()}, folder, executor)
"""


def start_saving(corpus, folder, pause):
    arguments = [sys.executable, "-c", SAVE, str(corpus[1]), str(folder), str(pause)]
    return subprocess.Popen(arguments, env={**os.environ, "PYTHONWARNINGS": "ignore"})


@pytest.mark.skipif(not hasattr(signals, "SIGKILL"), reason="kills by SIGKILL")
def test_runs_killed_at_any_moment_end_as_one_that_was_not(corpus, store, tmp_path):
    kept = 0
    for moment in (0.3, 0.05):  # s after the first shard, or the start of a run
        process = start_saving(corpus, tmp_path, 0.05)
        end = time.monotonic() + 60
        while n_rows(store) <= kept and process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(moment)
        process.kill()
        process.wait()
        assert n_rows(store) > kept  # what was finished is not done again
        kept = n_rows(store)
        if kept == 30:
            break
        assert store.plan() is None
    *found, features = run(corpus, tmp_path)
    assert found == [30 - kept, kept, 0]
    whole = run(corpus, tmp_path / "whole")[3]
    assert features.fingerprint == whole.fingerprint
    for a, b in zip(features, whole, strict=True):
        np.testing.assert_array_equal(a, b)


def test_two_processes_fill_one_store(corpus, tmp_path):
    processes = [start_saving(corpus, tmp_path, 0.01) for _ in range(2)]
    assert [process.wait(timeout=100) for process in processes] == [0, 0]
    *found, features = run(corpus, tmp_path)
    assert found == [0, 30, 0]
    np.testing.assert_array_equal(features[7], MEL.extract(*read_audio(corpus[1] / "07.wav")))


def test_a_damaged_shard_or_plan_is_made_again(corpus, store, tmp_path):
    few = corpus[0][:16], corpus[1]
    first = run(few, tmp_path)[3]
    damaged = sorted((store.root / SHARD_FOLDER).iterdir())[0]
    damaged.write_bytes(damaged.read_bytes()[:-50])
    *found, features = run(few, tmp_path)
    assert found == [8, 8, 0]
    assert features.fingerprint == first.fingerprint
    (store.root / PLAN_FILE).write_bytes(b"rubbish")
    with pytest.raises(AffettoError, match=r"is damaged, .* run its pipeline again"):
        store.features()
    assert run(few, tmp_path)[:3] == (0, 16, 0)
    assert len(store.features()) == 16


def test_a_full_disk_is_told_harms_nothing_and_the_run_is_resumed(corpus, store, tmp_path, monkeypatch):
    written = []

    def synchronise(number):
        written.append(number)
        if len(written) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("affetto.io.files.os.fsync", synchronise)
    with pytest.raises(AffettoError, match=r"No space left on device.*free space and run again"):
        run(corpus, tmp_path)
    kept = n_rows(store)
    assert 0 < kept < 30
    assert store.plan() is None
    assert run(corpus, tmp_path)[:3] == (30 - kept, kept, 0)
