"""Conditions in which a voice may reach a model: what is done to a clip, and the file it then comes in.

A `Condition` leaves a voice to be recognised. What `Excerpt` and `NoiseAlone` leave is not for a model to
recognise, but to be told from speech that is. Sounds and noise have a seed that is the same for the same
samples, so that a clip meets the same ones each time.
"""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from affetto.audio.recording import LARGEST_SAMPLE, Samples, resample
from affetto.audio.silero import SAMPLE_RATE_HZ
from affetto.audio.sounds import Sound, make_sound, pink_noise
from affetto.audio.speech import active_power, detect_speech
from affetto.io.configuration import Parameters

Family = Literal["packaging", "surroundings", "speed", "noise", "telephone"]
FormatName = Literal["wav", "mu_law", "flac", "mp3", "ogg", "opus", "m4a", "webm"]
_VERSION = 2
"""Raise it when a condition yields other samples: features of earlier copies are then computed again."""


class Copy(NamedTuple):
    """A recording that is to become a file.

    Attributes
    ----------
    samples
        float32 [n] or [channels, n], full scale 1.0; what is beyond is clipped.
    sample_rate_hz
        Their rate, Hz.
    format
        Container and codec.
    """

    samples: Samples
    sample_rate_hz: int
    format: FormatName = "wav"


class AnyCondition(Parameters, abc.ABC):
    """What is done to a clip."""

    family: ClassVar[Family] = "packaging"
    tolerance: float | None = Field(default=None, ge=0, le=100)
    """Largest change of the UAR in points; null: the family's."""

    def description(self) -> dict[str, Any]:
        """Return what the samples of a copy depend on, as JSON values: what may be tolerated is not of it."""
        return {"version": _VERSION, **self.model_dump(mode="json", exclude={"tolerance"})}

    def degrade(self, samples: Samples, sample_rate_hz: int) -> Copy:
        """Return the copy of a mono recording, float32 [n], that this condition makes of it."""
        return self._copy(samples, sample_rate_hz)

    @abc.abstractmethod
    def _copy(self, samples: Samples, rate: int) -> Copy: ...


class Level(AnyCondition):
    """Another level, in a 16-bit file; a peak of 0 dBFS is ±1.0, and silence stays silence."""

    kind: Literal["level"] = "level"
    peak_dbfs: float = Field(ge=-60, le=0)
    """Peak of the copy, dBFS."""

    def _copy(self, samples: Samples, rate: int) -> Copy:
        peak = _peak(samples)
        gain = 10 ** (self.peak_dbfs / 20) / peak if peak > 0 else 1.0
        return Copy((samples * gain).astype(np.float32), rate)


class Stereo(AnyCondition):
    """Two channels."""

    kind: Literal["stereo"] = "stereo"
    second_db: float = Field(default=0.0, ge=-60, le=0)
    """Level of the second channel relative to the first, dB."""

    def _copy(self, samples: Samples, rate: int) -> Copy:
        second = samples * np.float32(10 ** (self.second_db / 20))
        return Copy(np.stack([samples, second]), rate)


class Rate(AnyCondition):
    """Another sample rate."""

    kind: Literal["rate"] = "rate"
    sample_rate_hz: int = Field(ge=4_000, le=192_000)
    """Rate of the copy, Hz."""

    def _copy(self, samples: Samples, rate: int) -> Copy:
        return Copy(resample(samples, rate, self.sample_rate_hz), self.sample_rate_hz)


class Speed(AnyCondition):
    """Another speed, as of a tape: tempo, pitch and formants change together."""

    family: ClassVar[Family] = "speed"
    kind: Literal["speed"] = "speed"
    factor: float = Field(ge=0.5, le=2.0)
    """Speed of the copy; 2 is twice as fast, an octave up."""

    def _copy(self, samples: Samples, rate: int) -> Copy:
        return Copy(samples, round(rate * self.factor))


class Codec(AnyCondition):
    """Another file format."""

    kind: Literal["codec"] = "codec"
    format: FormatName
    """wav, mu_law, flac, mp3, ogg, opus, m4a or webm."""

    def _copy(self, samples: Samples, rate: int) -> Copy:
        return Copy(samples, rate, self.format)


class Silence(AnyCondition):
    """Silence around the clip."""

    kind: Literal["silence"] = "silence"
    seconds: float = Field(default=0.5, gt=0, le=10)
    """Length on each side, s."""
    floor_dbfs: float | None = Field(default=None, ge=-120, le=0)
    """White noise in it, RMS in dBFS; null: digital silence."""

    def _copy(self, samples: Samples, rate: int) -> Copy:
        sides = np.zeros((2, round(self.seconds * rate)), dtype=np.float32)
        if self.floor_dbfs is not None:
            sides = _white_noise(sides.shape, self.floor_dbfs, samples)
        return Copy(np.concatenate([sides[0], samples, sides[1]]), rate)


class Offset(AnyCondition):
    """A constant added to all samples, as by cheap sound cards."""

    kind: Literal["offset"] = "offset"
    offset: float = Field(ge=-0.5, le=0.5)
    """The constant, relative to full scale."""

    def _copy(self, samples: Samples, rate: int) -> Copy:
        return Copy(_within_full_scale(samples + np.float32(self.offset)), rate)


class PinkNoise(AnyCondition):
    """Pink noise."""

    family: ClassVar[Family] = "noise"
    kind: Literal["pink_noise"] = "pink_noise"
    snr_db: float = Field(ge=-20, le=80)
    """Active speech over noise, dB."""

    def _copy(self, samples: Samples, rate: int) -> Copy:
        noise = pink_noise(max(1, len(samples)), _seed_of(samples))[: len(samples)]
        return Copy(_add(samples, rate, noise, self.snr_db), rate)


class Telephone(AnyCondition):
    """A telephone line: 300 to 3400 Hz at 8 kHz (ITU-T G.712).

    An elliptic band-pass of eight second-order sections, ripple 0.1 dB, 50 dB beyond the band's skirts; it is
    causal, as lines are.
    """

    family: ClassVar[Family] = "telephone"
    kind: Literal["telephone"] = "telephone"
    mu_law: bool = False
    """Encode by G.711 mu-law as well."""

    def _copy(self, samples: Samples, rate: int) -> Copy:
        from scipy.signal import ellip, sosfilt

        band_hz, low_rate = (300.0, 3_400.0), 8_000
        sections = ellip(8, 0.1, 50.0, band_hz, "bandpass", output="sos", fs=low_rate)
        narrow = sosfilt(sections, resample(samples, rate, low_rate))
        form: FormatName = "mu_law" if self.mu_law else "wav"
        return Copy(narrow.astype(np.float32), low_rate, form)


class Surround(AnyCondition):
    """Other sounds before and behind the voice, in silence."""

    family: ClassVar[Family] = "surroundings"
    kind: Literal["surround"] = "surround"
    sound: Sound
    """clicks, beep, knocks, handling, hum or music."""
    before_s: float = Field(default=1.5, ge=0, le=10)
    """Length before the voice, s."""
    behind_s: float = Field(default=1.5, ge=0, le=10)
    """Length behind it, s."""
    level_db: float = Field(default=0.0, ge=-60, le=40)
    """Peak of the sound relative to the peak of the voice, dB."""

    def _copy(self, samples: Samples, rate: int) -> Copy:
        peak = np.float32(_peak(samples) * 10 ** (self.level_db / 20))
        seed = _seed_of(samples)
        n_before, n_behind = round(self.before_s * rate), round(self.behind_s * rate)
        before = peak * make_sound(self.sound, n_before, rate, seed)
        behind = peak * make_sound(self.sound, n_behind, rate, (seed + 1) % 2**64)
        whole = np.concatenate([before, samples, behind])
        return Copy(_within_full_scale(whole), rate)


class Pause(AnyCondition):
    """A long pause at the softest moment of 50 ms in the middle third of the voice."""

    family: ClassVar[Family] = "surroundings"
    kind: Literal["pause"] = "pause"
    seconds: float = Field(default=2.0, gt=0, le=60)
    """Length of the pause, s."""
    floor_dbfs: float = Field(default=-70.0, ge=-120, le=0)
    """White noise in it, RMS in dBFS."""

    def _copy(self, samples: Samples, rate: int) -> Copy:
        size, at = round(0.05 * rate), len(samples) // 3
        middle = samples[at : 2 * at].astype(np.float64)
        if len(middle) >= size:
            power = np.convolve(middle**2, np.ones(size), mode="valid")
            at += int(power.argmin()) + size // 2
        pause = _white_noise((round(self.seconds * rate),), self.floor_dbfs, samples)
        return Copy(np.concatenate([samples[:at], pause, samples[at:]]), rate)


class Background(AnyCondition):
    """Another sound all along."""

    family: ClassVar[Family] = "noise"
    kind: Literal["background"] = "background"
    sound: Sound
    """clicks, beep, knocks, handling, hum or music."""
    snr_db: float = Field(ge=-20, le=80)
    """Active speech over the sound, dB."""

    def _copy(self, samples: Samples, rate: int) -> Copy:
        sound = make_sound(self.sound, len(samples), rate, _seed_of(samples))
        return Copy(_add(samples, rate, sound, self.snr_db), rate)


class Excerpt(AnyCondition):
    """A short piece from the middle: where half of the speech is over, or half of the recording."""

    family: ClassVar[Family] = "surroundings"
    kind: Literal["excerpt"] = "excerpt"
    seconds: float = Field(default=0.4, gt=0, le=600)
    """Length, s; shorter clips stay whole."""
    of: Literal["speech", "recording"] = "speech"
    """Whose middle it is; of a clip without speech, the recording's."""

    def _copy(self, samples: Samples, rate: int) -> Copy:
        middle_s = len(samples) / rate / 2
        spoken = np.zeros((0, 2))
        if self.of == "speech":
            heard = resample(samples, rate, SAMPLE_RATE_HZ)
            spoken = detect_speech([heard]).stretches
        if len(spoken):
            ends = np.cumsum(spoken[:, 1] - spoken[:, 0])
            half = ends[-1] / 2
            place = int(np.searchsorted(ends, half))
            middle_s = float(spoken[place, 1] - (ends[place] - half))
        n = min(round(self.seconds * rate), len(samples))
        start = max(round(middle_s * rate) - n // 2, 0)
        start = min(start, len(samples) - n)
        return Copy(samples[start : start + n], rate)


class NoiseAlone(AnyCondition):
    """Pink noise instead of the clip, as long and as loud as its speech."""

    family: ClassVar[Family] = "noise"
    kind: Literal["noise"] = "noise"

    def _copy(self, samples: Samples, rate: int) -> Copy:
        loudness = np.float32(np.sqrt(active_power(samples, rate)))
        return Copy(loudness * pink_noise(len(samples), _seed_of(samples)), rate)


_OfTheFile = Level | Stereo | Rate | Speed | Codec | Silence | Offset
_OfTheRoom = PinkNoise | Telephone | Surround | Pause | Background
Condition = Annotated[_OfTheFile | _OfTheRoom, Field(discriminator="kind")]


def _seed_of(samples: Samples) -> int:
    """Return a seed that is the same for the same samples."""
    values = np.ascontiguousarray(samples, dtype="<f4").data
    digest = hashlib.blake2b(values, digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _peak(samples: Samples) -> float:
    return float(np.abs(samples).max(initial=0.0))


def _white_noise(shape: tuple[int, ...], level_dbfs: float, samples: Samples) -> Samples:
    noise = np.random.default_rng(_seed_of(samples)).standard_normal(shape)
    return (10 ** (level_dbfs / 20) * noise).astype(np.float32)


def _add(samples: Samples, rate: int, sound: Samples, snr_db: float) -> Samples:
    """Add a sound at a ratio of mean powers, dB, over active speech.

    Pauses do not count for the level of the speech: else a clip with more of them would get less noise.
    """
    if not len(samples):
        return samples
    centred = samples - samples.mean(dtype=np.float64)  # an offset is no speech
    power = active_power(centred, rate)
    own = float(np.mean(sound.astype(np.float64) ** 2))
    own = max(own, np.finfo(np.float64).tiny)
    gain = np.float32(np.sqrt(power * 10 ** (-snr_db / 10) / own))
    return _within_full_scale(samples + gain * sound)


def _within_full_scale(samples: Samples) -> Samples:
    gain = min(1.0, LARGEST_SAMPLE / max(_peak(samples), 1e-12))
    return (samples * gain).astype(np.float32)


class _Format(NamedTuple):
    """How a format is written: by libsndfile, or by FFmpeg where its name of the container is given."""

    codec: str
    container: str
    rates_hz: tuple[int, ...] = ()  # those it allows; none: all
    bits: int = 0  # of a sample that is rounded to steps
    by_ffmpeg: bool = False


_MPEG_RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_OPUS_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)
_FORMATS: Mapping[FormatName, _Format] = {
    "wav": _Format("PCM_16", "WAV", bits=16),
    "mu_law": _Format("ULAW", "WAV", bits=16),  # G.711, North America and Japan
    "flac": _Format("PCM_24", "FLAC", bits=24),
    "mp3": _Format("MPEG_LAYER_III", "MP3", _MPEG_RATES_HZ),
    "ogg": _Format("VORBIS", "OGG"),
    "opus": _Format("OPUS", "OGG", _OPUS_RATES_HZ),
    "m4a": _Format("aac", "ipod", _MPEG_RATES_HZ, by_ffmpeg=True),  # what phones record
    "webm": _Format("libopus", "webm", _OPUS_RATES_HZ, by_ffmpeg=True),  # what browsers record
}


def write_copy(copy: Copy, folder: Path) -> Path:
    """Encode a recording into a file of `folder` and return its path.

    Formats that allow only some rates get the next higher one that they allow.
    """
    import soundfile

    form, own_rate = _FORMATS[copy.format], copy.sample_rate_hz
    higher = [rate for rate in form.rates_hz if rate >= own_rate]
    rate = [*higher, *form.rates_hz[-1:], own_rate][0]
    lowest, suffix = -1.0, copy.format
    if suffix == "mu_law":
        lowest, suffix = -LARGEST_SAMPLE, "wav"  # its lowest sample wraps
    samples = resample(copy.samples, own_rate, rate)
    samples = np.atleast_2d(np.clip(samples, lowest, LARGEST_SAMPLE))
    path = folder / f"copy.{suffix}"
    if form.by_ffmpeg:
        _write_with_ffmpeg(samples, rate, path, form)
        return path
    values: NDArray[Any] = samples.T
    if form.bits:  # libsndfile's own conversion of floats is off by a step when loud
        steps = np.rint(values.astype(np.float64) * 2 ** (form.bits - 1))
        values = steps.astype(np.int32) * np.int32(2 ** (32 - form.bits))
    options = {"subtype": form.codec, "format": form.container}
    with soundfile.SoundFile(path, "w", rate, len(samples), **options) as file:
        # The Vorbis encoder keeps what it is given on its stack.
        for start in range(0, len(values), 65_536):
            file.write(values[start : start + 65_536])
    return path


def _write_with_ffmpeg(samples: Samples, rate_hz: int, path: Path, form: _Format) -> None:
    """Write samples [channels, n] of one or two channels."""
    import av

    av.logging.set_level(av.logging.PANIC)
    layout = "mono" if len(samples) == 1 else "stereo"
    with av.open(str(path), "w", format=form.container) as file:
        stream: Any = file.add_stream(form.codec, rate=rate_hz, layout=layout)
        stream.bit_rate = 64_000
        if samples.size:
            values = np.ascontiguousarray(samples)
            frame = av.AudioFrame.from_ndarray(values, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate_hz, 0
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
