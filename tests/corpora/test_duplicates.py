"""Copies of one take are found, whatever was done to them; different takes stay apart."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
import soxr

from affetto.corpora.duplicates import Listener, find_copies, first_of_sets

_RATE = 16_000


def take(seed: int, seconds: float = 3.0) -> np.ndarray:
    """Return glides of harmonics in syllables, as different from take to take as utterances are."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * _RATE)) / _RATE
    knots = np.linspace(0, seconds, 12)
    pitch = np.interp(time, knots, rng.uniform(90, 250, 12))
    phase = 2 * np.pi * np.cumsum(pitch) / _RATE
    formants = [np.interp(time, knots, rng.uniform(low, 2 * low, 12)) for low in (300, 900, 1_800)]
    loudness = np.interp(time, np.linspace(0, seconds, 40), rng.uniform(0.1, 1.0, 40))
    voice = sum(
        np.sin(n * phase) * sum(np.exp(-(((n * pitch - formant) / 150) ** 2)) for formant in formants)
        for n in range(1, 20)
    )
    room = rng.normal(0, 0.01, len(time))
    return (0.3 * loudness * voice / np.abs(voice).max() + room).astype(np.float32)


def fingerprint(samples: np.ndarray, rate_hz: int) -> str:
    listener = Listener(rate_hz)
    listener.add(samples)
    return listener.fingerprint()


def transcoded(samples: np.ndarray, container: str) -> np.ndarray:
    file = io.BytesIO()
    soundfile.write(file, samples, _RATE, format=container)
    file.seek(0)
    return soundfile.read(file, dtype="float32")[0]


COPIES = {
    "mp3": lambda x: (transcoded(x, "MP3"), _RATE),
    "ogg": lambda x: (transcoded(x, "OGG"), _RATE),
    "half the level": lambda x: (x * 0.5, _RATE),
    "48 kHz": lambda x: (soxr.resample(x, _RATE, 48_000), 48_000),
    "8 kHz": lambda x: (soxr.resample(x, _RATE, 8_000), 8_000),
    "50 ms shorter": lambda x: (x[800:], _RATE),
    "a second shorter": lambda x: (x[9_871:-6_000], _RATE),
    "silence before": lambda x: (np.pad(x, (3_333, 0)), _RATE),
}


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_is_found_among_other_takes(kind: str) -> None:
    originals = [fingerprint(take(seed), _RATE) for seed in range(8)]
    copies = [fingerprint(*COPIES[kind](take(seed))) for seed in range(8)]
    np.testing.assert_array_equal(find_copies([*originals, *copies]), [*range(8), *range(8)])


def test_all_copies_of_a_take_are_one_set() -> None:
    samples = take(0)
    many = [fingerprint(samples[100 * i :], _RATE) for i in range(40)]
    assert set(find_copies([*many, fingerprint(take(1), _RATE)])) == {0, 40}


def test_silence_and_very_short_recordings_are_copies_of_nothing() -> None:
    nothing = [fingerprint(np.zeros(n), _RATE) for n in (0, 100, 50_000)]
    assert nothing == [""] * 3
    np.testing.assert_array_equal(find_copies(nothing), [0, 1, 2])
    np.testing.assert_array_equal(find_copies([]), [])


def test_steady_sounds_are_not_taken_for_each_other() -> None:
    time = np.arange(3 * _RATE) / _RATE
    tones = [fingerprint(np.sin(2 * np.pi * pitch * time), _RATE) for pitch in (440, 466, 494, 523)]
    rng = np.random.default_rng(0)
    noises = [fingerprint(rng.normal(0, 0.1, 3 * _RATE), _RATE) for _ in range(4)]
    np.testing.assert_array_equal(find_copies([*tones, *noises]), np.arange(8))


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_blocks_are_heard_as_the_whole(rate: int) -> None:
    samples = soxr.resample(take(3), _RATE, rate).astype(np.float32)
    listener = Listener(rate)
    for block in np.array_split(samples, 23):
        listener.add(block)
    assert listener.fingerprint() == fingerprint(samples, rate) != ""


def test_what_comes_after_two_minutes_is_passed_over() -> None:
    samples = np.concatenate([take(seed, 40) for seed in range(3)])
    assert fingerprint(np.concatenate([samples, take(3, 40)])[: 150 * _RATE], _RATE) == fingerprint(
        np.concatenate([samples, take(4, 40)]), _RATE
    )


def test_programmes_with_the_same_jingle_are_no_copies_and_a_part_is() -> None:
    jingle = take(0, 5)
    programmes = [np.concatenate([jingle, take(seed, 25)]) for seed in (1, 2, 3)]
    prints = [fingerprint(samples, _RATE) for samples in (*programmes, programmes[0][160_000:])]
    np.testing.assert_array_equal(find_copies(prints), [0, 1, 2, 0])


def test_rows_are_linked_by_equal_labels_and_through_others() -> None:
    np.testing.assert_array_equal(first_of_sets(list("abcad"), [1, 2, 3, 3, 4]), [0, 1, 0, 0, 4])
    np.testing.assert_array_equal(first_of_sets([], []), [])
