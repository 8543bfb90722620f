"""Decoding: known samples, every format and channel count, parts of files, and files that are no audio."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
import symusic
from hypothesis import given, settings
from hypothesis import strategies as st

from affetto.audio.decode import (
    ContentHash,
    DecodeError,
    UnreachableError,
    open_recording,
    read_audio,
    resample,
)
from affetto.audio.formats import AUDIO_EXTENSIONS

RATE_HZ = 16_000


def sine(frequency_hz=440.0, duration_s=0.5, rate_hz=RATE_HZ, amplitude=0.5):
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    return (amplitude * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def header_of(path):
    with open_recording(path) as recording:
        return recording.header


def write(path, samples, rate_hz=RATE_HZ, **options):
    soundfile.write(path, samples, rate_hz, **options)
    return path


@pytest.mark.parametrize("extension", ["wav", "flac", "aiff", "au", "caf", "w64", "rf64", "ogg", "mp3"])
def test_every_format_gives_the_same_sound(tmp_path, extension):
    wanted = sine()
    samples, rate = read_audio(write(tmp_path / f"clip.{extension}", wanted))

    assert f".{extension}" in AUDIO_EXTENSIONS
    assert samples.dtype == np.float32
    assert rate == RATE_HZ
    tolerance = 0.05 if extension in {"ogg", "mp3"} else 2**-15
    np.testing.assert_allclose(samples[: len(wanted)], wanted, atol=tolerance)


@pytest.mark.parametrize("channels", [1, 2, 3, 6])
def test_mono_is_the_mean_of_any_number_of_channels(tmp_path, channels):
    columns = np.stack([sine(100.0 * (index + 1)) for index in range(channels)], axis=1)
    path = write(tmp_path / "clip.wav", columns, subtype="FLOAT")

    mono, _ = read_audio(path)
    every, _ = read_audio(path, mono=False)

    np.testing.assert_array_equal(every, columns.T)
    np.testing.assert_allclose(mono, columns.mean(axis=1), atol=1e-7)
    assert header_of(path).channels == channels


def test_long_files_are_read_in_blocks_without_a_seam(tmp_path):
    samples = np.arange(2_500_000, dtype=np.float32) / 4_194_304  # exact in float32 and in 24 bits
    path = write(tmp_path / "clip.wav", samples, subtype="PCM_24")

    np.testing.assert_array_equal(read_audio(path)[0], samples)


def test_floats_beyond_full_scale_are_kept(tmp_path):
    path = write(tmp_path / "clip.wav", np.array([1.5, -2.0], dtype=np.float32), subtype="FLOAT")

    np.testing.assert_array_equal(read_audio(path)[0], [1.5, -2.0])


@settings(deadline=None, max_examples=30)
@given(start=st.integers(0, 900), length=st.integers(0, 900))
def test_a_part_is_what_slicing_the_whole_gives(tmp_path_factory, start, length):
    path = tmp_path_factory.getbasetemp() / "part.flac"
    if not path.exists():
        write(path, sine(duration_s=0.05))  # 800 frames
    whole, _ = read_audio(path)

    part, _ = read_audio(path, start_s=start / RATE_HZ, end_s=(start + length) / RATE_HZ)

    np.testing.assert_array_equal(part, whole[start : start + length])


def test_resampling_keeps_the_tone_and_the_length(tmp_path):
    path = write(tmp_path / "clip.wav", sine(1_000.0, 1.0, 48_000), 48_000, subtype="FLOAT")

    samples, rate = read_audio(path, sample_rate_hz=RATE_HZ)

    assert rate == RATE_HZ
    assert len(samples) == RATE_HZ
    np.testing.assert_allclose(samples[500:-500], sine(1_000.0, 1.0)[500:-500], atol=1e-3)


def test_resampling_removes_what_is_above_the_new_range():
    above = resample(sine(12_000.0, 1.0, 48_000), 48_000, RATE_HZ)

    assert np.abs(above[500:-500]).max() < 1e-4


def test_resampling_keeps_channels_apart():
    both = np.stack([sine(), np.zeros_like(sine())])

    resampled = resample(both, RATE_HZ, 8_000)

    assert resampled.shape == (2, 4_000)
    assert np.abs(resampled[1]).max() == 0
    assert resample(both[:, :0], RATE_HZ, 8_000).shape == (2, 0)


def test_a_header_that_does_not_tell_the_length(tmp_path):
    """Streamed FLAC writes 0 for the number of frames."""
    buffer = io.BytesIO()
    soundfile.write(buffer, sine(), RATE_HZ, format="FLAC")
    data = bytearray(buffer.getvalue())
    data[21] &= 0xF0  # the number of frames: 36 bits of the STREAMINFO block
    data[22:26] = bytes(4)
    path = tmp_path / "stream.flac"
    path.write_bytes(data)

    assert header_of(path).duration_s == float("inf")
    np.testing.assert_allclose(read_audio(path)[0], sine(), atol=2**-15)
    part, _ = read_audio(path, start_s=0.1, end_s=0.2)
    np.testing.assert_array_equal(part, read_audio(path)[0][1_600:3_200])
    assert len(read_audio(path, start_s=9.0)[0]) == 0


def test_a_truncated_file_gives_what_is_there(tmp_path):
    path = write(tmp_path / "clip.wav", sine())
    path.write_bytes(path.read_bytes()[:4_044])

    assert len(read_audio(path)[0]) == 2_000


def unreadable_files(folder):
    yield folder / "missing.wav", "no such file"
    (folder / "folder.wav").mkdir()
    yield folder / "folder.wav", "it is a folder"
    for name, content, reason in [
        ("empty.wav", b"", "0 bytes"),
        ("text.wav", b"this is a shopping list, not a recording\n" * 40, "it is text"),
        ("noise.mp3", bytes(range(7)) * 300, "neither libsndfile nor FFmpeg"),
        ("samples.raw", b"\0\1" * 400, "raw samples"),
        ("text.mid", b"this is no MIDI", "it is text"),
    ]:
        (folder / name).write_bytes(content)
        yield folder / name, reason


@pytest.mark.parametrize("read", [read_audio, header_of])
def test_what_cannot_be_decoded_is_named_with_the_reason(tmp_path, read):
    for path, reason in unreadable_files(tmp_path):
        with pytest.raises(DecodeError, match=reason) as caught:
            read(path)
        message = str(caught.value)
        assert path.name in message
        assert "\n" not in message


@pytest.mark.parametrize("suffix", [".wav", ".mid"])
def test_what_the_storage_does_not_give_is_told_from_what_is_damaged(tmp_path, suffix):
    (tmp_path / f"loop{suffix}").symlink_to(tmp_path / f"loop{suffix}")
    (tmp_path / f"text{suffix}").write_text("no recording")
    for name in ("missing", "loop"):
        with pytest.raises(UnreachableError, match=name):
            read_audio(tmp_path / f"{name}{suffix}")
    with pytest.raises(DecodeError) as caught:
        read_audio(tmp_path / f"text{suffix}")
    assert not isinstance(caught.value, UnreachableError)


def test_a_disk_that_fails_while_a_recording_is_read_is_no_damage(tmp_path, monkeypatch):
    path = write(tmp_path / "clip.wav", sine())

    def fail(*_, **__):
        raise soundfile.LibsndfileError(2)  # SF_ERR_SYSTEM

    monkeypatch.setattr(soundfile.SoundFile, "read", fail)
    with pytest.raises(UnreachableError, match="System error"):
        read_audio(path)


def test_no_frames_are_no_samples_and_no_error(tmp_path):
    path = write(tmp_path / "clip.wav", np.zeros(0, dtype=np.float32))

    assert read_audio(path, sample_rate_hz=8_000)[0].shape == (0,)
    assert read_audio(path, mono=False)[0].shape == (1, 0)


def midi(path, seconds=1.0):
    score = symusic.Score(480)  # 120 quarters a minute
    score.tracks.append(symusic.Track())
    score.tracks[0].notes.append(symusic.Note(time=0, duration=round(seconds * 960), pitch=60, velocity=90))
    score.dump_midi(path)
    return path


def test_midi_is_rendered_and_cut(tmp_path):
    path = midi(tmp_path / "tune.mid")
    whole, rate = read_audio(path)
    part, _ = read_audio(path, start_s=0.25, end_s=0.5)

    assert rate == 22_050
    assert header_of(path).duration_s == pytest.approx(1.0)
    np.testing.assert_array_equal(part, whole[round(0.25 * rate) : round(0.5 * rate)])
    assert read_audio(path, sample_rate_hz=RATE_HZ, mono=False)[0].shape[0] == 1


def content(*blocks, rate_hz=RATE_HZ):
    digest = ContentHash(rate_hz)
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()


def test_content_hash_tells_samples_and_rates_apart_and_not_containers_or_blocks(tmp_path):
    samples = np.round(sine() * 2**15).astype(np.int16)
    wav, _ = read_audio(write(tmp_path / "a.wav", samples))
    flac, _ = read_audio(write(tmp_path / "b.flac", samples))

    assert content(wav) == content(flac)
    assert content(wav[:100], wav[100:]) == content(wav)
    assert len({content(wav), content(-wav), content(wav, rate_hz=8_000), content(wav[1:])}) == 4
