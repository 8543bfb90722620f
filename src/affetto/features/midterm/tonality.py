"""Key, mode and chords of music, from the pitch classes that stand out in it."""

from __future__ import annotations

import numpy as np

N_PITCH_CLASSES = 12
CHORDS: dict[str, tuple[int, ...]] = {
    "major": (0, 4, 7),
    "minor": (0, 3, 7),
    "diminished": (0, 3, 6),
    "augmented": (0, 4, 8),
    "dominant_7": (0, 4, 7, 10),
    "minor_7": (0, 3, 7, 10),
    "major_7": (0, 4, 7, 11),
    "suspended": (0, 5, 7),
}
"""Semitones above the root."""
# How often each degree of the scale is heard in a piece in major and in minor: the Kostka-Payne corpus,
# Temperley, "Music and Probability", MIT Press 2007.
_MAJOR = (0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400)
_MINOR = (0.712, 0.084, 0.474, 0.618, 0.049, 0.460, 0.105, 0.747, 0.404, 0.067, 0.133, 0.330)
_TINY = 1e-9


def key_correlations(chroma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlate distributions of pitch classes with the profile of every major and every minor key.

    Krumhansl, "Cognitive Foundations of Musical Pitch", 1990, with Temperley's profiles. Given the weight of
    each pitch class from C, [n, 12], returns major and minor, [n, 12] each, -1 to 1, tonic from C; 0 for
    a flat distribution.
    """
    scores = _standardise(np.asarray(chroma, dtype=np.float64))
    major, minor = (scores @ profiles.T / N_PITCH_CLASSES for profiles in _KEYS)
    return major, minor


def tonic_of(chroma: np.ndarray) -> int:
    """Return the pitch class (0: C) of the best key of a distribution [12]."""
    major, minor = key_correlations(chroma[np.newaxis])
    return int(np.maximum(major, minor)[0].argmax())


def from_tonic(chroma: np.ndarray, tonic: int) -> np.ndarray:
    """Rotate distributions [n, 12] so that the tonic comes first, and let each sum to 1 (0 when empty)."""
    rotated = np.roll(chroma, -tonic, axis=1)
    shares: np.ndarray = rotated / (rotated.sum(axis=1, keepdims=True) + _TINY)
    return shares


def chord_matches(chroma: np.ndarray) -> np.ndarray:
    """Compare distributions of pitch classes with chords: cosine similarity, [n, 8 kinds, 12 roots].

    Fujishima, "Realtime chord recognition of musical sound", ICMC 1999. Kinds as in `CHORDS`.
    """
    templates = np.zeros((len(CHORDS), N_PITCH_CLASSES, N_PITCH_CLASSES))
    for kind, intervals in enumerate(CHORDS.values()):
        for root in range(N_PITCH_CLASSES):
            templates[kind, root, (root + np.array(intervals)) % N_PITCH_CLASSES] = len(intervals) ** -0.5
    length = np.linalg.norm(chroma, axis=1, keepdims=True) + _TINY
    matches: np.ndarray = np.einsum("qkp,np->nqk", templates, chroma / length)
    return matches


def interval_content(chroma: np.ndarray) -> np.ndarray:
    """Measure how much is heard 1 to 6 semitones apart, from the minor second to the tritone: [n, 6].

    A pair of pitch classes counts once, a tritone twice: it is its own complement.
    """
    unit = chroma / (np.linalg.norm(chroma, axis=1, keepdims=True) + _TINY)
    return np.stack([(unit * np.roll(unit, k, axis=1)).sum(axis=1) for k in range(1, 7)], axis=1)


def _standardise(chroma: np.ndarray) -> np.ndarray:
    centred = chroma - chroma.mean(axis=1, keepdims=True)
    scaled: np.ndarray = centred / (chroma.std(axis=1, keepdims=True) + _TINY)
    return scaled


_KEYS = tuple(
    np.array([np.roll(_standardise(np.array([profile]))[0], tonic) for tonic in range(N_PITCH_CLASSES)])
    for profile in (_MAJOR, _MINOR)
)
"""Standardised profiles of the major and the minor keys, [12, 12] each."""
