"""A real server with a small model and a library of sounds, for all tests of it."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile
import uvicorn

from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.features.table import MfccParameters
from affetto.models.estimator import build_estimator, load_estimator
from affetto.recommendation.parameters import RecommendParameters
from affetto.serving.api import serving
from affetto.serving.guard import head_within
from affetto.serving.service import Service
from affetto.serving.uploads import ServeParameters

TAXONOMY = {
    "emotions": {"music": ["calm", "sad", "tense"]},
    "bridges": {
        "congruent": {"anger": {"tense": 1.0}, "sadness": {"sad": 1.0}},
        "uplift": {"anger": {"calm": 1.0}, "sadness": {"calm": 0.5, "sad": 0.5}},
    },
}
CARDS = [
    {"emotion": emotion, "theme": f"{emotion}/{number}", "name": f"{emotion}: {name}"}
    for emotion in ("calm", "sad")
    for number, name in enumerate(("slow", "bright"))
]
FORMATS = ("flac", "wav", "aiff", "ogg")


@pytest.fixture(scope="session")
def voice_model(tmp_path_factory: pytest.TempPathFactory, voice_of: Callable[..., np.ndarray]) -> Path:
    """Return the folder of a model that tells a voice from the same voice with a hum."""
    parameters = MfccParameters(sample_rate_hz=16_000)
    rng, clips = np.random.default_rng(0), []
    for number in range(24):
        part = voice_of(4)[number * 1000 :][:32_000]
        hum = np.sin(np.arange(32_000) * (0.05 + 0.001 * number)).astype(np.float32)
        clips.append(part + (0.2 * hum if number % 2 else 0) + rng.normal(0, 1e-3, 32_000))
    arrays = [parameters.extract(clip.astype(np.float32), 16_000) for clip in clips]
    ids = [f"v/{number}" for number in range(len(clips))]
    described = {"dimensions": parameters.dimensions(), "parameters": parameters.describe()}
    features = ClipFeatures.from_arrays("mfcc", ids, arrays, hop_s=parameters.frame_s, **described)
    model = build_estimator("statistics_svm", {"C": 1.0})
    labels = ["sadness" if number % 2 else "anger" for number in range(len(clips))]
    model.fit(FeatureSet({"mfcc": features}), labels, [str(number // 4) for number in range(len(clips))])
    model.learnt_from_ = {"name": "small", "corpus": "test", "clips": len(clips), "groups": 6}
    folder = tmp_path_factory.mktemp("voice_model")
    model.save(folder)
    return folder


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Return a library of ten sounds of four formats, one of them with an odd name."""
    root, rng, n = tmp_path_factory.mktemp("music"), np.random.default_rng(1), 10
    paths = [f"{number}.{FORMATS[number % 4]}" for number in range(n)]
    for path in paths:
        soundfile.write(root / path, rng.normal(0, 0.1, 8000), 8000)
    probabilities = rng.dirichlet([1, 1], n)
    sure = probabilities[:, 0] > 0.5
    tracks = pd.DataFrame(
        {
            "clip_id": [f"m/{number}" if number else "m/ünd #1? 100%/a" for number in range(n)],
            "corpus": "m",
            "root": str(root),
            "path": paths,
            "start_s": np.nan,
            "end_s": np.nan,
            "title": [f"Tune {number}" for number in range(n)],
            "duration_s": 60.0,
            "emotion": np.where(sure, "calm", "sad"),
            "theme": np.where(sure, "calm/0", "sad/0"),
            "theme_name": np.where(sure, "calm: slow", "sad: slow"),
            "theme_probability": 0.9,
            "predicted_tags": "",
            "highlight_start_s": 0.0,
            "highlight_end_s": 15.0,
            "highlight_attention": 0.5,
            "p_calm": probabilities[:, 0],
            "p_sad": probabilities[:, 1],
        }
    )
    rows = [
        (clip, emotion, f"{emotion}/{theme}", 0.9 if theme == number % 2 else 0.1)
        for number, clip in enumerate(tracks["clip_id"])
        for emotion in ("calm", "sad")
        for theme in (0, 1)
    ]
    mixtures = pd.DataFrame(rows, columns=["clip_id", "emotion", "theme", "probability"])
    return {"tracks": tracks, "mixtures": mixtures, "cards": json.loads(json.dumps(CARDS))}


@pytest.fixture(scope="session")
def service(voice_model: Path, library: dict) -> Service:
    parameters = RecommendParameters(voice="x", bridge="uplift", top=4)
    return Service(load_estimator(voice_model), parameters, TAXONOMY, library)


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., SimpleNamespace]]:
    """Return what starts a server: `address`, `host`, `port` and the `folder` of its temporary files."""
    running = []
    before = tempfile.tempdir

    def begin(service: Service, *, page: bool = False, **limits: object) -> SimpleNamespace:
        folder = tmp_path_factory.mktemp("server")
        tempfile.tempdir = str(folder)
        given = {"likes": str(folder / "likes" / "likes.sqlite"), "burst": 10**6, **limits}
        chosen = ServeParameters(**{"requests_per_minute": 1e9, **given})
        context = serving(service, chosen, page=page)
        app = context.__enter__()
        options = {"log_level": "warning", "proxy_headers": False, "http": head_within(chosen.receive_s)}
        server = uvicorn.Server(uvicorn.Config(app, port=0, **options))
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        running.append((server, thread, context))
        address = f"http://127.0.0.1:{port}"
        return SimpleNamespace(address=address, host="127.0.0.1", port=port, folder=folder)

    yield begin
    for server, thread, context in running:
        server.should_exit = True
        thread.join()
        context.__exit__(None, None, None)
    tempfile.tempdir = before


@pytest.fixture(scope="session")
def server(start: Callable[..., SimpleNamespace], service: Service) -> SimpleNamespace:
    return start(service, receive_s=2.0, upload_bytes=3_000_000, decode_s=10.0)


@pytest.fixture(scope="session")
def recording(voice_of: Callable[..., np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return three seconds of a voice, as WAV."""
    path = tmp_path_factory.mktemp("recording") / "voice.wav"
    soundfile.write(path, voice_of(3), 16_000)
    return path.read_bytes()
