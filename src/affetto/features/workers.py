"""What a worker does: extract the clips of a shard, set failures aside, write the rest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from affetto.audio.decode import read_audio
from affetto.errors import AffettoError
from affetto.features.extractors import extract_one, sample_rate_of
from affetto.features.parameters import FeatureParameters
from affetto.features.store import Description, FeatureStore, Row

_CLIP_ERRORS = (AffettoError, OSError, ValueError, RuntimeError, ArithmeticError, MemoryError)


@dataclass(frozen=True)
class ClipJob:
    """A clip to extract."""

    clip_id: str
    key: str
    path: Path
    start_s: float
    end_s: float | None
    duration_s: float


@dataclass(frozen=True)
class ShardJob:
    """Clips that one worker extracts and writes as one shard."""

    store: FeatureStore
    description: Description
    parameters: FeatureParameters
    clips: tuple[ClipJob, ...]


@dataclass(frozen=True)
class ShardResult:
    """What a worker hands back: places of the keys it wrote, reasons for those it could not."""

    rows: dict[str, Row]
    reasons: dict[str, str]


def extract_shard(job: ShardJob) -> ShardResult:
    """Extract the clips of a shard and write it; runs in a worker."""
    arrays: dict[str, np.ndarray] = {}
    reasons: dict[str, str] = {}
    for clip in job.clips:
        try:
            arrays[clip.key] = _extract_clip(clip, job.parameters)
        except _CLIP_ERRORS as error:
            reasons[clip.key] = str(error) or type(error).__name__
    if not arrays:
        return ShardResult({}, reasons)
    ids = [clip.clip_id for clip in job.clips if clip.key in arrays]
    return ShardResult(job.store.add(ids, list(arrays), list(arrays.values()), job.description), reasons)


def decode_for(
    path: Path, parameters: FeatureParameters, *, start_s: float = 0.0, end_s: float | None = None
) -> tuple[np.ndarray, int]:
    """Decode a recording, or a part of it, at the sample rate of a feature."""
    return read_audio(path, sample_rate_hz=sample_rate_of(parameters), start_s=start_s, end_s=end_s)


def _extract_clip(clip: ClipJob, parameters: FeatureParameters) -> np.ndarray:
    samples, rate = decode_for(clip.path, parameters, start_s=clip.start_s, end_s=clip.end_s)
    return extract_one(samples, rate, parameters)
