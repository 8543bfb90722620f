"""What is measured of one clip: clipping against its definition, headers that lie, files that are none."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from affetto.audio.recording import AudioHeader
from affetto.corpora.measure import Meter, measure_clip
from affetto.corpora.parameters import AuditParameters

RATE_HZ = 8_000
AUDIT = AuditParameters()


def tone(duration_s=0.5, amplitude=0.5, frequency_hz=110.0):
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    return (amplitude * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def measure(path, audit=AUDIT, start_s=np.nan, end_s=np.nan):
    return measure_clip(path, start_s, end_s, audit)


def written(tmp_path, samples, rate_hz=RATE_HZ, name="clip.wav", subtype="PCM_16"):
    soundfile.write(tmp_path / name, samples, rate_hz, subtype=subtype)
    return tmp_path / name


@given(
    st.lists(st.sampled_from([0.2, 1.0, -1.0, 1.5]), min_size=1, max_size=40),
    st.lists(st.integers(1, 39), max_size=5),
)
def test_clipped_frames_are_those_in_runs_of_three_however_the_blocks_fall(samples, cuts):
    meter = Meter(AudioHeader(1.0, RATE_HZ, 1))
    for block in np.split(np.array([samples], dtype=np.float32), sorted(cuts), axis=1):
        if block.size:
            meter.add(block)

    runs = [(full, len(list(run))) for full, run in itertools.groupby(abs(value) >= 1 for value in samples)]
    assert meter.n_clipped == sum(length for full, length in runs if full and length >= 3)
    assert meter.peak == np.float32(max(map(abs, samples)))


def test_a_normalised_recording_is_not_clipped(tmp_path):
    assert measure(written(tmp_path, tone(amplitude=1.0))).clipped_share < 0.01
    assert measure(written(tmp_path, tone(amplitude=0.99))).clipped_share == 0
    # The top code of 8 bits is wide: a sine is in it for 2 acos(1 - 0.5 / 127) / π of the time.
    assert measure(written(tmp_path, tone(amplitude=1.0), subtype="PCM_U8")).reason == ""


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT"])
def test_an_overdriven_recording_is_rejected_with_its_share(tmp_path, subtype):
    overdriven = tone(amplitude=2.0) if subtype == "FLOAT" else np.clip(tone(amplitude=2.0), -1, 1)
    path = written(tmp_path, overdriven, subtype=subtype)

    # A sine of twice full scale is beyond it for 2/3 of the time.
    assert measure(path).reason.startswith("clipped: 6")
    assert "audit.max_clipped_share is 10.0%" in measure(path).reason
    assert measure(path, AuditParameters(max_clipped_share=1)).clipped_share == pytest.approx(2 / 3, abs=0.01)


def test_one_clipped_channel_is_found_though_the_mean_is_not_clipped(tmp_path):
    path = written(tmp_path, np.stack([np.clip(tone(amplitude=4.0), -1, 1), 0.1 * tone()], axis=1))

    assert measure(path).reason.startswith("clipped")


@pytest.mark.parametrize("rate_hz", [1, 999, 384_001, 2_000_000_000])
def test_a_rate_that_no_recorder_has_is_rejected(tmp_path, rate_hz):
    assert measure(written(tmp_path, tone(), rate_hz)).reason.startswith(
        f"odd rate: its header says {rate_hz} "
    )


def test_a_long_recording_takes_little_memory(tmp_path):
    path = written(tmp_path, np.full((3_000_000, 2), 0.25, dtype=np.float32))
    measure(path)

    tracemalloc.start()
    measured = measure(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert measured.duration_s == 375
    assert peak < 12 << 20  # of 24 MB that it decodes to


def midi(*events, ticks_a_quarter=480):
    body = b"".join(events) + b"\x00\xff\x2f\x00"
    head = b"MThd" + (6).to_bytes(4, "big") + b"\x00\x00\x00\x01" + ticks_a_quarter.to_bytes(2, "big")
    return head + b"MTrk" + len(body).to_bytes(4, "big") + body


SLOWEST = b"\x00\xff\x51\x03\xff\xff\xff"  # 16.8 s a quarter
NOTE_ON, LATE_NOTE_OFF = b"\x00\x90\x40\x64", b"\xff\xff\xff\x7f\x80\x40\x00"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (midi(NOTE_ON, LATE_NOTE_OFF), "too long"),  # 2**28 ticks
        (midi(SLOWEST, NOTE_ON, LATE_NOTE_OFF, ticks_a_quarter=1), "too long"),  # 143 years
        (midi(SLOWEST, NOTE_ON, LATE_NOTE_OFF, ticks_a_quarter=0), ""),
        (midi(ticks_a_quarter=480), "unreadable"),  # no notes
        (midi(NOTE_ON, LATE_NOTE_OFF, ticks_a_quarter=0xE728), "unreadable"),  # SMPTE time
        (b"MThd" + bytes((16 << 20) + 1), "unreadable"),
        (b"MThd", "unreadable"),
    ],
)
def test_midi_that_lasts_for_years_or_is_none_is_not_rendered(tmp_path, content, reason):
    (tmp_path / "tune.mid").write_bytes(content)

    measured = measure(tmp_path / "tune.mid")

    assert measured.reason.startswith(reason) if reason else measured.duration_s < 3600


def test_the_content_hash_tells_samples_and_rates_apart_and_not_containers_or_blocks(tmp_path):
    samples = np.round(tone() * 2**15).astype(np.int16)
    wav, flac, negative, faster, shorter = (
        measure(written(tmp_path, values, rate_hz, name)).content_hash
        for values, rate_hz, name in [
            (samples, RATE_HZ, "a.wav"),
            (samples, RATE_HZ, "a.flac"),
            (-samples, RATE_HZ, "b.wav"),
            (samples, 2 * RATE_HZ, "c.wav"),
            (samples[1:], RATE_HZ, "d.wav"),
        ]
    )
    meter = Meter(AudioHeader(1.0, RATE_HZ, 1))
    for block in np.split(np.float32(samples[np.newaxis] / 2**15), [100], axis=1):
        meter.add(block)

    assert wav == flac == meter.measurement().content_hash
    assert len({wav, negative, faster, shorter}) == 4
