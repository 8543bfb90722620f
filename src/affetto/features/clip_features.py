"""One feature of many clips: what models read, from memory or memory-mapped from a feature store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

_KEY_BYTES = 16
KEY_DTYPE = np.dtype(f"S{2 * _KEY_BYTES}")


@dataclass(frozen=True, repr=False)
class ClipFeatures:
    """One feature of many clips, as float32 arrays [n_frames, n_dimensions] read when asked for.

    Immutable. The arrays are read-only views, memory-mapped when they come from a feature store: they cost no
    memory of this process, and pickling sends paths and positions only.

    Parameters
    ----------
    name
        Name of the feature, for messages.
    clip_ids
        The clips, in order.
    dimensions
        Name of each column.
    hop_s
        Seconds from a frame to the next; None: one vector a clip.
    parameters
        Parameters of the extraction as JSON values, the extractor and its version included.
    n_frames
        int64 [n_clips], frames of each clip.
    keys
        bytes [n_clips], a hash of each clip's values or of all they depend on.
    containers
        What holds the values of some clips each: arrays by their place, as in a shard of a feature store.
    container, place
        int32 [n_clips], index of each clip's container, and its place there.
    """

    name: str
    clip_ids: tuple[str, ...]
    dimensions: tuple[str, ...]
    hop_s: float | None
    parameters: dict[str, Any]
    n_frames: np.ndarray = field(compare=False)
    keys: np.ndarray = field(compare=False)
    containers: tuple[Any, ...] = field(compare=False)
    container: np.ndarray = field(compare=False)
    place: np.ndarray = field(compare=False)

    @classmethod
    def from_arrays(
        cls,
        name: str,
        clip_ids: Sequence[str],
        arrays: Sequence[np.ndarray],
        *,
        dimensions: Sequence[str] | None = None,
        hop_s: float | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> Self:
        """Make features of arrays in memory, one a clip: [n_frames, n_dimensions], or a vector.

        The names of the dimensions are by default `<name>_0`, `<name>_1`, …; the rest is as in the class.

        Raises
        ------
        ValueError
            When an array has another shape than its neighbours or the dimensions allow.
        """
        values = [np.asarray(array, dtype=np.float32) for array in arrays]
        frames = [np.atleast_2d(array).view() for array in values]
        if dimensions is None:
            n_dimensions = frames[0].shape[1] if frames else 0
            dimensions = [f"{name}_{i}" for i in range(n_dimensions)]
        if len(frames) != len(clip_ids):
            raise ValueError(f"{name}: {len(clip_ids)} clips but {len(frames)} arrays")
        for clip_id, array in zip(clip_ids, frames, strict=True):
            if array.shape[1:] != (len(dimensions),):
                wanted = f"[n, {len(dimensions)}]"
                raise ValueError(f"{name} of {clip_id}: {array.shape} is not {wanted}")
            array.flags.writeable = False  # of the view, not of what the caller holds
        known = dict(parameters or {})
        text = json.dumps(known, sort_keys=True, default=str)
        prefix = _digest(text.encode()).encode()
        keys = [_digest(prefix, np.ascontiguousarray(array).data) for array in frames]
        return cls(
            name=name,
            clip_ids=tuple(clip_ids),
            dimensions=tuple(dimensions),
            hop_s=hop_s,
            parameters=known,
            n_frames=np.array([len(array) for array in frames], dtype=np.int64),
            keys=np.array(keys, KEY_DTYPE),
            containers=tuple((array,) for array in frames),  # so that a part is pickled alone
            container=np.arange(len(frames), dtype=np.int32),
            place=np.zeros(len(frames), dtype=np.int32),
        )

    def __len__(self) -> int:
        return len(self.clip_ids)

    def __getitem__(self, index: int) -> np.ndarray:
        """Return a clip's values, float32 [n_frames, n_dimensions], read-only."""
        position = range(len(self))[index]  # IndexError past the end, negative from the end
        container = self.containers[self.container[position]]
        values: np.ndarray = container[int(self.place[position])]
        return values.reshape(-1, len(self.dimensions))

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        size = f"{len(self)} clips, {len(self.dimensions)} dimensions, hop_s={self.hop_s}"
        return f"ClipFeatures({self.name!r}, {size})"

    @property
    def fingerprint(self) -> str:
        """Hash of what the values depend on, for all clips in order."""
        identity = "\n".join([self.name, *self.dimensions, *self.clip_ids])
        return _digest(identity.encode(), np.ascontiguousarray(self.keys).data)

    def take(self, indices: Sequence[int] | np.ndarray) -> Self:
        """Return the clips at `indices`, in that order; repetitions are allowed, and a mask."""
        where = np.arange(len(self))[np.asarray(indices) if len(indices) else []]
        # Only the containers they need: what is sent to a worker must not grow with the corpus.
        used, container = np.unique(self.container[where], return_inverse=True)
        return replace(
            self,
            clip_ids=tuple(self.clip_ids[i] for i in where),
            n_frames=self.n_frames[where],
            keys=self.keys[where],
            containers=tuple(self.containers[k] for k in used),
            container=container.astype(np.int32),
            place=self.place[where],
        )

    def select(self, clip_ids: Sequence[str]) -> Self:
        """Return these clips, in this order; KeyError names a clip that is not here."""
        positions = {clip_id: i for i, clip_id in enumerate(self.clip_ids)}
        try:
            return self.take([positions[clip_id] for clip_id in clip_ids])
        except KeyError as error:
            raise KeyError(f"{self.name} has no clip {error.args[0]!r}") from None

    def stack(self) -> np.ndarray:
        """Return one vector a clip as float32 [n_clips, n_dimensions]; ValueError when a clip has frames."""
        if np.any(self.n_frames != 1):
            raise ValueError(f"{self.name} has frames: summarise them before stacking")
        nothing = np.zeros((0, len(self.dimensions)), np.float32)
        return np.concatenate([nothing, *self])


class FeatureSet(Mapping[str, ClipFeatures]):
    """Several features of the same clips in the same order.

    Its length is the number of features, as for any mapping; `n_clips` is the number of clips.

    Parameters
    ----------
    features
        Name to feature; all must have the same clips in the same order (see `align`).
    """

    def __init__(self, features: Mapping[str, ClipFeatures]) -> None:
        if not features:
            raise ValueError("A FeatureSet needs at least one feature")
        self._features = dict(features)
        first = next(iter(self._features))
        self.clip_ids: tuple[str, ...] = self[first].clip_ids
        for name, feature in self.items():
            if feature.clip_ids != self.clip_ids:
                raise ValueError(f"{name} has other clips than {first}; use FeatureSet.align")

    @classmethod
    def align(cls, features: Mapping[str, ClipFeatures], clip_ids: Sequence[str] | None = None) -> Self:
        """Keep the clips that all features have, in the order of `clip_ids`, by default the first's."""
        every = [feature.clip_ids for feature in features.values()]
        common = set(every[0]).intersection(*every)
        wanted = every[0] if clip_ids is None else clip_ids
        kept = [clip_id for clip_id in wanted if clip_id in common]
        return cls({name: feature.select(kept) for name, feature in features.items()})

    def __getitem__(self, name: str) -> ClipFeatures:
        return self._features[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._features)

    def __len__(self) -> int:
        return len(self._features)

    @property
    def n_clips(self) -> int:
        """Number of clips."""
        return len(self.clip_ids)

    @property
    def fingerprint(self) -> str:
        """Hash of what all values depend on."""
        return _digest(*(f"{name}:{self[name].fingerprint}".encode() for name in sorted(self)))

    def take(self, indices: Sequence[int] | np.ndarray) -> FeatureSet:
        """Return the clips at `indices`, in that order."""
        return FeatureSet({name: feature.take(indices) for name, feature in self.items()})

    def select(self, clip_ids: Sequence[str]) -> FeatureSet:
        """Return these clips, in this order; KeyError names a clip that is not here."""
        return FeatureSet({name: feature.select(clip_ids) for name, feature in self.items()})


def join_copies(clips: FeatureSet, copies: Mapping[str, FeatureSet]) -> tuple[FeatureSet, np.ndarray]:
    """Put copies of clips behind the clips themselves.

    Parameters
    ----------
    clips
        The features of the clips.
    copies
        Name of a condition → the same features of the clips as they sound in it. Copies of other clips are
        left out; clips without a copy have none.

    Returns
    -------
    tuple
        The features of all, copies named `<clip_id>#<condition>`; and the index in `clips` of the original
        of each, int64.
    """
    parts, ids, origins = [clips], list(clips.clip_ids), [np.arange(clips.n_clips)]
    for name, copy in copies.items():
        copied = set(copy.clip_ids)
        known = [i for i, clip_id in enumerate(clips.clip_ids) if clip_id in copied]
        parts.append(copy.select([clips.clip_ids[i] for i in known]))
        ids += [f"{clips.clip_ids[i]}#{name}" for i in known]
        origins.append(np.array(known, dtype=np.int64))
    joined = {name: _join([part[name] for part in parts], tuple(ids)) for name in clips}
    return FeatureSet(joined), np.concatenate(origins)


def _join(parts: list[ClipFeatures], ids: tuple[str, ...]) -> ClipFeatures:
    containers: list[Any] = []
    container = []
    for part in parts:
        container.append(part.container + np.int32(len(containers)))
        containers += part.containers
    return replace(
        parts[0],
        clip_ids=ids,
        n_frames=np.concatenate([part.n_frames for part in parts]),
        keys=np.concatenate([part.keys for part in parts]),
        containers=tuple(containers),
        container=np.concatenate(container),
        place=np.concatenate([part.place for part in parts]),
    )


def _digest(*parts: bytes | memoryview) -> str:
    digest = hashlib.blake2b(digest_size=_KEY_BYTES)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
