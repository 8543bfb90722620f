"""A scheduler and workers started as a user starts them, one of them killed, and mistakes one can make."""

import math
import os
import re
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest
import soundfile

from affetto.errors import AffettoError
from affetto.features.extract import extract
from affetto.features.log_mel import LogMelParameters
from affetto.features.store import SHARD_FOLDER
from affetto.io.workers import ExecutorParameters, Lost, iterate_shards, map_items, map_shards

pytest.importorskip("distributed")
ALONE = ExecutorParameters(n_jobs=1, progress=False)


class Cluster:
    """`dask scheduler` and `dask worker` as processes."""

    def __init__(self, folder):
        self._folder = folder
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        self.address = self._read(self.scheduler, r"Scheduler at:\s+(tcp://\S+)")
        self.workers = []

    def add_worker(self, **environment):
        options = ("--no-nanny", "--nthreads", "1", "--no-dashboard")
        worker = self._start("worker", self.address, *options, **environment)
        self._read(worker, r"(Registered to)")
        self.workers.append(worker)
        return worker

    def stop(self):
        for process in [*self.workers, self.scheduler]:
            process.kill()
            process.wait()
            process.stderr.close()

    def _start(self, *arguments, **environment):
        command = [sys.executable, "-m", "dask", *arguments]
        environment = {**os.environ, "DASK_TEMPORARY_DIRECTORY": str(self._folder), **environment}
        return subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
        )

    @staticmethod
    def _read(process, pattern):
        for line in process.stderr:
            if found := re.search(pattern, line):
                # What follows is read on, lest the pipe fills and the process waits.
                threading.Thread(target=process.stderr.read, daemon=True).start()
                return found[1]
        raise AssertionError(f"no {pattern} from {process.args}")


@pytest.fixture
def cluster(tmp_path):
    cluster = Cluster(tmp_path)
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def extract_by(tmp_path_factory):
    """Return a function that extracts a feature of 160 clips of 4 s, in 20 shards."""
    root = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    paths = [f"{i:03d}.wav" for i in range(160)]
    for path in paths:
        soundfile.write(root / path, 0.1 * rng.standard_normal(64_000), 16_000)
    clips = pd.DataFrame({"clip_id": [f"c/{path}" for path in paths], "path": paths})
    clips["content_hash"] = clips["clip_id"]
    return lambda executor, stores: extract(clips, root, {"mel": LogMelParameters()}, stores, executor)["mel"]


def test_a_worker_killed_midway_changes_nothing(cluster, extract_by, tmp_path):
    here = extract_by(ALONE, tmp_path / "here")
    victim = cluster.add_worker()
    cluster.add_worker()
    executor = ExecutorParameters(scheduler=cluster.address, progress=False)
    killed_at = []

    def kill_midway():
        folder = tmp_path / "there/mel" / SHARD_FOLDER
        while len(list(folder.glob("*.arrow"))) < 3:
            time.sleep(0.01)
        victim.kill()
        killed_at.append(len(list(folder.glob("*.arrow"))))

    killer = threading.Thread(target=kill_midway, daemon=True)
    killer.start()
    there = extract_by(executor, tmp_path / "there")
    killer.join(timeout=5)
    assert killed_at and killed_at[0] < 20
    assert (there.computed, there.reused, there.failures) == (160, 0, {})
    assert there.features.fingerprint == here.features.fingerprint
    for a, b in zip(there.features, here.features, strict=True):
        np.testing.assert_array_equal(a, b)


def test_results_exceptions_and_the_bar_are_those_of_one_machine(cluster, capsys):
    cluster.add_worker()
    executor = ExecutorParameters(scheduler=cluster.address)
    shards = [float(i * i) for i in range(50)]
    roots = map_shards(math.sqrt, shards, executor, description="roots", total_units=[2] * 50)
    assert roots == [float(i) for i in range(50)]
    assert "100/100" in capsys.readouterr().err
    with pytest.raises(ValueError, match="invalid literal"):
        map_shards(int, ["1", "x", "3"], executor, description="numbers")
    assert map_shards(int, ["4", "5"], executor, description="numbers") == [4, 5]


def test_mistakes_are_told_in_one_sentence(cluster, monkeypatch, tmp_path):
    executor = ExecutorParameters(scheduler=cluster.address, progress=False)
    with monkeypatch.context() as patch:
        patch.setattr("affetto.io.dask_cluster.DASK_TIMEOUT_S", 0.5)
        with pytest.raises(AffettoError, match="has no workers"):
            map_shards(math.sqrt, [1.0], executor, description="roots")
    other = tmp_path / "affetto-99.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Name: affetto\nVersion: 99.0\n")
    worker = cluster.add_worker(PYTHONPATH=str(tmp_path))
    with pytest.raises(AffettoError, match=r"has Affetto 99\.0, not"):
        map_shards(math.sqrt, [1.0], executor, description="roots")
    worker.kill()
    for _ in range(4):
        cluster.add_worker()
    with pytest.raises(AffettoError, match="ended several Dask workers"):
        map_shards(os._exit, [1], executor, description="end")


@pytest.mark.parametrize("another", [False, True])
def test_without_workers_a_run_waits_a_minute_for_others(cluster, monkeypatch, caplog, another):
    monkeypatch.setattr("affetto.io.dask_cluster._LOOK_S", 0.2)
    monkeypatch.setattr("affetto.io.dask_cluster.NO_WORKERS_S", 60.0 if another else 1.0)
    worker = cluster.add_worker()
    executor = ExecutorParameters(scheduler=cluster.address, progress=False)
    stream = iterate_shards(time.sleep, [0.1] * 10, executor, description="sleep")
    next(stream)
    worker.kill()
    if another:
        cluster.add_worker()
        assert len(list(stream)) == 9
    else:
        with pytest.raises(AffettoError, match="has no workers"):
            list(stream)
        assert caplog.text.count("are gone") == 1


def test_an_item_that_hangs_costs_itself_on_a_cluster_too(cluster):
    for _ in range(5):  # Dask tries it on four
        cluster.add_worker()
    shards = [[0.01]] * 12 + [[0.01, 600.0, 0.02]] + [[0.01]] * 12
    executor = ExecutorParameters(scheduler=cluster.address, progress=False)
    results = dict(map_items(time.sleep, shards, executor, description="", total_units=[1] * 25, limit_s=1.0))
    assert results.pop(12) == [None, Lost("did not end within 1 s"), None]
    assert list(results.values()) == [[None]] * 24


def test_a_lost_scheduler_is_told(cluster):
    cluster.add_worker()
    executor = ExecutorParameters(scheduler=cluster.address, progress=False)
    stream = iterate_shards(time.sleep, [0.2] * 100, executor, description="sleep")
    next(stream)
    cluster.scheduler.kill()
    with pytest.raises(AffettoError, match="was lost"):
        list(stream)


def test_dask_that_is_not_installed_or_does_not_answer(monkeypatch):
    monkeypatch.setattr("affetto.io.dask_cluster.DASK_TIMEOUT_S", 0.5)
    executor = ExecutorParameters(scheduler="tcp://127.0.0.1:1")
    with pytest.raises(AffettoError, match="No Dask scheduler answers"):
        map_shards(math.sqrt, [1.0, 4.0], executor, description="roots")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(AffettoError, match=r"affetto\[dask\]"):
        map_shards(math.sqrt, [1.0, 4.0], executor, description="roots")
