"""How long a voice of 3 s takes from its file to its emotions, step by step, and how large the model is.

    python benchmarks/latency.py [--recording FILE] [--model FOLDER] [-n RUNS] [--threads N]

Without FOLDER a model of the default size is fitted for one epoch to noise: weights do not change the time.
Without FILE a buzz of 3 s is made. Everything is warm; steps take turns; median and 95th percentile count.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile
from timing import heading, row, spread

from affetto.audio.decode import read_audio
from affetto.audio.speech import SpeechParameters
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.features.table import (
    FeatureParameters,
    LogMelParameters,
    OpenSmileParameters,
    extract_together,
    parse_description,
    rates_of,
)
from affetto.models.estimator import Estimator, build_estimator, load_estimator
from affetto.models.network import THREADS_VARIABLE

BUDGET_MS, BUDGET_MB, BUDGET_PARAMETERS = 150.0, 5.0, 1e6
DURATION_S, RATE_HZ = 3, 16_000
EMOTIONS = ("anger", "boredom", "disgust", "fear", "joy", "neutral", "sadness")


def main() -> int:
    """Measure and print everything."""
    arguments = _parse()
    os.environ[THREADS_VARIABLE] = str(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        recording = arguments.recording or make_recording(place / "voice.wav")
        model = load_estimator(arguments.model) if arguments.model else fit_to_noise(place / "model")
        seconds = soundfile.info(recording).duration
        print(f"{recording.name}, {seconds:.1f} s; {model.name}, {arguments.runs} runs")
        print_latency(recording, model, arguments.runs)
        print_size(arguments.model or place / "model", model)
    return 0


def _decode(recording: Path, wanted: Mapping[str, FeatureParameters]) -> dict[int, np.ndarray]:
    return {rate: read_audio(recording, sample_rate_hz=rate)[0] for rate in rates_of(wanted)}


def _extract(recording: Path, wanted: Mapping[str, FeatureParameters]) -> FeatureSet:
    arrays = extract_together(_decode(recording, wanted), wanted)
    return FeatureSet(
        {
            name: ClipFeatures.from_arrays(
                name,
                ["voice"],
                [arrays[name]],
                dimensions=parameters.dimensions(),
                hop_s=parameters.frame_s,
                parameters=parameters.describe(),
            )
            for name, parameters in wanted.items()
        }
    )


def print_latency(recording: Path, model: Estimator, runs: int) -> None:
    """Print the time from file to probabilities and that of each step."""
    wanted = {name: parse_description(model.feature_parameters_[name]) for name in model.features}
    samples = _decode(recording, wanted)
    opensmile = {name: p for name, p in wanted.items() if isinstance(p, OpenSmileParameters)}
    spectra = {name: p for name, p in wanted.items() if name not in opensmile}
    features = _extract(recording, wanted)
    steps = {
        "decode": lambda: _decode(recording, wanted),
        **{name: lambda name=name, p=p: extract_together(samples, {name: p}) for name, p in spectra.items()},
        **({" + ".join(opensmile): lambda: extract_together(samples, opensmile)} if opensmile else {}),
        "model": lambda: model.predict_proba(features),
        "from file to probabilities": lambda: model.predict_proba(_extract(recording, wanted)),
    }
    for _ in range(5):  # past the calls after which a network is traced
        model.predict_proba(features)
    heading("Latency")
    _print_spread(steps, runs)
    if len(opensmile) > 1:
        heading("openSMILE, a run for each feature, for comparison")
        alone = {name: lambda p=p: p.extract(samples[RATE_HZ], RATE_HZ) for name, p in opensmile.items()}
        _print_spread(alone, runs)


def print_size(folder: Path, model: Estimator) -> None:
    """Print size on disk and number of parameters."""
    heading("Saved model")
    n_bytes = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    row("size on disk", n_bytes / 1e6, "MB", at_most=BUDGET_MB)
    row("parameters", model.n_parameters, "", at_most=BUDGET_PARAMETERS)


def make_recording(path: Path) -> Path:
    """Write a buzz with the rhythm of syllables, and noise."""
    time = np.arange(DURATION_S * RATE_HZ) / RATE_HZ
    hum = np.sign(np.sin(2 * np.pi * 140 * time)) * np.abs(np.sin(9 * time))
    noise = np.random.default_rng(0).normal(size=len(time))
    soundfile.write(path, 0.3 * hum + 0.01 * noise, RATE_HZ)
    return path


def fit_to_noise(folder: Path) -> Estimator:
    """Fit the proposed voice model with its default parameters to noise, save it and load it."""
    speech = SpeechParameters()
    kinds: dict[str, FeatureParameters] = {
        "log_mel": LogMelParameters(speech=speech),
        "lld": OpenSmileParameters(level="lld", speech=speech),
        "functionals": OpenSmileParameters(speech=speech),
        "correlations": OpenSmileParameters(level="correlations", speech=speech),
    }
    rng = np.random.default_rng(0)
    y = [emotion for emotion in EMOTIONS for _ in range(2)]
    features = {}
    for name, parameters in kinds.items():
        hop_s, names = parameters.frame_s, parameters.dimensions()
        n_frames = 1 if hop_s is None else round(DURATION_S / hop_s)
        arrays = [rng.normal(size=(n_frames, len(names))) for _ in y]
        features[name] = ClipFeatures.from_arrays(
            name, [str(i) for i in range(len(y))], arrays, dimensions=names, hop_s=hop_s,
            parameters=parameters.describe(),
        )  # fmt: skip
    groups = [str(i // 2 % 4) for i in range(len(y))]  # enough speakers for kinds of voices
    build_estimator("crnn_lld", {"crnn": {"epochs": 1, "lld_windows": {}}}).fit(
        FeatureSet(features), y, groups
    ).save(folder)
    return load_estimator(folder)


def _print_spread(steps: dict[str, object], runs: int) -> None:
    budget = {"from file to probabilities": BUDGET_MS}
    for name, (median, high) in zip(steps, spread(list(steps.values()), repeat=runs), strict=True):
        row(f"{name}, median", median, "ms", at_most=budget.get(name))
        row(f"{name}, 95th percentile", high, "ms", at_most=budget.get(name))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--recording", type=Path, help="audio file (default: a buzz of 3 s)")
    parser.add_argument("--model", type=Path, help="folder of a fitted model (default: one fitted to noise)")
    parser.add_argument("-n", "--runs", type=int, default=50, help="runs that count (default: 50)")
    parser.add_argument("--threads", type=int, default=2, help="threads of TensorFlow (default: 2)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
