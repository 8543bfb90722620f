from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affetto.evaluation.asking import Answers, Question, Truth, ask_all
from affetto.evaluation.exchange_inquiry import AS_IS, ExchangeInquiry, deal
from affetto.evaluation.group_figures import importance_figure
from affetto.evaluation.importance import IMPORTANCE_COLUMNS, descriptor_columns, importance_of
from affetto.evaluation.parameters import EvaluationParameters
from affetto.evaluation.report_tables import importance_tables
from affetto.features.clip_features import ClipFeatures, FeatureSet
from affetto.parallel import ExecutorParameters
from affetto.results import ResultStore

QUICK = EvaluationParameters(n_permutations=100)
HERE = ExecutorParameters(n_jobs=1, progress=False)
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


def load(column, directory):
    return OneColumn(column)


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


def questions_of(features, store, column, root, n_repeats=N_REPEATS):
    ids = features.clip_ids
    return [
        Question(
            directory=root / f"model{column}{fold}",
            load=partial(load, column),
            fold=fold,
            seed=0,
            features=features.select(ids[8 * fold : 8 * fold + 8]),
            inquiry=ExchangeInquiry(descriptor_columns(features), n_repeats, seed=0),
            store=store,
        )
        for fold in range(N_FOLDS)
    ]


def by_hand(clips):
    """Loss in points when a clip is told as its donor: UAR is the mean of both classes' shares."""
    label = clips["emotion"].to_numpy()
    losses = []
    for donors in deal(8, N_REPEATS, 0):
        told = np.concatenate([label[8 * fold : 8 * fold + 8][donors] for fold in range(N_FOLDS)])
        losses.append(100 * (1 - np.mean([np.mean(told[label == name] == name) for name in CLASSES])))
    return np.array(losses)


def test_a_model_of_one_column_needs_that_group_alone(features, clips, tmp_path):
    answers = ask_all(questions_of(features, ResultStore(tmp_path), 1, tmp_path), HERE, "importance")

    table = importance_of("m", answers, Truth.of(clips), QUICK).set_index("descriptors")

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


def test_a_full_exchange_between_two_classes_loses_everything(clips):
    wrong = np.array([[1 - i % 2 for i in range(N_CLIPS)]])
    right = 1 - wrong
    answers = Answers(0, 0, tuple(clips["clip_id"]), CLASSES, {AS_IS: right, "energy": wrong})

    (row,) = importance_of("m", [answers], Truth.of(clips), QUICK).to_dict("records")

    assert (row["loss"], row["loss_ci_high"]) == (100, 100)
    assert 50 < row["loss_ci_low"] < 100  # so few clips
    assert np.isnan(row["loss_sd"])
    assert row["n_repeats"] == 1


@given(st.integers(0, 1000), st.integers(1, 3), st.integers(1, 3))
@settings(max_examples=15)
def test_losses_are_differences_of_pooled_uar(clips, random, n_seeds, n_repeats):
    rng = np.random.default_rng(random)
    answers = [
        Answers(
            0,
            seed,
            tuple(clips["clip_id"]),
            CLASSES,
            {AS_IS: rng.integers(2, size=(1, N_CLIPS)), "energy": rng.integers(2, size=(n_repeats, N_CLIPS))},
        )
        for seed in range(n_seeds)
    ]
    truth = (clips["emotion"] == "tense").to_numpy().astype(int)

    def uar(told):
        return np.mean([(told[truth == code] == code).mean() for code in (0, 1)])

    (row,) = importance_of("m", answers, Truth.of(clips), QUICK).to_dict("records")

    whole = np.array([uar(one.told[AS_IS][0]) for one in answers])
    parts = np.array([[uar(told) for told in one.told["energy"]] for one in answers])
    assert row["uar"] == pytest.approx(whole.mean())
    assert row["loss"] == pytest.approx(100 * (whole.mean() - parts.mean()))
    if n_repeats > 1:
        assert row["loss_sd"] == pytest.approx(100 * parts.mean(axis=0).std(ddof=1))


def test_answers_are_kept(features, tmp_path):
    store = ResultStore(tmp_path)
    first = ask_all(questions_of(features, store, 0, tmp_path), HERE, "importance")

    def refuse(directory):
        raise AssertionError("asked again")

    again = [replace(question, load=refuse) for question in questions_of(features, store, 0, tmp_path)]
    for one, other in zip(first, ask_all(again, HERE, "importance"), strict=True):
        assert one.clip_ids == other.clip_ids
        np.testing.assert_array_equal(one.told["energy"], other.told["energy"])
    more = [replace(question, load=refuse) for question in questions_of(features, store, 0, tmp_path, 9)]
    with pytest.raises(AssertionError, match="asked again"):
        ask_all(more, HERE, "importance")


def test_the_spectrogram_is_exchanged_as_a_whole(features):
    spectrograms = ClipFeatures.from_arrays(
        "log_mel",
        list(features.clip_ids),
        [np.zeros((3, 5))] * N_CLIPS,
        hop_s=0.016,
        parameters={"extractor": "log_mel"},
    )
    columns = descriptor_columns(FeatureSet({"log_mel": spectrograms, **features}))

    assert list(columns) == ["energy", "voicing", "spectral", "cepstral", "spectrogram"]
    np.testing.assert_array_equal(columns["spectrogram"]["log_mel"], np.arange(5))


def test_features_of_other_extractors_are_not_exchanged():
    mfcc = ClipFeatures.from_arrays("mfcc", ["a"], [np.zeros(3)], parameters={"extractor": "mfcc"})

    assert descriptor_columns(FeatureSet({"mfcc": mfcc})) == {}


@pytest.fixture
def table():
    rows = [
        ("both", "energy", 0.8, 12.34, 1.0, 10.0, 15.0, 24, 2),
        ("both", "spectrogram", 0.8, -0.5, 0.2, -1.0, 0.1, 24, 2),
        ("flat", "energy", 0.7, 3.0, np.nan, np.nan, np.nan, 24, 1),
    ]
    return pd.DataFrame(rows, columns=list(IMPORTANCE_COLUMNS))


def test_the_figure_has_a_bar_a_model_and_group(table):
    (axes,) = importance_figure(table).axes

    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["energy", "spectrogram"]
    assert [bar.get_width() for bars in axes.containers for bar in bars] == [12.34, -0.5, 3.0]


def test_the_table_has_a_row_a_model(table):
    (written,) = importance_tables(table)

    assert written.header == ("Model", "energy", "spectrogram")
    assert written.rows == (
        ("both", "12.3 ± 1.0 [10.0, 15.0]", "−0.5 ± 0.2 [−1.0, 0.1]"),
        ("flat", "3.0", "–"),
    )


def test_nothing_measured_is_said(table):
    assert "not measured" in importance_figure(table.iloc[:0]).texts[0].get_text()
    assert importance_tables(table.iloc[:0]) == []
