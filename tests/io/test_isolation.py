"""Items that crash or hang their process cost themselves only."""

from __future__ import annotations

import os
import signal
import time

import pytest

from affetto.io.workers import ExecutorParameters, Lost, map_items

TWO = ExecutorParameters(n_jobs=2, progress=False)
LIMIT_S = 3.0


def double(item):
    """A decoder that dies of 13, never ends with 14 and is fine with the rest."""
    if item == 13:
        os.kill(os.getpid(), signal.SIGSEGV)
    if item == 14:
        time.sleep(600)
    return 2 * item


def run(shards):
    units = [len(shard) for shard in shards]
    return dict(map_items(double, shards, TWO, description="test", total_units=units, limit_s=LIMIT_S))


def test_nothing_is_lost_where_nothing_crashes():
    assert run([[1, 2], [3], [4, 5]]) == {0: [2, 4], 1: [6], 2: [8, 10]}


def test_a_crash_costs_its_item_only():
    shards = [[10 * shard, 10 * shard + 1] for shard in range(2, 30)]
    shards[3] = [12, 13, 15]

    results = run(shards)

    assert results.pop(3) == [24, Lost("crashed"), 30]
    assert results == {
        index: [2 * item for item in shard] for index, shard in enumerate(shards) if index != 3
    }


def test_a_hang_is_ended_and_costs_its_item_only():
    results = run([[1], [2, 14, 3], [4]])
    assert results == {0: [2], 1: [4, Lost("did not end within 3 s"), 6], 2: [8]}


def test_a_single_shard_is_protected_too():
    assert run([[13, 1]]) == {0: [Lost("crashed"), 2]}


def test_a_mistake_in_the_function_comes_through():
    for shards in ([[1], [None], [2]], [[None]]):
        with pytest.raises(TypeError):
            run(shards)
