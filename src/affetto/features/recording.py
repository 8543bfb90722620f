"""All features of a new recording at once: it is decoded once a sample rate and openSMILE runs once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from affetto.audio.decode import read_audio
from affetto.audio.speech import SpeechParameters
from affetto.features.clip_features import ClipFeatures
from affetto.features.extractors import (
    describe,
    dimensions_of,
    extract_prepared,
    hop_of,
    prepare,
    sample_rate_of,
)
from affetto.features.lld import extract_levels
from affetto.features.parameters import FeatureParameters, Level, OpenSmileParameters


def extract_recording(
    path: Path, clip_id: str, parameters: Mapping[str, FeatureParameters]
) -> dict[str, ClipFeatures]:
    """Extract features of an audio file; the values are those of `extract_in_memory`, one by one.

    Parameters
    ----------
    path
        Audio file.
    clip_id
        Its name.
    parameters
        Name of each feature -> its parameters.

    Raises
    ------
    AffettoError
        When it cannot be decoded or is not fit for a feature.
    """
    arrays = extract_together(decode_at_rates(path, rates_of(parameters)), parameters)
    return {
        name: ClipFeatures.from_arrays(
            name,
            [clip_id],
            [arrays[name]],
            dimensions=dimensions_of(values),
            hop_s=hop_of(values),
            parameters=describe(values),
        )
        for name, values in parameters.items()
    }


def rates_of(parameters: Mapping[str, FeatureParameters]) -> list[int]:
    """Return the sample rates that features work at, Hz, ascending."""
    return sorted({sample_rate_of(values) for values in parameters.values()})


def decode_at_rates(path: Path, rates: Sequence[int]) -> dict[int, np.ndarray]:
    """Decode an audio file at several sample rates: rate, Hz → mono samples."""
    return {rate: read_audio(path, sample_rate_hz=rate)[0] for rate in rates}


def extract_together(
    samples: Mapping[int, np.ndarray], parameters: Mapping[str, FeatureParameters]
) -> dict[str, np.ndarray]:
    """Compute several features of a recording.

    Parameters
    ----------
    samples
        Sample rate, Hz -> mono samples [n_samples] at it; every rate of the features.
    parameters
        Name of each feature -> its parameters.

    Returns
    -------
    dict
        Name -> float32 [n_frames, n_dimensions], what `extract_one` gives.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    found: dict[str, np.ndarray] = {}
    prepared: dict[tuple[int, SpeechParameters | None], tuple[np.ndarray, int]] = {}

    def once(wanted: FeatureParameters) -> tuple[np.ndarray, int]:
        """Prepare the recording once for all features that want the same: to find speech takes its time."""
        key = sample_rate_of(wanted), wanted.speech
        if key not in prepared:
            prepared[key] = prepare(samples[key[0]], key[0], wanted)
        return prepared[key]

    with threadpool_limits(1, user_api="blas"):  # for matrices this small, threads only wait
        for run, levels in _runs_of_opensmile(parameters).items():
            values = extract_levels(*once(run), run.feature_set)
            found |= {name: values[level] for level, name in levels.items()}
        for name, wanted in parameters.items():
            if name not in found:
                found[name] = extract_prepared(*once(wanted), wanted)
    return found


def _runs_of_opensmile(
    parameters: Mapping[str, FeatureParameters],
) -> dict[OpenSmileParameters, dict[Level, str]]:
    """Return the runs that yield several features, as parameters of one level, and the name of each."""
    runs: dict[OpenSmileParameters, dict[Level, str]] = {}
    for name, values in parameters.items():
        if isinstance(values, OpenSmileParameters):
            run = values.model_copy(update={"level": "functionals"})
            runs.setdefault(run, {})[values.level] = name
    return {run: levels for run, levels in runs.items() if len(levels) > 1}
