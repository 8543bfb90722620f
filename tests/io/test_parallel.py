"""The worker functions are of the standard library: a worker cannot import a test module."""

import math
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from affetto.errors import AffettoError
from affetto.io.workers import ExecutorParameters, map_shards

ALONE = ExecutorParameters(n_jobs=1, progress=False)
POOL = ExecutorParameters(n_jobs=2, progress=False)
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.mark.parametrize("executor", [ALONE, POOL])
def test_results_are_in_the_order_of_the_shards(executor):
    shards = [float(i * i) for i in range(20)]
    assert map_shards(math.sqrt, shards, executor, description="roots") == [float(i) for i in range(20)]


def test_no_shards_give_no_results():
    assert map_shards(math.sqrt, [], POOL, description="roots") == []


@linux
def test_a_single_shard_stays_in_this_process():
    assert map_shards(os.readlink, ["/proc/self"], POOL, description="pid") == [str(os.getpid())]


@linux
def test_the_pool_is_used_again_by_the_next_call():
    shards = ["/proc/self"] * 8
    first = set(map_shards(os.readlink, shards, POOL, description="pid"))
    second = set(map_shards(os.readlink, shards, POOL, description="pid"))
    assert str(os.getpid()) not in first
    assert len(first | second) <= 2


def test_workers_use_one_thread_each():
    names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "AFFETTO_TF_THREADS"]
    assert map_shards(os.getenv, names, POOL, description="threads") == ["1", "1", "1"]


@pytest.mark.parametrize("executor", [ALONE, POOL])
def test_an_exception_comes_through(executor):
    with pytest.raises(ValueError, match="invalid literal"):
        map_shards(int, ["1", "x", "3"], executor, description="numbers")


def test_the_pool_works_after_an_exception():
    with pytest.raises(ValueError, match="invalid literal"):
        map_shards(int, ["x", "y"], POOL, description="numbers")
    assert map_shards(int, ["4", "5"], POOL, description="numbers") == [4, 5]


def test_a_killed_worker_is_told_in_one_sentence():
    with pytest.raises(AffettoError, match="memory"):
        map_shards(os._exit, [1, 1], POOL, description="end")


def test_the_bar_counts_units_and_can_be_silent(capsys):
    loud = ExecutorParameters(n_jobs=1)
    map_shards(math.sqrt, [1.0, 4.0], loud, description="roots", total_units=[64, 36])
    assert "roots" in (bar := capsys.readouterr().err)
    assert "100/100" in bar
    assert "clip/s" in bar
    map_shards(math.sqrt, [1.0, 4.0], ALONE, description="roots", total_units=[64, 36])
    assert capsys.readouterr().err == ""


def test_units_must_match_the_shards():
    with pytest.raises(ValueError, match="3 entries for 2 shards"):
        map_shards(math.sqrt, [1.0, 4.0], ALONE, description="roots", total_units=[1, 2, 3])


def test_parameters_refuse_typing_errors():
    with pytest.raises(ValidationError):
        ExecutorParameters(n_job=2)


def test_dask_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(AffettoError, match=r"affetto\[dask\]"):
        map_shards(
            math.sqrt, [1.0, 4.0], ExecutorParameters(scheduler="tcp://127.0.0.1:1"), description="roots"
        )


def test_dask_scheduler_that_does_not_answer(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("affetto.io.dask_cluster.DASK_TIMEOUT_S", 0.5)
    with pytest.raises(AffettoError, match="No Dask scheduler answers"):
        map_shards(
            math.sqrt, [1.0, 4.0], ExecutorParameters(scheduler="tcp://127.0.0.1:1"), description="roots"
        )


def test_dask_cluster():
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster:
        executor = ExecutorParameters(scheduler=cluster.scheduler_address, progress=False)
        assert map_shards(math.sqrt, [1.0, 4.0, 9.0], executor, description="roots") == [1.0, 2.0, 3.0]


def test_a_worker_that_is_replaced_since_it_grew_is_nothing_to_warn_of(tmp_path: Path):
    (tmp_path / "growing.py").write_text(
        textwrap.dedent(
            """
            import time

            kept = []

            def grow(shard):
                kept.append(b"x" * 400_000_000)
                time.sleep(1.5)
                return shard
            """
        )
    )
    main = textwrap.dedent(
        """
        from affetto.io.workers import ExecutorParameters, map_shards
        from growing import grow

        pool = ExecutorParameters(n_jobs=2, progress=False)
        print(map_shards(grow, range(8), pool, description="grow"))
        """
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", main], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout.strip(), done.stderr) == (str(list(range(8))), "")


def test_a_script_without_a_guard_is_told_what_it_lacks(tmp_path: Path):
    script = tmp_path / "unguarded.py"
    script.write_text(
        "import math\nfrom affetto.io.workers import ExecutorParameters, map_shards\n"
        "map_shards(math.sqrt, [1.0, 4.0], ExecutorParameters(n_jobs=2), description='roots')\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "put what a script does under `if __name__ == " in done.stderr


@linux
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.usefixtures("ctrl_c")
def test_interrupt_and_kill_leave_no_orphan(how, tmp_path: Path):
    script = tmp_path / "long_work.py"
    script.write_text(
        textwrap.dedent(
            """
            import time
            from pathlib import Path
            from affetto.io.workers import ExecutorParameters, map_shards

            if __name__ == "__main__":
                pool = ExecutorParameters(n_jobs=2)
                map_shards(Path.touch, [Path("a"), Path("b")], pool, description="begin")
                map_shards(time.sleep, [60.0] * 8, pool, description="sleep")
            """
        )
    )
    process = subprocess.Popen(
        [sys.executable, str(script)], cwd=tmp_path, start_new_session=True, stderr=subprocess.DEVNULL
    )
    try:
        _wait((tmp_path / "b").exists, 30)
        time.sleep(1)
        if how == signal.SIGINT:  # as a terminal does: to all processes of the group
            os.killpg(process.pid, how)
        else:
            process.kill()
        assert process.wait(timeout=20) != 0
        _wait(lambda: not _group_lives(process.pid), 20)
    finally:
        if _group_lives(process.pid):
            os.killpg(process.pid, signal.SIGKILL)


def _group_lives(group: int) -> bool:
    """Whether a process of the group is left, zombies aside."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            return True
    return False


def _wait(condition, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@pytest.mark.parametrize("n_jobs", [0, -2])
def test_a_number_of_workers_that_there_cannot_be(n_jobs):
    with pytest.raises(ValidationError) as caught:
        ExecutorParameters(n_jobs=n_jobs)
    assert [error["loc"] for error in caught.value.errors()] == [("n_jobs",)]
