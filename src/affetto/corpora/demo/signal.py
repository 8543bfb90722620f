"""The little signal processing that the demo corpora share: timbre tilt, level, room noise, writing."""

import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 22050
_TILT_PIVOT_HZ = 1000.0
_TILT_LIMIT_DB = 15.0
_FFT_BLOCK = 16384


def clip_generator(seed: int, name: str) -> np.random.Generator:
    """Make the random generator of one clip, which does not depend on the clips made before it.

    Parameters
    ----------
    seed
        Seed of the corpus.
    name
        Name of the clip.
    """
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def tilt_spectrum(samples: NDArray[np.float32], db_per_octave: float) -> NDArray[np.float32]:
    """Tilt the spectrum around 1 kHz: positive is brighter or tenser, negative darker or breathier.

    Parameters
    ----------
    samples
        Mono audio [n] at ``SAMPLE_RATE_HZ``.
    db_per_octave
        Slope of the gain, dB an octave, held within 15 dB either way.
    """
    # Whole blocks: a length with a large prime factor would make the transform a hundred times slower.
    padded = max(1, -(-len(samples) // _FFT_BLOCK)) * _FFT_BLOCK
    spectrum = np.fft.rfft(samples, padded)
    frequency = np.fft.rfftfreq(padded, 1 / SAMPLE_RATE_HZ)
    octaves = np.log2(np.maximum(frequency, 20.0) / _TILT_PIVOT_HZ)
    gain_db = np.clip(db_per_octave * octaves, -_TILT_LIMIT_DB, _TILT_LIMIT_DB)
    tilted = np.fft.irfft(spectrum * 10 ** (gain_db / 20), padded)
    return tilted[: len(samples)].astype(np.float32)


def set_level(samples: NDArray[np.float32], level_dbfs: float) -> NDArray[np.float32]:
    """Scale to an RMS level; peaks above 0.99 are held there by scaling less.

    Parameters
    ----------
    samples
        Mono audio [n].
    level_dbfs
        RMS level wanted, dB relative to a full-scale square wave.

    Returns
    -------
    NDArray[np.float32]
        Audio [n]; silence stays silence.
    """
    rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0
    if rms == 0:
        return samples
    gain = min(10 ** (level_dbfs / 20) / rms, 0.99 / float(np.max(np.abs(samples))))
    return (samples * gain).astype(np.float32)


def add_room_noise(
    samples: NDArray[np.float32], level_dbfs: float, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Add white noise, as every recording has some, and keep the sum inside full scale.

    Parameters
    ----------
    samples
        Mono audio [n].
    level_dbfs
        RMS level of the noise, dB relative to full scale.
    generator
        Source of the noise.

    Returns
    -------
    NDArray[np.float32]
        Audio [n] in [-1, 1].
    """
    noise = generator.standard_normal(len(samples), dtype=np.float32) * np.float32(10 ** (level_dbfs / 20))
    return np.clip(samples + noise, -1.0, 1.0).astype(np.float32)


def write_clip(path: Path, samples: NDArray[np.float32]) -> None:
    """Write 16-bit mono audio at ``SAMPLE_RATE_HZ``, in the format of the file's extension.

    Parameters
    ----------
    path
        Where to; missing folders are made.
    samples
        Mono audio [n] in [-1, 1].
    """
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, SAMPLE_RATE_HZ, subtype="PCM_16")
