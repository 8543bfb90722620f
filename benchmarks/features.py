"""Time the features on a folder of recordings beside the bare libraries: features.py FOLDER [N]."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

# One thread, as in the workers: a BLAS that spins on idle cores would be counted as work.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", NUMBA_NUM_THREADS="1")

import librosa
import numpy as np
import opensmile
import pandas as pd

from affetto.audio.decode import AUDIO_EXTENSIONS, MIDI_EXTENSIONS, read_audio
from affetto.features.extraction import ExtractionPlan, run_plan
from affetto.features.lld import extract_opensmile
from affetto.features.mfcc import extract_mfcc
from affetto.features.parameters import (
    FeatureParameters,
    LogMelParameters,
    MfccParameters,
    OpenSmileParameters,
)
from affetto.features.spectrogram import extract_log_mel
from affetto.features.store import FeatureStore
from affetto.parallel import ExecutorParameters

FIRST_CALL = """
import numpy as np
from affetto.features.extraction import extract_in_memory
from affetto.features.parameters import {kind}
extract_in_memory([(np.full(48_000, 0.01, np.float32), 16_000)], ["a"], {kind}())
"""
Recordings = list[tuple[np.ndarray, int]]


def cpu_seconds(function: Callable[[], object], repeat: int = 3) -> float:
    """Return the least CPU time of some calls, s."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def each(function: Callable[..., object], recordings: Recordings, *arguments: object) -> float:
    """Return the CPU time of a function over all recordings, s."""
    return cpu_seconds(lambda: [function(samples, rate, *arguments) for samples, rate in recordings])


def report(name: str, cpu_s: float, audio_s: float) -> None:
    """Print a line."""
    print(f"{name:<52} {cpu_s:8.3f} s CPU {audio_s / cpu_s:9.0f} x real time")


def time_spectra(paths: list[Path], audio_s: float) -> None:
    """Time MFCC and log-mel, and librosa's."""

    def extract(path: Path, parameters: FeatureParameters) -> None:
        is_mfcc = isinstance(parameters, MfccParameters)
        rate = 22_050 if is_mfcc else 16_000
        samples, _ = read_audio(path, sample_rate_hz=rate)
        (extract_mfcc if is_mfcc else extract_log_mel)(samples, rate, parameters)

    def both(path: Path) -> None:
        extract(path, MfccParameters())
        extract(path, LogMelParameters())

    report("MFCC + log-mel, each with decoding", cpu_seconds(lambda: [both(path) for path in paths]), audio_s)
    recordings: Recordings = [read_audio(path, sample_rate_hz=22_050) for path in paths]
    report(
        "decoding to 22,050 Hz",
        cpu_seconds(lambda: [read_audio(p, sample_rate_hz=22_050) for p in paths]),
        audio_s,
    )
    report("MFCC", each(extract_mfcc, recordings, MfccParameters()), audio_s)
    everything = MfccParameters(extras=("chroma", "contrast", "spectral", "onset"))
    report("MFCC with all extras", each(extract_mfcc, recordings, everything), audio_s)
    librosa.feature.mfcc(y=recordings[0][0], sr=22_050)

    def with_librosa(samples: np.ndarray, rate: int) -> None:
        mfcc = librosa.feature.mfcc(y=samples, sr=rate, n_mfcc=20)
        librosa.feature.delta(mfcc, mode="nearest")
        librosa.feature.delta(mfcc, order=2, mode="nearest")

    report("librosa: MFCC and deltas", each(with_librosa, recordings), audio_s)


def time_opensmile(paths: list[Path], audio_s: float) -> None:
    """Time the functionals, and openSMILE's own call."""
    recordings: Recordings = [read_audio(path, sample_rate_hz=16_000) for path in paths]
    for feature_set in ("ComParE_2016", "eGeMAPSv02"):
        parameters = OpenSmileParameters(feature_set=feature_set)
        smile = opensmile.Smile(opensmile.FeatureSet[feature_set], opensmile.FeatureLevel.Functionals)
        each(extract_opensmile, recordings[:1], parameters)
        report(f"{feature_set} functionals", each(extract_opensmile, recordings, parameters), audio_s)
        report(f"openSMILE alone: {feature_set}", each(smile.process_signal, recordings), audio_s)


def time_store(paths: list[Path], audio_s: float) -> None:
    """Time whole plans: one process, all cores, nothing left to do."""
    clips = pd.DataFrame({"clip_id": [str(path) for path in paths], "path": [path.name for path in paths]})
    for kind in (MfccParameters, OpenSmileParameters):
        for n_jobs in (1, -1):
            with tempfile.TemporaryDirectory() as folder:
                executor = ExecutorParameters(n_jobs=n_jobs, progress=False)
                plan = ExtractionPlan("feature", clips, paths[0].parent, kind(), executor)
                for label in ("first", "again"):
                    start = time.perf_counter()
                    run_plan(plan, FeatureStore(Path(folder)))
                    seconds = time.perf_counter() - start
                    speed = audio_s / seconds
                    print(f"{kind.__name__}, n_jobs {n_jobs:>2}, {label}: {seconds:.2f} s, {speed:.0f} x")


def time_first_calls() -> None:
    """Time a fresh process up to its first feature."""
    for kind in ("MfccParameters", "LogMelParameters", "OpenSmileParameters"):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", FIRST_CALL.format(kind=kind)], check=True)
        print(f"fresh process to first feature, {kind}: {time.perf_counter() - start:.2f} s")


def main(folder: Path, n: int) -> None:
    """Run all."""
    extensions = AUDIO_EXTENSIONS - MIDI_EXTENSIONS
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in extensions)[:n]
    durations = [len(samples) / rate for samples, rate in map(read_audio, paths)]
    audio_s = sum(durations)
    print(f"{len(paths)} recordings, {audio_s:.0f} s")
    time_spectra(paths, audio_s)
    time_opensmile(paths, audio_s)
    time_store(paths, audio_s)
    time_first_calls()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 200)
