"""What the features are compared with: librosa, openSMILE's C++ code, its Python package, nkululeko."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import librosa
import numpy as np
import opensmile
from opensmile.core.config import config
from opensmile.core.smile import OpenSMILE

from affetto.features.table import LogMelParameters, MfccParameters

_SCRIPT = Path(__file__).with_name("nkululeko_opensmile.py")


def librosa_mfcc(path: Path, parameters: MfccParameters) -> np.ndarray:
    """Decode and compute MFCC with their derivatives, [n_frames, n_dimensions]."""
    samples, rate = librosa.load(path, sr=parameters.sample_rate_hz)
    window = {"n_fft": parameters.n_fft, "hop_length": parameters.hop, "n_mels": parameters.n_mels}
    mfcc = librosa.feature.mfcc(y=samples, sr=rate, n_mfcc=parameters.n_mfcc, **window)
    deltas = [
        librosa.feature.delta(mfcc, order=order, width=parameters.delta_width)
        for order in range(1, parameters.delta_order + 1)
    ]
    return np.concatenate([mfcc, *deltas]).T


def librosa_log_mel(path: Path, parameters: LogMelParameters) -> np.ndarray:
    """Decode and compute the log-mel spectrogram, [n_frames, n_mels]."""
    samples, rate = librosa.load(path, sr=parameters.sample_rate_hz)
    power = librosa.feature.melspectrogram(
        y=samples,
        sr=rate,
        n_fft=parameters.n_fft,
        hop_length=parameters.hop,
        n_mels=parameters.n_mels,
        fmin=parameters.fmin,
        fmax=parameters.fmax,
    )
    amin = 10 ** (parameters.floor_db / 10)
    return librosa.power_to_db(power, amin=amin, top_db=None).T


def smile_of(feature_set: str, n_workers: int = 1) -> opensmile.Smile:
    """Return the Python package's extractor of functionals."""
    return opensmile.Smile(
        opensmile.FeatureSet[feature_set], opensmile.FeatureLevel.Functionals, num_workers=n_workers
    )


def run_cpp(smile: opensmile.Smile, samples: np.ndarray, rate: int) -> None:
    """Run openSMILE's C++ library on a recording and do nothing else.

    Its configuration is read for every recording, as its command-line program does: the library can only be
    reset by setting it up again.
    """
    source = Path(smile.default_config_root, config.EXTERNAL_INPUT_CONFIG)
    options = {**smile._options(), "source": source, "sampleRate": rate, "nBits": 16}
    library = OpenSMILE()
    library.initialize(smile.config_path, options, loglevel=0)
    library.external_sink_set_callback_ex(config.EXTERNAL_OUTPUT_COMPONENT, lambda values, meta: None)
    library.external_audio_source_write_data(
        config.EXTERNAL_SOURCE_COMPONENT, (samples * 32_768).astype(np.int16).tobytes()
    )
    library.external_audio_source_set_eoi(config.EXTERNAL_SOURCE_COMPONENT)
    library.run()
    library.free()


def run_nkululeko(
    python: Path, paths: Sequence[Path], feature_set: str, n_jobs: int
) -> tuple[dict[str, float], np.ndarray]:
    """Time nkululeko in its environment.

    Parameters
    ----------
    python
        Interpreter of that environment.
    paths, feature_set, n_jobs
        What to extract, by how many workers.

    Returns
    -------
    tuple
        `wall_s` and `cpu_s`, and the features float32 [n_clips, n_dimensions].
    """
    with tempfile.TemporaryDirectory() as folder:
        listing, target = Path(folder, "list.txt"), Path(folder, "values.npy")
        listing.write_text("\n".join(map(str, paths)), encoding="utf-8")
        command = [str(python), str(_SCRIPT), str(listing), feature_set, str(n_jobs), str(target)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        last = done.stdout.strip().splitlines()[-1]
        return json.loads(last[last.rindex("{") :]), np.load(target)
