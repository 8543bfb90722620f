import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affetto.errors import AffettoError
from affetto.recommendation.parameters import RecommendParameters
from affetto.recommendation.ranking import (
    diversify,
    find_themes,
    index_library,
    rank_tracks,
    theme_weights,
)

BY_SCORE = RecommendParameters(voice="x", diversity=0.0)


def small_library():
    library = pd.DataFrame(
        {
            "clip_id": ["m/a", "m/b", "m/c"],
            "root": "music",
            "path": ["a.wav", "b.wav", "c.wav"],
            "p_calm": [0.8, 0.5, 0.1],
            "p_happy": [0.2, 0.5, 0.9],
        }
    )
    rows = [
        ("m/a", "calm", 0, 0.5), ("m/a", "calm", 1, 0.5), ("m/a", "happy", 0, 1.0),
        ("m/b", "calm", 0, 1.0), ("m/b", "calm", 1, 0.0), ("m/b", "happy", 0, 1.0),
        ("m/c", "calm", 0, 0.0), ("m/c", "calm", 1, 1.0), ("m/c", "happy", 0, 1.0),
    ]  # fmt: skip
    return library, pd.DataFrame(rows, columns=["clip_id", "emotion", "theme", "probability"])


def random_index(n_tracks, n_emotions, n_themes, seed=0):
    rng = np.random.default_rng(seed)
    names = [f"e{i}" for i in range(n_emotions)]
    clip_ids = [f"m/{i:06d}" for i in range(n_tracks)]
    library = pd.DataFrame({"clip_id": clip_ids, "root": "music", "path": clip_ids})
    for name, column in zip(names, rng.dirichlet(np.ones(n_emotions), n_tracks).T, strict=True):
        library[f"p_{name}"] = column
    mixtures = pd.DataFrame(
        {
            "clip_id": np.repeat(clip_ids, n_emotions * n_themes),
            "emotion": np.tile(np.repeat(names, n_themes), n_tracks),
            "theme": np.tile(np.arange(n_themes), n_tracks * n_emotions),
            "probability": rng.dirichlet(np.ones(n_themes), n_tracks * n_emotions).ravel(),
        }
    )
    return index_library(library, mixtures)


def test_index_joins_emotions_and_themes():
    index = index_library(*small_library())
    assert index.pairs == (("calm", "0"), ("calm", "1"), ("happy", "0"))
    np.testing.assert_allclose(index.mixtures, [[0.4, 0.4, 0.2], [0.5, 0, 0.5], [0, 0.1, 0.9]])
    np.testing.assert_allclose(index.library_shares, [0.9 / 1.4, 0.5 / 1.4, 1])


def test_missing_mixtures_spread_evenly_and_missing_themes_are_one():
    library, mixtures = small_library()
    index = index_library(library, mixtures[(mixtures.clip_id != "m/a") & (mixtures.emotion == "calm")])
    assert index.pairs == (("calm", "0"), ("calm", "1"), ("happy", ""))
    np.testing.assert_allclose(index.mixtures[0], [0.4, 0.4, 0.2])
    np.testing.assert_allclose(index.mixtures.sum(axis=1), 1)


def test_copies_of_a_take_are_one_recording():
    library, mixtures = small_library()
    index = index_library(library.assign(take=["1", "2", "1"]), mixtures)
    assert index.recordings.tolist() == [0, 1, 0]
    parts = library.assign(path=["a.wav", "a.wav", "b.wav"], take=["1", "2", "2"])
    assert index_library(parts, mixtures).recordings.tolist() == [0, 0, 0]
    unknown = library.assign(take=[None, None, "1"])
    assert index_library(unknown, mixtures).recordings.tolist() == [0, 1, 2]


def test_scores_in_closed_form():
    index = index_library(*small_library())
    shares = np.array([0.9 / 1.4, 0.5 / 1.4])
    weights = theme_weights(index)
    np.testing.assert_allclose(weights, [*(shares / (shares**2).sum()), 1])
    ranking = rank_tracks(index, np.array([0.7, 0.3]), BY_SCORE, weights)
    expected = 0.7 * (weights[0] * 0.4 + weights[1] * 0.4) + 0.3 * 0.2
    assert dict(zip(ranking.tracks, ranking.scores, strict=True))[0] == pytest.approx(expected, abs=1e-11)


@given(seed=st.integers(0, 50), favour=st.booleans())
@settings(max_examples=30)
def test_a_track_that_mixes_like_the_library_is_scored_by_its_emotion(seed, favour):
    index = random_index(20, 3, 4, seed)
    preferred = np.arange(len(index.pairs)) == 1 if favour else None
    weights = theme_weights(index, preferred)
    typical = np.bincount(index.emotion_of_pair, weights=weights * index.library_shares)
    np.testing.assert_allclose(typical, 1)


def test_preferred_themes_rise():
    index = index_library(*small_library())
    names = {("calm", "1"): "Slow, dark strings"}
    by_name = find_themes(index, names, ("slow, dark STRINGS",))
    np.testing.assert_array_equal(by_name, find_themes(index, names, ("calm/1",)))
    with_emotion = {pair: f"{pair[0]}: {name}" for pair, name in names.items()}
    np.testing.assert_array_equal(by_name, find_themes(index, with_emotion, ("slow, dark STRINGS",)))
    weights = theme_weights(index, by_name)
    shares = np.array([0.9, 0.5]) / 1.4
    wanted = 0.2 * shares + 0.8 * np.array([0, 1])
    np.testing.assert_allclose(weights, [*(wanted / (shares @ wanted)), 1])


def test_unknown_theme_is_an_error():
    with pytest.raises(AffettoError, match="calm/0, calm/1, happy/0"):
        find_themes(index_library(*small_library()), {}, ("polka",))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=12))
def test_of_the_parts_of_a_recording_only_the_best_is_taken(tracks):
    """Against the definition: of each file the greatest score, of equals the first id."""
    calm = [score / 4 for _, score in tracks]
    library = pd.DataFrame(
        {
            "clip_id": [f"m/{i:02d}" for i in range(len(tracks))],
            "root": "music",
            "path": [f"{file}.wav" for file, _ in tracks],
            "p_calm": calm,
            "p_happy": 1 - np.array(calm),
        }
    )
    index = index_library(library, pd.DataFrame(columns=["clip_id", "emotion", "theme", "probability"]))

    parameters = RecommendParameters(voice="x", top=20, diversity=0)
    ranking = rank_tracks(index, np.array([1.0, 0.0]), parameters, theme_weights(index))

    best = {}
    for row, (file, score) in enumerate(tracks):
        if file not in best or score > tracks[best[file]][1]:
            best[file] = row
    assert ranking.tracks.tolist() == sorted(best.values(), key=lambda row: (-tracks[row][1], row))
    assert ranking.places.tolist() == list(range(1, len(best) + 1))


def brute_force_mmr(scores, mixtures, n, diversity):
    unit = mixtures / np.linalg.norm(mixtures, axis=1, keepdims=True)
    taken = [0]
    while len(taken) < n:
        gains = {
            i: round(
                (1 - diversity) * scores[i] / scores.max() - diversity * (unit[taken] @ unit[i]).max(), 12
            )
            for i in range(len(scores))
            if i not in taken
        }
        taken.append(max(gains, key=lambda i: (gains[i], -i)))
    return taken


@given(seed=st.integers(0, 200), diversity=st.sampled_from([0.1, 0.3, 0.7, 1.0]), n=st.integers(1, 12))
@settings(max_examples=60)
def test_diversity_equals_the_definition(seed, diversity, n):
    rng = np.random.default_rng(seed)
    scores = np.sort(rng.random(12))[::-1]
    mixtures = rng.dirichlet(np.ones(4) * 0.3, 12)
    found = diversify(scores, mixtures, n, diversity=diversity)
    assert found.tolist() == brute_force_mmr(scores, mixtures, n, diversity)
    assert len(set(found.tolist())) == n
