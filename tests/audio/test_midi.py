import subprocess
import sys

import numpy as np
import pytest
import symusic
from hypothesis import given, settings
from hypothesis import strategies as st

from affetto.audio.decode import DecodeError, UnreachableError
from affetto.audio.midi import PEAK_LIMIT, limit_peak, played_tracks, render_midi, render_score


def midi_bytes(*, pitch: int = 69, seconds: float = 2.0, program: int = 73, velocity: int = 80) -> bytes:
    score = symusic.Score(480)
    track = symusic.Track("", program, False)
    track.notes.append(symusic.Note(0, round(seconds * 960), pitch, velocity))
    score.tracks.append(track)
    return score.dumps_midi()


def spectral_peak_hz(samples: np.ndarray, sample_rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * sample_rate_hz / len(samples))


@pytest.mark.parametrize("sample_rate_hz", [22050, 16000])
def test_a4_sounds_at_440_hz_for_its_duration(sample_rate_hz):
    samples = render_midi(midi_bytes(), sample_rate_hz=sample_rate_hz)
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert len(samples) / sample_rate_hz == pytest.approx(2.0, abs=0.05)
    assert spectral_peak_hz(samples, sample_rate_hz) == pytest.approx(440, rel=0.01)


@pytest.mark.parametrize("program", [0, 6, 21, 24, 40, 46, 48, 56, 73, 105])
@pytest.mark.parametrize("pitch", [45, 60, 76])
def test_every_instrument_sounds_the_note_that_is_written(program, pitch):
    """symusic's synthesizer is off by up to two octaves where the pitch of a sample stands in the zone."""
    samples = render_midi(midi_bytes(program=program, pitch=pitch))[2_205:]
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    multiples = np.fft.rfftfreq(len(samples), 1 / 22050) / (440 * 2 ** ((pitch - 69) / 12))
    cents = 1200 * np.log2(np.maximum(multiples, 1e-3)[:, None] / np.arange(1, 6))
    partials = np.array([power[np.abs(column) < 60].sum() for column in cents.T])
    assert partials.sum() > 0.7 * power[(multiples > 0.4) & (multiples < 5.2)].sum()
    assert partials[[0, 2, 4]].sum() > 0.1 * partials.sum()  # an octave higher, odd partials are missing
    assert partials[[0, 1, 3, 4]].sum() > 0.1 * partials.sum()  # and these, a twelfth higher


def test_an_octave_is_twice_the_frequency():
    low, high = (render_midi(midi_bytes(pitch=pitch)) for pitch in (69, 81))
    assert spectral_peak_hz(high, 22050) == pytest.approx(2 * spectral_peak_hz(low, 22050), rel=0.01)


def test_a_file_renders_like_its_bytes(tmp_path):
    data = midi_bytes()
    path = tmp_path / "tune.mid"
    path.write_bytes(data)
    np.testing.assert_array_equal(render_midi(path), render_midi(data))


def test_rendering_does_not_depend_on_what_was_rendered_before():
    accordion = midi_bytes(program=21, seconds=1.0)
    first = render_midi(accordion)
    render_midi(midi_bytes(program=21, seconds=3.0, pitch=70))
    np.testing.assert_array_equal(render_midi(accordion), first)


def scored(*notes, controls=()):
    """A piano playing notes (time, duration, pitch, velocity), with controls (time, number, value)."""
    score = symusic.Score(ttype="second")
    track = symusic.Track("", 0, False, ttype="second")
    track.notes.extend([symusic.Note(*note, ttype="second") for note in notes])
    track.controls.extend([symusic.ControlChange(*change, ttype="second") for change in controls])
    score.tracks.append(track)
    return score


def test_velocity_volume_and_expression_attenuate_by_40_log10():
    """SoundFont 2.04, section 8.4: the default modulators."""
    loud = render_score(scored((0.0, 1.0, 60, 120)))
    np.testing.assert_allclose(render_score(scored((0.0, 1.0, 60, 60))), loud / 4, atol=1e-6)
    for controller, value, factor in ((7, 50, 1 / 4), (11, 127, 1.0), (11, 90, (90 / 127) ** 2)):
        quieter = render_score(scored((0.0, 1.0, 60, 120), controls=[(0.0, controller, value)]))
        np.testing.assert_allclose(quieter, factor * loud, atol=1e-6)


def test_a_control_counts_from_its_time_on():
    loud = render_score(scored((0.0, 1.0, 60, 90)))
    fading = render_score(scored((0.0, 1.0, 60, 90), controls=[(0.5, 11, 0)]))
    middle = round(0.5 * 22_050)
    np.testing.assert_array_equal(fading[:middle], loud[:middle])
    assert not fading[middle:].any()


def test_loud_and_soft_notes_of_a_track_sound_together():
    together = render_score(scored((0.0, 1.0, 60, 120), (0.5, 1.0, 64, 40)))
    loud, soft = render_score(scored((0.0, 1.0, 60, 120))), render_score(scored((0.5, 1.0, 64, 40)))
    expected = np.zeros(len(together), np.float32)
    expected[: len(loud)] += loud
    expected[: len(soft)] += soft
    np.testing.assert_allclose(together, expected, atol=1e-6)


DOWN, UP = 100, 30


@pytest.mark.parametrize(
    ("notes", "pedals", "lengths"),
    [
        ([(0.0, 0.5, 60, 90), (3.0, 1.0, 72, 90)], [(0.2, DOWN), (2.0, UP)], [2.0, 1.0]),
        ([(0.0, 0.5, 60, 90), (3.0, 1.0, 72, 90)], [(0.6, DOWN), (2.0, UP)], [0.5, 1.0]),
        ([(0.0, 0.5, 60, 90), (1.0, 0.25, 60, 90)], [(0.0, DOWN)], [1.0, 0.25]),
        (
            [(0.0, 0.5, 60, 90), (1.0, 0.25, 62, 90), (3.0, 1.0, 72, 90)],
            [(1.6, DOWN), (0.0, DOWN), (1.5, UP), (2.6, UP)],
            [1.5, 0.5, 1.0],
        ),
        ([(0.0, 3.0, 60, 90)], [(0.0, DOWN), (2.0, UP)], [3.0]),
        ([(0.0, 0.5, 60, 90), (3.0, 1.0, 72, 90)], [(0.1, UP), (0.2, DOWN), (0.3, DOWN)], [4.0, 1.0]),
    ],
)
def test_the_pedal_holds_notes_until_it_is_let_go_or_the_key_is_struck_again(notes, pedals, lengths):
    """As read from a file; a pedal that is never let go holds to the end of the score."""
    score = scored(*notes, controls=[(time, 64, value) for time, value in pedals])
    read = symusic.Score.from_midi(score.to("tick").dumps_midi())
    for each in (score, read):
        (track,) = played_tracks(each)
        found = sorted(
            (note for _, part in track.parts for note in part.tracks[0].notes), key=lambda n: n.time
        )
        assert [note.duration for note in found] == pytest.approx(lengths, abs=0.01)


def test_a_note_without_velocity_is_not_played():
    (track,) = played_tracks(scored((0.0, 1.0, 60, 0)))
    assert not track.parts


def test_a_disk_that_takes_no_soundfont_is_no_fault_of_the_clip(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(UnreachableError, match=r"nowhere does not take the SoundFont"):
        render_midi(midi_bytes())


def test_an_instrument_whose_loop_began_before_its_sample_renders():
    """Applause: symusic crashed, so in a process of its own."""
    code = (
        "import symusic; from affetto.audio.midi import render_score; s = symusic.Score(480);"
        "t = symusic.Track('', 126, False); t.notes.append(symusic.Note(0, 3840, 84, 90));"
        "s.tracks.append(t); print(len(render_score(s)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 4 * 22_050 - 1_000


def test_many_loud_notes_stay_below_full_scale():
    score = symusic.Score(480)
    track = symusic.Track("", 56, False)
    for pitch in range(48, 72):
        track.notes.append(symusic.Note(0, 480, pitch, 127))
    score.tracks.append(track)
    assert np.max(np.abs(render_midi(score.dumps_midi()))) <= PEAK_LIMIT


@pytest.mark.parametrize("content", [b"", b"MThd", b"not a tune", b"MThd\x00\x00\x00\x06\x00\x01"])
def test_what_is_not_midi_is_a_decode_error_with_the_name(tmp_path, content):
    path = tmp_path / "broken.mid"
    path.write_bytes(content)
    with pytest.raises(DecodeError, match=r"broken\.mid"):
        render_midi(path)


def test_missing_file_and_empty_score_are_decode_errors(tmp_path):
    with pytest.raises(DecodeError, match=r"nowhere\.mid"):
        render_midi(tmp_path / "nowhere.mid")
    with pytest.raises(DecodeError, match="no notes"):
        render_midi(symusic.Score(480).dumps_midi())


@given(st.lists(st.floats(-4, 4, width=32), max_size=50))
@settings(max_examples=50, deadline=None)
def test_limit_peak_only_scales_down(values):
    samples = np.array(values, dtype=np.float32)
    limited = limit_peak(samples)
    assert np.max(np.abs(limited), initial=0.0) <= PEAK_LIMIT + 1e-6
    assert np.all(np.sign(limited) * np.sign(samples) >= 0)
    assert np.all(np.abs(limited) <= np.abs(samples))


def test_only_a_file_with_all_its_tracks_is_parsed():
    """symusic 0.5.9 reads behind the end of a cut file: it crashes, or returns notes that are not there."""
    data = midi_bytes(seconds=0.2)

    for cut in range(len(data)):
        with pytest.raises(DecodeError, match="cannot read MIDI"):
            render_midi(data[:cut])
    np.testing.assert_array_equal(render_midi(data + b"\0trailing"), render_midi(data))
    container = b"RIFF" + (12 + len(data)).to_bytes(4, "little") + b"RMIDdata"
    np.testing.assert_array_equal(
        render_midi(container + len(data).to_bytes(4, "little") + data), render_midi(data)
    )
