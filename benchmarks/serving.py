"""How quickly the server answers: alone, twenty at once, and from a library of 100,000 tracks.

    python benchmarks/serving.py [--rounds 5]

Run it in a project whose demo was made (`make run`): it starts `affetto serve` there, on a free port, and
sends three seconds of a synthetic voice. Prints medians and 95th percentiles.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import requests
import soundfile

from affetto.audio.recording import resample
from affetto.corpora.demo.voice import speak
from affetto.recommendation.likes import taste
from affetto.recommendation.parameters import RecommendParameters
from affetto.recommendation.recommender import Recommender
from affetto.recommendation.voice import VoiceEmotion, sort_emotions

RATE_HZ, SECONDS, AT_ONCE, N_TRACKS, N_THEMES = 16_000, 3, 20, 100_000, 5
VOICE, MUSIC = ("anger", "neutral", "sadness"), ("calm", "happy", "sad", "tense")
TEXT = "the seven men are sitting by the sea and nobody knows what they will do when the evening comes"


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often twenty are sent at once")
    rounds = parser.parse_args().rounds
    rank()
    command = [sys.executable, "-m", "affetto", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            serve(next(word for word in server.stdout.readline().split() if "http" in word), rounds)
        finally:
            server.terminate()


def serve(docs: str, rounds: int) -> None:
    """Ask a server, one request at a time and many at once."""
    address = docs.removesuffix("/docs")
    began = time.perf_counter()
    while not up(address):
        time.sleep(0.1)
    print(f"ready after {time.perf_counter() - began:.1f} s")
    content = recording()

    def ask(path: str = "/recommend") -> float:
        started = time.perf_counter()
        requests.post(f"{address}{path}", data=content, timeout=120).raise_for_status()
        return time.perf_counter() - started

    tell("first recording → playlist", [ask()])
    tell("recording → playlist, one at a time", [ask() for _ in range(20)])
    time.sleep(12)  # the server limits how much one client may ask for
    tell("recording → emotions, one at a time", [ask("/hear") for _ in range(20)])
    crowd = []
    for _ in range(rounds):
        time.sleep(12)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            crowd += pool.map(lambda _: ask(), range(AT_ONCE))
    tell(f"recording → playlist, {AT_ONCE} at once", crowd)


def up(address: str) -> bool:
    """Tell whether a server answers."""
    try:
        return requests.get(f"{address}/health", timeout=5).ok
    except requests.ConnectionError:
        return False


def recording() -> bytes:
    """Return three seconds of a synthetic voice, as WAV."""
    (samples,) = speak([("en-us", TEXT, 160, 100, 50, 50)])
    loud = np.flatnonzero(np.abs(samples) > 0.05 * np.abs(samples).max())
    voice = resample(samples[loud[0] :], 22_050, RATE_HZ)[: SECONDS * RATE_HZ]
    target = io.BytesIO()
    soundfile.write(target, voice / np.abs(voice).max() / 2, RATE_HZ, format="WAV")
    return target.getvalue()


def rank() -> None:
    """Rank a large library, made up by chance, with and without thumbs."""
    rng = np.random.default_rng(0)
    bridges = {"b": {emotion: {"calm": 0.7, "happy": 0.3} for emotion in VOICE}}
    taxonomy = {"emotions": {"music": MUSIC}, "bridges": bridges}
    parameters = RecommendParameters(voice="", bridge="b")
    recommender = Recommender(*library(rng), [], taxonomy, VOICE, parameters)
    emotions = sort_emotions(VOICE, rng.dirichlet(np.ones(len(VOICE))))
    heard = {"emotion": emotions[0].emotion, "emotions": emotions}
    voice = VoiceEmotion(name="voice", recording="voice", status="ok", **heard)
    likes = {f"m/{number}": number % 2 == 0 for number in range(100)}
    factors = taste(recommender.index, recommender.clip_ids, likes)
    for what, options in {"": None, ", with thumbs": factors}.items():
        times = timed(lambda o=options: recommender.adapted(parameters).recommend(voice, o))
        tell(f"{N_TRACKS:,} tracks ranked{what}", times)
    tell("factors of 100 thumbs", timed(lambda: taste(recommender.index, recommender.clip_ids, likes)))


def library(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make up tracks, and their themes; two tracks are parts of one file."""
    number, probabilities = np.arange(N_TRACKS), rng.dirichlet(np.full(len(MUSIC), 0.5), N_TRACKS)
    names = [f"m/{each}" for each in number]
    tracks = pd.DataFrame(
        {
            "clip_id": names,
            "root": "music",
            "path": [f"{each // 2}.wav" for each in number],
            "start_s": 30.0 * (number % 2),
            "end_s": 30.0 * (number % 2 + 1),
            "title": names,
            "duration_s": 30.0,
            "emotion": np.array(MUSIC)[probabilities.argmax(axis=1)],
            "theme": "calm/0",
            "theme_name": "calm: slow",
            "predicted_tags": "",
            "highlight_start_s": 0.0,
            "highlight_end_s": 15.0,
            "highlight_attention": 0.5,
            **{f"p_{emotion}": probabilities[:, i] for i, emotion in enumerate(MUSIC)},
        }
    )
    themes = [(emotion, f"{emotion}/{theme}") for emotion in MUSIC for theme in range(N_THEMES)]
    mixtures = pd.DataFrame(themes * N_TRACKS, columns=["emotion", "theme"])
    mixtures["clip_id"] = np.repeat(names, len(themes))
    mixtures["probability"] = rng.dirichlet(np.full(N_THEMES, 0.5), N_TRACKS * len(MUSIC)).ravel()
    return tracks, mixtures


def timed(function: Callable[[], Any], repetitions: int = 20) -> list[float]:
    """Return how long calls take, s."""
    times = []
    for _ in range(repetitions):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return times


def tell(what: str, seconds: Sequence[float]) -> None:
    """Print what was measured."""
    median, most = np.percentile(seconds, [50, 95]) * 1000
    print(f"{what:42s} median {median:6.0f} ms   p95 {most:6.0f} ms   n {len(seconds)}")


if __name__ == "__main__":
    main()
