"""Audio words of many clips: their counts, weighted as bags for classifiers or as documents for an LDA."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from affetto.io.arrays import scratch_array
from affetto.io.workers import ExecutorParameters, iterate_shards
from affetto.themes.codebook import Codebook
from affetto.themes.parameters import BagParameters, TopicParameters

if TYPE_CHECKING:
    from affetto.features.clip_features import ClipFeatures, FeatureSet

    F = TypeVar("F", ClipFeatures, FeatureSet)

SHARD_CLIPS = 64
CHUNK_CLIPS = 2048  # rows of documents made at a time


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
        return {
            "counts": self.counts,
            "clip_ids": list(self.clip_ids),
            "slices": [[one.start, one.stop] for one in self.slices],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> AudioWords:
        """Restore counts from their `state`."""
        return cls(tuple(state["clip_ids"]), state["counts"], tuple(slice(*ends) for ends in state["slices"]))


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


def damp(counts: np.ndarray, how: str) -> np.ndarray:
    """Return term frequencies, float64: `counts` themselves, `log` (1 + count) or `sqrt`."""
    frequencies = counts.astype(np.float64)
    if how == "counts":
        return frequencies
    damped: np.ndarray = {"log": np.log1p, "sqrt": np.sqrt}[how](frequencies)
    return damped


def normalise(bags: np.ndarray, how: str) -> np.ndarray:
    """Divide every row by its `l1` or `l2` norm, or by nothing (`none`); rows of zeros stay."""
    if how == "none":
        return bags
    norms = bags.sum(axis=1) if how == "l1" else np.sqrt((bags**2).sum(axis=1))
    normalised: np.ndarray = bags / np.where(norms > 0, norms, 1.0)[:, None]
    return normalised


def inverse_document_frequency(counts: np.ndarray) -> np.ndarray:
    """Return log(n / n_w) + 1 of every word, n_w the clips that have it (at least 1)."""
    with_word = np.maximum((counts > 0).sum(axis=0), 1)
    weights: np.ndarray = np.log(max(1, len(counts)) / with_word) + 1
    return weights


def weigh(words: AudioWords, parameters: BagParameters, *, idf: np.ndarray | None = None) -> np.ndarray:
    """Turn counts into bags of audio words, float64 [n_clips, n_words].

    Parameters
    ----------
    words
        Counts of clips; one without words has zeros in its bag, too.
    parameters
        Term frequency and normalisation; each descriptor is normalised on its own.
    idf
        Weights of words from training clips, [n_words]; None weighs all alike.
    """
    bags = damp(words.counts, parameters.term_frequency)
    if idf is not None:
        bags *= idf
    for one in words.slices:
        bags[:, one] = normalise(bags[:, one], parameters.normalisation)
    return bags


@dataclass(frozen=True, eq=False)
class Documents:
    """Documents of an LDA: damped counts, scaled to the length of a document.

    Frames that overlap and follow each other say the same thing again and again; taken as independent words
    they would make every clip's mixture certain of one topic. Descriptors with many frames and words would
    also drown the others, unless each is given the same share. Documents are made when asked for, so that
    many clips cost their counts alone.

    Attributes
    ----------
    words
        Counts of clips.
    parameters
        How documents are weighted.
    rows
        The clips' rows in `words`, int64 [n_clips].
    """

    words: AudioWords
    parameters: TopicParameters
    rows: np.ndarray

    @classmethod
    def of(cls, words: AudioWords, parameters: TopicParameters) -> Documents:
        """Return the documents of all clips."""
        return cls(words, parameters, np.arange(len(words.clip_ids)))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, int]:
        """Clips and words."""
        return len(self.rows), self.words.counts.shape[1]

    def take(self, indices: np.ndarray) -> Documents:
        """Return the documents at `indices`, in that order."""
        return replace(self, rows=self.rows[indices])

    def __getitem__(self, indices: slice | np.ndarray) -> np.ndarray:
        """Make the documents of some clips, float32 [n_chosen, n_words].

        Rows sum to `document_length`, or to 0 for a clip without words.
        """
        rows = self.rows[indices]
        made = np.empty((len(rows), self.shape[1]), dtype=np.float32)
        for start in range(0, len(rows), CHUNK_CLIPS):  # in double precision, but never all of them
            chunk = rows[start : start + CHUNK_CLIPS]
            damped = damp(self.words.counts[chunk], self.parameters.document_weight)
            for one in self.words.slices if self.parameters.equal_descriptors else ():
                damped[:, one] = normalise(damped[:, one], "l1")
            made[start : start + CHUNK_CLIPS] = self.parameters.document_length * normalise(damped, "l1")
        return made

    def __iter__(self) -> Iterator[np.ndarray]:
        return (row for chunk in chunks(self) for row in chunk)


def chunks(documents: Documents | np.ndarray, size: int = CHUNK_CLIPS) -> Iterator[np.ndarray]:
    """Yield documents in chunks, float32 [at most `size`, n_words]."""
    for start in range(0, len(documents), size):
        yield documents[start : start + size]
