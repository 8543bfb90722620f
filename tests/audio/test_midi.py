import numpy as np
import pytest
import symusic
from hypothesis import given, settings
from hypothesis import strategies as st

from affetto.audio.decode import DecodeError
from affetto.audio.dynamics import parts_of
from affetto.audio.midi import PEAK_LIMIT, limit_peak, render_midi, render_score


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
    semitones_off = 12 * np.abs(np.log2(np.maximum(multiples, 0.5) / np.maximum(np.rint(multiples), 1)))
    harmonic = (semitones_off < 0.7) & (multiples > 0.9) & (multiples < 6.5)
    assert power[harmonic].sum() > 0.8 * power[multiples < 6.5].sum()


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


def scored(*notes, controls=(), pedals=()):
    """A piano playing notes (time, duration, pitch, velocity), s, with control changes and pedals held."""
    score = symusic.Score(ttype="second")
    track = symusic.Track("", 0, False, ttype="second")
    track.notes.extend([symusic.Note(*note, ttype="second") for note in notes])
    track.controls.extend([symusic.ControlChange(*change, ttype="second") for change in controls])
    track.pedals.extend([symusic.Pedal(*pedal, ttype="second") for pedal in pedals])
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


@pytest.mark.parametrize(
    ("notes", "pedals", "lengths"),
    [
        ([(0.0, 0.5, 60, 90)], [(0.2, 1.8)], [2.0]),
        ([(0.0, 0.5, 60, 90)], [(0.6, 1.4)], [0.5]),
        ([(0.0, 0.5, 60, 90), (1.0, 0.25, 60, 90)], [(0.0, 2.0)], [1.0, 1.0]),
        ([(0.0, 0.5, 60, 90), (1.0, 0.25, 62, 90)], [(0.0, 1.5), (1.6, 1.0)], [1.5, 0.5]),
        ([(0.0, 3.0, 60, 90)], [(0.0, 2.0)], [3.0]),
    ],
)
def test_the_pedal_holds_notes_until_it_is_let_go_or_the_key_is_struck_again(notes, pedals, lengths):
    found = [note for part in parts_of(scored(*notes, pedals=pedals)) for note in part.score.tracks[0].notes]
    assert [note.duration for note in sorted(found, key=lambda note: note.time)] == pytest.approx(lengths)


def test_a_note_without_velocity_is_not_played():
    assert not list(parts_of(scored((0.0, 1.0, 60, 0))))


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
