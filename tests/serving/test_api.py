"""What the API answers, that its description is true, and that likes outlive a killed server."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import quote

import numpy as np
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import status_code_conformance

from affetto.serving.guard import Rate
from affetto.serving.likes import Likes
from affetto.serving.service import Service
from affetto.serving.uploads import private_folder


def wait_for(address):
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with suppress(requests.ConnectionError):
            requests.get(f"{address}/health", timeout=10)
            return
        time.sleep(0.05)


def post(server, path, **options):
    return requests.post(f"{server.address}{path}", timeout=60, **options)


def test_a_recording_is_heard_and_answered(server, recording, service):
    heard = post(server, "/hear", data=recording).json()
    assert heard["status"] == "ok"
    assert heard["heard_by"]["name"] == "small"
    (step,) = heard["steps"]
    assert sum(step["emotions"].values()) == pytest.approx(1, abs=1e-5)
    answer = post(server, "/recommend?top=3", data=recording).json()
    assert answer["voice_emotions"] == heard["emotions"]
    assert [track["rank"] for track in answer["tracks"]] == [1, 2, 3]
    known = {entry["emotion"]: entry["probability"] for entry in heard["emotions"]}
    again = post(server, "/recommend?top=3", json={"emotions": known}).json()
    assert again["tracks"] == answer["tracks"]
    lengths = [
        track["duration_s"]
        for track in post(server, "/recommend?minutes=6", json={"emotions": known}).json()["tracks"]
    ]
    assert sum(lengths) == 6 * 60


def test_a_long_recording_has_steps(server, voice_of, tmp_path):
    import soundfile

    path = tmp_path / "long.flac"
    soundfile.write(path, np.concatenate([voice_of(5), voice_of(5)]), 16_000)
    heard = post(server, "/hear", data=path.read_bytes()).json()
    assert len(heard["steps"]) == 10
    assert heard["steps"][-1]["end_s"] == pytest.approx(10)
    assert heard["timeline"]["spans"]


def test_no_answer_names_a_path_of_the_server(server, recording, library):
    places = (str(server.folder), library["tracks"]["root"].iloc[0], "site-packages")
    for answer in (
        post(server, "/hear", data=recording),
        post(server, "/recommend", data=recording),
        requests.get(f"{server.address}/library", timeout=10),
        requests.get(f"{server.address}/health", timeout=10),
        requests.get(f"{server.address}/openapi.json", timeout=10),
    ):
        assert answer.ok
        assert not any(place in answer.text for place in places)


def test_the_audio_of_every_track_can_be_played(server, recording, library):
    played = {b"fLaC": "audio/flac", b"RIFF": "audio/wav", b"OggS": "audio/ogg"}  # and no AIFF
    for track in post(server, "/recommend?top=10", data=recording).json()["tracks"]:
        answer = requests.get(f"{server.address}{track['path']}", headers={"Range": "bytes=0-3"}, timeout=20)
        assert answer.status_code == 206
        assert answer.headers["content-type"] == played[answer.content]


def test_the_library_is_searched(server, library):
    def ask(query):
        return requests.get(f"{server.address}/library{query}", timeout=10).json()

    assert ask("")["total"] == 10
    assert [track["title"] for track in ask("?offset=2&limit=2")["tracks"]] == ["Tune 2", "Tune 3"]
    assert [track["title"] for track in ask("?search=TUNE 7")["tracks"]] == ["Tune 7"]
    assert ask("?search=.*")["total"] == 0
    sad = ask("?emotion=sad&theme=sad/0")
    assert sad["total"] == (library["tracks"]["emotion"] == "sad").sum()
    for track in sad["tracks"]:  # sad (-1, -1) and calm (1, -1)
        probabilities = {entry["emotion"]: entry["probability"] for entry in track["emotions"]}
        assert track["x"] == pytest.approx(probabilities["calm"] - probabilities["sad"], abs=1e-5)
        assert track["y"] == pytest.approx(-1)
    assert len(ask("/themes")) == 4


def test_thumbs_shift_the_next_playlist_and_can_be_forgotten(server, recording):
    def listed():
        return [
            track["clip_id"]
            for track in post(server, "/recommend?top=10&diversity=0", data=recording).json()["tracks"]
        ]

    def thumb(clip_id, like):
        answer = requests.put(f"{server.address}/likes/{quote(clip_id)}", json={"like": like}, timeout=10)
        assert answer.json() == {"like": like}

    before = listed()
    thumb(before[0], False)
    thumb(before[4], True)
    shifted = listed()
    assert before[0] not in shifted
    assert shifted.index(before[4]) < before.index(before[4])
    answer = requests.get(f"{server.address}/likes", timeout=10).json()
    assert answer["likes"] == {before[0]: False, before[4]: True}
    assert requests.delete(f"{server.address}/likes/{quote(before[4])}", timeout=10).json() == {
        "forgotten": 1
    }
    assert requests.delete(f"{server.address}/likes", timeout=10).json() == {"forgotten": 1}
    assert listed() == before


def test_without_a_library_the_command_is_named(start, voice_model, recording, service):
    from affetto.models.estimator import load_estimator

    bare = Service(
        load_estimator(voice_model), service.parameters, {"emotions": {"music": []}}, None, "Make one."
    )
    server = start(bare)
    assert post(server, "/hear", data=recording).ok
    for answer in (
        post(server, "/recommend", data=recording),
        requests.get(f"{server.address}/library", timeout=9),
    ):
        assert (answer.status_code, answer.json()) == (503, {"error": "Make one."})


def test_twenty_at_once_are_answered_and_more_are_told_to_wait(server, start, service, recording):
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: post(server, "/recommend", data=recording), range(20)))
    assert [answer.status_code for answer in answers] == [200] * 20
    assert len({answer.text for answer in answers}) == 1
    narrow = start(service, queue=1)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: post(narrow, "/hear", data=recording), range(20)))
    busy = [answer for answer in answers if answer.status_code == 503]
    assert busy and len(busy) < 20
    assert all(answer.headers["retry-after"] for answer in busy)
    quick = start(service, requests_per_minute=1, burst=2)
    assert [post(quick, "/hear", data=b"x").status_code for _ in range(4)] == [400, 400, 429, 429]


def test_tokens_come_back_with_time():
    rate = Rate(per_minute=60, burst=2)
    assert [rate.take("a", 0.0) for _ in range(3)] == [True, True, False]
    assert rate.take("b", 0.0)
    assert [rate.take("a", 1.5), rate.take("a", 1.5), rate.take("a", 2.0)] == [True, False, True]


def test_errors_of_the_server_tell_a_number_only(server, service, monkeypatch, caplog):
    def fail(**_):
        raise RuntimeError("secret")

    monkeypatch.setattr(service, "browse", fail)
    answer = requests.get(f"{server.address}/library", timeout=10)
    assert answer.status_code == 500
    (number,) = re.findall(r"error (\w{12})\.$", answer.json()["error"])
    assert "secret" not in answer.text
    assert number in caplog.text
    assert "secret" in caplog.text


def test_folders_of_killed_servers_are_swept(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    old = tmp_path / "affetto-serve-old"
    old.mkdir()
    (old / "lock").touch()
    (old / "recording").touch()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "affetto-serve-link").symlink_to(elsewhere)
    with private_folder() as first, private_folder() as second:
        assert first.is_dir() and second.is_dir() and not old.exists()
        assert stat.S_IMODE(second.stat().st_mode) == 0o700
    assert not first.exists()
    assert elsewhere.exists()


def test_every_acknowledged_like_survives_kill_9(tmp_path, voice_model, library, monkeypatch):
    """A real server process is killed while likes arrive; its file is opened again, its folder swept."""
    for name in ("tracks", "mixtures"):
        library[name].to_parquet(tmp_path / f"{name}.parquet")
    script = tmp_path / "server.py"
    script.write_text(_SERVER)
    path, acknowledged = tmp_path / "likes.sqlite", {}
    command = [sys.executable, str(script), str(voice_model), str(path)]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
    address = process.stdout.readline().strip()
    wait_for(address)
    stop = threading.Timer(1.0, process.send_signal, [signal.SIGKILL])
    stop.start()
    try:
        for turn in range(100_000):
            clip_id, like = f"m/{1 + turn % 9}", (turn // 9) % 2 == 0
            assert requests.put(f"{address}/likes/{clip_id}", json={"like": like}, timeout=10).ok
            acknowledged[clip_id] = like
    except requests.RequestException:
        unsure = clip_id  # it may be there, or not
    process.wait()
    process.stdout.close()
    likes = Likes(path)
    found = likes.all()
    likes.close()
    assert turn > 20
    assert {**acknowledged, unsure: None} == {**found, unsure: None}
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert len(list(tmp_path.glob("affetto-serve-*"))) == 1
    with private_folder() as folder:
        assert list(tmp_path.glob("affetto-serve-*")) == [folder]


_SERVER = """
import sys
from pathlib import Path

import pandas as pd
import uvicorn

from affetto.models.estimator import load_estimator
from affetto.recommendation.parameters import RecommendParameters
from affetto.serving.api import serving
from affetto.serving.service import Service
from affetto.serving.uploads import ServeParameters

TAXONOMY = {
    "emotions": {"music": ["calm", "sad"]},
    "bridges": {"congruent": {"anger": {"calm": 1.0}, "sadness": {"sad": 1.0}}},
}

if __name__ == "__main__":
    library = {name: pd.read_parquet(f"{name}.parquet") for name in ("tracks", "mixtures")}
    service = Service(
        load_estimator(Path(sys.argv[1])), RecommendParameters(voice="x"), TAXONOMY, {**library, "cards": []}
    )
    limits = ServeParameters(likes=sys.argv[2], burst=10**6)
    with serving(service, limits) as app:
        config = uvicorn.Config(app, port=0, log_level="warning")
        listening = config.bind_socket()
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        uvicorn.Server(config).run(sockets=[listening])
"""


def test_the_description_is_true_for_made_up_requests(server):
    """No made-up request ends in an error of the server, or a status that is not described."""
    described = schemathesis.openapi.from_url(f"{server.address}/openapi.json")
    calls = [result.ok() for result in described.get_all_operations()]
    assert len(calls) == 10
    for call in calls:

        @given(case=call.as_strategy())
        @settings(max_examples=50, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
        def ask(case):
            case.call_and_validate(checks=[not_a_server_error, status_code_conformance], timeout=60)

        ask()
