"""Files as users have them: any container, headers that lie, broken copies, channels that cancel."""

from __future__ import annotations

import io
import struct
import tracemalloc

import av
import numpy as np
import pytest
import soundfile

from affetto.audio.decode import ContentHash, DecodeError, mix, once_a_folder, open_recording, read_audio
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

    for path in paths:
        assert similarity(path, shift) > 0.99
        length_s, notes = notes_of(path)
        assert length_s == pytest.approx(2.0, abs=0.15)
        assert notes == []
    assert measure_clip(paths[0], np.nan, np.nan, AUDIT).reason == ""


def test_windows_media_is_decoded(tmp_path):
    path = written(tmp_path, encoded("asf", "wmav2"), "recorder.wma")

    # Its decoder leaves out the first block of every file.
    assert max(similarity(path, shift) for shift in range(-2_048, 2_049, 512)) > 0.98


def test_the_sound_of_a_video_is_decoded(tmp_path):
    path = written(tmp_path, encoded("mp4", "aac", video=True), "film.mp4")

    assert similarity(path) > 0.99
    assert notes_of(path)[1] == []


def test_a_video_without_sound_is_said_to_have_none(tmp_path):
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as file:
        stream = file.add_stream("mpeg4", rate=10, width=16, height=16, pix_fmt="yuv420p")
        for packet in (*stream.encode(av.VideoFrame(16, 16, "yuv420p")), *stream.encode(None)):
            file.mux(packet)

    with pytest.raises(DecodeError, match="no sound"):
        read_audio(written(tmp_path, buffer.getvalue(), "silent.mp4"))


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
@pytest.mark.parametrize("name", ["clip.mp3", "clip.wav", "clip.m4a", "clip.mid", "clip.raw", "clip"])
def test_extensions_say_nothing(tmp_path, container, name):
    assert similarity(written(tmp_path, with_libsndfile(container), name)) > 0.99


def test_a_part_is_what_slicing_the_whole_gives(tmp_path):
    path = written(tmp_path, encoded("ipod", "aac"))
    whole, _ = read_audio(path)

    part, _ = read_audio(path, start_s=0.5, end_s=1.25)

    np.testing.assert_array_equal(part, whole[8_000:20_000])
    assert len(read_audio(path, start_s=9.0)[0]) == 0


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
    for container, chunk, layout in [("WAV", b"data", "<I"), ("AIFF", b"SSND", ">I"), ("CAF", b"data", ">Q")]:
        good = with_libsndfile(container)
        position = good.index(chunk) + 4
        unknown = 2 ** (8 * struct.calcsize(layout)) - 1
        for length in (0, 1, N // 2, unknown) if container != "CAF" else (0, N // 2, unknown):
            yield f"{container} {length}", patched(bytearray(good), position, layout, length)
    good = with_libsndfile("AU")
    for length in (0, 1, N // 2, 0xFFFF_FFFF):
        yield f"AU {length}", patched(bytearray(good), 8, ">I", length)
    good = with_libsndfile("RF64")
    for length in (0, N // 2, 2**64 - 1):
        yield f"RF64 {length}", patched(bytearray(good), 20, "<3Q", length, length, length)
    good = with_libsndfile("WAV")
    yield "RIFF 0", patched(patched(good, 4, "<I", 0), good.index(b"data") + 4, "<I", 0)
    good = with_libsndfile("FLAC")
    high = int.from_bytes(good[18:26], "big") >> 36 << 36
    for n_samples in (1, N // 2, N + 5_000, 2**36 - 1):
        yield f"FLAC {n_samples}", patched(bytearray(good), 18, ">Q", high | n_samples)


@pytest.mark.parametrize(("data"), [pytest.param(data, id=name) for name, data in lies()])
def test_headers_that_lie_are_read_to_the_end_of_the_file(tmp_path, data):
    samples, _ = read_audio(written(tmp_path, data))

    np.testing.assert_allclose(samples[:N], chirp(), atol=2**-15)
    assert len(samples) - N in {0, 4}  # the last chunk of libsndfile's AIFF cannot be told from samples
    assert measure_clip(tmp_path / "recording.wav", np.nan, np.nan, AUDIT).reason == ""


def test_chunks_behind_the_samples_are_no_samples(tmp_path):
    chunk = b"LIST" + struct.pack("<I", 4_000) + b"INFO" + (bytes(range(256)) * 16)[:3_996]
    tag = b"ID3\x03" + bytes(range(256)) * 16
    odd = with_libsndfile("WAV", chirp()[:-1], "PCM_U8")[: 44 + N - 1]  # not padded
    empty = with_libsndfile("WAV", np.zeros(0, np.float32))
    for data, n_samples in [
        (with_libsndfile("WAV") + chunk, N),
        (with_libsndfile("WAV") + tag, N),
        (odd + chunk, N - 1),
        (empty + chunk, 0),
    ]:
        assert len(read_audio(written(tmp_path, data))[0]) == n_samples


TRUNCATED = {
    "WAV": lambda: with_libsndfile("WAV"),
    "float": lambda: with_libsndfile("WAV", subtype="FLOAT"),
    "AIFF": lambda: with_libsndfile("AIFF"),
    "AU": lambda: with_libsndfile("AU"),
    "CAF": lambda: with_libsndfile("CAF"),
    "RF64": lambda: with_libsndfile("RF64"),
    "FLAC": lambda: with_libsndfile("FLAC", np.concatenate([chirp()] * 4)),
    "MP3": lambda: with_libsndfile("MP3"),
    "Vorbis": lambda: with_libsndfile("OGG", np.concatenate([chirp()] * 8)),
    "Opus": lambda: with_libsndfile("OGG", subtype="OPUS"),
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

    assert share * whole_s - (3 if kind == "Vorbis" else 0.5) < length_s < share * whole_s + 0.3
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


@pytest.mark.parametrize("channels", [(1, -1), (0.8, -0.7), (1, -1, 1, -1)])
@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_where_the_mean_of_channels_cancels_the_loudest_one_speaks(tmp_path, channels, subtype):
    data = with_libsndfile("WAV", np.outer(chirp(), channels), subtype)
    path = written(tmp_path, data)

    samples, _ = read_audio(path)

    np.testing.assert_allclose(samples, channels[0] * chirp(), atol=2**-14)
    part, _ = read_audio(path, start_s=0.25, end_s=0.5)
    np.testing.assert_array_equal(part, samples[4_000:8_000])
    digest = ContentHash(RATE_HZ)
    digest.update(samples)
    assert measure_clip(path, np.nan, np.nan, AUDIT).content_hash == digest.hexdigest()


def test_ordinary_stereo_is_the_mean_of_its_channels(tmp_path):
    noise = 0.1 * np.random.default_rng(0).standard_normal(N).astype(np.float32)
    for other in (chirp(), noise, 0.4 * -chirp(), np.zeros(N, np.float32)):
        path = written(tmp_path, with_libsndfile("WAV", np.stack([chirp(), other], axis=1), "FLOAT"))
        np.testing.assert_allclose(read_audio(path)[0], (chirp() + other) / 2, atol=1e-6)


def test_one_sound_in_long_silence_decides_over_its_channels(tmp_path):
    samples = np.zeros((60 * RATE_HZ, 2), np.float32)
    samples[20 * RATE_HZ + 7 : 20 * RATE_HZ + 2_007] = np.outer(chirp(2_000), (1, -1))

    assert np.abs(read_audio(written(tmp_path, with_libsndfile("FLAC", samples)))[0]).max() > 0.2


def test_mix_takes_a_channel_or_the_mean():
    block = np.array([[1.0, 2.0], [3.0, 6.0]], np.float32)
    assert mix(block).tolist() == [2.0, 4.0]
    assert mix(block, 1).tolist() == [3.0, 6.0]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, 5e4])
@pytest.mark.parametrize("scale", [1.0, 32_768.0])
def test_samples_that_no_sound_has_are_silenced_and_it_is_said(tmp_path, value, scale):
    samples = scale * chirp()
    samples[[700, 20_000]] = scale * np.float32(value)
    path = written(tmp_path, with_libsndfile("WAV", samples, "FLOAT"))

    heard, _ = read_audio(path)

    samples[[700, 20_000]] = 0
    np.testing.assert_array_equal(heard, samples)
    measured = measure_clip(path, np.nan, np.nan, AuditParameters(max_clipped_share=1))
    assert measured.reason == ""
    assert measured.note.startswith("2 of 32000 samples are not finite")


def test_many_such_samples_are_no_recording(tmp_path):
    samples = chirp()
    samples[::50] = np.inf
    path = written(tmp_path, with_libsndfile("WAV", samples, "FLOAT"))

    with pytest.raises(DecodeError, match="640 of 32000 samples are not finite"):
        read_audio(path)
    assert measure_clip(path, np.nan, np.nan, AUDIT).reason.startswith("not finite: ")


OTHER = {
    "pointer.wav": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "git lfs pull"),
    "page.mp3": (b"\n<!DOCTYPE html><html><body>404</body></html>", "web page"),
    "page.flac": (b"<HTML><head>", "web page"),
    "list.wav": ("Äpfel, Birnen\n".encode(), "text"),
    "list16.wav": ("apples".encode("utf-16"), "text"),
    "packed.wav": (b"PK\x03\x04" + bytes(40), "archive"),
    "scan.wav": (b"%PDF-1.7 \x00\x80", "a PDF"),
    "zeros.wav": (bytes(5_000), "zeros"),
    "hls.m4a": (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n", "text"),
}


@pytest.mark.parametrize("name", OTHER)
def test_what_is_no_recording_is_called_what_it_is(tmp_path, name):
    content, words = OTHER[name]
    with pytest.raises(DecodeError, match=words) as caught:
        read_audio(written(tmp_path, content, name))
    assert str(tmp_path) in str(caught.value)


def test_the_same_of_a_folder_is_said_once():
    pointer = "it is a Git LFS pointer: run `git lfs pull` in a."
    failures = [(f"a/{i}.wav", f"Cannot decode a/{i}.wav: {pointer}") for i in range(12)]
    other = ("b/x.wav", "Cannot decode b/x.wav: it is text, not audio.")

    assert once_a_folder([*failures, other]) == [
        "12 files in a: each is a Git LFS pointer: run `git lfs pull` in a.",
        other[1],
    ]


def test_noise_is_never_taken_for_a_recording(tmp_path):
    rng = np.random.default_rng(0)
    for size in rng.integers(20, 20_000, 30):
        with pytest.raises(DecodeError):
            read_audio(written(tmp_path, rng.bytes(size)))
