"""Log-mel spectrograms, the input of the convolutional models."""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import Field, model_validator

from affetto.features.parameters import FftSize, FrameParameters, Hop, MelBands, SampleRate
from affetto.features.spectrum import decibels, frame_blocks, mel_filters, power_spectrum


class LogMelParameters(FrameParameters):
    """Log-mel spectrogram in dB relative to a power of 1.0 (full scale), never below `floor_db`."""

    extractor = "log_mel"
    version = 1

    sample_rate_hz: SampleRate = 16_000
    n_fft: FftSize = 512
    hop: Hop = 256
    n_mels: MelBands = 64
    fmin: float = Field(default=50.0, ge=0.0)
    """Lower edge of the lowest band, Hz."""
    fmax: float = Field(default=8_000.0, gt=0.0)
    """Upper edge of the highest band, Hz."""
    floor_db: float = Field(default=-80.0, ge=-200.0, lt=0.0)
    """Lowest value, dB."""

    def dimensions(self) -> tuple[str, ...]:
        """Return `mel_0`, `mel_1`, …, from low to high."""
        return tuple(f"mel_{band}" for band in range(self.n_mels))

    def measure(self, samples: np.ndarray) -> np.ndarray:
        """Compute the log-mel spectrogram, float32 [1 + n_samples // hop, n_mels], in dB.

        It does not depend on the recording's peak: unlike a spectrogram relative to its maximum, it keeps the
        level of the voice.
        """
        filters = mel_filters(self.rate_hz, self.n_fft, self.n_mels, self.fmin, self.fmax).T.copy()
        blocks = frame_blocks(samples, n_fft=self.n_fft, hop=self.hop)
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
