"""Log-mel spectrograms, the input of the convolutional models."""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import Field, model_validator

from affetto.features.parameters import FeatureParameters
from affetto.features.spectrum import decibels, frame_blocks, mel_filters, power_spectrum, prepare_samples


class LogMelParameters(FeatureParameters):
    """Log-mel spectrogram in dB relative to a power of 1.0 (full scale), never below `floor_db`."""

    extractor = "log_mel"
    version = 1

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
    def rate_hz(self) -> int:
        """Sample rate that the feature is measured at, Hz."""
        return self.sample_rate_hz

    @property
    def frame_s(self) -> float:
        """Hop in seconds."""
        return self.hop / self.sample_rate_hz

    def dimensions(self) -> tuple[str, ...]:
        """Return `mel_0`, `mel_1`, …, from low to high."""
        return tuple(f"mel_{band}" for band in range(self.n_mels))

    def measure(self, samples: np.ndarray, sample_rate_hz: int) -> np.ndarray:
        """Compute the log-mel spectrogram, float32 [1 + n_samples // hop, n_mels], in dB.

        It does not depend on the recording's peak: unlike a spectrogram relative to its maximum, it keeps the
        level of the voice.
        """
        mono = prepare_samples(samples, sample_rate_hz, self.rate_hz)
        filters = mel_filters(self.rate_hz, self.n_fft, self.n_mels, self.fmin, self.fmax).T.copy()
        blocks = frame_blocks(mono, n_fft=self.n_fft, hop=self.hop)
        return np.concatenate(
            [decibels(power_spectrum(frames) @ filters, floor_db=self.floor_db) for frames in blocks]
        )

    @model_validator(mode="after")
    def _check(self) -> Self:
        nyquist = self.sample_rate_hz / 2
        if not self.fmin < self.fmax <= nyquist:
            raise ValueError(
                f"needs fmin < fmax <= sample_rate_hz / 2, not {self.fmin:g}, {self.fmax:g}, {nyquist:g}"
            )
        return self
