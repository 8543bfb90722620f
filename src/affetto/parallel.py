"""One way to spread work: shards over a process pool of this machine, or over a Dask cluster."""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from affetto.errors import WorkerKilledError

T = TypeVar("T")
R = TypeVar("R")

_WATCH_INTERVAL_S = 1.0
_BAR_INTERVAL_S = 0.1
_LOG_INTERVAL_S = 10.0  # a bar that goes to a file is refreshed seldom, each refresh is a line there
_WORKER_GROWTH_BYTES = int(2.5e9)
_watched = threading.Event()


class ExecutorParameters(BaseModel):
    """Where the work of a node runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_jobs: int = Field(
        default=-1, ge=-1, description="Worker processes; -1: one a core; 1: no workers, in this process."
    )
    scheduler: str | None = Field(
        default=None, description="Address of a Dask scheduler (tcp://host:port); null: this machine."
    )
    progress: bool = Field(default=True, description="Show a progress bar with rate and remaining time.")

    @field_validator("n_jobs")
    @classmethod
    def _some(cls, n_jobs: int) -> int:
        if n_jobs == 0:
            raise ValueError("is to be -1, a worker a core, or at least 1")
        return n_jobs


def map_shards(
    function: Callable[[T], R],
    shards: Sequence[T],
    executor: ExecutorParameters,
    *,
    description: str,
    total_units: Sequence[int] | None = None,
    unit: str = "clip",
) -> list[R]:
    """Apply `function` to every shard and return the results in the order of the shards.

    Workers are processes that stay alive between calls (loky), each with one thread for BLAS, OpenMP and
    TensorFlow. A single shard, or `n_jobs` 1, runs in this process. With `executor.scheduler` the shards go
    to that Dask cluster, whose workers must have the same Affetto installed and see the same files; shards of
    a worker that dies are done by others. An exception in a shard, or Ctrl-C, cancels the shards that have
    not started, and ends the workers of this machine.

    Parameters
    ----------
    function
        Importable by name (module level, or a `functools.partial` of such a function).
    shards
        What `function` is called with, one call each. Make them worth some tenths of a second.
    executor
        Where to run.
    description
        Words before the progress bar.
    total_units
        How many units (clips) each shard holds; the bar then counts these instead of shards.
    unit
        Name of the unit.

    Returns
    -------
    list
        One result a shard.

    Raises
    ------
    AffettoError
        When the Dask cluster does not answer or is not fit for the work, or a worker was killed. Exceptions
        of `function` come through unchanged.
    """
    results: dict[int, R] = {}
    stream = iterate_shards(
        function, shards, executor, description=description, total_units=total_units, unit=unit
    )
    with closing(stream):
        results.update(stream)
    return [results[index] for index in range(len(shards))]


def iterate_shards(
    function: Callable[[T], R],
    shards: Sequence[T],
    executor: ExecutorParameters,
    *,
    description: str,
    total_units: Sequence[int] | None = None,
    unit: str = "clip",
) -> Generator[tuple[int, R]]:
    """Apply `function` to every shard and yield (index of the shard, result) as they finish.

    As `map_shards`, for results that are not to be held all at once. A shard is taken from `shards` shortly
    before it starts: a sequence that makes them then needs no memory for all.
    """
    units = [1] * len(shards) if total_units is None else total_units
    if len(units) != len(shards):
        raise ValueError(f"total_units has {len(units)} entries for {len(shards)} shards")
    # Closing the generator is what cancels the remaining shards after an exception.
    with (
        _progress_bar(description, sum(units), unit if total_units is not None else "task", executor) as bar,
        closing(_results(function, shards, executor)) as finished,
    ):
        for index, result in finished:
            yield index, result
            bar.update(units[index])


def _results(
    function: Callable[[T], R], shards: Sequence[T], executor: ExecutorParameters
) -> Generator[tuple[int, R]]:
    """Yield (index of the shard, result) as they finish."""
    if executor.scheduler is not None:
        from affetto.dask_cluster import dask_results

        yield from dask_results(partial(_call, function, parent=None), shards, executor.scheduler)
    elif executor.n_jobs == 1 or len(shards) <= 1:
        for index, shard in enumerate(shards):
            yield index, function(shard)
    else:
        import joblib

        with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
            yield from _joblib_results(function, shards, n_jobs=executor.n_jobs, parent=os.getpid())


def _joblib_results(
    function: Callable[[T], R], shards: Sequence[T], *, n_jobs: int, parent: int | None
) -> Generator[tuple[int, R]]:
    import joblib
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    # loky replaces a worker whose memory has grown by 2.5 GB: nothing that a user should act on.
    warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)
    pool = joblib.Parallel(n_jobs=n_jobs, batch_size=1, return_as="generator_unordered")
    calls = (
        joblib.delayed(_call)(function, index, shard, parent=parent) for index, shard in enumerate(shards)
    )
    try:
        with closing(pool(calls)) as finished:
            yield from finished
    except TerminatedWorkerError as error:
        raise WorkerKilledError(
            "A worker process was killed, most likely because memory ran out; lower executor.n_jobs."
        ) from error


def _call(function: Callable[[T], R], index: int, shard: T, *, parent: int | None) -> tuple[int, R]:
    """Run one shard inside a worker."""
    os.environ.setdefault("AFFETTO_TF_THREADS", "1")
    if parent is not None:
        watch_parent(parent)
        _let_worker_grow()
    return index, function(shard)


def _let_worker_grow() -> None:
    """Tell this loky worker that TensorFlow and a few traced networks are no memory leak.

    loky replaces a worker that has grown by 300 MB since its first task, and has no public setting for it.
    The new worker would import TensorFlow and trace its networks again: in a run of the demo that was a
    quarter of all processor time.
    """
    from joblib.externals.loky import process_executor

    process_executor._MAX_MEMORY_LEAK_SIZE = _WORKER_GROWTH_BYTES


def watch_parent(parent: int) -> None:
    """Make this worker end with the process that started it, even when that was killed."""
    if not _watched.is_set():
        _watched.set()
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this worker when the process that started it was killed and could not end it itself."""
    while os.getppid() == parent:
        time.sleep(_WATCH_INTERVAL_S)
    os._exit(1)


def _progress_bar(description: str, total: int, unit: str, executor: ExecutorParameters) -> Any:
    from tqdm import tqdm

    return tqdm(
        desc=description,
        total=total,
        unit=f" {unit}",
        disable=not executor.progress,
        dynamic_ncols=True,
        mininterval=bar_interval_s(),
    )


def bar_interval_s() -> float:
    """Return how often a progress bar is drawn anew, s."""
    return _BAR_INTERVAL_S if sys.stderr.isatty() else _LOG_INTERVAL_S
