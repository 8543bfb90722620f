"""Decoding: known samples, parts of files, channels, impossible samples, and files that are no audio."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from affetto.audio.decode import AUDIO_EXTENSIONS, once_a_folder, open_recording, read_audio
from affetto.audio.recording import DecodeError, UnreachableError
from affetto.corpora.measure import measure_clip
from affetto.corpora.parameters import AuditParameters

RATE_HZ = 16_000
AUDIT = AuditParameters()


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
def test_every_format_gives_the_same_sound_under_any_name(tmp_path, extension):
    wanted = sine()
    assert f".{extension}" in AUDIO_EXTENSIONS
    for name in (f"clip.{extension}", "clip.wav", "clip.m4a", "clip.mid", "clip.raw", "clip"):
        samples, rate = read_audio(write(tmp_path / name, wanted, format=extension.upper()))

        assert samples.dtype == np.float32
        assert rate == RATE_HZ
        tolerance = 0.05 if extension in {"ogg", "mp3"} else 2**-15
        np.testing.assert_allclose(samples[: len(wanted)], wanted, atol=tolerance)


@pytest.mark.parametrize("channels", [1, 2, 3, 6])
def test_mono_is_the_mean_of_any_number_of_channels(tmp_path, channels):
    columns = np.stack([sine(100.0 * (index + 1)) for index in range(channels)], axis=1)
    path = write(tmp_path / "clip.wav", columns, subtype="FLOAT")

    mono, _ = read_audio(path)

    np.testing.assert_allclose(mono, columns.mean(axis=1), atol=1e-7)
    assert header_of(path).channels == channels


def test_a_part_of_what_cannot_be_sought_is_decoded_from_the_beginning(tmp_path):
    path = write(tmp_path / "telephone.wav", sine(), subtype="NMS_ADPCM_32")

    part, _ = read_audio(path, start_s=0.1, end_s=0.2)

    np.testing.assert_array_equal(part, read_audio(path)[0][1_600:3_200])
    assert np.corrcoef(part, sine()[1_600:3_200])[0, 1] > 0.98


def test_long_files_are_read_in_blocks_without_a_seam(tmp_path):
    samples = np.arange(2_500_000, dtype=np.float32) / 4_194_304  # exact in float32 and in 24 bits
    path = write(tmp_path / "clip.wav", samples, subtype="PCM_24")

    np.testing.assert_array_equal(read_audio(path)[0], samples)


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


NONE = {
    "missing.wav": (None, "no such file"),
    "empty.wav": (b"", "0 bytes"),
    "noise.mp3": (bytes(range(7)) * 300, "neither libsndfile nor FFmpeg"),
    "random.wav": (np.random.default_rng(0).bytes(9_000), "neither libsndfile nor FFmpeg"),
    "samples.raw": (b"\0\1" * 400, "raw samples"),
    "text.mid": (b"this is no MIDI", "it is text"),
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


@pytest.mark.parametrize("name", [*NONE, "folder"])
def test_what_is_no_recording_is_called_what_it_is(tmp_path, name):
    content, words = NONE.get(name, (None, "it is a folder"))
    if content is not None:
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    for read in (read_audio, header_of):
        with pytest.raises(DecodeError, match=words) as caught:
            read(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_the_same_of_a_folder_is_said_once():
    pointer = "it is a Git LFS pointer: run `git lfs pull` in a."
    failures = [(f"a/{i}.wav", f"Cannot decode a/{i}.wav: {pointer}") for i in range(12)]
    other = ("b/x.wav", "Cannot decode b/x.wav: it is text, not audio.")

    assert once_a_folder([*failures, other]) == [
        "12 files in a: each is a Git LFS pointer: run `git lfs pull` in a.",
        other[1],
    ]


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


VOICE = sine(duration_s=2.0, amplitude=0.3)
N = len(VOICE)


@pytest.mark.parametrize("channels", [(1, -1), (0.8, -0.7), (1, -1, 1, -1)])
@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_where_the_mean_of_channels_cancels_the_loudest_one_speaks(tmp_path, channels, subtype):
    path = write(tmp_path / "clip.wav", np.outer(VOICE, channels), subtype=subtype)

    samples, _ = read_audio(path)

    np.testing.assert_allclose(samples, channels[0] * VOICE, atol=2**-14)
    part, _ = read_audio(path, start_s=0.25, end_s=0.5)
    np.testing.assert_array_equal(part, samples[4_000:8_000])
    alone = write(tmp_path / "alone.wav", samples, subtype="FLOAT")
    hashes = {measure_clip(each, np.nan, np.nan, AUDIT).content_hash for each in (path, alone)}
    assert len(hashes) == 1


def test_ordinary_stereo_is_the_mean_and_one_sound_in_long_silence_decides(tmp_path):
    noise = 0.1 * np.random.default_rng(0).standard_normal(N).astype(np.float32)
    for other in (VOICE, noise, 0.4 * -VOICE, np.zeros(N, np.float32)):
        path = write(tmp_path / "clip.wav", np.stack([VOICE, other], axis=1), subtype="FLOAT")
        np.testing.assert_allclose(read_audio(path)[0], (VOICE + other) / 2, atol=1e-6)
    samples = np.zeros((60 * RATE_HZ, 2), np.float32)
    samples[20 * RATE_HZ + 7 : 20 * RATE_HZ + 2_007] = np.outer(VOICE[:2_000], (1, -1))
    assert np.abs(read_audio(write(tmp_path / "clip.flac", samples))[0]).max() > 0.2


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, 5e4])
@pytest.mark.parametrize("scale", [1.0, 32_768.0])
def test_samples_that_no_sound_has_are_silenced_and_it_is_said(tmp_path, value, scale):
    samples = scale * VOICE
    samples[[700, 20_000]] = scale * np.float32(value)
    path = write(tmp_path / "clip.wav", samples, subtype="FLOAT")

    heard, _ = read_audio(path)

    samples[[700, 20_000]] = 0
    np.testing.assert_array_equal(heard, samples)
    measured = measure_clip(path, np.nan, np.nan, AuditParameters(max_clipped_share=1))
    assert measured.reason == ""
    assert measured.note.startswith("2 of 32000 samples are not finite")
    samples[::50] = scale * np.inf
    write(path, samples, subtype="FLOAT")
    with pytest.raises(DecodeError, match="640 of 32000 samples are not finite"):
        read_audio(path)
    assert measure_clip(path, np.nan, np.nan, AUDIT).reason.startswith("not finite: ")
