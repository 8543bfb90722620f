"""Measure recordings in little memory, whatever their length: one clip, or all of a table in parallel."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xxhash
from numpy.typing import NDArray

from affetto.audio.decode import open_recording
from affetto.audio.recording import AudioHeader, DecodeError, NotFiniteError, UnreachableError, mix
from affetto.corpora.duplicates import Listener
from affetto.corpora.parameters import AuditParameters
from affetto.io.cache import ResultStore
from affetto.io.paths import absolute, as_path, stat_files
from affetto.io.workers import ExecutorParameters, Lost, map_items

MEASURE_VERSION = 6
_LOWEST_DBFS = -240.0  # of digital silence, so that no infinity gets into tables
_LOWEST_RATE_HZ, _HIGHEST_RATE_HZ = 1_000, 384_000  # no recorder has others, but a damaged header may
_SHORTEST_CLIPPED_RUN = 3
_CLIPS_A_SHARD = 32
_STRETCH_S = 600.0  # parts of a long recording that are dealt together
_Part = tuple[str, float, float]


@dataclass(frozen=True)
class Measurement:
    """What the audit learns of a clip.

    Attributes
    ----------
    duration_s
        Length of the clip, s; NaN where it was not decoded.
    sample_rate_hz, channels
        Of the file; 0 where unknown.
    peak_dbfs
        Largest magnitude of the mono samples (see `affetto.audio.recording.mix`), dB re full scale; NaN where
        it was not decoded.
    clipped_share
        Share of the frames that are clipped (see `Meter`); NaN where it was not decoded.
    content_hash
        Of the mono samples at the file's rate; empty where it was not decoded.
    fingerprint
        What its first two minutes sound like (see `affetto.corpora.duplicates`); empty where it was not
        decoded.
    reason
        Why the clip is rejected, as `kind: details`; empty where it is accepted.
    note
        What is wrong with the file of an accepted clip; empty where nothing is.
    passing
        Whether it may fare better next time, because the storage or a worker is at fault.
    """

    duration_s: float = math.nan
    sample_rate_hz: int = 0
    channels: int = 0
    peak_dbfs: float = math.nan
    clipped_share: float = math.nan
    content_hash: str = ""
    fingerprint: str = ""
    reason: str = ""
    note: str = ""
    passing: bool = False


class Meter:
    """Measures samples as they come.

    A frame is clipped when it lies in a run of three or more frames in which some channel is at or beyond
    full scale: the definition of Audacity's "Find Clipping". Full scale is the largest sample of 16 bits (of
    8 where the format has no more), so that a normalised recording, which touches it once, is not clipped.

    Parameters
    ----------
    header
        Of the recording.
    """

    def __init__(self, header: AudioHeader) -> None:
        self._header = header
        # No cryptographic hash: it would cost a third of the decoding.
        self._hash = xxhash.xxh3_128(f"{header.sample_rate_hz} ".encode())
        self._listener = Listener(header.sample_rate_hz)
        self._run = 0  # frames at full scale at the end of the block before
        self.n_frames = 0
        self.n_clipped = 0
        self.lowest, self.highest = math.inf, -math.inf

    @property
    def peak(self) -> float:
        """Largest magnitude of the mono samples; 0 without samples."""
        return max(self.highest, -self.lowest, 0.0)

    def add(self, block: NDArray[np.float32]) -> None:
        """Measure the next samples, float32 [channels, n]."""
        mono = mix(block, self._header.channel)
        self._hash.update(np.ascontiguousarray(mono, dtype="<f4").data)
        self._listener.add(mono)
        self.n_frames += len(mono)
        self.lowest = min(self.lowest, float(mono.min(initial=np.inf)))
        self.highest = max(self.highest, float(mono.max(initial=-np.inf)))
        # The mean of channels can hide that one of them is clipped.
        if max(block.max(initial=0.0), -block.min(initial=0.0)) >= self._header.full_scale:
            self._count_clipped(np.any(np.abs(block) >= self._header.full_scale, axis=0))
        elif len(mono):
            self._run = 0

    def _count_clipped(self, full: NDArray[np.bool_]) -> None:
        edges = np.flatnonzero(np.diff(full, prepend=False, append=False))
        starts, lengths = edges[::2], edges[1::2] - edges[::2]
        before = self._run if full[0] else 0
        lengths = lengths + np.where(starts == 0, before, 0)
        counted = before if before >= _SHORTEST_CLIPPED_RUN else 0
        self.n_clipped += int(lengths[lengths >= _SHORTEST_CLIPPED_RUN].sum()) - counted
        self._run = int(lengths[-1]) if full[-1] else 0

    def measurement(self) -> Measurement:
        """Return what was measured; the clip is not judged yet."""
        return Measurement(
            duration_s=self.n_frames / self._header.sample_rate_hz,
            sample_rate_hz=self._header.sample_rate_hz,
            channels=self._header.channels,
            peak_dbfs=_dbfs(self.peak),
            clipped_share=self.n_clipped / max(1, self.n_frames),
            content_hash=self._hash.hexdigest(),
            fingerprint=self._listener.fingerprint(),
        )


def _dbfs(amplitude: float) -> float:
    return 20 * math.log10(amplitude) if amplitude > 0 else _LOWEST_DBFS


def measure_clip(path: Path, start_s: float, end_s: float, audit: AuditParameters) -> Measurement:
    """Decode a clip and judge it.

    Parameters
    ----------
    path
        The recording.
    start_s, end_s
        Part of it, s; NaN for its beginning and end.
    audit
        When a clip is fit for use.

    Returns
    -------
    Measurement
        Of a rejected clip only its length, rate and channels are kept. A clip whose header tells that it is
        too long is never decoded; one whose header does not tell, or lies, is decoded up to a second more
        than is allowed.
    """
    start = 0.0 if math.isnan(start_s) else start_s
    end = math.inf if math.isnan(end_s) else end_s
    try:
        with open_recording(path) as recording:
            header = recording.header
            announced_s = min(end, header.duration_s) - start
            known_s = announced_s if math.isfinite(announced_s) else math.nan
            measured = Measurement(known_s, header.sample_rate_hz, header.channels)
            if not _LOWEST_RATE_HZ <= header.sample_rate_hz <= _HIGHEST_RATE_HZ:
                return replace(measured, reason=_odd_rate(header.sample_rate_hz))
            if known_s > audit.max_duration_s:
                return replace(measured, reason=_too_long(known_s, audit))
            meter = Meter(header)
            for block in recording.blocks(start, min(end, start + audit.max_duration_s + 1)):
                meter.add(block)
            measured = replace(meter.measurement(), note="; ".join(recording.notes))
    except NotFiniteError as error:
        return Measurement(reason=f"not finite: {error}")
    except DecodeError as error:
        return Measurement(reason=f"unreadable: {error}", passing=isinstance(error, UnreachableError))
    reason = _unfit(meter, measured, audit)
    if not reason:
        return measured
    return Measurement(measured.duration_s, header.sample_rate_hz, header.channels, reason=reason)


def _odd_rate(rate_hz: int) -> str:
    return (
        f"odd rate: its header says {rate_hz} samples a second, which no recorder writes; if the sound is "
        "good, correct the header"
    )


def _unfit(meter: Meter, clip: Measurement, audit: AuditParameters) -> str:
    """Return why a decoded clip is not fit for use; empty when it is."""
    swing_dbfs = _dbfs((meter.highest - meter.lowest) / 2)
    silence = f"audit.silence_dbfs is {audit.silence_dbfs:g}"
    reason = ""
    if meter.n_frames == 0:
        reason = "empty: there are no samples in this part of the file"
    elif clip.duration_s < audit.min_duration_s:
        reason = f"too short: {clip.duration_s:.3f} s, audit.min_duration_s is {audit.min_duration_s:g}"
    elif clip.duration_s > audit.max_duration_s:
        reason = _too_long(clip.duration_s, audit)
    elif clip.peak_dbfs < audit.silence_dbfs:
        reason = f"too quiet: its peak is {clip.peak_dbfs:.1f} dBFS, {silence}"
    elif swing_dbfs < audit.silence_dbfs:
        swing = f"around which it swings by {swing_dbfs:.1f} dBFS"
        reason = f"too quiet: nothing but an offset, {swing}, {silence}"
    elif clip.clipped_share > audit.max_clipped_share:
        limit = f"audit.max_clipped_share is {audit.max_clipped_share:.1%}"
        reason = f"clipped: {clip.clipped_share:.1%} of it is at full scale, {limit}"
    return reason


def _too_long(duration_s: float, audit: AuditParameters) -> str:
    return f"too long: {duration_s:.0f} s, audit.max_duration_s is {audit.max_duration_s:g}"


def measure_all(
    function: Callable[[Path, float, float], Measurement],
    clips: pd.DataFrame,
    root: Path,
    executor: ExecutorParameters,
    *,
    columns: Sequence[str],
    key: Mapping[str, Any],
    description: str,
    limit_s: float,
    store: ResultStore | None = None,
) -> pd.DataFrame:
    """Measure every clip of a table, in parallel, and only again when its file has changed.

    Parameters
    ----------
    function
        Called with path, start and end in s (NaN: of the file); importable by name, or a `functools.partial`
        of such a function.
    clips, root
        `path, start_s, end_s`, and the folder that the paths are relative to.
    executor, description
        Where to run, and the words before the progress bar.
    columns
        The attributes of a `Measurement` that are wanted.
    key, store
        What the result depends on besides the clip and the state of its file; memo of earlier results.
    limit_s
        A clip that takes longer, s, or crashes the decoder, is rejected.

    Returns
    -------
    pandas.DataFrame
        The columns, with the index of `clips`.
    """
    paths = (str(root / path) for path in clips["path"])
    parts: list[_Part] = list(zip(paths, clips["start_s"], clips["end_s"], strict=True))
    stats = stat_files(root, clips["path"].tolist())
    blank = Measurement()
    values = {
        name: np.full(len(clips), value, dtype=object if isinstance(value, str) else type(value))
        for name, value in ((name, getattr(blank, name)) for name in columns)
    }

    def key_of(rows: NDArray[np.intp]) -> dict[str, Any]:
        where = [[str(absolute(as_path(path))), *bounds] for path, *bounds in (parts[row] for row in rows)]
        return {**key, "parts": where, "stats": stats[rows].tolist()}

    missing = []
    for rows in _deal(clips):
        found = store.get(key_of(rows)) if store else None
        if found is None:
            missing.append(rows)
            continue
        for name, column in values.items():
            column[rows] = found[name]
    results = map_items(
        partial(_measure_part, function=function),
        [[parts[row] for row in rows] for rows in missing],
        executor,
        description=description,
        total_units=list(map(len, missing)),
        limit_s=limit_s,
    )
    for position, result in results:
        rows = missing[position]
        measured = [
            Measurement(reason=f"unreadable: the decoder of {parts[row][0]} {one.reason}", passing=True)
            if isinstance(one, Lost)
            else one
            for row, one in zip(rows, result, strict=True)
        ]
        found = {name: [getattr(one, name) for one in measured] for name in columns}
        if store and not any(one.passing for one in measured):
            store.put(key_of(rows), found)
        for name, column in values.items():
            column[rows] = found[name]
    return pd.DataFrame(values, index=clips.index)


def _measure_part(part: _Part, *, function: Callable[[Path, float, float], Measurement]) -> Measurement:
    path, start_s, end_s = part
    return function(as_path(path), start_s, end_s)


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
