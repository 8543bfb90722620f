"""Analysis windows of a recording: one for a short one, one per second of speech for a long one.

A recording of any length is decoded once, in small chunks, and the windows are cut out of the stream.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from affetto.audio.decode import open_recording
from affetto.audio.recording import mix
from affetto.recommendation.parameters import TimelineParameters

_LEAST_SHARE = 0.2
_MOST_SPREAD = 2.0
_DIGITS = 6

Samples = Mapping[int, np.ndarray]
"""Sample rate in Hz → mono samples, float32 [n]."""


class Window(NamedTuple):
    """One row of a recording's timeline, s from its start.

    Attributes
    ----------
    start_s, end_s
        What the row stands for.
    speech_s
        Speech in it.
    span
        Start and end of what is analysed for it; None: there is too little speech.
    """

    start_s: float
    end_s: float
    speech_s: float
    span: tuple[float, float] | None


def plan_windows(duration_s: float, speech: np.ndarray, parameters: TimelineParameters) -> list[Window]:
    """Divide a recording into analysis windows.

    Speech of at most `longer_than_s` is one window, from where it begins to where it ends, unless long pauses
    spread it over more than twice that. Else there is a window every `hop_s`; its span lies around the middle
    and ends where speech ends. Silence before or after a voice is no part of any span, so that more of it
    changes nothing. A window has a span when at least `min_speech_s` of it are speech, and where there are
    several at least a fifth of the hop as well.

    Parameters
    ----------
    duration_s
        Length of the recording, s.
    speech
        float [n, 2], start and end of each stretch of speech, s, increasing.
    parameters
        Lengths of hops and windows.
    """
    speech = np.clip(speech, 0.0, duration_s)
    if not len(speech):
        return [Window(0.0, duration_s, 0.0, None)]
    first, last, spoken = float(speech[0, 0]), float(speech[-1, 1]), _length(speech)
    compact = last - first <= _MOST_SPREAD * parameters.longer_than_s
    if compact and spoken <= parameters.longer_than_s:
        enough = spoken >= parameters.min_speech_s
        return [Window(0.0, duration_s, spoken, (first, last) if enough else None)]
    number = max(1, int(np.ceil(round(duration_s / parameters.hop_s, _DIGITS))))
    edges = np.minimum(np.arange(number + 1) * parameters.hop_s, duration_s).tolist()
    windows = []
    for start_s, end_s in itertools.pairwise(edges):
        spoken = _length(_inside(speech, start_s, end_s))
        middle_s, reach_s = start_s + parameters.hop_s / 2, parameters.window_s / 2
        around = _inside(speech, middle_s - reach_s, middle_s + reach_s)
        span = None
        if spoken >= _LEAST_SHARE * parameters.hop_s and _length(around) >= parameters.min_speech_s:
            span = (float(around[0, 0]), float(around[-1, 1]))
        windows.append(Window(start_s, end_s, spoken, span))
    return windows


def _inside(speech: np.ndarray, start_s: float, end_s: float) -> np.ndarray:
    """Return the parts of stretches of speech that lie between two moments."""
    first = int(np.searchsorted(speech[:, 1], start_s, side="right"))
    last = int(np.searchsorted(speech[:, 0], end_s, side="left"))
    inside: np.ndarray = np.clip(speech[first:last], start_s, end_s)
    return inside


def _length(speech: np.ndarray) -> float:
    return round(float((speech[:, 1] - speech[:, 0]).sum()), _DIGITS)


def read_chunks(path: Path, rates: Collection[int], notes: list[str] | None = None) -> Iterator[Samples]:
    """Decode a recording once and yield its mono samples in chunks, at each of some sample rates (Hz).

    There are no seams between chunks (soxr, high quality); those of different rates need not cover the same
    time. `notes` receives what is wrong with the file although it can be used, once it has been read.

    Raises
    ------
    DecodeError
        When the file cannot be decoded.
    """
    import soxr

    with open_recording(path) as recording:
        own = recording.header.sample_rate_hz
        streams = {rate: soxr.ResampleStream(own, rate, 1, quality="HQ") for rate in rates if rate != own}
        for samples in recording.blocks(0.0, float("inf")):
            mono = mix(samples, recording.header.channel)
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
    chunks: Iterable[Samples], spans: Sequence[tuple[float, float]], rates: Collection[int]
) -> Iterator[dict[int, np.ndarray]]:
    """Cut spans out of a recording that comes in chunks; only what a span can still need stays in memory.

    Parameters
    ----------
    chunks, rates
        What `read_chunks` yields, and its sample rates, Hz.
    spans
        Start and end of each span, s; starts do not decrease. An end behind the recording is its end.
    """
    first = dict.fromkeys(rates, 0)
    latest = {rate: np.zeros(0, dtype=np.float32) for rate in rates}
    stream = iter(chunks)
    for start_s, end_s in spans:
        while any((first[rate] + len(latest[rate])) / rate < end_s for rate in rates):
            chunk = next(stream, None)
            if chunk is None:
                break
            for rate in rates:
                dropped = min(max(0, round(start_s * rate) - first[rate]), len(latest[rate]))
                latest[rate] = np.concatenate([latest[rate][dropped:], chunk[rate]])
                first[rate] += dropped
        found = {}
        for rate in rates:
            start = max(0, round(start_s * rate) - first[rate])
            found[rate] = latest[rate][start : max(start, round(end_s * rate) - first[rate])]
        yield found
