import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from affetto.features.midterm.tonality import (
    CHORDS,
    chord_matches,
    from_tonic,
    interval_content,
    key_correlations,
    tonic_of,
)

C_MAJOR = np.array([1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1], dtype=float)
chromas = arrays(np.float64, 12, elements=st.floats(0, 1, width=32))


def test_the_scale_of_c_major_is_in_c_major():
    major, minor = key_correlations(C_MAJOR[np.newaxis])
    assert major[0].argmax() == 0
    assert minor[0].argmax() == 9  # its relative minor, A
    assert tonic_of(C_MAJOR) == 0


def test_correlations_are_pearsons():
    chroma = np.random.default_rng(0).random((5, 12))
    profile = [0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400]
    expected = [[np.corrcoef(row, np.roll(profile, k))[0, 1] for k in range(12)] for row in chroma]
    np.testing.assert_allclose(key_correlations(chroma)[0], expected, atol=1e-6)


@settings(deadline=None)
@given(chromas, st.integers(0, 11))
def test_transposing_moves_the_tonic_and_nothing_else(chroma, steps):
    moved = np.roll(chroma, steps)[np.newaxis]
    for found, reference in zip(key_correlations(moved), key_correlations(chroma[np.newaxis]), strict=True):
        np.testing.assert_allclose(found, np.roll(reference, steps, axis=1), atol=1e-6)
    np.testing.assert_allclose(from_tonic(moved, steps), from_tonic(chroma[np.newaxis], 0))
    np.testing.assert_allclose(interval_content(moved), interval_content(chroma[np.newaxis]), atol=1e-9)


def test_each_chord_matches_itself():
    for kind, (name, intervals) in enumerate(CHORDS.items()):
        chroma = np.zeros((1, 12))
        chroma[0, (np.array(intervals) + 2) % 12] = 1
        matches = chord_matches(chroma)[0]
        assert np.isclose(matches[kind, 2], 1), name
        assert matches.max() <= 1 + 1e-9


def test_nothing_heard_is_no_key():
    major, minor = key_correlations(np.zeros((1, 12)))
    assert not major.any()
    assert not minor.any()
    assert not chord_matches(np.zeros((1, 12))).any()
