"""Find recordings that are copies of one take, however they were transcoded, resampled, re-levelled or cut.

A copy on both sides of a split is a leak, and a playlist should have a take once. The decoded samples of such
copies differ; what they sound like does not. The fingerprint is that of Haitsma & Kalker, "A highly robust
audio fingerprinting system", ISMIR 2002, with shorter windows for single utterances: the signs of the
differences of energy between neighbouring bands and frames. A clip keeps a sample of its words that depends
on their content alone, so that copies keep the same ones.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from affetto.audio.recording import resample

DUPLICATES_VERSION = 1
"""To be raised when fingerprints or what counts as a copy change."""
_RATE_HZ = 8_000
_WINDOW, _HOP = 2_000, 128  # 0.25 s, 16 ms
_LOWEST_HZ, _HIGHEST_HZ = 300.0, 2_000.0  # what telephones and codecs leave alone
_N_BANDS = 33  # one more than bits of a word
_LONGEST_S = 120.0
_QUIETEST = 1e-4  # frames 40 dB below the loudest are left out: there, copies differ by the noise of codecs
_MOST_WORDS = 128
_SPREAD = np.uint32(2_654_435_761)  # Knuth's multiplicative hash: which words are kept is not which are low
_ENTRY = np.dtype([("word", "<u4"), ("frame", "<u2")])
_NEIGHBOURS = 4
_FEWEST_WORDS = 6
_SMALLEST_SHARE = 0.08


def fingerprint(samples: NDArray[np.floating], sample_rate_hz: int) -> str:
    """Return what a recording sounds like, as text of at most 1,024 characters.

    Parameters
    ----------
    samples
        Mono, [n_samples]; of more than two minutes the first two are used.
    sample_rate_hz
        Its sample rate.

    Returns
    -------
    str
        At most 128 words of 32 bits with the frames they occur in, in base 64; empty for recordings shorter
        than 0.27 s and for silence.
    """
    mono = np.asarray(samples[: round(_LONGEST_S * sample_rate_hz)], dtype=np.float32)
    mono = mono if sample_rate_hz == _RATE_HZ else resample(mono, sample_rate_hz, _RATE_HZ)
    if len(mono) < _WINDOW + _HOP or not mono.any():
        return ""
    frames = np.lib.stride_tricks.sliding_window_view(mono, _WINDOW)[::_HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW).astype(np.float32))) ** 2
    edges = np.geomspace(_LOWEST_HZ, _HIGHEST_HZ, _N_BANDS + 1) * _WINDOW / _RATE_HZ
    bins = np.ceil(edges).astype(int)
    energy = np.add.reduceat(power[:, : bins[-1]], bins[:-1], axis=1) / np.diff(bins)
    bits = np.diff(np.diff(energy, axis=1), axis=0) < 0
    words = np.packbits(bits, axis=1, bitorder="little").view("<u4")[:, 0]
    total = energy.sum(axis=1)[1:]
    loud = np.flatnonzero(total > total.max() * _QUIETEST)
    distinct, first = np.unique(words[loud], return_index=True)
    kept = np.argsort(distinct * _SPREAD, kind="stable")[:_MOST_WORDS]
    entries = np.zeros(len(kept), _ENTRY)
    entries["word"], entries["frame"] = distinct[kept], loud[first[kept]]
    return base64.b64encode(entries.tobytes()).decode()


def find_copies(fingerprints: Sequence[str]) -> NDArray[np.int64]:
    """Tell which recordings are copies of one take.

    Two are when at least six words, and 8 % of the words of the shorter, occur in both at the same distance
    in time. Time and memory grow with the number of recordings, not with its square: words are sorted, and
    each is compared with its next four neighbours.

    Parameters
    ----------
    fingerprints
        Of `fingerprint`; an empty one is a copy of nothing.

    Returns
    -------
    numpy.ndarray
        int64 [n_recordings], the first recording of the set that each belongs to; its own index when it
        stands alone.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    sketches = [np.frombuffer(base64.b64decode(text), _ENTRY) for text in fingerprints]
    sizes = np.array([len(sketch) for sketch in sketches], dtype=np.int64)
    if not sizes.sum():
        return np.arange(len(sketches))
    entries = np.concatenate(sketches)
    owner = np.repeat(np.arange(len(sketches)), sizes)
    order = np.lexsort((owner, entries["word"]))
    word, frame, owner = entries["word"][order], entries["frame"][order].astype(np.int64), owner[order]
    shared = []
    for distance in range(1, _NEIGHBOURS + 1):
        same = np.flatnonzero(word[:-distance] == word[distance:])
        shift = frame[same + distance] - frame[same]
        shared.append(np.stack([owner[same], owner[same + distance], shift], axis=1))
    pairs, counts = np.unique(np.concatenate(shared), axis=0, return_counts=True)
    # The frames of a copy may lie between those of the other: words of neighbouring distances count together.
    following = np.zeros_like(counts)
    is_next = (np.diff(pairs[:, :2], axis=0) == 0).all(axis=1) & (np.diff(pairs[:, 2]) == 1)
    following[:-1][is_next] = counts[1:][is_next]
    needed = np.maximum(_FEWEST_WORDS, _SMALLEST_SHARE * np.minimum(*sizes[pairs[:, :2]].T))
    first, second = pairs[counts + following >= needed, :2].T
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(len(sketches),) * 2)
    _, component = connected_components(graph, directed=False)
    _, index, inverse = np.unique(component, return_index=True, return_inverse=True)
    firsts: NDArray[np.int64] = index[inverse]
    return firsts
