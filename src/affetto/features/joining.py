"""Several sets of clips as one: what a model learns from beside the clips themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from affetto.features.clip_features import ClipFeatures, FeatureSet, Source

_MARK = "#"


@dataclass(frozen=True, repr=False)
class JoinedSource:
    """The clips of several sources, one source after the other."""

    sources: tuple[Source, ...]
    source_of: np.ndarray
    index_in: np.ndarray

    def read(self, index: int) -> np.ndarray:
        """Return the values of a clip."""
        source: Source = self.sources[int(self.source_of[index])]
        return source.read(int(self.index_in[index]))

    def take(self, indices: np.ndarray) -> JoinedSource:
        """Return the source of these clips, in this order."""
        return JoinedSource(self.sources, self.source_of[indices], self.index_in[indices])


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
        ids += [f"{clips.clip_ids[i]}{_MARK}{name}" for i in known]
        origins.append(np.array(known, dtype=np.int64))
    joined = {name: _join([part[name] for part in parts], tuple(ids)) for name in clips}
    return FeatureSet(joined), np.concatenate(origins)


def _join(parts: list[ClipFeatures], ids: tuple[str, ...]) -> ClipFeatures:
    sizes = [len(part) for part in parts]
    source = JoinedSource(
        tuple(part.source for part in parts),
        np.repeat(np.arange(len(parts)), sizes),
        np.concatenate([np.arange(size) for size in sizes]),
    )
    return replace(
        parts[0],
        clip_ids=ids,
        n_frames=np.concatenate([part.n_frames for part in parts]),
        keys=np.concatenate([part.keys for part in parts]),
        source=source,
    )
