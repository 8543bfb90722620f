"""Apply a function to the recording of every clip, in parallel, and only again when its file has changed."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affetto.io.cache import ResultStore
from affetto.io.paths import absolute, as_path, stat_files
from affetto.io.workers import ExecutorParameters, Lost, map_items

Part = tuple[str, float, float]
"""Path, start and end in s (NaN: of the file) of a clip."""
_CLIPS_A_SHARD = 32
_STRETCH_S = 600.0  # parts of a long recording that are dealt together


def scan_clips(
    function: Callable[[Part], Mapping[str, Any]],
    clips: pd.DataFrame,
    root: Path,
    executor: ExecutorParameters,
    *,
    columns: Mapping[str, type[np.generic]],
    lost: Callable[[Part, Lost], Mapping[str, Any]],
    key: Mapping[str, Any],
    description: str,
    limit_s: float,
    store: ResultStore | None = None,
) -> pd.DataFrame:
    """Return what a function says of every clip, a row each with the index of `clips`.

    Parameters
    ----------
    function
        Importable by name, or a `functools.partial` of such a function; returns a value a column, and, where
        the storage rather than the clip may be at fault, `passing`, true.
    clips, root
        `path, start_s, end_s`, and the folder that the paths are relative to.
    executor, description
        Where to run, and the words before the progress bar.
    columns
        The columns and their types.
    lost, limit_s
        What stands for a clip that crashed the decoder or took longer, s.
    key, store
        What the result depends on besides the clip and the state of its file; memo of earlier results.
    """
    shards = _deal(clips)
    paths = (str(root / path) for path in clips["path"])
    parts: list[Part] = list(zip(paths, clips["start_s"], clips["end_s"], strict=True))
    stats = stat_files(root, clips["path"].tolist())
    values = {name: np.empty(len(clips), dtype=kind) for name, kind in columns.items()}

    def key_of(rows: NDArray[np.intp]) -> dict[str, Any]:
        where = [[str(absolute(as_path(path))), *bounds] for path, *bounds in (parts[row] for row in rows)]
        return {**key, "parts": where, "stats": stats[rows].tolist()}

    def fill(rows: NDArray[np.intp], found: Mapping[str, Any]) -> None:
        for name, column in values.items():
            column[rows] = found[name]

    missing = []
    for rows in shards:
        found = store.get(key_of(rows)) if store else None
        if found is None:
            missing.append(rows)
        else:
            fill(rows, found)
    scanned = map_items(
        function,
        [[parts[row] for row in rows] for rows in missing],
        executor,
        description=description,
        total_units=list(map(len, missing)),
        limit_s=limit_s,
    )
    for position, results in scanned:
        rows = missing[position]
        pairs = zip((parts[row] for row in rows), results, strict=True)
        said = [lost(part, result) if isinstance(result, Lost) else result for part, result in pairs]
        found = {name: [row[name] for row in said] for name in columns}
        # A clip that was lost may fare better next time: with more memory, more time, or its disk back.
        if store and not any(isinstance(result, Lost) or result.get("passing") for result in results):
            store.put(key_of(rows), found)
        fill(rows, found)
    return pd.DataFrame(values, index=clips.index)


def _deal(clips: pd.DataFrame) -> list[NDArray[np.intp]]:
    """Deal rows to shards by a hash of their path, so that a new file changes one shard only.

    The number of shards is a power of two: when it doubles, all are dealt anew.
    """
    n_shards = 1 << max(0, (len(clips) // _CLIPS_A_SHARD).bit_length() - 1)
    stretches = np.nan_to_num(clips["start_s"].to_numpy() // _STRETCH_S)
    names = (f"{path}@{stretch:g}" for path, stretch in zip(clips["path"], stretches, strict=True))
    shard_of = np.fromiter((zlib.crc32(name.encode()) % n_shards for name in names), np.intp, len(clips))
    order = np.argsort(shard_of, kind="stable")
    return [rows for rows in np.split(order, np.cumsum(np.bincount(shard_of))[:-1]) if len(rows)]
