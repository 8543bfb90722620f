"""The embedding of a recording by a pre-trained encoder, as frames or as their statistics."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from affetto.audio.recording import LARGEST_SAMPLE
from affetto.features.encoder.catalogue import DEFAULT_ENCODER, ENCODERS, find_encoder
from affetto.features.encoder.weights import load_weights
from affetto.features.encoder.whisper import HOP_S, SAMPLE_RATE_HZ, embed
from affetto.features.parameters import FeatureParameters
from affetto.features.spectrum import prepare_samples

_SMALLEST_RMS = 1e-6


class EncoderParameters(FeatureParameters):
    """The embedding of a pre-trained encoder; `affetto encoders list` names those that there are."""

    extractor = "encoder"
    version = 1

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

    @property
    def rate_hz(self) -> int:
        """Sample rate that the encoder reads, Hz."""
        return SAMPLE_RATE_HZ

    @property
    def frame_s(self) -> float | None:
        """20 ms for frames; statistics are one vector a clip."""
        return HOP_S if self.level == "frames" else None

    def dimensions(self) -> tuple[str, ...]:
        """Return `mean_2_0`, …, or `layer_2_0`, … of frames: the layer, and the number in its output."""
        width = find_encoder(self.name).width
        numbers = [f"{layer}_{i}" for layer in self.layers for i in range(width)]
        kinds = ("layer",) if self.level == "frames" else ("mean", "std")
        return tuple(f"{kind}_{number}" for kind in kinds for number in numbers)

    def measure(self, samples: np.ndarray, sample_rate_hz: int) -> np.ndarray:
        """Run the encoder on a recording.

        Returns
        -------
        numpy.ndarray
            float32 [n_frames, n_layers * width]; for statistics [1, 2 * n_layers * width], the mean of the
            frames, then their standard deviation.
        """
        mono = prepare_samples(samples, sample_rate_hz, SAMPLE_RATE_HZ)
        if self.level_dbfs is not None:
            rms = float(np.sqrt(np.mean(np.square(mono, dtype=np.float64))))
            gain = 10 ** (self.level_dbfs / 20) / max(rms, _SMALLEST_RMS)
            mono = np.clip(mono * np.float32(gain), -1.0, LARGEST_SAMPLE)
        frames = embed(mono, encoder_weights(self.name), self.layers)
        if self.level == "frames":
            return frames
        return np.concatenate([frames.mean(axis=0), frames.std(axis=0)])[None]

    def describe(self) -> dict[str, Any]:
        """Return what values depend on, the digest of the weights included."""
        return {**super().describe(), "weights": find_encoder(self.name).digest}

    def check_available(self) -> None:
        """Make sure that the weights are on this machine."""
        encoder_weights(self.name)

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


@lru_cache(maxsize=2)
def encoder_weights(name: str) -> Mapping[str, np.ndarray]:
    """Return the tensors of an encoder as float32, read from disk once.

    Raises
    ------
    AffettoError
        When they are not on this machine, or damaged; the message says which command fetches them.
    """
    return {key: tensor.astype(np.float32) for key, tensor in load_weights(name).items()}
