"""Training on crops of spectrograms: cut at random, and varied in NumPy, whole batches at once.

A spectrogram is varied the way voices vary: its time axis is stretched (speaking rate), its mel axis shifted
and scaled (pitch and length of the vocal tract), noise is added, and stripes are hidden (SpecAugment).
Several inputs of a clip stay aligned. Everything is deterministic given the generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from pydantic import Field, model_validator

from affetto.models.estimator import ModelParameters
from affetto.models.training import Batch, Inputs, Loop, TrainingParameters, bucket_order, mix

_SMALLEST_DB = 0.1
_CLEAN_BATCH = 64
_CLEAN_UPDATES = 40  # moving averages of momentum 0.9 then remember less than 2 % of what was before


class AugmentationParameters(ModelParameters):
    """How strongly training spectrograms are varied; 0 turns a variation off."""

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

    def coarser(self, n_frames: int) -> Crops:
        """Return the same crops of sequences with a step for every `n_frames` frames, around the first."""
        return Crops(self.first / n_frames, self.rate, -(-self.lengths // n_frames))


def draw_crops(
    n_frames: np.ndarray,
    width: int,
    *,
    stretch: float,
    generator: np.random.Generator,
    grid: int | None = None,
) -> Crops:
    """Draw a crop and a speaking rate for each clip.

    Parameters
    ----------
    n_frames
        Frames of each clip, int [n_clips].
    width
        Frames of a crop; a shorter clip is taken whole.
    stretch
        Largest relative change of the speaking rate.
    generator
        Source of chance.
    grid
        Crops begin at multiples of this and may then miss some frames at the end; by default anywhere.
    """
    rate = 1.0 + generator.uniform(-stretch, stretch, len(n_frames))
    lengths = np.clip(np.round(n_frames / rate), 1, width)
    slack = np.maximum(0.0, n_frames - 1 - (lengths - 1) * rate)
    chance = generator.random(len(n_frames))
    if grid is None:
        return Crops(chance * slack, rate, lengths.astype(np.int32))
    last_start = np.minimum(np.ceil(slack / grid), (n_frames - 1) // grid)
    first = grid * np.floor(chance * (last_start + 1))
    left = np.floor((n_frames - 1 - first) / rate) + 1
    return Crops(first, rate, np.minimum(lengths, left).astype(np.int32))


def cut(clips: Sequence[np.ndarray], crops: Crops, width: int) -> np.ndarray:
    """Cut crops out of clips [n_frames, n] each: float32 [n_clips, width, n].

    Between frames they are interpolated; shorter crops are padded on the right with their mean.
    """
    found = np.empty((len(clips), width, clips[0].shape[1]), dtype=np.float32)
    for row, clip, first, rate, length in zip(
        found, clips, crops.first, crops.rate, crops.lengths, strict=True
    ):
        positions = np.clip(first + rate * np.arange(length), 0, len(clip) - 1.0)
        low = np.floor(positions).astype(np.int64)
        weight = (positions - low).astype(np.float32)[:, None]
        below, above = clip[low], clip[np.minimum(low + 1, len(clip) - 1)]
        row[:length] = below + weight * (above - below)
        row[length:] = row[:length].mean(axis=0)
    return found


def warp_bands(
    crops: np.ndarray, augmentation: AugmentationParameters, generator: np.random.Generator
) -> np.ndarray:
    """Shift and scale the mel axis of each crop; beyond the edges the outermost band repeats.

    Parameters
    ----------
    crops
        float32 [n_clips, width, n_bands], dB; what comes back has the same shape, here and below.
    augmentation
        Strengths.
    generator
        Source of chance.
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

    What is said and how stays, the voice and the room change: Freq-MixStyle (Kim et al., DCASE 2022;
    after Zhou et al., "Domain generalization with MixStyle", ICLR 2021) on the input. `own` and `other`
    are [n_clips, 2, n_bands]: mean and deviation of each band of the clip itself and of the other one.
    Crops change with the given probability, each by a share of the difference drawn uniformly from 0 … 1.
    """
    share = _drawn_shares(len(crops), probability, generator)
    aimed = own + share[:, None, None] * (other - own)
    factor = (aimed[:, 1] / np.maximum(own[:, 1], _SMALLEST_DB)).clip(0.5, 2.0)[:, None, :]
    moved = (crops - own[:, None, 0]) * factor + aimed[:, None, 0]
    return np.asarray(moved, dtype=np.float32)


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

    Windows are standardised, [n_clips, n_steps, n]; `own` and `other`, [n_clips, n], are the means of both
    clips. Each dimension of each crop gets a normal offset as well, whose deviation is `offset`.
    """
    share = _drawn_shares(len(windows), probability, generator)
    moved = share[:, None] * (other - own) + offset * generator.normal(size=own.shape)
    return np.asarray(windows + moved[:, None].astype(np.float32))


def _uniform(generator: np.random.Generator, limit: float, size: int) -> np.ndarray:
    return np.asarray(generator.uniform(-limit, limit, size))


def _drawn_shares(n_clips: int, probability: float, generator: np.random.Generator) -> np.ndarray:
    return np.asarray(generator.random(n_clips) * (generator.random(n_clips) < probability))


def vary_levels(
    crops: np.ndarray, augmentation: AugmentationParameters, generator: np.random.Generator
) -> np.ndarray:
    """Change the level, the spectral tilt and the noise of each crop.

    White noise has equal power in every FFT bin, so it grows with the width of the mel bands; on this scale a
    constant level a band, added in the power domain, is close enough and cheap.
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
    return np.asarray(varied)


def hide_stripes(
    crops: np.ndarray, augmentation: AugmentationParameters, generator: np.random.Generator
) -> np.ndarray:
    """Replace random stripes of frames and of bands by the mean of each band.

    SpecAugment without time warping: Park et al., Interspeech 2019.
    """
    n_clips, width, n_bands = crops.shape

    def stripes(size: int, n_stripes: int, share: float) -> np.ndarray:
        """Boolean [n_clips, size]: the union of `n_stripes` stripes of up to `share * size` cells."""
        widths = generator.integers(0, int(share * size) + 1, (n_clips, n_stripes, 1))
        starts = np.floor(generator.random((n_clips, n_stripes, 1)) * (size - widths + 1))
        cells = np.arange(size)
        return np.asarray(((cells >= starts) & (cells < starts + widths)).any(axis=1))

    frames = stripes(width, augmentation.n_time_masks, augmentation.time_mask)
    bands = stripes(n_bands, augmentation.n_band_masks, augmentation.band_mask)
    hidden = frames[:, :, None] | bands[:, None, :]
    return np.where(hidden, crops.mean(axis=1, keepdims=True), crops)


class CropLoop(Loop):
    """Trains on crops of one width, so batches need not be of similar length and are shuffled freely.

    Parameters
    ----------
    model, inputs, labels, parameters, seed
        As for `Loop`; the input `log_mel` is a list of [n_frames, n_bands] in dB, `lld_windows`, if the
        network reads them, one of [n_steps, n_dimensions].
    width
        Frames of a crop.
    frames_per_step
        Frames for each LLD window. With windows, crops begin at multiples of it, so that both stay aligned.
    augmentation
        How strongly crops are varied.
    borrow_probability, offset
        How strongly LLD windows are varied, see `borrow_means`.
    """

    def __init__(
        self,
        model: Any,
        inputs: Inputs,
        labels: np.ndarray,
        parameters: TrainingParameters,
        *,
        seed: int,
        width: int,
        frames_per_step: int,
        augmentation: AugmentationParameters,
        borrow_probability: float,
        offset: float,
    ) -> None:
        super().__init__(model, inputs, labels, parameters, seed=seed)
        self.width, self.frames_per_step, self.augmentation = width, frames_per_step, augmentation
        self.borrow_probability, self.offset, self.labels = borrow_probability, offset, labels
        self.lengths = np.ones_like(self.lengths)
        clips = inputs["log_mel"]
        self.n_frames = np.array([len(clip) for clip in clips])
        self.spectra = np.stack([[clip.mean(axis=0), clip.std(axis=0)] for clip in clips])
        self.means = np.stack([clip.mean(axis=0) for clip in inputs.get("lld_windows", clips)])
        self.members = [np.flatnonzero(labels == label) for label in range(self.targets.shape[1])]

    def _finish(self) -> None:
        """Measure the statistics of the batch normalisation anew on crops as they are.

        Hidden stripes, noise and blends shift these statistics, and clips to be predicted have none of
        them. The same is due after averaging weights (Izmailov et al., UAI 2018). There are as many updates
        however few or many clips there are.
        """
        missing = _CLEAN_UPDATES
        while missing > 0:
            batches = bucket_order(self.lengths, _CLEAN_BATCH, self.rng)[:missing]
            missing -= len(batches)
            for indices in batches:
                self.graph.forward(self._crops(indices, stretch=0.0))

    def _batch(self, indices: np.ndarray) -> tuple[Batch, np.ndarray, np.ndarray]:
        strengths, rng = self.augmentation, self.rng
        batch = self._crops(indices, stretch=strengths.time_stretch)
        crops = borrow_spectra(
            warp_bands(batch["log_mel"], strengths, rng),
            self.spectra[indices],
            self.spectra[self._partners(indices)],
            probability=strengths.borrow_probability,
            generator=rng,
        )
        batch["log_mel"] = hide_stripes(vary_levels(crops, strengths, rng), strengths, rng)
        if "lld_windows" in batch:
            batch["lld_windows"] = borrow_means(
                batch["lld_windows"],
                self.means[indices],
                self.means[self._partners(indices)],
                probability=self.borrow_probability,
                offset=self.offset,
                generator=rng,
            )
        targets, weights, alpha = self.targets[indices], self.weights[indices], self.parameters.mixup_alpha
        if alpha > 0:
            shares = rng.beta(alpha, alpha, len(indices)).astype(np.float32)
            batch = mix({**batch, "targets": targets}, shares, rng)
            targets = batch.pop("targets")
        return batch, targets, weights

    def _crops(self, indices: np.ndarray, *, stretch: float) -> Batch:
        """Cut random crops of both inputs; a crop of LLD windows covers that of the spectrogram."""
        size, both = self.frames_per_step, "lld_windows" in self.inputs
        grid = size if both else None
        crops = draw_crops(self.n_frames[indices], self.width, stretch=stretch, generator=self.rng, grid=grid)
        batch = self._cut("log_mel", indices, crops, self.width)
        if both:
            batch |= self._cut("lld_windows", indices, crops.coarser(size), -(-self.width // size))
        return batch

    def _cut(self, name: str, indices: np.ndarray, crops: Crops, width: int) -> Batch:
        clips = [self.inputs[name][int(i)] for i in indices]
        return {name: cut(clips, crops, width), f"{name}_lengths": crops.lengths}

    def _partners(self, indices: np.ndarray) -> np.ndarray:
        """Draw another clip of the same emotion for each."""
        return np.asarray([self.rng.choice(self.members[int(label)]) for label in self.labels[indices]])
