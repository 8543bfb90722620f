"""Conditions in which a voice may reach a model: what is done to a clip, and how much that may cost.

A `Condition` leaves a voice to be recognised. What `Excerpt` and `NoiseAlone` leave is not for a model to
recognise, but to be told from speech that is.
"""

from __future__ import annotations

import abc
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from affetto.audio.decode import LARGEST_SAMPLE, resample
from affetto.audio.encode import Copy, FormatName, unavailable
from affetto.audio.interference import Sound, make_sound
from affetto.audio.level import Samples, active_power, pink_noise, seed_of
from affetto.audio.speech import find_speech

Family = Literal["packaging", "surroundings", "speed", "noise", "telephone"]
TELEPHONE_RATE_HZ = 8_000
TELEPHONE_BAND_HZ = (300.0, 3_400.0)
_FILTER_ORDER, _RIPPLE_DB, _STOP_DB = 8, 0.1, 50.0
_MOMENT_S = 0.05
DEGRADATION_VERSION = 2
"""Raise it when a condition yields other samples: features of earlier copies are then computed again."""


class AnyCondition(BaseModel, abc.ABC):
    """What is done to a clip."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: ClassVar[Family] = "packaging"
    tolerance: float | None = Field(
        default=None, ge=0, le=100, description="Largest change of the UAR in points; null: the family's."
    )

    @abc.abstractmethod
    def degrade(self, samples: Samples, sample_rate_hz: int) -> Copy:
        """Return the copy of a mono recording, float32 [n], that this condition makes of it."""

    def unavailable(self) -> str | None:
        """Return why the condition cannot be made on this machine; None where it can."""
        return None

    def description(self) -> dict[str, Any]:
        """Return what the samples of a copy depend on, as JSON values: what may be tolerated is not of it."""
        return {"version": DEGRADATION_VERSION, **self.model_dump(mode="json", exclude={"tolerance"})}


class Level(AnyCondition):
    """Another level, in a 16-bit file."""

    kind: Literal["level"] = "level"
    peak_dbfs: float = Field(ge=-60, le=0, description="Peak of the copy, dBFS.")

    def degrade(self, samples: Samples, sample_rate_hz: int) -> Copy:
        """Scale the clip; silence stays silence. A peak of 0 dBFS is ±1.0."""
        peak = float(np.abs(samples).max(initial=0.0))
        gain = 10 ** (self.peak_dbfs / 20) / peak if peak > 0 else 1.0
        return Copy((samples * gain).astype(np.float32), sample_rate_hz)


class Stereo(AnyCondition):
    """Two channels."""

    kind: Literal["stereo"] = "stereo"
    second_db: float = Field(
        default=0.0, ge=-60, le=0, description="Level of the second channel relative to the first, dB."
    )

    def degrade(self, samples: Samples, sample_rate_hz: int) -> Copy:
        """Double the clip."""
        second = samples * np.float32(10 ** (self.second_db / 20))
        return Copy(np.stack([samples, second]), sample_rate_hz)


class Rate(AnyCondition):
    """Another sample rate."""

    kind: Literal["rate"] = "rate"
    sample_rate_hz: int = Field(ge=4_000, le=192_000, description="Rate of the copy, Hz.")

    def degrade(self, samples: Samples, sample_rate_hz: int) -> Copy:
        """Resample the clip."""
        return Copy(resample(samples, sample_rate_hz, self.sample_rate_hz), self.sample_rate_hz)


class Speed(AnyCondition):
    """Another speed, as of a tape: tempo, pitch and formants change together."""

    family: ClassVar[Family] = "speed"
    kind: Literal["speed"] = "speed"
    factor: float = Field(ge=0.5, le=2.0, description="Speed of the copy; 2 is twice as fast, an octave up.")

    def degrade(self, samples: Samples, sample_rate_hz: int) -> Copy:
        """Keep the samples and say that they follow each other faster."""
        return Copy(samples, round(sample_rate_hz * self.factor))


class Codec(AnyCondition):
    """Another file format."""

    kind: Literal["codec"] = "codec"
    format: FormatName = Field(description="wav, mu_law, flac, mp3, ogg, opus, m4a or webm.")

    def degrade(self, samples: Samples, sample_rate_hz: int) -> Copy:
        """Leave the clip to the encoder."""
        return Copy(samples, sample_rate_hz, self.format)

    def unavailable(self) -> str | None:
        """Say whether the format can be made and decoded here."""
        return unavailable(self.format)


class Silence(AnyCondition):
    """Silence around the clip."""

    kind: Literal["silence"] = "silence"
    seconds: float = Field(default=0.5, gt=0, le=10, description="Length on each side, s.")
    floor_dbfs: float | None = Field(
        default=None, ge=-120, le=0, description="White noise in it, RMS in dBFS; null: digital silence."
    )

    def degrade(self, samples: Samples, sample_rate_hz: int) -> Copy:
        """Lengthen the clip on both sides."""
        sides = np.zeros((2, round(self.seconds * sample_rate_hz)), dtype=np.float32)
        if self.floor_dbfs is not None:
            rng = np.random.default_rng(seed_of(samples))
            sides = (10 ** (self.floor_dbfs / 20) * rng.standard_normal(sides.shape)).astype(np.float32)
        return Copy(np.concatenate([sides[0], samples, sides[1]]), sample_rate_hz)


class Offset(AnyCondition):
    """A constant added to all samples."""

    kind: Literal["offset"] = "offset"
    offset: float = Field(ge=-0.5, le=0.5, description="The constant, relative to full scale.")

    def degrade(self, samples: Samples, sample_rate_hz: int) -> Copy:
        """Move the clip, as cheap sound cards do."""
        return Copy(_within_full_scale(samples + np.float32(self.offset)), sample_rate_hz)


class PinkNoise(AnyCondition):
    """Pink noise."""

    family: ClassVar[Family] = "noise"
    kind: Literal["pink_noise"] = "pink_noise"
    snr_db: float = Field(ge=-20, le=80, description="Active speech over noise, dB.")

    def degrade(self, samples: Samples, sample_rate_hz: int) -> Copy:
        """Add the noise that belongs to the clip's samples."""
        noise = pink_noise(max(1, len(samples)), seed_of(samples))[: len(samples)]
        return Copy(_add(samples, sample_rate_hz, noise, self.snr_db), sample_rate_hz)


class Telephone(AnyCondition):
    """A telephone line: 300 to 3400 Hz at 8 kHz (ITU-T G.712).

    An elliptic band-pass of eight second-order sections, ripple 0.1 dB, 50 dB beyond the band's skirts; it is
    causal, as lines are.
    """

    family: ClassVar[Family] = "telephone"
    kind: Literal["telephone"] = "telephone"
    mu_law: bool = Field(default=False, description="Encode by G.711 mu-law as well.")

    def degrade(self, samples: Samples, sample_rate_hz: int) -> Copy:
        """Filter the clip."""
        from scipy.signal import ellip, sosfilt

        sections = ellip(
            _FILTER_ORDER,
            _RIPPLE_DB,
            _STOP_DB,
            TELEPHONE_BAND_HZ,
            btype="bandpass",
            output="sos",
            fs=TELEPHONE_RATE_HZ,
        )
        narrow = sosfilt(sections, resample(samples, sample_rate_hz, TELEPHONE_RATE_HZ))
        encoding: FormatName = "mu_law" if self.mu_law else "wav"
        return Copy(np.asarray(narrow, dtype=np.float32), TELEPHONE_RATE_HZ, encoding)


class Surround(AnyCondition):
    """Other sounds before and behind the voice, in silence."""

    family: ClassVar[Family] = "surroundings"
    kind: Literal["surround"] = "surround"
    sound: Sound = Field(description="clicks, beep, knocks, handling, hum or music.")
    before_s: float = Field(default=1.5, ge=0, le=10, description="Length before the voice, s.")
    behind_s: float = Field(default=1.5, ge=0, le=10, description="Length behind it, s.")
    level_db: float = Field(
        default=0.0, ge=-60, le=40, description="Peak of the sound relative to the peak of the voice, dB."
    )

    def degrade(self, samples: Samples, sample_rate_hz: int) -> Copy:
        """Lengthen the clip by the sounds that belong to its samples."""
        peak = np.float32(np.abs(samples).max(initial=0.0) * 10 ** (self.level_db / 20))
        seed = seed_of(samples)
        before, behind = (
            peak
            * make_sound(self.sound, round(seconds * sample_rate_hz), sample_rate_hz, (seed + side) % 2**64)
            for side, seconds in enumerate((self.before_s, self.behind_s))
        )
        return Copy(_within_full_scale(np.concatenate([before, samples, behind])), sample_rate_hz)


class Pause(AnyCondition):
    """A long pause at the softest moment of 50 ms in the middle third of the voice."""

    family: ClassVar[Family] = "surroundings"
    kind: Literal["pause"] = "pause"
    seconds: float = Field(default=2.0, gt=0, le=60, description="Length of the pause, s.")
    floor_dbfs: float = Field(default=-70.0, ge=-120, le=0, description="White noise in it, RMS in dBFS.")

    def degrade(self, samples: Samples, sample_rate_hz: int) -> Copy:
        """Lengthen the clip."""
        size, third = round(_MOMENT_S * sample_rate_hz), len(samples) // 3
        power = np.convolve(samples[third : 2 * third].astype(np.float64) ** 2, np.ones(size), mode="valid")
        at = third + (int(power.argmin()) + size // 2 if third >= size else 0)
        noise = np.random.default_rng(seed_of(samples)).standard_normal(round(self.seconds * sample_rate_hz))
        pause = (10 ** (self.floor_dbfs / 20) * noise).astype(np.float32)
        return Copy(np.concatenate([samples[:at], pause, samples[at:]]), sample_rate_hz)


class Background(AnyCondition):
    """Another sound all along."""

    family: ClassVar[Family] = "noise"
    kind: Literal["background"] = "background"
    sound: Sound = Field(description="clicks, beep, knocks, handling, hum or music.")
    snr_db: float = Field(ge=-20, le=80, description="Active speech over the sound, dB.")

    def degrade(self, samples: Samples, sample_rate_hz: int) -> Copy:
        """Add the sound that belongs to the clip's samples."""
        sound = make_sound(self.sound, len(samples), sample_rate_hz, seed_of(samples))
        return Copy(_add(samples, sample_rate_hz, sound, self.snr_db), sample_rate_hz)


class Excerpt(AnyCondition):
    """A short piece from the middle: where half of the speech is over, or half of the recording."""

    family: ClassVar[Family] = "surroundings"
    kind: Literal["excerpt"] = "excerpt"
    seconds: float = Field(default=0.4, gt=0, le=600, description="Length, s; shorter clips stay whole.")
    of: Literal["speech", "recording"] = Field(
        default="speech", description="Whose middle it is; of a clip without speech, the recording's."
    )

    def degrade(self, samples: Samples, sample_rate_hz: int) -> Copy:
        """Cut the piece out."""
        middle_s = len(samples) / sample_rate_hz / 2
        of_speech = self.of == "speech"
        spoken = find_speech(samples, sample_rate_hz).stretches if of_speech else np.zeros((0, 2))
        if len(spoken):
            ends = np.cumsum(spoken[:, 1] - spoken[:, 0])
            place = int(np.searchsorted(ends, ends[-1] / 2))
            middle_s = float(spoken[place, 1] - (ends[place] - ends[-1] / 2))
        n = min(round(self.seconds * sample_rate_hz), len(samples))
        start = min(max(round(middle_s * sample_rate_hz) - n // 2, 0), len(samples) - n)
        return Copy(samples[start : start + n], sample_rate_hz)


class NoiseAlone(AnyCondition):
    """Pink noise instead of the clip, as long and as loud as its speech."""

    family: ClassVar[Family] = "noise"
    kind: Literal["noise"] = "noise"

    def degrade(self, samples: Samples, sample_rate_hz: int) -> Copy:
        """Return the noise that belongs to the clip's samples."""
        loudness = np.float32(np.sqrt(active_power(samples, sample_rate_hz)))
        return Copy(loudness * pink_noise(len(samples), seed_of(samples)), sample_rate_hz)


def _add(samples: Samples, sample_rate_hz: int, sound: Samples, snr_db: float) -> Samples:
    """Add a sound at a ratio of mean powers, dB, over active speech.

    Pauses do not count for the level of the speech: else a clip with more of them would get less noise.
    """
    if not len(samples):
        return samples
    power = active_power(samples - samples.mean(dtype=np.float64), sample_rate_hz)  # an offset is no speech
    own = max(float(np.mean(sound.astype(np.float64) ** 2)), np.finfo(np.float64).tiny)
    gain = np.float32(np.sqrt(power * 10 ** (-snr_db / 10) / own))
    return _within_full_scale(samples + gain * sound)


def _within_full_scale(samples: Samples) -> Samples:
    loudest = float(np.abs(samples).max(initial=0.0))
    return (samples * min(1.0, LARGEST_SAMPLE / max(loudest, 1e-12))).astype(np.float32)


Condition = Annotated[
    Level
    | Stereo
    | Rate
    | Speed
    | Codec
    | Silence
    | Offset
    | PinkNoise
    | Telephone
    | Surround
    | Pause
    | Background,
    Field(discriminator="kind"),
]
