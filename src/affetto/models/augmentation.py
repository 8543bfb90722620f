"""Augmentation of crops: whole batches at once, in NumPy, deterministic given the generator.

A spectrogram is varied the way voices vary: its time axis is stretched (speaking rate, in `crops`), its mel
axis shifted and scaled (pitch and length of the vocal tract), noise is added, and stripes are hidden
(SpecAugment).
"""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from affetto.models.training import Batch

_SMALLEST_DB = 0.1


class AugmentationParameters(BaseModel):
    """How strongly training spectrograms are varied; 0 turns a variation off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time_stretch: float = Field(
        default=0.2,
        ge=0,
        lt=0.9,
        description="Largest relative change of the speaking rate.",
    )
    band_shift: float = Field(
        default=1.5,
        ge=0,
        description="Largest shift of pitch and formants, mel bands.",
    )
    band_scale: float = Field(
        default=0.06,
        ge=0,
        lt=0.9,
        description="Largest relative scaling of the mel axis.",
    )
    gain_db: float = Field(default=6.0, ge=0, description="Largest change of the level, dB.")
    tilt_db: float = Field(
        default=3.0,
        ge=0,
        description="Largest change of level at the outermost bands, dB.",
    )
    borrow_probability: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of clips given another voice's mean spectrum.",
    )
    noise_probability: float = Field(default=0.3, ge=0, le=1, description="Share of clips that get noise.")
    noise_snr_db: tuple[float, float] = Field(
        default=(5.0, 35.0), description="Range of the signal-to-noise ratio of the white noise, dB."
    )
    n_time_masks: int = Field(default=2, ge=0, description="Stripes of hidden frames a clip.")
    time_mask: float = Field(default=0.12, ge=0, le=1, description="Longest stripe, share of the crop.")
    n_band_masks: int = Field(default=2, ge=0, description="Stripes of hidden bands a clip.")
    band_mask: float = Field(default=0.12, ge=0, le=1, description="Widest stripe, share of the bands.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        low, high = self.noise_snr_db
        if low > high:
            raise ValueError(f"noise_snr_db ends ({high:g}) below its start ({low:g})")
        return self

    @classmethod
    def none(cls) -> Self:
        """Return strengths of zero: crops as they are."""
        return cls(
            time_stretch=0,
            band_shift=0,
            band_scale=0,
            gain_db=0,
            tilt_db=0,
            borrow_probability=0,
            noise_probability=0,
            n_time_masks=0,
            n_band_masks=0,
        )


def warp_bands(
    crops: np.ndarray, augmentation: AugmentationParameters, generator: np.random.Generator
) -> np.ndarray:
    """Shift and scale the mel axis of each crop; beyond the edges the outermost band repeats.

    Parameters
    ----------
    crops
        float32 [n_clips, width, n_bands].
    augmentation
        Strengths.
    generator
        Source of chance.

    Returns
    -------
    numpy.ndarray
        float32 of the same shape.
    """
    n_clips, _, n_bands = crops.shape
    scale = 1.0 + _uniform(generator, augmentation.band_scale, n_clips)
    shift = _uniform(generator, augmentation.band_shift, n_clips)
    bands = np.arange(n_bands)
    read = np.clip(bands * scale[:, None] + shift[:, None], 0, n_bands - 1)
    weights = np.maximum(0.0, 1.0 - np.abs(bands[:, None] - read[:, None, :]))
    return np.asarray(crops @ weights.astype(np.float32))


def borrow_spectra(
    crops: np.ndarray,
    own: np.ndarray,
    other: np.ndarray,
    *,
    probability: float,
    generator: np.random.Generator,
) -> np.ndarray:
    """Move the mean and the deviation of each band towards those of another clip of the same emotion.

    What is said and how stays, the voice and the room change: Freq-MixStyle (Kim et al., DCASE 2022; after
    Zhou et al., "Domain generalization with MixStyle", ICLR 2021) on the input.

    Parameters
    ----------
    crops
        float32 [n_clips, width, n_bands], dB.
    own, other
        [n_clips, 2, n_bands]: mean and deviation of each band of the clip itself and of the other one.
    probability
        Share of the crops that change, each by a share of the difference drawn uniformly from 0 … 1.
    generator
        Source of chance.

    Returns
    -------
    numpy.ndarray
        float32 of the same shape.
    """
    n_clips = len(crops)
    share = generator.random(n_clips) * (generator.random(n_clips) < probability)
    aimed = own + share[:, None, None] * (other - own)
    factor = (aimed[:, 1] / np.maximum(own[:, 1], _SMALLEST_DB)).clip(0.5, 2.0)[:, None, :]
    moved = (crops - own[:, None, 0]) * factor + aimed[:, None, 0]
    return np.asarray(moved, dtype=np.float32)


def vary_levels(
    crops: np.ndarray, augmentation: AugmentationParameters, generator: np.random.Generator
) -> np.ndarray:
    """Change the level, the spectral tilt and the noise of each crop (dB in, dB out).

    White noise has equal power in every FFT bin, so it grows with the width of the mel bands; on this scale a
    constant level a band, added in the power domain, is close enough and cheap.

    Parameters
    ----------
    crops
        float32 [n_clips, width, n_bands], dB.
    augmentation
        Strengths.
    generator
        Source of chance.

    Returns
    -------
    numpy.ndarray
        float32 of the same shape.
    """
    n_clips, _, n_bands = crops.shape
    ramp = np.linspace(-1.0, 1.0, n_bands, dtype=np.float32)
    gain = _uniform(generator, augmentation.gain_db, n_clips)[:, None]
    tilt = _uniform(generator, augmentation.tilt_db, n_clips)[:, None] * ramp
    snr = np.asarray(generator.uniform(*augmentation.noise_snr_db, n_clips))
    noisy = np.asarray(generator.random(n_clips) < augmentation.noise_probability)
    varied = crops + (gain + tilt)[:, None, :].astype(np.float32)
    if noisy.any():
        chosen = varied[noisy]
        power = 10.0 ** (chosen / 10.0)
        noise = power.mean(axis=(1, 2), keepdims=True) / 10.0 ** (snr[noisy, None, None] / 10.0)
        varied[noisy] = 10.0 * np.log10(power + noise)
    return varied


def hide_stripes(
    crops: np.ndarray, augmentation: AugmentationParameters, generator: np.random.Generator
) -> np.ndarray:
    """Replace random stripes of frames and of bands by the mean of each band.

    SpecAugment without time warping: Park et al., Interspeech 2019.

    Parameters
    ----------
    crops
        float32 [n_clips, width, n_bands], dB.
    augmentation
        Number and size of the stripes.
    generator
        Source of chance.

    Returns
    -------
    numpy.ndarray
        float32 of the same shape.
    """
    n_clips, width, n_bands = crops.shape
    frames = _stripes(n_clips, width, augmentation.n_time_masks, augmentation.time_mask, generator)
    bands = _stripes(n_clips, n_bands, augmentation.n_band_masks, augmentation.band_mask, generator)
    hidden = frames[:, :, None] | bands[:, None, :]
    return np.where(hidden, crops.mean(axis=1, keepdims=True), crops)


def borrow_means(
    windows: np.ndarray,
    own: np.ndarray,
    other: np.ndarray,
    *,
    probability: float,
    offset: float,
    generator: np.random.Generator,
) -> np.ndarray:
    """Move the mean of each dimension towards that of another clip of the same emotion, then at random.

    Parameters
    ----------
    windows
        float32 [n_clips, n_steps, n_dimensions], standardised.
    own, other
        [n_clips, n_dimensions]: the mean of the clip itself and of the other one.
    probability
        Share of the crops that change, each by a share of the difference drawn uniformly from 0 … 1.
    offset
        Deviation of the normal offset that each dimension of each crop gets.
    generator
        Source of chance.

    Returns
    -------
    numpy.ndarray
        float32 of the same shape.
    """
    n_clips = len(windows)
    share = generator.random(n_clips) * (generator.random(n_clips) < probability)
    moved = share[:, None] * (other - own) + offset * generator.normal(size=own.shape)
    return np.asarray(windows + moved[:, None].astype(np.float32))


def mix(
    batch: Batch, targets: np.ndarray, *, alpha: float, generator: np.random.Generator
) -> tuple[Batch, np.ndarray]:
    """Blend each crop and its target with those of another one of the batch (mixup: Zhang et al., ICLR 2018).

    Parameters
    ----------
    batch
        Inputs float32 [n_clips, width, n_dimensions], all blended alike, and their `<name>_lengths`
        [n_clips]; a blend is as long as the longer of the two.
    targets
        Class probabilities, float32 [n_clips, n_classes]; rows sum to 1.
    alpha
        Both parameters of the beta distribution of the share; 0 blends nothing.
    generator
        Source of chance.

    Returns
    -------
    tuple
        Batch and targets, shaped as given.
    """
    if alpha == 0:
        return batch, targets
    share = generator.beta(alpha, alpha, len(targets)).astype(np.float32)
    share = np.maximum(share, 1 - share)[:, None]
    partner = generator.permutation(len(targets))
    blended = {
        name: np.maximum(value, value[partner])
        if name.endswith("_lengths")
        else share[:, None] * value + (1 - share)[:, None] * value[partner]
        for name, value in batch.items()
    }
    return blended, share * targets + (1 - share) * targets[partner]


def _uniform(generator: np.random.Generator, limit: float, size: int) -> np.ndarray:
    drawn: np.ndarray = generator.uniform(-limit, limit, size)
    return drawn


def _stripes(
    n_clips: int, size: int, n_stripes: int, share: float, generator: np.random.Generator
) -> np.ndarray:
    """Boolean [n_clips, size]: the union of `n_stripes` stripes of up to `share * size` cells."""
    widths = generator.integers(0, int(share * size) + 1, (n_clips, n_stripes, 1))
    starts = np.floor(generator.random((n_clips, n_stripes, 1)) * (size - widths + 1))
    cells = np.arange(size)
    inside = np.asarray((cells >= starts) & (cells < starts + widths))
    return np.asarray(inside.any(axis=1))
