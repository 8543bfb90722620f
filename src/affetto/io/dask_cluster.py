"""Shards on a Dask cluster: few at a time, so that its scheduler holds nothing sized by the corpus."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from affetto.errors import AffettoError
from affetto.io.workers import Lost, finished_futures

T = TypeVar("T")
R = TypeVar("R")

logger = logging.getLogger(__name__)

DASK_TIMEOUT_S = 10
NO_WORKERS_S = 60.0  # a nanny restarts a worker in seconds, a batch system in a minute
_LOOK_S = 5.0
_SHARDS_A_THREAD = 3  # one at work, the others on their way


def dask_results(
    function: Callable[[T], R], shards: Sequence[T], scheduler: str
) -> Generator[tuple[int, R | Lost]]:
    """Yield (index of the shard, what `function` returns of it) as they finish on the workers of a cluster.

    What a dead worker had is given to others, which Dask does three times; a shard that ended all of them is
    `Lost`. Closing the generator cancels what has not started.

    Parameters
    ----------
    function
        Importable by name on the workers.
    shards
        Taken one at a time, shortly before they are sent.
    scheduler
        Address, `tcp://host:port`.

    Raises
    ------
    AffettoError
        When the scheduler does not answer, has no workers (for a minute) or is lost, or when a worker lacks
        this version of Affetto.
    """
    with _client(scheduler) as client:
        from distributed import KilledWorker

        futures = finished_futures(
            # Every shard is a task of its own, whatever Dask thinks of its arguments.
            lambda shard: client.submit(_in_worker, function, shard, pure=False),
            shards,
            lambda: _SHARDS_A_THREAD * max(1, sum(client.nthreads().values())),  # workers come and go
            lambda finished: _next(finished, client, scheduler),
        )
        for index, future in futures:
            try:
                result = future.result()
            except KilledWorker:
                result = Lost("ended several Dask workers, one after the other")
            future.release()
            yield index, result


def _in_worker(function: Callable[[T], R], shard: T) -> R:
    os.environ.setdefault("AFFETTO_TF_THREADS", "1")
    return function(shard)


def _next(finished: SimpleQueue[Any], client: Any, scheduler: str) -> Any:
    """Return the next future that has finished; without workers none would, so that they are looked for."""
    gone_s: float | None = None
    while True:
        try:
            return finished.get(timeout=_LOOK_S)
        except Empty:
            pass
        if client.nthreads():
            gone_s = None
        elif gone_s is None:
            gone_s = time.monotonic()
            logger.warning("All workers of %s are gone; waiting %g s for others", scheduler, NO_WORKERS_S)
        elif time.monotonic() - gone_s >= NO_WORKERS_S:
            raise _no_workers(scheduler)


def _no_workers(scheduler: str) -> AffettoError:
    return AffettoError(
        f"The Dask scheduler at {scheduler!r} has no workers; start some with `dask worker {scheduler}`."
    )


@contextmanager
def _client(scheduler: str) -> Iterator[Any]:
    """Yield a client of a cluster that is fit for the work, and say in a sentence when it is lost."""
    try:
        from distributed import Client
        from distributed.comm.core import CommClosedError
    except ImportError as error:
        raise AffettoError(
            "executor.scheduler needs Dask, which is not installed; run `pip install 'affetto[dask]'` "
            "or set it to null."
        ) from error
    try:
        client = Client(scheduler, timeout=DASK_TIMEOUT_S, set_as_default=False)
    except (OSError, ValueError) as error:  # a time-out is an OSError
        raise AffettoError(
            f"No Dask scheduler answers at {scheduler!r} within {DASK_TIMEOUT_S} s; "
            "start it or correct executor.scheduler."
        ) from error
    try:
        with client:
            _check_workers(client, scheduler)
            yield client
    except (CancelledError, CommClosedError) as error:
        raise AffettoError(
            f"The Dask scheduler at {scheduler!r} was lost: start it and run again, what was finished is "
            "kept."
        ) from error


def _check_workers(client: Any, scheduler: str) -> None:
    """See that there are workers, and that they have this version of Affetto."""
    try:
        client.wait_for_workers(1, timeout=DASK_TIMEOUT_S)
    except TimeoutError as error:
        raise _no_workers(scheduler) from error
    here = version("affetto")
    for worker, found in client.run(version, "affetto", on_error="return").items():
        if isinstance(found, PackageNotFoundError):
            raise AffettoError(f"The Dask worker {worker} lacks Affetto: install version {here} there.")
        if found != here:
            raise AffettoError(
                f"The Dask worker {worker} has Affetto {found}, not {here}: install {here} there."
            )
