import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affetto.errors import AffettoError
from affetto.recommendation.bridge import bridge_matrix, choose_bridge, wanted_emotions

VOICE = ("anger", "sadness")
MUSIC = ("calm", "happy", "sad", "tense")


def test_rows_are_conditional_probabilities():
    matrix = bridge_matrix({"anger": {"calm": 3, "happy": 1}, "sadness": {"sad": 0.2}}, VOICE, MUSIC)
    np.testing.assert_array_equal(matrix, [[0.75, 0.25, 0, 0], [0, 0, 1, 0]])


def test_wanted_emotions_follow_the_law_of_total_probability():
    matrix = bridge_matrix({"anger": {"calm": 3, "happy": 1}, "sadness": {"sad": 2}}, VOICE, MUSIC)
    np.testing.assert_allclose(wanted_emotions(np.array([0.4, 0.6]), matrix), [0.3, 0.1, 0.6, 0.0])


@given(
    st.lists(st.fixed_dictionaries({name: st.floats(0.01, 100) for name in MUSIC}), min_size=2, max_size=2),
    st.lists(st.floats(0.001, 1), min_size=2, max_size=2),
)
def test_probability_is_kept(rows, voice):
    matrix = bridge_matrix(dict(zip(VOICE, rows, strict=True)), VOICE, MUSIC)
    wanted = wanted_emotions(np.array(voice) / sum(voice), matrix)
    assert wanted.sum() == pytest.approx(1.0)
    assert (wanted >= 0).all()


@pytest.mark.parametrize(
    ("bridge", "named"),
    [
        ({"anger": {"calm": 1}}, "taxonomy.bridges.uplift.sadness"),
        ({"anger": {"joyful": 1}, "sadness": {"sad": 1}}, "taxonomy.bridges.uplift.anger.joyful"),
        ({"anger": {"calm": -1}, "sadness": {"sad": 1}}, "taxonomy.bridges.uplift.anger.calm"),
        ({"anger": {"calm": float("nan")}, "sadness": {"sad": 1}}, "taxonomy.bridges.uplift.anger.calm"),
        ({"anger": {"calm": "much"}, "sadness": {"sad": 1}}, "taxonomy.bridges.uplift.anger.calm"),
        ({"anger": {"calm": 0}, "sadness": {"sad": 1}}, "taxonomy.bridges.uplift.anger has no weight"),
        ({"anger": {"calm": 1}, "sadness": {}}, "taxonomy.bridges.uplift.sadness is missing"),
    ],
)
def test_errors_name_the_key(bridge, named):
    with pytest.raises(AffettoError, match=named.replace(".", r"\.")):
        bridge_matrix(bridge, VOICE, MUSIC, key="taxonomy.bridges.uplift")


def test_own_bridges_go_before_those_of_the_taxonomy():
    taxonomy = {"bridges": {"uplift": {"anger": {"calm": 1}}}}
    own = {"uplift": {"anger": {"happy": 1.0}}}
    assert choose_bridge(taxonomy, own, "uplift") == own["uplift"]
    assert choose_bridge(taxonomy, {}, "uplift") == taxonomy["bridges"]["uplift"]


def test_unknown_bridge_names_the_nearest():
    with pytest.raises(AffettoError, match="did you mean 'uplift'"):
        choose_bridge({"bridges": {"uplift": {}, "congruent": {}}}, {}, "uplfit")
