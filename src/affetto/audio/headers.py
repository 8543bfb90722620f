"""Headers that tell a wrong length: of piped and interrupted recordings, and of programs with mistakes.

libsndfile reads as many bytes as a header says. Where that cannot be, it is given the same bytes with the
right number in them.
"""

from __future__ import annotations

import io
import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

_TAIL_BYTES = 1 << 16
_LEAST_SURPLUS = 512  # bytes; fewer behind the samples are padding
_TAGS = (b"ID3", b"TAG", b"APETAG")
_AU_HEADER, _FLAC_HEADER, _SHORTEST_FRAME_HEADER = 24, 42, 6  # bytes
_OGG_HEADER, _OGG_LAST_PAGE, _OGG_GOES_ON = 27, 4, 255
_FIXED, _VARIABLE = 0xF8, 0xF9  # FLAC frames count frames, or samples
_FLAC_BLOCK_SIZES = (0, 192, 576, 1152, 2304, 4608, 0, 0, *(256 << power for power in range(8)))


@dataclass(frozen=True)
class Lie:
    """What is wrong with a header.

    Attributes
    ----------
    patches
        Position in the file → bytes that belong there.
    cut_off
        Whether the end of the file is missing.
    end
        Where the file ends as far as it is of use; None: where it ends.
    """

    patches: dict[int, bytes] = field(default_factory=dict)
    cut_off: bool = False
    end: int | None = None


def find_lie(file: Any, head: bytes, size: int) -> Lie:
    """Compare the length that a header tells with the file.

    Parameters
    ----------
    file
        The open file; it is left somewhere else.
    head
        Its first bytes.
    size
        Its length, bytes.
    """
    if head[:4] in {b"RIFF", b"RIFX", b"RF64", b"BW64"} and head[8:12] == b"WAVE":
        return _riff(file, head, size)
    if head.startswith(b"FORM") and head[8:12] in {b"AIFF", b"AIFC"}:
        return _chunked(_Chunks(file, size, 12, ">4sI"), b"SSND")
    if head.startswith(b"caff"):
        return _chunked(_Chunks(file, size, 8, ">4sQ", padded=False), b"data")
    if head.startswith(b".snd") and len(head) >= _AU_HEADER:
        offset, announced = struct.unpack(">II", head[4:12])
        return _compared(8, ">I", announced, size - offset, size - offset - announced)
    if head.startswith(b"fLaC"):
        return _flac(file, head, size)
    return _ogg(file, size) if head.startswith(b"OggS") else Lie()


def put_right(file: Any, lie: Lie) -> Any:
    """Return a file with the bytes that belong where others are."""
    return io.BufferedReader(_Patched(file, lie)) if lie.patches else file


class _Patched(io.RawIOBase):
    def __init__(self, file: Any, lie: Lie) -> None:
        self._file, self._lie = file, lie
        self._end = file.seek(0, io.SEEK_END) if lie.end is None else lie.end
        file.seek(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return int(self._file.tell())

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            return int(self._file.seek(self._end + offset))
        return int(self._file.seek(offset, whence))

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        start = self._file.tell()
        data = self._file.read(max(0, min(len(view), self._end - start)))
        view[: len(data)] = data
        for position, patch in self._lie.patches.items():
            first, last = max(position, start), min(position + len(patch), start + len(data))
            if first < last:
                view[first - start : last - start] = patch[first - position : last - position]
        return len(data)


@dataclass(frozen=True)
class _Chunks:
    """The chunks of a file: a name, a length, and as many bytes."""

    file: Any
    size: int
    start: int
    layout: str
    padded: bool = True

    def __iter__(self) -> Iterator[tuple[bytes, int, int]]:
        """Yield name, position of the content and length of each."""
        position, width = self.start, struct.calcsize(self.layout)
        while position + width <= self.size:
            self.file.seek(position)
            name, length = struct.unpack(self.layout, self.file.read(width))
            yield name, position + width, length
            position = self.end(position + width, length)

    def end(self, position: int, length: int) -> int:
        return position + length + (length % 2 if self.padded else 0)

    def are_all_behind(self, position: int) -> bool:
        """Tell whether nothing but chunks follows, of which the last may be cut off by some bytes."""
        return all(
            name.decode("latin-1").isprintable() and name.isascii() and begin + length <= self.size + 8
            for name, begin, length in replace(self, start=position)
        )


def _chunked(chunks: _Chunks, wanted: bytes) -> Lie:
    """Judge the length of the chunk of the samples."""
    for name, position, announced in chunks:
        if name == wanted:
            number = ">Q" if chunks.layout.endswith("Q") else f"{chunks.layout[0]}I"
            return _compared(
                position - struct.calcsize(number),
                number,
                announced,
                chunks.size - position,
                _surplus(chunks, position, announced),
            )
    return Lie()


def _surplus(chunks: _Chunks, position: int, announced: int) -> int:
    """Return the number of bytes behind the samples that belong to no chunk."""
    end = position + announced
    chunks.file.seek(min(end, chunks.size))
    # Not every program pads a chunk of odd length, and some append tags as to an MP3.
    if chunks.file.read(8).lstrip(b"\0").startswith(_TAGS) or chunks.are_all_behind(end):
        return 0
    end = chunks.end(position, announced)
    return 0 if chunks.are_all_behind(end) else chunks.size - end


def _riff(file: Any, head: bytes, size: int) -> Lie:
    chunks = _Chunks(file, size, 12, ">4sI" if head.startswith(b"RIFX") else "<4sI")
    if head[12:16] != b"ds64":
        return _chunked(chunks, b"data")
    # RF64 (EBU Tech 3306) has lengths of 64 bits in a chunk of their own.
    announced = struct.unpack("<Q", head[28:36])[0]
    position = next((position for name, position, _ in chunks if name == b"data"), size)
    return _compared(28, "<Q", announced, size - position, _surplus(chunks, position, announced))


def _compared(position: int, number: str, announced: int, available: int, surplus: int) -> Lie:
    """Compare the length of samples with the bytes that are there, in all and beyond it without a purpose."""
    if available <= 0:
        return Lie()
    largest, unknown = (0xFFFF_FFFF, 0x7FFF_0000) if number.endswith("I") else ((1 << 64) - 1, 1 << 62)
    right = {position: struct.pack(number, min(available, largest))}
    if announced > available:
        # Programs that stream write the largest number they have, or nearly. libsndfile reads to the end of
        # the file by itself then, unless the number has 64 bits.
        return Lie(right if number.endswith("Q") else {}, cut_off=announced < unknown)
    return Lie(right if surplus >= _LEAST_SURPLUS or (announced == 0 and surplus > 0) else {})


def _flac(file: Any, head: bytes, size: int) -> Lie:
    """Compare the number of samples in STREAMINFO with the number of the last frame."""
    if len(head) < _FLAC_HEADER:
        return Lie()
    smallest, largest = struct.unpack(">HH", head[8:12])
    announced = int.from_bytes(head[18:26], "big") & 0xF_FFFF_FFFF
    file.seek(max(0, size - _TAIL_BYTES))
    last = _last_flac_frame(file.read(_TAIL_BYTES), smallest if smallest == largest else 0)
    if announced == 0 or last is None:
        return Lie()
    start, end = last
    if start < announced <= end:  # the last block may be shorter
        return Lie()
    word = int.from_bytes(head[18:26], "big") >> 36 << 36
    return Lie({18: word.to_bytes(8, "big")}, cut_off=end < announced)


def _last_flac_frame(tail: bytes, block: int) -> tuple[int, int] | None:
    """Return first sample and end of the last frame; RFC 9639, section 9.1."""
    position = len(tail)
    while (position := tail.rfind(b"\xff", 0, position)) >= 0:
        header = tail[position : position + 16]
        if len(header) < _SHORTEST_FRAME_HEADER or header[1] not in {_FIXED, _VARIABLE}:
            continue
        n_coded = max(1, 8 - (header[4] ^ 0xFF).bit_length())
        size_code = header[2] >> 4
        extra = {6: 1, 7: 2}.get(size_code, 0) + {12: 1, 13: 2, 14: 2}.get(header[2] & 15, 0)
        end = 4 + n_coded + extra
        if len(header) <= end or size_code == 0 or _crc_8(header[:end]) != header[end]:
            continue
        number = header[4] & (0x7F if n_coded == 1 else 0xFF >> (n_coded + 1))
        for byte in header[5 : 4 + n_coded]:
            number = number << 6 | byte & 0x3F
        told = header[4 + n_coded : 4 + n_coded + (size_code - 5 if size_code in {6, 7} else 0)]
        length = int.from_bytes(told, "big") + 1 if told else _FLAC_BLOCK_SIZES[size_code]
        start = number if header[1] == _VARIABLE else number * (block or length)
        return start, start + length
    return None


def _crc_8(data: bytes) -> int:
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value << 1 ^ (7 if value & 0x80 else 0)) & 0xFF
    return value


def _ogg(file: Any, size: int) -> Lie:
    """Look for the mark of the end, and close a page that is cut off; RFC 3533, section 6."""
    first = max(0, size - _TAIL_BYTES)
    file.seek(first)
    tail = file.read(_TAIL_BYTES)
    start = tail.rfind(b"OggS")
    page = tail[start:] if start >= 0 else b""
    n_segments = page[_OGG_HEADER - 1] if len(page) >= _OGG_HEADER else 0
    lacing, body = page[_OGG_HEADER : _OGG_HEADER + n_segments], page[_OGG_HEADER + n_segments :]
    if n_segments and sum(lacing) <= len(body) and len(lacing) == n_segments:
        return Lie(cut_off=not page[5] & _OGG_LAST_PAGE)
    # Decoders drop a page that is not whole, a second or more: give them the packets that are.
    there = itertools.accumulate(lacing)
    ends = [index + 1 for index, end in enumerate(there) if end <= len(body) and lacing[index] < _OGG_GOES_ON]
    kept = ends[-1] if ends and len(lacing) == n_segments else 0
    if not kept:
        return Lie(cut_off=start >= 0)
    header = bytearray(page[: _OGG_HEADER - 1]) + bytes([kept]) + lacing[:kept]
    header[22:26] = bytes(4)
    header[22:26] = _crc_32(whole := bytes(header) + body[: sum(lacing[:kept])]).to_bytes(4, "little")
    closed = bytes(header) + whole[len(header) :]
    return Lie({first + start: closed}, cut_off=True, end=first + start + len(closed))


def _crc_32(data: bytes) -> int:
    """Return the checksum of Ogg: the polynomial of Ethernet, neither reflected nor inverted."""
    table = _crc_32_table()
    value = 0
    for byte in data:
        value = (value << 8 & 0xFFFF_FFFF) ^ table[value >> 24 ^ byte]
    return value


@cache
def _crc_32_table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1 & 0xFFFF_FFFF) ^ (0x04C1_1DB7 if value & 0x8000_0000 else 0)
        table.append(value)
    return table
