"""Fetching, from a real server on this machine that can be made to fail."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import http.server
import io
import re
import threading
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from affetto.corpora import fetch as fetch_module
from affetto.corpora.fetch import DOWNLOAD_FOLDER, fetch_source, unpack
from affetto.corpora.sources import SOURCES
from affetto.corpora.sources.source import Download
from affetto.errors import AffettoError

PIECE = fetch_module._CHUNK_BYTES
CONTENT = np.random.default_rng(0).integers(0, 256, 300_000, dtype=np.uint8).tobytes()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        server.seen.append(dict(self.headers))
        if server.status is not None:
            status, server.status = server.status, server.status if server.always else None
            self.send_error(status)
            return
        content = server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = self.wanted_start(content)
        if start is not None and start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200 if start is None else 206)
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        body = content[start or 0 :]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.cuts:
            body = body[: server.cuts.pop(0)]
            self.close_connection = True
        self.wfile.write(body)

    def wanted_start(self, content):
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(asked[1]) if asked and self.server.ranges else None

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    """A server of `files`; `cuts` are the bytes after which it drops the next connections."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.files, running.seen, running.cuts = {"/x.bin": CONTENT}, [], []
        running.status, running.always, running.ranges = None, False, True
        running.url = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def fetch(server, tmp_path, monkeypatch):
    """Fetch `/x.bin`, or another file of the server, into a folder."""

    monkeypatch.setattr(fetch_module, "_PAUSE_S", 0.001)
    monkeypatch.setattr(fetch_module, "_ATTEMPTS", 3)

    def run(path="/x.bin", content=None, *, attempts=3, checksum=None, folder=tmp_path):
        published = server.files.get(path, CONTENT) if content is None else content
        checksum = checksum or f"md5:{hashlib.md5(published).hexdigest()}"
        source = dataclasses.replace(SOURCES["emodb"], downloads=(Download(server.url + path, checksum),))
        fetch_module._ATTEMPTS = attempts
        return fetch_source(source, folder)

    return run


def zipped(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def files_below(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_a_file_is_fetched_once(fetch, server, tmp_path, algorithm):
    fetch(checksum=f"{algorithm}:{hashlib.new(algorithm, CONTENT).hexdigest()}")
    assert files_below(tmp_path) == {"x.bin": CONTENT}
    assert server.seen[0]["Accept-Encoding"] == "identity"

    fetch()
    assert len(server.seen) == 1


@pytest.mark.parametrize("kind", [KeyboardInterrupt, OSError(errno.ENOSPC, "No space left on device")])
def test_ctrl_c_and_a_full_disk_keep_what_arrived(fetch, server, tmp_path, monkeypatch, kind):
    monkeypatch.setattr("tqdm.tqdm", lambda **_: StoppingBar(kind, after=2))
    expected = KeyboardInterrupt if kind is KeyboardInterrupt else AffettoError
    with pytest.raises(expected) as caught:
        fetch()
    if expected is AffettoError:
        assert "No space left on device): make room" in str(caught.value)
    assert files_below(tmp_path) == {"x.bin.partial": CONTENT[: 2 * PIECE]}

    monkeypatch.undo()
    fetch()
    assert files_below(tmp_path) == {"x.bin": CONTENT}
    assert server.seen[-1]["Range"] == f"bytes={2 * PIECE}-"


class StoppingBar:
    """A progress bar in the middle of which the disk fills up or the user loses patience."""

    def __init__(self, error, after):
        self.error, self.left = error, after

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def update(self, _):
        self.left -= 1
        if self.left == 0:
            raise self.error


def test_a_file_that_changed_in_between_is_told_by_its_checksum(fetch, server, tmp_path):
    server.files["/x.bin"] = CONTENT[::-1]
    server.cuts[:] = [100_000, 0]
    with pytest.raises(AffettoError):
        fetch(attempts=1, content=CONTENT)
    server.files["/x.bin"] = CONTENT
    with pytest.raises(AffettoError, match="was deleted: fetch it again"):
        fetch()
    fetch()
    assert files_below(tmp_path) == {"x.bin": CONTENT}


def test_a_file_of_the_user_is_not_replaced(fetch, server, tmp_path):
    (tmp_path / "x.bin").write_bytes(b"mine")
    with pytest.raises(AffettoError, match="move it away and fetch again"):
        fetch()
    assert files_below(tmp_path) == {"x.bin": b"mine"}
    assert server.seen == []


def test_404(fetch, server, tmp_path):
    with pytest.raises(AffettoError, match="the server answers 404 Not Found; get the corpus from its home"):
        fetch("/missing.bin")
    assert len(server.seen) == 1
    assert files_below(tmp_path) == {}


def test_a_busy_server_is_asked_again(fetch, server, tmp_path):
    server.status = 503
    fetch()
    assert files_below(tmp_path) == {"x.bin": CONTENT}

    server.status, server.always = 503, True
    with pytest.raises(AffettoError, match="answers 503 Service Unavailable; what has arrived is kept"):
        fetch(folder=tmp_path / "other")
    assert len(server.seen) == 2 + 3


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=15)
@given(cuts=st.lists(st.integers(0, 120_000), max_size=6), ranges=st.booleans())
def test_wherever_the_connection_is_cut_the_file_is_whole(server, fetch, tmp_path_factory, cuts, ranges):
    server.cuts[:], server.ranges = cuts, ranges
    folder = tmp_path_factory.mktemp("corpus")
    fetch(attempts=8, folder=folder)
    assert files_below(folder) == {"x.bin": CONTENT}


def test_archives_are_unpacked_beside_what_is_there(fetch, server, tmp_path):
    packed = {"x/wav/a.wav": b"a", "x/wav/b.wav": b"bb", "x/李/“c”.wav": b""}
    server.files["/x.zip"] = zipped(packed)
    (tmp_path / "x/wav").mkdir(parents=True)
    (tmp_path / "x/wav/b.wav").write_bytes(b"mine")
    (tmp_path / "notes.txt").write_bytes(b"mine, too")

    fetched = fetch("/x.zip")

    there = files_below(tmp_path)
    assert there.pop(f"{DOWNLOAD_FOLDER}/x.zip") == server.files["/x.zip"]
    assert there == packed | {"x/wav/b.wav": b"mine", "notes.txt": b"mine, too"}
    assert (fetched.written, fetched.different) == (2, ("x/wav/b.wav",))

    again = fetch("/x.zip")
    assert (again.written, again.different) == (0, ("x/wav/b.wav",))
    assert len(server.seen) == 1


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "..\\evil", "C:\\evil"])
def test_no_entry_of_an_archive_lands_outside_the_folder(tmp_path, name):
    archive = tmp_path / "x.zip"
    archive.write_bytes(zipped({"good.wav": b"", name: b"evil"}))

    assert unpack(archive, tmp_path / "corpus").written == 2
    assert {path.name for path in tmp_path.iterdir()} == {"x.zip", "corpus"}
    assert len(files_below(tmp_path / "corpus")) == 2


def test_damaged_archives_are_one_sentence(tmp_path):
    whole = zipped({f"{number}.wav": CONTENT[:5_000] for number in range(20)})
    for damaged in (b"", b"no archive", whole[: len(whole) // 2], whole[:3_000] + b"\0" * 50 + whole[3_050:]):
        (tmp_path / "x.zip").write_bytes(damaged)
        with pytest.raises(AffettoError, match="is damaged"):
            unpack(tmp_path / "x.zip", tmp_path / "corpus")
        assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_sources_without_downloads_say_where_to_get_them(tmp_path):
    locked = dataclasses.replace(SOURCES["emodb"], downloads=())
    with pytest.raises(AffettoError, match=r"cannot be fetched by a command .* get it from http"):
        fetch_source(locked, tmp_path / "x")
    with pytest.raises(AffettoError, match="folders is no published corpus"):
        fetch_source(SOURCES["folders"], tmp_path / "x")
    assert not (tmp_path / "x").exists()
