from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affetto.errors import AffettoError
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.io.workers import ExecutorParameters
from affetto.themes.codebook import (
    Codebook,
    fit_codebook,
    learn_words,
    texture_windows,
)
from affetto.themes.parameters import CodebookParameters, DescriptorParameters
from affetto.themes.words import AudioWords, count_words, make_bags, make_documents

SERIAL = ExecutorParameters(n_jobs=1, progress=False)
PARAMETERS = CodebookParameters(
    descriptors={
        "timbre": DescriptorParameters(dimensions=("mfcc_",), n_words=12, frame_step=1),
        "level": DescriptorParameters(dimensions=("rms_db", "onset"), n_words=5, frame_step=1),
        "texture": DescriptorParameters(dimensions=("mfcc_",), n_words=6, texture_frames=10, frame_step=1),
        "absent": DescriptorParameters(dimensions=("chroma_",)),
    },
    sample_frames=2000,
)


def test_fewer_words_than_asked_when_frames_repeat():
    frames = np.repeat(np.eye(3, dtype=np.float32), 5, axis=0)
    assert len(learn_words(frames, n_words=8)) == 3


@cache
def _random_codebook() -> Codebook:
    frames = np.random.default_rng(9).normal(size=(400, 4))
    names = ("mfcc_0", "mfcc_1", "rms_db", "onset")
    clips = ClipFeatures.from_arrays("mfcc", ["a"], [frames], dimensions=names)
    return fit_codebook(FeatureSet({"mfcc": clips}), PARAMETERS)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 60))
def test_counts_equal_a_naive_loop(seed, n_frames):
    codebook = _random_codebook()
    frames = np.random.default_rng(seed).normal(size=(n_frames, 4)).astype(np.float32)
    counts = codebook.count({"mfcc": frames})
    for name, words in zip(codebook.vocabularies, codebook.slices, strict=True):
        vocabulary, descriptor = codebook.vocabularies[name], PARAMETERS.descriptors[name]
        values = frames[:, vocabulary.columns]
        values = texture_windows(values, descriptor.texture_frames) if descriptor.texture_frames else values
        expected = np.zeros(len(vocabulary.words), dtype=int)
        for frame in (values - vocabulary.mean) / vocabulary.scale:
            for word in np.linalg.norm(vocabulary.words - frame, axis=1).argsort()[:5]:
                expected[word] += 1
        np.testing.assert_array_equal(counts[words], expected)


def test_state_restores_an_equal_codebook(planted):
    codebook = fit_codebook(planted[0], PARAMETERS)
    state = codebook.state()
    state["parameters"]["seeding"] = "kmeans++"  # as earlier versions wrote
    restored = Codebook.from_state(state)
    clip = {"mfcc": planted[0]["mfcc"][3]}
    np.testing.assert_array_equal(restored.count(clip), codebook.count(clip))
    assert (restored.dimensions, restored.features) == (codebook.dimensions, ("mfcc",))
    assert restored.parameters == PARAMETERS
    assert len(restored.word_names) == 23


def test_codebook_is_deterministic_and_blind_to_other_clips(planted):
    features = planted[0]["mfcc"]
    train = planted[0].take(range(40))
    changed = ClipFeatures.from_arrays(
        "mfcc",
        features.clip_ids,
        [features[i] if i < 40 else features[i] + 100 for i in range(len(features))],
        dimensions=features.dimensions,
        hop_s=0.1,
        parameters={"version": 1},
    )
    unseen = FeatureSet({"mfcc": changed}).take(range(40))
    one, other = fit_codebook(train, PARAMETERS), fit_codebook(unseen, PARAMETERS)
    for name, vocabulary in one.vocabularies.items():
        np.testing.assert_array_equal(vocabulary.words, other.vocabularies[name].words)


def test_silent_clips_have_no_words_and_stay_finite(planted):
    words = count_words(fit_codebook(planted[0], PARAMETERS), planted[0], SERIAL)
    assert words.counts[-1].sum() == 0
    assert np.isfinite(make_bags(words)).all()
    assert make_documents(words, 300)[-1].sum() == 0


def test_descriptors_read_the_feature_they_name(planted):
    rng = np.random.default_rng(2)
    slow = [rng.normal(size=(4, 3)) for _ in range(planted[0].n_clips)]
    names = ("tempo_1", "tempo_2", "mfcc_like")
    midterm = ClipFeatures.from_arrays("midterm", planted[0].clip_ids, slow, dimensions=names, hop_s=0.8)
    features = FeatureSet({"mfcc": planted[0]["mfcc"], "midterm": midterm})
    rhythm = DescriptorParameters(feature="midterm", dimensions=("tempo_",), n_words=5, frame_step=1)
    parameters = PARAMETERS.model_copy(
        update={"descriptors": {"timbre": PARAMETERS.descriptors["timbre"], "rhythm": rhythm}}
    )
    codebook = fit_codebook(features, parameters)
    assert codebook.features == ("mfcc", "midterm")
    assert codebook.vocabularies["rhythm"].columns.tolist() == [0, 1]
    words = count_words(codebook, features, SERIAL)
    np.testing.assert_array_equal(words.counts[:72, words.slices[1]].sum(axis=1), 4 * 5)
    alone = count_words(fit_codebook(planted[0], parameters), planted[0], SERIAL)
    np.testing.assert_array_equal(words.counts[:, words.slices[0]], alone.counts)


def test_bags_and_documents_in_closed_form():
    counts = np.array([[9, 1, 16], [0, 0, 4], [0, 0, 0]], dtype=np.uint16)
    words = AudioWords(("a", "b", "c"), counts, (slice(0, 2), slice(2, 3)))
    np.testing.assert_allclose(make_bags(words), [[*np.sqrt([0.9, 0.1]), 1], [0, 0, 1], [0, 0, 0]])
    # Descriptors have the same share of a document.
    np.testing.assert_allclose(make_documents(words, 8), [[3, 1, 4], [0, 0, 8], [0, 0, 0]])


def test_texture_windows_overlap_by_half_and_short_clips_give_one():
    frames = np.arange(20, dtype=np.float32)[:, None]
    windows = texture_windows(frames, 8)
    np.testing.assert_allclose(windows[:, 0], [3.5, 7.5, 11.5, 15.5])
    np.testing.assert_allclose(windows[0, 1], np.arange(8).std())
    assert texture_windows(frames[:3], 8).shape == (1, 2)
    assert texture_windows(frames[:0], 8).shape == (0, 2)


def test_a_codebook_without_dimensions_or_frames_is_an_error(planted):
    absent = CodebookParameters(descriptors={"x": DescriptorParameters(dimensions=("chroma_",))})
    with pytest.raises(AffettoError, match="descriptors"):
        fit_codebook(planted[0], absent)
    with pytest.raises(AffettoError, match="no frames"):
        fit_codebook(planted[0].take([72]), PARAMETERS)


def test_frames_that_are_not_finite_are_dropped(planted):
    codebook = fit_codebook(planted[0], PARAMETERS)
    frames = planted[0]["mfcc"][0].copy()
    clean = codebook.count({"mfcc": np.delete(frames, 5, axis=0)})
    frames[5] = np.nan
    np.testing.assert_array_equal(codebook.count({"mfcc": frames}), clean)
