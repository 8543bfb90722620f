"""Arrays and JSON values in one npz file, large arrays so that they can be memory-mapped."""

from __future__ import annotations

import io
import json
import os
import struct
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike

from affetto.io.paths import is_remote

MAPPED_BYTES = 16 << 20
"""Arrays of this size or larger are written uncompressed and read memory-mapped."""
_NAMES = ""
"""Key of the names of the arrays in the JSON text."""
_LOCAL_HEADER = struct.Struct("<26xHH")  # of a member of a zip archive: lengths of its name and extra field


def write_arrays(file: BinaryIO, values: Mapping[str, Any], *, text: str) -> None:
    """Write NumPy arrays and JSON values as npz.

    Parameters
    ----------
    file
        Open for writing, binary.
    values
        Arrays become members of the file; all other values go, as JSON text, into one more.
    text
        Name of that member.
    """
    arrays = {name: each for name, each in values.items() if isinstance(each, np.ndarray)}
    rest = {name: each for name, each in values.items() if name not in arrays}
    told = json.dumps({**rest, _NAMES: list(arrays)})
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in {text: np.array(told.encode()), **arrays}.items():
            member = zipfile.ZipInfo(f"{name}.npy")
            large = array.nbytes >= MAPPED_BYTES
            member.compress_type = zipfile.ZIP_STORED if large else zipfile.ZIP_DEFLATED
            with archive.open(member, "w", force_zip64=True) as target:
                np.lib.format.write_array(target, array, allow_pickle=False)


def read_arrays(path: Path, *, text: str) -> dict[str, Any]:
    """Read what `write_arrays` wrote; large arrays are read-only views of the file, where it is here.

    Raises
    ------
    OSError, ValueError, KeyError, zipfile.BadZipFile
        When the file is missing or damaged.
    """
    remote, values = is_remote(path), {}
    source = io.BytesIO(path.read_bytes()) if remote else path
    with np.load(source, allow_pickle=False) as file:
        members = {each.filename.removesuffix(".npy"): each for each in file.zip.infolist()}
        for name in file.files:
            mapped = members[name].compress_type == zipfile.ZIP_STORED and not remote
            if name != text:
                values[name] = _map(path, members[name]) if mapped else file[name]
        names = set(values)
        values.update(json.loads(file[text].item()))
    if set(values.pop(_NAMES, names)) != names:
        raise zipfile.BadZipFile("some of its members are missing")
    return values


def scratch_array(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """Return zeros; large ones in a temporary file, whose pages the kernel need not keep in memory.

    The file is deleted with the array.
    """
    n_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if n_bytes < MAPPED_BYTES:
        return np.zeros(shape, dtype)
    handle, path = tempfile.mkstemp(prefix="affetto-", suffix=".array")
    os.close(handle)
    array = np.memmap(path, dtype, "w+", shape=shape)
    weakref.finalize(array, Path(path).unlink)
    return array


def _map(path: Path, member: zipfile.ZipInfo) -> np.ndarray:
    """Map the array of an uncompressed member, after its checksum was compared."""
    with path.open("rb") as file:
        file.seek(member.header_offset)
        n_name, n_extra = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
        name = file.read(n_name)
        file.seek(n_extra, os.SEEK_CUR)
        content = np.memmap(path, np.uint8, "r", file.tell(), (member.file_size,))
        if name != member.filename.encode() or zlib.crc32(content.data) != member.CRC:
            raise zipfile.BadZipFile(f"the name or checksum of {member.filename} is another")
        np.lib.format.read_magic(file)
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        return np.memmap(path, dtype, "r", file.tell(), shape, "F" if fortran else "C")
