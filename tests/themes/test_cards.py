import json

import numpy as np
import pandas as pd
import pytest

from affetto.io.workers import ExecutorParameters
from affetto.themes.cards import (
    MAJOR_PROFILE,
    MINOR_PROFILE,
    TERMS,
    build_cards,
    compare_measures,
    event_rate,
    hedges_g,
    major_minor,
    measure,
    over_represented,
)
from affetto.themes.model import ThemeModel, mixtures_table, themes_table

SERIAL = ExecutorParameters(n_jobs=1, progress=False)


def test_labels_come_before_predictions(library):
    emotions = library[2]
    assert emotions["c/40"] == "tense"
    assert emotions["c/41"] == "calm"


def test_themes_and_mixtures(library):
    words, _, emotions, model, _ = library
    found = model.mixtures(words)
    themes, mixtures = themes_table(model, words, found, emotions), mixtures_table(model, words, found)
    assert model.themes == ["calm/1", "calm/2", "sad/1", "tense/1"]
    assert themes.loc[:39, "theme"].groupby(np.arange(40) % 2).nunique().eq(1).all()
    assert set(themes["clip_id"]) == set(words.clip_ids)
    sums = mixtures.groupby(["clip_id", "emotion"])["probability"].sum()
    assert len(sums) == 42 * 3
    np.testing.assert_allclose(sums, 1.0)
    best = mixtures[mixtures["emotion"] == "calm"].groupby("clip_id")["probability"].max()
    np.testing.assert_allclose(best[themes["clip_id"][:40]], themes["confidence"][:40])
    np.testing.assert_allclose(themes["mixture"].map(sum), 1.0)


def test_model_state_is_arrays_and_json(library):
    words, _, _, model, _ = library
    state = model.state()
    json.dumps({name: value for name, value in state.items() if not isinstance(value, np.ndarray)})
    state["parameters"]["eta"] = 0.1  # as earlier versions wrote
    restored = ThemeModel.from_state(state)
    for emotion, mixture in model.mixtures(words).items():
        np.testing.assert_allclose(restored.mixtures(words)[emotion], mixture, atol=1e-6)
        assert restored.emotions[emotion].note == model.emotions[emotion].note
    assert "too few" in model.emotions["tense"].note


def test_cards_describe_the_themes(library):
    words, clips, emotions, model, _ = library
    themes = themes_table(model, words, model.mixtures(words), emotions)
    kinds = np.arange(42) % 2
    measures = pd.DataFrame({"pace": kinds * 2.0, "loudness": -kinds * 1.0}, index=list(words.clip_ids))
    cards = build_cards(model, themes, clips, measures, [f"w/{i}" for i in range(10)])
    json.dumps(cards)
    by_name = {card["theme"]: card for card in cards}
    odd = by_name[themes.loc[1, "theme"]]
    assert (odd["title"], odd["name"]) == ("fast · soft", "calm: fast · soft")
    assert [tag["tag"] for tag in odd["tags"]] == ["odd", "x"]
    assert {word["word"] for word in odd["words"][:5]} == {f"w/{i}" for i in range(5, 10)}
    assert by_name["tense/1"]["name"] == "all tense"
    assert by_name["sad/1"]["size"] == 0
    assert [track["clip_id"] for track in odd["tracks"]][:5] == [one["clip_id"] for one in odd["exemplars"]]
    assert len(odd["tracks"]) == odd["size"]
    assert sum(card["share"] for card in cards if card["emotion"] == "calm") == pytest.approx(1)
    names = [card["name"] for card in cards]
    assert len(set(names)) == len(names)


def test_names_are_unique_even_without_differences(library):
    words, clips, emotions, model, _ = library
    measures = pd.DataFrame({"pace": 1.0}, index=list(words.clip_ids))
    plain = clips.assign(tags=None, title="Air")
    themes = themes_table(model, words, model.mixtures(words), emotions)
    cards = build_cards(model, themes, plain, measures, ["w"] * 10)
    assert [card["title"] for card in cards if card["emotion"] == "calm"] == ["like “Air”", "like “Air” (2)"]


def test_themes_are_named_by_predicted_tags_before_differences(library):
    words, clips, emotions, model, _ = library
    themes = themes_table(model, words, model.mixtures(words), emotions)
    kinds = np.arange(42) % 2
    measures = pd.DataFrame({"pace": kinds * 2.0}, index=list(words.clip_ids))
    tags = [["acoustic", "folk"] if kind else ["rock", "folk"] for kind in kinds]
    predicted = pd.Series(tags, index=list(words.clip_ids))
    cards = build_cards(model, themes, clips, measures, ["w"] * 10, predicted=predicted)
    names = {card["name"] for card in cards if card["emotion"] == "calm"}
    assert names == {"calm: acoustic, fast", "calm: rock, slow"}  # folk is everywhere
    assert cards[0]["tracks"][0]["tags"] in tags


def test_only_a_difference_beyond_chance_has_a_word():
    groups = pd.Series([f"g{i}" for i in range(40)])
    inside = np.arange(40) < 20
    values = np.tile([0.0, 1.0], 20)
    measured = pd.DataFrame({"pace": values + 2 * inside, "loudness": values + 0.1 * inside, "mode": values})
    found = compare_measures(measured, groups, inside)
    assert found["terms"] == {"pace": "fast"}
    assert found["differences"]["mode"] == 0
    few = compare_measures(measured, pd.Series(["a"] * 20 + ["b"] * 20), inside)
    assert few["terms"] == {}  # two songs, however many takes


def test_hedges_g_in_closed_form():
    g, error = hedges_g(np.array([2.0, 4.0]), np.array([1.0, 3.0]))
    expected = 1 / np.sqrt(2) * (1 - 3 / 7)  # difference 1, variance 2 on both sides
    assert g == pytest.approx(expected)
    assert error == pytest.approx(np.sqrt(1 + expected**2 / 8))
    assert hedges_g(np.array([]), np.ones(3)) == (0.0, np.inf)


def test_over_represented_tags_in_closed_form(monkeypatch):
    clips = pd.DataFrame(
        {"tags": [["a"]] * 3 + [["b"]] * 3, "group": list("uvwxyz"), "inside": [True] * 3 + [False] * 3}
    )
    assert over_represented(clips) == []
    monkeypatch.setattr("affetto.themes.cards.MAX_TAG_P", 0.11)
    # Of 20 ways to choose 3 of 6 groups, one takes all that have the tag; and two tags are tested.
    expected = {"tag": "a", "clips": 3, "lift": 2.0, "p": pytest.approx(2 / 20)}
    assert over_represented(clips) == [expected]
    again = pd.concat([clips, clips], ignore_index=True)  # more clips of the same groups are no more evidence
    assert over_represented(again) == [{**expected, "clips": 6}]
    assert over_represented(clips.assign(group="u")) == []  # one group in the theme, and the same one outside


def test_keys_are_told_by_their_profiles():
    for shift in range(12):
        assert major_minor(np.roll(MAJOR_PROFILE, shift)) > 0
        assert major_minor(np.roll(MINOR_PROFILE, shift)) < 0
    assert major_minor(np.ones(12)) == 0


def test_event_rate_counts_peaks():
    strength = np.zeros(100)
    strength[5::10] = 1.0
    assert event_rate(strength, 0.02) == pytest.approx(5.0)
    assert event_rate(strength[:2], 0.02) == 0


def test_measures_follow_the_dimensions_there_are():
    names = ("mfcc_0", "rms_db", "centroid_hz", "flatness", "onset", *(f"chroma_{i}" for i in range(12)))
    columns = dict(zip(names, np.random.default_rng(0).normal(size=(17, 50)), strict=True))
    found = measure(columns, 1.0)
    assert set(found) == {*TERMS} - {"clarity"}
    assert found["loudness"] == pytest.approx(columns["rms_db"].mean())
    assert measure({"mfcc_0": columns["mfcc_0"]}, 1.0) == {}
