import numpy as np
import pandas as pd
import pytest

from affetto.evaluation.parameters import EvaluationParameters, HighlightTestParameters
from affetto.experiments.highlights import Excerpts, cut_excerpts, highlight_rows
from affetto.experiments.probes import NOT_PREDICTED, Outcome
from affetto.features.clip_features import ClipFeatures, FeatureSet

PARAMETERS = HighlightTestParameters(length_s=3.0, n_random=4)
QUICK = EvaluationParameters(n_permutations=200, highlights=PARAMETERS)


def clips_with_a_loud_second(n=8, frames=100):
    """Ten frames a second of numbers that tell where they are; the class is only to be seen in one second."""
    arrays, labels = [], []
    for i in range(n):
        values = np.zeros((frames, 2), np.float32)
        values[:, 0] = np.arange(frames)
        values[10 * (i % 9) : 10 * (i % 9) + 10, 1] = 1 if i % 2 else -1
        arrays.append(values)
        labels.append("happy" if i % 2 else "calm")
    ids = [f"toy/{i}" for i in range(n)]
    slow = [array[::10] for array in arrays]
    return FeatureSet(
        {
            "mfcc": ClipFeatures.from_arrays("mfcc", ids, arrays, hop_s=0.1),
            "midterm": ClipFeatures.from_arrays("midterm", ids, slow, hop_s=1.0),
        }
    ), labels


class Listener:
    """Attends to what it recognises; answers `calm` where it hears nothing."""

    classes_ = ("calm", "happy")

    def predict_proba(self, x):
        happy = [float(clip[:, 1].sum() > 0) for clip in x["mfcc"]]
        return np.stack([1 - np.array(happy), happy], axis=1)

    def attention(self, x):
        weights = [np.abs(clip[:, 1]) + 1e-6 for clip in x["mfcc"]]
        return [0.1 * np.arange(len(clip)) for clip in weights], weights


def test_stretches_are_cut_from_all_features():
    features, _ = clips_with_a_loud_second(2)
    found = cut_excerpts(features, [2.0, 6.95], 3.0)
    assert found["mfcc"][0][:, 0].tolist() == list(range(20, 50))
    assert found["mfcc"][1][0, 0] == 70
    assert found["midterm"][0][:, 0].tolist() == [20.0, 30.0, 40.0]
    beyond = cut_excerpts(features, [9.99, 9.99], 0.01)
    assert [len(clip) for clip in beyond["midterm"]] == [1, 1]


def test_attention_that_knows_where_to_listen_beats_chance():
    features, labels = clips_with_a_loud_second(40)
    told = Excerpts(PARAMETERS, fold=0).predict(Listener(), features)
    answers = Outcome(0, 0, features.clip_ids, Listener.classes_, told)
    groups = [f"g{i // 2}" for i in range(len(labels))]
    truth = pd.DataFrame({"emotion": labels, "group": groups}, index=list(features.clip_ids))
    (row,) = highlight_rows("attentive", [answers], truth, QUICK)
    assert (row["uar_whole"], row["uar_highlight"]) == (1, 1)
    assert row["uar_random"] < 0.9
    assert row["gain"] == pytest.approx(100 * (1 - row["uar_random"]))
    assert row["gain_ci_low"] > 0
    assert row["p_value"] < 0.05


def test_draws_depend_on_the_seed_alone():
    features, _ = clips_with_a_loud_second()
    parameters = [HighlightTestParameters(length_s=3.0, n_random=20, seed=seed) for seed in (0, 0, 1)]
    first, again, other = (
        Excerpts(each, fold=0).predict(Listener(), features)["random"] for each in parameters
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_clips_that_leave_no_choice_are_left_out():
    features, labels = clips_with_a_loud_second(3)
    groups = pd.DataFrame({"emotion": labels, "group": "g"}, index=list(features.clip_ids))
    for length_s, predicted in ((8.0, True), (9.0, False)):
        parameters = HighlightTestParameters(length_s=length_s, n_random=4)
        found = Excerpts(parameters, fold=0).predict(Listener(), features)
        assert all(((each != NOT_PREDICTED) == predicted).all() for each in found.values())
    outcome = Outcome(0, 0, features.clip_ids, Listener.classes_, found)
    assert highlight_rows("m", [outcome], groups, QUICK) == []
