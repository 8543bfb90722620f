from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affetto.evaluation.parameters import EnrolmentParameters, EvaluationParameters
from affetto.experiments.enrolment import (
    Enrolment,
    draw_order,
    enrolment_rows,
)
from affetto.experiments.probes import NOT_PREDICTED, Outcome
from affetto.features.clip_features import ClipFeatures, FeatureSet

CLASSES = ("calm", "tense")
ENROLMENT = EnrolmentParameters(sizes=(2, 4, 8), repeats=3)
QUICK = EvaluationParameters(n_permutations=100, enrolment=ENROLMENT)
N_SPEAKERS, N_CLIPS = 4, 12
LARGE = 100.0


class Toy:
    """Tells the emotion from the sign of a number, of which an enrolment removes the speaker's offset."""

    classes_ = CLASSES

    def __init__(self, asked=None):
        self.asked = asked

    def predict_proba(self, x, enrolment=None):
        values = np.concatenate(list(x["pitch"]))[:, 0]
        if enrolment is not None:
            values = values - LARGE * np.round(np.mean(list(enrolment["pitch"])) / LARGE)
            if self.asked is not None:
                self.asked.append((x.clip_ids, enrolment.clip_ids))
        return np.stack([values < 0, values > 0], axis=1).astype(float)


@pytest.fixture(scope="module")
def clips():
    """Each speaker has as many calm as tense clips, around an offset that outweighs all emotion."""
    rows = [
        (f"toy/{speaker}{i:02d}", CLASSES[i % 2], f"s{speaker}", LARGE * (-1) ** speaker + (-1, 1)[i % 2])
        for speaker in range(N_SPEAKERS)
        for i in range(N_CLIPS)
    ]
    return pd.DataFrame(rows, columns=["clip_id", "emotion", "group", "value"])


def features_of(clips):
    arrays = [np.array([value]) for value in clips["value"]]
    return FeatureSet({"pitch": ClipFeatures.from_arrays("pitch", list(clips["clip_id"]), arrays)})


def table_of(clips, enrolment=ENROLMENT):
    """What models of two folds and seeds gain, each with the clips of two speakers."""
    outcomes = []
    for seed in (0, 1):
        for fold, tested in enumerate([clips.iloc[:24], clips.iloc[24:]]):
            features = features_of(tested)
            found = Enrolment(tuple(tested["group"]), enrolment).predict(Toy(), features)
            outcomes.append(Outcome(fold, seed, features.clip_ids, CLASSES, found))
    parameters = QUICK.model_copy(update={"enrolment": enrolment})
    return pd.DataFrame(enrolment_rows("toy", outcomes, clips.set_index("clip_id"), parameters))


def test_an_offset_that_the_enrolment_removes_is_the_gain(clips):
    table = table_of(clips)

    assert list(table["n_enrolled"]) == [2, 4, 8]
    assert set(table["uar_enrolled"]) == {1.0}
    np.testing.assert_allclose(table["gain"], 100 * (1 - table["uar_anyone"]))
    # Speakers high up are always told tense, those low down calm: right by chance, whatever was enrolled.
    assert (table["gain"] - 50).abs().max() < 15
    assert ((table["gain_ci_low"] <= table["gain"]) & (table["gain"] <= table["gain_ci_high"])).all()
    assert set(table["n_speakers"]) == {N_SPEAKERS}
    assert set(table["n_repeats"]) == {3}
    assert (table["n_clips"] <= N_SPEAKERS * N_CLIPS).all()


def test_enrolled_clips_are_never_scored(clips):
    asked, groups = [], dict(zip(clips["clip_id"], clips["group"], strict=True))
    probe = Enrolment(tuple(clips["group"]), ENROLMENT)
    told = probe.predict(Toy(asked), features_of(clips))["enrolled"]

    assert len(asked) == N_SPEAKERS * 3 * ENROLMENT.repeats
    for scored, enrolled in asked:
        assert not set(scored) & set(enrolled)
        assert len({groups[clip_id] for clip_id in (*scored, *enrolled)}) == 1
        assert len(scored) + len(enrolled) == N_CLIPS
    assert (told == NOT_PREDICTED).sum(axis=2).tolist() == [[N_SPEAKERS * size] * 3 for size in (2, 4, 8)]


def test_larger_enrolments_hold_the_smaller_ones_and_draws_differ(clips):
    asked = []
    Enrolment(("s0",) * N_CLIPS, ENROLMENT).predict(Toy(asked), features_of(clips.iloc[:N_CLIPS]))
    enrolled = [set(enrolled) for _, enrolled in asked]

    for two, four, eight in (enrolled[:3], enrolled[3:6], enrolled[6:]):
        assert two < four < eight
    assert len({frozenset(eight) for eight in enrolled[2::3]}) == 3


def test_speakers_with_too_few_clips_are_left_out(clips):
    few = clips.drop(index=clips.index[3:N_CLIPS])  # three of the first speaker stay
    table = table_of(few)

    assert list(table["n_speakers"]) == [N_SPEAKERS, N_SPEAKERS - 1, N_SPEAKERS - 1]
    assert table_of(clips, EnrolmentParameters(sizes=(N_CLIPS, 100))).empty


@given(st.permutations([f"c{i}" for i in range(9)]), st.integers(0, 99), st.integers(0, 9))
@settings(max_examples=25)
def test_draws_do_not_depend_on_the_order_of_the_clips(clip_ids, seed, repeat):
    ordered = sorted(clip_ids)
    drawn = [clip_ids[i] for i in draw_order(clip_ids, "s", seed, repeat)]

    assert drawn == [ordered[i] for i in draw_order(ordered, "s", seed, repeat)]
    assert sorted(drawn) == ordered


def test_sizes_are_put_in_order():
    assert EnrolmentParameters(sizes=(10, 3, 10)).sizes == (3, 10)
