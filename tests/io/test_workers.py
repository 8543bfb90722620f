"""Work spread over processes, and items that crash or hang theirs."""

import math
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from affetto.errors import AffettoError
from affetto.io.workers import ExecutorParameters, Lost, map_items, map_shards

ALONE = ExecutorParameters(n_jobs=1, progress=False)
POOL = ExecutorParameters(n_jobs=2, progress=False)
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.mark.parametrize("executor", [ALONE, POOL])
def test_results_are_in_the_order_of_the_shards(executor):
    shards = [float(i * i) for i in range(20)]
    assert map_shards(math.sqrt, shards, executor, description="roots") == [float(i) for i in range(20)]


def test_workers_use_one_thread_each():
    names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "AFFETTO_TF_THREADS"]
    assert map_shards(os.getenv, names, POOL, description="threads") == ["1", "1", "1"]


@pytest.mark.parametrize("executor", [ALONE, POOL])
def test_an_exception_comes_through_and_work_goes_on_afterwards(executor):
    with pytest.raises(ValueError, match="invalid literal"):
        map_shards(int, ["1", "x", "3"], executor, description="numbers")
    assert map_shards(int, ["4", "5"], executor, description="numbers") == [4, 5]
    assert map_shards(int, [], executor, description="numbers") == []


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


def double(item):
    """A decoder that dies of 13, never ends with 14 and is fine with the rest."""
    if item == 13:
        os.kill(os.getpid(), signal.SIGSEGV)
    if item == 14:
        time.sleep(600)
    return 2 * item


def run_items(shards):
    units = [len(shard) for shard in shards]
    return dict(map_items(double, shards, POOL, description="test", total_units=units, limit_s=3.0))


def test_a_crash_or_a_hang_costs_its_item_only():
    shards = [[10 * shard, 10 * shard + 1] for shard in range(2, 30)]
    shards[3], shards[9] = [12, 13, 15], [2, 14, 3]

    results = run_items(shards)

    assert results.pop(3) == [24, Lost("crashed"), 30]
    assert results.pop(9) == [4, Lost("did not end within 3 s"), 6]
    assert results == {
        index: [2 * item for item in shard] for index, shard in enumerate(shards) if index not in (3, 9)
    }


def test_a_mistake_in_the_function_of_items_comes_through():
    for shards in ([[1], [None], [2]], [[None]]):
        with pytest.raises(TypeError):
            run_items(shards)
