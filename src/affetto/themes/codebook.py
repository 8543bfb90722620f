"""Codebooks: k-means over the frames of clips, a vocabulary of audio words for every descriptor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from affetto.errors import AffettoError
from affetto.themes.parameters import CodebookParameters, DescriptorParameters

if TYPE_CHECKING:
    from affetto.features.clip_features import FeatureSet

ASSIGNMENTS = 5  # every frame counts for so many words, the nearest ones
ITERATIONS = 15  # of Lloyd's, at most
SEEDING_FRAMES_PER_WORD = 20


class Vocabulary(NamedTuple):
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
    def word_names(self) -> list[str]:
        """Names `descriptor/number` of all words."""
        sizes = {name: len(vocabulary.words) for name, vocabulary in self.vocabularies.items()}
        return [f"{name}/{index}" for name, size in sizes.items() for index in range(size)]

    @property
    def slices(self) -> list[slice]:
        """Where each descriptor's words lie."""
        ends = np.cumsum([0, *(len(vocabulary.words) for vocabulary in self.vocabularies.values())])
        return [slice(int(start), int(end)) for start, end in pairwise(ends)]

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features that the vocabularies read."""
        return tuple(dict.fromkeys(self.parameters.descriptors[name].feature for name in self.vocabularies))

    def frames(self, name: str, clip: np.ndarray) -> np.ndarray:
        """Return a clip's frames as a descriptor sees them, standardised like its words."""
        vocabulary = self.vocabularies[name]
        frames = descriptor_frames(clip, vocabulary.columns, self.parameters.descriptors[name])
        standardised: np.ndarray = (frames - vocabulary.mean) / vocabulary.scale
        return standardised

    def count(self, clip: Mapping[str, np.ndarray]) -> np.ndarray:
        """Count the words of one clip, int64 [n_words], in its frames by feature, [n_frames, n_dimensions].

        Every frame counts for the five words that are nearest to it.
        """
        counts = []
        for name, vocabulary in self.vocabularies.items():
            frames = self.frames(name, clip[self.parameters.descriptors[name].feature])
            found = nearest_words(frames, vocabulary.words)
            counts.append(np.bincount(found.ravel(), minlength=len(vocabulary.words)))
        return np.concatenate(counts)

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
                    f"{len(found)} others; extract them as those of the codebook, or learn the themes again."
                )

    def state(self) -> dict[str, Any]:
        """Return arrays and JSON values from which `from_state` makes an equal codebook."""
        arrays = {
            f"{name}/{field}": values
            for name, vocabulary in self.vocabularies.items()
            for field, values in vocabulary._asdict().items()
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
            name: Vocabulary(*(state[f"{name}/{field}"] for field in Vocabulary._fields))
            for name in state["descriptors"]
        }
        dimensions = {name: tuple(known) for name, known in state["dimensions"].items()}
        # Files of earlier versions name parameters that are constants by now.
        parameters = CodebookParameters.model_validate(state["parameters"], extra="ignore")
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
    vocabularies = {}
    for name, frames in sample_frames(features, columns, parameters).items():
        if len(frames) == 0:
            raise AffettoError(
                "The training clips have no frames to learn a codebook from: check the features."
            )
        mean = frames.mean(axis=0, dtype=np.float64).astype(np.float32)
        spread = frames.std(axis=0, dtype=np.float64)
        scale = np.where(spread > 0, spread, 1.0).astype(np.float32)
        words = learn_words((frames - mean) / scale, n_words=parameters.descriptors[name].n_words)
        vocabularies[name] = Vocabulary(np.array(columns[name], dtype=np.int64), mean, scale, words)
    return Codebook(vocabularies, dimensions, parameters)


def matching_dimensions(dimensions: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Return the indices of the dimensions in `wanted`, where a name that ends in `_` is a prefix.

    Examples
    --------
    >>> matching_dimensions(["mfcc_0", "mfcc_1", "rms_db"], ["mfcc_", "rms_db"])
    [0, 1, 2]
    """
    prefixes = tuple(name for name in wanted if name.endswith("_"))
    return [index for index, name in enumerate(dimensions) if name in wanted or name.startswith(prefixes)]


def resolve_descriptors(
    dimensions: Mapping[str, Sequence[str]], descriptors: Mapping[str, DescriptorParameters]
) -> dict[str, list[int]]:
    """Find each descriptor's dimensions among those of its feature; descriptors without any are left out.

    Raises
    ------
    AffettoError
        When no descriptor has a dimension in its feature.
    """
    found = {
        name: matching_dimensions(dimensions.get(descriptor.feature, ()), descriptor.dimensions)
        for name, descriptor in descriptors.items()
    }
    if not any(found.values()):
        raise AffettoError(
            "None of the codebook's descriptors has a dimension in its feature; there are "
            + "; ".join(f"{name} with {', '.join(known[:6])} …" for name, known in dimensions.items())
            + "."
        )
    return {name: indices for name, indices in found.items() if indices}


def descriptor_frames(
    frames: np.ndarray, columns: Sequence[int] | np.ndarray, descriptor: DescriptorParameters
) -> np.ndarray:
    """Choose a descriptor's dimensions, subsample frames, join them into texture windows.

    Frames that are not finite are dropped. What is returned is float32 [n_kept, n_columns], or
    [n_windows, 2 × n_columns] (means, then standard deviations) of texture windows that overlap by half. A
    clip shorter than a window gives one window.
    """
    kept = frames[:: descriptor.frame_step, columns].astype(np.float32, copy=False)
    kept = kept[np.isfinite(kept).all(axis=1)]
    return texture_windows(kept, descriptor.texture_frames) if descriptor.texture_frames else kept


def texture_windows(frames: np.ndarray, length: int) -> np.ndarray:
    """Summarise windows of `length` frames by mean and standard deviation (Tzanetakis & Cook, 2002)."""
    if len(frames) == 0:
        return np.empty((0, 2 * frames.shape[1]), dtype=np.float32)
    starts = range(0, max(1, len(frames) - length + 1), max(1, length // 2))
    windows = [frames[start : start + length] for start in starts]
    return np.array([np.concatenate([part.mean(axis=0), part.std(axis=0)]) for part in windows], np.float32)


def sample_frames(
    features: FeatureSet, columns: Mapping[str, Sequence[int]], parameters: CodebookParameters
) -> dict[str, np.ndarray]:
    """Draw a sample of every descriptor's frames, some `sample_frames`, about as many from every clip.

    A clip's draw depends on the clip's name alone, not on the other clips.
    """
    order = np.random.default_rng(0).permutation(features.n_clips)
    chosen = np.sort(order[: parameters.sample_frames])
    quota = -(-parameters.sample_frames // max(1, len(chosen)))
    drawn: dict[str, np.ndarray] = {}  # one array each: many small ones take far more memory
    filled: Counter[str] = Counter()
    for index in chosen.tolist():
        for name, indices in columns.items():
            descriptor = parameters.descriptors[name]
            frames = descriptor_frames(features[descriptor.feature][index], indices, descriptor)
            if len(frames) > quota:
                rng = np.random.default_rng([0, *features.clip_ids[index].encode()])
                frames = frames[np.sort(rng.choice(len(frames), quota, replace=False))]
            if name not in drawn:
                drawn[name] = np.empty((quota * len(chosen), frames.shape[1]), dtype=np.float32)
            drawn[name][filled[name] : filled[name] + len(frames)] = frames
            filled[name] += len(frames)
    return {name: frames[: filled[name]] for name, frames in drawn.items()}


def learn_words(frames: np.ndarray, *, n_words: int) -> np.ndarray:
    """Learn codewords: seeds by k-means++ (Arthur & Vassilvitskii, 2007), then Lloyd's iterations.

    The seeds are drawn from a subsample of 20 frames a word: seeding costs as much as many iterations, and
    these move every word anyway.

    Parameters
    ----------
    frames
        Standardised, float32 [n_frames, n_columns].
    n_words
        Words wanted; there are fewer when there are fewer distinct frames.
    """
    from sklearn.cluster import KMeans, kmeans_plusplus
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    frames = np.ascontiguousarray(frames, dtype=np.float32)
    n_seeding = min(len(frames), SEEDING_FRAMES_PER_WORD * n_words)
    drawn = np.random.default_rng(0).choice(len(frames), n_seeding, replace=False)
    subsample = frames[np.sort(drawn)]
    if n_seeding < 2 * n_words:
        subsample = np.unique(subsample, axis=0)
    n_words = min(n_words, len(subsample))
    with threadpool_limits(limits=1):  # many small products: threads would only wait for each other
        seeds, _ = kmeans_plusplus(subsample, n_words, random_state=0)
        fitted = KMeans(n_words, init=seeds, n_init=1, max_iter=ITERATIONS).fit(frames)
    words: np.ndarray = fitted.cluster_centers_
    return words


def nearest_words(frames: np.ndarray, words: np.ndarray, *, nearest: int = ASSIGNMENTS) -> np.ndarray:
    """Return the nearest words of every frame (Euclidean), int64 [n_frames, min(nearest, n_words)]."""
    from sklearn.neighbors import NearestNeighbors

    nearest = min(nearest, len(words))
    if len(frames) == 0:
        return np.empty((0, nearest), dtype=np.int64)
    search = NearestNeighbors(n_neighbors=nearest, algorithm="brute").fit(words)
    found: np.ndarray = search.kneighbors(frames, return_distance=False)
    return found
