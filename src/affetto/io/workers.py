"""One way to spread work: shards over a process pool of this machine, or over a Dask cluster.

`map_shards` and `iterate_shards` are for work that ends, `map_items` for work on any recordings, of which one
may crash or hang its process: it costs itself, never the others.
"""

from __future__ import annotations

import faulthandler
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import Field, field_validator

from affetto.errors import WorkerKilledError
from affetto.io.configuration import Parameters, environment

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 2  # shards a worker that are taken before it is free
_LIBRARIES = ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMBA", "NUMEXPR")
_ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in _LIBRARIES}
_ONE_THREAD |= {"VECLIB_MAXIMUM_THREADS": "1", "AFFETTO_TF_THREADS": "1"}
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lost:
    """Stands for the result of work whose process died or hung.

    Attributes
    ----------
    reason
        What happened, as the end of a sentence about the work.
    """

    reason: str


class ExecutorParameters(Parameters):
    """Where the work of a node runs."""

    n_jobs: int = Field(default=-1, ge=-1)
    """Worker processes; -1: one a core; 1: no workers, in this process."""
    scheduler: str | None = None
    """Address of a Dask scheduler (tcp://host:port); null: this machine."""
    progress: bool = True
    """Show a progress bar with rate and remaining time."""

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

    Workers are processes that stay alive between calls, each with one thread for BLAS, OpenMP and
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
    stream = iterate_shards(
        function, shards, executor, description=description, total_units=total_units, unit=unit
    )
    with closing(stream):
        results = dict(stream)
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
    here = executor.n_jobs == 1 or len(shards) <= 1
    # Closing the generator is what cancels the remaining shards after an exception.
    with (
        _progress_bar(description, sum(units), unit if total_units is not None else "task", executor) as bar,
        closing(_results(function, shards, executor, here=here)) as finished,
    ):
        for index, result in finished:
            if isinstance(result, Lost):
                raise WorkerKilledError(
                    f"A worker process {result.reason}, most likely because memory ran out; lower "
                    "executor.n_jobs, or give the workers of the cluster more memory."
                )
            yield index, result
            bar.update(units[index])


def map_items(
    function: Callable[[Any], R],
    shards: Sequence[Any],
    executor: ExecutorParameters,
    *,
    description: str,
    total_units: Sequence[int],
    divide: Callable[[Any], Sequence[Any]] | None = None,
    limit_s: float | None = None,
) -> Generator[tuple[int, list[R | Lost]]]:
    """Apply `function` to every item of every shard and yield (index of the shard, results) as they finish.

    As `iterate_shards`; but when a process ends, all shards that were under way are repeated item by item in
    a process of their own, and the item that ends its process again is `Lost`. With `n_jobs` 1 everything
    runs in this process, unprotected.

    Parameters
    ----------
    function
        Importable by name (module level, or a `functools.partial` of such a function).
    shards
        Sequences of items.
    executor, description, total_units
        As for `iterate_shards`.
    divide
        For shards that are best worked on as a whole: `function` is called with the shard, whose only result
        that is; `divide` makes the parts that are repeated where the shard ended its process.
    limit_s
        Seconds that an item may take before its process is ended; None: any time. Dask tries the shard on
        four workers, and of a worker with several threads only the item that was begun last is timed.
    """
    driver = None if executor.scheduler is not None else os.getpid()
    work = partial(_run_items, function=function, whole=divide is not None, limit_s=limit_s, driver=driver)
    with (
        _progress_bar(description, sum(total_units), "clip", executor) as bar,
        closing(_results(work, shards, executor, here=executor.n_jobs == 1)) as finished,
    ):
        for index, result in finished:
            if isinstance(result, Lost):
                _LOGGER.warning(
                    "%s: a process %s; its work is repeated piece by piece", description, result.reason
                )
                items = divide(shards[index]) if divide else shards[index]
                yield index, _run_alone(function, items, limit_s)
            else:
                yield index, list(result)
            bar.update(total_units[index])


def _run_items(
    shard: Any, *, function: Callable[[Any], R], whole: bool, limit_s: float | None, driver: int | None
) -> list[R]:
    """Work on a shard; an item that takes too long ends its process, unless that is the driver's."""
    items = [shard] if whole else shard
    if limit_s is None or os.getpid() == driver:
        return [function(item) for item in items]
    results = []
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - a device, not a path
        try:
            for item in items:
                faulthandler.dump_traceback_later(limit_s, exit=True, file=nowhere)
                results.append(function(item))
        finally:
            faulthandler.cancel_dump_traceback_later()
    return results


def _run_alone(function: Callable[[T], R], items: Sequence[T], limit_s: float | None) -> list[R | Lost]:
    """Run items one after the other in a process of their own; one that ends it gets the next a new one."""
    from concurrent.futures.process import BrokenProcessPool

    results: list[R | Lost] = []
    workers: Workers | None = None
    try:
        for item in items:
            workers = workers or Workers(1)
            begun = time.monotonic()
            try:
                results += workers.submit(function, item, limit_s).result()
            except BrokenProcessPool:
                late = limit_s is not None and time.monotonic() - begun >= limit_s
                results.append(Lost(f"did not end within {limit_s:g} s" if late else "crashed"))
                workers.end()
                workers = None
    finally:
        if workers is not None:
            workers.end()
    return results


def _results(
    function: Callable[[T], R], shards: Sequence[T], executor: ExecutorParameters, *, here: bool
) -> Generator[tuple[int, R | Lost]]:
    """Yield (index of the shard, result) as they finish; `here`: in this process."""
    if executor.scheduler is not None:
        from affetto.io.dask_cluster import dask_results

        yield from dask_results(function, shards, executor.scheduler)
    elif here:
        for index, shard in enumerate(shards):
            yield index, function(shard)
    else:
        n_ahead = _AHEAD * _n_workers(executor.n_jobs)
        submit = partial(_submit, executor.n_jobs, function)
        futures = finished_futures(submit, shards, lambda: n_ahead, SimpleQueue.get)
        try:
            for index, future in futures:
                yield index, _outcome(future)
        except BaseException:
            end_workers()
            raise


def finished_futures(
    submit: Callable[[T], Any],
    shards: Sequence[T],
    n_ahead: Callable[[], int],
    wait: Callable[[SimpleQueue[Any]], Any],
) -> Generator[tuple[int, Any]]:
    """Yield (index of the shard, its future) as they finish, few of them under way at a time.

    Parameters
    ----------
    submit
        Sends a shard to work and returns its future.
    shards
        Taken one at a time, shortly before they are sent.
    n_ahead
        Tells how many may be under way now.
    wait
        Takes the next future from the queue of those that have finished.
    """
    waiting, finished = iter(range(len(shards))), SimpleQueue[Any]()
    under_way: dict[Any, int] = {}
    while True:
        for index in islice(waiting, max(0, n_ahead() - len(under_way))):
            future = submit(shards[index])
            under_way[future] = index
            future.add_done_callback(finished.put)
        if not under_way:
            return
        future = wait(finished)
        yield under_way.pop(future), future


def _outcome(future: Future[R]) -> R | Lost:
    """Return the result of a future, or `Lost`."""
    from concurrent.futures.process import BrokenProcessPool

    try:
        return future.result()
    except BrokenProcessPool:
        return Lost("crashed")


class Workers:
    """Processes that work for this one, and end with it even when it is killed.

    Each holds an end of a pipe whose other end only this process has: it is closed by `end`, or by whatever
    ends this process, and the workers notice. The pool fails all tasks under way when a worker dies. (One of
    pebble, which blames a task, can wait for ever where its worker dies at once: noxdafox/pebble#153.)
    """

    def __init__(self, number: int) -> None:
        from concurrent.futures import ProcessPoolExecutor
        from concurrent.futures.process import BrokenProcessPool

        context = multiprocessing.get_context("spawn")
        self._others, self._own = context.Pipe(duplex=False)
        self.pool: ProcessPoolExecutor = ProcessPoolExecutor(
            number, context, initializer=_begin_worker, initargs=(self._others,)
        )
        try:
            with environment(_ONE_THREAD):  # every process starts with a task, and none is free yet
                started = [self.pool.submit(os.getpid) for _ in range(number)]
                for each in started:
                    each.result()
        except BrokenProcessPool as error:
            self.end()
            raise WorkerKilledError(
                "Worker processes cannot start: put what a script does under `if __name__ == "
                '"__main__":`, as each of them imports the script, or set executor.n_jobs to 1.'
            ) from error
        except BaseException:
            self.end()
            raise

    def submit(self, function: Callable[[T], R], item: T, limit_s: float | None) -> Future[list[R]]:
        """Send an item to work; its only result is in a list. Its process ends where it takes too long."""
        work = partial(_run_items, function=function, whole=True, limit_s=limit_s, driver=os.getpid())
        return self.pool.submit(work, item)

    def end(self) -> None:
        """End the processes, whatever they are at."""
        self._own.close()
        self.pool.shutdown(wait=True, cancel_futures=True)
        self._others.close()


_workers: dict[int, Workers] = {}
_starting = threading.Lock()


def _n_workers(n_jobs: int) -> int:
    import joblib

    return joblib.cpu_count() if n_jobs < 0 else n_jobs


def _submit(n_jobs: int, function: Callable[[T], R], shard: T) -> Future[R]:
    """Give a shard to the workers of this process, which are started once, and again when one has died."""
    from concurrent.futures.process import BrokenProcessPool

    with _starting:
        if n_jobs in _workers:
            with suppress(BrokenProcessPool):
                return _workers[n_jobs].pool.submit(function, shard)
        _end_all()
        _workers[n_jobs] = Workers(_n_workers(n_jobs))
        return _workers[n_jobs].pool.submit(function, shard)


def end_workers() -> None:
    """End the workers of this machine, whatever they are at."""
    with _starting:
        _end_all()


def _end_all() -> None:
    for n_jobs in list(_workers):
        _workers.pop(n_jobs).end()


def _begin_worker(parent: Connection) -> None:
    """Let a new worker use one thread, leave Ctrl-C to its parent, and end when the parent says so."""
    os.environ.update(_ONE_THREAD)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Connection) -> None:
    try:
        parent.recv_bytes()
    finally:
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
    """Return how often a progress bar is drawn anew, s: in a file, where each time is a line, seldom."""
    return 0.1 if sys.stderr.isatty() else 10.0
