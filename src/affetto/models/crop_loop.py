"""The training loop of spectrogram networks: every batch is fresh random crops, augmented."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from affetto.models import training as shared
from affetto.models.augmentation import (
    AugmentationParameters,
    borrow_means,
    borrow_spectra,
    hide_stripes,
    mix,
    vary_levels,
    warp_bands,
)
from affetto.models.crops import Crops, cut, draw_crops
from affetto.models.lld_windows import LldWindowParameters
from affetto.models.loop import Loop
from affetto.models.training import Batch, Examples, TrainingParameters

_CLEAN_BATCH = 64
_CLEAN_UPDATES = 40  # moving averages of momentum 0.9 then remember less than 2 % of what was before


class CropLoop(Loop):
    """Trains on crops of one width, so batches need not be of similar length and are shuffled freely.

    Parameters
    ----------
    model, examples, parameters, seed
        As for `Loop`; the examples' `log_mel` is a list of [n_frames, n_bands] in dB, `lld_windows`, if the
        network reads them, one of [n_steps, n_dimensions].
    width
        Frames of a crop.
    augmentation
        How strongly crops are varied.
    windows
        How the LLD windows are varied; None where the network reads none.
    frames_per_step
        Frames for each LLD window. With windows, crops begin at multiples of it, so that both stay aligned.
    """

    def __init__(
        self,
        model: Any,
        examples: Examples,
        parameters: TrainingParameters,
        *,
        seed: int,
        width: int,
        augmentation: AugmentationParameters,
        windows: LldWindowParameters | None = None,
        frames_per_step: int = 1,
    ) -> None:
        super().__init__(model, examples, parameters, seed=seed, augment=None)
        self.width, self.augmentation = width, augmentation
        self.windows, self.frames_per_step = windows, frames_per_step
        clips = examples.inputs["log_mel"]
        self.lengths = np.ones_like(self.lengths)
        self.n_frames = np.array([len(clip) for clip in clips])
        self.spectra = np.stack([[clip.mean(axis=0), clip.std(axis=0)] for clip in clips])
        if windows is not None:
            self.means = np.stack([clip.mean(axis=0) for clip in examples.inputs["lld_windows"]])
        self.members = [np.flatnonzero(examples.labels == label) for label in range(examples.n_classes)]

    def _finish(self) -> None:
        """Measure the statistics of the batch normalisation anew on crops as they are.

        Hidden stripes, noise and blends shift these statistics, and clips to be predicted have none of
        them. The same is due after averaging weights (Izmailov et al., UAI 2018).
        """
        for indices in self._clean_batches():
            self.graph.forward(self._crops(indices, stretch=0.0))

    def _clean_batches(self) -> Iterator[np.ndarray]:
        """Yield as many batches as the statistics need, however few or many clips there are."""
        missing = _CLEAN_UPDATES
        while missing > 0:
            batches = shared.bucket_order(self.lengths, _CLEAN_BATCH, self.rng)[:missing]
            yield from batches
            missing -= len(batches)

    def _batch(self, indices: np.ndarray) -> tuple[Batch, np.ndarray, np.ndarray]:
        batch = self._crops(indices, stretch=self.augmentation.time_stretch)
        batch["log_mel"] = self._vary_spectrograms(batch["log_mel"], indices)
        if self.windows is not None:
            batch["lld_windows"] = borrow_means(
                batch["lld_windows"],
                self.means[indices],
                self.means[self._partners(indices)],
                probability=self.windows.borrow_probability,
                offset=self.windows.offset,
                generator=self.rng,
            )
        batch, targets = mix(
            batch, self.targets[indices], alpha=self.parameters.mixup_alpha, generator=self.rng
        )
        return batch, targets, self.weights[indices]

    def _crops(self, indices: np.ndarray, *, stretch: float) -> Batch:
        """Cut random crops of both inputs; a crop of LLD windows covers that of the spectrogram."""
        grid = None if self.windows is None else self.frames_per_step
        crops = draw_crops(self.n_frames[indices], self.width, stretch=stretch, generator=self.rng, grid=grid)
        batch = self._cut("log_mel", indices, crops, self.width)
        if self.windows is None:
            return batch
        n_steps = -(-self.width // self.frames_per_step)
        return batch | self._cut("lld_windows", indices, crops.coarser(self.frames_per_step), n_steps)

    def _cut(self, name: str, indices: np.ndarray, crops: Crops, width: int) -> Batch:
        clips = [self.examples.inputs[name][int(i)] for i in indices]
        return {name: cut(clips, crops, width), f"{name}_lengths": crops.lengths}

    def _vary_spectrograms(self, crops: np.ndarray, indices: np.ndarray) -> np.ndarray:
        crops = borrow_spectra(
            warp_bands(crops, self.augmentation, self.rng),
            self.spectra[indices],
            self.spectra[self._partners(indices)],
            probability=self.augmentation.borrow_probability,
            generator=self.rng,
        )
        return hide_stripes(vary_levels(crops, self.augmentation, self.rng), self.augmentation, self.rng)

    def _partners(self, indices: np.ndarray) -> np.ndarray:
        """Draw another clip of the same emotion for each."""
        drawn = [self.rng.choice(self.members[int(label)]) for label in self.examples.labels[indices]]
        return np.asarray(drawn)
