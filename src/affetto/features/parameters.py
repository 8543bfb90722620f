"""Parameters of the features; what they mean for the numbers, in Hz, samples and seconds."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from affetto.audio.speech import SpeechParameters
from affetto.features.encoder.catalogue import DEFAULT_ENCODER, ENCODERS

Extra = Literal["chroma", "contrast", "spectral", "onset"]
FeatureSetName = Literal["ComParE_2016", "eGeMAPSv02"]
Level = Literal["functionals", "lld", "correlations"]
MidtermGroup = Literal[
    "tempo", "modulation", "key", "chroma", "chords", "notes", "semitones", "events", "lines"
]
MIDTERM_RATE_HZ = 22_050
"""Sample rate that mid-term features are measured at."""

_CONTRAST_RATE_HZ = 12_800
_CONTRAST_N_FFT = 512


class _Parameters(BaseModel):
    """What all features have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    speech: SpeechParameters | None = Field(
        default=None,
        description="How recordings of voices are prepared before the feature is measured; null: not at all.",
    )


class MfccParameters(_Parameters):
    """Mel-frequency cepstral coefficients, their derivatives and optional further frame features.

    Frames are centred (the signal is zero-padded by half a window), the window is Hann, the mel filters are
    Slaney's, and coefficients are the orthonormal DCT-II of the power in dB: the defaults of
    `librosa.feature.mfcc`.
    """

    sample_rate_hz: int = Field(
        default=22_050, ge=4_000, le=96_000, description="Clips are resampled to this rate."
    )
    n_fft: int = Field(
        default=2_048,
        ge=64,
        le=16_384,
        multiple_of=2,
        description="Window in samples (2048 at 22,050 Hz: 93 ms).",
    )
    hop: int = Field(default=512, ge=16, le=16_384, description="Hop in samples (512 at 22,050 Hz: 23.2 ms).")
    n_mels: int = Field(default=128, ge=8, le=512, description="Mel bands under the DCT.")
    n_mfcc: int = Field(default=20, ge=2, le=128, description="Coefficients kept, the level (0th) included.")
    delta_order: Literal[0, 1, 2] = Field(
        default=2, description="0: static; 1: with deltas; 2: and delta-deltas."
    )
    delta_width: int = Field(default=9, ge=3, le=99, description="Frames that a delta spans; odd.")
    extras: tuple[Extra, ...] = Field(
        default=(),
        description="Further frame features on the same hop: chroma (12), contrast (7), spectral (centroid, "
        "rolloff, flatness, zero-crossing rate, level in dB), onset (strength).",
    )

    @property
    def hop_s(self) -> float:
        """Hop in seconds."""
        return self.hop / self.sample_rate_hz

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.delta_width % 2 == 0:
            raise ValueError(f"delta_width must be odd, not {self.delta_width}")
        if self.n_mfcc > self.n_mels:
            raise ValueError(f"n_mfcc ({self.n_mfcc}) must not exceed n_mels ({self.n_mels})")
        if len(set(self.extras)) != len(self.extras):
            raise ValueError(f"extras names a feature twice: {list(self.extras)}")
        if "contrast" in self.extras and (
            self.sample_rate_hz <= _CONTRAST_RATE_HZ or self.n_fft < _CONTRAST_N_FFT
        ):
            raise ValueError(
                f"contrast needs octave bands up to {_CONTRAST_RATE_HZ // 2} Hz: sample_rate_hz above "
                f"{_CONTRAST_RATE_HZ} and n_fft of at least {_CONTRAST_N_FFT}"
            )
        return self


class LogMelParameters(_Parameters):
    """Log-mel spectrogram in dB relative to a power of 1.0 (full scale), never below `floor_db`."""

    sample_rate_hz: int = Field(
        default=16_000, ge=4_000, le=96_000, description="Clips are resampled to this rate."
    )
    n_fft: int = Field(
        default=512, ge=64, le=16_384, multiple_of=2, description="Window in samples (512 at 16 kHz: 32 ms)."
    )
    hop: int = Field(default=256, ge=16, le=16_384, description="Hop in samples (256 at 16 kHz: 16 ms).")
    n_mels: int = Field(default=64, ge=8, le=512, description="Mel bands.")
    fmin: float = Field(default=50.0, ge=0.0, description="Lower edge of the lowest band, Hz.")
    fmax: float = Field(default=8_000.0, gt=0.0, description="Upper edge of the highest band, Hz.")
    floor_db: float = Field(default=-80.0, ge=-200.0, lt=0.0, description="Lowest value, dB.")

    @property
    def hop_s(self) -> float:
        """Hop in seconds."""
        return self.hop / self.sample_rate_hz

    @model_validator(mode="after")
    def _check(self) -> Self:
        nyquist = self.sample_rate_hz / 2
        if not self.fmin < self.fmax <= nyquist:
            raise ValueError(
                f"needs fmin < fmax <= sample_rate_hz / 2, not {self.fmin:g}, {self.fmax:g}, {nyquist:g}"
            )
        return self


class MidtermParameters(_Parameters):
    """Descriptors of music over windows of some seconds; at 22,050 Hz, from frames 23.2 ms apart."""

    window_s: float = Field(default=6.0, ge=0.5, le=60.0, description="Length of a window, seconds.")
    hop_s: float = Field(default=0.8, ge=0.1, le=60.0, description="Seconds from a window to the next.")
    groups: tuple[MidtermGroup, ...] = Field(
        default=get_args(MidtermGroup),
        min_length=1,
        description="Descriptors: tempo (24 tempi), modulation (6 bands of 33 frame features), key (10), "
        "chroma (36, from the tonic), chords (23), notes (12), semitones (136), events (50, how notes are "
        "played), lines (24, how melody and bass line move).",
    )

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the samples, Hz."""
        return MIDTERM_RATE_HZ

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.groups)) != len(self.groups):
            raise ValueError(f"groups names one twice: {list(self.groups)}")
        return self


class OpenSmileParameters(_Parameters):
    """Low-level descriptors (LLD) of openSMILE, or statistics of them over a clip; at 16 kHz."""

    feature_set: FeatureSetName = Field(
        default="ComParE_2016", description="ComParE_2016 (6373 functionals, 65 LLD) or eGeMAPSv02 (88, 25)."
    )
    level: Level = Field(
        default="functionals",
        description="functionals: one vector a clip; lld: a frame every 10 ms; correlations: one vector a "
        "clip, the rank correlation of each pair of LLD.",
    )


class EncoderParameters(_Parameters):
    """The embedding of a pre-trained encoder; `affetto encoders list` names those that there are."""

    name: str = Field(default=DEFAULT_ENCODER, description="Which encoder.")
    layers: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        default=(2,),
        min_length=1,
        description="Transformer blocks whose output is read, from 1; 0: what goes into the first.",
    )
    level: Literal["statistics", "frames"] = Field(
        default="statistics",
        description="statistics: mean and deviation of the frames, one vector a clip; frames: each 20 ms.",
    )
    level_dbfs: float | None = Field(
        default=None,
        ge=-60,
        le=0,
        description="RMS that the recording is brought to, dBFS; null: as it is (`speech` sets one, too).",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.name not in ENCODERS:
            raise ValueError(f"name is {self.name!r}: the encoders are {', '.join(ENCODERS)}")
        most = ENCODERS[self.name].n_layers
        if max(self.layers) > most:
            raise ValueError(f"layers goes to {max(self.layers)}, but {self.name} has {most} here")
        if len(set(self.layers)) != len(self.layers):
            raise ValueError(f"layers names one twice: {list(self.layers)}")
        return self


FeatureParameters = (
    MfccParameters | LogMelParameters | MidtermParameters | OpenSmileParameters | EncoderParameters
)


class FeatureTable(BaseModel):
    """The features of a side by name, with their parameters; those that no model reads are not extracted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mfcc: MfccParameters | None = None
    midterm: MidtermParameters | None = None
    log_mel: LogMelParameters | None = None
    functionals: OpenSmileParameters | None = None
    raw_functionals: OpenSmileParameters | None = None
    egemaps: OpenSmileParameters | None = None
    lld: OpenSmileParameters | None = None
    correlations: OpenSmileParameters | None = None
    encoder: EncoderParameters | None = None

    @property
    def named(self) -> dict[str, FeatureParameters]:
        """The features that have parameters, in the order of the class."""
        return {name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None}
