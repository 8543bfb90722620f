"""Recordings of any length, decoded once in small blocks, and the windows cut out of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from affetto.audio.decode import mix, open_recording

Samples = Mapping[int, np.ndarray]
"""Sample rate in Hz → mono samples, float32 [n]."""


def read_blocks(path: Path, rates: Collection[int], notes: list[str] | None = None) -> Iterator[Samples]:
    """Decode a recording once and yield its mono samples in blocks at some sample rates.

    Parameters
    ----------
    path
        Audio file.
    rates
        Sample rates wanted, Hz (soxr, high quality, no seams between blocks).
    notes
        Receives what is wrong with the file although it can be used, once it has been read.

    Yields
    ------
    Mapping
        Samples at each rate. Blocks of different rates need not cover the same time.

    Raises
    ------
    DecodeError
        When the file cannot be decoded.
    """
    import soxr

    with open_recording(path) as recording:
        own = recording.header.sample_rate_hz
        streams = {rate: soxr.ResampleStream(own, rate, 1, quality="HQ") for rate in rates if rate != own}
        for block in recording.blocks(0.0, float("inf")):
            mono = mix(block, recording.header.channel)
            yield {
                rate: streams[rate].resample_chunk(np.ascontiguousarray(mono)) if rate in streams else mono
                for rate in rates
            }
        nothing = np.zeros(0, dtype=np.float32)
        if notes is not None:
            notes += recording.notes
        yield {
            rate: streams[rate].resample_chunk(nothing, last=True) if rate in streams else nothing
            for rate in rates
        }


def cut_windows(
    blocks: Iterable[Samples], windows: Sequence[tuple[float, float]], rates: Collection[int]
) -> Iterator[dict[int, np.ndarray]]:
    """Cut windows out of a recording that comes in blocks; only what a window can still need is kept.

    Parameters
    ----------
    blocks
        What `read_blocks` yields.
    windows
        Start and end of each window, s; starts do not decrease. An end behind the recording is its end.
    rates
        The sample rates of the blocks, Hz.

    Yields
    ------
    dict
        Samples of each window at each rate.
    """
    tapes, stream = {rate: _Tape(rate) for rate in rates}, iter(blocks)
    for start_s, end_s in windows:
        while any(tape.end_s < end_s for tape in tapes.values()):
            block = next(stream, None)
            if block is None:
                break
            for rate, tape in tapes.items():
                tape.append(block[rate], start_s)
        yield {rate: tape.cut(start_s, end_s) for rate, tape in tapes.items()}


class _Tape:
    """The latest samples of a recording at one rate."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._first = 0
        self._samples = np.zeros(0, dtype=np.float32)

    @property
    def end_s(self) -> float:
        return (self._first + len(self._samples)) / self._rate

    def append(self, samples: np.ndarray, needed_from_s: float) -> None:
        dropped = min(max(0, round(needed_from_s * self._rate) - self._first), len(self._samples))
        self._samples = np.concatenate([self._samples[dropped:], samples])
        self._first += dropped

    def cut(self, start_s: float, end_s: float) -> np.ndarray:
        first = max(0, round(start_s * self._rate) - self._first)
        return self._samples[first : max(first, round(end_s * self._rate) - self._first)]
