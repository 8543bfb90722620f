"""Work on items of which one may crash or hang its process: it costs itself, never the others."""

from __future__ import annotations

import faulthandler
import logging
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from affetto.errors import WorkerKilledError
from affetto.parallel import ExecutorParameters, iterate_shards, watch_parent

T = TypeVar("T")
R = TypeVar("R")

logger = logging.getLogger(__name__)

_SUSPECTS_A_CORE = 4  # joblib hands out two shards a worker in advance


@dataclass(frozen=True)
class Lost:
    """Stands for the result of an item whose process died or hung.

    Attributes
    ----------
    reason
        What happened, as the end of a sentence about the item.
    """

    reason: str


class Selected(Sequence[Any]):
    """Some items of a sequence, taken from it when they are asked for.

    Parameters
    ----------
    items
        The sequence.
    indices
        Which of them, in which order.
    """

    def __init__(self, items: Sequence[Any], indices: Sequence[int]) -> None:
        self._items, self._indices = items, indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, position: Any) -> Any:
        return self._items[self._indices[position]]


def map_items(
    function: Callable[[T], R],
    shards: Sequence[Sequence[T]],
    executor: ExecutorParameters,
    *,
    description: str,
    total_units: Sequence[int],
    limit_s: float,
) -> Generator[tuple[int, list[R | Lost]]]:
    """Apply `function` to every item of every shard and yield (index of the shard, results) as they finish.

    As `iterate_shards`; but when a worker dies, the shards that were under way are repeated item by item in a
    process of their own, and the item that ends this one too is `Lost`. With `n_jobs` 1 everything runs in
    this process, unprotected.

    Parameters
    ----------
    function
        Importable by name (module level, or a `functools.partial` of such a function).
    shards
        Items that are worked on in one go.
    executor
        Where to run.
    description, total_units
        As for `iterate_shards`.
    limit_s
        Seconds that an item may take before its process is ended. Dask tries the shard on four workers, and
        of a worker with several threads only the item that was begun last is timed.
    """
    driver = None if executor.scheduler is not None else os.getpid()
    return _map_and_repeat(
        partial(_run_shard, function=function, limit_s=limit_s, driver=driver),
        lambda child, items: [child.run(function, item) for item in items],
        shards,
        executor,
        description=description,
        total_units=total_units,
        limit_s=limit_s,
    )


def map_divisible(
    function: Callable[[T], R],
    shards: Sequence[T],
    executor: ExecutorParameters,
    *,
    divide: Callable[[T], Sequence[T]],
    description: str,
    total_units: Sequence[int],
) -> Generator[tuple[int, list[R | Lost]]]:
    """Apply `function` to every shard and yield (index of the shard, results) as they finish.

    As `map_items`, for shards that are best worked on as a whole: there is one result, or, where a shard
    ended its process even when it was repeated alone, one for each of the parts that `divide` makes of it.
    There is no limit of time.
    """
    return _map_and_repeat(
        partial(_run_whole, function=function),
        partial(_run_divided, function=function, divide=divide),
        shards,
        executor,
        description=description,
        total_units=total_units,
        limit_s=None,
    )


def _map_and_repeat(
    work: Callable[[T], list[R | Lost]],
    repeat: Callable[[_Child, T], list[R | Lost]],
    shards: Sequence[T],
    executor: ExecutorParameters,
    *,
    description: str,
    total_units: Sequence[int],
    limit_s: float | None,
) -> Generator[tuple[int, list[R | Lost]]]:
    """Apply `work` to every shard, and `repeat` in a process of its own when a worker died."""
    remaining = list(range(len(shards)))
    n_suspects = _SUSPECTS_A_CORE * (os.cpu_count() or 1)
    while remaining:
        if len(remaining) == 1 and executor.scheduler is None and executor.n_jobs != 1:
            # `iterate_shards` would run it in this process, which has to live.
            yield from _one_by_one(repeat, shards, remaining, limit_s)
            return
        stream = iterate_shards(
            work,
            Selected(shards, remaining),
            executor,
            description=description,
            total_units=[total_units[index] for index in remaining],
        )
        done = set[int]()
        try:
            with closing(stream):
                for position, results in stream:
                    done.add(remaining[position])
                    yield remaining[position], results
        except WorkerKilledError as error:
            logger.warning("%s: what was under way is repeated one by one, for: %s", description, error)
        remaining = [index for index in remaining if index not in done]
        yield from _one_by_one(repeat, shards, remaining[:n_suspects], limit_s)
        remaining = remaining[n_suspects:]


def _one_by_one(
    repeat: Callable[[_Child, T], list[R | Lost]],
    shards: Sequence[T],
    indices: Sequence[int],
    limit_s: float | None,
) -> Generator[tuple[int, list[R | Lost]]]:
    with closing(_Child(limit_s)) as child:
        for index in indices:
            yield index, repeat(child, shards[index])


def _run_shard(
    items: Sequence[T], *, function: Callable[[T], R], limit_s: float, driver: int | None
) -> list[R | Lost]:
    """Run the items of a shard; one that takes too long ends its process, unless that is the driver's."""
    if os.getpid() == driver:
        return [function(item) for item in items]
    results: list[R | Lost] = []
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - a device, not a path
        try:
            for item in items:
                faulthandler.dump_traceback_later(limit_s, exit=True, file=nowhere)
                results.append(function(item))
        finally:
            faulthandler.cancel_dump_traceback_later()
    return results


def _run_whole(shard: T, *, function: Callable[[T], R]) -> list[R | Lost]:
    return [function(shard)]


def _run_divided(
    child: _Child, shard: T, *, function: Callable[[T], R], divide: Callable[[T], Sequence[T]]
) -> list[R | Lost]:
    whole = child.run(function, shard)
    return [child.run(function, part) for part in divide(shard)] if isinstance(whole, Lost) else [whole]


class _Child:
    """A process that works on one item after the other and is replaced when one has ended it."""

    def __init__(self, limit_s: float | None) -> None:
        self._limit_s = limit_s
        self._pool: Any = None

    def run(self, function: Callable[[T], R], item: T) -> R | Lost:
        from joblib.externals.loky import ProcessPoolExecutor
        from joblib.externals.loky.process_executor import BrokenProcessPool

        if self._pool is None:
            self._pool = ProcessPoolExecutor(max_workers=1)
            self._pool.submit(watch_parent, os.getpid()).result()
            self._pool.submit(callable, function).result()  # its module is imported before time is taken
        future = self._pool.submit(function, item)
        try:
            result: R = future.result(timeout=self._limit_s)
        except TimeoutError:
            if future.done():  # the function raised it
                raise
            self.close()
            return Lost(f"did not end within {self._limit_s:g} s")
        except BrokenProcessPool:
            self.close()
            return Lost("crashed")
        return result

    def close(self) -> None:
        """End the process."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, kill_workers=True)
            self._pool = None
