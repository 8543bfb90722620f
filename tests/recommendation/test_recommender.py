import json

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from affetto.errors import AffettoError
from affetto.recommendation.parameters import RecommendParameters
from affetto.recommendation.playlist import Playlist, summarise_playlists
from affetto.recommendation.recommender import Recommender, bridge_matrix
from affetto.recommendation.voice import VoiceEmotion, percent, sort_emotions

TAXONOMY = {
    "emotions": {"music": ["happy", "tense", "sad", "calm"]},
    "bridges": {
        "congruent": {"anger": {"tense": 1.0}, "sadness": {"sad": 1.0}},
        "uplift": {"anger": {"calm": 1.0}, "sadness": {"calm": 0.5, "sad": 0.5}},
    },
}
VOICE = ("anger", "sadness")
CARDS = [
    {"emotion": emotion, "theme": f"{emotion}/{number}", "name": name}
    for emotion, names in {"calm": ("soft and slow", "bright"), "sad": ("low strings", "thin")}.items()
    for number, name in enumerate(names)
]


def library(n=8):
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet([1, 1], n)
    table = pd.DataFrame(
        {
            "clip_id": [f"m/{i}" for i in range(n)],
            "corpus": "m",
            "root": "data/music",
            "path": [f"{i}.wav" for i in range(n)],
            "start_s": np.nan,
            "end_s": np.nan,
            "title": [f"Tune {i}" for i in range(n)],
            "duration_s": 30.0,
            "emotion": np.where(probabilities[:, 0] > 0.5, "calm", "sad"),
            "p_calm": probabilities[:, 0],
            "p_sad": probabilities[:, 1],
        }
    )
    table["theme"] = np.where(table.emotion == "calm", "calm/0", "sad/0")
    table["theme_name"] = np.where(table.emotion == "calm", "soft and slow", "low strings")
    table["predicted_tags"] = "acoustic · mellow"
    table["highlight_start_s"] = 5.0
    table["highlight_end_s"] = 20.0
    table["highlight_attention"] = np.where(np.arange(n) % 2, 0.75, np.nan)
    return table


def mixtures(n=8):
    rows = [
        (f"m/{i}", e, f"{e}/{t}", p)
        for i in range(n)
        for e in ("calm", "sad")
        for t, p in ((0, 0.9), (1, 0.1))
    ]
    return pd.DataFrame(rows, columns=["clip_id", "emotion", "theme", "probability"])


def recommender(**parameters):
    given = {"voice": "x", "bridge": "uplift", "top": 4, **parameters}
    return Recommender(library(), mixtures(), CARDS, TAXONOMY, VOICE, RecommendParameters(**given))


def voice(anger, name="me"):
    emotions = sort_emotions(VOICE, np.array([anger, 1 - anger]))
    return VoiceEmotion(
        name=name, recording="me.wav", status="ok", emotion=emotions[0].emotion, emotions=emotions
    )


def test_the_answer_follows_the_figures():
    answer = recommender(diversity=0.0).recommend(voice(0.2))
    assert answer.status == "ok"
    assert [entry.emotion for entry in answer.voice_emotions] == ["sadness", "anger"]
    assert {entry.emotion: entry.probability for entry in answer.music_emotions} == pytest.approx(
        {"calm": 0.2 + 0.4, "sad": 0.4, "happy": 0, "tense": 0}
    )
    table = library()
    match = 0.6 * table.p_calm + 0.4 * table.p_sad
    assert [track.clip_id for track in answer.tracks] == table.clip_id[
        match.sort_values(ascending=False).index[:4]
    ].tolist()
    first = answer.tracks[0]
    assert first.match == pytest.approx(match.max(), abs=1e-6)
    assert first.answers == "calm"
    assert (first.theme, first.theme_name) == ("calm/0", "soft and slow")
    assert first.theme_probability == pytest.approx(0.9)
    assert first.path == f"data/music/{first.clip_id.removeprefix('m/')}.wav"
    assert [track.rank for track in answer.tracks] == [1, 2, 3, 4]


def test_reasons_quote_the_figures():
    answer = recommender().recommend(voice(0.2))
    with_attention = next(track for track in answer.tracks if int(track.clip_id.removeprefix("m/")) % 2)
    text = " ".join(with_attention.reasons)
    of = {entry.emotion: entry.probability for entry in with_attention.emotions}
    assert "most like sadness (80%)" in text
    assert "'uplift'" in text
    assert f"{of[with_attention.answers]:.0%}" in text
    assert "0:05 to 0:20, where 75%" in text
    without = next(track for track in answer.tracks if not int(track.clip_id.removeprefix("m/")) % 2)
    assert "attention" not in " ".join(without.reasons)


def test_own_bridges_go_before_those_of_the_taxonomy():
    own = {"uplift": {"anger": {"sad": 1.0}, "sadness": {"sad": 1.0}}}
    answer = recommender(bridges=own).recommend(voice(1.0))
    assert answer.bridge == "uplift"
    assert all(track.answers == "sad" for track in answer.tracks)


def test_rows_of_a_bridge_are_conditional_probabilities():
    bridges = {"b": {"anger": {"calm": 3, "happy": 1}, "sadness": {"sad": 0.2}}}
    matrix = bridge_matrix(bridges, "b", VOICE, ("calm", "happy", "sad", "tense"))
    np.testing.assert_array_equal(matrix, [[0.75, 0.25, 0, 0], [0, 0, 1, 0]])


@pytest.mark.parametrize(
    ("bridge", "told"),
    [
        ({"anger": {"calm": 1}}, "mine' has no weight above 0 for sadness"),
        ({"anger": {"joyful": 1}}, "mine' answers anger by joyful"),
        ({"anger": {"calm": -1}}, "answers anger by calm with the weight -1"),
        ({"anger": {"calm": float("nan")}}, "answers anger by calm with the weight nan"),
        ({"anger": {"calm": "much"}}, "answers anger by calm with the weight 'much'"),
        ({"anger": {"calm": 0}}, "mine' has no weight above 0 for anger"),
    ],
)
def test_what_is_wrong_with_a_bridge_is_said(bridge, told):
    with pytest.raises(AffettoError, match=told):
        bridge_matrix({"mine": bridge}, "mine", VOICE, ("calm", "sad"))


def test_an_unknown_bridge_names_the_nearest():
    with pytest.raises(AffettoError, match="did you mean 'uplift'"):
        recommender(bridge="uplfit")


def test_a_library_without_the_wanted_emotion_says_so():
    with pytest.raises(AffettoError, match="wants tense music, but the library only knows calm, sad"):
        recommender(bridge="congruent").recommend(voice(1.0))


def test_json_keeps_everything_and_has_no_other_fields():
    answer = recommender().recommend(voice(0.2, name="mé\n"))
    text = answer.model_dump_json()
    assert Playlist.model_validate_json(text) == answer
    for wrong in ({"mood": 1}, {"status": "fine"}):
        with pytest.raises(ValidationError):
            Playlist.model_validate({**json.loads(text), **wrong})


def test_the_summary_is_readable():
    answer = recommender(top=2).recommend(voice(0.2))
    silent = Playlist(
        name="s", recording="s.wav", status="no_speech", message="No speech was found in s.wav."
    )
    lines = summarise_playlists([answer, silent]).split("\n")
    assert lines[0] == "me: the voice is sadness 80%, anger 20%"
    assert lines[1] == "  uplift music: calm 60%, sad 40%"
    assert lines[2].startswith("    1. Tune ")
    assert "; acoustic · mellow; " in lines[2]
    assert "soft and slow; from 0:05]" in lines[2]
    assert lines[-1] == "s: No speech was found in s.wav."


@pytest.mark.parametrize(("p_calm", "poor"), [(0.14, True), (0.6, False)])
def test_a_poor_match_is_said_in_words(p_calm, poor):
    """An angry voice wants calm music here, and gets what is there."""
    tracks = library().assign(p_calm=p_calm, p_sad=1 - p_calm)
    tracks["emotion"] = np.where(tracks["p_calm"] > 0.5, "calm", "sad")
    names = np.where(tracks["p_calm"] > 0.5, "calm: soft", "sad: low strings")
    tracks["theme"], tracks["theme_name"] = tracks["emotion"] + "/0", names
    given = RecommendParameters(voice="x", bridge="uplift", top=2)
    answer = Recommender(tracks, mixtures(), CARDS, TAXONOMY, VOICE, given).recommend(voice(1.0))
    first = answer.tracks[0]
    assert first.fit == pytest.approx(p_calm)
    assert ("Poor match: no track here is likely to be calm" in answer.match_note) == poor
    assert any("poor match" in reason for reason in first.reasons) == poor
    assert (first.own_theme, first.own_theme_name) == (tracks["theme"][0], names[0])
    line = summarise_playlists([answer]).split("\n")[-2]
    own = "fits 14%, a poor match; acoustic · mellow; sad 86%, low strings; answers calm 14%, soft and slow"
    assert (own if poor else "fits 60%; acoustic · mellow; calm 60%, soft; from") in line


def test_a_voice_of_two_emotions_is_answered_by_a_track_between_them():
    """What is wanted of two emotions no track can have in full: it fits as far as any could."""
    between = library().assign(p_calm=0.5, p_sad=0.5)
    given = RecommendParameters(voice="x", bridge="uplift", top=8, diversity=0.0)
    answer = Recommender(between, mixtures(), CARDS, TAXONOMY, VOICE, given).recommend(voice(0.2))
    assert [track.match for track in answer.tracks] == pytest.approx([0.5] * 8)
    assert [track.fit for track in answer.tracks] == pytest.approx([0.5 / 0.6] * 8, abs=1e-6)
    assert answer.match_note == ""


def test_a_track_of_which_nothing_is_known_has_no_theme():
    known = mixtures()
    given = RecommendParameters(voice="x", bridge="uplift", top=8, diversity=0)
    maker = Recommender(library(), known[known.clip_id != "m/3"], CARDS, TAXONOMY, VOICE, given)
    themes = {track.clip_id: track.theme for track in maker.recommend(voice(0.5)).tracks}
    assert themes.pop("m/3") is None
    assert None not in themes.values()


def test_the_order_of_the_library_does_not_matter():
    shuffled = Recommender(
        library().sample(frac=1, random_state=1), mixtures().sample(frac=1, random_state=2), CARDS,
        TAXONOMY, VOICE,
        RecommendParameters(voice="x", bridge="uplift", top=4),
    )  # fmt: skip
    assert shuffled.recommend(voice(0.2)) == recommender().recommend(voice(0.2))


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0%"), (0.004, "under 1%"), (0.5, "50%"), (0.999, "over 99%"), (1, "100%")],
)
def test_percentages_do_not_round_to_all_or_nothing(share, text):
    assert percent(share) == text


def test_a_track_that_is_a_part_of_a_file_says_which():
    parts = library()
    parts["path"] = "concert.wav"
    parts["start_s"], parts["end_s"] = 30.0 * np.arange(8), 30.0 * np.arange(1, 9)
    parts.loc[7, "end_s"] = np.nan
    given = RecommendParameters(voice="x", bridge="congruent", top=5, diversity=0)
    maker = Recommender(parts, mixtures(), CARDS, TAXONOMY, VOICE, given)

    (track,) = maker.recommend(voice(0.0)).tracks

    row = parts.set_index("clip_id").loc[track.clip_id]
    assert row["p_sad"] == parts["p_sad"].max()
    assert track.start_s == row["start_s"] > 0
    assert track.end_s == (None if np.isnan(row["end_s"]) else row["end_s"])


def test_a_playlist_has_the_best_copy_of_a_take():
    copies = library().assign(take="m/0")
    given = RecommendParameters(voice="x", bridge="congruent", top=5, diversity=0)

    (track,) = Recommender(copies, mixtures(), CARDS, TAXONOMY, VOICE, given).recommend(voice(0.0)).tracks

    assert copies.set_index("clip_id").loc[track.clip_id, "p_sad"] == copies["p_sad"].max()


def test_a_playlist_of_minutes_and_as_an_arc():
    plain = recommender(top=8, diversity=0.0).recommend(voice(1.0))
    short = recommender(minutes=1.4, diversity=0.0).recommend(voice(1.0))
    assert [track.clip_id for track in short.tracks] == [track.clip_id for track in plain.tracks[:3]]
    taxonomy = {
        **TAXONOMY,
        "bridges": {**TAXONOMY["bridges"], "congruent": {"anger": {"sad": 1}, "sadness": {"sad": 1}}},
    }
    given = RecommendParameters(voice="x", bridge="uplift", top=8, arc=True)
    arc = Recommender(library(), mixtures(), CARDS, taxonomy, VOICE, given).recommend(voice(1.0))
    calm = [
        next(entry.probability for entry in track.emotions if entry.emotion == "calm") for track in arc.tracks
    ]
    assert calm == sorted(calm)  # from sad, the mood, to calm
    assert {track.clip_id for track in arc.tracks} == {track.clip_id for track in plain.tracks}
    assert all("on the way from the mood" in " ".join(track.reasons) for track in arc.tracks)
    assert [track.rank for track in arc.tracks] == list(range(1, 9))
