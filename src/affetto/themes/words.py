"""Audio words of many clips: their counts, as bags for classifiers and as documents for an LDA."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from affetto.io.arrays import scratch_array
from affetto.io.workers import ExecutorParameters, iterate_shards
from affetto.themes.codebook import Codebook

if TYPE_CHECKING:
    from affetto.features.clip_features import ClipFeatures, FeatureSet

    F = TypeVar("F", ClipFeatures, FeatureSet)

SHARD_CLIPS = 64
CHUNK_CLIPS = 2048  # rows of documents that are made at a time


@dataclass(frozen=True, eq=False)
class AudioWords:
    """Word counts of clips.

    Attributes
    ----------
    clip_ids
        The clips.
    counts
        uint16 [n_clips, n_words]; a clip of up to 25 minutes fits.
    slices
        Where each descriptor's words lie.
    """

    clip_ids: tuple[str, ...]
    counts: np.ndarray
    slices: tuple[slice, ...]

    def take(self, indices: np.ndarray | Sequence[int]) -> AudioWords:
        """Return the clips at `indices`, in that order."""
        chosen = np.asarray(indices, dtype=np.int64)
        if np.array_equal(chosen, np.arange(len(self.clip_ids))):
            return self  # the counts of a large library stay on disk
        return AudioWords(tuple(self.clip_ids[i] for i in chosen), self.counts[chosen], self.slices)

    def state(self) -> dict[str, Any]:
        """Return arrays and JSON values from which `from_state` makes equal counts."""
        slices = [[one.start, one.stop] for one in self.slices]
        return {"counts": self.counts, "clip_ids": list(self.clip_ids), "slices": slices}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> AudioWords:
        """Restore counts from their `state`."""
        slices = tuple(slice(*ends) for ends in state["slices"])
        return cls(tuple(state["clip_ids"]), state["counts"], slices)


def shards(features: F) -> list[F]:
    """Divide clips into the parts that workers read one at a time."""
    n_clips = len(features.clip_ids)
    starts = range(0, n_clips, SHARD_CLIPS)
    return [features.take(range(start, min(start + SHARD_CLIPS, n_clips))) for start in starts]


def count_words(codebook: Codebook, features: FeatureSet, executor: ExecutorParameters) -> AudioWords:
    """Count the audio words of clips, shards of clips in parallel.

    Raises
    ------
    AffettoError
        When the clips have other dimensions than those of the codebook.
    """
    codebook.check(features)
    tasks = [(codebook, shard) for shard in shards(features)]
    sizes = [shard.n_clips for _, shard in tasks]
    counts = scratch_array((features.n_clips, len(codebook.word_names)), np.uint16)
    counted = iterate_shards(_count, tasks, executor, description="audio words", total_units=sizes)
    with closing(counted):
        for index, rows in counted:
            counts[index * SHARD_CLIPS : index * SHARD_CLIPS + len(rows)] = rows
    return AudioWords(tuple(features.clip_ids), counts, tuple(codebook.slices))


def _count(task: tuple[Codebook, FeatureSet]) -> np.ndarray:
    codebook, features = task
    counts = [
        codebook.count({name: features[name][index] for name in codebook.features})
        for index in range(features.n_clips)
    ]
    return np.minimum(counts, np.iinfo(np.uint16).max).astype(np.uint16)


def make_bags(words: AudioWords) -> np.ndarray:
    """Return bags of audio words for classifiers, float64 [n_clips, n_words].

    They are the square roots of the counts, those of each descriptor divided by their Euclidean norm.
    """
    bags = np.sqrt(words.counts.astype(np.float64))
    for one in words.slices:
        lengths = np.sqrt((bags[:, one] ** 2).sum(axis=1, keepdims=True))
        bags[:, one] /= np.where(lengths > 0, lengths, 1.0)
    return bags


def make_documents(words: AudioWords, length: float) -> np.ndarray:
    """Return documents of an LDA: damped counts, scaled to the length of a document.

    Frames that overlap and follow each other say the same thing again and again; taken as independent words
    they would make every clip's mixture certain of one topic. Descriptors with many frames and words would
    also drown the others, unless each is given the same share.

    Returns
    -------
    numpy.ndarray
        float32 [n_clips, n_words], on disk where it is large. Rows sum to `length`, or to 0 without words.
    """
    made = scratch_array(words.counts.shape, np.float32)
    for start in range(0, len(made), CHUNK_CLIPS):  # in double precision, but never all of them
        damped = np.sqrt(words.counts[start : start + CHUNK_CLIPS].astype(np.float64))
        for one in words.slices:
            damped[:, one] = _shares(damped[:, one])
        made[start : start + CHUNK_CLIPS] = length * _shares(damped)
    return np.asarray(made)


def _shares(rows: np.ndarray) -> np.ndarray:
    """Divide every row by its sum; rows of zeros stay."""
    total = rows.sum(axis=1, keepdims=True)
    shares: np.ndarray = rows / np.where(total > 0, total, 1.0)
    return shares
