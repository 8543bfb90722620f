"""Where somebody speaks in a recording, and how the speech is brought to common terms before it is measured.

Descriptors of a voice follow the room and the microphone as much as the speaker: energy follows the gain,
statistics over a clip follow its pauses and whatever else sounds in it. So everything that reads a voice, for
training, testing and answering, reads what `prepare_speech` leaves: the speech alone, at one level, over one
floor of pink noise that covers what is softer.

Speech is what the Silero detector hears as such (`affetto.audio.silero`). It hears a recording twice, as it
is and played at four fifths of its speed, and the greater probability counts: a high excited voice on the
telephone, whose lowest partial the line cuts off, sounds more like the voices it was trained on when lower.
Pauses, clicks, beeps, knocks, rumble, hum, noise and instruments are no speech; singing is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from affetto.audio.recording import LARGEST_SAMPLE, Samples, resample
from affetto.audio.silero import CHUNK, SAMPLE_RATE_HZ, speech_probability
from affetto.audio.sounds import pink_noise
from affetto.io.configuration import Parameters

PREPARATION_VERSION = 4
"""Raise it when a recording is prepared otherwise: its features are then computed again."""

_FRAME_S = 0.01
_HOP = SAMPLE_RATE_HZ // 100
_ACTIVE_DB = 30.0  # frames this far below the loudest one are pauses
_CHUNK_S = CHUNK / SAMPLE_RATE_HZ
_PIECE = 1875 * CHUNK  # a minute: what is held of a long recording
_MARGIN = 65 * CHUNK  # 2 s on each side of a piece, for the memory of the detector and for the level
_SLOWNESS = 1.25
_DETECTOR_DBFS = -26.0
_SILENCE_DBFS = -80.0
_SMALLEST_POWER = 1e-20

_Floats = NDArray[np.float64]


class SpeechParameters(Parameters):
    """What counts as speech, and how it is prepared before features are measured."""

    threshold: float = Field(default=0.6, gt=0, lt=1)
    """A stretch of speech has moments that are speech with at least this probability."""
    until: float = Field(default=0.3, gt=0, lt=1)
    """It goes on as long as the probability is at least this."""
    min_stretch_s: float = Field(default=0.15, ge=0, le=5)
    """Shorter stretches are none, s."""
    min_speech_s: float = Field(default=0.25, ge=0, le=60)
    """A recording with less speech than this holds none, s."""
    margin_s: float = Field(default=0.15, ge=0, le=1)
    """How far speech may reach beyond what was recognised, s."""
    max_gap_s: float = Field(default=0.3, ge=0, le=10)
    """Stretches not further apart are one; longer pauses are cut, s."""
    range_db: float = Field(default=40.0, gt=0, le=120)
    """A stretch ends where all is softer than its speech by more than this, dB."""
    padding_s: float = Field(default=0.05, ge=0, le=5)
    """Silence before and behind what is kept, s."""
    level_dbfs: float = Field(default=-26.0, ge=-60, le=0)
    """RMS of the active speech after it, dBFS (ITU-T P.56)."""
    noise_db: float | None = Field(default=30.0, ge=0, le=120)
    """The floor of pink noise lies this far below; null: none."""


@dataclass(frozen=True)
class FoundSpeech:
    """Where in a recording somebody speaks.

    Attributes
    ----------
    stretches
        float64 [n, 2], start and end of each stretch of speech, s, increasing and apart from each other.
    duration_s
        Length of the recording, s.
    reason
        Why there is no speech in it; empty when there is.
    """

    stretches: _Floats
    duration_s: float
    reason: str = ""


def detect_speech(blocks: Iterable[Samples], parameters: SpeechParameters | None = None) -> FoundSpeech:
    """Tell where somebody speaks in a recording that comes in blocks; a minute of it is held at a time.

    Parameters
    ----------
    blocks
        Mono samples at 16 kHz, float32 [n] each, one after the other.
    parameters
        What counts as speech.

    Returns
    -------
    FoundSpeech
        The stretches of speech, or the reason why there are none; the same for any division into blocks.
    """
    chosen = parameters or SpeechParameters()
    probabilities, powers = [np.zeros(0)], [np.zeros(0)]
    n_samples, reason = 0, f"nothing in it is louder than {_SILENCE_DBFS:g} dBFS"
    for before, piece, n_new in _pieces(blocks):
        power = _frame_power(piece)
        levelled = _levelled(piece, power)
        probability = np.zeros(-(-len(piece) // CHUNK))
        if levelled is not None:
            reason, probability = "", _probability(levelled)
        first, n_chunks = before // CHUNK, -(-n_new // CHUNK)
        probabilities.append(probability[first : first + n_chunks])
        first, n_frames = before // _HOP, -(-n_new // _HOP)
        powers.append(power[first : first + n_frames])
        n_samples += n_new
    duration_s = n_samples / SAMPLE_RATE_HZ
    spoken = _stretches(np.concatenate(probabilities), chosen)
    length_s = float(np.sum(spoken[:, 1] - spoken[:, 0]))
    if not reason and not len(spoken):
        reason = f"nothing in it sounds like a voice for {chosen.min_stretch_s:g} s"
    elif not reason and length_s < chosen.min_speech_s:
        reason = f"only {length_s:.2f} s of it sound like a voice"
    if reason:
        return FoundSpeech(np.zeros((0, 2)), duration_s, reason)
    trimmed = _trimmed(spoken, np.concatenate(powers), chosen)
    starts, ends = np.clip(trimmed, 0.0, duration_s).T
    apart = starts[1:] - ends[:-1] > chosen.max_gap_s
    starts, ends = starts[np.append(True, apart)], ends[np.append(apart, True)]
    return FoundSpeech(np.stack([starts, ends], axis=1), duration_s)


def prepare_speech(samples: Samples, sample_rate_hz: int, parameters: SpeechParameters) -> Samples:
    """Cut a recording to its speech, set its level and add the floor of noise.

    Parameters
    ----------
    samples
        Mono, float32 [n], full scale 1.0; finite.
    sample_rate_hz
        Its rate, Hz.
    parameters
        What counts as speech, level, floor and what is cut.

    Returns
    -------
    NDArray[np.float32]
        float32 [m] within [-1, 32767/32768]: the stretches of speech one after the other, and `padding_s` of
        silence before and behind. A recording without speech is kept whole, silence under the floor.
    """
    heard = resample(samples, sample_rate_hz, SAMPLE_RATE_HZ)
    found = detect_speech([heard], parameters).stretches
    speech = _cut_out(_centred(samples), sample_rate_hz, found, parameters.padding_s)
    wanted = 10 ** (parameters.level_dbfs / 10)
    power = active_power(speech, sample_rate_hz)
    if power > _SMALLEST_POWER:
        speech = speech * np.float32(np.sqrt(wanted / power))
    if parameters.noise_db is not None:
        amplitude = np.sqrt(wanted) * 10 ** (-parameters.noise_db / 20)
        noise = np.resize(_noise(sample_rate_hz), len(speech))
        speech = speech + np.float32(amplitude) * noise
    prepared: Samples = np.clip(speech, -1.0, LARGEST_SAMPLE)
    return prepared


def active_power(samples: Samples, sample_rate_hz: int) -> float:
    """Return the mean power of the frames of 20 ms within 30 dB of the loudest one (after ITU-T P.56)."""
    n = max(1, round(0.02 * sample_rate_hz))
    starts = np.arange(0, len(samples), n)
    squares = np.add.reduceat(samples.astype(np.float64) ** 2, starts)
    lengths = np.diff([*starts, len(samples)])
    power = squares / lengths
    active = power >= power.max() * 10 ** (-_ACTIVE_DB / 10)
    return float(squares[active].sum() / lengths[active].sum())


@lru_cache(maxsize=4)
def _noise(sample_rate_hz: int) -> Samples:
    """Return the minute of noise that all recordings share, RMS 1."""
    return resample(pink_noise(60 * 16_000, seed=0), 16_000, sample_rate_hz)


def _pieces(blocks: Iterable[Samples]) -> Iterator[tuple[int, Samples, int]]:
    """Cut a recording into pieces of a minute with margins.

    Each comes with the number of samples of the margin before it and of those that are new.
    """
    held, before = np.zeros(0, dtype=np.float32), 0
    for block in blocks:
        finite = np.nan_to_num(np.asarray(block, dtype=np.float32))
        held = np.concatenate([held, finite])
        while len(held) >= before + _PIECE + _MARGIN:
            yield before, held[: before + _PIECE + _MARGIN], _PIECE
            held, before = held[before + _PIECE - _MARGIN :], _MARGIN
    if len(held) > before:
        yield before, held, len(held) - before


def _frame_power(samples: Samples) -> _Floats:
    """Return the power of each frame of 10 ms; an offset is no sound, power is of what goes up and down."""
    missing = -len(samples) % _HOP
    frames = np.pad(samples, (0, missing), mode="edge").reshape(-1, _HOP)
    power: _Floats = frames.var(axis=1, dtype=np.float64)
    return power


def _levelled(samples: Samples, power: _Floats) -> Samples | None:
    """Bring the loudest fifth of a second within two seconds to the level the detector expects.

    So neither a slammed door nor half an hour of silence decides how loud a voice is, and a click hardly
    counts. None: all of it is softer than -80 dBFS.
    """
    from scipy.ndimage import maximum_filter1d, uniform_filter1d

    smooth = uniform_filter1d(power, round(0.2 / _FRAME_S), mode="nearest")
    loudest = maximum_filter1d(smooth, 2 * (_MARGIN // _HOP) + 1, mode="nearest")
    least = 10 ** (_SILENCE_DBFS / 10)
    if loudest.max(initial=0.0) < least:
        return None
    decibels = _DETECTOR_DBFS - 10 * np.log10(np.maximum(loudest, least))
    steady = uniform_filter1d(decibels, _MARGIN // _HOP, mode="nearest")
    middles = (np.arange(len(power)) + 0.5) * _HOP
    gain = np.interp(np.arange(len(samples)), middles, 10 ** (steady / 20))
    return np.asarray(np.clip(_centred(samples) * gain, -1.0, 1.0), dtype=np.float32)


def _probability(samples: Samples) -> _Floats:
    """Return the probability of speech in each chunk, the greater one at full speed and at four fifths."""
    slow = resample(samples, SAMPLE_RATE_HZ, round(SAMPLE_RATE_HZ * _SLOWNESS))
    both = np.zeros((2, max(len(slow), len(samples))), dtype=np.float32)
    both[0, : len(samples)] = samples
    both[1, : len(slow)] = slow
    fast, slower = speech_probability(both)
    chunks = np.arange(-(-len(samples) // CHUNK))
    same_time = (chunks + 0.5) * _SLOWNESS - 0.5
    in_time = np.interp(same_time, np.arange(len(slower)), slower)
    greater: _Floats = np.maximum(fast[: len(chunks)], in_time).astype(np.float64)
    return greater


def _stretches(probability: _Floats, parameters: SpeechParameters) -> _Floats:
    """Return the stretches of chunks that may be speech and have moments that surely are, s, [n, 2]."""
    steps = np.diff(np.pad(probability >= parameters.until, 1).astype(np.int8))
    first, last = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    if not len(first):
        return np.zeros((0, 2))
    sure = np.maximum.reduceat(probability, first) >= parameters.threshold
    long = (last - first) * _CHUNK_S >= parameters.min_stretch_s
    found = np.stack([first, last], axis=1)[sure & long] * _CHUNK_S
    return np.asarray(found, dtype=np.float64)


def _trimmed(stretches: _Floats, power: _Floats, parameters: SpeechParameters) -> _Floats:
    """Let stretches begin and end with the sound in them, up to `margin_s` before and behind.

    A frame of 10 ms belongs to it when its level is at most `range_db` below that of the stretch: the mean
    power of the frames within 30 dB of the loudest one. What speech has before and behind what was recognised
    is soft: a frame there that is louder than the stretch is another sound, and ends it.
    """
    margin = round(parameters.margin_s / _FRAME_S)
    trimmed = []
    for first, last in np.round(stretches / _FRAME_S).astype(int):
        inside = power[first:last]
        active = inside >= inside.max() * 10 ** (-_ACTIVE_DB / 10)
        level = inside[active].mean()
        before = power[max(0, first - margin) : first][::-1] > level
        behind = power[last : last + margin] > level
        start = first - int(np.append(before, True).argmax())
        end = last + int(np.append(behind, True).argmax())
        least = level * 10 ** (-parameters.range_db / 10)
        loud = start + np.flatnonzero(power[start:end] >= least)
        trimmed.append((loud[0] * _FRAME_S, (loud[-1] + 1) * _FRAME_S))
    return np.array(trimmed)


def _cut_out(samples: Samples, sample_rate_hz: int, stretches: _Floats, padding_s: float) -> Samples:
    """Join the stretches of a recording, with silence around all of them; all of it where there are none.

    What lies around a stretch may be a loud other sound, so it is no padding; 5 ms at its ends are faded.
    """
    if not len(stretches):
        return samples
    padding = np.zeros(round(padding_s * sample_rate_hz), dtype=np.float32)
    fade = np.linspace(0.0, 1.0, round(0.005 * sample_rate_hz), dtype=np.float32)
    parts = []
    for start, end in np.round(stretches * sample_rate_hz).astype(int):
        part = samples[start:end].copy()
        n = min(len(fade), len(part))
        part[:n] *= fade[:n]
        part[len(part) - n :] *= fade[:n][::-1]
        parts.append(part)
    return np.concatenate([padding, *parts, padding])


def _centred(samples: Samples) -> Samples:
    """Take the mean away; zeros at the ends are digital silence, which never had the offset."""
    sound = np.flatnonzero(samples)
    if not len(sound):
        return samples
    inner = slice(int(sound[0]), int(sound[-1]) + 1)
    centred = samples.copy()
    centred[inner] -= np.float32(samples[inner].mean(dtype=np.float64))
    return centred
