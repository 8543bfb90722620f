import struct
import subprocess
import sys

import numpy as np
import pytest
import symusic

from affetto.audio.decode import open_recording, read_audio
from affetto.audio.midi import render_score
from affetto.audio.recording import DecodeError, UnreachableError

RATE_HZ = 22_050


def scored(*notes, controls=(), program=0):
    """An instrument playing notes (time, duration, pitch, velocity), with controls (time, number, value)."""
    score = symusic.Score(ttype="second")
    track = symusic.Track("", program, False, ttype="second")
    track.notes.extend([symusic.Note(*note, ttype="second") for note in notes])
    track.controls.extend([symusic.ControlChange(*change, ttype="second") for change in controls])
    score.tracks.append(track)
    return score


def spectral_peak_hz(samples, rate_hz):
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return np.argmax(spectrum) * rate_hz / len(samples)


@pytest.mark.parametrize("rate_hz", [RATE_HZ, 16_000])
@pytest.mark.parametrize(("pitch", "hz"), [(69, 440), (81, 880)])
def test_a_note_sounds_at_its_pitch_for_its_duration(rate_hz, pitch, hz):
    samples = render_score(scored((0.0, 2.0, pitch, 80), program=73), sample_rate_hz=rate_hz)
    assert samples.dtype == np.float32
    assert samples.shape == (pytest.approx(2.0 * rate_hz, rel=0.03),)
    assert spectral_peak_hz(samples, rate_hz) == pytest.approx(hz, rel=0.01)


@pytest.mark.parametrize("program", [0, 6, 21, 24, 40, 46, 48, 56, 73, 105])
@pytest.mark.parametrize("pitch", [45, 60, 76])
def test_every_instrument_sounds_the_note_that_is_written(program, pitch):
    """symusic's synthesizer is off by up to two octaves where the pitch of a sample stands in the zone."""
    samples = render_score(scored((0.0, 2.0, pitch, 80), program=program))[2_205:]
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    multiples = np.fft.rfftfreq(len(samples), 1 / RATE_HZ) / (440 * 2 ** ((pitch - 69) / 12))
    cents = 1200 * np.log2(np.maximum(multiples, 1e-3)[:, None] / np.arange(1, 6))
    partials = np.array([power[np.abs(column) < 60].sum() for column in cents.T])
    assert partials.sum() > 0.7 * power[(multiples > 0.4) & (multiples < 5.2)].sum()
    assert partials[[0, 2, 4]].sum() > 0.1 * partials.sum()  # an octave higher, odd partials are missing
    assert partials[[0, 1, 3, 4]].sum() > 0.1 * partials.sum()  # and these, a twelfth higher


def test_an_instrument_whose_loop_began_before_its_sample_renders():
    """Applause: symusic crashed, so in a process of its own."""
    code = (
        "import symusic; from affetto.audio.midi import render_score; s = symusic.Score(480);"
        "t = symusic.Track('', 126, False); t.notes.append(symusic.Note(0, 3840, 84, 90));"
        "s.tracks.append(t); print(len(render_score(s)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 4 * RATE_HZ - 1_000


def test_rendering_does_not_depend_on_what_was_rendered_before():
    accordion = scored((0.0, 1.0, 69, 80), program=21)
    first = render_score(accordion)
    render_score(scored((0.0, 3.0, 70, 80), program=21))
    np.testing.assert_array_equal(render_score(accordion), first)


def test_velocity_volume_and_expression_attenuate_by_40_log10():
    """SoundFont 2.04, section 8.4: the default modulators."""
    loud = render_score(scored((0.0, 1.0, 60, 120)))
    np.testing.assert_allclose(render_score(scored((0.0, 1.0, 60, 60))), loud / 4, atol=1e-6)
    for controller, value, factor in ((7, 50, 1 / 4), (11, 127, 1.0), (11, 90, (90 / 127) ** 2)):
        for time, since in ((0.0, 0), (0.5, 11_025)):  # a control counts from its time on
            quieter = render_score(scored((0.0, 1.0, 60, 120), controls=[(time, controller, value)]))
            np.testing.assert_allclose(quieter[since:], factor * loud[since:], atol=1e-6)
            np.testing.assert_array_equal(quieter[:since], loud[:since])


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
    held = [(time, length, *rest) for (time, _, *rest), length in zip(notes, lengths, strict=True)]

    def read(score):
        return symusic.Score.from_midi(score.to("tick").dumps_midi())

    np.testing.assert_allclose(render_score(score), render_score(scored(*held)), atol=1e-6)
    np.testing.assert_allclose(render_score(read(score)), render_score(read(scored(*held))), atol=1e-6)


def test_many_loud_notes_stay_below_full_scale():
    notes = [(0.0, 0.5, pitch, 127) for pitch in range(36, 84)]
    assert np.max(np.abs(render_score(scored(*notes, program=56)))) == pytest.approx(0.99, abs=1e-6)


def written(folder, data):
    (folder / "tune.mid").write_bytes(data)
    return folder / "tune.mid"


TUNE = scored((0.0, 0.2, 69, 80)).to("tick")


def test_a_disk_that_takes_no_soundfont_is_no_fault_of_the_clip(monkeypatch, tmp_path):
    path = written(tmp_path, TUNE.dumps_midi())
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(UnreachableError, match=r"tune\.mid: No such file"):
        read_audio(path)


def test_a_file_sounds_like_its_score_and_is_cut_in_seconds(tmp_path):
    path = written(tmp_path, TUNE.dumps_midi())
    with open_recording(path) as recording:
        assert recording.header.duration_s == pytest.approx(0.2, abs=0.01)

    whole, rate = read_audio(path)

    assert rate == RATE_HZ
    np.testing.assert_array_equal(whole, render_score(symusic.Score.from_midi(TUNE.dumps_midi())))
    part, _ = read_audio(path, start_s=0.05, end_s=0.1)
    np.testing.assert_array_equal(part, whole[round(0.05 * rate) : round(0.1 * rate)])


def test_only_a_file_with_all_its_tracks_is_parsed(tmp_path):
    """symusic 0.5.9 reads behind the end of a cut file: it crashes, or returns notes that are not there."""
    data = TUNE.dumps_midi()
    whole, _ = read_audio(written(tmp_path, data))

    for cut in range(4, len(data)):
        with pytest.raises(DecodeError, match=r"tune\.mid: it is not a Standard MIDI File"):
            read_audio(written(tmp_path, data[:cut]))
    container = b"RIFF" + struct.pack("<I", 12 + len(data)) + b"RMIDdata" + struct.pack("<I", len(data))
    for same in (data + b"\0trailing", container + data):
        np.testing.assert_array_equal(read_audio(written(tmp_path, same))[0], whole)
    with pytest.raises(DecodeError, match="no notes"):
        read_audio(written(tmp_path, symusic.Score(480).dumps_midi()))
