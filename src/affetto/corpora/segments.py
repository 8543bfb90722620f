"""Cut long recordings into segments by the lengths that their headers tell."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affetto.audio.decode import open_recording
from affetto.audio.recording import DecodeError, Recording, UnreachableError
from affetto.corpora.scan import Part, scan_clips
from affetto.io.cache import ResultStore
from affetto.io.paths import as_path
from affetto.io.workers import ExecutorParameters

logger = logging.getLogger(__name__)

LONGEST_S = 86_400.0
_LENGTH_VERSION = 1
_LIMIT_S = 300.0  # a header takes milliseconds; a recording whose header tells nothing is decoded


def plan_segments(
    duration_s: float, segment_s: float, hop_s: float | None = None
) -> list[tuple[float, float]]:
    """Return start and end, in s, of the segments that a recording is cut into, in order.

    From the start of a segment to the next it is `hop_s` (None: `segment_s`); a longer one leaves gaps. The
    last stretch is a segment of its own when it is at least half as long as the others; a shorter one is
    added to the segment before (after a gap: left out). There is one segment, of the whole, when there is
    nothing to cut.
    """
    hop_s = segment_s if hop_s is None else hop_s
    segments = [(0.0, min(segment_s, duration_s))]
    for start_s in (hop_s * index for index in range(1, math.ceil(duration_s / hop_s) + 1)):
        begin_s, end_s = segments[-1]
        if end_s >= duration_s or start_s >= duration_s:
            break
        if duration_s - start_s >= segment_s / 2:
            segments.append((start_s, min(start_s + segment_s, duration_s)))
        elif start_s <= end_s:
            segments[-1] = (begin_s, duration_s)
    return segments


def cut_segments(
    clips: pd.DataFrame,
    root: Path,
    segment_s: float,
    hop_s: float | None,
    executor: ExecutorParameters,
    *,
    store: ResultStore | None = None,
) -> pd.DataFrame:
    """Replace every clip that is longer than a segment by its segments.

    Parameters
    ----------
    clips
        Clip table; clips that are parts of a file are cut within their part.
    root
        Folder that the paths are relative to.
    segment_s, hop_s
        As for `plan_segments`.
    executor
        Where to read the headers.
    store
        Memo of earlier lengths.

    Returns
    -------
    pandas.DataFrame
        Clip table, sorted by `clip_id`. A segment has the columns of its clip, the group among them, but its
        own `start_s` and `end_s`, and the id `<id of the clip>@<start>-<end>`. A clip whose file cannot be
        read, or is said to be longer than a day, stays as it is for the audit to judge.
    """
    lengths = scan_clips(
        _length,
        clips,
        root,
        executor,
        columns={"duration_s": np.float64},
        lost=lambda *_: {"duration_s": math.nan},
        key={"what": "length", "version": _LENGTH_VERSION},
        description=f"lengths of {clips['corpus'].iloc[0]}",
        limit_s=_LIMIT_S,
        store=store,
    )
    duration_s = lengths["duration_s"].to_numpy()
    starts = clips["start_s"].fillna(0.0).to_numpy()
    plans = [
        plan_segments(length, segment_s, hop_s) if length <= LONGEST_S else [(0.0, length)]
        for length in duration_s.tolist()
    ]
    counts = np.array([len(plan) for plan in plans])
    is_cut = (counts > 1) | (np.array([plan[0][1] for plan in plans]) < duration_s)
    cut = np.repeat(is_cut, counts)
    rows = clips.loc[clips.index.repeat(counts)].reset_index(drop=True)
    bounds = np.repeat(starts, counts)[:, np.newaxis] + np.concatenate([np.array(plan) for plan in plans])
    # To the microsecond: sums of decimals would otherwise end in …0000001 in the ids.
    bounds = bounds.round(6)
    ids = [
        f"{name}@{start:.10g}-{end:.10g}" if named else name
        for name, (start, end), named in zip(rows["clip_id"], bounds, cut, strict=True)
    ]
    logger.info("%d of %d recordings were cut into %d segments", is_cut.sum(), len(clips), cut.sum())
    segments = rows.assign(
        clip_id=pd.array(ids, dtype="str"),
        start_s=rows["start_s"].mask(cut, bounds[:, 0]),
        end_s=rows["end_s"].mask(cut, bounds[:, 1]),
    )
    return segments.sort_values("clip_id", ignore_index=True)


def _length(part: Part) -> dict[str, Any]:
    """Return the length of a clip, s; NaN where its file cannot be read."""
    path, start_s, end_s = part
    start_s, end_s = np.nan_to_num(start_s), math.inf if math.isnan(end_s) else end_s
    try:
        with open_recording(as_path(path)) as recording:
            file_s = recording.header.duration_s
            file_s = file_s if math.isfinite(file_s) else _decoded_s(recording)
    except DecodeError as error:
        return {"duration_s": math.nan, "passing": isinstance(error, UnreachableError)}
    length_s = min(end_s, file_s) - start_s
    return {"duration_s": length_s if length_s > 0 else math.nan}


def _decoded_s(recording: Recording) -> float:
    """Return the length of a stream whose header does not tell it, s."""
    n_frames: int = sum(block.shape[1] for block in recording.blocks(0.0, LONGEST_S + 1))
    return n_frames / recording.header.sample_rate_hz
