"""Files as users have them: any container, headers that lie, broken copies."""

from __future__ import annotations

import io
import struct
import tracemalloc

import av
import numpy as np
import pytest
import soundfile

from affetto.audio.decode import open_recording, read_audio
from affetto.audio.recording import DecodeError
from affetto.corpora.measure import measure_clip
from affetto.corpora.parameters import AuditParameters

RATE_HZ = 16_000
N = 2 * RATE_HZ
AUDIT = AuditParameters()


def chirp(n=N):
    """A tone whose pitch never repeats, so that a shift would be seen."""
    time_s = np.arange(n) / RATE_HZ
    return (0.3 * np.sin(2 * np.pi * (200 * time_s + 150 * time_s**2))).astype(np.float32)


def encoded(container, codec, rate_hz=RATE_HZ, *, video=False, samples=None):
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        pictures = (
            file.add_stream("mpeg4", rate=10, width=16, height=16, pix_fmt="yuv420p") if video else None
        )
        stream = file.add_stream(codec, rate=rate_hz, layout="mono")
        stream.bit_rate = 64_000
        for _ in range(20 if video else 0):
            file.mux(pictures.encode(av.VideoFrame(16, 16, "yuv420p")))
        for start, block in enumerate(np.split(chirp() if samples is None else samples, 4)):
            frame = av.AudioFrame.from_ndarray(block[np.newaxis], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = RATE_HZ, start * len(block)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return buffer.getvalue()


def with_libsndfile(container, samples=None, subtype=None):
    buffer = io.BytesIO()
    soundfile.write(
        buffer, chirp() if samples is None else samples, RATE_HZ, format=container, subtype=subtype
    )
    return bytearray(buffer.getvalue())


def written(folder, data, name="recording.wav"):
    (folder / name).write_bytes(data)
    return folder / name


def notes_of(path):
    with open_recording(path) as recording:
        n = sum(block.shape[1] for block in recording.blocks(0.0, float("inf")))
        return n / recording.header.sample_rate_hz, recording.notes


def similarity(path, shift=0):
    """Correlate the middle of a recording with the chirp."""
    samples, _ = read_audio(path, sample_rate_hz=RATE_HZ)
    part = slice(4_000, 20_000)
    return np.corrcoef(samples[4_000 + shift : 20_000 + shift], chirp()[part])[0, 1]


CONTAINERS = {
    "memo.m4a": ("ipod", "aac", RATE_HZ, 0),
    "lossless.m4a": ("ipod", "alac", RATE_HZ, 0),
    "phone.3gp": ("3gp", "aac", RATE_HZ, 0),
    "browser.webm": ("webm", "libopus", 48_000, 0),
    "box.mka": ("matroska", "flac", RATE_HZ, 0),
    "stream.aac": ("adts", "aac", RATE_HZ, 1_024),  # tells nothing of what its encoder put in front
    "old.avi": ("avi", "pcm_s16le", RATE_HZ, 0),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers_of_phones_and_browsers_are_decoded_by_content(tmp_path, name):
    container, codec, rate_hz, shift = CONTAINERS[name]
    data = encoded(container, codec, rate_hz)
    paths = [written(tmp_path, data, under) for under in (name, "wrong.wav", "wrong.mp3", "none", "odd.raw")]

    whole, _ = read_audio(paths[0])
    part, _ = read_audio(paths[0], start_s=0.5, end_s=1.25)
    np.testing.assert_array_equal(part, whole[rate_hz // 2 : rate_hz * 5 // 4])
    assert len(read_audio(paths[0], start_s=9.0)[0]) == 0
    for path in paths:
        assert similarity(path, shift) > 0.99
        length_s, notes = notes_of(path)
        assert length_s == pytest.approx(2.0, abs=0.15)
        assert notes == []
    assert measure_clip(paths[0], np.nan, np.nan, AUDIT).reason == ""


def test_windows_media_and_the_sound_of_a_video_are_decoded(tmp_path):
    # The decoder of WMA leaves out the first block of every file.
    path = written(tmp_path, encoded("asf", "wmav2"), "recorder.wma")
    assert max(similarity(path, shift) for shift in range(-2_048, 2_049, 512)) > 0.98

    film = written(tmp_path, encoded("mp4", "aac", video=True), "film.mp4")
    assert similarity(film) > 0.99
    assert notes_of(film)[1] == []


def test_a_video_without_sound_is_said_to_have_none(tmp_path):
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as file:
        stream = file.add_stream("mpeg4", rate=10, width=16, height=16, pix_fmt="yuv420p")
        for packet in (*stream.encode(av.VideoFrame(16, 16, "yuv420p")), *stream.encode(None)):
            file.mux(packet)

    with pytest.raises(DecodeError, match="no sound"):
        read_audio(written(tmp_path, buffer.getvalue(), "silent.mp4"))


def test_long_recordings_of_other_formats_take_little_memory(tmp_path):
    path = written(tmp_path, encoded("ipod", "aac", samples=np.tile(chirp(), 50)))
    notes_of(path)

    tracemalloc.start()
    assert notes_of(path)[0] == pytest.approx(100, abs=0.2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 4 << 20  # of 6.4 MB that it decodes to


def patched(data, position, layout, *values):
    struct.pack_into(layout, data, position, *values)
    return data


def lies():
    """Yield the same samples with headers that tell another length."""
    good = with_libsndfile("WAV")
    at = good.index(b"data") + 4
    for length in (0, 1, N // 2, 0xFFFF_FFFF):
        yield f"WAV {length}", patched(bytearray(good), at, "<I", length)
    yield "RIFF 0", patched(patched(good, 4, "<I", 0), at, "<I", 0)
    good = with_libsndfile("RF64")
    for length in (0, N // 2):
        yield f"RF64 {length}", patched(bytearray(good), 20, "<3Q", length, length, length)
    good = with_libsndfile("AIFF")
    for length in (0, 0xFFFF_FFFF):
        yield f"AIFF {length}", patched(bytearray(good), good.index(b"SSND") + 4, ">I", length)
    good = with_libsndfile("CAF")
    for length in (0, 2**64 - 1):
        yield f"CAF {length}", patched(bytearray(good), good.index(b"data") + 4, ">Q", length)
    good = with_libsndfile("AU")
    for length in (1, N // 2, 0xFFFF_FFFF):
        yield f"AU {length}", patched(bytearray(good), 8, ">I", length)
    good = with_libsndfile("FLAC")
    high = int.from_bytes(good[18:26], "big") >> 36 << 36
    for n_samples in (0, N + 5_000, 2**36 - 1):
        yield f"FLAC {n_samples}", patched(bytearray(good), 18, ">Q", high | n_samples)


@pytest.mark.parametrize(("data"), [pytest.param(data, id=name) for name, data in lies()])
def test_headers_that_lie_are_read_to_the_end_of_the_file(tmp_path, data):
    path = written(tmp_path, data)

    samples, _ = read_audio(path)

    np.testing.assert_allclose(samples[:N], chirp(), atol=2**-15)
    assert len(samples) - N in {0, 4}  # the last chunk of libsndfile's AIFF cannot be told from samples
    np.testing.assert_array_equal(read_audio(path, start_s=0.25, end_s=0.5)[0], samples[4_000:8_000])
    assert len(read_audio(path, start_s=9.0)[0]) == 0
    assert measure_clip(path, np.nan, np.nan, AUDIT).reason == ""


def test_chunks_behind_the_samples_are_no_samples(tmp_path):
    chunk = b"LIST" + struct.pack("<I", 40_000) + b"INFO" + (bytes(range(256)) * 160)[:39_996]
    tag = b"ID3\x03" + bytes(range(256)) * 160
    odd = with_libsndfile("WAV", chirp()[:-1], "PCM_U8")[: 44 + N - 1]  # not padded
    empty = with_libsndfile("WAV", np.zeros(0, np.float32))
    for data, n_samples in [
        (with_libsndfile("WAV") + chunk, N),
        (with_libsndfile("WAV") + tag, N),
        (odd + chunk, N - 1),
        (odd + b"\0" + chunk, N - 1),
        (empty + chunk, 0),
    ]:
        assert len(read_audio(written(tmp_path, data))[0]) == n_samples


NOISE = 0.1 * np.random.default_rng(0).standard_normal(8 * RATE_HZ).astype(np.float32)
TRUNCATED = {
    "WAV": lambda: with_libsndfile("WAV"),
    "float": lambda: with_libsndfile("WAV", subtype="FLOAT"),
    "AIFF": lambda: with_libsndfile("AIFF"),
    "AU": lambda: with_libsndfile("AU"),
    "RF64": lambda: with_libsndfile("RF64"),
    "FLAC": lambda: with_libsndfile("FLAC", np.concatenate([chirp()] * 4)),
    "MP3": lambda: with_libsndfile("MP3"),
    "Vorbis": lambda: with_libsndfile("OGG", NOISE),
    "Opus": lambda: with_libsndfile("OGG", NOISE, "OPUS"),
    "WebM": lambda: encoded("webm", "libopus", 48_000),
    "Matroska": lambda: encoded("matroska", "flac"),
    "FLV": lambda: encoded("flv", "pcm_s16le", 44_100),
    "WMA": lambda: encoded("asf", "wmav2"),
}


@pytest.mark.parametrize("kind", TRUNCATED)
@pytest.mark.parametrize("share", [0.45, 0.83])
def test_of_a_broken_copy_what_decodes_is_used_and_it_is_said(tmp_path, kind, share):
    data = TRUNCATED[kind]()
    whole_s, notes = notes_of(written(tmp_path, data))
    assert notes == []

    path = written(tmp_path, data[: int(share * len(data))])
    length_s, notes = notes_of(path)

    assert share * whole_s - (1.1 if kind in {"Vorbis", "Opus"} else 0.5) < length_s < share * whole_s + 0.3
    assert any("cut off" in note for note in notes)
    measured = measure_clip(path, np.nan, np.nan, AUDIT)
    assert (measured.reason, measured.note) == ("", "; ".join(notes))


def fast_start(data):
    """Move the index of an MP4 file in front of its samples, as for streaming."""
    atoms, position = {}, 0
    while position < len(data):
        length, name = struct.unpack(">I4s", data[position : position + 8])
        atoms[name] = data[position : position + length]
        position += length
    index = bytearray(atoms[b"moov"])
    table = index.index(b"stco") + 8
    for entry in range(struct.unpack_from(">I", index, table)[0]):
        at = table + 4 + 4 * entry
        struct.pack_into(">I", index, at, struct.unpack_from(">I", index, at)[0] + len(index))
    others = [atom for name, atom in atoms.items() if name not in {b"ftyp", b"moov"}]
    return atoms[b"ftyp"] + bytes(index) + b"".join(others)


def test_m4a_that_is_cut_off_needs_its_index(tmp_path):
    data = encoded("ipod", "aac")
    streamed = fast_start(data)
    assert similarity(written(tmp_path, streamed)) > 0.99

    length_s, notes = notes_of(written(tmp_path, streamed[: len(streamed) * 2 // 3]))
    assert 0.8 < length_s < 1.5
    assert any("cut off after" in note for note in notes)
    with pytest.raises(DecodeError, match="moov atom") as caught:
        read_audio(written(tmp_path, data[: len(data) // 2]))
    assert "\n" not in str(caught.value)


def test_damage_in_the_middle_costs_what_is_damaged(tmp_path, capfd):
    data = bytearray(encoded("adts", "aac"))
    data[len(data) // 2 : len(data) // 2 + 600] = bytes(600)

    length_s, notes = notes_of(written(tmp_path, data))

    assert 1.5 < length_s < 2.2
    assert len(notes) == 1
    assert capfd.readouterr().err == ""
