"""Least times of calls in turn, and the table that sets them beside their targets."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence

Clock = Callable[[], float]


def least(
    functions: Sequence[Callable[[], object]], *, repeat: int = 3, clock: Clock = time.process_time
) -> list[float]:
    """Call functions in turn, several times, and return the least time of each, s.

    Taken in turn, so that a machine that grows slower or faster does so for all of them.
    """
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(repeat):
        for function, taken in zip(functions, times, strict=True):
            started = clock()
            function()
            taken.append(clock() - started)
    return [min(taken) for taken in times]


def heading(text: str) -> None:
    """Print the title of a part of the table."""
    print(f"\n{text}\n{'-' * len(text)}")


def row(
    name: str, figure: float, unit: str, *, at_least: float | None = None, at_most: float | None = None
) -> None:
    """Print a figure beside its target, where it has one."""
    target, mark = "", ""
    if at_least is not None:
        target, mark = f">= {at_least:g}", "✓" if figure >= at_least else "✗"
    elif at_most is not None:
        target, mark = f"<= {at_most:g}", "✓" if figure <= at_most else "✗"
    print(f"{name:<62} {figure:>9.4g} {unit:<12} {target:>8} {mark}".rstrip(), flush=True)


def spread(
    functions: Sequence[Callable[[], object]], *, repeat: int, clock: Clock = time.perf_counter
) -> list[tuple[float, float]]:
    """Call functions in turn, several times, and return median and 95th percentile of each, ms.

    Each is called once before, so that everything is warm.
    """
    times: list[list[float]] = [[] for _ in functions]
    for run in range(repeat + 1):
        for function, taken in zip(functions, times, strict=True):
            started = clock()
            function()
            if run:
                taken.append(1000 * (clock() - started))
    return [(statistics.median(taken), _percentile_95(taken)) for taken in times]


def _percentile_95(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, math.ceil(0.95 * len(values)) - 1)]
