"""A SoundFont in a form that symusic plays in tune.

symusic's synthesizer takes the pitch of a sample from the sample's header and passes over the key that a zone
of an instrument may put in its place (`overridingRootKey`, SoundFont 2.04, section 8.1.2). In many SoundFonts
the headers say 60 throughout, and the zones tell the pitch: their pianos and guitars sound several semitones
off, and each zone by another interval.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import pairwise

from affetto.errors import AffettoError

_CHUNK = struct.Struct("<4sI")
_LIST_NAME_BYTES = 4
_GENERATOR = struct.Struct("<Hh")
_BAG = struct.Struct("<HH")
_SAMPLE_HEADER = struct.Struct("<20sIIIIIBbHH")
_SAMPLE_ID, _ROOT_KEY = 53, 58
_LAST_KEY = 127


def in_tune(soundfont: bytes) -> bytes:
    """Write the root key of every zone into a sample header that belongs to it.

    Parameters
    ----------
    soundfont
        A SoundFont 2.

    Returns
    -------
    bytes
        The same SoundFont with more sample headers; the samples themselves are not doubled. Headers of one
        sample begin a sample after one another, as symusic remembers the notes it has rendered by where their
        sample begins.

    Raises
    ------
    AffettoError
        When it is no SoundFont.
    """
    try:
        chunks = dict(_chunks(soundfont, _CHUNK.size + _LIST_NAME_BYTES, len(soundfont)))
        generators, headers = _own_headers(chunks)
    except (KeyError, IndexError, ValueError, struct.error) as error:
        raise AffettoError("This is not a SoundFont 2, or a damaged one; use another one.") from error
    return _replace_chunks(soundfont, {b"igen": generators, b"shdr": headers})


def _own_headers(chunks: dict[bytes, bytes]) -> tuple[bytes, bytes]:
    """Return the generators of the instruments and the sample headers that they name."""
    generators = [list(pair) for pair in _GENERATOR.iter_unpack(chunks[b"igen"])]
    *headers, terminal = _SAMPLE_HEADER.iter_unpack(chunks[b"shdr"])
    n_samples, added = len(headers), dict[tuple[int, int], int]()
    n_copies = [0] * n_samples
    for zone in _zones(chunks):
        named = {generators[i][0]: i for i in zone}
        root = generators[named[_ROOT_KEY]][1] if _ROOT_KEY in named else -1
        if _SAMPLE_ID not in named or not 0 <= root <= _LAST_KEY:
            continue
        place = generators[named[_SAMPLE_ID]]
        key = (place[1], root)
        if key not in added:
            added[key] = len(headers)
            n_copies[place[1]] += 1
            headers.append(_with_root(headers[place[1]], root, n_copies[place[1]]))
        place[1] = added[key]
    packed = b"".join(_GENERATOR.pack(*pair) for pair in generators)
    return packed, b"".join(_SAMPLE_HEADER.pack(*header) for header in [*headers, terminal])


def _zones(chunks: dict[bytes, bytes]) -> Iterator[range]:
    """Yield which generators belong to each zone of the instruments."""
    firsts = [first for first, _ in _BAG.iter_unpack(chunks[b"ibag"])]
    for first, end in pairwise(firsts):
        yield range(first, end)


def _with_root(header: tuple[int, ...], root: int, offset: int) -> tuple[int, ...]:
    name, start, end, loop_start, loop_end, rate_hz, _, *rest = header
    start += offset
    # A loop that began before the sample would let symusic read memory that is not its own.
    return (name, start, end, max(start, loop_start), loop_end, rate_hz, root, *rest)


def _chunks(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield identifier and content of all chunks that are no lists, those inside lists among them."""
    while start < end:
        name, size = _CHUNK.unpack_from(data, start)
        body = start + _CHUNK.size
        if name == b"LIST":
            yield from _chunks(data, body + _LIST_NAME_BYTES, body + size)
        else:
            yield name, data[body : body + size]
        start = body + size + size % 2


def _replace_chunks(data: bytes, new: dict[bytes, bytes]) -> bytes:
    def rewritten(start: int, end: int) -> Iterator[bytes]:
        while start < end:
            name, size = _CHUNK.unpack_from(data, start)
            body = start + _CHUNK.size
            content = new.get(name, data[body : body + size])
            if name in {b"RIFF", b"LIST"}:
                inner = body + _LIST_NAME_BYTES
                content = data[body:inner] + b"".join(rewritten(inner, body + size))
            yield _CHUNK.pack(name, len(content)) + content + bytes(len(content) % 2)
            start = body + size + size % 2

    return b"".join(rewritten(0, len(data)))
