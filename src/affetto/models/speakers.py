"""What numbers of a clip say about its speaker, to be set against what they say about the emotion."""

from __future__ import annotations

import numpy as np

_LEAST_SPREAD = 0.02  # speakers who agree by chance do not make a number all-important


def less_group_means(vectors: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Subtract from each vector [n_clips, n_dimensions] the mean of its group [n_clips]."""
    means, members = _group_means(vectors, groups)
    return np.asarray(vectors - means[members])


def group_offsets(vectors: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return how far the vectors of each group lie from those of all groups with the same label.

    Parameters
    ----------
    vectors
        float64 [n_clips, n_dimensions].
    labels
        [n_clips].
    groups
        int64 [n_clips], 0 … n_groups - 1.

    Returns
    -------
    numpy.ndarray
        float64 [n_groups, n_dimensions]: mean over the labels that a group has in common with another, so
        that a group is not told by which labels it has; zeros where it has none in common.
    """
    offsets = np.zeros((int(groups.max()) + 1, vectors.shape[1]))
    n_labels = np.zeros((len(offsets), 1))
    for label in np.unique(labels):
        chosen = labels == label
        present = np.unique(groups[chosen])
        if len(present) > 1:
            of_clips = vectors[chosen]
            of_groups, _ = _group_means(of_clips, groups[chosen])
            offsets[present] += of_groups - of_clips.mean(axis=0)
            n_labels[present] += 1
    return np.asarray(offsets / np.maximum(n_labels, 1))


def several_labels(labels: np.ndarray, groups: np.ndarray) -> bool:
    """Tell whether some group has clips of several labels: else the mean of a group tells of its label."""
    pairs = {(str(group), str(label)) for group, label in zip(groups, labels, strict=True)}
    return len(pairs) > len({group for group, _ in pairs})


def relevance(vectors: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return how much each number says about the emotion, compared with what it says about the speaker.

    Parameters
    ----------
    vectors
        Standardised, float64 [n_clips, n_dimensions].
    labels, groups
        Emotion and speaker of each clip, [n_clips].

    Returns
    -------
    numpy.ndarray
        float64 [n_dimensions]: variance of the emotions' means, over the variance of the speakers' means
        inside an emotion, averaged over the emotions (a Fisher ratio whose denominator is of speakers only).
    """
    means, between_speakers = [], []
    for label in np.unique(labels):
        chosen = labels == label
        of_clips = vectors[chosen]
        of_speakers, _ = _group_means(of_clips, groups[chosen])
        means.append(of_clips.mean(axis=0))
        between_speakers.append(of_speakers.var(axis=0))
    return np.asarray(np.var(means, axis=0) / (np.mean(between_speakers, axis=0) + _LEAST_SPREAD))


def _group_means(vectors: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of each group, sorted, [n_groups, n_dimensions], and which is that of each vector."""
    _, members = np.unique(groups, return_inverse=True)
    means = np.stack([vectors[members == group].mean(axis=0) for group in range(members.max() + 1)])
    return means, members
