"""Several features of one recording: it is decoded once a sample rate, and openSMILE runs once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from affetto.audio.decode import read_audio
from affetto.audio.speech import SpeechParameters
from affetto.features.clip_features import ClipFeatures
from affetto.features.opensmile import OpenSmileParameters, run_opensmile
from affetto.features.parameters import FeatureParameters


def extract_recording(
    path: Path, clip_id: str, parameters: Mapping[str, FeatureParameters]
) -> dict[str, ClipFeatures]:
    """Extract features of an audio file.

    Parameters
    ----------
    path
        Audio file.
    clip_id
        Its name.
    parameters
        Name of each feature → its parameters; see `table.parse_description` for those that a model was
        fitted with.

    Raises
    ------
    AffettoError
        When it cannot be decoded or is not fit for a feature.
    """
    arrays = extract_together(decode(path, rates_of(parameters)), parameters)
    return {
        name: ClipFeatures.from_arrays(
            name,
            [clip_id],
            [arrays[name]],
            dimensions=values.dimensions(),
            hop_s=values.frame_s,
            parameters=values.describe(),
        )
        for name, values in parameters.items()
    }


def rates_of(parameters: Mapping[str, FeatureParameters]) -> list[int]:
    """Return the sample rates that features work at, Hz, ascending."""
    return sorted({values.rate_hz for values in parameters.values()})


def decode(
    path: Path, rates: Sequence[int], start_s: float = 0.0, end_s: float | None = None
) -> dict[int, np.ndarray]:
    """Decode a recording, or a part of it, at several sample rates: rate, Hz → mono samples."""
    return {rate: read_audio(path, sample_rate_hz=rate, start_s=start_s, end_s=end_s)[0] for rate in rates}


def extract_together(
    samples: Mapping[int, np.ndarray], parameters: Mapping[str, FeatureParameters]
) -> dict[str, np.ndarray]:
    """Compute several features of a recording: speech is looked for once, and openSMILE runs once.

    Parameters
    ----------
    samples
        Sample rate, Hz → mono samples [n_samples] at it; every rate of the features.
    parameters
        Name of each feature → its parameters.

    Returns
    -------
    dict
        Name → float32 [n_frames, n_dimensions], what `FeatureParameters.extract` gives.
    """
    found: dict[str, np.ndarray] = {}
    prepared: dict[tuple[int, SpeechParameters | None], tuple[np.ndarray, int]] = {}
    runs: dict[tuple[str, SpeechParameters | None], tuple[np.ndarray, np.ndarray]] = {}
    with _blas().limit(limits=1):  # for matrices this small, threads only wait
        for name, wanted in parameters.items():
            key = wanted.rate_hz, wanted.speech
            if key not in prepared:
                prepared[key] = wanted.prepare(samples[wanted.rate_hz], wanted.rate_hz)
            if isinstance(wanted, OpenSmileParameters):
                run = wanted.feature_set, wanted.speech
                if run not in runs:
                    runs[run] = run_opensmile(*prepared[key], wanted.feature_set)
                found[name] = wanted.of_run(*runs[run])
            else:
                found[name] = wanted.measure(*prepared[key])
    return found


@lru_cache(maxsize=1)
def _blas() -> Any:
    """Return what limits the threads of NumPy's BLAS; to look for the library takes a millisecond."""
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController().select(user_api="blas")
