"""Apply a function to the recording of every clip, in parallel, and only again when its file has changed."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affetto.file_listing import stat_files
from affetto.parallel import ExecutorParameters, Lost, map_items
from affetto.results import ResultStore
from affetto.storage import absolute, as_path

Part = tuple[str, float, float]
"""Path, start and end in s (NaN: of the file) of a clip."""
_CLIPS_A_SHARD = 32
_STRETCH_S = 600.0  # parts of a long recording that are dealt together


def sweep_clips(
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
    """Return what a function says of every clip.

    Parameters
    ----------
    function
        Importable by name, or a `functools.partial` of such a function; returns a value a column, and, where
        the storage rather than the clip may be at fault, `passing`, true.
    clips
        `path, start_s, end_s`.
    root
        Folder that the paths are relative to.
    executor
        Where to run.
    columns
        The columns and their types.
    lost
        What stands for a clip that crashed the decoder or took longer than `limit_s`, s.
    key
        What the result depends on besides the clip and the state of its file.
    description
        Words before the progress bar.
    limit_s
        See `lost`.
    store
        Memo of earlier results.

    Returns
    -------
    pandas.DataFrame
        A row a clip, with the index of `clips`.
    """
    shards = _Shards(clips, root)
    values = {name: np.empty(len(clips), dtype=kind) for name, kind in columns.items()}
    missing = []
    for index, rows in enumerate(shards.rows):
        found = store.get({**key, **shards.state(index)}) if store else None
        if found is None:
            missing.append(index)
        else:
            _fill(values, rows, found)
    swept = map_items(
        function,
        _Selected(shards, missing),
        executor,
        description=description,
        total_units=[len(shards.rows[index]) for index in missing],
        limit_s=limit_s,
    )
    for position, results in swept:
        index = missing[position]
        pairs = zip(shards[index], results, strict=True)
        said = [lost(part, result) if isinstance(result, Lost) else result for part, result in pairs]
        by_column = {name: [row[name] for row in said] for name in columns}
        # A clip that was lost may fare better next time: with more memory, more time, or its disk back.
        if store and not any(isinstance(result, Lost) or result.get("passing") for result in results):
            store.put({**key, **shards.state(index)}, by_column)
        _fill(values, shards.rows[index], by_column)
    return pd.DataFrame(values, index=clips.index)


def _fill(
    values: Mapping[str, NDArray[Any]], rows: NDArray[np.intp], found: Mapping[str, Sequence[Any]]
) -> None:
    for name, column in values.items():
        column[rows] = found[name]


class _Selected(Sequence[Any]):
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


class _Shards(Sequence[Any]):
    """Clips dealt to shards by a hash of their path, so that a new file changes one shard only.

    The number of shards is a power of two: when it doubles, all are dealt anew.
    """

    def __init__(self, clips: pd.DataFrame, root: Path) -> None:
        n_shards = 1 << max(0, (len(clips) // _CLIPS_A_SHARD).bit_length() - 1)
        stretches = np.nan_to_num(clips["start_s"].to_numpy() // _STRETCH_S)
        names = (f"{path}@{stretch:g}" for path, stretch in zip(clips["path"], stretches, strict=True))
        shard_of = np.fromiter((zlib.crc32(name.encode()) % n_shards for name in names), np.intp, len(clips))
        order = np.argsort(shard_of, kind="stable")
        self._root = root
        self._parts = clips[["path", "start_s", "end_s"]]
        self._stats = stat_files(root, clips["path"].tolist())
        self.rows = [rows for rows in np.split(order, np.cumsum(np.bincount(shard_of))[:-1]) if len(rows)]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> list[Part]:
        parts = self._parts.iloc[self.rows[index]].itertuples(index=False, name=None)
        return [(str(self._root / path), start_s, end_s) for path, start_s, end_s in parts]

    def state(self, index: int) -> dict[str, Any]:
        """Return what tells a shard and the state of its files from all others."""
        parts = [[str(absolute(as_path(path))), start_s, end_s] for path, start_s, end_s in self[index]]
        return {"parts": parts, "stats": self._stats[self.rows[index]].tolist()}
