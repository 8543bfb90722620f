"""Bags of audio words: counts of many clips and their weighting."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from affetto.arrays import scratch_array
from affetto.parallel import ExecutorParameters, iterate_shards
from affetto.themes.codebook import Codebook
from affetto.themes.parameters import BagParameters, TopicParameters

if TYPE_CHECKING:
    from affetto.features.clip_features import FeatureSet

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
    blocks
        Where each descriptor's words lie.
    """

    clip_ids: tuple[str, ...]
    counts: np.ndarray
    blocks: tuple[slice, ...]

    def take(self, indices: np.ndarray | Sequence[int]) -> AudioWords:
        """Return the clips at `indices`, in that order."""
        chosen = np.asarray(indices, dtype=np.int64)
        if np.array_equal(chosen, np.arange(len(self.clip_ids))):
            return self  # the counts of a large library stay on disk
        return AudioWords(tuple(self.clip_ids[i] for i in chosen), self.counts[chosen], self.blocks)

    def select(self, clip_ids: Sequence[str]) -> AudioWords:
        """Return the clips named, in that order."""
        position = {clip_id: index for index, clip_id in enumerate(self.clip_ids)}
        return self.take([position[clip_id] for clip_id in clip_ids])

    def state(self) -> dict[str, Any]:
        """Return arrays and JSON values from which `from_state` makes equal counts."""
        return {
            "counts": self.counts,
            "clip_ids": list(self.clip_ids),
            "blocks": [[block.start, block.stop] for block in self.blocks],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> AudioWords:
        """Restore counts from their `state`."""
        return cls(tuple(state["clip_ids"]), state["counts"], tuple(slice(*ends) for ends in state["blocks"]))


def count_words(codebook: Codebook, features: FeatureSet, executor: ExecutorParameters) -> AudioWords:
    """Count the audio words of clips, shards of clips in parallel.

    Raises
    ------
    AffettoError
        When the clips have other dimensions than those of the codebook.
    """
    codebook.check(features)
    shards = _Shards(codebook, features)
    counts = scratch_array((features.n_clips, codebook.n_words), np.uint16)
    counted = iterate_shards(
        _count_shard, shards, executor, description="audio words", total_units=shards.sizes
    )
    with closing(counted):
        for index, rows in counted:
            counts[index * SHARD_CLIPS : index * SHARD_CLIPS + len(rows)] = rows
    return AudioWords(tuple(features.clip_ids), counts, tuple(codebook.blocks))


class _Shards(Sequence[tuple[Codebook, "FeatureSet"]]):
    """What the workers count, each part made when it is its turn."""

    def __init__(self, codebook: Codebook, features: FeatureSet) -> None:
        self.codebook, self.features = codebook, features
        starts = range(0, features.n_clips, SHARD_CLIPS)
        self.sizes = [min(SHARD_CLIPS, features.n_clips - start) for start in starts]

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: Any) -> Any:
        start = range(len(self))[index] * SHARD_CLIPS
        return self.codebook, self.features.take(np.arange(start, start + self.sizes[index]))


def _count_shard(shard: tuple[Codebook, FeatureSet]) -> np.ndarray:
    codebook, features = shard
    counts = np.zeros((features.n_clips, codebook.n_words), dtype=np.uint16)
    for index in range(features.n_clips):
        clip = {name: features[name][index] for name in codebook.features}
        counts[index] = np.minimum(codebook.count(clip), np.iinfo(np.uint16).max)
    return counts


def damp(counts: np.ndarray, how: str) -> np.ndarray:
    """Return term frequencies, float64: `counts` themselves, `log` (1 + count) or `sqrt`."""
    functions: dict[str, Callable[[np.ndarray], np.ndarray]] = {"log": np.log1p, "sqrt": np.sqrt}
    frequencies = counts.astype(np.float64)
    return functions[how](frequencies) if how in functions else frequencies


def inverse_document_frequency(counts: np.ndarray) -> np.ndarray:
    """Return log(n / n_w) + 1 of every word, n_w the clips that have it (at least 1)."""
    with_word = np.maximum((counts > 0).sum(axis=0), 1)
    weights: np.ndarray = np.log(max(1, len(counts)) / with_word) + 1
    return weights


def weigh(words: AudioWords, parameters: BagParameters, *, idf: np.ndarray | None = None) -> np.ndarray:
    """Turn counts into bags of audio words.

    Parameters
    ----------
    words
        Counts of clips.
    parameters
        Term frequency and normalisation; each descriptor is normalised on its own.
    idf
        Weights of words from training clips, [n_words]; None weighs all alike.

    Returns
    -------
    np.ndarray
        float64 [n_clips, n_words]; a clip without words keeps zeros.
    """
    bags = damp(words.counts, parameters.term_frequency)
    if idf is not None:
        bags *= idf
    for block in words.blocks:
        bags[:, block] = _normalised(bags[:, block], parameters.normalisation)
    return bags


def _normalised(bags: np.ndarray, how: str) -> np.ndarray:
    if how == "none":
        return bags
    norms = bags.sum(axis=1) if how == "l1" else np.sqrt((bags**2).sum(axis=1))
    return bags / np.where(norms > 0, norms, 1.0)[:, None]


@dataclass(frozen=True, eq=False)
class Documents:
    """Documents of an LDA that are made when asked for, so that many clips cost their counts alone.

    Attributes
    ----------
    counts
        uint16 [n_counted, n_words].
    rows
        The clips' rows in `counts`, int64 [n_clips].
    blocks
        Where each descriptor's words lie.
    parameters
        How documents are weighted.
    """

    counts: np.ndarray
    rows: np.ndarray
    blocks: tuple[slice, ...]
    parameters: TopicParameters

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, int]:
        """Clips and words."""
        return len(self.rows), self.counts.shape[1]

    @property
    def presence(self) -> Presence:
        """Which words the clips have."""
        return Presence(self.counts, self.rows)

    def take(self, indices: np.ndarray) -> Documents:
        """Return the documents at `indices`, in that order; a mask of booleans is an index too."""
        return replace(self, rows=self.rows[indices])

    def __getitem__(self, indices: slice | np.ndarray) -> np.ndarray:
        """Make the documents of some clips, float32 [n_chosen, n_words]."""
        rows = self.rows[indices]
        made = np.empty((len(rows), self.shape[1]), dtype=np.float32)
        for start in range(0, len(rows), CHUNK_CLIPS):  # in double precision, but never all of them
            made[start : start + CHUNK_CLIPS] = self._make(rows[start : start + CHUNK_CLIPS])
        return made

    def __iter__(self) -> Iterator[np.ndarray]:
        return (row for chunk in chunks(self) for row in chunk)

    def _make(self, rows: np.ndarray) -> np.ndarray:
        damped = damp(self.counts[rows], self.parameters.document_weight)
        if self.parameters.equal_descriptors:
            for block in self.blocks:
                damped[:, block] = _normalised(damped[:, block], "l1")
        return self.parameters.document_length * _normalised(damped, "l1")


@dataclass(frozen=True, eq=False)
class Presence:
    """Whether clips have words, made from their counts when asked for."""

    counts: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, indices: slice | np.ndarray) -> np.ndarray:
        """Return bool [n_chosen, n_words]."""
        present: np.ndarray = self.counts[self.rows[indices]] > 0
        return present


def chunks(documents: Documents | np.ndarray) -> Iterator[np.ndarray]:
    """Yield documents in chunks, float32 [at most `CHUNK_CLIPS`, n_words]."""
    for start in range(0, len(documents), CHUNK_CLIPS):
        yield documents[start : start + CHUNK_CLIPS]


def lazy_documents(words: AudioWords, parameters: TopicParameters) -> Documents:
    """Return the documents of clips as by `documents`, to be made when asked for."""
    return Documents(words.counts, np.arange(len(words.clip_ids)), words.blocks, parameters)


def documents(words: AudioWords, parameters: TopicParameters) -> np.ndarray:
    """Turn counts into documents of an LDA: damped, then scaled to the length of a document.

    Frames that overlap and follow each other say the same thing again and again; taken as independent words
    they would make every clip's mixture certain of one topic. Descriptors with many frames and words would
    also drown the others, unless each is given the same share.

    Returns
    -------
    np.ndarray
        float32 [n_clips, n_words] whose rows sum to `document_length`, or to 0 for a clip without words.
    """
    return lazy_documents(words, parameters)[:]
