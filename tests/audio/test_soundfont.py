import struct

import pytest

from affetto.audio.midi import _soundfont
from affetto.audio.soundfont import in_tune
from affetto.errors import AffettoError

SAMPLES = struct.pack("<8h", *range(8))


def chunk(name, content):
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def header(name, start, root):
    return struct.pack("<20sIIIIIBbHH", name, start, 8, 2, 6, 22_050, root, -3, 0, 1)


def soundfont(zones, n_samples=2):
    """Zones are lists of generators (number, amount)."""
    bags, generators = b"", b""
    for zone in [*zones, []]:
        bags += struct.pack("<HH", len(generators) // 4, 0)
        generators += b"".join(struct.pack("<Hh", *generator) for generator in zone)
    headers = b"".join(header(b"sample", k, 60) for k in range(n_samples)) + header(b"EOS", 0, 0)
    pdta = chunk(b"ibag", bags) + chunk(b"igen", generators) + chunk(b"shdr", headers)
    lists = chunk(b"LIST", b"sdta" + chunk(b"smpl", SAMPLES)) + chunk(b"LIST", b"pdta" + pdta)
    return chunk(b"RIFF", b"sfbk" + lists)


def parsed(data):
    """Sample headers that the zones name, in order: (start, root), and the number of headers."""
    start = data.index(b"igen") + 8
    generators = list(struct.iter_unpack("<Hh", data[start : data.index(b"shdr")]))
    start = data.index(b"shdr") + 8
    headers = [struct.unpack_from("<20sIIIIIBbHH", data, at) for at in range(start, len(data) - 45, 46)]
    named = [headers[amount] for number, amount in generators if number == 53]
    return [(one[1], one[6]) for one in named], len(headers)


def test_the_root_key_of_a_zone_comes_into_a_header_of_its_own():
    fixed = in_tune(soundfont([[(58, 45), (53, 0)], [(58, 72), (53, 1)], [(53, 1)], [(17, 5)]]))
    assert parsed(fixed) == ([(1, 45), (2, 72), (1, 60)], 5)
    assert SAMPLES in fixed
    assert struct.unpack_from("<I", fixed, 4)[0] == len(fixed) - 8


def test_zones_of_one_sample_and_root_share_a_header_and_others_begin_apart():
    """symusic remembers the notes it has rendered by where their sample begins."""
    zones = [[(58, 45), (53, 0)], [(58, 45), (53, 0)], [(58, 57), (53, 0)]]
    assert parsed(in_tune(soundfont(zones))) == ([(1, 45), (1, 45), (2, 57)], 5)


def test_loops_of_the_soundfont_lie_inside_their_samples():
    """symusic crashes where one begins before its sample."""
    data = _soundfont()
    start = data.index(b"shdr") + 8
    headers = [struct.unpack_from("<20sIIIIIBbHH", data, at) for at in range(start, len(data) - 91, 46)]
    assert len(headers) > 521
    for _, first, end, loop, loop_end, *_ in headers:
        assert loop_end == 0 or first <= loop <= loop_end <= end


@pytest.mark.parametrize("root", [-1, 128])
def test_a_root_key_that_is_none_changes_nothing(root):
    data = soundfont([[(58, root), (53, 0)]])
    assert in_tune(data) == data


@pytest.mark.parametrize(
    "data", [b"", b"RIFF", b"RIFF\x04\x00\x00\x00sfbk", soundfont([[(58, 45), (53, 9)]])]
)
def test_what_is_no_soundfont_is_said_in_one_sentence(data):
    with pytest.raises(AffettoError, match="not a SoundFont 2"):
        in_tune(data)
