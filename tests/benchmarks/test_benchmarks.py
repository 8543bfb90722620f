"""The benchmarks run and print what they promise; their figures are not judged here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
STEPS = (
    "make clips",
    "index",
    "audit",
    "copies",
    "features",
    "features, again",
    "codebook",
    "audio words",
    "LDA",
)


def run(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def test_scale_goes_on_where_it_stopped_and_cleans_up(tmp_path: Path) -> None:
    folder, other = tmp_path / "affetto-scale", tmp_path / "thesis.txt"
    folder.mkdir()
    other.write_text("not the check's")
    sizes = {"n_clips": 50, "wall_s": 1.0, "cpu_s": 2.0, "peak_mb": 90.0, "mapped_mb": 9.0}
    lines = [json.dumps({"step": step, **sizes}) for step in STEPS]
    (folder / "results_50.jsonl").write_text("\n".join(lines) + "\n")  # as an earlier run left it
    first = run("scale.py", "--clips", "50", "100", "--folder", tmp_path, "--jobs", "1", "--keep")
    assert first.returncode == 0, first.stderr
    assert len(list((folder / "100/clips").rglob("*.wav"))) == 100
    progress, table = first.stdout.split("\n\n")
    assert [line[:16].strip() for line in progress.splitlines()] == list(STEPS)
    rows = table.splitlines()[1:]
    assert [line[:16].strip() for line in rows] == [step for step in STEPS for _ in range(2)]
    assert [line[16:24].strip() for line in rows] == ["50", "100"] * len(STEPS)
    assert all(("✓" in line or "✗" in line) == (line[16:24].strip() == "100") for line in rows)
    second = run("scale.py", "--clips", "50", "100", "--folder", tmp_path)
    assert second.stdout.strip() == table.strip()
    assert list(tmp_path.iterdir()) == [other]


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voices")
    rng = np.random.default_rng(0)
    for number in range(6):
        time = np.arange(16_000) / 16_000
        hum = np.sign(np.sin(2 * np.pi * (110 + 20 * number) * time)) * 0.2 * np.sin(np.pi * time)
        soundfile.write(folder / f"{number}.wav", hum + 0.01 * rng.normal(size=16_000), 16_000)
    return folder


def test_features_are_set_beside_the_libraries(voices: Path, tmp_path: Path) -> None:
    done = run("features.py", voices, "--repeat", "1", "--nkululeko", tmp_path / "nothing", "--music", voices)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    # Same numbers as librosa and opensmile, which unlike times must hold on any machine.
    differences = [line for line in lines if line.startswith("largest ")]
    assert len(differences) == 3
    assert all(line.endswith("✓") for line in differences), differences
    for promised in (
        "librosa",
        "mid-term features",
        "openSMILE's C++ code alone",
        "opensmile package, process_files, 2 worker(s)",
    ):
        assert any(line.startswith(promised) and "x real time" in line for line in lines)
    assert sum(line.startswith("index + audit + store") for line in lines) == 2
    assert any(line.startswith("nkululeko: not measured") for line in lines)


@pytest.mark.parametrize(
    ("script", "arguments", "promised"),
    [
        (
            "latency.py",
            ("--runs", "2"),
            ("decode, median", "from file to probabilities, 95th"),
        ),
        ("interval_coverage.py", ("--repeats", "4"), ("this project's", "percentile")),
    ],
)
def test_figures_are_printed(script: str, arguments: tuple[str, ...], promised: tuple[str, ...]) -> None:
    done = run(script, *arguments)
    assert done.returncode == 0, done.stderr
    assert all(figure in done.stdout for figure in promised)
