"""Time the features on a folder of recordings beside the bare libraries and nkululeko, in one table.

    python benchmarks/features.py [FOLDER] [-n CLIPS] [--music FOLDER] [--midi FOLDER] [--nkululeko PYTHON]

FOLDER holds voice recordings (default: the demo's). nkululeko needs pandas < 3, so an environment of its own:

    python -m venv .nkululeko
    .nkululeko/bin/python -m pip install --no-deps -r benchmarks/nkululeko.txt

Everything is warm and takes the same recordings: those of the openSMILE rows are brought to 16 kHz and 16 bit
beforehand, so that every program reads the same samples. A figure is the least of several runs in turn.
"""

from __future__ import annotations

import os

# One thread a process, as in the workers: a BLAS that spins on idle cores would be counted as work.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", NUMBA_NUM_THREADS="1")

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import symusic
import yaml
from overhead import CONFIGURATION, print_overhead
from rivals import librosa_log_mel, librosa_mfcc, run_cpp, run_nkululeko, smile_of
from timing import heading, least, row

from affetto.audio.decode import AUDIO_EXTENSIONS, MIDI_EXTENSIONS, read_audio
from affetto.audio.midi import render_score
from affetto.features.extract import extract
from affetto.features.table import (
    LogMelParameters,
    MfccParameters,
    MidtermParameters,
    OpenSmileParameters,
)
from affetto.io.workers import ExecutorParameters

PROJECT = Path(__file__).resolve().parents[1]
NKULULEKO = PROJECT / ".nkululeko/bin/python"
FIRST_CALL = """
import numpy as np
from affetto.features.table import {kind}
{kind}().extract(np.full(48_000, 0.01, np.float32), 16_000)
"""
KINDS = {"mfcc": MfccParameters, "log_mel": LogMelParameters, "functionals": OpenSmileParameters}
RATE_HZ, WORKERS = 16_000, 2
MIDI_FILES = 20


def main() -> int:
    """Measure and print everything."""
    arguments = _parse()
    paths = recordings(arguments.folder, arguments.clips)
    if not paths:
        print(f"No recordings lie below {arguments.folder}: give a folder of some.", file=sys.stderr)
        return 1
    audio_s = sum(soundfile.info(path).duration for path in paths)
    print(f"{len(paths)} recordings of {arguments.folder}, {audio_s:.0f} s")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        time_spectra(paths, audio_s, arguments.repeat)
        time_opensmile(_safe_copies(paths, place / "safe"), audio_s, arguments)
        voice = {name: kind(**_configured("voice", name)) for name, kind in KINDS.items()}
        print_overhead(_copies(paths, place / "voice"), voice, "voice", repeat=arguments.repeat)
        if arguments.music:
            music = {"mfcc": MfccParameters(**_configured("music", "mfcc"))}
            songs = recordings(arguments.music, arguments.clips)
            time_music(songs, arguments.repeat)
            print_overhead(_copies(songs, place / "music"), music, "music", repeat=arguments.repeat)
    time_midi(arguments.midi, arguments.repeat)
    time_first_calls()
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=PROJECT / "data/01_raw/demo/voice")
    parser.add_argument("-n", "--clips", type=int, default=200, help="at most so many recordings (200)")
    parser.add_argument("--music", type=Path, help="folder of music, for the overhead on that side")
    parser.add_argument("--midi", type=Path, help="folder of MIDI files; default: a made-up score")
    parser.add_argument("--nkululeko", type=Path, default=NKULULEKO, help="Python with nkululeko")
    parser.add_argument("--repeat", type=int, default=3, help="runs, of which the least counts (3)")
    return parser.parse_args()


def recordings(folder: Path, n: int) -> list[Path]:
    """Return at most `n` recordings below a folder, spread over it."""
    extensions = AUDIO_EXTENSIONS - MIDI_EXTENSIONS
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in extensions)
    return [found[i] for i in np.linspace(0, len(found) - 1, min(n, len(found))).astype(int)]


def time_spectra(paths: list[Path], audio_s: float, repeat: int) -> None:
    """Time MFCC and log-mel with decoding, and librosa's."""
    mfcc, log_mel = MfccParameters(), LogMelParameters()

    def ours(path: Path) -> tuple[np.ndarray, np.ndarray]:
        first, second = (read_audio(path, sample_rate_hz=kind.sample_rate_hz) for kind in (mfcc, log_mel))
        return mfcc.extract(*first), log_mel.extract(*second)

    def theirs(path: Path) -> tuple[np.ndarray, np.ndarray]:
        return librosa_mfcc(path, mfcc), librosa_log_mel(path, log_mel)

    difference = max(
        float(np.abs(a - b).max()) for a, b in zip(ours(paths[0]), theirs(paths[0]), strict=True)
    )
    functions = [lambda: [ours(path) for path in paths], lambda: [theirs(path) for path in paths]]
    cpu, librosa_cpu = least(functions, repeat=repeat)
    heading("MFCC (with deltas) + log-mel, each decoded and resampled on its own, one core")
    row("affetto", audio_s / cpu, "x real time", at_least=150)
    row("librosa", audio_s / librosa_cpu, "x real time")
    row("largest difference of a coefficient", difference, "dB", at_most=0.01)


def time_music(paths: list[Path], repeat: int) -> None:
    """Time what the music models read, with decoding: frames of MFCC and more, and mid-term features."""
    mfcc = MfccParameters(**_configured("music", "mfcc"))
    midterm = MidtermParameters(**_configured("music", "midterm"))
    midterm.extract(*read_audio(paths[0], sample_rate_hz=midterm.rate_hz))
    audio_s = sum(soundfile.info(path).duration for path in paths)
    frames_cpu, midterm_cpu = least(
        [
            lambda: [mfcc.extract(*read_audio(p, sample_rate_hz=mfcc.rate_hz)) for p in paths],
            lambda: [midterm.extract(*read_audio(p, sample_rate_hz=midterm.rate_hz)) for p in paths],
        ],
        repeat=repeat,
    )
    heading(f"{len(paths)} recordings of music, {audio_s:.0f} s, each feature with decoding, one core")
    row("MFCC with deltas, chroma, contrast, spectral shape, onsets", audio_s / frames_cpu, "x real time")
    row("mid-term features", audio_s / midterm_cpu, "x real time")


def time_opensmile(paths: list[Path], audio_s: float, arguments: argparse.Namespace) -> None:
    """Time the ComParE functionals: of signals in memory, then of files, by one worker and by two."""
    signals = [read_audio(path)[0] for path in paths]
    smile, parameters = smile_of("ComParE_2016"), OpenSmileParameters()
    run_cpp(smile, signals[0], RATE_HZ)
    parameters.extract(signals[0], RATE_HZ)
    cpp, ours, package = least(
        [
            lambda: [run_cpp(smile, signal, RATE_HZ) for signal in signals],
            lambda: [parameters.extract(signal, RATE_HZ) for signal in signals],
            lambda: [smile.process_signal(signal, RATE_HZ) for signal in signals],
        ],
        repeat=arguments.repeat,
    )
    heading("ComParE_2016 functionals of signals in memory, one core (CPU time)")
    row("openSMILE's C++ code alone", audio_s / cpp, "x real time")
    row("affetto", audio_s / ours, "x real time")
    row("affetto, time over that of the C++ code", ours / cpp, "x", at_most=1.1)
    row("opensmile package, process_signal", audio_s / package, "x real time")
    heading("ComParE_2016 functionals of files, stored (wall time)")
    values = [parameters.extract(signal, RATE_HZ)[0] for signal in signals]
    walls = {n: time_files(paths, n, audio_s, values, arguments) for n in (1, WORKERS)}
    row(f"affetto, {WORKERS} workers over one", walls[1] / walls[WORKERS], "x", at_least=1.8)


def time_files(
    paths: list[Path], n_workers: int, audio_s: float, values: list[np.ndarray], arguments: argparse.Namespace
) -> float:
    """Time whole extractions of files by so many workers and return affetto's, s."""
    clips = pd.DataFrame({"clip_id": [path.stem for path in paths], "path": [path.name for path in paths]})
    executor = ExecutorParameters(n_jobs=n_workers, progress=False)
    wanted = {"functionals": OpenSmileParameters()}
    smile = smile_of("ComParE_2016", n_workers)

    def affetto() -> None:
        with tempfile.TemporaryDirectory() as folder:
            extract(clips, paths[0].parent, wanted, Path(folder), executor)

    affetto()  # starts the workers
    functions = [affetto, lambda: smile.process_files(paths)]
    ours, package = least(functions, repeat=arguments.repeat, clock=time.perf_counter)
    row(f"affetto, {n_workers} worker(s), with its store", audio_s / ours, "x real time")
    row(f"opensmile package, process_files, {n_workers} worker(s)", audio_s / package, "x real time")
    found = {"opensmile": smile.process_files(paths).to_numpy()}
    if arguments.nkululeko.is_file():
        times, found["nkululeko"] = run_nkululeko(arguments.nkululeko, paths, "ComParE_2016", n_workers)
        row(f"nkululeko, {n_workers} worker(s), with its store", audio_s / times["wall_s"], "x real time")
        row("affetto over nkululeko", times["wall_s"] / ours, "x", at_least=1.0)
    else:
        print(f"nkululeko: not measured, there is no {arguments.nkululeko}; see --help")
    for name, theirs in found.items():
        row(f"largest relative difference from {name}", _difference(values, theirs), "", at_most=1e-5)
    return ours


def _difference(ours: list[np.ndarray], theirs: np.ndarray) -> float:
    expected = np.nan_to_num(theirs, nan=0.0, posinf=0.0, neginf=0.0)
    return float((np.abs(np.stack(ours) - expected) / np.maximum(1.0, np.abs(expected))).max())


def time_midi(folder: Path | None, repeat: int) -> None:
    """Time the rendering of MIDI."""
    files = sorted(path for path in folder.rglob("*.mid")) if folder else []
    chosen = files[:: max(1, len(files) // MIDI_FILES)][:MIDI_FILES]
    scores = [symusic.Score(path) for path in chosen] or [_made_up_score()]
    audio_s = sum(len(render_score(score)) for score in scores) / 22_050
    (cpu,) = least([lambda: [render_score(score) for score in scores]], repeat=repeat)
    heading(f"rendering of {len(scores)} MIDI file(s), {audio_s:.0f} s, one core")
    row("affetto", audio_s / cpu, "x real time", at_least=300)


def _made_up_score() -> Any:
    """Four voices of quarter notes at 120 a minute, two minutes."""
    score = symusic.Score(480)
    score.tempos.append(symusic.Tempo(time=0, qpm=120))
    for voice in range(4):
        track = symusic.Track(program=(0, 24, 40, 48)[voice])
        for beat in range(240):
            velocity = 50 + (7 * beat) % 60
            track.notes.append(symusic.Note(beat * 480, 470, 48 + 7 * voice + (beat * 5) % 12, velocity))
        score.tracks.append(track)
    return score


def time_first_calls() -> None:
    """Time a fresh process up to its first feature."""
    heading("a fresh process up to its first feature (wall time)")
    for kind in KINDS.values():
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", FIRST_CALL.format(kind=kind.__name__)], check=True)
        row(kind.__name__, time.perf_counter() - started, "s")


def _configured(side: str, name: str) -> dict[str, Any]:
    parameters = yaml.safe_load((CONFIGURATION / "parameters/features.yml").read_text())
    values: dict[str, Any] = parameters[side]["features"][name]
    return values


def _copies(paths: list[Path], folder: Path) -> Path:
    folder.mkdir()
    for number, path in enumerate(paths):
        shutil.copyfile(path, folder / f"{number:04d}{path.suffix}")
    return folder


def _safe_copies(paths: list[Path], folder: Path) -> list[Path]:
    """Write the recordings as 16 kHz, 16 bit, mono, clipped to what openSMILE's integers hold."""
    folder.mkdir()
    written = []
    for number, path in enumerate(paths):
        samples, _ = read_audio(path, sample_rate_hz=RATE_HZ)
        written.append(folder / f"{number:04d}.wav")
        whole = np.clip(np.rint(samples * 32_768), -32_768, 32_767).astype(np.int16)
        soundfile.write(written[-1], whole, RATE_HZ, subtype="PCM_16")
    return written


if __name__ == "__main__":
    sys.exit(main())
