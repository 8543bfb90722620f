from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from affetto.errors import AffettoError
from affetto.features.highlight import cut_highlights
from affetto.recommendation.library import build_library, library_sentence, summarise_tracks

CLIPS = pd.DataFrame(
    {
        "clip_id": ["demo/a", "demo/b", "demo/c"],
        "corpus": "demo",
        "path": ["a.wav", "sub/b.wav", "c.wav"],
        "start_s": [np.nan, 30.0, np.nan],
        "end_s": [np.nan, 60.0, np.nan],
        "duration_s": [40.0, 30.0, 5.0],
        "emotion": ["sad", None, "sad"],
        "theme": ["jig", None, None],
    }
)
EMOTIONS = pd.DataFrame({"clip_id": ["demo/b", "demo/a"], "p_calm": [0.1, 0.8], "p_sad": [0.9, 0.2]})
MIXTURES = pd.DataFrame(
    {
        "clip_id": ["demo/a", "demo/a", "demo/a", "demo/a"],
        "emotion": ["calm", "calm", "sad", "sad"],
        "theme": [0, 1, 0, 1],
        "probability": [0.3, 0.7, 1.0, 0.0],
    }
)
CARDS = [{"theme": 1, "emotion": "calm", "name": "slow, dark", "size": 3}]
ATTENTION = pd.DataFrame({"clip_id": ["demo/b"], "times": [[0.0, 10.0, 20.0]], "weights": [[0.1, 0.1, 0.8]]})
HIGHLIGHTS = cut_highlights(CLIPS, ATTENTION, 10.0)


def test_a_row_a_track_with_everything_known():
    library = build_library(CLIPS, "music", EMOTIONS, MIXTURES, CARDS, HIGHLIGHTS)
    assert library.clip_id.tolist() == ["demo/a", "demo/b"]
    assert library.emotion.tolist() == ["calm", "sad"]
    assert library.path.tolist() == ["a.wav", "sub/b.wav"]
    assert library.root.unique().tolist() == ["music"]
    assert library.title.tolist() == ["a", "b"]
    assert library.theme[0] == "1"
    assert library.theme_name[0] == "slow, dark"
    assert library.predicted_tags.tolist() == ["", ""]
    assert library.theme_probability[0] == pytest.approx(0.7)
    assert pd.isna(library.theme[1])
    assert pd.isna(library.theme_name[1])


def test_valence_and_arousal_are_those_that_the_model_tells():
    told = EMOTIONS.assign(valence=[0.1, 0.2], arousal=[-0.3, 0.4])
    clips = CLIPS.assign(valence=np.nan, arousal=0.9)
    library = build_library(clips, "music", told, MIXTURES, CARDS, HIGHLIGHTS)
    assert library[["valence", "arousal"]].to_numpy().tolist() == [[0.2, 0.4], [0.1, -0.3]]
    assert "valence" not in build_library(clips, "music", EMOTIONS, MIXTURES, CARDS, HIGHLIGHTS)


def test_tracks_have_their_likeliest_predicted_tags():
    tags = pd.Series({"demo/b": ["folk", "acoustic", "mellow", "rock"], "demo/c": ["pop"]})
    library = build_library(CLIPS, "music", EMOTIONS, MIXTURES, CARDS, HIGHLIGHTS, predicted=tags)
    assert library.predicted_tags.tolist() == ["", "folk · acoustic · mellow"]


def test_a_part_of_a_file_keeps_its_bounds():
    library = build_library(CLIPS, "music", EMOTIONS, MIXTURES, CARDS, HIGHLIGHTS)
    assert library.loc[1, ["start_s", "end_s", "duration_s"]].tolist() == [30, 60, 30]
    assert library.loc[0, ["start_s", "end_s"]].isna().all()


def test_highlights_count_from_the_start_of_the_file():
    library = build_library(CLIPS, "music", EMOTIONS, MIXTURES, CARDS, HIGHLIGHTS)
    assert library.loc[1, ["highlight_start_s", "highlight_end_s"]].tolist() == [50, 60]
    assert library.highlight_attention[1] == pytest.approx(0.8)
    assert library.loc[0, ["highlight_start_s", "highlight_end_s"]].tolist() == [0, 10]
    assert np.isnan(library.highlight_attention[0])


def test_a_track_without_mixtures_keeps_its_emotion():
    library = build_library(CLIPS, "music", EMOTIONS, MIXTURES.iloc[:0], [], HIGHLIGHTS)
    assert library.emotion.tolist() == ["calm", "sad"]
    assert library.theme.isna().all()


def test_an_empty_library_is_an_error():
    with pytest.raises(AffettoError, match="no music clip"):
        build_library(CLIPS, "music", EMOTIONS.iloc[:0], MIXTURES, CARDS, HIGHLIGHTS)


def test_tracks_of_another_corpus_lie_below_its_own_root():
    clips = CLIPS.assign(corpus=["demo", "more", "more"])

    library = build_library(
        clips, Path("music"), EMOTIONS, MIXTURES, CARDS, HIGHLIGHTS, other_roots={"more": Path("else")}
    )

    assert library.root.tolist() == ["music", "else"]


def test_copies_are_listed_and_counted():
    clips = CLIPS.assign(take="demo/a", start_s=np.nan, end_s=np.nan)
    emotions = pd.DataFrame({"clip_id": clips["clip_id"], "p_calm": 0.8, "p_sad": 0.2})
    tracks = build_library(clips, "music", emotions, MIXTURES, CARDS, HIGHLIGHTS)
    tracks = tracks.assign(note="", emotion_probability=0.8)
    rejected = pd.DataFrame({"reason": []}, dtype="str")

    def said(tracks):
        return library_sentence(summarise_tracks(tracks, rejected, [], CARDS, n_clips=3))

    assert tracks["take"].tolist() == ["demo/a"] * 3
    assert "has 3 tracks (3 calm); 0 files were set aside. 2 of the files are copies of others" in said(
        tracks
    )
    assert "1 of the files is a copy of another" in said(tracks.assign(take=["demo/a", "demo/a", "demo/c"]))
    # Segments of one file may overlap: none is a copy.
    assert "cop" not in said(tracks.assign(path="long.wav"))
