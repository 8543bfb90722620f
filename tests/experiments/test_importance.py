from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affetto.errors import AffettoError
from affetto.evaluation.parameters import EvaluationParameters
from affetto.experiments.importance import (
    AS_IS,
    Permutation,
    columns_by_group,
    descriptor_columns,
    draw_donors,
    exchange_columns,
    group_of,
    importance_rows,
)
from affetto.experiments.probes import Outcome
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.features.opensmile import OpenSmileParameters

QUICK = EvaluationParameters(n_permutations=100)
NAMES = ("pcm_RMSenergy_sma_amean", "F0final_sma_amean", "audSpec_Rfilt_sma[0]_amean", "mfcc_sma[1]_amean")
CLASSES = ("calm", "tense")
N_CLIPS, N_FOLDS, N_REPEATS = 24, 3, 5


class OneColumn:
    """Tells the emotion from the sign of one column and from nothing else."""

    classes_ = CLASSES

    def __init__(self, column):
        self._column = column

    def predict_proba(self, x):
        values = np.concatenate(list(x["functionals"]))[:, self._column]
        return np.stack([values < 0, values > 0], axis=1).astype(float)


@pytest.fixture(scope="module")
def clips():
    return pd.DataFrame(
        {
            "clip_id": [f"toy/{i:02d}" for i in range(N_CLIPS)],
            "emotion": [CLASSES[i % 2] for i in range(N_CLIPS)],
            "group": [f"s{i // 4}" for i in range(N_CLIPS)],
        }
    )


@pytest.fixture(scope="module")
def features(clips):
    """Every column alone tells the emotion."""
    sign = np.where(clips["emotion"] == "tense", 1.0, -1.0)
    vectors = [np.full(4, value) for value in sign]
    functionals = ClipFeatures.from_arrays(
        "functionals",
        list(clips["clip_id"]),
        vectors,
        dimensions=NAMES,
        parameters={"extractor": "opensmile"},
    )
    return FeatureSet({"functionals": functionals})


def outcomes_of(features, column):
    """What the models of three folds of eight clips predict, which look at one column."""
    model, probe = OneColumn(column), Permutation(descriptor_columns(features), N_REPEATS, seed=0)
    folds = [features.take(range(8 * fold, 8 * fold + 8)) for fold in range(N_FOLDS)]
    return [
        Outcome(fold, 0, tested.clip_ids, CLASSES, probe.predict(model, tested))
        for fold, tested in enumerate(folds)
    ]


def rows(outcomes, clips):
    return importance_rows("m", outcomes, clips.set_index("clip_id"), QUICK)


def by_hand(clips):
    """Loss in points when a clip is told as its donor: UAR is the mean of both classes' shares."""
    label = clips["emotion"].to_numpy()
    losses = []
    for donors in draw_donors(8, N_REPEATS, 0):
        told = np.concatenate([label[8 * fold : 8 * fold + 8][donors] for fold in range(N_FOLDS)])
        losses.append(100 * (1 - np.mean([np.mean(told[label == name] == name) for name in CLASSES])))
    return np.array(losses)


def test_a_model_of_one_column_needs_that_group_alone(features, clips):
    table = pd.DataFrame(rows(outcomes_of(features, 1), clips)).set_index("descriptors")

    assert list(table.index) == ["energy", "voicing", "spectral", "cepstral"]
    losses = by_hand(clips)
    assert table.loc["voicing", "loss"] == pytest.approx(losses.mean())
    assert table.loc["voicing", "loss_sd"] == pytest.approx(losses.std(ddof=1))
    assert table.loc["voicing", "loss_ci_low"] <= losses.mean() <= table.loc["voicing", "loss_ci_high"]
    others = table.drop(index="voicing")
    assert (others[["loss", "loss_sd"]] == 0).all(axis=None)
    assert (others["loss_ci_low"] == -others["loss_ci_high"]).all()
    assert set(table["uar"]) == {1.0}
    assert set(table["n_clips"]) == {N_CLIPS}


def test_the_spectrogram_is_exchanged_as_a_whole_and_other_extractors_not_at_all(features):
    ids, frames = list(features.clip_ids), [np.zeros((3, 5))] * N_CLIPS
    of = {
        name: ClipFeatures.from_arrays(name, ids, frames, hop_s=0.016, parameters={"extractor": name})
        for name in ("log_mel", "mfcc")
    }
    columns = descriptor_columns(FeatureSet({**of, **features}))

    assert list(columns) == ["energy", "voicing", "spectral", "cepstral", "spectrogram"]
    assert list(columns["spectrogram"]) == ["log_mel"]
    np.testing.assert_array_equal(columns["spectrogram"]["log_mel"], np.arange(5))


# Weninger et al. 2013, table of the LLD: 4 energy, 6 voicing, 55 spectral of which 14 are MFCC.
LLD = {"energy": 4, "voicing": 6, "spectral": 41, "cepstral": 14}


def names(feature_set, level):
    return OpenSmileParameters(feature_set=feature_set, level=level).dimensions()


def test_the_descriptors_are_grouped_as_published():
    assert Counter(map(group_of, names("ComParE_2016", "lld"))) == LLD
    with pytest.raises(AffettoError, match="'tempo_sma_amean' belongs to no known group"):
        group_of("tempo_sma_amean")


@pytest.mark.parametrize("feature_set", ["ComParE_2016", "eGeMAPSv02"])
@pytest.mark.parametrize("level", ["lld", "functionals"])
def test_every_column_is_in_exactly_one_group(feature_set, level):
    columns = columns_by_group(names(feature_set, level))

    assert list(columns) == list(LLD)
    assert all(len(positions) for positions in columns.values())
    together = np.sort(np.concatenate(list(columns.values())))
    np.testing.assert_array_equal(together, np.arange(len(names(feature_set, level))))


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("pcm_zcr_sma_de_amean", "energy"),
        ("audSpec_Rfilt_sma[25]_lpc3", "spectral"),
        ("mfcc_sma_de[14]_amean", "cepstral"),
        ("HNRdBACF_sma3nz_amean", "voicing"),
        ("F1frequency_sma3nz_amean", "spectral"),
        ("equivalentSoundLevel_dBp", "energy"),
    ],
)
def test_functionals_are_in_the_group_of_their_descriptor(name, group):
    assert group_of(name) == group


def test_a_correlation_is_in_the_groups_of_both_descriptors():
    columns = columns_by_group(names("ComParE_2016", "correlations"))

    # All pairs less those of two descriptors of other groups.
    assert {group: len(positions) for group, positions in columns.items()} == {
        group: (65 * 64 - (65 - size) * (64 - size)) // 2 for group, size in LLD.items()
    }


IDS = ("a", "b", "c")


@pytest.fixture
def three():
    vectors = [np.array([10.0 * i, 10.0 * i + 1]) for i in range(3)]
    lengths = (2, 4, 3)
    frames = [
        np.stack([100.0 * i + np.arange(n), -np.arange(float(n))], axis=1) for i, n in enumerate(lengths)
    ]
    return FeatureSet(
        {
            "functionals": ClipFeatures.from_arrays("functionals", IDS, vectors),
            "lld": ClipFeatures.from_arrays("lld", IDS, frames, hop_s=0.01),
        }
    )


def test_columns_come_from_the_same_donor_in_all_features(three):
    swapped = exchange_columns(
        three, {"functionals": np.array([1]), "lld": np.array([0])}, donors=np.array([1, 2, 0])
    )

    np.testing.assert_array_equal(np.concatenate(list(swapped["functionals"])), [[0, 11], [10, 21], [20, 1]])
    # Two frames of a from the four of b, four of b from the three of c, three of c from the two of a.
    np.testing.assert_array_equal(swapped["lld"][0], [[101, 0], [103, -1]])
    np.testing.assert_array_equal(swapped["lld"][1][:, 0], [200, 201, 201, 202])
    np.testing.assert_array_equal(swapped["lld"][2][:, 0], [0, 1, 1])
    np.testing.assert_array_equal(swapped["lld"][1][:, 1], three["lld"][1][:, 1])


def test_exchanged_clips_are_features_of_their_own(three):
    columns, order = {"functionals": np.array([0])}, np.array([1, 2, 0])
    swapped = exchange_columns(three, columns, order)
    swapped["functionals"][0][:] = 0
    others = (
        exchange_columns(three, columns, np.array([2, 0, 1])),
        exchange_columns(three, {"functionals": np.array([1])}, order),
    )

    assert three["functionals"][1][0, 0] == 10  # the clips themselves stay as they are
    assert swapped["lld"] is three["lld"]
    assert len({each.fingerprint for each in (three, swapped, *others)}) == 4
    selected = np.concatenate(list(swapped.select(["c", "a"])["functionals"]))
    np.testing.assert_array_equal(selected, [[0, 21], [10, 1]])


@given(st.integers(1, 20), st.integers(1, 6), st.integers(0, 9))
def test_deals_are_permutations_that_the_seed_decides(n_clips, n_repeats, seed):
    donors = draw_donors(n_clips, n_repeats, seed)

    assert donors.shape == (n_repeats, n_clips)
    for row in donors:
        assert sorted(row) == list(range(n_clips))
    np.testing.assert_array_equal(donors, draw_donors(n_clips, n_repeats, seed))
    np.testing.assert_array_equal(donors[:1], draw_donors(n_clips, 1, seed))


def test_answers_in_one_go_are_those_of_each_repeat(three, monkeypatch):
    def predict(x):
        return np.stack([clip[0] for clip in x["functionals"]]) * [1, -1]

    columns = {"first": {"functionals": np.array([0])}, "both": {"functionals": np.array([0, 1])}}
    model, probe = SimpleNamespace(predict_proba=predict), Permutation(columns, 4, seed=1)
    together = probe.predict(model, three)
    monkeypatch.setattr("affetto.experiments.importance._CLIPS_AT_ONCE", 1)
    alone = probe.predict(model, three)

    assert {name: told.shape for name, told in together.items()} == {
        AS_IS: (1, 3),
        "first": (4, 3),
        "both": (4, 3),
    }
    for name, told in together.items():
        np.testing.assert_array_equal(told, alone[name])
