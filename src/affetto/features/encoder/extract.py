"""The embedding of a recording by a pre-trained encoder, as frames or as their statistics."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from affetto.audio.recording import LARGEST_SAMPLE
from affetto.errors import AffettoError
from affetto.features.encoder import musicnn, whisper
from affetto.features.encoder.catalogue import DEFAULT_ENCODER, ENCODERS, Encoder
from affetto.features.encoder.external import Frames, HubEncoder, OnnxEncoder, open_external
from affetto.features.encoder.weights import load_weights
from affetto.features.parameters import FeatureParameters

_SMALLEST_RMS = 1e-6
_EMBED = {"whisper": whisper.embed, "musicnn": musicnn.embed}


class EncoderParameters(FeatureParameters):
    """The embedding of a pre-trained encoder; `affetto encoders list` names those that there are."""

    extractor = "encoder"
    version = 1

    name: str = Field(default=DEFAULT_ENCODER, description="Which encoder.")
    layers: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        default=(2,),
        min_length=1,
        description="Layers whose output is read, as `affetto encoders describe` counts them.",
    )
    level: Literal["statistics", "frames"] = Field(
        default="statistics",
        description="statistics: mean and deviation of the frames, one vector a clip; frames: each of them.",
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
        return find(self.name).sample_rate_hz

    @property
    def frame_s(self) -> float | None:
        """Seconds from a frame to the next; statistics are one vector a clip."""
        return find(self.name).hop_s if self.level == "frames" else None

    @property
    def shared(self) -> Hashable:
        """One run gives all layers that are read, frames and statistics."""
        return self.name, self.level_dbfs, self.speech, self._layers_read

    @property
    def _layers_read(self) -> tuple[int, ...]:
        """All layers of Affetto's own encoders, which have few; of others those that are wanted."""
        encoder = find(self.name)
        return tuple(encoder.widths) if isinstance(encoder, Encoder) else self.layers

    def dimensions(self) -> tuple[str, ...]:
        """Return `mean_2_0`, …, or `layer_2_0`, … of frames: the layer, and the number in its output."""
        widths = find(self.name).widths
        numbers = [f"{layer}_{i}" for layer in self.layers for i in range(widths[layer])]
        kinds = ("layer",) if self.level == "frames" else ("mean", "std")
        return tuple(f"{kind}_{number}" for kind in kinds for number in numbers)

    def measure(self, samples: np.ndarray) -> np.ndarray:
        """Run the encoder on a recording.

        Returns
        -------
        numpy.ndarray
            float32 [n_frames, n_numbers], the layers side by side; for statistics [1, 2 * n_numbers], the
            mean of the frames, then their standard deviation.
        """
        return self.of_run(self.run(samples))

    def run(self, samples: np.ndarray) -> dict[int, Frames]:
        """Run the encoder on a recording: each layer that is read → its frames, float32 [n_frames, width]."""
        if self.level_dbfs is not None:
            rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
            gain = 10 ** (self.level_dbfs / 20) / max(rms, _SMALLEST_RMS)
            samples = np.clip(samples * np.float32(gain), -1.0, LARGEST_SAMPLE)
        layers, widths = self._layers_read, find(self.name).widths
        frames = embed(self.name, samples, layers)
        ends = np.cumsum([widths[layer] for layer in layers])[:-1]
        return dict(zip(layers, np.split(frames, ends, axis=1), strict=True))

    def of_run(self, run: Mapping[int, Frames]) -> np.ndarray:
        """Take the layers from a run, as frames or as their statistics."""
        joined = np.concatenate([run[layer] for layer in self.layers], axis=1)
        if self.level == "frames":
            return joined
        return np.concatenate([joined.mean(axis=0), joined.std(axis=0)])[None]

    def describe(self) -> dict[str, Any]:
        """Return what values depend on, the digest of the weights included."""
        return {**super().describe(), "weights": find(self.name).digest}

    def check_available(self) -> None:
        """Make sure that the weights are on this machine."""
        encoder = find(self.name)
        if isinstance(encoder, Encoder):
            encoder_weights(self.name)
        else:
            encoder.check()

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            widths = find(self.name).widths
        except AffettoError as error:
            raise ValueError(f"name is {self.name!r}: {error}") from error
        unknown = sorted(set(self.layers) - set(widths))
        if unknown:
            raise ValueError(f"layers has {unknown[0]}, but {self.name} has {', '.join(map(str, widths))}")
        if len(set(self.layers)) != len(self.layers):
            raise ValueError(f"layers names one twice: {list(self.layers)}")
        return self


def find(name: str) -> Encoder | OnnxEncoder | HubEncoder:
    """Return the encoder of a name: one of Affetto's, or one that the user brings.

    Raises
    ------
    AffettoError
        When there is none.
    """
    return ENCODERS[name] if name in ENCODERS else open_external(name)


def embed(name: str, samples: Frames, layers: Sequence[int]) -> Frames:
    """Run an encoder on mono samples of its rate: float32 [n_frames, n_numbers], the layers side by side."""
    encoder = find(name)
    if isinstance(encoder, Encoder):
        return _EMBED[encoder.architecture](samples, encoder_weights(name), layers)
    return encoder.embed(samples, layers)


@lru_cache(maxsize=2)
def encoder_weights(name: str) -> Mapping[str, np.ndarray]:
    """Return the tensors of one of Affetto's encoders as float32, read from disk once.

    Raises
    ------
    AffettoError
        When they are not on this machine, or damaged; the message says which command fetches them.
    """
    return {key: tensor.astype(np.float32) for key, tensor in load_weights(name).items()}
