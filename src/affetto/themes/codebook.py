"""Codebooks: standardised frames, k-means, and the nearest words of a frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from affetto.errors import AffettoError
from affetto.themes.frames import descriptor_frames, resolve_descriptors, sample_frames
from affetto.themes.parameters import CodebookParameters

if TYPE_CHECKING:
    from affetto.features.clip_features import FeatureSet

CHUNK = 8192
SEEDING_FRAMES_PER_WORD = 20
SETTLED = 0.001


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The words of one descriptor.

    Attributes
    ----------
    columns
        Indices of the descriptor's dimensions in its feature.
    mean, scale
        Statistics of the training sample, float32 [n_values]; a texture window has two values a column.
    words
        Codewords in standardised units, float32 [n_words, n_values].
    """

    columns: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    words: np.ndarray

    def assign(self, frames: np.ndarray, *, nearest: int) -> np.ndarray:
        """Return the nearest words of every frame, int64 [n_frames, nearest], nearest first."""
        return nearest_words((frames - self.mean) / self.scale, self.words, nearest=nearest)


@dataclass(frozen=True, eq=False)
class Codebook:
    """Vocabularies of several descriptors; word numbers run through them one after another.

    Attributes
    ----------
    vocabularies
        By name of the descriptor, in the order of the parameters.
    dimensions
        Names of the frame dimensions that the codebook was learnt on, by feature.
    parameters
        How it was learnt.
    """

    vocabularies: dict[str, Vocabulary]
    dimensions: dict[str, tuple[str, ...]]
    parameters: CodebookParameters

    @property
    def n_words(self) -> int:
        """Number of words of all descriptors."""
        return sum(len(vocabulary.words) for vocabulary in self.vocabularies.values())

    @property
    def word_names(self) -> list[str]:
        """Names `descriptor/number` of all words."""
        return [
            f"{name}/{index}"
            for name, vocabulary in self.vocabularies.items()
            for index in range(len(vocabulary.words))
        ]

    @property
    def blocks(self) -> list[slice]:
        """Where each descriptor's words lie."""
        ends = np.cumsum([0, *(len(vocabulary.words) for vocabulary in self.vocabularies.values())])
        return [slice(int(start), int(end)) for start, end in pairwise(ends)]

    def count(self, clip: Mapping[str, np.ndarray]) -> np.ndarray:
        """Count the words of one clip.

        Parameters
        ----------
        clip
            Frames as extracted, by feature, each [n_frames, n_dimensions].

        Returns
        -------
        np.ndarray
            int64 [n_words]; each descriptor's counts sum to its frames × assignments, to 0 for a clip without
            frames.
        """
        return np.concatenate([self._count(clip, name) for name in self.vocabularies])

    def check(self, features: FeatureSet) -> None:
        """Make sure that clips have the dimensions that the codebook was learnt on.

        Raises
        ------
        AffettoError
            Naming the feature that has others.
        """
        for name in self.features:
            known, found = self.dimensions[name], features[name].dimensions
            if found != known:
                raise AffettoError(
                    f"The codebook was learnt on {len(known)} dimensions of {name}, but the clips have "
                    f"{len(found)} others; extract them with the parameters of the codebook, or run "
                    "`kedro run --pipeline=theme` again."
                )

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features that the vocabularies read."""
        return tuple(dict.fromkeys(self.parameters.descriptors[name].feature for name in self.vocabularies))

    def _count(self, clip: Mapping[str, np.ndarray], name: str) -> np.ndarray:
        vocabulary, descriptor = self.vocabularies[name], self.parameters.descriptors[name]
        kept = descriptor_frames(clip[descriptor.feature], vocabulary.columns, descriptor)
        found = vocabulary.assign(kept, nearest=descriptor.assignments)
        return np.bincount(found.ravel(), minlength=len(vocabulary.words))

    def state(self) -> dict[str, Any]:
        """Return arrays and JSON values from which `from_state` makes an equal codebook."""
        arrays = {
            f"{name}/{field}": getattr(vocabulary, field)
            for name, vocabulary in self.vocabularies.items()
            for field in ("columns", "mean", "scale", "words")
        }
        return {
            **arrays,
            "descriptors": list(self.vocabularies),
            "dimensions": {name: list(known) for name, known in self.dimensions.items()},
            "parameters": self.parameters.model_dump(mode="json"),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Codebook:
        """Restore a codebook from its `state`."""
        vocabularies = {
            name: Vocabulary(*(state[f"{name}/{field}"] for field in ("columns", "mean", "scale", "words")))
            for name in state["descriptors"]
        }
        parameters = CodebookParameters.model_validate(state["parameters"])
        dimensions = {name: tuple(known) for name, known in state["dimensions"].items()}
        return cls(vocabularies, dimensions, parameters)


def fit_codebook(features: FeatureSet, parameters: CodebookParameters) -> Codebook:
    """Learn a codebook from the frames of clips.

    Parameters
    ----------
    features
        Frames of training clips; no others are looked at.
    parameters
        Descriptors, sample and k-means.

    Raises
    ------
    AffettoError
        When the clips have no frames, or the descriptors no dimensions.
    """
    dimensions = {name: feature.dimensions for name, feature in features.items()}
    columns = resolve_descriptors(dimensions, parameters.descriptors)
    sample = sample_frames(features, columns, parameters)
    if any(len(frames) == 0 for frames in sample.values()):
        raise AffettoError("The training clips have no frames to learn a codebook from: check the features.")
    return Codebook(
        {name: _fit_vocabulary(sample[name], indices, name, parameters) for name, indices in columns.items()},
        dimensions,
        parameters,
    )


def _fit_vocabulary(
    chosen: np.ndarray, columns: list[int], name: str, parameters: CodebookParameters
) -> Vocabulary:
    mean, scale = chosen.mean(axis=0, dtype=np.float64), chosen.std(axis=0, dtype=np.float64)
    mean, scale = mean.astype(np.float32), np.where(scale > 0, scale, 1.0).astype(np.float32)
    words = learn_words(
        (chosen - mean) / scale,
        n_words=parameters.descriptors[name].n_words,
        seeding=parameters.seeding,
        iterations=parameters.iterations,
        seed=parameters.seed,
    )
    return Vocabulary(np.array(columns, dtype=np.int64), mean, scale, words)


def learn_words(
    frames: np.ndarray, *, n_words: int, seeding: str = "kmeans++", iterations: int = 20, seed: int = 0
) -> np.ndarray:
    """Learn codewords: seeds by k-means++ (Arthur & Vassilvitskii, 2007), then Lloyd's iterations.

    The seeds are drawn from a subsample of 20 frames a word: seeding costs as much as many iterations, and
    these move every word anyway. `random++` is openXBOW's: seeds drawn with k-means++ probabilities are the
    words.

    Parameters
    ----------
    frames
        Standardised, float32 [n_frames, n_columns].
    n_words
        Words wanted; there are fewer when there are fewer distinct frames.
    seeding, iterations, seed
        As in `CodebookParameters`.

    Returns
    -------
    np.ndarray
        float32 [n_words, n_columns].
    """
    from sklearn.cluster import kmeans_plusplus
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    frames = np.ascontiguousarray(frames, dtype=np.float32)
    rng = np.random.default_rng(seed)
    n_seeding = min(len(frames), SEEDING_FRAMES_PER_WORD * n_words)
    subsample = frames[np.sort(rng.choice(len(frames), n_seeding, replace=False))]
    if n_seeding < 2 * n_words:
        subsample = np.unique(subsample, axis=0)
    n_words = min(n_words, len(subsample))
    trials = 1 if seeding == "random++" else None
    with threadpool_limits(limits=1):  # many small products: threads would only wait for each other
        seeds, _ = kmeans_plusplus(subsample, n_words, random_state=seed, n_local_trials=trials)
    if seeding == "random++":
        return np.ascontiguousarray(seeds, dtype=np.float32)
    return lloyd(frames, np.ascontiguousarray(seeds, dtype=np.float32), iterations=iterations)


def lloyd(frames: np.ndarray, words: np.ndarray, *, iterations: int) -> np.ndarray:
    """Move words to the means of their frames until few frames change their word (Lloyd, 1982).

    The assignment is a matrix product, the means a sparse one: several times faster than scikit-learn's loop
    where other programs run on the same cores. A word that loses all frames stays.

    Returns
    -------
    np.ndarray
        float32 [n_words, n_columns].
    """
    from scipy.sparse import csr_array

    rows, ones = np.arange(len(frames) + 1), np.ones(len(frames), dtype=np.float32)
    before: np.ndarray = np.full(len(frames), -1)
    for _ in range(iterations):
        found = nearest_words(frames, words)[:, 0]
        if (found != before).mean() < SETTLED:
            break
        members = csr_array((ones, found, rows), shape=(len(frames), len(words)))
        sizes = np.bincount(found, minlength=len(words))[:, None]
        words = np.where(sizes > 0, (members.T @ frames) / np.maximum(sizes, 1), words).astype(np.float32)
        before = found
    return words


def nearest_words(frames: np.ndarray, words: np.ndarray, *, nearest: int = 1) -> np.ndarray:
    """Find the nearest words by Euclidean distance, one matrix product a chunk of frames.

    ‖x − w‖² = ‖x‖² − 2 x·w + ‖w‖², of which the first term does not change the order.

    Returns
    -------
    np.ndarray
        int64 [n_frames, min(nearest, n_words)], nearest first.
    """
    nearest = min(nearest, len(words))
    norms = np.einsum("ij,ij->i", words, words)
    found = np.empty((len(frames), nearest), dtype=np.int64)
    for start in range(0, len(frames), CHUNK):
        chunk = slice(start, start + CHUNK)
        distances = frames[chunk] @ (-2 * words.T)
        distances += norms
        found[chunk] = _smallest(distances, nearest)
    return found


def _smallest(distances: np.ndarray, number: int) -> np.ndarray:
    if number == 1:
        nearest: np.ndarray = distances.argmin(axis=1)[:, None]
        return nearest
    candidates = np.argpartition(distances, number - 1, axis=1)[:, :number]
    order = np.take_along_axis(distances, candidates, axis=1).argsort(axis=1, kind="stable")
    found: np.ndarray = np.take_along_axis(candidates, order, axis=1)
    return found
