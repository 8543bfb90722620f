"""What one recording is, measured by decoding it once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affetto.audio.decode import AudioHeader, DecodeError, content_hash, read_audio, read_header
from affetto.corpora.parameters import AuditParameters

MEASURE_VERSION = 1
_LOWEST_DBFS = -240.0  # of digital silence, so that no infinity gets into tables


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
        Largest magnitude of the mean of the channels, dB re full scale; NaN where it was not decoded.
    content_hash
        Of the mono samples at the file's rate; empty where it was not decoded.
    reason
        Why the clip is rejected, as `kind: details`; empty where it is accepted.
    """

    duration_s: float = math.nan
    sample_rate_hz: int = 0
    channels: int = 0
    peak_dbfs: float = math.nan
    content_hash: str = ""
    reason: str = ""


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
        A clip whose header tells that it is too long is never decoded.
    """
    start = 0.0 if math.isnan(start_s) else start_s
    end = math.inf if math.isnan(end_s) else end_s
    try:
        header = read_header(path)
        announced_s = min(end, header.duration_s) - start
        if math.isfinite(announced_s) and announced_s > audit.max_duration_s:
            return _rejected(header, _too_long(announced_s, audit), duration_s=announced_s)
        # Where the header does not tell the length, decode at most a second more than is allowed.
        stop = end if math.isfinite(announced_s) else start + audit.max_duration_s + 1
        samples, rate = read_audio(path, start_s=start, end_s=stop if math.isfinite(stop) else None)
    except DecodeError as error:
        return Measurement(reason=f"unreadable: {error}")
    return _judge(samples, rate, header, audit)


def _judge(
    samples: NDArray[np.float32], rate: int, header: AudioHeader, audit: AuditParameters
) -> Measurement:
    duration_s = len(samples) / rate
    peak_dbfs = _peak_dbfs(samples)
    reason = ""
    if len(samples) == 0:
        reason = f"empty: no samples in this part of the {header.duration_s:.2f} s of the file"
    elif not math.isfinite(peak_dbfs):
        bad = int(np.count_nonzero(~np.isfinite(samples)))
        reason = f"not finite: {bad} of {len(samples)} samples are infinite or not a number"
    elif duration_s < audit.min_duration_s:
        reason = f"too short: {duration_s:.3f} s, audit.min_duration_s is {audit.min_duration_s:g}"
    elif duration_s > audit.max_duration_s:
        reason = _too_long(duration_s, audit)
    elif peak_dbfs < audit.silence_dbfs:
        reason = f"silent: its peak is {peak_dbfs:.1f} dBFS, audit.silence_dbfs is {audit.silence_dbfs:g}"
    if reason:
        return _rejected(header, reason, duration_s=duration_s)
    digest = content_hash(samples, rate)
    return Measurement(duration_s, header.sample_rate_hz, header.channels, peak_dbfs, digest)


def _rejected(header: AudioHeader, reason: str, *, duration_s: float) -> Measurement:
    return Measurement(duration_s, header.sample_rate_hz, header.channels, reason=reason)


def _too_long(duration_s: float, audit: AuditParameters) -> str:
    return f"too long: {duration_s:.0f} s, audit.max_duration_s is {audit.max_duration_s:g}"


def _peak_dbfs(samples: NDArray[np.float32]) -> float:
    """20 log10 of the largest magnitude; not finite where a sample is not."""
    peak = float(np.max(np.abs(samples), initial=0.0))
    return 20 * math.log10(peak) if peak > 0 else peak + _LOWEST_DBFS
