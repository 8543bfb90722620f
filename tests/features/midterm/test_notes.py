import numpy as np
import pytest

from affetto.audio.midi import render_score
from affetto.features.midterm.notes import (
    EVENT_DIMENSIONS,
    FRAME_S,
    HOP,
    LINE_DIMENSIONS,
    event_statistics,
    line_statistics,
    transcribe,
)
from affetto.features.midterm.notes import RATE_HZ as RATE


def played(*notes, program=0):
    """Samples of notes (onset s, duration s, pitch, velocity) of an instrument."""
    import symusic

    score = symusic.Score(ttype="second")
    track = symusic.Track("", program, False, ttype="second")
    track.notes.extend([symusic.Note(*note, ttype="second") for note in notes])
    score.tracks.append(track)
    return render_score(score, sample_rate_hz=RATE)


def described(samples):
    """Statistics of events and lines over the whole recording, by name."""
    notes = transcribe(samples)
    whole = np.array([0]), np.array([len(notes.levels_db)])
    events, lines = event_statistics(notes, *whole)[0], line_statistics(notes, *whole)[0]
    assert np.isfinite([*events, *lines]).all()
    names = [*EVENT_DIMENSIONS, *(f"line_{name}" for name in LINE_DIMENSIONS)]
    return dict(zip(names, [*events, *lines], strict=True))


@pytest.mark.parametrize("program", [0, 24, 73])
def test_a_tune_is_found_note_by_note(program):
    pitches = (60, 64, 67, 72, 67)
    tune = [(0.5 + 0.5 * k, 0.45, pitch, 90) for k, pitch in enumerate(pitches)]
    notes = transcribe(played(*tune, program=program))
    loud = notes.level_db > notes.loud_db - 12
    for onset_s, _, pitch, _ in tune:
        near = (np.abs(notes.onset * FRAME_S - onset_s) < 0.1) & (notes.pitch == pitch)
        assert near.any(), (onset_s, pitch)
    assert loud.sum() <= 2 * len(tune)


@pytest.mark.parametrize("pitch", [52, 69, 88])
def test_the_level_is_that_of_the_fundamental(pitch):
    """A tone with partials that fall off by 0.6 each, after a rest; an amplitude of 0.1 is -20 dB."""
    fundamental_hz, t = 440 * 2 ** ((pitch - 69) / 12), np.arange(int(RATE * 1.5)) / RATE
    partials = range(1, min(20, int(7000 / fundamental_hz)) + 1)
    waves = [0.6 ** (k - 1) * np.sin(2 * np.pi * k * fundamental_hz * t) for k in partials]
    tone = np.concatenate([np.zeros(RATE // 2), np.sum(waves, axis=0)]).astype(np.float32)
    soft, loud = transcribe(np.float32(0.1) * tone), transcribe(np.float32(0.4) * tone)
    assert soft.pitch[soft.level_db.argmax()] == pitch
    assert soft.level_db.max() == pytest.approx(-20, abs=3)
    assert loud.level_db.max() - soft.level_db.max() == pytest.approx(12.04, abs=0.1)


@pytest.mark.parametrize("n_samples", [1, 100, RATE])
def test_silence_has_no_notes_and_is_not_loud_and_long(n_samples):
    silence = np.zeros(n_samples, np.float32)
    notes = transcribe(silence)
    assert not len(notes.onset)
    assert notes.levels_db.shape == (1 + n_samples // HOP, 68)
    found = described(silence)
    assert {found[f"level_{q}"] for q in (10, 50, 90)} == {-20.0}
    assert {found[f"duration_{q}"] for q in (10, 50, 90)} == {-0.7}
    assert found["interval_50"] > 0.5
    assert found["level_clip"] == -100.0


@pytest.mark.parametrize("shift", range(0, 2 * HOP, HOP // 3))
def test_a_chord_is_one_beginning_wherever_frames_lie(shift):
    chord = played((0.5, 1.0, 52, 90), (0.51, 1.0, 60, 90), (0.5, 1.0, 67, 90))
    notes = transcribe(np.concatenate([np.zeros(shift, np.float32), chord]))
    end = int(0.7 / FRAME_S)
    found = event_statistics(notes, np.array([0]), np.array([end]))[0]
    named = dict(zip(EVENT_DIMENSIONS, found.tolist(), strict=True))
    assert named["onset_rate"] * end * FRAME_S == pytest.approx(1.0)
    assert named["onset_size"] >= 3


def test_notes_are_counted_timed_and_weighed():
    staccato = described(played(*((0.25 * k, 0.1, 60 + 5 * (k % 2), 90) for k in range(16))))
    legato = described(played(*((1.0 * k, 1.0, 60 + 5 * (k % 2), 90) for k in range(4)), program=73))
    assert staccato["onset_rate"] == pytest.approx(4.0, rel=0.2)
    assert staccato["interval_50"] == pytest.approx(np.log10(0.25), abs=0.05)
    assert legato["onset_rate"] == pytest.approx(1.0, rel=0.3)
    assert legato["duration_50"] > staccato["duration_50"] + 0.3
    assert staccato["rate_low"] == 0
    assert staccato["pitch_50"] == pytest.approx(62, abs=3)


def test_playing_softly_lowers_the_level_of_the_clip_alone():
    tune = [(0.5 * k, 0.4, 60 + 2 * k) for k in range(6)]
    loud, soft = (described(played(*((*note, velocity) for note in tune))) for velocity in (100, 50))
    assert loud["level_clip"] - soft["level_clip"] == pytest.approx(40 * np.log10(2), abs=0.1)
    assert soft["level_50"] == pytest.approx(loud["level_50"], abs=0.1)
    assert soft["rate"] == loud["rate"]


def test_lines_are_the_highest_and_the_lowest_notes():
    melody = [(0.5 * k, 0.5, 72 + step, 90) for k, step in enumerate((0, 2, 4, 5, 7, 9, 11, 12))]
    bass = [(1.0 * k, 1.0, pitch, 90) for k, pitch in enumerate((48, 36, 48, 36))]
    found = described(played(*melody, *bass))
    assert found["line_melody_pitch"] == pytest.approx(78, abs=3)
    assert found["line_bassline_pitch"] < found["line_melody_pitch"] - 20
    assert found["line_melody_steps"] > 0.6
    assert found["line_melody_rising"] > 0.6
    assert found["line_bassline_octaves"] > 0.5
    assert found["line_melody_rate"] > found["line_bassline_rate"]
