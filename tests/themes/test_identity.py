import numpy as np
import pandas as pd
import pytest

from affetto.themes.identity import drift_sentences, keep_numbers
from affetto.themes.model import ThemeModel
from affetto.themes.parameters import TopicParameters
from affetto.themes.topics import TopicModel

PARAMETERS = TopicParameters()


def make(order, *, vocabulary="", numbers=None, highest=None):
    """A model of `calm` whose topics each prefer one of four words."""
    words = np.full((len(order), 4), 0.1)
    words[np.arange(len(order)), list(order)] = 10.0
    topics = TopicModel(words, np.full(len(order), 1.0))
    return ThemeModel(
        {"calm": topics},
        PARAMETERS,
        {"calm": tuple(numbers)} if numbers else {},
        dict(highest or {}),
        vocabulary,
    )


def themes(assigned):
    """Clip table from `theme number → clips`."""
    rows = [
        {"clip_id": clip, "emotion": "calm", "theme": f"calm/{number}"}
        for number, clips in assigned.items()
        for clip in clips
    ]
    return pd.DataFrame(rows)


def test_the_same_training_changes_nothing():
    before = make([0, 1], numbers=(4, 2), highest={"calm": 7})
    again, drift = keep_numbers(
        make([0, 1]), themes({1: "abc", 2: "def"}), before, themes({4: "abc", 2: "def"})
    )
    assert (again.numbers, again.highest) == (before.numbers, before.highest)
    assert set(drift["status"]) == {"kept"}
    assert (drift["similarity"] == 1).all()


def test_themes_of_an_interrupted_training_are_no_comparison():
    before = make([0, 1], numbers=(1, 2), highest={"calm": 2})
    model, drift = keep_numbers(make([0, 1]), themes({1: "ab", 2: "cd"}), before, themes({2: "ab", 3: "cd"}))
    assert model.themes == ["calm/1", "calm/2"]
    assert drift.empty


def test_themes_keep_their_numbers_though_their_order_changes():
    before, old = make([0, 1, 2]), themes({1: "abcd", 2: "efg", 3: "hi"})
    now = themes({1: "efgxyz", 2: "abcd", 3: "hi"})
    model, drift = keep_numbers(make([1, 0, 2]), now, before, old)
    assert model.themes == ["calm/2", "calm/1", "calm/3"]
    (row,) = drift[drift["theme"] == "calm/2"].to_dict("records")
    assert (row["clips_before"], row["clips_now"], row["clips_kept"]) == (3, 3, 3)


def test_new_themes_get_numbers_that_none_ever_had():
    before = make([0, 1], numbers=(1, 2), highest={"calm": 5})
    old = themes({1: "abcd", 2: "efgh"})
    now = themes({1: "abcd", 2: ["e", "x"], 3: ["f", "g", "h"]})
    model, drift = keep_numbers(make([0, 1, 2]), now, before, old)
    assert model.themes == ["calm/1", "calm/6", "calm/2"]
    assert model.highest == {"calm": 6}
    assert drift["status"].tolist() == ["kept", "new", "kept"]


def test_themes_that_dissolve_are_retired_and_their_numbers_stay_free():
    before, old = make([0, 1, 2]), themes({1: "abcd", 2: "efgh", 3: "ijkl"})
    model, drift = keep_numbers(make([0, 1]), themes({1: "abcdij", 2: "efghkl"}), before, old)
    assert model.themes == ["calm/1", "calm/2"]
    assert model.highest == {"calm": 3}
    (row,) = drift[drift["status"] == "retired"].to_dict("records")
    assert (row["theme"], row["clips_before"]) == ("calm/3", 4)
    assert drift_sentences(drift) == [
        "calm: 2 themes kept their number, 0 are new, 1 retired; 0 clips left the themes that were kept."
    ]


def test_words_decide_where_members_are_alike():
    """Of each theme half of the members went to the other; with the same vocabulary words tell them apart."""
    old, now = themes({1: "abcd", 2: "efgh"}), themes({1: "abef", 2: "cdgh"})
    for order, expected in (([0, 1], (1, 2)), ([1, 0], (2, 1))):
        model, drift = keep_numbers(make(order, vocabulary="v"), now, make([0, 1], vocabulary="v"), old)
        assert model.numbers["calm"] == expected
        assert (drift["words"] == 1).all()
        assert drift["members"].iloc[0] == pytest.approx(1 / 3)
    drift = keep_numbers(make([0, 1], vocabulary="w"), now, make([0, 1], vocabulary="v"), old)[1]
    assert drift["words"].isna().all()


def test_another_library_starts_anew():
    before, old = make([0, 1], numbers=(8, 9)), themes({8: "abcd", 9: "efgh"})
    model, drift = keep_numbers(make([0, 1]), themes({1: "wx", 2: "yz"}), before, old)
    assert model.themes == ["calm/1", "calm/2"]
    assert drift.empty


def test_numbers_are_part_of_the_state():
    model = make([0, 1], vocabulary="v", numbers=(3, 7), highest={"calm": 9})
    restored = ThemeModel.from_state(model.state())
    assert restored.themes == ["calm/3", "calm/7"]
    assert (restored.highest, restored.vocabulary) == ({"calm": 9}, "v")
