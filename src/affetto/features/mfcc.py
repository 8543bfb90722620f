"""Mel-frequency cepstral coefficients, their derivatives, and musical features of the same frames."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from affetto.features.parameters import FftSize, FrameParameters, Hop, MelBands, SampleRate
from affetto.features.spectrum import dct_matrix, decibels, frame_blocks, mel_filters, power_spectrum

Extra = Literal["chroma", "contrast", "spectral", "onset"]
_N_CHROMA = 12
_TINY = 1e-10
_SILENCE_DB = -80.0


class MfccParameters(FrameParameters):
    """Mel-frequency cepstral coefficients, their derivatives and optional further frame features.

    Frames are centred (the signal is zero-padded by half a window), the window is Hann, the mel filters are
    Slaney's, and coefficients are the orthonormal DCT-II of the power in dB: the defaults of
    `librosa.feature.mfcc`.
    """

    extractor = "mfcc"
    version = 1

    sample_rate_hz: SampleRate = 22_050
    n_fft: FftSize = 2_048
    hop: Hop = 512
    n_mels: MelBands = 128
    n_mfcc: int = Field(default=20, ge=2, le=128)
    """Coefficients kept, the level (0th) included."""
    delta_order: Literal[0, 1, 2] = 2
    """0: static; 1: with deltas; 2: and delta-deltas."""
    delta_width: int = Field(default=9, ge=3, le=99)
    """Frames that a delta spans; odd."""
    extras: tuple[Extra, ...] = ()
    """Further frame features on the same hop: chroma (12), contrast (7), spectral (centroid, rolloff,
    flatness, zero-crossing rate, level in dB), onset (strength)."""

    def dimensions(self) -> tuple[str, ...]:
        """Return `mfcc_0`, …, `delta_0`, …, `delta2_0`, …, then those of the extras, the onset last."""
        orders = ("mfcc", "delta", "delta2")[: self.delta_order + 1]
        names = [f"{order}_{i}" for order in orders for i in range(self.n_mfcc)]
        for extra in self._frame_extras:
            names += _FRAME_EXTRAS[extra][0]
        return tuple(names + ["onset"] * ("onset" in self.extras))

    @property
    def _frame_extras(self) -> list[Extra]:
        """Extras that need no frame but their own, in their order."""
        return [extra for extra in self.extras if extra != "onset"]

    def measure(self, samples: np.ndarray) -> np.ndarray:
        """Compute coefficients, derivatives and extras, float32 [1 + n_samples // hop, n_dimensions].

        Equal to `librosa.feature.mfcc` and `librosa.feature.delta` of librosa 0.11.
        """
        rate = self.rate_hz
        filters = mel_filters(rate, self.n_fft, self.n_mels, 0.0, rate / 2).T.copy()
        mel, extras = [], []
        for frames in frame_blocks(samples, n_fft=self.n_fft, hop=self.hop):
            power = power_spectrum(frames)
            mel.append(power @ filters)
            columns = [mel[-1][:, :0]]
            for extra in self._frame_extras:
                columns.append(_FRAME_EXTRAS[extra][1](frames, power, rate))
            extras.append(np.concatenate(columns, axis=1).astype(np.float32, copy=False))
        bands_db = decibels(np.concatenate(mel))
        clipped = np.maximum(bands_db, bands_db.max() - np.float32(80.0))
        parts = [clipped @ dct_matrix(self.n_mfcc, self.n_mels).T]
        for order in range(1, self.delta_order + 1):
            parts.append(delta(parts[0], order=order, width=self.delta_width))
        parts.append(np.concatenate(extras))
        if "onset" in self.extras:
            parts.append(_onset(clipped))
        return np.concatenate(parts, axis=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.delta_width % 2 == 0:
            raise ValueError(f"delta_width must be odd, not {self.delta_width}")
        if self.n_mfcc > self.n_mels:
            raise ValueError(f"n_mfcc ({self.n_mfcc}) must not exceed n_mels ({self.n_mels})")
        if len(set(self.extras)) != len(self.extras):
            raise ValueError(f"extras names a feature twice: {list(self.extras)}")
        # Its octave bands reach up to 6,400 Hz.
        fine = self.sample_rate_hz > 12_800 and self.n_fft >= 512  # noqa: PLR2004
        if "contrast" in self.extras and not fine:
            raise ValueError("contrast needs sample_rate_hz above 12800 and n_fft of at least 512")
        return self


def delta(values: np.ndarray, *, order: int, width: int) -> np.ndarray:
    """Compute the first or second derivative of values, [n_frames, n_dimensions], in units a frame.

    By local polynomials (Savitzky-Golay) over `width` frames, odd: the slope of a line, or the second
    derivative of a parabola. Within half a width of the ends the value of the outermost whole window holds;
    a recording shorter than `width` is extended by its outermost frames instead.
    """
    half, short = width // 2, len(values) < width
    borders = ((half, half), (0, 0))
    offsets = np.arange(-half, half + 1, dtype=np.float64)
    basis = offsets if order == 1 else offsets**2 - np.mean(offsets**2)
    weights = (order * basis / np.sum(basis**2)).astype(np.float32)
    source = np.pad(values, borders, mode="edge") if short else values
    n_windows = len(source) - width + 1
    slopes = np.zeros((n_windows, values.shape[1]), dtype=np.float32)
    for position, weight in enumerate(weights):
        slopes += weight * source[position : position + n_windows]
    return slopes if short else np.pad(slopes, borders, mode="edge")


def _onset(bands_db: np.ndarray) -> np.ndarray:
    """Compute the mean rise of the mel bands since the frame before, float32 [n_frames, 1], dB; 0 at first.

    The spectral flux of Böck and Widmer (DAFx 2013) without vibrato suppression; librosa's `onset_strength`
    without its shift by half a window.
    """
    rises = np.maximum(np.diff(bands_db, axis=0, prepend=bands_db[:1]), 0.0)
    strength: np.ndarray = rises.mean(axis=1, keepdims=True, dtype=np.float32)
    return strength


def _chroma(_: np.ndarray, power: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Compute the share of the 12 pitch classes from C, [n_frames, 12], the strongest 1; as `chroma_stft`.

    Tuned to 440 Hz: estimating the tuning of each clip costs more than all other features together.
    """
    raw = power @ _chroma_filters(sample_rate_hz, 2 * (power.shape[1] - 1)).T
    peak = raw.max(axis=1, keepdims=True)
    normalised: np.ndarray = raw / np.where(peak > np.finfo(np.float32).tiny, peak, 1.0)
    return normalised


@lru_cache(maxsize=8)
def _chroma_filters(sample_rate_hz: int, n_fft: int) -> np.ndarray:
    """Return the weight of each FFT bin for each pitch class, float32 [12, n_fft // 2 + 1].

    Ellis's chroma features (2007) as in `librosa.filters.chroma`: a Gaussian bump a semitone, weighted by a
    Gaussian over octaves around the fifth.
    """
    bins_hz = np.linspace(0, sample_rate_hz, n_fft, endpoint=False)[1:]
    semitones = _N_CHROMA * np.log2(bins_hz / (440.0 / 16))  # above the A of the lowest octave
    semitones = np.concatenate([[semitones[0] - 1.5 * _N_CHROMA], semitones])
    widths = np.concatenate([np.maximum(np.diff(semitones), 1.0), [1.0]])
    distance = semitones - np.arange(_N_CHROMA)[:, np.newaxis]
    distance = np.remainder(distance + 6.0 + 120.0, 12.0) - 6.0
    weights = np.exp(-0.5 * (2 * distance / widths) ** 2)
    weights /= np.sqrt(np.sum(weights**2, axis=0))
    weights *= np.exp(-0.5 * ((semitones / _N_CHROMA - 5.0) / 2.0) ** 2)
    from_c = np.roll(weights, -3, axis=0)[:, : n_fft // 2 + 1]
    filters: np.ndarray = from_c.astype(np.float32)
    return filters


def _contrast(_: np.ndarray, power: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Compute peak against valley below 200 Hz and in the octaves above, [n_frames, 7], dB.

    Means of the highest and the lowest 2 % of a band's bins (Jiang et al., ICME 2002; librosa's).
    """
    magnitude = np.sqrt(power)
    bins_hz = np.fft.rfftfreq(2 * (power.shape[1] - 1), 1 / sample_rate_hz)
    edges = [0.0, *(200.0 * 2.0**octave for octave in range(7))]
    contrasts = []
    for low, high in pairwise(edges):
        inside = np.flatnonzero((bins_hz >= low) & (bins_hz <= high))
        last = high == edges[-1]
        first = inside[0] - (low > 0)
        end = len(bins_hz) if last else inside[-1] + 1
        n = max(int(np.rint(0.02 * (end - first))), 1)
        band = magnitude[:, first : end - (not last)]
        parted = np.partition(band, (n - 1, band.shape[1] - n), axis=1)
        valley = parted[:, :n].mean(axis=1)
        peak = parted[:, -n:].mean(axis=1)
        contrasts.append(decibels(peak) - decibels(valley))
    return np.stack(contrasts, axis=1)


def _shape(frames: np.ndarray, power: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Compute centroid, 85 % rolloff (Hz), flatness, zero-crossing rate, level (dB): [n_frames, 5]."""
    bins_hz = np.fft.rfftfreq(frames.shape[1], 1 / sample_rate_hz).astype(np.float32)
    magnitude = np.sqrt(power)
    total = magnitude.sum(axis=1)
    centroid = magnitude @ bins_hz / np.maximum(total, np.finfo(np.float32).tiny)
    above = magnitude.cumsum(axis=1) >= 0.85 * total[:, np.newaxis]
    rolloff = bins_hz[above.argmax(axis=1)]
    floored = np.maximum(power, np.float32(_TINY))
    flatness = np.exp(np.log(floored).mean(axis=1)) / floored.mean(axis=1)
    silent = np.abs(frames) <= _TINY
    negative = np.signbit(np.where(silent, np.float32(0), frames))
    changes = negative[:, 1:] != negative[:, :-1]
    crossings = changes.sum(axis=1) / frames.shape[1]
    level = decibels(np.mean(frames**2, axis=1), floor_db=_SILENCE_DB)
    return np.stack([centroid, rolloff, flatness, crossings, level], axis=1)


_FRAME_EXTRAS = {
    "chroma": ([f"chroma_{i}" for i in range(_N_CHROMA)], _chroma),
    "contrast": ([f"contrast_{i}" for i in range(7)], _contrast),
    "spectral": (["centroid_hz", "rolloff_hz", "flatness", "zero_crossing_rate", "rms_db"], _shape),
}
"""Columns of each extra, and what computes them of frames (without window), their power and the rate."""
