"""The training loop of spectrogram networks: every batch is fresh random crops, augmented in dB."""

from __future__ import annotations

from typing import Any

import numpy as np

from affetto.models import training as shared
from affetto.models.augmentation import (
    AugmentationParameters,
    borrow_spectra,
    hide_stripes,
    mix,
    random_crops,
    vary_levels,
)
from affetto.models.loop import Loop
from affetto.models.training import Batch, Examples, TrainingParameters

_CLEAN_PASSES = 4
_CLEAN_BATCH = 64


class CropLoop(Loop):
    """Trains on crops of one width, so batches need not be of similar length and are shuffled freely.

    Parameters
    ----------
    model, examples, parameters, seed
        As for `Loop`; the examples' `log_mel` is a list of [n_frames, n_bands] in dB.
    width
        Frames of a crop.
    augmentation
        How strongly crops are varied.
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
    ) -> None:
        super().__init__(model, examples, parameters, seed=seed, augment=None)
        self.width, self.augmentation = width, augmentation
        self.lengths = np.ones_like(self.lengths)
        clips = examples.inputs["log_mel"]
        self.spectra = np.stack([[clip.mean(axis=0), clip.std(axis=0)] for clip in clips])
        self.members = [np.flatnonzero(examples.labels == label) for label in range(examples.n_classes)]

    def run(self, validation: Examples | None) -> list[dict[str, float]]:
        """Train, then measure the statistics of the batch normalisation anew on crops as they are.

        Hidden stripes, noise and blends shift these statistics, and clips to be predicted have none of
        them. The same is due after averaging weights (Izmailov et al., UAI 2018).
        """
        history = super().run(validation)
        for _ in range(_CLEAN_PASSES):
            for indices in shared.bucket_order(self.lengths, _CLEAN_BATCH, self.rng):
                clips = [self.examples.inputs["log_mel"][int(i)] for i in indices]
                crops, lengths = random_crops(clips, self.width, AugmentationParameters.none(), self.rng)
                self.model({"log_mel": crops, "log_mel_lengths": lengths}, training=True)
        return history

    def _batch(self, indices: np.ndarray) -> tuple[Batch, np.ndarray, np.ndarray]:
        clips = [self.examples.inputs["log_mel"][int(i)] for i in indices]
        crops, lengths = random_crops(clips, self.width, self.augmentation, self.rng)
        crops = borrow_spectra(
            crops,
            self.spectra[indices],
            self.spectra[self._partners(indices)],
            probability=self.augmentation.borrow_probability,
            generator=self.rng,
        )
        crops = hide_stripes(vary_levels(crops, self.augmentation, self.rng), self.augmentation, self.rng)
        crops, lengths, targets = mix(
            crops, lengths, self.targets[indices], alpha=self.parameters.mixup_alpha, generator=self.rng
        )
        return {"log_mel": crops, "log_mel_lengths": lengths}, targets, self.weights[indices]

    def _partners(self, indices: np.ndarray) -> np.ndarray:
        """Draw another clip of the same emotion for each."""
        drawn = [self.rng.choice(self.members[int(label)]) for label in self.examples.labels[indices]]
        return np.asarray(drawn)
