"""Cut long recordings into segments by the lengths that their headers tell."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import numpy as np
import pandas as pd

from affetto.audio.decode import open_recording
from affetto.audio.recording import DecodeError, UnreachableError
from affetto.corpora.measure import Measurement, measure_all
from affetto.io.cache import ResultStore
from affetto.io.workers import ExecutorParameters

logger = logging.getLogger(__name__)

_LONGEST_S = 86_400.0
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
    lengths = measure_all(
        _measure_length,
        clips,
        root,
        executor,
        columns=("duration_s",),
        key={"what": "length", "version": _LENGTH_VERSION},
        description=f"lengths of {clips['corpus'].iloc[0]}",
        limit_s=_LIMIT_S,
        store=store,
    )
    rows, cut = [], 0
    for clip, length_s in zip(clips.to_dict("records"), lengths["duration_s"], strict=True):
        plan = plan_segments(length_s, segment_s, hop_s) if length_s <= _LONGEST_S else []
        if len(plan) < 2 and not any(end_s < length_s for _, end_s in plan):  # noqa: PLR2004
            rows.append(clip)
            continue
        cut += 1
        offset_s = 0.0 if math.isnan(clip["start_s"]) else clip["start_s"]
        for bounds in plan:
            # To the microsecond: sums of decimals would otherwise end in …0000001 in the ids.
            start_s, end_s = (np.array(bounds) + offset_s).round(6).tolist()
            name = f"{clip['clip_id']}@{start_s:.10g}-{end_s:.10g}"
            rows.append({**clip, "clip_id": name, "start_s": start_s, "end_s": end_s})
    n_segments = len(rows) - len(clips) + cut
    logger.info("%d of %d recordings were cut into %d segments", cut, len(clips), n_segments)
    segments = pd.DataFrame(rows).astype(clips.dtypes)
    return segments.sort_values("clip_id", ignore_index=True)


def _measure_length(path: Path, start_s: float, end_s: float) -> Measurement:
    """Return the length of a clip, s; NaN where its file cannot be read."""
    try:
        with open_recording(path) as recording:
            file_s, rate_hz = recording.header.duration_s, recording.header.sample_rate_hz
            if math.isinf(file_s):  # the header does not tell
                file_s = sum(block.shape[1] for block in recording.blocks(0.0, _LONGEST_S + 1)) / rate_hz
    except DecodeError as error:
        return Measurement(passing=isinstance(error, UnreachableError))
    length_s = np.nanmin([end_s, file_s]) - np.nan_to_num(start_s)
    return Measurement(float(length_s) if length_s > 0 else math.nan)
