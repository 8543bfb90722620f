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
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

DUPLICATES_VERSION = 1
"""To be raised when fingerprints change: the audit keeps them with its measurements."""
_RATE_HZ = 8_000
_WINDOW, _HOP = 2_000, 128  # 0.25 s, 16 ms
_LOWEST_HZ, _HIGHEST_HZ = 300.0, 2_000.0  # what telephones and codecs leave alone
_N_BANDS = 33  # one more than bits of a word
_LONGEST_S = 120.0
_FRAMES_AT_ONCE = 64
_QUIETEST = 1e-4  # frames 40 dB below the loudest are left out: there, copies differ by the noise of codecs
_MOST_WORDS = 128
_SPREAD = np.uint32(2_654_435_761)  # Knuth's multiplicative hash: which words are kept is not which are low
_ENTRY = np.dtype([("word", "<u4"), ("frame", "<u2")])
_NEIGHBOURS = 4
_FEWEST_WORDS = 6
_SMALLEST_SHARE = 0.08
_SMALLEST_SPAN = 1 / 3  # programmes share a jingle, and are no copies


class Listener:
    """Takes the fingerprint of a recording that comes in blocks, in memory that does not grow with it.

    Parameters
    ----------
    sample_rate_hz
        Of the recording, Hz.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        import soxr

        self._stream = None
        if sample_rate_hz != _RATE_HZ:
            self._stream = soxr.ResampleStream(sample_rate_hz, _RATE_HZ, 1, dtype="float32", quality="HQ")
        self._missing = round(_LONGEST_S * _RATE_HZ)
        self._samples = np.zeros(0, np.float32)  # at 8 kHz, from the next frame on
        self._energies = [np.zeros((0, _N_BANDS), np.float32)]

    def add(self, mono: NDArray[np.floating]) -> None:
        """Listen to the next samples, [n]; those after the first two minutes are passed over."""
        if self._missing > 0:
            samples = np.asarray(mono, dtype=np.float32)
            self._hear(samples if self._stream is None else self._stream.resample_chunk(samples))

    def _hear(self, samples: NDArray[np.float32]) -> None:
        """Turn samples at 8 kHz into energies, as many frames at once as fit into a processor's cache."""
        samples = samples[: self._missing]
        self._missing -= len(samples)
        self._samples = np.concatenate([self._samples, samples])
        while _n_frames(self._samples) >= _FRAMES_AT_ONCE:
            self._energies.append(_band_energies(self._samples, _FRAMES_AT_ONCE))
            self._samples = self._samples[_FRAMES_AT_ONCE * _HOP :]

    def fingerprint(self) -> str:
        """Return what the recording sounds like, once all samples have been added.

        Returns
        -------
        str
            At most 128 words of 32 bits with the frames they occur in, in base 64; empty for recordings
            shorter than 0.27 s and for silence.
        """
        if self._missing > 0 and self._stream is not None:
            self._hear(self._stream.resample_chunk(np.zeros(0, np.float32), last=True))
        if n := _n_frames(self._samples):
            self._energies.append(_band_energies(self._samples, n))
        return _sketch(np.concatenate(self._energies))


def _n_frames(mono: NDArray[np.float32]) -> int:
    return max(0, (len(mono) - _WINDOW) // _HOP + 1)


def _band_energies(mono: NDArray[np.float32], n_frames: int) -> NDArray[np.float32]:
    """Return the mean power of each band in the first frames of samples at 8 kHz, float32 [n_frames, 33]."""
    from scipy.fft import rfft  # of float32 rows, three times as fast as NumPy's

    frames = np.lib.stride_tricks.sliding_window_view(mono, _WINDOW)[::_HOP][:n_frames]
    edges = np.ceil(np.geomspace(_LOWEST_HZ, _HIGHEST_HZ, _N_BANDS + 1) * _WINDOW / _RATE_HZ).astype(int)
    spectrum = rfft(frames * np.hanning(_WINDOW).astype(np.float32))[:, : edges[-1]]
    power = spectrum.real**2 + spectrum.imag**2
    energies: NDArray[np.float32] = np.add.reduceat(power, edges[:-1], axis=1)
    energies /= np.diff(edges).astype(np.float32)
    return energies


def _sketch(energies: NDArray[np.float32]) -> str:
    """Return the words of a recording of band energies [n_frames, 33] that are kept, as text."""
    if len(energies) < 2 or not energies.any():  # noqa: PLR2004 - words lie between frames
        return ""
    bits = np.diff(np.diff(energies, axis=1), axis=0) < 0
    words = np.packbits(bits, axis=1, bitorder="little").view("<u4")[:, 0]
    total = energies.sum(axis=1)[1:]
    loud = np.flatnonzero(total > total.max() * _QUIETEST)
    distinct, first = np.unique(words[loud], return_index=True)
    kept = np.argsort(distinct * _SPREAD, kind="stable")[:_MOST_WORDS]
    entries = np.zeros(len(kept), _ENTRY)
    entries["word"], entries["frame"] = distinct[kept], loud[first[kept]]
    return base64.b64encode(entries.tobytes()).decode()


def first_of_sets(*labels: ArrayLike) -> NDArray[np.int64]:
    """Return the first row of the set that each row belongs to, int64 [n_rows].

    Parameters
    ----------
    labels
        Any number of labels a row, each [n_rows]. Rows that have one in common are of one set, and so are
        those that are linked through others.
    """
    n_rows = n_nodes = len(np.asarray(labels[0]))
    nodes = []
    for label in labels:
        codes, known = pd.factorize(np.asarray(label))
        nodes.append(n_nodes + codes)
        n_nodes += len(known)
    return _first_linked(np.tile(np.arange(n_rows), len(labels)), np.concatenate(nodes), n_nodes)[:n_rows]


def _first_linked(first: NDArray[Any], second: NDArray[Any], n_nodes: int) -> NDArray[np.int64]:
    """Return the first node of the set that each is linked into, int64 [n_nodes]."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(first)), (first, second)), shape=(n_nodes, n_nodes))
    _, component = connected_components(graph, directed=False)
    _, index, inverse = np.unique(component, return_index=True, return_inverse=True)
    firsts: NDArray[np.int64] = index[inverse]
    return firsts


def find_copies(fingerprints: Sequence[str]) -> NDArray[np.int64]:
    """Tell which recordings are copies of one take.

    Two are when at least six words, and 8 % of the words of the shorter, occur in both at the same distance
    in time and span a third of the shorter: programmes with the same jingle are no copies. Time and memory
    grow with the number of recordings, not with its square: words are sorted, and each is compared with its
    next four neighbours.

    Parameters
    ----------
    fingerprints
        Of `Listener.fingerprint`; an empty one is a copy of nothing.

    Returns
    -------
    numpy.ndarray
        int64 [n_recordings], the first recording of the set that each belongs to; its own index when it
        stands alone.
    """
    sketches = [np.frombuffer(base64.b64decode(text), _ENTRY) for text in fingerprints]
    sizes = np.array([len(sketch) for sketch in sketches], dtype=np.int64)
    if not sizes.sum():
        return np.arange(len(sketches))
    entries = np.concatenate(sketches)
    owner = np.repeat(np.arange(len(sketches), dtype=np.int32), sizes)
    order = np.lexsort((owner, entries["word"]))
    word, frame, owner = entries["word"][order], entries["frame"][order].astype(np.int32), owner[order]
    shared = []
    for distance in range(1, _NEIGHBOURS + 1):
        same = np.flatnonzero(word[:-distance] == word[distance:])
        shift = frame[same + distance] - frame[same]
        shared.append(np.stack([owner[same], owner[same + distance], shift, frame[same]], axis=1))
    extents = [np.ptp(sketch["frame"].astype(int)) if len(sketch) else 0 for sketch in sketches]
    first, second = _matching_pairs(np.concatenate(shared), sizes, np.array(extents))
    return _first_linked(first, second, len(sketches))


def _matching_pairs(
    shared: NDArray[np.int32], sizes: NDArray[np.int64], extents: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the pairs of recordings that are copies.

    Of each word that two recordings share, `shared` tells both, the distance in time, and the frame in the
    first, int32 [n, 4]; of each recording, `sizes` its number of words, and `extents` the frames they span.
    """
    shared = shared[np.lexsort(shared.T[::-1])]
    is_new = np.diff(shared[:, :3], axis=0, prepend=-1).any(axis=1)
    starts = np.flatnonzero(is_new)
    pairs, counts = shared[starts, :3], np.diff(starts, append=len(shared))
    low, high = shared[starts, 3], shared[starts + counts - 1, 3]
    # The frames of a copy may lie between those of the other: words of neighbouring distances count together.
    near = np.flatnonzero((np.diff(pairs, axis=0) == [0, 0, 1]).all(axis=1))
    together, lowest, highest = counts.copy(), low.copy(), high.copy()
    together[near] += counts[near + 1]
    lowest[near] = np.minimum(low[near], low[near + 1])
    highest[near] = np.maximum(high[near], high[near + 1])
    fewest = np.maximum(_FEWEST_WORDS, _SMALLEST_SHARE * np.minimum(*sizes[pairs[:, :2]].T))
    shortest = _SMALLEST_SPAN * np.minimum(*extents[pairs[:, :2]].T)
    first, second, _ = pairs[(together >= fewest) & (highest - lowest >= shortest)].T
    return first, second
