"""What is sent to break the server is refused in a sentence, and nothing of it stays."""

from __future__ import annotations

import gzip
import io
import lzma
import math
import socket
import struct
import tarfile
import time
import zipfile

import av
import numpy as np
import pytest
import requests
import soundfile

RATE_HZ = 16_000
SOUNDFILE = {
    "wav": ("WAV", "PCM_16"),
    "wav_float": ("WAV", "FLOAT"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "aiff": ("AIFF", "PCM_16"),
    "au": ("AU", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "w64": ("W64", "PCM_16"),
}
FFMPEG = {
    "webm": ("webm", "libopus", 48_000),
    "m4a": ("mp4", "aac", 16_000),
    "mka": ("matroska", "flac", 16_000),
}
CUTS = (0.003, 0.02, 0.1, 0.3, 0.6, 0.95)
N_MUTATED = 60


def encode(kind, samples, rate=RATE_HZ):
    target = io.BytesIO()
    if kind in SOUNDFILE:
        container, subtype = SOUNDFILE[kind]
        soundfile.write(target, samples, rate, subtype, format=container)
        return target.getvalue()
    container, codec, codec_rate = FFMPEG[kind]
    with av.open(target, "w", format=container) as file:
        stream = file.add_stream(codec, rate=codec_rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.int16(samples * 32767)[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        for packet in (*stream.encode(frame), *stream.encode(None)):
            file.mux(packet)
    return target.getvalue()


def wav_header(rate, channels, bits, data_bytes, kind=1):
    block = channels * bits // 8 % 65536
    format_chunk = struct.pack("<HHIIHH", kind, channels, rate, rate * block % 2**32, block, bits)
    return (
        b"RIFF" + struct.pack("<I", min(data_bytes + 36, 2**32 - 1)) + b"WAVEfmt " + struct.pack("<I", 16)
        + format_chunk + b"data" + struct.pack("<I", data_bytes)
    )  # fmt: skip


def archive(kind, content):
    target = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("../../../../tmp/evil.wav", content)
    else:
        with tarfile.open(fileobj=target, mode="w:gz") as file:
            entry = tarfile.TarInfo("../../../../tmp/evil.wav")
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))
    return target.getvalue()


def truncated(voice):
    for kind in (*SOUNDFILE, *FFMPEG):
        whole = encode(kind, voice)
        for share in CUTS:
            yield f"{kind} cut at {share}", whole[: max(1, round(share * len(whole)))]


def mutated(voice):
    rng = np.random.default_rng(0)
    kinds = (*SOUNDFILE, *FFMPEG)
    for number in range(N_MUTATED):
        kind = kinds[number % len(kinds)]
        content = bytearray(encode(kind, voice))
        most = 200 if number % 2 else len(content)  # headers, and all of it
        for place in rng.integers(0, most, 30):
            content[place] = rng.integers(256)
        yield f"{kind} mutated {number}", bytes(content)


def bombs(voice):
    data = encode("wav", voice)[44:]
    yield "two hours of silence in FLAC", encode("flac", np.zeros(2 * 3600 * 8000, np.int16), 8000)
    yield "eleven minutes of silence in Opus", encode("opus", np.zeros(11 * 60 * 8000, np.int16), 8000)
    yield (
        "gigabytes of silence in eight channels",
        encode("flac", np.zeros((7_000_000, 8), np.int16), 192_000),
    )
    yield "half an hour of 8 kHz", wav_header(1000, 1, 8, 2_900_000) + bytes(2_900_000)
    yield "a header of ten hours", wav_header(8000, 1, 8, 288_000_000) + data
    yield "a header of 4 GB", wav_header(RATE_HZ, 1, 16, 2**32 - 1) + data
    yield "1000 channels", wav_header(RATE_HZ, 1000, 16, len(data)) + data
    yield "65535 channels", wav_header(RATE_HZ, 65535, 16, len(data)) + data
    yield "a rate of 1 Hz", wav_header(1, 1, 16, len(data)) + data
    yield "a rate of 0 Hz", wav_header(0, 1, 16, len(data)) + data
    yield "a rate of 4 GHz", wav_header(2**32 - 1, 1, 16, len(data)) + data
    yield "0 bits", wav_header(RATE_HZ, 1, 0, len(data)) + data
    yield "zip bomb", archive("zip", bytes(10_000_000))
    yield "tar bomb", archive("tar", bytes(10_000_000))
    yield "gzip bomb", gzip.compress(bytes(10_000_000))
    yield "xz bomb", lzma.compress(bytes(10_000_000))
    yield "gzip of a recording", gzip.compress(encode("wav", voice))
    flac = bytearray(encode("flac", voice))
    flac[21:26] = b"\xff" * 5  # number of samples
    yield "FLAC of 2^36 samples", bytes(flac)


def others(voice):
    wav, floats = encode("wav", voice), encode("wav_float", voice)
    bad = np.frombuffer(floats[-4 * len(voice) :], np.float32).copy()
    for name, value in {"NaN": np.nan, "infinite": np.inf, "huge": 1e38}.items():
        bad[::2] = value
        yield f"{name} samples", floats[: -4 * len(voice)] + bad.tobytes()
    yield "one sample", encode("wav", voice[:1])
    yield "no sample", encode("wav", voice[:0])
    yield "silence", encode("wav", np.zeros(RATE_HZ))
    yield "noise", encode("wav", np.random.default_rng(0).normal(0, 0.1, RATE_HZ))
    yield "zeros", bytes(100_000)
    yield "ones", b"\xff" * 100_000
    yield "one byte", b"R"
    yield "random", np.random.default_rng(0).bytes(100_000)
    for name, head in {
        "HTML": b"<!doctype html><script>alert(1)</script>",
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
        "XML entities": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        "ELF": b"\x7fELF\x02\x01\x01" + bytes(57),
        "EXE": b"MZ\x90\x00",
        "PDF": b"%PDF-1.7\n",
        "PNG": b"\x89PNG\r\n\x1a\n",
        "GIF": b"GIF89a",
        "JSON": b'{"emotions": {"anger": 1}}',
        "shell": b"#!/bin/sh\nrm -rf /\n",
        "pickle": b"\x80\x04\x95cposix\nsystem\n",
        "HLS": b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        "concat": b"ffconcat version 1.0\nfile /etc/passwd\n",
        "SDP": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n",
        "MIDI": b"MThd\x00\x00\x00\x06\x00\x01\x00\x01\x01\xe0MTrk\xff\xff\xff\xff",
        "git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "SQLite": b"SQLite format 3\x00",
        "ID3 and nothing": b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f",
        "RIFF and nothing": b"RIFF\xff\xff\xff\xffWAVE",
        "MP4 and nothing": b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00",
        "Ogg and nothing": b"OggS\x00\x02" + bytes(20),
        "EBML and nothing": b"\x1a\x45\xdf\xa3\x01\xff\xff\xff\xff\xff\xff\xff",
    }.items():
        yield name, head
        yield f"{name} before a recording", head + wav
        yield f"{name} behind a recording", wav + head


HOSTILE = (truncated, mutated, bombs, others)


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_recordings(kind, server, voice_of):
    voice, wrong = voice_of(2), {}
    for number, (name, content) in enumerate(kind(voice)):
        answer = requests.post(f"{server.address}/hear", data=content, timeout=60)
        fine = answer.status_code == 200 and math.isclose(
            sum(entry["probability"] for entry in answer.json()["emotions"]), 1.0, abs_tol=1e-5
        )
        refused = 400 <= answer.status_code < 500 and set(answer.json()) == {"error"}
        if not (fine or refused) or "/tmp" in answer.text or "Traceback" in answer.text:
            wrong[name] = (answer.status_code, answer.text[:200])
        if number % 20 == 0:
            assert requests.get(f"{server.address}/health", timeout=10).ok
    assert not wrong
    assert_no_residue(server)


def test_decoding_has_a_time_limit(start, service, recording):
    impatient = start(service, decode_s=0.001)
    for _ in range(3):
        answer = requests.post(f"{impatient.address}/hear", data=recording, timeout=30)
        assert (answer.status_code, "to decode" in answer.json()["error"]) == (413, True)
    assert_no_residue(impatient)


def test_decoding_has_a_limit_of_memory(start, service, recording):
    starved = start(service, decode_bytes=100_000_000)
    bomb = encode("flac", np.zeros((7_000_000, 8), np.int16), 192_000)
    answer = requests.post(f"{starved.address}/hear", data=bomb, timeout=30)
    assert (answer.status_code, "more memory" in answer.json()["error"]) == (413, True), answer.text
    assert requests.post(f"{starved.address}/hear", data=recording, timeout=30).ok
    assert_no_residue(starved)


def test_there_are_200_of_them(voice_of):
    assert sum(sum(1 for _ in kind(voice_of(2))) for kind in (truncated, mutated, others)) >= 200


def assert_no_residue(server):
    (private,) = server.folder.glob("affetto-serve-*")
    assert private.stat().st_mode & 0o777 == 0o700
    until = time.monotonic() + 5
    while (found := sorted(path.name for path in private.iterdir())) != ["lock", "tracks"]:
        assert time.monotonic() < until, found
        time.sleep(0.05)
    assert {path.name for path in server.folder.iterdir()} == {private.name, "likes"}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/hear", b"", 400),
        ("POST", "/recommend", b"{", 422),
        ("POST", "/recommend", b"[]", 422),
        ("POST", "/recommend", b"null", 422),
        ("POST", "/recommend", b"\xff\xfe", 422),
        ("POST", "/recommend", b"[" * 50_000, 422),
        ("POST", "/recommend", b" " * 200_000, 413),
        ("POST", "/recommend", b"{}", 422),
        ("POST", "/recommend", b'{"emotions": {}}', 422),
        ("POST", "/recommend", b'{"emotions": []}', 422),
        ("POST", "/recommend", b'{"emotions": {"anger": -1}}', 422),
        ("POST", "/recommend", b'{"emotions": {"anger": 2}}', 422),
        ("POST", "/recommend", b'{"emotions": {"anger": NaN}}', 422),
        ("POST", "/recommend", b'{"emotions": {"anger": 1e999}}', 422),
        ("POST", "/recommend", b'{"emotions": {"anger": "much"}}', 422),
        ("POST", "/recommend", b'{"emotions": {"anger": null}}', 422),
        ("POST", "/recommend", b'{"emotions": {"anger": 0}}', 422),
        ("POST", "/recommend", b'{"emotions": {"joyous": 1}}', 422),
        ("POST", "/recommend", b'{"emotions": {"\\ud800": 1}}', 422),
        ("POST", "/recommend", b'{"emotions": {"anger": 1}, "path": "/etc/passwd"}', 422),
        ("POST", "/recommend?bridge=none", b'{"emotions": {"anger": 1}}', 422),
        ("POST", "/recommend?bridge=../../etc/passwd", b'{"emotions": {"anger": 1}}', 422),
        ("POST", "/recommend?top=0", b'{"emotions": {"anger": 1}}', 422),
        ("POST", "/recommend?top=1e9", b'{"emotions": {"anger": 1}}', 422),
        ("POST", "/recommend?minutes=nan", b'{"emotions": {"anger": 1}}', 422),
        ("POST", "/recommend?minutes=-1", b'{"emotions": {"anger": 1}}', 422),
        ("POST", "/recommend?diversity=inf", b'{"emotions": {"anger": 1}}', 422),
        ("POST", "/recommend?arc=perhaps", b'{"emotions": {"anger": 1}}', 422),
        ("GET", "/library?limit=100000000", None, 422),
        ("GET", "/library?offset=-1", None, 422),
        ("GET", "/library?search=" + "x" * 300, None, 422),
        ("GET", "/library/audio/../../../../etc/passwd", None, 404),
        ("GET", "/library/audio/..%2f..%2f..%2fetc%2fpasswd", None, 404),
        ("GET", "/library/audio//etc/passwd", None, 404),
        ("GET", "/library/audio/m/0.flac%00.wav", None, 404),
        ("GET", "/library/audio/%ff%fe", None, 404),
        ("GET", "/library/audio/", None, 404),
        ("PUT", "/likes/../../etc/passwd", b'{"like": true}', 404),
        ("PUT", "/likes/m/1", b'{"like": "yes"}', 422),
        ("PUT", "/likes/m/1", b'{"like": 1}', 422),
        ("PUT", "/likes/m/1", b'{"like": true, "path": "x"}', 422),
        ("PUT", "/likes/m/1", b"", 422),
        ("PUT", "/likes/'; DROP TABLE likes; --", b'{"like": true}', 404),
        ("POST", "/health", b"", 405),
        ("DELETE", "/library", None, 405),
        ("GET", "/nothing", None, 404),
    ],
)
def test_hostile_requests(method, path, body, status, server):
    # The path is sent as it is: clients mend it.
    request = f"{method} {path.replace(' ', '%20')} HTTP/1.1\r\nHost: {server.host}:{server.port}\r\n"
    request += "Content-Type: application/json\r\nConnection: close\r\n"
    if body is not None:
        request += f"Content-Length: {len(body)}\r\n"
    code, told = exchange(server, request.encode() + b"\r\n" + (body or b""))
    assert code == status, told
    assert b'{"error"' in told
    assert b"Traceback" not in told


def exchange(server, request, pause_s=0.0, timeout=20):
    """Send raw bytes, or pieces with pauses between them; return the status and the whole answer."""
    pieces = [request] if isinstance(request, bytes) else request
    with socket.create_connection((server.host, server.port), timeout=timeout) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause_s)
        except OSError:
            pass
        answer = b""
        try:
            while part := connection.recv(65536):
                answer += part
        except ConnectionResetError:
            pass
    return int(answer.split(b" ", 2)[1]), answer


def head(server, *lines):
    first = (f"POST /hear HTTP/1.1\r\nHost: {server.host}:{server.port}", *lines)
    return ("\r\n".join(first) + "\r\n\r\n").encode()


def test_slow_senders_are_cut_off(server):
    pieces = [head(server, "Content-Length: 100000"), *[b"R"] * 60]
    began = time.monotonic()
    code, told = exchange(server, pieces, pause_s=0.05)
    assert (code, time.monotonic() - began < 15) == (408, True), told
    assert_no_residue(server)


def test_heads_that_arrive_byte_by_byte_are_cut_off(server):
    """The time is that of a head, however short the pauses, on a new connection and on a used one."""
    first = f"GET /health HTTP/1.1\r\nHost: {server.host}:{server.port}\r\n\r\n".encode()
    for begin in (b"", first):
        with socket.create_connection((server.host, server.port), timeout=20) as connection:
            connection.sendall(begin)
            connection.settimeout(0.1)
            began, answer, open_still = time.monotonic(), b"", True
            while open_still and time.monotonic() - began < 30:
                try:
                    connection.sendall(b"G")
                    part = connection.recv(65536)
                    answer, open_still = answer + part, bool(part)
                except TimeoutError:
                    continue
                except OSError:
                    open_still = False
        assert not open_still
        assert answer.startswith(b"HTTP/1.1 200") == bool(begin)
    assert requests.get(f"{server.address}/health", timeout=10).ok


def test_bodies_beyond_what_is_allowed(server):
    declared = exchange(server, head(server, "Content-Length: 3000000000"))
    assert declared[0] == 413
    chunk = b"100000\r\n" + bytes(0x100000) + b"\r\n"
    streamed = exchange(server, [head(server, "Transfer-Encoding: chunked"), *[chunk] * 6])
    assert streamed[0] == 413
    for length in ("-1", "NaN", "1, 2", "9" * 400):
        assert 400 <= exchange(server, head(server, f"Content-Length: {length}"))[0] < 500
    assert_no_residue(server)


def test_senders_that_leave_and_lie(server):
    with socket.create_connection((server.host, server.port)) as connection:
        connection.sendall(head(server, "Content-Length: 100000") + b"RIFF")
    lying = head(
        server,
        "Content-Type: ../../etc/passwd",
        'Content-Disposition: attachment; filename="../../../../tmp/evil.wav"',
        "X-Forwarded-For: 1.2.3.4",
        "Content-Length: 4",
        "Connection: close",
    )
    assert exchange(server, lying + b"RIFF")[0] == 400
    assert_no_residue(server)


def test_only_the_own_page_and_host_may_ask(server):
    lines = ("Content-Length: 0", "Connection: close")
    assert exchange(server, head(server, "Origin: http://evil.example", *lines))[0] == 403
    assert exchange(server, head(server, "Origin: null", *lines))[0] == 403
    assert exchange(server, head(server, f"Origin: {server.address}", *lines))[0] == 400
    foreign = requests.get(f"{server.address}/health", headers={"Host": "evil.example"}, timeout=10)
    assert foreign.status_code == 400
    answer = requests.get(f"{server.address}/health", headers={"Origin": "http://evil.example"}, timeout=10)
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'" in answer.headers["content-security-policy"]
