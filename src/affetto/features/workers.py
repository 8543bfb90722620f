"""What a worker does: extract the clips of a shard, set failures aside, write the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from affetto.audio.decode import read_audio
from affetto.errors import AffettoError
from affetto.features.extractors import extract_one, sample_rate_of
from affetto.features.key_index import Places
from affetto.features.parameters import FeatureParameters
from affetto.features.plan_file import Description
from affetto.features.store import FeatureStore

MAX_SHARD_BYTES = 64 << 20
CLIP_ERRORS = (AffettoError, OSError, ValueError, RuntimeError, ArithmeticError, MemoryError)


@dataclass(frozen=True)
class ClipJob:
    """A clip to extract."""

    clip_id: str
    key: str
    path: Path
    start_s: float
    end_s: float | None


@dataclass(frozen=True)
class ShardJob:
    """Clips that one worker extracts and writes, as one shard unless their values are too large for one."""

    store: FeatureStore
    description: Description
    parameters: FeatureParameters
    clips: tuple[ClipJob, ...]


@dataclass(frozen=True)
class ShardResult:
    """What a worker hands back; it is small, for the results of all shards meet in one process.

    Parameters
    ----------
    places
        Of the clips of the job.
    reasons
        Position of a clip in the job to the reason why it has no place.
    """

    places: Places
    reasons: dict[int, str]


def extract_shard(job: ShardJob) -> ShardResult:
    """Extract the clips of a shard and write it; runs in a worker."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    writer, reasons = _Writer(job), dict[int, str]()
    with threadpool_limits(1, user_api="blas"):  # for matrices this small, threads only wait
        for position, clip in enumerate(job.clips):
            try:
                array = _extract_clip(clip, job.parameters)
            except CLIP_ERRORS as error:
                reasons[position] = str(error) or type(error).__name__
            else:
                writer.add(position, array)
    return ShardResult(writer.finish(), reasons)


def single_clips(job: ShardJob) -> list[ShardJob]:
    """Return a job of each clip of a job."""
    return [replace(job, clips=(clip,)) for clip in job.clips]


class _Writer:
    """Writes clips as shards of at most `MAX_SHARD_BYTES`; a clip larger than that has one of its own."""

    def __init__(self, job: ShardJob) -> None:
        self._job = job
        self._places = Places.nowhere(len(job.clips))
        self._names: list[str] = []
        self._held: dict[int, np.ndarray] = {}

    def add(self, position: int, array: np.ndarray) -> None:
        """Take the values of the clip at `position`."""
        if self._held and sum(held.nbytes for held in self._held.values()) + array.nbytes > MAX_SHARD_BYTES:
            self._write()
        self._held[position] = array

    def finish(self) -> Places:
        """Write what is held and return the places of all clips."""
        if self._held:
            self._write()
        return replace(self._places, names=tuple(self._names))

    def _write(self) -> None:
        positions, arrays = list(self._held), list(self._held.values())
        clips = [self._job.clips[position] for position in positions]
        name = self._job.store.add(
            [clip.clip_id for clip in clips], [clip.key for clip in clips], arrays, self._job.description
        )
        self._places.shards[positions] = len(self._names)
        self._places.rows[positions] = np.arange(len(positions))
        self._places.n_frames[positions] = [len(array) for array in arrays]
        self._names.append(name)
        self._held.clear()


def decode_for(
    path: Path, parameters: FeatureParameters, *, start_s: float = 0.0, end_s: float | None = None
) -> tuple[np.ndarray, int]:
    """Decode a recording, or a part of it, at the sample rate of a feature."""
    return read_audio(path, sample_rate_hz=sample_rate_of(parameters), start_s=start_s, end_s=end_s)


def _extract_clip(clip: ClipJob, parameters: FeatureParameters) -> np.ndarray:
    samples, rate = decode_for(clip.path, parameters, start_s=clip.start_s, end_s=clip.end_s)
    return extract_one(samples, rate, parameters)
