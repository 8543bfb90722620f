"""Crops of spectrograms: cut at random, and varied in NumPy, whole batches at once.

A spectrogram is varied the way voices vary: its time axis is stretched (speaking rate), its mel axis shifted
and scaled (pitch and length of the vocal tract), noise is added, and stripes are hidden (SpecAugment).
Several inputs of a clip stay aligned. Everything is deterministic given the generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
from pydantic import Field, NonNegativeFloat, NonNegativeInt, model_validator

from affetto.io.configuration import Parameters

Probability = Annotated[float, Field(ge=0, le=1)]
_Change = Annotated[float, Field(ge=0, lt=0.9)]


class AugmentationParameters(Parameters):
    """How strongly training spectrograms are varied; 0 turns a variation off."""

    time_stretch: _Change = 0.2
    """Largest relative change of the speaking rate."""
    band_shift: NonNegativeFloat = 1.5
    """Largest shift of pitch and formants, mel bands."""
    band_scale: _Change = 0.06
    """Largest relative scaling of the mel axis."""
    gain_db: NonNegativeFloat = 6.0
    """Largest change of the level, dB."""
    tilt_db: NonNegativeFloat = 3.0
    """Largest change of level at the outermost bands, dB."""
    borrow_probability: Probability = 0.5
    """Share of clips given another voice's mean spectrum."""
    noise_probability: Probability = 0.3
    """Share of clips that get noise."""
    noise_snr_db: tuple[float, float] = (5.0, 35.0)
    """Range of the signal-to-noise ratio of the white noise, dB."""
    n_time_masks: NonNegativeInt = 2
    """Stripes of hidden frames a clip."""
    time_mask: Probability = 0.12
    """Longest stripe, share of the crop."""
    n_band_masks: NonNegativeInt = 2
    """Stripes of hidden bands a clip."""
    band_mask: Probability = 0.12
    """Widest stripe, share of the bands."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        low, high = self.noise_snr_db
        if low > high:
            raise ValueError(f"noise_snr_db ends ({high:g}) below its start ({low:g})")
        return self


@dataclass(frozen=True)
class Crops:
    """Where crops lie in their clips.

    Attributes
    ----------
    first
        Position of the first frame of each crop, float64 [n_clips]; it may lie between two frames.
    rate
        Frames of the clip for each frame of the crop, float64 [n_clips]; not 1 is a stretched time axis.
    lengths
        Frames of each crop, int32 [n_clips].
    """

    first: np.ndarray
    rate: np.ndarray
    lengths: np.ndarray

    @classmethod
    def draw(
        cls,
        n_frames: np.ndarray,
        width: int,
        *,
        stretch: float,
        rng: np.random.Generator,
        grid: int | None = None,
    ) -> Self:
        """Draw a crop of at most `width` frames and a speaking rate for each clip.

        The rate changes by at most `stretch`. Crops begin at multiples of `grid`, by default anywhere, and
        may then miss some frames at the end.
        """
        last = n_frames - 1
        rate = 1.0 + rng.uniform(-stretch, stretch, len(n_frames))
        lengths = np.clip(np.round(n_frames / rate), 1, width)
        slack = np.maximum(0.0, last - (lengths - 1) * rate)
        chance = rng.random(len(n_frames))
        first = chance * slack
        if grid is not None:
            starts = np.minimum(np.ceil(slack / grid), last // grid) + 1
            first = grid * np.floor(chance * starts)
            lengths = np.minimum(lengths, np.floor((last - first) / rate) + 1)
        return cls(first, rate, lengths.astype(np.int32))

    def coarser(self, n_frames: int) -> Crops:
        """Return the same crops of sequences with a step for every `n_frames` frames, around the first."""
        return Crops(self.first / n_frames, self.rate, -(-self.lengths // n_frames))

    def cut(self, clips: Sequence[np.ndarray], width: int) -> np.ndarray:
        """Cut the crops out of clips [n_frames, n] each: float32 [n_clips, width, n].

        Between frames they are interpolated; shorter crops are padded on the right with their mean.
        """
        found = np.empty((len(clips), width, clips[0].shape[1]), dtype=np.float32)
        for i, clip in enumerate(clips):
            length, last = self.lengths[i], len(clip) - 1
            positions = np.clip(self.first[i] + self.rate[i] * np.arange(length), 0, last)
            low = np.floor(positions).astype(np.int64)
            weight = (positions - low).astype(np.float32)[:, None]
            below, above = clip[low], clip[np.minimum(low + 1, last)]
            found[i, :length] = below + weight * (above - below)
            found[i, length:] = found[i, :length].mean(axis=0)
        return found


def warp_bands(
    crops: np.ndarray, augmentation: AugmentationParameters, rng: np.random.Generator
) -> np.ndarray:
    """Shift and scale the mel axis of each crop; beyond the edges the outermost band repeats.

    Crops are float32 [n_clips, width, n_bands], dB; what comes back has the same shape, here and below.
    """
    n_clips, _, n_bands = crops.shape
    scale = 1.0 + _uniform(rng, augmentation.band_scale, n_clips)
    shift = _uniform(rng, augmentation.band_shift, n_clips)
    bands = np.arange(n_bands)
    read = np.clip(bands * scale[:, None] + shift[:, None], 0, n_bands - 1)
    weights = np.maximum(0.0, 1.0 - np.abs(bands[:, None] - read[:, None, :]))
    return np.asarray(crops @ weights.astype(np.float32))


def borrow_spectra(
    crops: np.ndarray, own: np.ndarray, other: np.ndarray, probability: float, rng: np.random.Generator
) -> np.ndarray:
    """Move the mean and the deviation of each band towards those of another clip of the same emotion.

    What is said and how stays, the voice and the room change: Freq-MixStyle (Kim et al., DCASE 2022;
    after Zhou et al., "Domain generalization with MixStyle", ICLR 2021) on the input. `own` and `other`
    are [n_clips, 2, n_bands]: mean and deviation of each band of the clip itself and of the other one.
    Crops change with the given probability, each by a share of the difference drawn uniformly from 0 … 1.
    """
    share = _drawn_shares(len(crops), probability, rng)
    aimed = own + share[:, None, None] * (other - own)
    factor = (aimed[:, 1] / np.maximum(own[:, 1], 0.1)).clip(0.5, 2.0)
    moved = (crops - own[:, None, 0]) * factor[:, None] + aimed[:, None, 0]
    return np.asarray(moved, dtype=np.float32)


def borrow_means(
    windows: np.ndarray,
    own: np.ndarray,
    other: np.ndarray,
    *,
    probability: float,
    offset: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Move the mean of each dimension towards that of another clip of the same emotion, then at random.

    Windows are standardised, [n_clips, n_steps, n]; `own` and `other`, [n_clips, n], are the means of both
    clips. Each dimension of each crop gets a normal offset as well, whose deviation is `offset`.
    """
    share = _drawn_shares(len(windows), probability, rng)
    moved = share[:, None] * (other - own) + offset * rng.normal(size=own.shape)
    return np.asarray(windows + moved[:, None].astype(np.float32))


def _uniform(rng: np.random.Generator, limit: float, size: int) -> np.ndarray:
    return rng.uniform(-limit, limit, size)


def _drawn_shares(n_clips: int, probability: float, rng: np.random.Generator) -> np.ndarray:
    return rng.random(n_clips) * (rng.random(n_clips) < probability)


def vary_levels(
    crops: np.ndarray, augmentation: AugmentationParameters, rng: np.random.Generator
) -> np.ndarray:
    """Change the level, the spectral tilt and the noise of each crop.

    White noise has equal power in every FFT bin, so it grows with the width of the mel bands; on this scale a
    constant level a band, added in the power domain, is close enough and cheap.
    """
    n_clips, _, n_bands = crops.shape
    ramp = np.linspace(-1.0, 1.0, n_bands, dtype=np.float32)
    gain = _uniform(rng, augmentation.gain_db, n_clips)[:, None]
    tilt = _uniform(rng, augmentation.tilt_db, n_clips)[:, None] * ramp
    snr = np.asarray(rng.uniform(*augmentation.noise_snr_db, n_clips))
    noisy = np.asarray(rng.random(n_clips) < augmentation.noise_probability)
    varied = crops + (gain + tilt)[:, None, :].astype(np.float32)
    if noisy.any():
        chosen = varied[noisy]
        power = 10.0 ** (chosen / 10.0)
        noise = power.mean(axis=(1, 2), keepdims=True) / 10.0 ** (snr[noisy, None, None] / 10.0)
        varied[noisy] = 10.0 * np.log10(power + noise)
    return varied


def hide_stripes(
    crops: np.ndarray, augmentation: AugmentationParameters, rng: np.random.Generator
) -> np.ndarray:
    """Replace random stripes of frames and of bands by the mean of each band.

    SpecAugment without time warping: Park et al., Interspeech 2019.
    """
    n_clips, width, n_bands = crops.shape

    def stripes(size: int, n_stripes: int, share: float) -> np.ndarray:
        """Boolean [n_clips, size]: the union of `n_stripes` stripes of up to `share * size` cells."""
        widths = rng.integers(0, int(share * size) + 1, (n_clips, n_stripes, 1))
        starts = np.floor(rng.random((n_clips, n_stripes, 1)) * (size - widths + 1))
        cells = np.arange(size)
        hidden = (cells >= starts) & (cells < starts + widths)
        return np.asarray(hidden.any(axis=1))

    frames = stripes(width, augmentation.n_time_masks, augmentation.time_mask)
    bands = stripes(n_bands, augmentation.n_band_masks, augmentation.band_mask)
    hidden = frames[:, :, None] | bands[:, None, :]
    return np.where(hidden, crops.mean(axis=1, keepdims=True), crops)
