"""What one recording is, measured by decoding it once, in little memory whatever its length."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import NDArray

from affetto.audio.decode import open_recording
from affetto.audio.recording import AudioHeader, DecodeError, NotFiniteError, UnreachableError, mix
from affetto.corpora.parameters import AuditParameters

MEASURE_VERSION = 4
_LOWEST_DBFS = -240.0  # of digital silence, so that no infinity gets into tables
_LOWEST_RATE_HZ, _HIGHEST_RATE_HZ = 1_000, 384_000  # no recorder has others, but a damaged header may
_SHORTEST_CLIPPED_RUN = 3


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
    reason
        Why the clip is rejected, as `kind: details`; empty where it is accepted.
    note
        What is wrong with the file of an accepted clip; empty where nothing is.
    passing
        Whether the storage, not the clip, is at fault, so that it may be read another time.
    """

    duration_s: float = math.nan
    sample_rate_hz: int = 0
    channels: int = 0
    peak_dbfs: float = math.nan
    clipped_share: float = math.nan
    content_hash: str = ""
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
        self._run = 0  # frames at full scale at the end of the block before
        self.n_frames = 0
        self.n_clipped = 0
        self._lowest, self._highest = math.inf, -math.inf

    @property
    def peak(self) -> float:
        """Largest magnitude of the mono samples; 0 without samples."""
        return max(self._highest, -self._lowest, 0.0)

    @property
    def swing_dbfs(self) -> float:
        """Half of the distance from the lowest to the highest sample, dB re full scale."""
        return _dbfs((self._highest - self._lowest) / 2)

    def add(self, block: NDArray[np.float32]) -> None:
        """Measure the next samples, float32 [channels, n]."""
        mono = mix(block, self._header.channel)
        self.n_frames += len(mono)
        self._hash.update(np.ascontiguousarray(mono, dtype="<f4").data)
        self._lowest = min(self._lowest, float(mono.min(initial=np.inf)))
        self._highest = max(self._highest, float(mono.max(initial=-np.inf)))
        # The mean of channels can hide that one of them is clipped.
        loudest = max(block.max(initial=0.0), -block.min(initial=0.0))
        self._count_clipped(block if loudest >= self._header.full_scale else block[:, :0], len(mono))

    def _count_clipped(self, block: NDArray[np.float32], n_frames: int) -> None:
        if block.shape[1] == 0:
            self._run = 0 if n_frames else self._run
            return
        full = np.any(np.abs(block) >= self._header.full_scale, axis=0)
        edges = np.flatnonzero(np.diff(full, prepend=False, append=False))
        starts, lengths = edges[::2], edges[1::2] - edges[::2]
        before = self._run if full[0] else 0
        whole = lengths + np.where(starts == 0, before, 0)
        counted = before if before >= _SHORTEST_CLIPPED_RUN else 0
        self.n_clipped += int(whole[whole >= _SHORTEST_CLIPPED_RUN].sum()) - counted
        self._run = int(whole[-1]) if full[-1] else 0

    def measurement(self) -> Measurement:
        """Return what was measured; the clip is not judged yet."""
        return Measurement(
            duration_s=self.n_frames / self._header.sample_rate_hz,
            sample_rate_hz=self._header.sample_rate_hz,
            channels=self._header.channels,
            peak_dbfs=_dbfs(self.peak),
            clipped_share=self.n_clipped / max(1, self.n_frames),
            content_hash=self._hash.hexdigest(),
        )


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
            duration_s = min(end, header.duration_s) - start
            reason = _unfit_header(header, duration_s, audit)
            if not reason:
                meter = Meter(header)
                for block in recording.blocks(start, min(end, start + audit.max_duration_s + 1)):
                    meter.add(block)
                measured = replace(meter.measurement(), note="; ".join(recording.notes))
                duration_s = measured.duration_s
                reason = _unfit_samples(meter, measured, audit)
    except NotFiniteError as error:
        return Measurement(reason=f"not finite: {error}")
    except DecodeError as error:
        return Measurement(reason=f"unreadable: {error}", passing=isinstance(error, UnreachableError))
    if not reason:
        return measured
    known_s = duration_s if math.isfinite(duration_s) else math.nan
    return Measurement(known_s, header.sample_rate_hz, header.channels, reason=reason)


def _unfit_header(header: AudioHeader, announced_s: float, audit: AuditParameters) -> str:
    """Return why a clip need not be decoded, going by what its header tells; empty when it must be."""
    if not _LOWEST_RATE_HZ <= header.sample_rate_hz <= _HIGHEST_RATE_HZ:
        return f"odd rate: its header says {header.sample_rate_hz} samples a second"
    if math.isfinite(announced_s) and announced_s > audit.max_duration_s:
        return _too_long(announced_s, audit)
    return ""


def _unfit_samples(meter: Meter, clip: Measurement, audit: AuditParameters) -> str:
    """Return why a decoded clip is not fit for use; empty when it is."""
    silence = f"audit.silence_dbfs is {audit.silence_dbfs:g}"
    swing_dbfs, share = meter.swing_dbfs, clip.clipped_share
    faults = (
        (meter.n_frames == 0, "empty: there are no samples in this part of the file"),
        (
            clip.duration_s < audit.min_duration_s,
            f"too short: {clip.duration_s:.3f} s, audit.min_duration_s is {audit.min_duration_s:g}",
        ),
        (clip.duration_s > audit.max_duration_s, _too_long(clip.duration_s, audit)),
        (
            clip.peak_dbfs < audit.silence_dbfs,
            f"silent: its peak is {clip.peak_dbfs:.1f} dBFS, {silence}",
        ),
        (
            swing_dbfs < audit.silence_dbfs,
            f"silent: nothing but an offset, around which it swings by {swing_dbfs:.1f} dBFS, {silence}",
        ),
        (
            share > audit.max_clipped_share,
            f"clipped: {share:.1%} of it is at full scale, audit.max_clipped_share is "
            f"{audit.max_clipped_share:.1%}",
        ),
    )
    return next((reason for unfit, reason in faults if unfit), "")


def _too_long(duration_s: float, audit: AuditParameters) -> str:
    return f"too long: {duration_s:.0f} s, audit.max_duration_s is {audit.max_duration_s:g}"


def _dbfs(amplitude: float) -> float:
    return 20 * math.log10(amplitude) if amplitude > 0 else _LOWEST_DBFS
