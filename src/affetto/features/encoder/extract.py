"""The embedding of a recording by a pre-trained encoder, as frames or as their statistics."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from affetto.audio.decode import LARGEST_SAMPLE
from affetto.features.encoder.catalogue import find_encoder
from affetto.features.encoder.weights import load_weights
from affetto.features.encoder.whisper import SAMPLE_RATE_HZ, embed
from affetto.features.parameters import EncoderParameters
from affetto.features.spectrum import prepare_samples

ENCODER_VERSION = 1
_SMALLEST_RMS = 1e-6


def dimensions_encoder(parameters: EncoderParameters) -> tuple[str, ...]:
    """Return `mean_2_0`, …: the statistic (of statistics only), the layer and the number in its output."""
    width = find_encoder(parameters.name).width
    numbers = [f"{layer}_{i}" for layer in parameters.layers for i in range(width)]
    if parameters.level == "frames":
        return tuple(f"layer_{number}" for number in numbers)
    return tuple(f"{statistic}_{number}" for statistic in ("mean", "std") for number in numbers)


def extract_encoder(samples: np.ndarray, sample_rate_hz: int, parameters: EncoderParameters) -> np.ndarray:
    """Run an encoder on a recording.

    Parameters
    ----------
    samples
        [n_samples], mono, full scale 1.0.
    sample_rate_hz
        Resampled to 16 kHz when it differs.
    parameters
        Encoder, layers, what is wanted of their frames, and the level the recording is brought to before.

    Returns
    -------
    numpy.ndarray
        float32 [n_frames, n_layers * width] with a frame every 20 ms; for statistics
        [1, 2 * n_layers * width], the mean of the frames, then their standard deviation.

    Raises
    ------
    AffettoError
        When the weights are not on this machine or damaged, or the recording is empty or not finite.
    """
    mono = prepare_samples(samples, sample_rate_hz, SAMPLE_RATE_HZ)
    if parameters.level_dbfs is not None:
        rms = float(np.sqrt(np.mean(np.square(mono, dtype=np.float64))))
        gain = 10 ** (parameters.level_dbfs / 20) / max(rms, _SMALLEST_RMS)
        mono = np.clip(mono * np.float32(gain), -1.0, LARGEST_SAMPLE)
    frames = embed(mono, encoder_weights(parameters.name), parameters.layers)
    if parameters.level == "frames":
        return frames
    return np.concatenate([frames.mean(axis=0), frames.std(axis=0)])[None]


@lru_cache(maxsize=2)
def encoder_weights(name: str) -> Mapping[str, np.ndarray]:
    """Return the tensors of an encoder as float32, read from disk once.

    Raises
    ------
    AffettoError
        When they are not on this machine, or damaged; the message says which command fetches them.
    """
    return {key: tensor.astype(np.float32) for key, tensor in load_weights(name).items()}
