from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from affetto.evaluation.attention import attention_examples_figure, attention_figure
from affetto.evaluation.comparison import compare
from affetto.evaluation.figures import (
    comparison_figure,
    confusion_figure,
    reliability_figure,
    training_figure,
)
from affetto.evaluation.interactive import interactive_comparison
from affetto.evaluation.parameters import EvaluationParameters

CLASSES = ["calm", "happy", "sad"]


@pytest.fixture(scope="module")
def table(models, roles):
    parameters = EvaluationParameters(n_resamples=100, n_permutations=100)
    return compare(models, roles, protocol="kfold", corpus="demo", task="t", parameters=parameters)


def test_confusion_matrices_have_a_panel_a_model_with_their_classes(models):
    figure = confusion_figure(models)

    assert [axes.get_title().split("\n")[0] for axes in figure.axes] == list(models)
    for axes in figure.axes:
        assert [tick.get_text() for tick in axes.get_xticklabels()] == CLASSES
        assert [tick.get_text() for tick in axes.get_yticklabels()] == CLASSES
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true (rows: %)")


def test_confusion_cells_are_percentages_of_the_true_class(make_predictions):
    figure = confusion_figure({"m": make_predictions(list("aaab"), list("aabb"))})

    assert [text.get_text() for text in figure.axes[0].texts] == ["67", "33", "100"]


def test_a_class_that_never_occurs_is_an_empty_row(make_predictions):
    figure = confusion_figure({"m": make_predictions(list("aa"), list("ab"))})

    image = np.asarray(figure.axes[0].images[0].get_array())
    np.testing.assert_allclose(image, [[0.5, 0.5], [0, 0]])


def test_training_curves_show_loss_and_uar_of_networks_only(histories):
    figure = training_figure(histories)

    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "UAR, validation"]
    assert figure.axes[0].get_title() == "attentive"
    np.testing.assert_allclose(figure.axes[1].lines[0].get_ydata(), np.arange(6) / 10)


def test_curves_that_were_not_recorded_are_left_out():
    epochs = pd.DataFrame({"fold": 0, "seed": 0, "epoch": [0, 1], "loss": [1.0, 0.5]})
    validated = epochs.assign(val_loss=[1.2, 0.9], val_uar=[0.3, 0.6])

    first, second, _, absent = training_figure({"a": validated, "b": epochs}).axes

    assert [text.get_text() for text in first.get_legend().get_texts()] == ["training", "validation"]
    assert len(second.lines) == 1
    assert not absent.axison


def test_models_without_epochs_leave_a_note():
    figure = training_figure({"svm": pd.DataFrame(columns=["fold", "seed", "epoch"])})

    assert "No model" in figure.texts[0].get_text()


def test_comparison_shows_every_model_with_its_score(table):
    (axes,) = comparison_figure(table).axes

    assert [tick.get_text() for tick in axes.get_yticklabels()] == list(table["model"])
    assert [text.get_text() for text in axes.texts] == [f"{score:.3f}" for score in table["uar"]]
    low, high = axes.get_xlim()
    assert low <= table["uar_ci_low"].min()
    assert high >= table["uar_ci_high"].max()


def test_reliability_has_a_panel_a_model(models):
    figure = reliability_figure(models)

    assert [axes.get_xlabel() for axes in figure.axes] == ["confidence"] * 3
    assert all("ECE" in axes.get_title() for axes in figure.axes)


def test_attention_is_drawn_over_time_under_the_features():
    times, weights = np.arange(5) * 0.5, np.full(5, 0.2)

    alone = attention_figure(times, weights, title="demo/a")
    above = attention_figure(times, weights, image=np.zeros((25, 13)), hop_s=0.1, image_label="MFCC")

    assert len(alone.axes) == 1
    assert alone.axes[0].get_title(loc="left") == "demo/a"
    assert [axes.get_ylabel() for axes in above.axes] == ["MFCC", "attention"]
    assert above.axes[1].get_xlabel() == "time (s)"
    assert above.axes[0].get_xlim() == (0.0, 2.5)


def test_a_clip_of_one_step_can_be_drawn():
    assert attention_figure(np.zeros(1), np.ones(1)).axes


def test_attention_examples_are_one_right_clip_a_class(models, attention):
    figure = attention_examples_figure(attention, models["attentive"])

    assert [axes.get_title(loc="left").split(":")[0] for axes in figure.axes] == CLASSES


def test_a_model_without_attention_leaves_a_note(models, attention):
    empty = attention.assign(weights=[np.empty(0)] * len(attention))

    for table in (empty, attention.iloc[:0]):
        assert "no attention" in attention_examples_figure(table, models["attentive"]).texts[0].get_text()


def test_the_interactive_comparison_survives_json(table):
    figure = interactive_comparison(table, task="music_emotion")

    assert [trace.name for trace in figure.data] == ["proposed", "ablation", "baseline"]
    assert "Music emotion" in figure.to_json()
    assert list(figure.layout.yaxis.categoryarray) == list(table["model"])


def test_figures_stay_out_of_the_global_list(models):
    before = plt.get_fignums()
    confusion_figure(models)

    assert plt.get_fignums() == before
