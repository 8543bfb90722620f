import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from affetto.features.midterm.extract import TEMPI_BPM, from_tonic, interval_content, key_correlations
from affetto.features.table import MidtermParameters

RATE = 22_050


def tones(*midi, seconds=1.0):
    """Notes with four harmonics and a soft start, all at once, float32 [n]."""
    t = np.arange(int(RATE * seconds)) / RATE
    hertz = 440.0 * 2.0 ** ((np.array(midi)[:, np.newaxis] - 69) / 12)
    waves = sum(np.sin(2 * np.pi * k * hertz * t) / k**2 for k in range(1, 5)).sum(axis=0)
    return (0.1 * waves * np.minimum(1, 20 * t) * np.exp(-2 * t)).astype(np.float32)


def progression(mode, tonic):
    """Tonic, subdominant, dominant, tonic in major or minor, twice."""
    third = {"major": 4, "minor": 3}[mode]
    chords = [(0, third, 7), (5, 5 + third, 12), (7, 11, 14), (0, third, 7)]
    return np.concatenate([tones(*(tonic + np.array(chord))) for chord in chords * 2])


def named(samples, **parameters):
    """Columns by name."""
    wanted = MidtermParameters(**parameters)
    return dict(zip(wanted.dimensions(), wanted.extract(samples, RATE).T, strict=True))


@pytest.mark.parametrize("tonic", [57, 60, 66])
def test_mode_and_degrees_do_not_depend_on_the_tonic(tonic):
    major, minor = (named(progression(mode, tonic), groups=("key", "chroma")) for mode in ("major", "minor"))
    assert np.all(major["key_clip_mode"] > 0.05)
    assert np.all(minor["key_clip_mode"] < -0.05)
    for found, third, other in ((major, 4, 3), (minor, 3, 4)):
        thirds = found[f"chroma_degree_{third}"].mean(), found[f"chroma_degree_{other}"].mean()
        assert thirds[0] > 2 * thirds[1]
        assert np.mean([found[f"chroma_degree_{k}"] for k in (0, 7)]) > 1 / 12


def test_kinds_of_chords_are_told_apart():
    for kind, chord in (("major", (60, 64, 67)), ("minor", (60, 63, 67)), ("diminished", (60, 63, 66))):
        found = named(np.tile(tones(*chord), 4), groups=("chords",))
        matches = {name: found[f"chord_{name}_match"].mean() for name in ("major", "minor", "diminished")}
        assert max(matches, key=matches.get) == kind
        assert found["chord_changes"].mean() < 0.2


def test_tempo_and_number_of_onsets():
    seconds = 0.5
    found = named(np.tile(tones(72, seconds=seconds), 20), groups=("tempo", "notes"))
    tempo = np.array([found[f"tempo_{bpm:.0f}_bpm"].mean() for bpm in TEMPI_BPM])
    fast = TEMPI_BPM > 90
    assert TEMPI_BPM[fast][tempo[fast].argmax()] == pytest.approx(60 / seconds, rel=0.1)
    slower = named(np.tile(tones(72, seconds=1.0), 10), groups=("notes",))
    assert found["notes_onset_share"].mean() == pytest.approx(2 * slower["notes_onset_share"].mean(), rel=0.3)


def test_tremolo_is_in_its_modulation_band():
    t = np.arange(6 * RATE) / RATE
    carrier = np.sin(2 * np.pi * 440 * t)
    found = named(
        (0.2 * carrier * (1.2 + np.sin(2 * np.pi * 4 * t))).astype(np.float32), groups=("modulation",)
    )
    bands = {low: found[f"modulation_{low}_hz_rms_db"].mean() for low in ("0.7", "1.5", "3", "12")}
    assert max(bands, key=bands.get) == "3"


@pytest.mark.parametrize("n_samples", [1, 100, 3 * RATE, 20 * RATE])
@pytest.mark.parametrize("kind", ["noise", "silence", "constant"])
def test_any_recording_has_finite_rows(n_samples, kind):
    samples = {
        "noise": np.random.default_rng(0).normal(size=n_samples).astype(np.float32),
        "silence": np.zeros(n_samples, np.float32),
        "constant": np.full(n_samples, 0.5, np.float32),
    }[kind]
    parameters = MidtermParameters(hop_s=1.0)
    found = parameters.extract(samples, RATE)
    whole_frames = n_samples // 512
    assert found.shape == (1 + int(whole_frames * 512 / RATE), len(parameters.dimensions()))
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


def test_level_and_rate_hardly_matter(signal):
    samples = signal(44_100, 8.0)
    parameters = MidtermParameters(groups=("tempo", "key", "chroma", "chords", "notes", "semitones"))
    reference = parameters.extract(samples, 44_100)
    np.testing.assert_allclose(parameters.extract(0.1 * samples, 44_100), reference, atol=0.05)


def test_correlations_with_keys_are_pearsons():
    chroma = np.random.default_rng(0).random((5, 12))
    profile = [0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400]
    expected = [[np.corrcoef(row, np.roll(profile, k))[0, 1] for k in range(12)] for row in chroma]
    np.testing.assert_allclose(key_correlations(chroma)[0], expected, atol=1e-6)


@settings(deadline=None)
@given(arrays(np.float64, 12, elements=st.floats(0, 1, width=32)), st.integers(0, 11))
def test_transposing_moves_the_tonic_and_nothing_else(chroma, steps):
    moved = np.roll(chroma, steps)[np.newaxis]
    for found, reference in zip(key_correlations(moved), key_correlations(chroma[np.newaxis]), strict=True):
        np.testing.assert_allclose(found, np.roll(reference, steps, axis=1), atol=1e-6)
    np.testing.assert_allclose(from_tonic(moved, steps), from_tonic(chroma[np.newaxis], 0))
    np.testing.assert_allclose(interval_content(moved), interval_content(chroma[np.newaxis]), atol=1e-9)


@pytest.mark.parametrize("wrong", [{"groups": ()}, {"groups": ("key", "key")}, {"hop_s": 0.0}])
def test_parameters_without_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        MidtermParameters(**wrong)
